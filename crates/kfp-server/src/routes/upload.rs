//! Packages as forms (backend/src/apiserver/server/pipeline_upload_server.go @2.17.0).

use axum::Json;
use axum::extract::multipart::MultipartError;
use axum::extract::{Multipart, State};
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use kfp_api::pipeline::{Pipeline, PipelineVersion};
use kfp_api::status::Code;
use pipeline_engine::{Engine, NewPipeline, NewVersion};
use schemars::JsonSchema;
use serde::Deserialize;

use super::pipelines::{fits, pipeline_id};
use crate::error::ApiError;
use crate::message::Params;
use crate::operation::Operation;
use crate::package;
use crate::tell;

/// The field of the form.
const FIELD: &str = "uploadfile";

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct UploadQuery {
    /// Its name; the one to show, else the file's, where none is given.
    name: String,
    /// Name to show.
    display_name: String,
    /// For people.
    description: String,
    /// Labels, as a JSON object of texts.
    tags: String,
    /// Of a version, its pipeline.
    pipelineid: String,
}

struct Package {
    file_name: String,
    text: String,
}

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/apis/v2beta1/pipelines/upload", pipeline)
            .named(
                "UploadPipeline",
                "Make a pipeline and its first version of a package.",
            )
            .query::<UploadQuery>()
            .takes_a_package()
            .answers_plainly::<Pipeline>(),
        Operation::post("/apis/v2beta1/pipelines/upload_version", version)
            .named("UploadPipelineVersion", "Make a version of a package.")
            .query::<UploadQuery>()
            .takes_a_package()
            .answers_plainly::<PipelineVersion>(),
    ]
}

pub(super) async fn pipeline(
    State(engine): State<Engine>,
    Params(query): Params<UploadQuery>,
    form: Multipart,
) -> Response {
    let uploaded = async {
        let package = read(form).await?;
        let name = named(&query, &package)?;
        let new = NewPipeline {
            name,
            tags: tags(&query)?,
            display_name: query.display_name,
            description: query.description,
            package: Some(package.text),
        };
        let (pipeline, _) = engine.upload_pipeline(new).await?;
        Ok(Json(tell::pipeline(pipeline)))
    };
    uploaded
        .await
        .map_err(|error: ApiError| error.while_doing("Failed to create a pipeline and a pipeline version"))
        .map_or_else(ApiError::plain, IntoResponse::into_response)
}

pub(super) async fn version(
    State(engine): State<Engine>,
    Params(query): Params<UploadQuery>,
    form: Multipart,
) -> Response {
    let uploaded = async {
        let package = read(form).await?;
        let name = named(&query, &package)?;
        let pipeline = pipeline_id(&query.pipelineid)?;
        let new = NewVersion {
            name,
            tags: tags(&query)?,
            display_name: query.display_name,
            description: query.description,
            code_source_url: String::new(),
            package: package.text,
        };
        let version = engine.upload_version(pipeline, new).await?;
        Ok(Json(tell::version(version)))
    };
    uploaded
        .await
        .map_err(|error: ApiError| error.while_doing("Failed to create a pipeline version"))
        .map_or_else(ApiError::plain, IntoResponse::into_response)
}

async fn read(mut form: Multipart) -> Result<Package, ApiError> {
    let broken = |error: MultipartError| ApiError::invalid(format!("the form: {}", error.body_text()));
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() != Some(FIELD) {
            continue;
        }
        let file_name = field.file_name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(broken)?;
        // Unpacking takes its time.
        let name = file_name.clone();
        let text = tokio::task::spawn_blocking(move || package::text(&name, bytes.into()))
            .await
            .map_err(|error| ApiError::new(Code::Internal, error.to_string()))??;
        return Ok(Package { file_name, text });
    }
    Err(ApiError::invalid(format!("the form has no field {FIELD}")))
}

/// The name that was given, else the one to show, else the file's.
fn named(query: &UploadQuery, package: &Package) -> Result<String, ApiError> {
    let name = [&query.name, &query.display_name, &package.file_name]
        .into_iter()
        .find(|name| !name.is_empty())
        .cloned()
        .unwrap_or_default();
    fits(&name)?;
    Ok(name)
}

fn tags(query: &UploadQuery) -> Result<Vec<(String, String)>, ApiError> {
    if query.tags.is_empty() {
        return Ok(Vec::new());
    }
    let tags: IndexMap<String, String> = serde_json::from_str(&query.tags).map_err(|_| {
        ApiError::invalid(
            "Failed to parse tags query parameter. Expected JSON object with string keys and values",
        )
    })?;
    Ok(tags.into_iter().collect())
}
