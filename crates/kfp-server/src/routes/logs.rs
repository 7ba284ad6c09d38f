//! Logs of nodes (backend/src/apiserver/server/run_log_server.go @2.17.0), and what it lacks: `follow` and ranges.

use std::io::SeekFrom;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, TryStreamExt};
use kfp_api::status::Code;
use pipeline_engine::{Engine, TaskRecord};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::runs::run_id;
use crate::error::ApiError;
use crate::message::{Params, truth};
use crate::operation::Operation;
use crate::tell;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct LogQuery {
    /// Whether to go on until the node ends.
    #[serde(deserialize_with = "truth")]
    follow: bool,
}

/// One range of bytes (RFC 9110, 14.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    From(u64),
    Last(u64),
}

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log", read)
            .named("ReadRunLog", "Read a node's log.")
            .query::<LogQuery>()
            .answers_text(),
    ]
}

pub(super) async fn read(
    State(engine): State<Engine>,
    Path((run, node)): Path<(String, String)>,
    Params(query): Params<LogQuery>,
    headers: HeaderMap,
) -> Response {
    let wanted = headers
        .get(RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(range);
    let told = async {
        let tasks = engine.tasks(run_id(&run)?).await?;
        let task = of_node(&tasks, &node)?;
        if query.follow && !task.state.is_final() {
            follow(&engine, task, wanted).await
        } else {
            as_it_is(&engine, task, wanted).await
        }
    };
    told.await
        .map_err(|error: ApiError| error.while_doing(&format!("Failed to read logs for run {run}")))
        .unwrap_or_else(ApiError::plain)
}

pub(super) fn of_node<'a>(tasks: &'a [TaskRecord], node: &str) -> Result<&'a TaskRecord, ApiError> {
    tasks
        .iter()
        .find(|task| task.id.to_string() == node || tell::executor_id(task).to_string() == node)
        .ok_or_else(|| ApiError::not_found("Node", node))
}

/// The newest attempt's log, as far as it is written.
async fn as_it_is(engine: &Engine, task: &TaskRecord, wanted: Option<Wanted>) -> Result<Response, ApiError> {
    let Some(file) = engine.open_log(task.id, None).await? else {
        return Ok(whole(Body::empty()));
    };
    let mut file = File::from_std(file);
    // What is appended meanwhile belongs to the next answer.
    let size = file.metadata().await.map_err(unreadable)?.len();
    let from = match wanted {
        None => 0,
        Some(Wanted::From(from)) => from.min(size),
        Some(Wanted::Last(last)) => size.saturating_sub(last),
    };
    file.seek(SeekFrom::Start(from)).await.map_err(unreadable)?;
    let body = Body::from_stream(ReaderStream::new(file.take(size - from)));
    // An empty part has no range to name.
    if wanted.is_none() || from == size {
        return Ok(whole(body));
    }
    let range = format!("bytes {from}-{}/{size}", size - 1);
    Ok((StatusCode::PARTIAL_CONTENT, [(CONTENT_RANGE, range)], whole(body)).into_response())
}

/// The newest attempt's log, and on until the task ends.
async fn follow(engine: &Engine, task: &TaskRecord, wanted: Option<Wanted>) -> Result<Response, ApiError> {
    let mut unwanted = match wanted {
        Some(Wanted::From(from)) => usize::try_from(from).unwrap_or(usize::MAX),
        _ => 0,
    };
    let status = if unwanted == 0 {
        StatusCode::OK
    } else {
        StatusCode::PARTIAL_CONTENT
    };
    let chunks = engine.follow_log(task.id).await?.map(move |chunk| {
        chunk.map(|mut chunk| {
            let skipped = unwanted.min(chunk.len());
            unwanted -= skipped;
            chunk.drain(..skipped);
            chunk
        })
    });
    let body = Body::from_stream(chunks.map_err(|error| std::io::Error::other(error.to_string())));
    Ok((status, whole(body)).into_response())
}

fn whole(body: Body) -> Response {
    (
        [
            (CONTENT_TYPE, "text/plain; charset=utf-8"),
            (CACHE_CONTROL, "no-cache, private"),
        ],
        body,
    )
        .into_response()
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn unreadable(error: std::io::Error) -> ApiError {
    ApiError::new(Code::Internal, format!("the log cannot be read: {error}"))
}

fn range(value: &str) -> Option<Wanted> {
    let (from, to) = value.strip_prefix("bytes=")?.split_once('-')?;
    match (from, to) {
        ("", last) => last.parse().ok().map(Wanted::Last),
        (from, "") => from.parse().ok().map(Wanted::From),
        // A part with an end is never asked for here; all of it is an answer too.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("bytes=5-", Some(Wanted::From(5)))]
    #[case("bytes=-16", Some(Wanted::Last(16)))]
    #[case("bytes=0-4", None)]
    #[case("bytes=-", None)]
    #[case("lines=1-", None)]
    fn ranges(#[case] value: &str, #[case] expected: Option<Wanted>) {
        assert_eq!(range(value), expected);
    }
}
