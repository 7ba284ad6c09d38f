//! Katib's Experiment: a search over parameters with a cap on its trials.
//!
//! Upstream: `kubeflow/katib:pkg/apis/controller/experiments/v1beta1/experiment_types.go@v0.19.0` and
//! `pkg/apis/controller/common/v1beta1/common_types.go@v0.19.0`.

mod conditions;
mod rules;
mod search;
mod status;
mod trial;

pub use conditions::{ExperimentCondition, ExperimentConditionType, reason};
pub use rules::{validate, validate_update};
pub use search::{
    AlgorithmSpec, Distribution, EarlyStoppingSpec, FeasibleSpace, MetricStrategy, MetricStrategyType,
    ObjectiveSpec, ObjectiveType, ParameterSpec, ParameterType, Setting,
};
pub use status::{ExperimentStatus, Metric, Observation, OptimalTrial, ParameterAssignment};
pub use trial::{
    CollectorKind, CollectorSpec, ConfigMapSource, FileFormat, FileSystemKind, FileSystemPath, FilterSpec,
    MetricsCollectorSpec, SourceSpec, TrialParameterSpec, TrialTemplate,
};

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::open_set::open_set;
use crate::schema::any_object;

/// Label on everything that belongs to an experiment: its name.
pub const LABEL_EXPERIMENT: &str = "katib.kubeflow.org/experiment";
/// Label on everything that belongs to a trial: its name.
pub const LABEL_TRIAL: &str = "katib.kubeflow.org/trial";
/// Environment variable of a trial's container: the trial's name.
pub const ENV_TRIAL_NAME: &str = "KATIB_TRIAL_NAME";
/// What a metric reads when the collector found none (`pkg/controller.v1beta1/consts/const.go@v0.19.0`).
pub const UNAVAILABLE_METRIC_VALUE: &str = "unavailable";
/// `parallelTrialCount` where a spec leaves it out (`experiments/v1beta1/constants.go@v0.19.0`).
pub const DEFAULT_PARALLEL_TRIAL_COUNT: i32 = 3;
/// The metrics file where a File collector leaves it out (`common/v1beta1/common_types.go@v0.19.0`).
pub const DEFAULT_FILE_PATH: &str = "/var/log/katib/metrics.log";

/// What to search, how, and when to stop.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kubeflow.org",
    version = "v1beta1",
    kind = "Experiment",
    namespaced,
    status = "ExperimentStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "A search over parameters, as Katib runs it.",
    category = "all",
    category = "kubeflow",
    category = "katib",
    printcolumn(name = "Type", type_ = "string", json_path = ".status.conditions[-1:].type"),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.conditions[-1:].status"
    ),
    printcolumn(name = "Trials", type_ = "integer", json_path = ".status.trials"),
    printcolumn(name = "Succeeded", type_ = "integer", json_path = ".status.trialsSucceeded"),
    printcolumn(name = "Cap", type_ = "integer", json_path = ".spec.maxTrialCount"),
    printcolumn(
        name = "Best",
        type_ = "string",
        json_path = ".status.currentOptimalTrial.observation.metrics[0].latest",
        priority = "1"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentSpec {
    /// The search space.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub parameters: Vec<ParameterSpec>,
    /// What is optimised.
    pub objective: Option<ObjectiveSpec>,
    /// How the next trial is chosen.
    pub algorithm: Option<AlgorithmSpec>,
    /// When a trial is given up before its end.
    pub early_stopping: Option<EarlyStoppingSpec>,
    /// What each trial runs.
    pub trial_template: Option<TrialTemplate>,
    /// Trials at once; [`DEFAULT_PARALLEL_TRIAL_COUNT`] when absent.
    pub parallel_trial_count: Option<i32>,
    /// The cap: completed trials after which the experiment has succeeded.
    pub max_trial_count: Option<i32>,
    /// Failed trials at which the experiment fails.
    pub max_failed_trial_count: Option<i32>,
    /// Where metrics are read.
    pub metrics_collector_spec: Option<MetricsCollectorSpec>,
    /// Architecture search, as Katib takes it.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub nas_config: Option<serde_json::Value>,
    /// Whether a finished experiment may go on; Never when absent.
    pub resume_policy: Option<ResumePolicy>,
}

open_set! {
    /// Whether a finished experiment may go on with a larger cap.
    ResumePolicy {
        /// Not at all; upstream's default.
        Never = "Never",
        /// Its suggestion service stays up.
        LongRunning = "LongRunning",
        /// Its suggestion's state is kept in a volume.
        FromVolume = "FromVolume",
    }
}
