//! Ray's Jobs API (`ray:python/ray/dashboard/modules/job/job_head.py@2.60.0`).

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use resources::ray_job::JobStatus;
use serde::{Deserialize, Serialize};

use super::decide::Seen;
use crate::config::Ray;

/// For one answer: the API answers in milliseconds, or its head is in trouble.
const PATIENCE: Duration = Duration::from_secs(15);

/// A job as Ray tells it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    pub(crate) status: JobStatus,
    pub(crate) message: Option<String>,
    pub(crate) start_time: Option<Time>,
    pub(crate) end_time: Option<Time>,
}

/// The body of a submission.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Submission {
    pub(crate) entrypoint: String,
    pub(crate) submission_id: String,
    pub(crate) runtime_env: serde_json::Value,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entrypoint_num_cpus: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entrypoint_num_gpus: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) entrypoint_resources: Option<BTreeMap<String, f64>>,
}

/// What came of a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Submitted {
    /// Ray has it, now or since an earlier submission.
    Taken,
    /// Ray does not answer now.
    Away(String),
    /// Ray will not have it.
    Refused(String),
}

#[derive(Deserialize)]
struct Told {
    status: JobStatus,
    message: Option<String>,
    /// Milliseconds since the epoch.
    start_time: Option<i64>,
    end_time: Option<i64>,
}

/// Asks for a job.
pub(crate) async fn get(http: &reqwest::Client, ray: &Ray, id: &str) -> Seen {
    let answer = match send(request(http, ray, Method::GET, id)).await {
        Ok(answer) => answer,
        Err(away) => return Seen::Away(away),
    };
    if answer.status() == StatusCode::NOT_FOUND {
        return Seen::Unknown;
    }
    if !answer.status().is_success() {
        return Seen::Away(told(answer).await);
    }
    let time = |milliseconds: Option<i64>| Timestamp::from_millisecond(milliseconds?).ok().map(Time);
    match answer.json::<Told>().await {
        Ok(told) => Seen::Known(Job {
            status: told.status,
            message: told.message,
            start_time: time(told.start_time),
            end_time: time(told.end_time),
        }),
        Err(error) => Seen::Away(error.to_string()),
    }
}

/// Submits a job. Doing it again under the same id finds it taken.
pub(crate) async fn submit(http: &reqwest::Client, ray: &Ray, submission: &Submission) -> Submitted {
    let answer = match send(request(http, ray, Method::POST, "").json(submission)).await {
        Ok(answer) => answer,
        Err(away) => return Submitted::Away(away),
    };
    let status = answer.status();
    if status.is_success() {
        return Submitted::Taken;
    }
    not_taken_now(status, told(answer).await)
}

/// What another answer than success means. Ray has one status, 500, for most of what may have happened: its words tell
/// (`python/ray/dashboard/modules/job/{job_head,job_manager}.py@ray-2.60.0`).
fn not_taken_now(status: StatusCode, message: String) -> Submitted {
    if message.contains("Please use a different submission_id") {
        return Submitted::Taken;
    }
    // A head that has just come up answers before there is somebody to run a job.
    if message.contains("No available agent to submit job") {
        return Submitted::Away(message);
    }
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Submitted::Away(message)
        }
        _ => Submitted::Refused(message),
    }
}

/// Stops a job; one that is over or unknown is stopped.
///
/// # Errors
/// What Ray said, or that it said nothing.
pub(crate) async fn stop(http: &reqwest::Client, ray: &Ray, id: &str) -> Result<(), String> {
    let answer = send(request(http, ray, Method::POST, &format!("{id}/stop"))).await?;
    match answer.status() {
        status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
        _ => Err(told(answer).await),
    }
}

fn request(http: &reqwest::Client, ray: &Ray, method: Method, path: &str) -> RequestBuilder {
    let base = ray.dashboard.as_str().trim_end_matches('/');
    let request = http
        .request(method, format!("{base}/api/jobs/{path}"))
        .timeout(PATIENCE);
    match &ray.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

async fn send(request: RequestBuilder) -> Result<Response, String> {
    request.send().await.map_err(|error| {
        // The innermost cause says what happened; the outer ones repeat the URL.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        cause.to_string()
    })
}

/// The answer's text, without the stack that Ray puts into it.
async fn told(answer: Response) -> String {
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    let last = text
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or_default();
    format!("{status}: {}", last.chars().take(500).collect::<String>())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::again(
        500,
        "Job good-1 already exists. Please use a different submission_id.",
        Submitted::Taken
    )]
    #[case::early(
        500,
        "No available agent to submit job, please try again later.",
        Submitted::Away("No available agent to submit job, please try again later.".into())
    )]
    #[case::router(502, "", Submitted::Away(String::new()))]
    #[case::wrong(400, "TypeError", Submitted::Refused("TypeError".into()))]
    #[case::broken(500, "Traceback", Submitted::Refused("Traceback".into()))]
    fn an_answer_tells_whether_to_ask_again(
        #[case] status: u16,
        #[case] message: &str,
        #[case] expected: Submitted,
    ) {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(not_taken_now(status, message.to_owned()), expected);
    }
}
