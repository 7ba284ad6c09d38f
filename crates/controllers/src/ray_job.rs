//! RayJobs: submissions to the rung's one Ray head.

mod decide;
mod jobs_api;
mod submission;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use resources::RayJob;
use resources::ray_job::{JobDeploymentStatus, RayJobStatus};

use crate::container::Referenced;
use crate::context::{Context, FINALIZER, after_error, api, drained, now, write_status};
use crate::error::ReconcileError;
use crate::launches::scratch;
use crate::references::fetch;
use decide::{Seen, Step, decide, refused};
use jobs_api::{Submission, Submitted};
use submission::{SubmissionError, check, head_container, submission};

/// What stands for a cluster in the status.
const HEAD: &str = "embedded";

/// Runs until `shutdown`.
pub(crate) async fn run(context: Arc<Context>, shutdown: impl Future<Output = ()> + Send + Sync + 'static) {
    let jobs: Api<RayJob> = Api::all(context.client.clone());
    let results = Controller::new(jobs, watcher::Config::default())
        .graceful_shutdown_on(shutdown)
        .run(reconcile, after_error, context);
    drained(results).await;
}

async fn reconcile(job: Arc<RayJob>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let jobs = api(&context.client, &*job);
    let done = finalizer(&jobs, FINALIZER, job, |event| async {
        match event {
            Event::Apply(job) => apply(&job, &context).await,
            Event::Cleanup(job) => remove(&job, &context).await.map(|()| Action::await_change()),
        }
    });
    done.await.map_err(ReconcileError::from_finalizer)
}

async fn apply(job: &RayJob, context: &Context) -> Result<Action, ReconcileError> {
    let before = job.status.clone().unwrap_or_default();
    let ended = before
        .job_deployment_status
        .as_ref()
        .is_some_and(JobDeploymentStatus::is_terminal);
    let seen = match &before.job_id {
        Some(id) if !ended => jobs_api::get(&context.http, &context.config.ray, id).await,
        _ => Seen::Nothing,
    };
    let (mut next, step) = decide(&job.spec, &before, &submission_id(job), &seen, &now());
    match step {
        Step::Write | Step::Look | Step::Rest => {}
        Step::Stop => stop(&before, context).await,
        Step::Submit => next = submit(job, next, context).await?,
    }
    if before.job_deployment_status.is_none() {
        context
            .tell(
                job,
                EventType::Normal,
                "UsingRayHead",
                "the job runs on this rung's one Ray head; the cluster of spec.rayClusterSpec is not made",
            )
            .await;
        next.ray_cluster_name = Some(HEAD.to_owned());
        let dashboard = &context.config.ray.dashboard;
        next.dashboard_url = Some(dashboard.authority().to_owned());
    }
    next.observed_generation = job.metadata.generation;
    let over = next
        .job_deployment_status
        .as_ref()
        .is_some_and(JobDeploymentStatus::is_terminal);
    if over && !ended {
        let (type_, reason) = match next.job_deployment_status {
            Some(JobDeploymentStatus::Complete) => (EventType::Normal, "JobComplete"),
            _ => (EventType::Warning, "JobFailed"),
        };
        context
            .tell(job, type_, reason, next.message.as_deref().unwrap_or_default())
            .await;
    }
    if next != before {
        let mut written = job.clone();
        written.status = Some(next.clone());
        write_status(&api(&context.client, job), &written).await?;
    }
    match step {
        _ if over => clean_up(job, &next, context),
        // The status is the next thing that is looked at.
        Step::Write => Ok(Action::await_change()),
        _ => Ok(Action::requeue(interval(&next, &now()))),
    }
}

/// The Jobs API has nothing to watch, so it is asked: often while a short job may be ending, seldom for a long one.
fn interval(status: &RayJobStatus, now: &Time) -> Duration {
    let since = status
        .start_time
        .as_ref()
        .map(|start| now.0.duration_since(start.0).as_secs());
    match since.unwrap_or_default() {
        ..30 => Duration::from_millis(250),
        30..120 => Duration::from_secs(1),
        _ => Duration::from_secs(2),
    }
}

/// Submits, or tells why that cannot be.
async fn submit(
    job: &RayJob,
    status: RayJobStatus,
    context: &Context,
) -> Result<RayJobStatus, ReconcileError> {
    let prepared = match prepare(job, status.job_id.as_deref().unwrap_or_default(), context).await? {
        Ok(prepared) => prepared,
        Err(error) => return Ok(refused(&status, error.to_string(), &now())),
    };
    Ok(
        match jobs_api::submit(&context.http, &context.config.ray, &prepared).await {
            Submitted::Taken => RayJobStatus {
                message: Some("submitted".into()),
                ..status
            },
            Submitted::Away(message) => RayJobStatus {
                message: Some(format!("waiting for Ray: {message}")),
                ..status
            },
            Submitted::Refused(message) => refused(&status, message, &now()),
        },
    )
}

async fn prepare(
    job: &RayJob,
    id: &str,
    context: &Context,
) -> Result<Result<Submission, SubmissionError>, ReconcileError> {
    let (image, referenced) = match check(job, &context.config.ray)
        .and_then(|()| head_container(job))
        .and_then(|container| {
            let image = context
                .config
                .images
                .resolve(container.image.as_deref().unwrap_or_default())?;
            Ok((image, Referenced::by(container)))
        }) {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let objects = fetch(&context.client, &job.namespace().unwrap_or_default(), &referenced).await?;
    let folder = folder(job, context);
    scratch(&image.workdir, &folder).map_err(ReconcileError::file(&folder))?;
    Ok(submission(
        job,
        id,
        &image,
        &objects,
        &context.process_environment(),
        &folder,
    ))
}

/// Once the job is over its working directory goes when KubeRay would delete the cluster.
fn clean_up(job: &RayJob, status: &RayJobStatus, context: &Context) -> Result<Action, ReconcileError> {
    let (Some(true), Some(end)) = (job.spec.shutdown_after_job_finishes, &status.end_time) else {
        return Ok(Action::await_change());
    };
    let keep = Duration::from_secs(
        job.spec
            .ttl_seconds_after_finished
            .and_then(|ttl| u64::try_from(ttl).ok())
            .unwrap_or_default(),
    );
    let gone = Duration::try_from(now().0.duration_since(end.0)).unwrap_or_default();
    if gone < keep {
        return Ok(Action::requeue(keep - gone));
    }
    remove_folder(&folder(job, context))?;
    Ok(Action::await_change())
}

async fn remove(job: &RayJob, context: &Context) -> Result<(), ReconcileError> {
    if let Some(status) = &job.status
        && !status
            .job_deployment_status
            .as_ref()
            .is_some_and(JobDeploymentStatus::is_terminal)
    {
        stop(status, context).await;
    }
    remove_folder(&folder(job, context))
}

/// As KubeRay, an object goes whether its job could be stopped or not: a head that is away takes its jobs with it.
async fn stop(status: &RayJobStatus, context: &Context) {
    let Some(id) = &status.job_id else { return };
    if let Err(message) = jobs_api::stop(&context.http, &context.config.ray, id).await {
        tracing::warn!(id, message, "cannot stop a Ray job");
    }
}

fn remove_folder(folder: &std::path::Path) -> Result<(), ReconcileError> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ReconcileError::file(folder)(error))
        }
        _ => Ok(()),
    }
}

/// The id under which the first attempt is known to Ray: the same for this object each time, another one for an object
/// that takes its name later.
fn submission_id(job: &RayJob) -> String {
    let own = job.spec.job_id.clone().filter(|id| !id.is_empty());
    own.unwrap_or_else(|| unique_name(job))
}

fn folder(job: &RayJob, context: &Context) -> PathBuf {
    context
        .config
        .ray_jobs
        .join(job.namespace().unwrap_or_default())
        .join(unique_name(job))
}

fn unique_name(job: &RayJob) -> String {
    let uid = job.uid().unwrap_or_default();
    format!("{}-{}", job.name_any(), uid.get(..8).unwrap_or(&uid))
}
