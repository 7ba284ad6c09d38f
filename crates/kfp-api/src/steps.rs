//! The steps of a run, told alike for every server.

mod nodes;
mod outline;
mod tasks;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use nodes::steps_of_nodes;
pub use outline::{Outline, OutlineError, PlannedTask, StepKind};
pub use tasks::steps_of_tasks;

use crate::run::{Run, RuntimeState};

/// One step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepView {
    /// Key in the pipeline's DAG.
    pub name: String,
    /// Path in the pipeline, for example `root.condition-1.register`.
    pub path: String,
    /// What it is in the pipeline.
    pub kind: StepKind,
    /// Where in its life it is.
    pub state: StepState,
    /// Whether its outputs were taken from the cache.
    pub cached: bool,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Names its log.
    pub node: Option<String>,
    /// Why it failed, where the server knows.
    pub error: Option<String>,
}

/// Where in its life a step is, in KFP's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Begun.
    Running,
    /// Ended well, run or cached.
    Succeeded,
    /// Will not run.
    Skipped,
    /// Ended badly.
    Failed,
    /// Ended on request.
    Canceled,
}

impl StepView {
    /// Seconds it took, or has taken until `now`; 0 before it starts.
    pub fn seconds(&self, now: Timestamp) -> f64 {
        match (self.started_at, self.ended_at) {
            (Some(start), end) => end.unwrap_or(now).duration_since(start).as_secs_f64().max(0.0),
            (None, _) => 0.0,
        }
    }

    /// A step of which the server tells nothing: under a parent that was skipped, or in a run that has ended, it never will run.
    fn untold(task: &PlannedTask, run: &Run, parent: Option<StepState>) -> Self {
        let never = parent == Some(StepState::Skipped) || run.state.is_final();
        Self {
            name: task.name.clone(),
            path: task.path.clone(),
            kind: task.kind,
            state: if never {
                StepState::Skipped
            } else {
                StepState::Pending
            },
            cached: false,
            started_at: None,
            ended_at: None,
            node: None,
            error: None,
        }
    }
}

impl From<RuntimeState> for StepState {
    fn from(state: RuntimeState) -> Self {
        match state {
            RuntimeState::Pending | RuntimeState::Paused => Self::Pending,
            RuntimeState::Running | RuntimeState::Canceling => Self::Running,
            RuntimeState::Succeeded => Self::Succeeded,
            // Argo's `Omitted` has no word in KFP: a step that nothing will start.
            RuntimeState::Skipped | RuntimeState::Unspecified => Self::Skipped,
            RuntimeState::Failed => Self::Failed,
            RuntimeState::Canceled => Self::Canceled,
        }
    }
}
