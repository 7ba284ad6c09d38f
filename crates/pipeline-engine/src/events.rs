//! What happens, told as it happens.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{ArtifactRecord, RunId, RunState, TaskId, TaskState};

/// Something that happened, after it was made durable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Its number, rising by time; without gaps within an engine's life.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// In which run.
    pub run: RunId,
    /// What.
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Happening {
    /// A run changed its state.
    Run {
        /// The state it is in now.
        state: RunState,
    },
    /// A task changed its state.
    Task {
        /// The task.
        task: TaskId,
        /// Its place in the run.
        scope_path: String,
        /// The state it is in now.
        state: TaskState,
        /// Number of the attempt, where one runs or ran.
        attempt: Option<u32>,
    },
    /// A task handed an artifact back.
    Artifact {
        /// The task.
        task: TaskId,
        /// The artifact.
        artifact: Box<ArtifactRecord>,
    },
}
