//! Experiments.

use axum::Json;
use axum::extract::{Path, State};
use kfp_api::experiment::{Experiment, Experiments};
use pipeline_engine::{Engine, ExperimentId, NewExperiment};
use serde_json::Value;

use super::{empty, split_verb, total};
use crate::error::ApiError;
use crate::list::ListQuery;
use crate::message::{Message, Params};
use crate::operation::Operation;
use crate::tell;

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/v2beta1/experiments", list)
            .named("ListExperiments", "List experiments.")
            .query::<ListQuery>()
            .answers::<Experiments>(),
        Operation::post("/apis/v2beta1/experiments", create)
            .named("CreateExperiment", "Make an experiment.")
            .takes::<Experiment>()
            .answers::<Experiment>(),
        Operation::get("/apis/v2beta1/experiments/{experiment_id}", get)
            .named("GetExperiment", "Tell of an experiment.")
            .answers::<Experiment>(),
        Operation::delete("/apis/v2beta1/experiments/{experiment_id}", delete)
            .named("DeleteExperiment", "Delete an experiment without runs."),
        Operation::post("/apis/v2beta1/experiments/{experiment_id}:archive", act).named(
            "ArchiveExperiment",
            "Put an experiment away: its runs with it, its recurring runs disabled.",
        ),
        Operation::post("/apis/v2beta1/experiments/{experiment_id}:unarchive", act).named(
            "UnarchiveExperiment",
            "Take an experiment out again; its runs stay put away.",
        ),
    ]
}

pub(super) async fn create(
    State(engine): State<Engine>,
    Message(asked): Message<Experiment>,
) -> Result<Json<Experiment>, ApiError> {
    let new = NewExperiment {
        display_name: asked.display_name,
        description: asked.description,
    };
    let experiment = engine
        .create_experiment(new)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to create a experiment"))?;
    Ok(Json(tell::experiment(experiment)))
}

pub(super) async fn list(
    State(engine): State<Engine>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Experiments>, ApiError> {
    let page = engine
        .experiments(query.options(&[("experiment_id", "id")])?)
        .await?;
    Ok(Json(Experiments {
        experiments: page.items.into_iter().map(tell::experiment).collect(),
        total_size: total(page.total),
        next_page_token: page.next.unwrap_or_default(),
    }))
}

pub(super) async fn get(
    State(engine): State<Engine>,
    Path(id): Path<String>,
) -> Result<Json<Experiment>, ApiError> {
    let experiment = engine
        .experiment(experiment_id(&id)?)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to get an experiment"))?;
    Ok(Json(tell::experiment(experiment)))
}

pub(super) async fn delete(
    State(engine): State<Engine>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    engine.delete_experiment(experiment_id(&id)?).await?;
    Ok(empty())
}

/// `POST …/ID:VERB`.
pub(super) async fn act(
    State(engine): State<Engine>,
    Path(segment): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (id, verb) = split_verb(&segment)?;
    let id = experiment_id(id)?;
    match verb {
        "archive" => engine.archive_experiment(id).await?,
        "unarchive" => engine.unarchive_experiment(id).await?,
        _ => return Err(ApiError::no_such_method()),
    }
    Ok(empty())
}

pub(super) fn experiment_id(text: &str) -> Result<ExperimentId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("Experiment", text))
}
