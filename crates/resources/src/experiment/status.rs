//! What an experiment has done so far, in upstream's shape.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::ExperimentCondition;

/// Counts, names and the best trial.
///
/// As upstream, a count of zero and an empty list are left out: write it whole (`replace_status` or server-side
/// apply), because a merge patch cannot take a count back to zero.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentStatus {
    /// When the controller first saw it.
    pub start_time: Option<Time>,
    /// When it succeeded or failed.
    pub completion_time: Option<Time>,
    /// When it was last reconciled.
    pub last_reconcile_time: Option<Time>,
    /// Created, Running, Restarting, Succeeded, Failed. Look for a type with status True: with a goal a
    /// `Restarting=True` may stay behind, so the last one says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<ExperimentCondition>,
    /// The best trial so far; `{"observation":{}}` before any result.
    #[serde(default)]
    pub current_optimal_trial: OptimalTrial,
    /// Names of the trials that run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub running_trial_list: Vec<String>,
    /// Names of the trials that wait.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub pending_trial_list: Vec<String>,
    /// Names of the trials that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub failed_trial_list: Vec<String>,
    /// Names of the trials that succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub succeeded_trial_list: Vec<String>,
    /// Names of the trials that were killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub killed_trial_list: Vec<String>,
    /// Names of the trials that were stopped early.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub early_stopped_trial_list: Vec<String>,
    /// Names of the trials that ended without the metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub metrics_unavailable_trial_list: Vec<String>,
    /// Trials of this experiment.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trials: i32,
    /// How many succeeded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trials_succeeded: i32,
    /// How many failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trials_failed: i32,
    /// How many were killed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trials_killed: i32,
    /// How many wait.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trials_pending: i32,
    /// How many run.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trials_running: i32,
    /// How many were stopped early.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trials_early_stopped: i32,
    /// How many ended without the metric.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trial_metrics_unavailable: i32,
}

// serde hands fields over by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &i32) -> bool {
    *count == 0
}

/// The best trial.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptimalTrial {
    /// Its name; absent before any result.
    pub best_trial_name: Option<String>,
    /// Its parameters; match them by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub parameter_assignments: Vec<ParameterAssignment>,
    /// Its metrics.
    #[serde(default)]
    pub observation: Observation,
}

/// A parameter's value in a trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterAssignment {
    /// The parameter.
    pub name: String,
    /// Its value, whatever its kind, as a string.
    #[serde(default)]
    pub value: String,
}

/// The metrics of a trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// By metric.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metrics: Vec<Metric>,
}

/// The values of a metric: numbers as strings, or [`super::UNAVAILABLE_METRIC_VALUE`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// The metric.
    pub name: String,
    /// Its smallest value.
    #[serde(default)]
    pub min: String,
    /// Its largest value.
    #[serde(default)]
    pub max: String,
    /// Its last value.
    #[serde(default)]
    pub latest: String,
}
