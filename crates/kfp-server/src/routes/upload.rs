//! Packages as forms (backend/src/apiserver/server/pipeline_upload_server.go @2.17.0).

use axum::Json;
use axum::extract::multipart::MultipartError;
use axum::extract::{Multipart, State};
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use pipeline_engine::{Engine, NewPipeline, NewVersion};
use serde::Deserialize;

use super::pipelines::{fits, pipeline_id};
use crate::error::ApiError;
use crate::message::Params;
use crate::tell;

/// The field of the form.
const FIELD: &str = "uploadfile";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UploadQuery {
    name: String,
    display_name: String,
    description: String,
    tags: String,
    pipelineid: String,
}

struct Package {
    file_name: String,
    text: String,
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
        if bytes.starts_with(b"PK") || bytes.starts_with(&[0x1f, 0x8b]) {
            return Err(ApiError::invalid(format!(
                "{file_name}: an archive; upload the YAML that is in it"
            )));
        }
        let text = String::from_utf8(bytes.to_vec())
            .map_err(|_| ApiError::invalid(format!("{file_name}: not UTF-8")))?;
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
