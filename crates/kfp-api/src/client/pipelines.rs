//! Pipelines and versions.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use super::{Client, PAGE, call, segment};
use crate::error::KfpError;
use crate::healthz::Healthz;
use crate::pipeline::{Pipeline, PipelineVersion, PipelineVersions, Pipelines};

impl Client {
    /// What the server says of itself.
    ///
    /// # Errors
    /// [`KfpError`], as for every call.
    pub async fn healthz(&self) -> Result<Healthz, KfpError> {
        let request = self.request(Method::GET, "apis/v2beta1/healthz");
        self.answer(call("GetHealthz", self.base.as_str()), request).await
    }

    /// Makes a pipeline without versions.
    ///
    /// # Errors
    /// [`KfpError::is_conflict`] when the name is taken.
    pub async fn create_pipeline(&self, name: &str) -> Result<Pipeline, KfpError> {
        let request = self
            .request(Method::POST, "apis/v2beta1/pipelines")
            .json(&json!({ "name": name, "display_name": name }));
        self.answer(call("CreatePipeline", format!("pipeline {name}")), request)
            .await
    }

    /// Makes a pipeline and its first version from a compiled package.
    ///
    /// # Errors
    /// [`KfpError::is_conflict`] when the name is taken.
    pub async fn upload_pipeline(&self, name: &str, package: Vec<u8>) -> Result<Pipeline, KfpError> {
        let request = self
            .request(Method::POST, "apis/v2beta1/pipelines/upload")
            .query(&[("name", name)])
            .multipart(uploadfile(package));
        self.answer(call("UploadPipeline", format!("pipeline {name}")), request)
            .await
    }

    /// Adds a version from a compiled package.
    ///
    /// # Errors
    /// [`KfpError::is_conflict`] when the pipeline has a version of that name.
    pub async fn upload_version(
        &self,
        pipeline_id: &str,
        name: &str,
        package: Vec<u8>,
    ) -> Result<PipelineVersion, KfpError> {
        let request = self
            .request(Method::POST, "apis/v2beta1/pipelines/upload_version")
            .query(&[("name", name), ("pipelineid", pipeline_id)])
            .multipart(uploadfile(package));
        self.answer(
            call(
                "UploadPipelineVersion",
                format!("version {name} of pipeline {pipeline_id}"),
            ),
            request,
        )
        .await
    }

    /// One pipeline.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`].
    pub async fn pipeline(&self, pipeline_id: &str) -> Result<Pipeline, KfpError> {
        let path = format!("apis/v2beta1/pipelines/{}", segment(pipeline_id));
        self.answer(
            call("GetPipeline", format!("pipeline {pipeline_id}")),
            self.request(Method::GET, &path),
        )
        .await
    }

    /// The pipeline of that name.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`].
    pub async fn pipeline_by_name(&self, name: &str) -> Result<Pipeline, KfpError> {
        let path = format!("apis/v2beta1/pipelines/names/{}", segment(name));
        self.answer(
            call("GetPipelineByName", format!("pipeline {name}")),
            self.request(Method::GET, &path),
        )
        .await
    }

    /// All pipelines.
    ///
    /// # Errors
    /// [`KfpError`], as for every call.
    pub async fn pipelines(&self) -> Result<Vec<Pipeline>, KfpError> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let request = self
                .request(Method::GET, "apis/v2beta1/pipelines")
                .query(&[("page_size", PAGE), ("page_token", &token)]);
            let page: Pipelines = self.answer(call("ListPipelines", "all"), request).await?;
            found.extend(page.pipelines);
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
            token = page.next_page_token;
        }
    }

    /// One version.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`].
    pub async fn version(&self, pipeline_id: &str, version_id: &str) -> Result<PipelineVersion, KfpError> {
        let path = format!(
            "apis/v2beta1/pipelines/{}/versions/{}",
            segment(pipeline_id),
            segment(version_id)
        );
        self.answer(
            call(
                "GetPipelineVersion",
                format!("version {version_id} of pipeline {pipeline_id}"),
            ),
            self.request(Method::GET, &path),
        )
        .await
    }

    /// All versions of a pipeline, newest first.
    ///
    /// # Errors
    /// [`KfpError`], as for every call.
    pub async fn versions(&self, pipeline_id: &str) -> Result<Vec<PipelineVersion>, KfpError> {
        let path = format!("apis/v2beta1/pipelines/{}/versions", segment(pipeline_id));
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let request = self.request(Method::GET, &path).query(&[
                ("page_size", PAGE),
                ("page_token", &token),
                ("sort_by", "created_at desc"),
            ]);
            let page: PipelineVersions = self
                .answer(
                    call("ListPipelineVersions", format!("pipeline {pipeline_id}")),
                    request,
                )
                .await?;
            found.extend(page.pipeline_versions);
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
            token = page.next_page_token;
        }
    }
}

fn uploadfile(package: Vec<u8>) -> Form {
    Form::new().part("uploadfile", Part::bytes(package).file_name("pipeline.yaml"))
}
