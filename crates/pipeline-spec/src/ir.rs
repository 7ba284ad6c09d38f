//! The types of PipelineSpec 2.1, as `api/v2alpha1/pipeline_spec.proto` of KFP 2.17.0 has them, in their JSON form.
//!
//! A `oneof` of the proto is an enum here; a field the proto marks deprecated is folded into the one that replaced
//! it. Unknown fields are errors, as they are for KFP's API server.

mod binding;
mod component;
mod dag;
mod executor;
mod kubernetes;
mod platform;
mod scalar;
mod task;
mod volume;

use indexmap::IndexMap;
use serde::Deserialize;

pub use binding::{ArtifactSource, InputArtifact, InputParameter, ParameterSource, TaskInputs};
pub use component::{
    ArtifactInput, ArtifactOutput, ArtifactType, ComponentSpec, Implementation, InputDefinitions,
    OutputDefinitions, ParameterInput, ParameterOutput, ParameterType,
};
pub use dag::{ArtifactSelector, DagOutputParameter, DagOutputs, DagSpec, ParameterSelector};
pub use executor::{Accelerator, ContainerSpec, EnvVar, Executor, ImporterSpec, Resources, ValueOrParameter};
pub use kubernetes::{
    ConfigMapAsEnv, FieldPathAsEnv, KeyToEnv, KubernetesExecutorConfig, PodMetadata, SecretAsEnv,
};
pub use platform::{PipelineConfig, PlatformSpec, SinglePlatformSpec, Workspace};
pub use task::{
    CachingOptions, Iterator, IteratorItems, IteratorPolicy, RetryPolicy, TaskSpec, TriggerPolicy,
    TriggerStrategy,
};
pub use volume::{ClaimMount, EmptyDir, EphemeralVolume, ObjectAsVolume};

/// A pipeline: the first document of a package.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineSpec {
    /// Name and description.
    #[serde(default)]
    pub pipeline_info: PipelineInfo,
    /// What the executor labels of the components stand for.
    #[serde(default)]
    pub deployment_spec: DeploymentSpec,
    /// The SDK that compiled the package, `kfp-2.17.0`.
    #[serde(default)]
    pub sdk_version: String,
    /// Version of this format, `2.1.0`.
    #[serde(default)]
    pub schema_version: String,
    /// Components by name.
    #[serde(default)]
    pub components: IndexMap<String, ComponentSpec>,
    /// The component that a run executes.
    pub root: ComponentSpec,
    /// Root of artifact URIs where a run gives none.
    #[serde(default)]
    pub default_pipeline_root: Option<String>,
}

/// Name and description of a pipeline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PipelineInfo {
    /// Name, of lower-case letters, digits, `-` and `.`.
    pub name: String,
    /// Name to show.
    pub display_name: Option<String>,
    /// What it does.
    pub description: Option<String>,
}

/// Executors by label.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DeploymentSpec {
    /// Executors by the label that components name.
    pub executors: IndexMap<String, Executor>,
}
