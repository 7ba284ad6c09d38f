use super::*;
use rstest::rstest;
use serde_json::{Value, json};

fn at(text: &str) -> Time {
    Time(format!("2026-01-01T00:{text}Z").parse().unwrap())
}

fn job(status: JobStatus) -> Seen {
    Seen::Known(Job {
        status,
        message: Some("as Ray says".into()),
        start_time: Some(at("00:01")),
        end_time: None,
    })
}

/// `deployment/job/failed` of the next status and the step, from a status that began at 00:00, at 00:10.
fn told(spec: Value, before: Value, seen: &Seen) -> String {
    let spec = serde_json::from_value(spec).unwrap();
    let mut before: RayJobStatus = serde_json::from_value(before).unwrap();
    if before.job_deployment_status.is_some() {
        before.start_time = Some(at("00:00"));
    }
    let (status, step) = decide(&spec, &before, "train-1", seen, &at("00:10"));
    let text = |value: Option<&str>| value.unwrap_or("-").to_owned();
    format!(
        "{} {} {} {} {step:?}",
        text(
            status
                .job_deployment_status
                .as_ref()
                .map(JobDeploymentStatus::as_str)
        ),
        text(status.job_status.as_ref().map(JobStatus::as_str)),
        text(status.job_id.as_deref()),
        text(status.reason.as_deref()),
    )
}

fn away() -> Seen {
    Seen::Away("refused".into())
}

#[rstest]
#[case::the_id_is_written_first(json!({}), json!({}), Seen::Nothing, "Initializing - train-1 - Write")]
#[case::then_it_is_submitted(json!({}), json!({"jobDeploymentStatus": "Initializing", "jobId": "train-1"}), Seen::Unknown, "Initializing - train-1 - Submit")]
#[case::a_submission_is_found_again(json!({}), json!({"jobDeploymentStatus": "Initializing", "jobId": "train-1"}), job(JobStatus::Pending), "Running PENDING train-1 - Look")]
#[case::ray_is_not_up_yet(json!({}), json!({"jobDeploymentStatus": "Initializing", "jobId": "train-1"}), away(), "Initializing - train-1 - Look")]
#[case::runs(json!({}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1"}), job(JobStatus::Running), "Running RUNNING train-1 - Look")]
#[case::ray_is_away(json!({}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1", "jobStatus": "RUNNING"}), away(), "Running RUNNING train-1 - Look")]
#[case::ray_lost_it(json!({}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1", "jobStatus": "RUNNING"}), Seen::Unknown, "Initializing RUNNING train-1 - Write")]
#[case::succeeds(json!({}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1"}), job(JobStatus::Succeeded), "Complete SUCCEEDED train-1 - Rest")]
#[case::stopped_by_a_person(json!({}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1"}), job(JobStatus::Stopped), "Complete STOPPED train-1 - Rest")]
#[case::fails(json!({}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1"}), job(JobStatus::Failed), "Failed FAILED train-1 AppFailed Rest")]
#[case::is_tried_again(json!({"backoffLimit": 1}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1"}), job(JobStatus::Failed), "Retrying FAILED train-1 - Write")]
#[case::under_another_id(json!({"backoffLimit": 1}), json!({"jobDeploymentStatus": "Retrying", "jobId": "train-1", "failed": 1, "jobStatus": "FAILED"}), Seen::Nothing, "Initializing - train-1-1 - Write")]
#[case::and_not_for_ever(json!({"backoffLimit": 1}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1-1", "failed": 1}), job(JobStatus::Failed), "Failed FAILED train-1-1 AppFailed Rest")]
#[case::deadline(json!({"activeDeadlineSeconds": 10}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1"}), job(JobStatus::Running), "Failed - train-1 DeadlineExceeded Stop")]
#[case::not_yet(json!({"activeDeadlineSeconds": 11, "preRunningDeadlineSeconds": 5}), json!({"jobDeploymentStatus": "Running", "jobId": "train-1"}), job(JobStatus::Running), "Running RUNNING train-1 - Look")]
#[case::never_began(json!({"preRunningDeadlineSeconds": 5}), json!({"jobDeploymentStatus": "Initializing", "jobId": "train-1"}), away(), "Failed - train-1 PreRunningDeadlineExceeded Stop")]
#[case::over(json!({}), json!({"jobDeploymentStatus": "Complete", "jobId": "train-1", "jobStatus": "SUCCEEDED"}), Seen::Nothing, "Complete SUCCEEDED train-1 - Rest")]
fn steps(#[case] spec: Value, #[case] before: Value, #[case] seen: Seen, #[case] expected: &str) {
    assert_eq!(told(spec, before, &seen), expected);
}

#[test]
fn an_end_is_told_once() {
    let spec = RayJobSpec::default();
    let before: RayJobStatus =
        serde_json::from_value(json!({"jobDeploymentStatus": "Running", "jobId": "train-1"})).unwrap();
    let (status, _) = decide(
        &spec,
        &before,
        "train-1",
        &job(JobStatus::Succeeded),
        &at("00:10"),
    );
    assert_eq!(
        (status.succeeded, status.end_time.clone()),
        (Some(1), Some(at("00:10")))
    );
    let (later, step) = decide(&spec, &status, "train-1", &Seen::Nothing, &at("01:00"));
    assert_eq!((later, step), (status, Step::Rest));
}
