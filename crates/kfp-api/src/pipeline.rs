//! Pipelines and their versions.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::Status;
use crate::wire::{epoch_is_absent, is_default};

/// A pipeline: a name that has versions (backend/api/v2beta1/pipeline.proto @2.17.0).
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Pipeline {
    /// Set by the server.
    #[serde(alias = "pipelineId")]
    pub pipeline_id: String,
    /// For people; the name unless given.
    #[serde(alias = "displayName")]
    pub display_name: String,
    /// Unique.
    pub name: String,
    /// For people.
    pub description: String,
    /// Set by the server.
    #[serde(alias = "createdAt")]
    pub created_at: Option<Timestamp>,
    /// Of multi-user servers.
    pub namespace: String,
    /// Why the row could not be read.
    pub error: Option<Status>,
    /// Labels of the user.
    pub tags: IndexMap<String, String>,
}

/// One compiled package of a pipeline.
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PipelineVersion {
    /// Its pipeline.
    #[serde(alias = "pipelineId")]
    pub pipeline_id: String,
    /// Set by the server.
    #[serde(alias = "pipelineVersionId")]
    pub pipeline_version_id: String,
    /// For people; the name unless given.
    #[serde(alias = "displayName")]
    pub display_name: String,
    /// Unique within the pipeline.
    pub name: String,
    /// For people.
    pub description: String,
    /// Set by the server.
    #[serde(alias = "createdAt")]
    pub created_at: Option<Timestamp>,
    /// Where the server fetched it, when it was not uploaded.
    #[serde(alias = "packageUrl")]
    pub package_url: Option<Url>,
    /// Where its source is.
    #[serde(alias = "codeSourceUrl")]
    pub code_source_url: String,
    /// The compiled pipeline: the IR as JSON, or `{pipeline_spec, platform_spec}` when it has a platform document.
    #[serde(alias = "pipelineSpec")]
    pub pipeline_spec: Option<Value>,
    /// Why the row could not be read.
    pub error: Option<Status>,
    /// Labels of the user.
    pub tags: IndexMap<String, String>,
}

/// A package's address.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Url {
    /// The address.
    #[serde(alias = "pipelineUrl")]
    pub pipeline_url: String,
}

/// A page of pipelines.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Pipelines {
    /// The page.
    pub pipelines: Vec<Pipeline>,
    /// How many match over all pages.
    pub total_size: i32,
    /// Asks for the next page; empty at the end.
    pub next_page_token: String,
}

/// A page of versions.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PipelineVersions {
    /// The page.
    pub pipeline_versions: Vec<PipelineVersion>,
    /// How many match over all pages.
    pub total_size: i32,
    /// Asks for the next page; empty at the end.
    pub next_page_token: String,
}
