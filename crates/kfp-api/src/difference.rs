//! `GET /apis/basecamp/v1/runs/{run}/differences/{other}`: how two runs differ. Not part of KFP.

use serde::{Deserialize, Serialize};

use crate::forecast::Difference;
use crate::wire::is_default;

/// How two runs differ, in the order of what happened: the first is where they part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RunDifferences {
    /// The one; `was` is its.
    pub run_id: String,
    /// The other; `is` is its.
    pub other_run_id: String,
    /// Parameters of the runs, then task by task what it was given, how it ended, what it gave; each told once. The
    /// packages' fields, where nothing else was given.
    pub differences: Vec<RunDifference>,
}

/// A field that is not the same in two runs.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RunDifference {
    /// Path of the task in the pipeline; empty for the run itself.
    pub scope_path: String,
    /// What of it.
    pub aspect: Aspect,
    /// The field, and its two values.
    #[serde(flatten)]
    pub difference: Difference,
}

/// What of a run or a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Aspect {
    /// What it was given: all that is in a task's cache key.
    Given,
    /// How it ended.
    Ended,
    /// What it gave.
    Gave,
    /// How the package has it.
    Package,
    /// A word of a newer server.
    #[default]
    #[serde(other)]
    Unspecified,
}
