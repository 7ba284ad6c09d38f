//! The daemon's own API, beside KFP's.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::StreamExt;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use crate::supervisor::Board;

#[derive(Deserialize)]
struct ListQuery {
    #[serde(default)]
    watch: bool,
}

/// Routes of the daemon's own API.
pub(crate) fn router(board: Board) -> Router {
    Router::new()
        .route(tier6::SERVICES_PATH, get(services))
        .with_state(board)
}

/// A page that the user's browser got elsewhere must not reach a server on loopback under a name of its own (DNS
/// rebinding), so only loopback's own names are answered.
pub(crate) async fn loopback_names_only(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or(request.uri().authority().map(|authority| authority.as_str()))
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if matches!(name, "127.0.0.1" | "localhost" | "[::1]") {
        next.run(request).await
    } else {
        (
            StatusCode::FORBIDDEN,
            "this server answers to 127.0.0.1 and localhost only\n",
        )
            .into_response()
    }
}

async fn services(State(board): State<Board>, Query(query): Query<ListQuery>) -> Response {
    let (now, changes) = board.watch();
    if !query.watch {
        return axum::Json(serde_json::json!({ "services": now })).into_response();
    }
    let later = futures::stream::unfold((board, changes), |(board, mut changes)| async {
        match changes.recv().await {
            Ok(status) => Some((vec![status], (board, changes))),
            // Too slow a reader has missed some: it gets all of them as they are now.
            Err(RecvError::Lagged(_)) => {
                let (now, changes) = board.watch();
                Some((now, (board, changes)))
            }
            Err(RecvError::Closed) => None,
        }
    });
    let lines = futures::stream::iter([now]).chain(later).map(|statuses| {
        let mut lines = Vec::new();
        for status in statuses {
            serde_json::to_writer(&mut lines, &status).expect("invariant: a status has string keys");
            lines.push(b'\n');
        }
        Ok::<_, Infallible>(lines)
    });
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response()
}
