//! What happens, told as it happens.

use jiff::Timestamp;
use serde::Serialize;

use crate::decide::Row;
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

/// What a row tells those who listen.
pub(crate) fn of(row: &Row) -> Vec<(Timestamp, Happening)> {
    match row {
        Row::Run { state, at, .. } => vec![(*at, Happening::Run { state: *state })],
        Row::Task(change) => {
            let state = change.phase.shown();
            let told = Happening::Task {
                task: change.id,
                scope_path: change.scope_path.to_string(),
                state,
                attempt: change.attempt,
            };
            // Scopes hand artifacts of others on; only those that an attempt made are new.
            let made = change
                .outputs
                .as_deref()
                .filter(|_| state == TaskState::Succeeded && change.attempt.is_some());
            let artifacts = made
                .into_iter()
                .flat_map(|outputs| outputs.artifacts.values())
                .flatten();
            let artifacts = artifacts.map(|artifact| Happening::Artifact {
                task: change.id,
                artifact: Box::new(artifact.clone()),
            });
            std::iter::once(told)
                .chain(artifacts)
                .map(|what| (change.at, what))
                .collect()
        }
        Row::Made(_)
        | Row::AttemptStarted { .. }
        | Row::AttemptEnded { .. }
        | Row::CacheDecided(_)
        | Row::CacheEntry { .. } => Vec::new(),
    }
}
