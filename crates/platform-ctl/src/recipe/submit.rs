//! A compiled pipeline as an uploaded version, named after its content: the same bytes are uploaded once.

use kfp_api::run::PipelineVersionReference;
use kfp_api::{Client, KfpError};
use sha2::{Digest, Sha256};

use super::compile::Compiled;
use crate::failure::Failure;

/// The version of the recipe's pipeline that has these bytes.
pub(super) async fn version(
    pipelines: &Client,
    compiled: &Compiled,
) -> Result<PipelineVersionReference, Failure> {
    let digest = hex::encode(Sha256::digest(compiled.package.as_bytes()));
    let name = format!("{}-{}", compiled.name, &digest[..16]);
    let pipeline_id = pipeline(pipelines, &compiled.name).await?;
    let package = compiled.package.clone().into_bytes();
    let reference = |pipeline_version_id: String| PipelineVersionReference {
        pipeline_id: pipeline_id.clone(),
        pipeline_version_id,
    };
    if let Some(known) = find(pipelines, &pipeline_id, &name).await? {
        return Ok(reference(known));
    }
    match pipelines.upload_version(&pipeline_id, &name, package).await {
        Ok(version) => Ok(reference(version.pipeline_version_id)),
        // Uploaded by somebody else meanwhile: the same bytes.
        Err(error) if error.is_conflict() => match find(pipelines, &pipeline_id, &name).await? {
            Some(known) => Ok(reference(known)),
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

async fn find(pipelines: &Client, pipeline_id: &str, name: &str) -> Result<Option<String>, KfpError> {
    let versions = pipelines.versions(pipeline_id).await?;
    let known = versions.into_iter().find(|version| version.name == name);
    Ok(known.map(|version| version.pipeline_version_id))
}

async fn pipeline(pipelines: &Client, name: &str) -> Result<String, KfpError> {
    match pipelines.pipeline_by_name(name).await {
        Ok(pipeline) => return Ok(pipeline.pipeline_id),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error),
    }
    match pipelines.create_pipeline(name).await {
        Err(error) if error.is_conflict() => Ok(pipelines.pipeline_by_name(name).await?.pipeline_id),
        made => Ok(made?.pipeline_id),
    }
}
