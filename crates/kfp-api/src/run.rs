//! Runs, as KFP 2.17 tells them.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::Status;
use crate::wire::{epoch_is_absent, is_default};

/// A run (backend/api/v2beta1/run.proto @2.17.0). The same object asks for a run and tells of one.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Run {
    /// Its experiment; the server's default one unless given.
    #[serde(alias = "experimentId")]
    pub experiment_id: String,
    /// Set by the server.
    #[serde(alias = "runId")]
    pub run_id: String,
    /// Required.
    #[serde(alias = "displayName")]
    pub display_name: String,
    /// Set by the server.
    #[serde(alias = "storageState")]
    pub storage_state: StorageState,
    /// For people.
    pub description: String,
    /// The compiled pipeline itself; one of this and the reference is required.
    #[serde(alias = "pipelineSpec")]
    pub pipeline_spec: Option<Value>,
    /// The uploaded version to run.
    #[serde(alias = "pipelineVersionReference")]
    pub pipeline_version_reference: Option<PipelineVersionReference>,
    /// Parameters and root.
    #[serde(alias = "runtimeConfig")]
    pub runtime_config: Option<RuntimeConfig>,
    /// Kubernetes service account of the pods.
    #[serde(alias = "serviceAccount")]
    pub service_account: String,
    /// Set by the server.
    #[serde(alias = "createdAt")]
    pub created_at: Option<Timestamp>,
    /// Set by the server.
    #[serde(alias = "scheduledAt")]
    pub scheduled_at: Option<Timestamp>,
    /// Set by the server; absent while it runs.
    #[serde(alias = "finishedAt")]
    pub finished_at: Option<Timestamp>,
    /// Set by the server.
    pub state: RuntimeState,
    /// Why it failed, where the server knows.
    pub error: Option<Status>,
    /// Its nodes.
    #[serde(alias = "runDetails")]
    pub run_details: Option<RunDetails>,
    /// The recurring run that made it.
    #[serde(alias = "recurringRunId")]
    pub recurring_run_id: String,
    /// Every state it was in, oldest first.
    #[serde(alias = "stateHistory")]
    pub state_history: Vec<RuntimeStatus>,
    /// Inputs of the server's plugins, by plugin.
    #[serde(alias = "pluginsInput")]
    pub plugins_input: IndexMap<String, Value>,
    /// Outputs of the server's plugins, by plugin.
    #[serde(alias = "pluginsOutput")]
    pub plugins_output: IndexMap<String, Value>,
}

/// Which uploaded version.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PipelineVersionReference {
    /// The pipeline.
    #[serde(alias = "pipelineId")]
    pub pipeline_id: String,
    /// The version; empty asks for the newest.
    #[serde(alias = "pipelineVersionId")]
    pub pipeline_version_id: String,
}

/// What a run is started with.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RuntimeConfig {
    /// Values by parameter name, typed by the pipeline.
    pub parameters: IndexMap<String, Value>,
    /// Root of output URIs; the server's default unless given.
    #[serde(alias = "pipelineRoot")]
    pub pipeline_root: String,
}

/// The nodes of a run.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RunDetails {
    /// On 2.17 one per node of the Argo workflow: the workflow, drivers, tasks, their `executor` children.
    #[serde(alias = "taskDetails")]
    pub task_details: Vec<PipelineTaskDetail>,
}

/// One node of a run.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PipelineTaskDetail {
    /// Its run.
    pub run_id: String,
    /// Set by the server.
    pub task_id: String,
    /// Name of the task, `<task>-driver`, `executor`, `root`, or the workflow's name.
    pub display_name: String,
    /// When the run was created.
    pub create_time: Option<Timestamp>,
    /// When the node started.
    pub start_time: Option<Timestamp>,
    /// When the node ended; absent while it runs.
    pub end_time: Option<Timestamp>,
    /// The node's phase.
    pub state: RuntimeState,
    /// Why it failed, where the server knows.
    pub error: Option<Status>,
    /// The node above, where the server knows; 2.17 never does.
    pub parent_task_id: String,
    /// Every state it was in, oldest first.
    pub state_history: Vec<RuntimeStatus>,
    /// Node id, where the server knows; 2.17 never does.
    pub pod_name: String,
    /// Node ids of those that follow.
    pub child_tasks: Vec<ChildTask>,
}

/// Names a node that follows, by one of the two.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ChildTask {
    /// Task id.
    pub task_id: String,
    /// Node id.
    pub pod_name: String,
}

/// Where in its life a run or a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuntimeState {
    /// Not begun.
    Pending,
    /// Begun.
    Running,
    /// Ended well.
    Succeeded,
    /// Not run: its condition was false, or its result was in the cache.
    Skipped,
    /// Ended badly. 2.17 also ends terminated runs here.
    Failed,
    /// Asked to end.
    Canceling,
    /// Ended on request.
    Canceled,
    /// Held.
    Paused,
    /// Not said, or a word of a newer server.
    #[default]
    #[serde(rename = "RUNTIME_STATE_UNSPECIFIED", other)]
    Unspecified,
}

impl RuntimeState {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Skipped | Self::Failed | Self::Canceled
        )
    }
}

/// A state, and since when.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct RuntimeStatus {
    /// When it was entered.
    pub update_time: Option<Timestamp>,
    /// The state.
    pub state: RuntimeState,
    /// What went wrong in it.
    pub error: Option<Status>,
}

/// Whether an object is in view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StorageState {
    /// In view.
    Available,
    /// Put away.
    Archived,
    /// Not said, or a word of a newer server.
    #[default]
    #[serde(rename = "STORAGE_STATE_UNSPECIFIED", other)]
    Unspecified,
}

/// A page of runs.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Runs {
    /// The page.
    pub runs: Vec<Run>,
    /// How many match over all pages.
    pub total_size: i32,
    /// Asks for the next page; empty at the end.
    pub next_page_token: String,
}
