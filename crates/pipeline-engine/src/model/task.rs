//! Tasks of a run: their inputs, their outputs, their attempts.

use std::path::PathBuf;

use jiff::Timestamp;
use pipeline_spec::ir::ArtifactType;
use processes::Launcher;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::id::{ArtifactId, RunId, TaskId};

/// A task of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// Its run.
    pub run: RunId,
    /// Its name in the DAG; `root` for the run itself, the number for an iteration.
    pub name: String,
    /// Name to show.
    pub display_name: String,
    /// Its place: `root.condition-1.register`, `root.for-loop-1.3.train`.
    pub scope_path: String,
    /// What it is.
    pub kind: TaskKind,
    /// The task around it.
    pub parent: Option<TaskId>,
    /// Tasks within it, in the order they were made.
    pub children: Vec<TaskId>,
    /// Names of the tasks beside it that it waited for.
    pub waited_for: Vec<String>,
    /// Which iteration of the loop around it, from 0.
    pub iteration: Option<u32>,
    /// Where in its life it is.
    pub state: TaskState,
    /// Every state it was in, oldest first.
    pub history: Vec<TaskTransition>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it first ran.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Parameters it was given.
    pub input_parameters: Vec<BoundParameter>,
    /// Artifacts it was given.
    pub input_artifacts: Vec<BoundArtifact>,
    /// Parameters it handed back.
    pub output_parameters: Vec<BoundParameter>,
    /// Artifacts it handed back.
    pub output_artifacts: Vec<BoundArtifact>,
    /// Digest of its cache key; `None` where it has none.
    pub cache_fingerprint: Option<String>,
    /// The run whose outputs it took.
    pub cached_from: Option<RunId>,
    /// Why it failed, or why it was skipped.
    pub message: Option<String>,
    /// How often it was tried.
    pub attempts: Vec<Attempt>,
}

/// What a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// The run itself.
    Root,
    /// Runs a container's command.
    Container,
    /// Names bytes that are there as an artifact.
    Importer,
    /// A pipeline in a pipeline.
    Dag,
    /// If, elif and else together.
    ConditionBranch,
    /// One branch.
    Condition,
    /// A loop.
    Loop,
    /// One iteration of a loop.
    Iteration,
    /// What an exit task follows.
    ExitHandler,
}

/// Where in its life a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskState {
    /// It waits, for other tasks or for its turn.
    Pending,
    /// It runs, or tasks within it do.
    Running,
    /// It failed and will be tried again.
    Retrying,
    /// It ended well.
    Succeeded,
    /// It did not run: its outputs are those of an earlier task.
    Cached,
    /// It did not run: its condition is false, or a task it waits for did not succeed.
    Skipped,
    /// It failed.
    Failed,
    /// It was stopped, or not begun when the run was.
    Canceled,
}

impl TaskState {
    /// Whether it will change no more, unless the run is retried.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Cached | Self::Skipped | Self::Failed | Self::Canceled
        )
    }

    /// Whether it has outputs.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::Cached)
    }
}

/// A state, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTransition {
    /// The state.
    pub state: TaskState,
    /// Since when.
    pub at: Timestamp,
}

/// A parameter and its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundParameter {
    /// Name of the input or output.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// Artifacts of one input or output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoundArtifact {
    /// Name of the input or output.
    pub name: String,
    /// One, or several where they were collected, or none where it is optional.
    pub artifacts: Vec<ArtifactRecord>,
    /// Where they came from.
    pub origin: Origin,
}

/// Where an input came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It is an output.
    Output,
    /// An output of the task of that name beside it.
    Task(String),
    /// An input of the component around it.
    Component,
    /// Written in the package.
    Constant,
    /// The default of the component.
    Default,
    /// The item of the iteration.
    Item,
    /// The end of the task of that name.
    FinalStatus(String),
}

/// An artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// Its id.
    pub id: ArtifactId,
    /// Name, of the output that made it.
    pub name: String,
    /// Its type.
    pub artifact_type: ArtifactType,
    /// Where its bytes are: `file://…`, or as an importer named them.
    pub uri: String,
    /// Where its bytes are on this machine; `None` where they are elsewhere, or there are none.
    pub path: Option<PathBuf>,
    /// SHA-256 of its bytes: of the file, or of a listing of the folder's files and their digests. `None` without
    /// bytes on this machine.
    pub digest: Option<String>,
    /// Its bytes in all.
    pub size: u64,
    /// When a file of it was last written, in nanoseconds since the Unix epoch; 0 without bytes on this machine.
    pub modified_ns: i64,
    /// Its properties.
    pub metadata: Map<String, Value>,
}

/// One attempt at a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// How it stands.
    pub state: AttemptState,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub message: Option<String>,
    /// Who launched it; `None` until it has ended, and where that is unknown.
    pub launcher: Option<Launcher>,
    /// Standard output and standard error, as they were written.
    pub log: PathBuf,
}

/// How an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// It runs.
    Running,
    /// Its command ended with code 0 and its outputs are in place.
    Succeeded,
    /// Its command failed, or an output is missing.
    Failed,
    /// It was stopped.
    Canceled,
    /// It did not begin: the engine was killed before it could begin it. It is begun again.
    NeverStarted,
    /// What became of it is unknown: the machine went down, or its supervisor was killed. It is tried again.
    Lost,
}
