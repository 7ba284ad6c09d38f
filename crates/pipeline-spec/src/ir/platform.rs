//! The second document of a package: what a platform adds.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::KubernetesExecutorConfig;
use super::scalar;

/// Platforms by name. Only `kubernetes` is read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlatformSpec {
    /// The `kubernetes` platform.
    pub kubernetes: Option<SinglePlatformSpec>,
    /// Names of the other platforms.
    pub others: Vec<String>,
}

/// What one platform adds to a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SinglePlatformSpec {
    /// What it adds to executors.
    pub deployment_spec: PlatformDeploymentSpec,
    /// Name of the platform.
    pub platform: Option<String>,
    /// Free configuration.
    pub config: Option<Value>,
    /// What it adds to the pipeline.
    pub pipeline_config: PipelineConfig,
}

/// Executor configurations by label.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PlatformDeploymentSpec {
    /// Configurations by executor label.
    pub executors: IndexMap<String, KubernetesExecutorConfig>,
}

/// What a platform adds to a pipeline as a whole.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PipelineConfig {
    /// Seconds to keep the workflow object after the end.
    #[serde(deserialize_with = "scalar::count")]
    pub resource_ttl_on_completion: u32,
    /// Seconds to keep the workflow object after success.
    #[serde(deserialize_with = "scalar::count")]
    pub resource_ttl_on_success: u32,
    /// Seconds to keep the workflow object after failure.
    #[serde(deserialize_with = "scalar::count")]
    pub resource_ttl_on_failure: u32,
    /// A folder that the tasks of a run share.
    pub workspace: Option<Workspace>,
    /// Seconds a run may take; 0 for no bound.
    #[serde(deserialize_with = "scalar::count")]
    pub active_deadline_seconds: u32,
}

/// A folder that the tasks of a run share.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Workspace {
    /// A Kubernetes quantity.
    pub size: String,
    /// Patch of the volume claim.
    pub kubernetes: Option<Value>,
}
