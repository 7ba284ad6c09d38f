//! KServe's InferenceService: a model that answers requests, and its canaries.
//!
//! Upstream: `kserve/kserve:pkg/apis/serving/v1beta1/{inference_service,predictor,component,inference_service_status}.go@v0.20.0`.

mod rules;
mod status;

pub use rules::validate;
pub use status::{
    Addressable, CanaryStatus, ComponentStatus, FailureInfo, InferenceServiceStatus, ModelCopies,
    ModelRevisionStates, ModelState, ModelStatus, ServiceCondition, TransitionStatus,
};

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Container, ContainerPort, EnvFromSource, EnvVar, Lifecycle, LocalObjectReference,
    PodSecurityContext, Probe, ResourceRequirements, SecurityContext, Toleration, Volume, VolumeMount,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::schema::any_object;

/// Annotation: how KServe deploys; `Standard` is Deployments and Services.
pub const ANNOTATION_DEPLOYMENT_MODE: &str = "serving.kserve.io/deploymentMode";
/// Annotation: which autoscaler; `none` for none.
pub const ANNOTATION_AUTOSCALER_CLASS: &str = "serving.kserve.io/autoscalerClass";
/// Label on everything that belongs to an InferenceService: its name.
pub const LABEL_INFERENCE_SERVICE: &str = "serving.kserve.io/inferenceservice";

/// Name of the Service of the stable predictor.
#[must_use]
pub fn predictor_service(inference_service: &str) -> String {
    format!("{inference_service}-predictor")
}

/// Name of the Service of a canary.
#[must_use]
pub fn canary_service(inference_service: &str, canary: &str) -> String {
    format!("{inference_service}-{canary}-predictor")
}

/// What is served.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "serving.kserve.io",
    version = "v1beta1",
    kind = "InferenceService",
    namespaced,
    status = "InferenceServiceStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "A model that answers requests, as KServe serves it.",
    shortname = "isvc",
    category = "all",
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Canary",
        type_ = "string",
        json_path = ".spec.canary[*].predictor.name"
    ),
    printcolumn(
        name = "Runtime",
        type_ = "string",
        json_path = ".spec.predictor.model.runtime",
        priority = "1"
    ),
    printcolumn(
        name = "StorageUri",
        type_ = "string",
        json_path = ".spec.predictor.model.storageUri",
        priority = "1"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct InferenceServiceSpec {
    /// What answers by default.
    #[serde(default)]
    pub predictor: PredictorSpec,
    /// Further predictors beside it, in Standard mode. KServe makes them, and leaves the traffic to whoever owns the
    /// route.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub canary: Vec<CanarySpec>,
    /// What explains answers.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub explainer: Option<serde_json::Value>,
    /// What turns requests into the model's and answers back.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub transformer: Option<serde_json::Value>,
}

/// A further predictor.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanarySpec {
    /// It; `name` is required here.
    #[serde(default)]
    pub predictor: PredictorSpec,
    /// Share of the requests it is meant to get, 0 to 100.
    pub traffic_percent: Option<i32>,
}

/// A model and the pod it runs in.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PredictorSpec {
    /// Its name, where there are several. A canary is promoted by giving the stable predictor its name.
    pub name: Option<String>,
    /// The model, for a serving runtime.
    pub model: Option<ModelSpec>,
    /// Containers of one's own, instead of a model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// Containers that run before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,
    /// Volumes of the pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Who the pod is.
    pub service_account_name: Option<String>,
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
    /// Rights of its processes.
    pub security_context: Option<PodSecurityContext>,
    /// Seconds between the request to end and the end.
    pub termination_grace_period_seconds: Option<i64>,
    /// Fewest replicas.
    pub min_replicas: Option<i32>,
    /// Most replicas.
    pub max_replicas: Option<i32>,
    /// What the autoscaler aims at.
    pub scale_target: Option<i32>,
    /// What the autoscaler looks at.
    pub scale_metric: Option<String>,
    /// Requests at once in one container.
    pub container_concurrency: Option<i64>,
    /// Seconds a request may take.
    #[serde(rename = "timeout")]
    pub timeout_seconds: Option<i64>,
    /// Knative's split; ignored in Standard mode.
    pub canary_traffic_percent: Option<i64>,
    /// Sends requests and answers elsewhere.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub logger: Option<serde_json::Value>,
    /// Collects requests into batches.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub batcher: Option<serde_json::Value>,
    /// Labels of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// How the Deployment is replaced.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub deployment_strategy: Option<serde_json::Value>,
    /// Finer rules of the autoscaler.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub auto_scaling: Option<serde_json::Value>,
    /// Further pods of one replica.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub worker_spec: Option<serde_json::Value>,
}

/// A model for a serving runtime; what is set beside it wins over the runtime's container.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpec {
    /// What the model is; a runtime supports formats.
    #[serde(default)]
    pub model_format: ModelFormat,
    /// The runtime's name; chosen by the format when absent.
    pub runtime: Option<String>,
    /// Where the model's files are.
    pub storage_uri: Option<String>,
    /// Where they are, by a storage key.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub storage: Option<serde_json::Value>,
    /// `v1`, `v2`, `grpc-v2`.
    pub protocol_version: Option<String>,
    /// Version of the runtime's image.
    pub runtime_version: Option<String>,
    /// The container's image, instead of the runtime's.
    pub image: Option<String>,
    /// When that image is pulled.
    pub image_pull_policy: Option<String>,
    /// Its folder.
    pub working_dir: Option<String>,
    /// Its program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Further arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Further environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Further environment, from objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env_from: Vec<EnvFromSource>,
    /// CPU and memory.
    pub resources: Option<ResourceRequirements>,
    /// Ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ContainerPort>,
    /// Where volumes are mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<VolumeMount>,
    /// When it is ready.
    pub readiness_probe: Option<Probe>,
    /// When it is alive.
    pub liveness_probe: Option<Probe>,
    /// When it has begun.
    pub startup_probe: Option<Probe>,
    /// What runs at its start and end.
    pub lifecycle: Option<Lifecycle>,
    /// Rights of its process.
    pub security_context: Option<SecurityContext>,
}

/// What a model is.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelFormat {
    /// Name, for example `sklearn`.
    #[serde(default)]
    pub name: String,
    /// Version, where it matters.
    pub version: Option<String>,
}
