//! The next step of a RayJob: KubeRay's state machine (`ray-operator/controllers/ray/rayjob_controller.go@v1.7.0`) with
//! one head that is there already.
//!
//! Each step is written to the status before the next one acts: the submission id is known before anything is submitted
//! under it, so that a submission that was not heard of is found again instead of repeated.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use resources::ray_job::{
    JobDeploymentStatus, JobStatus, RayJobSpec, RayJobStatus, RayJobStatusInfo, reason,
};

use super::jobs_api::Job;

/// What was seen of the job in Ray.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// Not asked: there was no reason to.
    Nothing,
    /// The Jobs API does not answer now.
    Away(String),
    /// Ray knows no such job: the head that knew it is gone.
    Unknown,
    /// As Ray tells it.
    Known(Job),
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write the status and look again at once.
    Write,
    /// Submit under the status' job id, then come back with what Ray says.
    Submit,
    /// Stop the job in Ray, then write the status.
    Stop,
    /// Write the status if it changed, and look again soon.
    Look,
    /// Write the status if it changed; over.
    Rest,
}

/// The status after this look, and what to do. `id` is the submission id of the first attempt.
pub(crate) fn decide(
    spec: &RayJobSpec,
    status: &RayJobStatus,
    id: &str,
    seen: &Seen,
    now: &Time,
) -> (RayJobStatus, Step) {
    let mut next = status.clone();
    match status
        .job_deployment_status
        .clone()
        .unwrap_or(JobDeploymentStatus::New)
    {
        JobDeploymentStatus::New | JobDeploymentStatus::Retrying => {
            next.job_id = Some(attempt_id(id, status.failed.unwrap_or_default()));
            next.job_status = None;
            next.ray_job_info = None;
            next.message = None;
            next.reason = None;
            next.start_time.get_or_insert_with(|| now.clone());
            next.job_deployment_status = Some(JobDeploymentStatus::Initializing);
            (next, Step::Write)
        }
        JobDeploymentStatus::Initializing => {
            if let Some(failed) = late(spec, status, now) {
                return failed;
            }
            match seen {
                Seen::Known(job) => running(spec, next, job, now),
                Seen::Away(message) => {
                    next.message = Some(format!("waiting for Ray: {message}"));
                    (next, Step::Look)
                }
                Seen::Nothing | Seen::Unknown => (next, Step::Submit),
            }
        }
        JobDeploymentStatus::Running => {
            if let Some(failed) = late(spec, status, now) {
                return failed;
            }
            match seen {
                Seen::Known(job) => running(spec, next, job, now),
                Seen::Away(message) => {
                    next.message = Some(format!("waiting for Ray: {message}"));
                    (next, Step::Look)
                }
                Seen::Nothing => (next, Step::Look),
                // As KubeRay in HTTPMode: what is not there is submitted again.
                Seen::Unknown => {
                    next.job_deployment_status = Some(JobDeploymentStatus::Initializing);
                    next.message = Some("Ray has lost the job: it is submitted again".into());
                    (next, Step::Write)
                }
            }
        }
        _ => (next, Step::Rest),
    }
}

/// The status of a job that cannot be handed over.
pub(crate) fn refused(status: &RayJobStatus, message: String, now: &Time) -> RayJobStatus {
    ended(
        status.clone(),
        JobDeploymentStatus::Failed,
        Some(reason::SUBMISSION_FAILED),
        message,
        now,
    )
}

/// The submission id of the attempt after so many failed ones.
fn attempt_id(id: &str, failed: i32) -> String {
    match failed {
        0 => id.to_owned(),
        failed => format!("{id}-{failed}"),
    }
}

fn running(spec: &RayJobSpec, mut next: RayJobStatus, job: &Job, now: &Time) -> (RayJobStatus, Step) {
    next.job_status = Some(job.status.clone());
    next.job_deployment_status = Some(JobDeploymentStatus::Running);
    next.message = job.message.clone();
    next.ray_job_info = Some(RayJobStatusInfo {
        start_time: job.start_time.clone(),
        end_time: job.end_time.clone(),
    });
    let message = job.message.clone().unwrap_or_default();
    match job.status {
        JobStatus::Succeeded | JobStatus::Stopped => {
            next.succeeded =
                Some(next.succeeded.unwrap_or_default() + i32::from(job.status == JobStatus::Succeeded));
            (
                ended(next, JobDeploymentStatus::Complete, None, message, now),
                Step::Rest,
            )
        }
        JobStatus::Failed => {
            next.failed = Some(next.failed.unwrap_or_default() + 1);
            if next.failed <= Some(spec.backoff_limit.unwrap_or_default()) {
                next.job_deployment_status = Some(JobDeploymentStatus::Retrying);
                return (next, Step::Write);
            }
            (
                ended(
                    next,
                    JobDeploymentStatus::Failed,
                    Some(reason::APP_FAILED),
                    message,
                    now,
                ),
                Step::Rest,
            )
        }
        _ => (next, Step::Look),
    }
}

/// The end of a job that took too long.
fn late(spec: &RayJobSpec, status: &RayJobStatus, now: &Time) -> Option<(RayJobStatus, Step)> {
    let since = status.start_time.as_ref()?;
    let passed = |seconds: Option<i32>| {
        let limit = Duration::from_secs(u64::try_from(seconds?).ok()?);
        let ran = Duration::try_from(now.0.duration_since(since.0)).unwrap_or_default();
        (ran >= limit).then_some(limit)
    };
    let initializing = status.job_deployment_status == Some(JobDeploymentStatus::Initializing);
    let (reason, limit) = match (
        passed(spec.active_deadline_seconds),
        passed(spec.pre_running_deadline_seconds),
    ) {
        (Some(limit), _) => (reason::DEADLINE_EXCEEDED, limit),
        (None, Some(limit)) if initializing => (reason::PRE_RUNNING_DEADLINE_EXCEEDED, limit),
        _ => return None,
    };
    let message = format!("the job did not end within {} s", limit.as_secs());
    Some((
        ended(
            status.clone(),
            JobDeploymentStatus::Failed,
            Some(reason),
            message,
            now,
        ),
        Step::Stop,
    ))
}

fn ended(
    mut status: RayJobStatus,
    end: JobDeploymentStatus,
    reason: Option<&str>,
    message: String,
    now: &Time,
) -> RayJobStatus {
    status.job_deployment_status = Some(end);
    status.reason = reason.map(str::to_owned);
    status.message = Some(message);
    status.end_time.get_or_insert_with(|| now.clone());
    status
}

#[cfg(test)]
mod tests;
