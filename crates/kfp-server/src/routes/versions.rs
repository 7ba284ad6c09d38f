//! Versions of a pipeline.

use axum::Json;
use axum::extract::{Path, State};
use kfp_api::pipeline::{PipelineVersion, PipelineVersions};
use pipeline_engine::{Engine, VersionId};
use serde_json::Value;

use super::pipelines::pipeline_id;
use super::{empty, total};
use crate::error::ApiError;
use crate::list::ListQuery;
use crate::message::Params;
use crate::tell;

pub(super) async fn list(
    State(engine): State<Engine>,
    Path(pipeline): Path<String>,
    Params(query): Params<ListQuery>,
) -> Result<Json<PipelineVersions>, ApiError> {
    let options = query.options(&[("pipeline_version_id", "id")])?;
    let page = engine.versions(pipeline_id(&pipeline)?, options).await?;
    Ok(Json(PipelineVersions {
        pipeline_versions: page.items.into_iter().map(tell::version).collect(),
        total_size: total(page.total),
        next_page_token: page.next.unwrap_or_default(),
    }))
}

pub(super) async fn get(
    State(engine): State<Engine>,
    Path((pipeline, version)): Path<(String, String)>,
) -> Result<Json<PipelineVersion>, ApiError> {
    let version = engine
        .version(pipeline_id(&pipeline)?, version_id(&version)?)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to get a pipeline version"))?;
    Ok(Json(tell::version(version)))
}

pub(super) async fn delete(
    State(engine): State<Engine>,
    Path((pipeline, version)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    engine
        .delete_version(pipeline_id(&pipeline)?, version_id(&version)?)
        .await?;
    Ok(empty())
}

pub(super) fn version_id(text: &str) -> Result<VersionId, ApiError> {
    text.parse()
        .map_err(|_| ApiError::not_found("PipelineVersion", text))
}
