//! `GET /apis/basecamp/v1/runs/{run}/tasks/{task}/cache`: why a task ran or did not. Not part of KFP.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::forecast::Difference;
use crate::wire::is_default;

/// Why a task ran or did not.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CacheExplanation {
    /// Its run.
    pub run_id: String,
    /// Key in the pipeline's DAG.
    pub task: String,
    /// What was decided.
    pub decision: CacheDecision,
    /// Why, for people.
    pub reason: String,
    /// Hash of the key.
    pub cache_fingerprint: String,
    /// Everything that went into the key.
    pub key: Option<Value>,
    /// The run whose outputs were taken, or whose key is nearest.
    pub other_run: String,
    /// Fields of the key that differ from that run's; empty for a hit.
    pub differences: Vec<Difference>,
}

/// What was decided for a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CacheDecision {
    /// Outputs were taken from the cache.
    Hit,
    /// It ran.
    Miss,
    /// It is never cached.
    Off,
    /// Not decided: it has not begun, or was skipped.
    #[default]
    #[serde(other)]
    Open,
}
