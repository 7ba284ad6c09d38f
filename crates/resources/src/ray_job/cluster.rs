//! The cluster of a RayJob.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodTemplateSpec, Service};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::schema::any_object;

/// A Ray cluster: a head and groups of workers.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RayClusterSpec {
    /// Version of Ray in the images.
    pub ray_version: Option<String>,
    /// The head.
    #[serde(default)]
    pub head_group_spec: HeadGroupSpec,
    /// The workers. None: the job runs on the head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub worker_group_specs: Vec<WorkerGroupSpec>,
    /// Whether Ray's autoscaler runs beside the head.
    pub enable_in_tree_autoscaling: Option<bool>,
    /// Settings of the autoscaler.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub autoscaler_options: Option<serde_json::Value>,
    /// Where the head keeps its state across restarts.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub gcs_fault_tolerance_options: Option<serde_json::Value>,
    /// Annotations of the head's Service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub head_service_annotations: BTreeMap<String, String>,
    /// Ray's token authentication.
    pub auth_options: Option<AuthOptions>,
    /// How a changed cluster is replaced.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub upgrade_strategy: Option<serde_json::Value>,
    /// Free the cluster's pods.
    pub suspend: Option<bool>,
    /// The controller that answers for the cluster, when not KubeRay's.
    pub managed_by: Option<String>,
}

/// Ray's authentication.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthOptions {
    /// `disabled` or `token`.
    pub mode: Option<String>,
}

/// The head of a cluster.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadGroupSpec {
    /// Its pod.
    #[serde(default)]
    pub template: PodTemplateSpec,
    /// Arguments of `ray start`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ray_start_params: BTreeMap<String, String>,
    /// Resources it tells Ray of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Labels it tells Ray of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Type of its Service.
    pub service_type: Option<String>,
    /// Its Service, where the operator's own does not do.
    pub head_service: Option<Service>,
    /// Whether an Ingress is made for the dashboard.
    pub enable_ingress: Option<bool>,
}

/// Workers of one kind.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerGroupSpec {
    /// Name of the group.
    #[serde(default)]
    pub group_name: String,
    /// Their pod.
    #[serde(default)]
    pub template: PodTemplateSpec,
    /// Arguments of `ray start`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ray_start_params: BTreeMap<String, String>,
    /// Resources they tell Ray of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Labels they tell Ray of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How many.
    pub replicas: Option<i32>,
    /// Fewest, under the autoscaler.
    pub min_replicas: Option<i32>,
    /// Most, under the autoscaler.
    pub max_replicas: Option<i32>,
    /// Pods of one replica.
    pub num_of_hosts: Option<i32>,
    /// Seconds without work until the autoscaler takes one away.
    pub idle_timeout_seconds: Option<i32>,
    /// Which ones go first.
    pub scale_strategy: Option<ScaleStrategy>,
    /// Free their pods.
    pub suspend: Option<bool>,
}

/// Which workers go first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleStrategy {
    /// Names of pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub workers_to_delete: Vec<String>,
}
