//! Versions of a pipeline.

use axum::Json;
use axum::extract::{Path, State};
use indexmap::IndexMap;
use jiff::Timestamp;
use kfp_api::pipeline::{PipelineVersion, PipelineVersions, Url};
use kfp_api::status::Status;
use pipeline_engine::{Engine, NewVersion, VersionId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::pipelines::{fits, pipeline_id, spec_of};
use super::{empty, total};
use crate::error::ApiError;
use crate::list::ListQuery;
use crate::message::{Message, Params};
use crate::operation::Operation;
use crate::tell;

const VERSION: &str = "/apis/v2beta1/pipelines/{pipeline_id}/versions/{pipeline_version_id}";

/// A version of which the name to show and the labels count, where they are given; a client sends the object that it has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct VersionUpdate {
    #[serde(alias = "pipelineId")]
    pipeline_id: String,
    #[serde(alias = "pipelineVersionId")]
    pipeline_version_id: String,
    #[serde(alias = "displayName")]
    display_name: String,
    name: String,
    description: String,
    #[serde(alias = "createdAt")]
    created_at: Option<Timestamp>,
    #[serde(alias = "packageUrl")]
    package_url: Option<Url>,
    #[serde(alias = "codeSourceUrl")]
    code_source_url: String,
    #[serde(alias = "pipelineSpec")]
    pipeline_spec: Option<Value>,
    error: Option<Status>,
    tags: Option<IndexMap<String, String>>,
}

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/v2beta1/pipelines/{pipeline_id}/versions", list)
            .named("ListPipelineVersions", "List versions of a pipeline.")
            .query::<ListQuery>()
            .answers::<PipelineVersions>(),
        Operation::post("/apis/v2beta1/pipelines/{pipeline_id}/versions", create)
            .named("CreatePipelineVersion", "Make a version of a spec.")
            .takes::<PipelineVersion>()
            .answers::<PipelineVersion>(),
        Operation::get(VERSION, get)
            .named("GetPipelineVersion", "Tell of a version.")
            .answers::<PipelineVersion>(),
        Operation::patch(VERSION, update)
            .named(
                "UpdatePipelineVersion",
                "Give a version another name to show, other labels.",
            )
            .takes::<VersionUpdate>()
            .answers::<PipelineVersion>(),
        Operation::delete(VERSION, delete)
            .named("DeletePipelineVersion", "Delete a version; runs made of it stay."),
    ]
}

pub(super) async fn create(
    State(engine): State<Engine>,
    Path(pipeline): Path<String>,
    Message(asked): Message<PipelineVersion>,
) -> Result<Json<PipelineVersion>, ApiError> {
    let created = async {
        let package = spec_of(&asked)?;
        let name = if asked.name.is_empty() {
            asked.display_name.clone()
        } else {
            asked.name
        };
        fits(&name)?;
        let new = NewVersion {
            name,
            display_name: asked.display_name,
            description: asked.description,
            tags: asked.tags.into_iter().collect(),
            code_source_url: asked.code_source_url,
            package,
        };
        let version = engine.upload_version(pipeline_id(&pipeline)?, new).await?;
        Ok(Json(tell::version(version)))
    };
    created
        .await
        .map_err(|error: ApiError| error.while_doing("Failed to create a pipeline version"))
}

pub(super) async fn update(
    State(engine): State<Engine>,
    Path((pipeline, version)): Path<(String, String)>,
    Message(asked): Message<VersionUpdate>,
) -> Result<Json<PipelineVersion>, ApiError> {
    let updated = async {
        let display_name = Some(asked.display_name).filter(|name| !name.is_empty());
        let tags = asked.tags.map(|tags| tags.into_iter().collect());
        let (pipeline, version) = (pipeline_id(&pipeline)?, version_id(&version)?);
        let version = engine
            .update_version(pipeline, version, display_name, tags)
            .await?;
        Ok(Json(tell::version(version)))
    };
    updated
        .await
        .map_err(|error: ApiError| error.while_doing("Failed to update pipeline version"))
}

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
