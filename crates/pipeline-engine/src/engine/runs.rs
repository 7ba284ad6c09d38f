//! Runs.

use std::sync::Arc;

use pipeline_spec::bind_parameters;

use super::{Engine, parse, supported};
use crate::clock;
use crate::error::EngineError;
use crate::model::{
    ExperimentId, ListOptions, NewRun, Page, RunId, RunRecord, RunState, RunTransition, StorageState,
};
use crate::perform::Message;
use crate::program::Program;
use crate::{layout, start};

impl Engine {
    /// Makes a run and starts it. Once this returns the run is durable. With an id that is known the run that is
    /// there is returned, and nothing is made.
    ///
    /// # Errors
    /// [`EngineError::Spec`], [`EngineError::Unsupported`], [`EngineError::Parameter`], [`EngineError::NotFound`] of
    /// pipeline, version or experiment, [`EngineError::Precondition`] for an experiment that is put away,
    /// [`EngineError::Invalid`] without a name.
    pub async fn create_run(&self, new: NewRun) -> Result<RunRecord, EngineError> {
        if new.display_name.is_empty() {
            return Err(EngineError::Invalid("a run needs a name".to_owned()));
        }
        let store = self.store();
        let (package, version) = store.source(new.source).await?;
        let pipeline = parse(&package)?;
        let mut notices = supported(&pipeline)?;
        if new.pipeline_root.as_deref().is_some_and(|root| !root.is_empty()) {
            notices.push("pipeline_root: artifacts are kept below the engine's own root".to_owned());
        }
        bind_parameters(&pipeline.spec().root.inputs, &new.parameters)?;
        let experiment = store.experiment_for_run(new.experiment).await?;
        let now = clock::now();
        let id = new.id.unwrap_or_else(RunId::random);
        let record = RunRecord {
            id,
            name: format!("{}-{}", pipeline.name(), &id.0.simple().to_string()[..5]),
            display_name: new.display_name,
            description: new.description,
            pipeline_name: pipeline.name().to_owned(),
            version,
            package: Some(pipeline.to_json()),
            experiment,
            parameters: new.parameters,
            pipeline_root: new.pipeline_root,
            service_account: new.service_account,
            storage_state: StorageState::Available,
            state: RunState::Pending,
            history: vec![RunTransition {
                state: RunState::Pending,
                at: now,
            }],
            created_at: now,
            scheduled_at: new.scheduled_at.unwrap_or(now),
            finished_at: None,
            error: None,
            notices,
        };
        let facts = start::facts(self.config(), &record, &pipeline)?;
        let program = Arc::new(Program::new(pipeline)?);
        // On a task of its own: a caller that goes away in between must not leave a run that nobody starts.
        let (made, engine) = (record.clone(), self.clone());
        let started = tokio::spawn(async move {
            let is_new = engine.store().insert_run(made, package).await?;
            if is_new {
                let start = Message::Start { facts, program };
                engine
                    .inner
                    .performer
                    .send(start)
                    .map_err(|_| EngineError::Closed)?;
            }
            Ok::<_, EngineError>(is_new)
        });
        if started.await.map_err(|_| EngineError::Closed)?? {
            Ok(record)
        } else {
            self.store().run(id).await
        }
    }

    /// A run, with its package.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn run(&self, id: RunId) -> Result<RunRecord, EngineError> {
        self.store().run(id).await
    }

    /// Runs, of one experiment or of all, without their packages.
    ///
    /// # Errors
    /// [`EngineError::Invalid`].
    pub async fn runs(
        &self,
        experiment: Option<ExperimentId>,
        options: ListOptions,
    ) -> Result<Page<RunRecord>, EngineError> {
        self.store().runs(experiment, options).await
    }

    /// Tells a run to stop. Returns once that is durable; the run is `CANCELING` until its tasks have stopped. A run
    /// that is stopping already is left alone.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where it has ended.
    pub async fn terminate_run(&self, id: RunId) -> Result<(), EngineError> {
        self.store().run(id).await?;
        self.ask(|reply| Message::Terminate(id, reply)).await
    }

    /// Runs what failed or was stopped once more; what succeeded stays.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where it has not failed and was not stopped.
    pub async fn retry_run(&self, id: RunId) -> Result<(), EngineError> {
        self.store().run(id).await?;
        let _reserved = self.reserve(id).await?;
        let (record, package, tasks) = self.store().whole_run(id).await?;
        let stored = start::stored(self.config(), record, &package, tasks)?;
        self.ask(|reply| Message::Retry(Box::new(stored), reply)).await
    }

    /// Puts a run away.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn archive_run(&self, id: RunId) -> Result<(), EngineError> {
        self.store().store_run(id, StorageState::Archived).await
    }

    /// Takes a run out again.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where its experiment is put away.
    pub async fn unarchive_run(&self, id: RunId) -> Result<(), EngineError> {
        self.store().store_run(id, StorageState::Available).await
    }

    /// Forgets a run that has ended, its logs with it. Its artifacts stay, for the cache.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where it has not ended; [`EngineError::File`].
    pub async fn delete_run(&self, id: RunId) -> Result<(), EngineError> {
        self.store().run(id).await?;
        let _reserved = self.reserve(id).await?;
        self.store().delete_run(id).await?;
        let folder = layout::run(&self.config().tasks, id);
        match tokio::fs::remove_dir_all(&folder).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(EngineError::file(folder)(error))
            }
            _ => Ok(()),
        }
    }
}
