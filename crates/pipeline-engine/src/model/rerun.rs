//! Runs made of runs: some tasks once more, on what was recorded.

use serde::{Deserialize, Serialize};

use super::id::RunId;

/// A run that does some tasks of an earlier run once more. What it does not do it takes from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rerun {
    /// The earlier run.
    pub of: RunId,
    /// Where it begins.
    pub begin: Begin,
    /// Names of the parameters that are not those of the earlier run.
    pub changed: Vec<String>,
}

/// Where a rerun begins. Tasks are named by their place without iterations: `root.condition-1.register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// That task runs; what depends on it does what it would in any run.
    From(String),
    /// That task runs, and nothing else.
    Only(String),
    /// What the changed parameters reach does what it would in any run.
    Changed,
}
