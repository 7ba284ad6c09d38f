//! A run's tasks, and the one view of its steps.

use std::sync::atomic::{AtomicU8, Ordering};

use reqwest::Method;
use serde_json::Value;

use super::additions::not_spoken;
use super::{Client, PAGE, call, segment};
use crate::error::KfpError;
use crate::run::Run;
use crate::steps::{Outline, StepView, steps_of_nodes, steps_of_tasks};
use crate::task::{PipelineTask, Tasks};

/// What a server tells of a run's tasks, learned by asking once.
#[derive(Debug, Default)]
pub(super) struct Dialect(AtomicU8);

impl Dialect {
    const NODES_ONLY: u8 = 1;

    fn lists_tasks(&self) -> bool {
        self.0.load(Ordering::Relaxed) != Self::NODES_ONLY
    }

    fn has_nodes_only(&self) {
        self.0.store(Self::NODES_ONLY, Ordering::Relaxed);
    }
}

impl Client {
    /// The tasks of a run with their inputs and outputs.
    ///
    /// # Errors
    /// [`KfpError::NotSpoken`] by KFP up to 2.17; [`KfpError::is_not_found`].
    pub async fn tasks(&self, run_id: &str) -> Result<Vec<PipelineTask>, KfpError> {
        let path = format!("apis/v2beta1/runs/{}/tasks", segment(run_id));
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let request = self
                .request(Method::GET, &path)
                .query(&[("page_size", PAGE), ("page_token", &token)]);
            let page: Tasks = self
                .answer(call("ListTasks", format!("run {run_id}")), request)
                .await
                .map_err(not_spoken)?;
            found.extend(page.tasks);
            if page.next_page_token.is_empty() {
                return Ok(found);
            }
            token = page.next_page_token;
        }
    }

    /// A run's compiled pipeline, from the run itself or from its version; null where neither has one.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn pipeline_spec(&self, run: &Run) -> Result<Value, KfpError> {
        let spec = match (&run.pipeline_spec, &run.pipeline_version_reference) {
            (Some(spec), _) => Some(spec.clone()),
            (None, Some(reference)) => {
                self.version(&reference.pipeline_id, &reference.pipeline_version_id)
                    .await?
                    .pipeline_spec
            }
            (None, None) => None,
        };
        Ok(spec.unwrap_or_default())
    }

    /// The tasks of a run's pipeline in running order.
    ///
    /// # Errors
    /// [`KfpError::Malformed`] when the pipeline has no DAG, and those of every call.
    pub async fn outline(&self, run: &Run) -> Result<Outline, KfpError> {
        let spec = self.pipeline_spec(run).await?;
        Outline::of(&spec).map_err(|error| KfpError::Malformed {
            call: call("GetRun", format!("run {}", run.run_id)),
            http_status: 200,
            reason: error.to_string(),
        })
    }

    /// One view of a run's steps in running order, by whatever the server speaks.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn steps(&self, run: &Run, outline: &Outline) -> Result<Vec<StepView>, KfpError> {
        if self.dialect.lists_tasks() {
            match self.tasks(&run.run_id).await {
                Err(KfpError::NotSpoken { .. }) => self.dialect.has_nodes_only(),
                tasks => return Ok(steps_of_tasks(outline, run, &tasks?)),
            }
        }
        Ok(steps_of_nodes(outline, run))
    }
}
