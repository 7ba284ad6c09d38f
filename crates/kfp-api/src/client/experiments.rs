//! Experiments.

use reqwest::Method;
use serde_json::json;

use super::{Client, call, segment};
use crate::error::KfpError;
use crate::experiment::{Experiment, Experiments};

impl Client {
    /// Makes an experiment.
    ///
    /// # Errors
    /// [`KfpError::is_conflict`] when the name is taken.
    pub async fn create_experiment(&self, name: &str) -> Result<Experiment, KfpError> {
        let request = self
            .request(Method::POST, "apis/v2beta1/experiments")
            .json(&json!({ "display_name": name }));
        self.answer(call("CreateExperiment", format!("experiment {name}")), request)
            .await
    }

    /// One experiment.
    ///
    /// # Errors
    /// [`KfpError::is_not_found`].
    pub async fn experiment(&self, experiment_id: &str) -> Result<Experiment, KfpError> {
        let path = format!("apis/v2beta1/experiments/{}", segment(experiment_id));
        self.answer(
            call("GetExperiment", format!("experiment {experiment_id}")),
            self.request(Method::GET, &path),
        )
        .await
    }

    /// The experiment of that name, where there is one.
    ///
    /// # Errors
    /// [`KfpError`], as for every call.
    pub async fn experiment_by_name(&self, name: &str) -> Result<Option<Experiment>, KfpError> {
        let filter = json!({
            "predicates": [{ "operation": "EQUALS", "key": "display_name", "stringValue": name }]
        });
        let request = self
            .request(Method::GET, "apis/v2beta1/experiments")
            .query(&[("filter", filter.to_string())]);
        let page: Experiments = self
            .answer(call("ListExperiments", format!("experiment {name}")), request)
            .await?;
        Ok(page.experiments.into_iter().next())
    }

    /// The experiment of that name, made when there is none; two clients at once agree on one.
    ///
    /// # Errors
    /// [`KfpError`], as for every call.
    pub async fn ensure_experiment(&self, name: &str) -> Result<Experiment, KfpError> {
        if let Some(experiment) = self.experiment_by_name(name).await? {
            return Ok(experiment);
        }
        match self.create_experiment(name).await {
            Err(conflict) if conflict.is_conflict() => self.experiment_by_name(name).await?.ok_or(conflict),
            outcome => outcome,
        }
    }
}
