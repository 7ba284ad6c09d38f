//! Katib's Experiment: a search over parameters with a cap on its trials.
//!
//! Upstream: `kubeflow/katib:pkg/apis/controller/experiments/v1beta1/experiment_types.go@v0.19.0` and
//! `pkg/apis/controller/common/v1beta1/common_types.go@v0.19.0`.

mod conditions;
mod rules;
mod status;

pub use conditions::{ExperimentCondition, ExperimentConditionType, reason};
pub use rules::{validate, validate_update};
pub use status::{ExperimentStatus, Metric, Observation, OptimalTrial, ParameterAssignment};

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, HTTPGetAction};
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

/// One parameter of the search space.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterSpec {
    /// Its name, referred to by the trial template.
    pub name: String,
    /// The kind of its values.
    pub parameter_type: Option<ParameterType>,
    /// The values it may take.
    #[serde(default)]
    pub feasible_space: FeasibleSpace,
}

open_set! {
    /// The kind of a parameter's values.
    ParameterType {
        /// Real numbers between min and max.
        Double = "double",
        /// Whole numbers between min and max.
        Int = "int",
        /// Numbers from a list.
        Discrete = "discrete",
        /// Words from a list.
        Categorical = "categorical",
        /// Left open; Katib accepts the word.
        Unknown = "unknown",
    }
}

/// The values a parameter may take. Numbers are strings, as upstream has them.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeasibleSpace {
    /// Largest value of a double or int parameter.
    pub max: Option<String>,
    /// Smallest value of a double or int parameter.
    pub min: Option<String>,
    /// The values of a discrete or categorical parameter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub list: Vec<String>,
    /// Distance between two values of an int or double parameter.
    pub step: Option<String>,
    /// How values spread between min and max; uniform when absent.
    pub distribution: Option<Distribution>,
}

open_set! {
    /// How a parameter's values spread between min and max.
    Distribution {
        /// Evenly.
        Uniform = "uniform",
        /// Evenly in the logarithm.
        LogUniform = "logUniform",
        /// Around the middle.
        Normal = "normal",
        /// Around the middle of the logarithm.
        LogNormal = "logNormal",
        /// Left open; Katib accepts the word.
        Unknown = "unknown",
    }
}

/// What is optimised.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectiveSpec {
    /// The direction.
    #[serde(rename = "type")]
    pub type_: Option<ObjectiveType>,
    /// A value that ends the search early. Leave it out to run all trials.
    pub goal: Option<f64>,
    /// The metric that is optimised.
    pub objective_metric_name: Option<String>,
    /// Metrics that are collected beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub additional_metric_names: Vec<String>,
    /// Which of a trial's values counts, by metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metric_strategies: Vec<MetricStrategy>,
}

impl ObjectiveSpec {
    /// Which of a trial's values counts for `metric`: as declared, else min when minimising, max when maximising
    /// (upstream's defaulting, `experiment_defaults.go@v0.19.0`).
    #[must_use]
    pub fn strategy(&self, metric: &str) -> MetricStrategyType {
        let declared = self
            .metric_strategies
            .iter()
            .find(|strategy| strategy.name == metric);
        match (declared.and_then(|strategy| strategy.value.clone()), &self.type_) {
            (Some(declared), _) => declared,
            (None, Some(ObjectiveType::Minimize)) => MetricStrategyType::Min,
            (None, Some(ObjectiveType::Maximize)) => MetricStrategyType::Max,
            (None, _) => MetricStrategyType::Latest,
        }
    }
}

open_set! {
    /// The direction of an objective.
    ObjectiveType {
        /// Smaller is better.
        Minimize = "minimize",
        /// Larger is better.
        Maximize = "maximize",
    }
}

/// Which of a trial's values of a metric counts.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricStrategy {
    /// The metric.
    pub name: String,
    /// The value that counts.
    pub value: Option<MetricStrategyType>,
}

open_set! {
    /// The value of a metric that counts for its trial.
    MetricStrategyType {
        /// The smallest.
        Min = "min",
        /// The largest.
        Max = "max",
        /// The last.
        Latest = "latest",
    }
}

/// How the next trial is chosen.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlgorithmSpec {
    /// Katib's name of the algorithm, for example `tpe`.
    pub algorithm_name: Option<String>,
    /// Its settings, for example `random_state`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub algorithm_settings: Vec<Setting>,
}

/// When a trial is given up before its end.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EarlyStoppingSpec {
    /// Katib's name of the algorithm, for example `medianstop`.
    pub algorithm_name: Option<String>,
    /// Its settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub algorithm_settings: Vec<Setting>,
}

/// A named setting of an algorithm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, whatever its kind, as a string.
    #[serde(default)]
    pub value: String,
}

/// What each trial runs.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialTemplate {
    /// Keep what a trial ran in (and its logs) after its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retain: bool,
    /// The object of one trial, with `${trialParameters.NAME}` where values go.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub trial_spec: Option<serde_json::Value>,
    /// Where the object of one trial is kept instead.
    pub config_map: Option<ConfigMapSource>,
    /// What the template's placeholders stand for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub trial_parameters: Vec<TrialParameterSpec>,
    /// Labels of the pods whose metrics count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub primary_pod_labels: BTreeMap<String, String>,
    /// The container whose metrics count.
    pub primary_container_name: Option<String>,
    /// GJSON expression over the trial's object: it has succeeded.
    pub success_condition: Option<String>,
    /// GJSON expression over the trial's object: it has failed.
    pub failure_condition: Option<String>,
}

/// A trial template kept in a ConfigMap.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// Name of the ConfigMap.
    pub config_map_name: Option<String>,
    /// Namespace of the ConfigMap.
    pub config_map_namespace: Option<String>,
    /// Key in the ConfigMap.
    pub template_path: Option<String>,
}

/// A placeholder of the trial template.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrialParameterSpec {
    /// Name of the placeholder: `${trialParameters.NAME}`.
    pub name: String,
    /// What it is, for people.
    pub description: Option<String>,
    /// Name of the parameter whose value it takes, or `${trialSpec.Name}` and its like.
    #[serde(default)]
    pub reference: String,
}

/// Where metrics are read.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsCollectorSpec {
    /// What is read, and by which format.
    pub source: Option<SourceSpec>,
    /// Who reads it; StdOut when absent.
    pub collector: Option<CollectorSpec>,
}

/// What a collector reads.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceSpec {
    /// A page in Prometheus' text format.
    pub http_get: Option<HTTPGetAction>,
    /// A file or folder.
    pub file_system_path: Option<FileSystemPath>,
    /// How lines are read.
    pub filter: Option<FilterSpec>,
}

/// How lines are read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilterSpec {
    /// Regular expressions with two groups: name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub metrics_format: Vec<String>,
}

/// A file or folder with metrics.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSystemPath {
    /// Absolute path in the trial's container.
    pub path: Option<String>,
    /// File or folder.
    pub kind: Option<FileSystemKind>,
    /// Lines of text or of JSON.
    pub format: Option<FileFormat>,
}

open_set! {
    /// File or folder.
    FileSystemKind {
        /// A folder, for TensorFlow events.
        Directory = "Directory",
        /// A file.
        File = "File",
    }
}

open_set! {
    /// How a metrics file is written.
    FileFormat {
        /// `name=value` lines, or by the filter.
        Text = "TEXT",
        /// One JSON object a line.
        Json = "JSON",
    }
}

/// Who reads the metrics.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CollectorSpec {
    /// The kind of collector.
    pub kind: Option<CollectorKind>,
    /// The container of a Custom collector.
    pub custom_collector: Option<Container>,
}

open_set! {
    /// The kind of a metrics collector.
    CollectorKind {
        /// `name=value` in the trial's standard output.
        StdOut = "StdOut",
        /// A file.
        File = "File",
        /// TensorFlow's event files.
        TensorFlowEvent = "TensorFlowEvent",
        /// A page in Prometheus' text format.
        PrometheusMetric = "PrometheusMetric",
        /// A container of one's own.
        Custom = "Custom",
        /// The trial reports by itself.
        Push = "Push",
    }
}
