//! Whether a call would be allowed (backend/src/apiserver/server/auth_server.go @2.17.0).

use axum::Json;
use serde_json::Value;

use super::empty;
use crate::operation::Operation;

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::get("/apis/v2beta1/auth", authorize).named(
        "Authorize",
        "Tell whether a call would be allowed: one that reaches this is.",
    )]
}

/// A server of one user allows whatever gets in.
async fn authorize() -> Json<Value> {
    empty()
}
