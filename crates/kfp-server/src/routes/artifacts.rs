//! Bytes of artifacts (backend/src/apiserver/server/run_artifact_server.go @2.17.0).

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{Stream, StreamExt};
use pipeline_engine::Engine;
use schemars::JsonSchema;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, BufReader};

use super::logs::of_node;
use super::runs::run_id;
use super::split_verb;
use crate::error::ApiError;
use crate::operation::Operation;

/// Bytes that are encoded at once: no part of them is padded.
const PIECE: usize = 3 << 14;

/// An artifact's bytes.
#[derive(JsonSchema)]
#[expect(
    dead_code,
    reason = "it is written piece by piece; the type is for the description"
)]
struct ReadArtifactResponse {
    /// In base64.
    data: String,
}

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get(
            "/apis/v2beta1/runs/{run_id}/nodes/{node_id}/artifacts/{artifact_name}:read",
            read,
        )
        .named("ReadArtifact", "Read an output artifact of a node.")
        .answers_plainly::<ReadArtifactResponse>(),
    ]
}

pub(super) async fn read(
    State(engine): State<Engine>,
    Path((run, node, segment)): Path<(String, String, String)>,
) -> Response {
    let opened = async {
        let (name, verb) = split_verb(&segment)?;
        if verb != "read" {
            return Err(ApiError::no_such_method());
        }
        let run = run_id(&run)?;
        let tasks = engine.tasks(run).await?;
        let task = of_node(&tasks, &node)?;
        let (_, file) = engine.open_artifact(run, task.id, name).await?;
        Ok(File::from_std(file))
    };
    match opened.await {
        Ok(file) => {
            let data = encoded(file);
            let opening = futures::stream::iter([Ok(Bytes::from_static(b"{\"data\":\""))]);
            let closing = futures::stream::iter([Ok(Bytes::from_static(b"\"}"))]);
            let headers = [
                (CONTENT_TYPE, "application/json"),
                (CACHE_CONTROL, "no-cache, private"),
            ];
            (headers, Body::from_stream(opening.chain(data).chain(closing))).into_response()
        }
        Err(error) => error
            .while_doing(&format!("Failed to read an artifact of run {run}"))
            .plain(),
    }
}

/// A file in base64, piece by piece.
fn encoded(file: File) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send {
    let file = BufReader::with_capacity(PIECE, file);
    futures::stream::try_unfold(file, async |mut file| {
        let mut piece = Vec::with_capacity(PIECE);
        (&mut file).take(PIECE as u64).read_to_end(&mut piece).await?;
        Ok((!piece.is_empty()).then(|| (Bytes::from(STANDARD.encode(&piece)), file)))
    })
}
