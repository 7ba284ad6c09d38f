//! Runs.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{ExperimentId, PipelineId, RecurringRunId, RunId, VersionId};
use super::pipeline::StorageState;
use super::rerun::Rerun;

/// A run to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Its id where the caller gives one: making the same run twice is then making it once.
    pub id: Option<RunId>,
    /// Name to show.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Its experiment; the default one where none is given.
    pub experiment: Option<ExperimentId>,
    /// What it runs.
    pub source: PipelineSource,
    /// Its parameters.
    pub parameters: IndexMap<String, Value>,
    /// Root of its artifact URIs; the engine's own where none is given.
    pub pipeline_root: Option<String>,
    /// Kept and shown.
    pub service_account: String,
    /// When it was asked for; now where nothing is said.
    pub scheduled_at: Option<Timestamp>,
}

impl NewRun {
    /// A run of that pipeline with no parameters, in the default experiment.
    pub fn of(display_name: impl Into<String>, source: PipelineSource) -> Self {
        Self {
            id: None,
            display_name: display_name.into(),
            description: String::new(),
            experiment: None,
            source,
            parameters: IndexMap::new(),
            pipeline_root: None,
            service_account: String::new(),
            scheduled_at: None,
        }
    }
}

/// What a run runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PipelineSource {
    /// A package given with it, as text.
    Inline(String),
    /// An uploaded version; the newest of the pipeline where none is named.
    Version {
        /// The pipeline.
        pipeline: PipelineId,
        /// The version.
        version: Option<VersionId>,
    },
}

/// Which version a run was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionReference {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The version.
    pub version: VersionId,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// Its name, unique: the pipeline's and the first letters of the id.
    pub name: String,
    /// Name to show.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Name of its pipeline, as the package has it.
    pub pipeline_name: String,
    /// The version it was made of; `None` for a package given with it.
    pub version: Option<VersionReference>,
    /// The package as KFP's API shows it. Left out of lists.
    pub package: Option<Value>,
    /// Its experiment.
    pub experiment: ExperimentId,
    /// The recurring run that made it.
    pub recurring_run: Option<RecurringRunId>,
    /// The run that it does some tasks of once more.
    pub rerun: Option<Rerun>,
    /// Parameters it was given.
    pub parameters: IndexMap<String, Value>,
    /// Root of its artifact URIs, where one was given.
    pub pipeline_root: Option<String>,
    /// As given.
    pub service_account: String,
    /// Whether it is put away.
    pub storage_state: StorageState,
    /// Where in its life it is.
    pub state: RunState,
    /// Every state it was in, oldest first.
    pub history: Vec<RunTransition>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was asked for.
    pub scheduled_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// What of the package makes no difference on one machine: a line each.
    pub notices: Vec<String>,
}

/// A state, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTransition {
    /// The state.
    pub state: RunState,
    /// Since when.
    pub at: Timestamp,
}

/// Where in its life a run is. The names are KFP's (`RuntimeState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunState {
    /// Made, not yet begun.
    Pending,
    /// Tasks run or wait.
    Running,
    /// Told to stop; tasks are being stopped.
    Canceling,
    /// Every task ended well or was skipped.
    Succeeded,
    /// A task failed.
    Failed,
    /// Stopped.
    Canceled,
}

impl RunState {
    /// Whether it will change no more, unless the run is retried.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }
}
