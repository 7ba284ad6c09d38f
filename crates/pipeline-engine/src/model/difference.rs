//! How two runs differ.

use serde::Serialize;

use super::cache::Difference;
use super::id::RunId;

/// How two runs differ, in the order of what happened: the first is where they part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunDifferences {
    /// The one.
    pub run: RunId,
    /// The other.
    pub other: RunId,
    /// Parameters of the runs, then task by task what it was given, how it ended, what it gave; each told once. The
    /// packages' fields, where nothing else was given.
    pub differences: Vec<RunDifference>,
}

/// A field that is not the same in two runs. `was` is that of the one, `is` that of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunDifference {
    /// Place of the task; `None` for the run itself.
    pub scope_path: Option<String>,
    /// What of it.
    pub aspect: Aspect,
    /// The field.
    pub difference: Difference,
}

/// What of a run or a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// What it was given: all that is in a task's cache key.
    Given,
    /// How it ended.
    Ended,
    /// What it gave.
    Gave,
    /// How the package has it.
    Package,
}
