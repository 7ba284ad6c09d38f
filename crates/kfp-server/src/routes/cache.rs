//! What the cache did, and what it would do. Not part of KFP's API.

use axum::Json;
use axum::extract::{Path, State};
use kfp_api::explanation::CacheExplanation;
use kfp_api::forecast::Forecast;
use kfp_api::run::Run;
use pipeline_engine::Engine;

use super::runs::{new_run, run_id};
use crate::error::ApiError;
use crate::message::Message;
use crate::operation::Operation;
use crate::tell;

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/apis/basecamp/v1/plan", plan)
            .named("Plan", "Foretell what a run would do.")
            .takes::<Run>()
            .answers::<Forecast>(),
        Operation::get("/apis/basecamp/v1/runs/{run_id}/tasks/{task_id}/cache", explain)
            .named(
                "ExplainCache",
                "Tell why a task ran, or was taken from the cache.",
            )
            .answers::<CacheExplanation>(),
    ]
}

pub(super) async fn plan(
    State(engine): State<Engine>,
    Message(asked): Message<Run>,
) -> Result<Json<Forecast>, ApiError> {
    let run = new_run(asked)?;
    let forecast = engine
        .plan(run.source, &run.parameters)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to plan a run"))?;
    Ok(Json(tell::forecast(forecast)))
}

pub(super) async fn explain(
    State(engine): State<Engine>,
    Path((run, task)): Path<(String, String)>,
) -> Result<Json<CacheExplanation>, ApiError> {
    let explanation = engine
        .explain_cache(run_id(&run)?, &task)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to explain the cache"))?;
    Ok(Json(tell::explanation(explanation)))
}
