//! `POST /apis/basecamp/v1/runs/{run}:rerun`: some of a run's tasks once more, on what it recorded. Not part of KFP.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wire::is_default;

/// What to do once more. The answer is the run that does it.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Rerun {
    /// The task that runs; what depends on it does what it would in any run. Its name, or its place.
    pub from: String,
    /// The task that runs, and nothing else. One of the two at most.
    pub only: String,
    /// Parameters that are otherwise. Without a task, what they reach does what it would in any run.
    pub parameters: IndexMap<String, Value>,
}
