//! What a RayJob must keep (`ray-operator/controllers/ray/utils/validation.go@v1.7.0`). KubeRay tells most of these
//! only after creation, by `ValidationFailed`.

use super::{DeletionPolicyType, DeletionStrategy, JobSubmissionMode, RayJob, RayJobSpec};
use crate::FieldError;
use crate::names::{check_known, check_label};

/// Longest name of a RayJob: its cluster's and submitter's names grow from it (`MaxRayJobNameLength`).
const LONGEST_NAME: usize = 47;

/// Every broken rule of a RayJob; none when it may be created.
#[must_use]
pub fn validate(job: &RayJob) -> Vec<FieldError> {
    let spec = &job.spec;
    let mut errors = Vec::new();
    check_label(
        "metadata.name",
        job.metadata.name.as_deref().unwrap_or_default(),
        LONGEST_NAME,
        &mut errors,
    );
    let mode = spec
        .submission_mode
        .clone()
        .unwrap_or(JobSubmissionMode::K8sJobMode);
    check_known(
        "spec.submissionMode",
        mode.as_str(),
        JobSubmissionMode::KNOWN,
        &mut errors,
    );
    let interactive = mode == JobSubmissionMode::InteractiveMode;
    if !interactive && spec.entrypoint.as_deref().unwrap_or_default().trim().is_empty() {
        errors.push(FieldError::new("spec.entrypoint", "must be set"));
    }
    check_cluster(spec, &mode, &mut errors);
    if interactive && spec.job_id.as_deref().is_some_and(|id| !id.is_empty()) {
        errors.push(FieldError::new(
            "spec.jobId",
            "must be left out in InteractiveMode",
        ));
    }
    if interactive && spec.backoff_limit.is_some_and(|limit| limit > 0) {
        errors.push(FieldError::new(
            "spec.backoffLimit",
            "must be left out in InteractiveMode",
        ));
    }
    check_times(spec, &mut errors);
    if let Some(text) = &spec.runtime_env_yaml
        && let Err(error) = serde_yaml::from_str::<serde_yaml::Value>(text)
    {
        errors.push(FieldError::new(
            "spec.runtimeEnvYAML",
            format!("is not YAML: {error}"),
        ));
    }
    if let Some(text) = spec
        .entrypoint_resources
        .as_deref()
        .filter(|text| !text.is_empty())
        && let Err(error) = serde_json::from_str::<std::collections::BTreeMap<String, f64>>(text)
    {
        errors.push(FieldError::new(
            "spec.entrypointResources",
            format!("is not a JSON object of numbers: {error}"),
        ));
    }
    if let Some(strategy) = &spec.deletion_strategy {
        check_deletion(strategy, spec, &mut errors);
    }
    errors
}

fn check_cluster(spec: &RayJobSpec, mode: &JobSubmissionMode, errors: &mut Vec<FieldError>) {
    let selects = !spec.cluster_selector.is_empty();
    match (&spec.ray_cluster_spec, selects) {
        (None, false) => {
            errors.push(FieldError::new(
                "spec.rayClusterSpec",
                "must be set, or else spec.clusterSelector",
            ));
        }
        (Some(_), true) => {
            errors.push(FieldError::new(
                "spec.clusterSelector",
                "must not be set beside spec.rayClusterSpec",
            ));
        }
        _ => {}
    }
    if spec.suspend == Some(true) && selects {
        errors.push(FieldError::new(
            "spec.suspend",
            "must not be true with spec.clusterSelector",
        ));
    }
    if spec.suspend == Some(true) && spec.shutdown_after_job_finishes != Some(true) {
        errors.push(FieldError::new(
            "spec.suspend",
            "needs spec.shutdownAfterJobFinishes",
        ));
    }
    if let Some(cluster) = &spec.ray_cluster_spec {
        let head = "spec.rayClusterSpec.headGroupSpec.template.spec";
        let pod = cluster.head_group_spec.template.spec.as_ref();
        if pod.is_none_or(|pod| pod.containers.is_empty()) {
            errors.push(FieldError::new(format!("{head}.containers"), "must not be empty"));
        }
        let restart = pod
            .and_then(|pod| pod.restart_policy.as_deref())
            .unwrap_or_default();
        if *mode == JobSubmissionMode::SidecarMode && !matches!(restart, "" | "Never") {
            errors.push(FieldError::new(
                format!("{head}.restartPolicy"),
                "must be Never in SidecarMode",
            ));
        }
        for (index, group) in cluster.worker_group_specs.iter().enumerate() {
            let at = format!("spec.rayClusterSpec.workerGroupSpecs[{index}]");
            if group.group_name.is_empty() {
                errors.push(FieldError::new(format!("{at}.groupName"), "must be set"));
            }
            if group
                .template
                .spec
                .as_ref()
                .is_none_or(|pod| pod.containers.is_empty())
            {
                errors.push(FieldError::new(
                    format!("{at}.template.spec.containers"),
                    "must not be empty",
                ));
            }
        }
    }
    if *mode == JobSubmissionMode::SidecarMode {
        for (field, set) in [
            ("spec.submitterPodTemplate", spec.submitter_pod_template.is_some()),
            ("spec.submitterConfig", spec.submitter_config.is_some()),
            ("spec.clusterSelector", selects),
        ] {
            if set {
                errors.push(FieldError::new(field, "must be left out in SidecarMode"));
            }
        }
    }
}

fn check_times(spec: &RayJobSpec, errors: &mut Vec<FieldError>) {
    for (field, value, least) in [
        ("spec.activeDeadlineSeconds", spec.active_deadline_seconds, 1),
        (
            "spec.preRunningDeadlineSeconds",
            spec.pre_running_deadline_seconds,
            1,
        ),
        ("spec.ttlSecondsAfterFinished", spec.ttl_seconds_after_finished, 0),
        ("spec.backoffLimit", spec.backoff_limit, 0),
    ] {
        if let Some(value) = value.filter(|value| *value < least) {
            errors.push(FieldError::new(
                field,
                format!("{value} must be at least {least}"),
            ));
        }
    }
    let waits = spec.ttl_seconds_after_finished.is_some_and(|seconds| seconds > 0);
    if waits && spec.shutdown_after_job_finishes != Some(true) {
        errors.push(FieldError::new(
            "spec.ttlSecondsAfterFinished",
            "needs spec.shutdownAfterJobFinishes",
        ));
    }
    for (field, value) in [
        ("spec.entrypointNumCpus", spec.entrypoint_num_cpus),
        ("spec.entrypointNumGpus", spec.entrypoint_num_gpus),
    ] {
        if let Some(value) = value.filter(|value| !value.is_finite() || *value < 0.0) {
            errors.push(FieldError::new(field, format!("{value} must not be negative")));
        }
    }
}

fn check_deletion(strategy: &DeletionStrategy, spec: &RayJobSpec, errors: &mut Vec<FieldError>) {
    const AT: &str = "spec.deletionStrategy";
    let rules = &strategy.deletion_rules;
    if strategy.on_success.is_some() != strategy.on_failure.is_some() {
        errors.push(FieldError::new(
            AT,
            "onSuccess and onFailure must be set together",
        ));
    }
    if !rules.is_empty() {
        if strategy.on_success.is_some() || strategy.on_failure.is_some() {
            errors.push(FieldError::new(
                AT,
                "deletionRules must not be set beside onSuccess and onFailure",
            ));
        }
        for (field, set) in [
            (
                "spec.shutdownAfterJobFinishes",
                spec.shutdown_after_job_finishes == Some(true),
            ),
            (
                "spec.ttlSecondsAfterFinished",
                spec.ttl_seconds_after_finished.is_some_and(|seconds| seconds > 0),
            ),
        ] {
            if set {
                errors.push(FieldError::new(
                    field,
                    "must not be set beside spec.deletionStrategy.deletionRules",
                ));
            }
        }
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = format!("{AT}.deletionRules[{index}]");
        let policy = rule
            .policy
            .as_ref()
            .map(DeletionPolicyType::as_str)
            .unwrap_or_default();
        check_known(&format!("{at}.policy"), policy, DeletionPolicyType::KNOWN, errors);
        let deletes_cluster = matches!(policy, "DeleteCluster" | "DeleteWorkers");
        if deletes_cluster && !spec.cluster_selector.is_empty() {
            errors.push(FieldError::new(
                format!("{at}.policy"),
                "must leave a selected cluster alone",
            ));
        }
        let condition = &rule.condition;
        match (&condition.job_status, &condition.job_deployment_status) {
            (Some(status), None) => {
                check_known(
                    &format!("{at}.condition.jobStatus"),
                    status.as_str(),
                    &["SUCCEEDED", "FAILED"],
                    errors,
                );
            }
            (None, Some(status)) => {
                check_known(
                    &format!("{at}.condition.jobDeploymentStatus"),
                    status.as_str(),
                    &["Failed"],
                    errors,
                );
            }
            _ => errors.push(FieldError::new(
                format!("{at}.condition"),
                "exactly one of jobStatus and jobDeploymentStatus must be set",
            )),
        }
        if let Some(seconds) = condition.ttl_seconds.filter(|seconds| *seconds < 0) {
            errors.push(FieldError::new(
                format!("{at}.condition.ttlSeconds"),
                format!("{seconds} must not be negative"),
            ));
        }
    }
}
