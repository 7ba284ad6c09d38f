//! The routes, one file a resource.

mod cache;
mod experiments;
mod healthz;
mod logs;
mod pipelines;
mod runs;
mod tasks;
mod upload;
mod versions;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};
use kfp_api::status::Code;
use pipeline_engine::Engine;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::guard::{Admission, admit};

/// Largest package that KFP takes, 32 MiB (`MaxFileLength`, backend/src/apiserver/common/const.go @2.17.0), and what
/// a form puts around it.
const LARGEST_BODY: usize = (32 << 20) + (64 << 10);

/// KFP's API over an engine, for callers that `admission` lets in.
pub fn router(engine: Engine, admission: Admission) -> Router {
    // `:archive` and the like end a segment, which a route cannot say: the handlers split it off.
    let v2beta1 = Router::new()
        .route("/healthz", get(healthz::healthz))
        .route("/pipelines", get(pipelines::list).post(pipelines::create))
        .route("/pipelines/upload", post(upload::pipeline))
        .route("/pipelines/upload_version", post(upload::version))
        .route("/pipelines/names/{name}", get(pipelines::by_name))
        .route("/pipelines/{id}", get(pipelines::get).delete(pipelines::delete))
        .route("/pipelines/{id}/versions", get(versions::list))
        .route(
            "/pipelines/{id}/versions/{version}",
            get(versions::get).delete(versions::delete),
        )
        .route("/experiments", get(experiments::list).post(experiments::create))
        .route(
            "/experiments/{id}",
            get(experiments::get)
                .delete(experiments::delete)
                .post(experiments::act),
        )
        .route("/runs", get(runs::list).post(runs::create))
        .route("/runs/{id}", get(runs::get).delete(runs::delete).post(runs::act))
        .route("/runs/{id}/tasks", get(tasks::list))
        .route("/runs/{id}/tasks/{task}", get(tasks::get));
    let additions = Router::new()
        .route("/plan", post(cache::plan))
        .route("/runs/{id}/tasks/{task}/cache", get(cache::explain));
    Router::new()
        .nest("/apis/v2beta1", v2beta1)
        .nest("/apis/basecamp/v1", additions)
        .route("/apis/v1alpha1/runs/{run}/nodes/{node}/log", get(logs::read))
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
    ApiError::unimplemented("Method Not Allowed")
}

/// `google.protobuf.Empty`.
fn empty() -> Json<Value> {
    Json(json!({}))
}

/// An object's id and the verb behind it: `7:terminate`.
fn split_verb(segment: &str) -> Result<(&str, &str), ApiError> {
    segment
        .rsplit_once(':')
        .ok_or_else(|| ApiError::unimplemented("Method Not Allowed"))
}

fn total(number: u64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
