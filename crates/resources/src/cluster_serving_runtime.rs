//! KServe's ClusterServingRuntime: how a model format is served.
//!
//! Upstream: `kserve/kserve:pkg/apis/serving/v1alpha1/servingruntime_types.go@v0.20.0`.

mod rules;

pub use rules::validate;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Container, LocalObjectReference, Toleration, Volume};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::schema::any_object;

/// Name of the container that serves, in a runtime with several.
pub const SERVING_CONTAINER: &str = "kserve-container";
/// Where a model's files are in the container.
pub const MODEL_DIR: &str = "/mnt/models";

/// A pod that serves models of some formats. Its arguments may hold `{{.Name}}` (the InferenceService's name) and
/// `$(VARIABLE)`.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "serving.kserve.io",
    version = "v1alpha1",
    kind = "ClusterServingRuntime",
    status = "ServingRuntimeStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "How a model format is served, as KServe takes it.",
    printcolumn(name = "Disabled", type_ = "boolean", json_path = ".spec.disabled"),
    printcolumn(
        name = "ModelType",
        type_ = "string",
        json_path = ".spec.supportedModelFormats[*].name"
    ),
    printcolumn(name = "Containers", type_ = "string", json_path = ".spec.containers[*].name"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterServingRuntimeSpec {
    /// The formats it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub supported_model_formats: Vec<SupportedModelFormat>,
    /// Whether one pod serves several models.
    pub multi_model: Option<bool>,
    /// Whether it is out of use.
    pub disabled: Option<bool>,
    /// Protocols it speaks: `v1`, `v2`, `grpc-v2`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub protocol_versions: Vec<String>,
    /// Its containers; the serving one is [`SERVING_CONTAINER`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// Volumes of the pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Secrets that pull its images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Labels of nodes it may run on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Where it would rather run.
    pub affinity: Option<Affinity>,
    /// Taints it bears.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
    /// Labels of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Whether the pod sees the host's IPC.
    #[serde(rename = "hostIPC")]
    pub host_ipc: Option<bool>,
    /// ModelMesh: management endpoint.
    pub grpc_endpoint: Option<String>,
    /// ModelMesh: gRPC endpoint.
    pub grpc_data_endpoint: Option<String>,
    /// ModelMesh: HTTP endpoint.
    pub http_data_endpoint: Option<String>,
    /// ModelMesh: pods.
    pub replicas: Option<i32>,
    /// ModelMesh: how files are fetched.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub storage_helper: Option<serde_json::Value>,
    /// ModelMesh: its own adapters.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub built_in_adapter: Option<serde_json::Value>,
    /// Further pods of one replica.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub worker_spec: Option<serde_json::Value>,
}

/// A runtime has no status upstream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServingRuntimeStatus {}

/// A format that a runtime serves.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SupportedModelFormat {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its version, where it matters.
    pub version: Option<String>,
    /// Whether the runtime may be chosen by this format alone.
    pub auto_select: Option<bool>,
    /// The larger wins.
    pub priority: Option<i32>,
}
