//! The paths.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};
use tokio_util::sync::CancellationToken;

use super::dispatch::dispatch;
use super::guard::{TokenDigest, guard};
use crate::discovery;
use crate::openapi;
use crate::store::Store;

/// What the handlers share.
pub(crate) struct Served {
    pub(crate) store: Store,
    pub(crate) token: TokenDigest,
    /// Ends the watches.
    pub(crate) stop: CancellationToken,
}

impl Served {
    pub(crate) fn new(store: Store, token: &str, stop: CancellationToken) -> Self {
        Self {
            store,
            token: TokenDigest::of(token),
            stop,
        }
    }
}

/// Everything that is answered.
pub(crate) fn router(served: Served) -> Router {
    let served = Arc::new(served);
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(|| async { "ok" }))
        .route("/livez", get(|| async { "ok" }))
        .route("/version", get(discovery::version))
        .route("/api", get(discovery::core_versions))
        .route("/api/{version}", get(discovery::core_resources))
        .route("/apis", get(discovery::groups))
        .route("/apis/{group}", get(discovery::group))
        .route("/apis/{group}/{version}", get(discovery::resources))
        .route("/openapi/v2", get(openapi::v2))
        .route("/openapi/v3", get(openapi::v3_index))
        .route("/openapi/v3/{*group}", get(openapi::v3))
        .fallback(any(dispatch))
        .layer(from_fn_with_state(served.clone(), guard))
        .with_state(served)
}
