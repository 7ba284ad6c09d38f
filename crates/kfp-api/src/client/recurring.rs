//! Recurring runs.

use reqwest::Method;

use super::{Client, PAGE, call, segment};
use crate::error::KfpError;
use crate::recurring::{RecurringRun, RecurringRuns};

impl Client {
    /// Makes a recurring run. The server sets ids, times and status.
    ///
    /// # Errors
    /// [`KfpError::Refused`] with `InvalidArgument` names the field.
    pub async fn create_recurring_run(&self, asked: &RecurringRun) -> Result<RecurringRun, KfpError> {
        let request = self
            .request(Method::POST, "apis/v2beta1/recurringruns")
            .json(asked);
        self.answer(
            call(
                "CreateRecurringRun",
                format!("recurring run {}", asked.display_name),
            ),
            request,
        )
        .await
    }

    /// One recurring run.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`].
    pub async fn recurring_run(&self, id: &str) -> Result<RecurringRun, KfpError> {
        self.answer(
            call("GetRecurringRun", format!("recurring run {id}")),
            self.request(Method::GET, &path(id)),
        )
        .await
    }

    /// All recurring runs, oldest first.
    ///
    /// # Errors
    /// [`KfpError`], as for every call.
    pub async fn recurring_runs(&self) -> Result<Vec<RecurringRun>, KfpError> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let request = self.request(Method::GET, "apis/v2beta1/recurringruns").query(&[
                ("page_size", PAGE),
                ("page_token", &token),
                ("sort_by", "created_at"),
            ]);
            let page: RecurringRuns = self.answer(call("ListRecurringRuns", "all"), request).await?;
            found.extend(page.recurring_runs);
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
            token = page.next_page_token;
        }
    }

    /// Lets a recurring run run.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`].
    pub async fn enable_recurring_run(&self, id: &str) -> Result<(), KfpError> {
        let request = self.request(Method::POST, &format!("{}:enable", path(id)));
        self.effect(call("EnableRecurringRun", format!("recurring run {id}")), request)
            .await
    }

    /// Keeps a recurring run from running. Runs that are under way go on.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`].
    pub async fn disable_recurring_run(&self, id: &str) -> Result<(), KfpError> {
        let request = self.request(Method::POST, &format!("{}:disable", path(id)));
        self.effect(
            call("DisableRecurringRun", format!("recurring run {id}")),
            request,
        )
        .await
    }

    /// Deletes a recurring run; its runs stay.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`].
    pub async fn delete_recurring_run(&self, id: &str) -> Result<(), KfpError> {
        let request = self.request(Method::DELETE, &path(id));
        self.effect(call("DeleteRecurringRun", format!("recurring run {id}")), request)
            .await
    }
}

fn path(id: &str) -> String {
    format!("apis/v2beta1/recurringruns/{}", segment(id))
}
