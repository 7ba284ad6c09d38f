//! `POST /apis/basecamp/v1/plan`: what a run would do, before it runs. Not part of KFP.

use serde::{Deserialize, Serialize};

use crate::wire::is_default;

/// One line per task, in the order they would run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forecast {
    /// The tasks.
    pub tasks: Vec<ForecastTask>,
}

/// What one task would do.
#[serde_with::apply(
    String => #[serde(skip_serializing_if = "is_default")],
    Vec<Difference> => #[serde(skip_serializing_if = "is_default")],
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ForecastTask {
    /// Key in the pipeline's DAG.
    pub name: String,
    /// Path in the pipeline, for example `root.condition-1.register`.
    pub scope_path: String,
    /// Whether it would run.
    pub outlook: Outlook,
    /// Why, for people.
    pub reason: String,
    /// Hash of its cache key, where its inputs are known.
    pub cache_fingerprint: String,
    /// The run whose outputs a hit would take.
    pub from_run: String,
    /// The first fields of the key that differ from the nearest earlier task.
    pub differences: Vec<Difference>,
}

/// What is known of a task before the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outlook {
    /// Its outputs will be taken from the cache.
    Hit,
    /// It is cacheable and will run.
    Miss,
    /// It is never cached and will run.
    Runs,
    /// Its condition is false.
    Skips,
    /// It depends on what a task that runs will give.
    #[default]
    #[serde(other)]
    Depends,
}

/// One field of a cache key that is not as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Difference {
    /// Path of the field, for example `containerSpec.image`.
    pub field: String,
    /// Its value then, as JSON; absent when the field is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Its value now, as JSON; absent when the field is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outlook_is_written() {
        let told = serde_json::to_value(ForecastTask::default()).unwrap();
        assert_eq!(told, serde_json::json!({"outlook": "DEPENDS"}));
    }
}
