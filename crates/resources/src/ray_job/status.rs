//! How far a job is, in upstream's two words: what Ray says of it, and what the operator does with it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::open_set::open_set;
use crate::schema::any_object;

/// Why a job failed (`JobFailedReason`, `rayjob_types.go@v1.7.0`).
pub mod reason {
    /// The entrypoint could not be handed over.
    pub const SUBMISSION_FAILED: &str = "SubmissionFailed";
    /// `activeDeadlineSeconds` passed.
    pub const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";
    /// `preRunningDeadlineSeconds` passed.
    pub const PRE_RUNNING_DEADLINE_EXCEEDED: &str = "PreRunningDeadlineExceeded";
    /// The entrypoint ended badly.
    pub const APP_FAILED: &str = "AppFailed";
    /// The spec breaks a rule.
    pub const VALIDATION_FAILED: &str = "ValidationFailed";
}

/// How far a job is.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RayJobStatus {
    /// When Ray began and ended it.
    pub ray_job_info: Option<RayJobStatusInfo>,
    /// Ray's submission id.
    pub job_id: Option<String>,
    /// The cluster it runs on.
    pub ray_cluster_name: Option<String>,
    /// Host and port of Ray's dashboard, without a scheme.
    #[serde(rename = "dashboardURL")]
    pub dashboard_url: Option<String>,
    /// What Ray says of it; absent until submitted.
    pub job_status: Option<JobStatus>,
    /// What the operator does with it; absent until seen.
    pub job_deployment_status: Option<JobDeploymentStatus>,
    /// Why it failed: one of [`reason`].
    pub reason: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
    /// When the operator began.
    pub start_time: Option<Time>,
    /// When it ended.
    pub end_time: Option<Time>,
    /// Attempts that succeeded.
    pub succeeded: Option<i32>,
    /// Attempts that failed.
    pub failed: Option<i32>,
    /// The cluster's own status.
    #[serde(default)]
    #[schemars(schema_with = "any_object")]
    pub ray_cluster_status: Option<serde_json::Value>,
    /// Generation of the spec this status is about.
    pub observed_generation: Option<i64>,
}

/// When Ray began and ended a job.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RayJobStatusInfo {
    /// Its start.
    pub start_time: Option<Time>,
    /// Its end.
    pub end_time: Option<Time>,
}

open_set! {
    /// What Ray says of a job.
    JobStatus {
        /// Not submitted yet.
        New = "",
        /// Submitted.
        Pending = "PENDING",
        /// Its entrypoint runs.
        Running = "RUNNING",
        /// Stopped by a person.
        Stopped = "STOPPED",
        /// Its entrypoint returned 0.
        Succeeded = "SUCCEEDED",
        /// Its entrypoint returned something else.
        Failed = "FAILED",
    }
}

impl JobStatus {
    /// Whether Ray is done with it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Stopped | Self::Succeeded | Self::Failed)
    }
}

open_set! {
    /// What the operator does with a job.
    JobDeploymentStatus {
        /// Not seen yet.
        New = "",
        /// Its cluster is made.
        Initializing = "Initializing",
        /// InteractiveMode waits for the submission id.
        Waiting = "Waiting",
        /// It is submitted.
        Running = "Running",
        /// It has ended.
        Complete = "Complete",
        /// It has ended badly.
        Failed = "Failed",
        /// `suspend` frees its cluster.
        Suspending = "Suspending",
        /// `suspend` has freed its cluster.
        Suspended = "Suspended",
        /// Another attempt begins.
        Retrying = "Retrying",
        /// The spec breaks a rule.
        ValidationFailed = "ValidationFailed",
    }
}

impl JobDeploymentStatus {
    /// Whether the operator is done with it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::ValidationFailed)
    }
}
