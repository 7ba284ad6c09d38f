//! The routes, one file a resource.

mod artifacts;
mod auth;
mod cache;
mod cache_entries;
mod capabilities;
mod experiments;
mod healthz;
mod logs;
mod pipelines;
mod recurring;
mod reruns;
mod runs;
mod tasks;
mod upload;
mod versions;

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use kfp_api::status::Code;
use pipeline_engine::Engine;
use serde_json::{Value, json};

use crate::description::description;
use crate::error::ApiError;
use crate::guard::{Admission, admit};
use crate::operation::Operation;

/// The largest package, and what a form puts around it.
const LARGEST_BODY: usize = crate::package::LARGEST as usize + (64 << 10);
/// Where the API's description is.
const DESCRIPTION: &str = "/apis/basecamp/v1/openapi.json";

/// Every call that is served.
fn operations() -> Vec<Operation> {
    [
        healthz::operations(),
        auth::operations(),
        pipelines::operations(),
        upload::operations(),
        versions::operations(),
        experiments::operations(),
        runs::operations(),
        reruns::operations(),
        recurring::operations(),
        tasks::operations(),
        logs::operations(),
        artifacts::operations(),
        cache::operations(),
        cache_entries::operations(),
        capabilities::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// KFP's API over an engine, for callers that `admission` lets in.
pub fn router(engine: Engine, admission: Admission) -> Router {
    let operations = operations();
    let described = description(&operations).to_string();
    let describe = async move || ([(CONTENT_TYPE, "application/json")], described.clone());
    let mut router = Router::new().route(DESCRIPTION, get(describe));
    let mut shared = HashSet::new();
    for operation in operations {
        let route = operation.route();
        // Calls that differ in their verbs alone share a handler.
        if route == operation.path || shared.insert((route, operation.method)) {
            router = router.route(route, operation.handler);
        }
    }
    router
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(Arc::new(admission), admit))
        .with_state(engine)
}

/// As grpc-gateway answers it, word for word: clients tell by it what a server speaks.
async fn no_such_path() -> ApiError {
    ApiError::new(Code::NotFound, "Not Found")
}

async fn no_such_method() -> ApiError {
    ApiError::no_such_method()
}

/// `google.protobuf.Empty`.
fn empty() -> Json<Value> {
    Json(json!({}))
}

/// An object's id and the verb behind it: `7:terminate`.
fn split_verb(segment: &str) -> Result<(&str, &str), ApiError> {
    segment.rsplit_once(':').ok_or_else(ApiError::no_such_method)
}

fn total(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
