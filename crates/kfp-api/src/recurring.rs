//! Recurring runs.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::{PipelineVersionReference, RuntimeConfig};
use crate::status::Status;
use crate::wire::{epoch_is_absent, int64, is_default};

/// A recurring run (backend/api/v2beta1/recurring_run.proto @2.17.0). The same object asks for one and tells of one.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
    i64 => #[serde(with = "int64")],
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RecurringRun {
    /// Set by the server.
    #[serde(alias = "recurringRunId")]
    pub recurring_run_id: String,
    /// Required.
    #[serde(alias = "displayName")]
    pub display_name: String,
    /// For people.
    pub description: String,
    /// The compiled pipeline itself; one of this and the reference is required.
    #[serde(alias = "pipelineSpec")]
    pub pipeline_spec: Option<Value>,
    /// The uploaded version to run; without a version, the newest at the time of each run.
    #[serde(alias = "pipelineVersionReference")]
    pub pipeline_version_reference: Option<PipelineVersionReference>,
    /// Parameters and root of its runs.
    #[serde(alias = "runtimeConfig")]
    pub runtime_config: Option<RuntimeConfig>,
    /// Kubernetes service account of the pods.
    #[serde(alias = "serviceAccount")]
    pub service_account: String,
    /// Required: how many of its runs may be under way at once, 1 to 10.
    #[serde(alias = "maxConcurrency")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub max_concurrency: i64,
    /// Required: when it runs.
    pub trigger: Option<Trigger>,
    /// Required: whether it runs.
    pub mode: Mode,
    /// Set by the server.
    #[serde(alias = "createdAt")]
    pub created_at: Option<Timestamp>,
    /// Set by the server.
    #[serde(alias = "updatedAt")]
    pub updated_at: Option<Timestamp>,
    /// Set by the server: whether it runs.
    pub status: RecurringRunStatus,
    /// Why its latest run could not be made.
    pub error: Option<Status>,
    /// Whether, of the times that passed while it could not run, only the latest gets a run.
    #[serde(alias = "noCatchup")]
    pub no_catchup: bool,
    /// Of multi-user servers.
    pub namespace: String,
    /// Its experiment; the server's default one unless given.
    #[serde(alias = "experimentId")]
    pub experiment_id: String,
    /// Inputs of the server's plugins, by plugin.
    #[serde(alias = "pluginsInput")]
    pub plugins_input: IndexMap<String, Value>,
}

/// When a recurring run runs: one of the two.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Trigger {
    /// At the times of a cron pattern.
    #[serde(alias = "cronSchedule")]
    pub cron_schedule: Option<CronSchedule>,
    /// Again after an interval.
    #[serde(alias = "periodicSchedule")]
    pub periodic_schedule: Option<PeriodicSchedule>,
}

/// The times of a cron pattern.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CronSchedule {
    /// No time before this, or at it, counts.
    #[serde(alias = "startTime")]
    pub start_time: Option<Timestamp>,
    /// No time after this counts.
    #[serde(alias = "endTime")]
    pub end_time: Option<Timestamp>,
    /// Five or six fields, seconds first.
    pub cron: String,
}

/// Times an interval apart.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
    i64 => #[serde(with = "int64")],
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PeriodicSchedule {
    /// What the first interval begins at.
    #[serde(alias = "startTime")]
    pub start_time: Option<Timestamp>,
    /// No time after this counts.
    #[serde(alias = "endTime")]
    pub end_time: Option<Timestamp>,
    /// Its length in seconds.
    #[serde(alias = "intervalSecond")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub interval_second: i64,
}

/// Whether a recurring run is to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mode {
    /// It is.
    Enable,
    /// It is not.
    Disable,
    /// Not said.
    #[default]
    #[serde(rename = "MODE_UNSPECIFIED", other)]
    Unspecified,
}

/// Whether a recurring run runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecurringRunStatus {
    /// It does.
    Enabled,
    /// It does not.
    Disabled,
    /// Not said, or a word of a newer server.
    #[default]
    #[serde(rename = "STATUS_UNSPECIFIED", other)]
    Unspecified,
}

/// A page of recurring runs.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RecurringRuns {
    /// The page. In this spelling, alone among KFP's lists.
    #[serde(rename = "recurringRuns")]
    pub recurring_runs: Vec<RecurringRun>,
    /// How many match over all pages.
    pub total_size: i32,
    /// Asks for the next page; empty at the end.
    pub next_page_token: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_64_bits_travel_as_text_and_are_read_as_numbers_too() {
        let told = RecurringRun {
            max_concurrency: 3,
            trigger: Some(Trigger {
                periodic_schedule: Some(PeriodicSchedule {
                    interval_second: 3600,
                    ..PeriodicSchedule::default()
                }),
                ..Trigger::default()
            }),
            ..RecurringRun::default()
        };
        let json = serde_json::json!({
            "max_concurrency": "3",
            "trigger": {"periodic_schedule": {"interval_second": "3600"}}
        });
        assert_eq!(serde_json::to_value(&told).unwrap(), json);
        let numbers = r#"{"maxConcurrency": 3, "trigger": {"periodicSchedule": {"intervalSecond": 3600}}}"#;
        assert_eq!(serde_json::from_str::<RecurringRun>(numbers).unwrap(), told);
    }
}
