//! Tasks with their inputs and outputs, as KFP's `GET /runs/{id}/tasks` tells them
//! (backend/api/v2beta1/run.proto and artifact.proto at kubeflow/pipelines af9da44a0275; not in 2.17).

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::Status;
use crate::wire::{epoch_is_absent, is_default};

/// One task of a run.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PipelineTask {
    /// Key in the pipeline's DAG.
    pub name: String,
    /// For people.
    pub display_name: String,
    /// Set by the server.
    pub task_id: String,
    /// Its run.
    pub run_id: String,
    /// Where it runs or ran.
    pub pods: Vec<TaskPod>,
    /// Hash of its cache key; empty when it is not cacheable.
    pub cache_fingerprint: String,
    /// When it was first known.
    pub create_time: Option<Timestamp>,
    /// When it ended; absent while it runs.
    pub end_time: Option<Timestamp>,
    /// Where in its life it is.
    pub state: TaskState,
    /// Why it failed.
    pub status_metadata: Option<StatusMetadata>,
    /// Every state it was in, oldest first.
    pub state_history: Vec<TaskStatus>,
    /// What it is in the pipeline.
    #[serde(rename = "type")]
    pub kind: TaskType,
    /// What only some kinds have.
    pub type_attributes: Option<TypeAttributes>,
    /// The task around it; empty at the root.
    pub parent_task_id: String,
    /// What it was given.
    pub inputs: InputOutputs,
    /// What it made.
    pub outputs: InputOutputs,
    /// Path in the pipeline, for example `root.condition-1.register`.
    pub scope_path: String,
}

impl PipelineTask {
    /// The output parameter of that name.
    pub fn output_parameter(&self, key: &str) -> Option<&Value> {
        self.outputs.parameter(key)
    }

    /// The first output artifact of that name.
    pub fn output_artifact(&self, key: &str) -> Option<&Artifact> {
        self.outputs.artifact(key)
    }
}

/// A pod, or what stands for one.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TaskPod {
    /// Its name, which is also the node id of its log.
    pub name: String,
    /// Its unique id.
    pub uid: String,
    /// What it does.
    #[serde(rename = "type")]
    pub kind: TaskPodType,
}

/// What a pod does for its task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskPodType {
    /// Decides: inputs, condition, cache.
    Driver,
    /// Runs the user's code.
    Executor,
    /// Not said, or a word of a newer server.
    #[default]
    #[serde(other)]
    Unspecified,
}

/// Where in its life a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskState {
    /// Begun.
    Running,
    /// Ended well.
    Succeeded,
    /// Not run: its condition was false.
    Skipped,
    /// Ended badly.
    Failed,
    /// Not run: its outputs are those of an earlier task with the same fingerprint.
    Cached,
    /// Not begun, not said, or a word of a newer server.
    #[default]
    #[serde(rename = "RUNTIME_STATE_UNSPECIFIED", other)]
    Unspecified,
}

/// A state, and since when.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TaskStatus {
    /// When it was entered.
    pub update_time: Option<Timestamp>,
    /// The state.
    pub state: TaskState,
    /// What went wrong in it.
    pub error: Option<Status>,
}

/// Why a task is as it is.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct StatusMetadata {
    /// For people.
    pub message: String,
}

/// What a task is in the pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskType {
    /// The run itself.
    Root,
    /// Runs the user's code.
    Runtime,
    /// If, elif and else together.
    ConditionBranch,
    /// One branch.
    Condition,
    /// ParallelFor.
    Loop,
    /// ExitHandler.
    ExitHandler,
    /// Brings an artifact in.
    Importer,
    /// A pipeline in a pipeline.
    Dag,
    /// Not said, or a word of a newer server.
    #[default]
    #[serde(rename = "TASK_TYPE_UNSPECIFIED", other)]
    Unspecified,
}

/// What only some kinds of tasks have.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TypeAttributes {
    /// Of an iteration, its number from 0: a 64-bit integer, which travels as text.
    pub iteration_index: String,
}

/// Parameters and artifacts of one side of a task.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct InputOutputs {
    /// Values.
    pub parameters: Vec<IoParameter>,
    /// Artifacts.
    pub artifacts: Vec<IoArtifact>,
}

impl InputOutputs {
    /// The parameter of that name.
    pub fn parameter(&self, key: &str) -> Option<&Value> {
        self.parameters
            .iter()
            .find(|parameter| parameter.parameter_key == key)
            .map(|parameter| &parameter.value)
    }

    /// The first artifact of that name.
    pub fn artifact(&self, key: &str) -> Option<&Artifact> {
        self.artifacts
            .iter()
            .find(|artifact| artifact.artifact_key == key)
            .and_then(|artifact| artifact.artifacts.first())
    }
}

/// One value.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct IoParameter {
    /// The value.
    pub value: Value,
    /// Where it came from: `TASK_OUTPUT_INPUT`, `RUNTIME_VALUE_INPUT`, `OUTPUT`, … (`IOType`).
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name.
    pub parameter_key: String,
    /// The task that made it.
    pub producer: Option<IoProducer>,
}

/// Artifacts under one name; several only where they were collected.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct IoArtifact {
    /// The artifacts.
    pub artifacts: Vec<Artifact>,
    /// Where they came from (`IOType`).
    #[serde(rename = "type")]
    pub kind: String,
    /// Their name.
    pub artifact_key: String,
    /// The task that made them.
    pub producer: Option<IoProducer>,
}

/// The task that made a value.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct IoProducer {
    /// Its name.
    pub task_name: String,
}

/// An artifact.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Artifact {
    /// Set by the server.
    pub artifact_id: String,
    /// Output name, or the metric's.
    pub name: String,
    /// `Dataset`, `Model`, `HTML`, `Metric`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Where its bytes are.
    pub uri: String,
    /// Given by the step.
    pub metadata: IndexMap<String, Value>,
    /// A metric's value.
    pub number_value: Option<f64>,
    /// Set by the server.
    pub created_at: Option<Timestamp>,
}

/// A page of tasks.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Tasks {
    /// The page.
    pub tasks: Vec<PipelineTask>,
    /// How many there are over all pages.
    pub total_size: i32,
    /// Asks for the next page; empty at the end.
    pub next_page_token: String,
}
