//! KubeRay's RayJob: one entrypoint on a Ray cluster.
//!
//! Upstream: `ray-project/kuberay:ray-operator/apis/ray/v1/rayjob_types.go@v1.7.0` and `raycluster_types.go@v1.7.0`.

mod cluster;
mod rules;
mod status;

pub use cluster::{AuthOptions, HeadGroupSpec, RayClusterSpec, ScaleStrategy, WorkerGroupSpec};
pub use rules::validate;
pub use status::{JobDeploymentStatus, JobStatus, RayJobStatus, RayJobStatusInfo, reason};

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::open_set::open_set;

/// Label on what a RayJob makes: its name (`ray-operator/controllers/ray/utils/constant.go@v1.7.0`).
pub const LABEL_ORIGINATED_FROM: &str = "ray.io/originated-from-cr-name";

/// What to run, on which cluster, and what to do with the cluster after.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "ray.io",
    version = "v1",
    kind = "RayJob",
    namespaced,
    status = "RayJobStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "One entrypoint on a Ray cluster, as KubeRay runs it.",
    category = "all",
    printcolumn(name = "job status", type_ = "string", json_path = ".status.jobStatus"),
    printcolumn(
        name = "deployment status",
        type_ = "string",
        json_path = ".status.jobDeploymentStatus"
    ),
    printcolumn(
        name = "ray cluster name",
        type_ = "string",
        json_path = ".status.rayClusterName"
    ),
    printcolumn(name = "start time", type_ = "string", json_path = ".status.startTime"),
    printcolumn(name = "end time", type_ = "string", json_path = ".status.endTime"),
    printcolumn(name = "age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RayJobSpec {
    /// The shell command that Ray runs.
    pub entrypoint: Option<String>,
    /// Ray's runtime environment, as YAML text.
    #[serde(rename = "runtimeEnvYAML")]
    pub runtime_env_yaml: Option<String>,
    /// Metadata of the submission.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Ray's submission id; made by the operator when absent.
    pub job_id: Option<String>,
    /// The cluster to make for this job.
    pub ray_cluster_spec: Option<RayClusterSpec>,
    /// Labels of a cluster that is already there; the name under `ray.io/cluster`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cluster_selector: BTreeMap<String, String>,
    /// Who submits; K8sJobMode when absent.
    pub submission_mode: Option<JobSubmissionMode>,
    /// The pod that submits, in K8sJobMode.
    pub submitter_pod_template: Option<PodTemplateSpec>,
    /// How the submitter is retried.
    pub submitter_config: Option<SubmitterConfig>,
    /// CPUs kept for the entrypoint itself.
    pub entrypoint_num_cpus: Option<f32>,
    /// GPUs kept for the entrypoint itself.
    pub entrypoint_num_gpus: Option<f32>,
    /// Ray's own resources kept for the entrypoint, as JSON text.
    pub entrypoint_resources: Option<String>,
    /// Retries of the whole job, each on a new cluster.
    pub backoff_limit: Option<i32>,
    /// Seconds from the start until the job is failed.
    pub active_deadline_seconds: Option<i32>,
    /// Seconds the job may take to begin running until it is failed.
    pub pre_running_deadline_seconds: Option<i32>,
    /// Delete the cluster when the job has ended.
    pub shutdown_after_job_finishes: Option<bool>,
    /// Seconds between the end and the deletion of the cluster.
    pub ttl_seconds_after_finished: Option<i32>,
    /// Finer rules for what is deleted when.
    pub deletion_strategy: Option<DeletionStrategy>,
    /// Hold the job (and free its cluster) until false.
    pub suspend: Option<bool>,
    /// The controller that answers for this job, when not KubeRay's.
    pub managed_by: Option<String>,
}

open_set! {
    /// Who submits the entrypoint to Ray.
    JobSubmissionMode {
        /// A Kubernetes Job; upstream's default.
        K8sJobMode = "K8sJobMode",
        /// The operator, over the Jobs API.
        HttpMode = "HTTPMode",
        /// A person, whose submission id the job takes.
        InteractiveMode = "InteractiveMode",
        /// A container beside the head.
        SidecarMode = "SidecarMode",
    }
}

/// How the submitter is retried.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubmitterConfig {
    /// Retries of the submitter.
    pub backoff_limit: Option<i32>,
}

/// What is deleted after the job, and when.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionStrategy {
    /// Older form: after success.
    pub on_success: Option<DeletionPolicy>,
    /// Older form: after failure.
    pub on_failure: Option<DeletionPolicy>,
    /// One rule a condition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub deletion_rules: Vec<DeletionRule>,
}

/// Older form of a deletion.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionPolicy {
    /// What is deleted.
    pub policy: Option<DeletionPolicyType>,
}

/// What is deleted when a condition holds.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionRule {
    /// What is deleted.
    pub policy: Option<DeletionPolicyType>,
    /// When.
    #[serde(default)]
    pub condition: DeletionCondition,
}

open_set! {
    /// What is deleted after a job.
    DeletionPolicyType {
        /// The whole cluster.
        DeleteCluster = "DeleteCluster",
        /// Its workers.
        DeleteWorkers = "DeleteWorkers",
        /// The RayJob, and with it the cluster.
        DeleteSelf = "DeleteSelf",
        /// Nothing.
        DeleteNone = "DeleteNone",
    }
}

/// When a deletion rule applies: at one of the two states, some seconds later.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionCondition {
    /// The state that Ray tells of the job: SUCCEEDED or FAILED.
    pub job_status: Option<JobStatus>,
    /// The state that the operator tells: Failed.
    pub job_deployment_status: Option<JobDeploymentStatus>,
    /// Seconds after that.
    pub ttl_seconds: Option<i32>,
}
