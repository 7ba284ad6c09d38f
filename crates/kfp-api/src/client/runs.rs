//! Runs and their tasks.

use reqwest::Method;

use super::{Client, PAGE, call, segment};
use crate::error::KfpError;
use crate::run::{Run, Runs};

impl Client {
    /// Starts a run. The server sets everything but name, experiment, source, runtime config and account.
    ///
    /// # Errors
    /// [`KfpError::Refused`] with `InvalidArgument` names the field.
    pub async fn create_run(&self, run: &Run) -> Result<Run, KfpError> {
        let request = self.request(Method::POST, "apis/v2beta1/runs").json(run);
        self.answer(call("CreateRun", format!("run {}", run.display_name)), request)
            .await
    }

    /// One run, with its nodes.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`].
    pub async fn run(&self, run_id: &str) -> Result<Run, KfpError> {
        let path = format!("apis/v2beta1/runs/{}", segment(run_id));
        self.answer(
            call("GetRun", format!("run {run_id}")),
            self.request(Method::GET, &path),
        )
        .await
    }

    /// The newest runs, newest first, at most `limit` of them.
    ///
    /// # Errors
    /// [`KfpError`], as for every call.
    pub async fn runs(&self, limit: usize) -> Result<Vec<Run>, KfpError> {
        let mut found: Vec<Run> = Vec::new();
        let mut token = String::new();
        while found.len() < limit {
            let request = self.request(Method::GET, "apis/v2beta1/runs").query(&[
                ("page_size", PAGE),
                ("page_token", &token),
                ("sort_by", "created_at desc"),
            ]);
            let page: Runs = self.answer(call("ListRuns", "all"), request).await?;
            found.extend(page.runs);
            if page.next_page_token.is_empty() {
                break;
            }
            token = page.next_page_token;
        }
        found.truncate(limit);
        Ok(found)
    }

    /// Asks a run to end. It has ended when its state says so.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`]; [`KfpError::Refused`] with `InvalidArgument` when it has ended already.
    pub async fn terminate(&self, run_id: &str) -> Result<(), KfpError> {
        let path = format!("apis/v2beta1/runs/{}:terminate", segment(run_id));
        self.effect(
            call("TerminateRun", format!("run {run_id}")),
            self.request(Method::POST, &path),
        )
        .await
    }
}
