//! Pipelines.

use axum::Json;
use axum::extract::{Path, State};
use indexmap::IndexMap;
use jiff::Timestamp;
use kfp_api::pipeline::{Pipeline, PipelineVersion, Pipelines};
use kfp_api::status::Status;
use pipeline_engine::{Engine, NewPipeline, PipelineId, WithVersions};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{empty, total};
use crate::error::ApiError;
use crate::list::ListQuery;
use crate::message::{Message, Params, truth};
use crate::operation::Operation;
use crate::tell;

/// KFP's limit of a name (`LengthSpecs`, backend/src/apiserver/validation/length.go @2.17.0).
const LONGEST_NAME: usize = 128;

/// As KFP names what deleting takes along.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct DeleteQuery {
    /// Whether its versions go with it.
    #[serde(deserialize_with = "truth")]
    cascade: bool,
}

/// A pipeline and its first version (`CreatePipelineAndVersionRequest`, pipeline.proto @2.17.0).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct CreatePipelineAndVersionRequest {
    pipeline: Option<Pipeline>,
    #[serde(alias = "pipelineVersion")]
    pipeline_version: Option<PipelineVersion>,
}

/// A pipeline of which the name to show and the labels count, where they are given; a client sends the object that it has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct PipelineUpdate {
    #[serde(alias = "pipelineId")]
    pipeline_id: String,
    #[serde(alias = "displayName")]
    display_name: String,
    name: String,
    description: String,
    #[serde(alias = "createdAt")]
    created_at: Option<Timestamp>,
    namespace: String,
    error: Option<Status>,
    tags: Option<IndexMap<String, String>>,
}

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/v2beta1/pipelines", list)
            .named("ListPipelines", "List pipelines.")
            .query::<ListQuery>()
            .answers::<Pipelines>(),
        Operation::post("/apis/v2beta1/pipelines", create)
            .named("CreatePipeline", "Make a pipeline without versions.")
            .takes::<Pipeline>()
            .answers::<Pipeline>(),
        Operation::post("/apis/v2beta1/pipelines/create", create_with_version)
            .named(
                "CreatePipelineAndVersion",
                "Make a pipeline and its first version of a spec.",
            )
            .takes::<CreatePipelineAndVersionRequest>()
            .answers::<Pipeline>(),
        Operation::get("/apis/v2beta1/pipelines/names/{name}", by_name)
            .named("GetPipelineByName", "Tell of the pipeline of a name.")
            .answers::<Pipeline>(),
        Operation::get("/apis/v2beta1/pipelines/{pipeline_id}", get)
            .named("GetPipeline", "Tell of a pipeline.")
            .answers::<Pipeline>(),
        Operation::patch("/apis/v2beta1/pipelines/{pipeline_id}", update)
            .named(
                "UpdatePipeline",
                "Give a pipeline another name to show, other labels.",
            )
            .takes::<PipelineUpdate>()
            .answers::<Pipeline>(),
        Operation::delete("/apis/v2beta1/pipelines/{pipeline_id}", delete)
            .named("DeletePipeline", "Delete a pipeline; runs made of it stay.")
            .query::<DeleteQuery>(),
    ]
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

pub(super) async fn create_with_version(
    State(engine): State<Engine>,
    Message(asked): Message<CreatePipelineAndVersionRequest>,
) -> Result<Json<Pipeline>, ApiError> {
    let created = async {
        let pipeline = asked.pipeline.unwrap_or_default();
        let version = asked.pipeline_version.unwrap_or_default();
        let package = Some(spec_of(&version)?);
        let name = if pipeline.name.is_empty() {
            pipeline.display_name.clone()
        } else {
            pipeline.name
        };
        fits(&name)?;
        let new = NewPipeline {
            name,
            display_name: pipeline.display_name,
            description: pipeline.description,
            tags: pipeline.tags.into_iter().collect(),
            package,
        };
        let (pipeline, _) = engine.upload_pipeline(new).await?;
        Ok(Json(tell::pipeline(pipeline)))
    };
    created
        .await
        .map_err(|error: ApiError| error.while_doing("Failed to create a pipeline"))
}

/// The spec of a version that is to be made. KFP fetches a package from an address; this server calls nobody, and takes
/// the spec itself.
pub(super) fn spec_of(version: &PipelineVersion) -> Result<String, ApiError> {
    match (&version.pipeline_spec, &version.package_url) {
        (Some(spec), None) => Ok(spec.to_string()),
        (None, None) => Err(ApiError::invalid("Pipeline version must have a pipeline spec")),
        (_, Some(_)) => Err(ApiError::invalid(
            "package_url: this server fetches nothing; upload the package, or send its pipeline_spec",
        )),
    }
}

pub(super) async fn update(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Message(asked): Message<PipelineUpdate>,
) -> Result<Json<Pipeline>, ApiError> {
    let updated = async {
        let display_name = Some(asked.display_name).filter(|name| !name.is_empty());
        let tags = asked.tags.map(|tags| tags.into_iter().collect());
        let pipeline = engine
            .update_pipeline(pipeline_id(&id)?, display_name, tags)
            .await?;
        Ok(Json(tell::pipeline(pipeline)))
    };
    updated
        .await
        .map_err(|error: ApiError| error.while_doing("Failed to update pipeline"))
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
