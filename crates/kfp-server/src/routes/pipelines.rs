//! Pipelines.

use axum::Json;
use axum::extract::{Path, State};
use kfp_api::pipeline::{Pipeline, Pipelines};
use pipeline_engine::{Engine, NewPipeline, PipelineId, WithVersions};
use serde::Deserialize;
use serde_json::Value;

use super::{empty, total};
use crate::error::ApiError;
use crate::list::ListQuery;
use crate::message::{Message, Params};
use crate::tell;

/// KFP's limit of a name (`LengthSpecs`, backend/src/apiserver/validation/length.go @2.17.0).
const LONGEST_NAME: usize = 128;

/// As KFP names what deleting takes along.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DeleteQuery {
    cascade: bool,
}

pub(super) async fn create(
    State(engine): State<Engine>,
    Message(asked): Message<Pipeline>,
) -> Result<Json<Pipeline>, ApiError> {
    let name = if asked.name.is_empty() {
        asked.display_name.clone()
    } else {
        asked.name
    };
    fits(&name)?;
    let new = NewPipeline {
        name,
        display_name: asked.display_name,
        description: asked.description,
        tags: asked.tags.into_iter().collect(),
        package: None,
    };
    let (pipeline, _) = engine
        .upload_pipeline(new)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to create a pipeline"))?;
    Ok(Json(tell::pipeline(pipeline)))
}

pub(super) async fn list(
    State(engine): State<Engine>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Pipelines>, ApiError> {
    let page = engine.pipelines(query.options(&[("pipeline_id", "id")])?).await?;
    Ok(Json(Pipelines {
        pipelines: page.items.into_iter().map(tell::pipeline).collect(),
        total_size: total(page.total),
        next_page_token: page.next.unwrap_or_default(),
    }))
}

pub(super) async fn get(
    State(engine): State<Engine>,
    Path(id): Path<String>,
) -> Result<Json<Pipeline>, ApiError> {
    let pipeline = engine
        .pipeline(pipeline_id(&id)?)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to get a pipeline"))?;
    Ok(Json(tell::pipeline(pipeline)))
}

pub(super) async fn by_name(
    State(engine): State<Engine>,
    Path(name): Path<String>,
) -> Result<Json<Pipeline>, ApiError> {
    let pipeline = engine
        .pipeline_by_name(&name)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to get a pipeline"))?;
    Ok(Json(tell::pipeline(pipeline)))
}

pub(super) async fn delete(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Params(query): Params<DeleteQuery>,
) -> Result<Json<Value>, ApiError> {
    let with_versions = if query.cascade {
        WithVersions::Delete
    } else {
        WithVersions::Refuse
    };
    engine.delete_pipeline(pipeline_id(&id)?, with_versions).await?;
    Ok(empty())
}

pub(super) fn pipeline_id(text: &str) -> Result<PipelineId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("Pipeline", text))
}

pub(super) fn fits(name: &str) -> Result<(), ApiError> {
    if name.len() > LONGEST_NAME {
        return Err(ApiError::invalid(format!(
            "Pipeline.Name length cannot exceed {LONGEST_NAME}"
        )));
    }
    Ok(())
}
