//! Tasks, their logs, and what the cache has to say about them.

use std::sync::Arc;

use futures::Stream;
use indexmap::IndexMap;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{Engine, parse, supported};
use crate::error::EngineError;
use crate::model::{
    CacheExplanation, ExperimentId, Forecast, PipelineSource, RunId, RunRecord, RunState, StorageState,
    TaskId, TaskRecord,
};
use crate::program::Program;
use crate::{cache, clock, follow, plan, start};

impl Engine {
    /// Every task of a run in the order they were made, the run itself (`root`) first.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn tasks(&self, run: RunId) -> Result<Vec<TaskRecord>, EngineError> {
        self.store().tasks(run, &self.config().tasks).await
    }

    /// One task.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn task(&self, id: TaskId) -> Result<TaskRecord, EngineError> {
        self.store().task(id, &self.config().tasks).await
    }

    /// The log of a task's newest attempt from its start, and on as it is written, until the task has ended.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; the stream ends after its first [`EngineError::File`].
    pub async fn follow_log(
        &self,
        task: TaskId,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, EngineError>> + Send + use<>, EngineError> {
        self.task(task).await?;
        let (pieces, received) = mpsc::channel(16);
        tokio::spawn(follow::follow(Arc::clone(&self.inner.shared), task, pieces));
        Ok(futures::stream::unfold(received, |mut received| async {
            received.recv().await.map(|piece| (piece, received))
        }))
    }

    /// What a run of that package would do: which tasks would hit the cache, which would run, and why.
    ///
    /// # Errors
    /// As [`Engine::create_run`].
    pub async fn plan(
        &self,
        source: PipelineSource,
        parameters: &IndexMap<String, Value>,
    ) -> Result<Forecast, EngineError> {
        let (package, version) = self.store().source(source).await?;
        let pipeline = parse(&package)?;
        supported(&pipeline, &self.inner.shared)?;
        // What is only known of a run that is made, its id say, is the empty text.
        let now = clock::now();
        let record = RunRecord {
            id: RunId(uuid::Uuid::nil()),
            name: String::new(),
            display_name: String::new(),
            description: String::new(),
            pipeline_name: pipeline.name().to_owned(),
            version,
            package: None,
            experiment: ExperimentId(uuid::Uuid::nil()),
            recurring_run: None,
            rerun: None,
            parameters: parameters.clone(),
            pipeline_root: None,
            service_account: String::new(),
            storage_state: StorageState::Available,
            state: RunState::Pending,
            history: Vec::new(),
            created_at: now,
            scheduled_at: now,
            finished_at: None,
            error: None,
            notices: Vec::new(),
        };
        let facts = start::facts(self.config(), &record, &pipeline)?;
        let program = Arc::new(Program::new(pipeline)?);
        self.store()
            .read(move |connection| plan::plan(connection, &program, &facts))
            .await
    }

    /// Why a task of a run ran or did not, and how its key differs from the nearest earlier one. `task` is its name,
    /// its place (`root.condition-1.register`) or its id.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Invalid`] where several tasks have that name.
    pub async fn explain_cache(&self, run: RunId, task: &str) -> Result<CacheExplanation, EngineError> {
        let tasks = self.tasks(run).await?;
        let by_place = |candidate: &&TaskRecord| {
            candidate.scope_path == task
                || candidate.scope_path.strip_prefix("root.") == Some(task)
                || candidate.id.to_string() == task
        };
        let named = || tasks.iter().filter(|candidate| candidate.name == task);
        let found = match (
            tasks.iter().find(by_place).or_else(|| named().next()),
            named().count(),
        ) {
            (Some(found), 0 | 1) => found.clone(),
            (None, _) => return Err(EngineError::not_found("task", task)),
            (Some(_), _) => {
                let places: Vec<_> = named().map(|task| task.scope_path.as_str()).collect();
                return Err(EngineError::Invalid(format!(
                    "several tasks are called `{task}`: name one by its place, {}",
                    places.join(", ")
                )));
            }
        };
        self.store()
            .read(move |connection| cache::explain(connection, &found))
            .await
    }
}
