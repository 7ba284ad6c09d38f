//! What our server adds to KFP's API.

use reqwest::Method;

use super::{Client, call, segment};
use crate::capabilities::Capabilities;
use crate::difference::RunDifferences;
use crate::error::KfpError;
use crate::explanation::CacheExplanation;
use crate::forecast::Forecast;
use crate::rerun::Rerun;
use crate::run::Run;

impl Client {
    /// What the server does beyond KFP 2.17; of KFP's own server: nothing.
    ///
    /// # Errors
    /// [`KfpError`], as for every call.
    pub async fn capabilities(&self) -> Result<Capabilities, KfpError> {
        let request = self.request(Method::GET, "apis/basecamp/v1/capabilities");
        match self
            .answer(call("GetCapabilities", "all"), request)
            .await
            .map_err(not_spoken)
        {
            Err(KfpError::NotSpoken { .. }) => Ok(Capabilities::default()),
            told => told,
        }
    }

    /// What this run would do, without starting it.
    ///
    /// # Errors
    /// [`KfpError::NotSpoken`] by KFP's own server.
    pub async fn plan(&self, run: &Run) -> Result<Forecast, KfpError> {
        let request = self.request(Method::POST, "apis/basecamp/v1/plan").json(run);
        let call = call("Plan", format!("run {}", run.display_name));
        self.answer(call, request).await.map_err(not_spoken)
    }

    /// Why a task of a run was taken from the cache, or was not.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`]; [`KfpError::NotSpoken`] by KFP's own server.
    pub async fn explain_cache(&self, run_id: &str, task: &str) -> Result<CacheExplanation, KfpError> {
        let path = format!(
            "apis/basecamp/v1/runs/{}/tasks/{}/cache",
            segment(run_id),
            segment(task)
        );
        let call = call("ExplainCache", format!("task {task} of run {run_id}"));
        self.answer(call, self.request(Method::GET, &path))
            .await
            .map_err(not_spoken)
    }

    /// Makes a run that does some tasks of an earlier one once more, on what that one recorded.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`]; [`KfpError::Refused`] where the run has not ended, or there is no such task or
    /// parameter; [`KfpError::NotSpoken`] by KFP's own server.
    pub async fn rerun(&self, run_id: &str, asked: &Rerun) -> Result<Run, KfpError> {
        let path = format!("apis/basecamp/v1/runs/{}:rerun", segment(run_id));
        let request = self.request(Method::POST, &path).json(asked);
        self.answer(call("RerunRun", format!("run {run_id}")), request)
            .await
            .map_err(not_spoken)
    }

    /// How two runs differ.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`]; [`KfpError::NotSpoken`] by KFP's own server.
    pub async fn differences(&self, run_id: &str, other: &str) -> Result<RunDifferences, KfpError> {
        let path = format!(
            "apis/basecamp/v1/runs/{}/differences/{}",
            segment(run_id),
            segment(other)
        );
        let call = call("CompareRuns", format!("runs {run_id} and {other}"));
        self.answer(call, self.request(Method::GET, &path))
            .await
            .map_err(not_spoken)
    }
}

/// grpc-gateway answers an unknown path with code 5 and exactly this message; one that names an object is about the object.
pub(super) fn not_spoken(error: KfpError) -> KfpError {
    match error {
        KfpError::Refused {
            call,
            http_status: 404,
            status,
        } if status.message == "Not Found" => KfpError::NotSpoken { call },
        KfpError::Refused {
            call,
            http_status: 405 | 501,
            ..
        } => KfpError::NotSpoken { call },
        // A proxy before the server, or a plain file server.
        KfpError::Malformed {
            call,
            http_status: 404 | 405,
            ..
        } => KfpError::NotSpoken { call },
        other => other,
    }
}
