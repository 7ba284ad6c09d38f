//! Runs.

use std::sync::Arc;

use pipeline_spec::bind_parameters;
use rusqlite::Connection;

use super::{Engine, parse, supported};
use crate::clock;
use crate::decide::RunFacts;
use crate::error::EngineError;
use crate::model::{
    ExperimentId, ListOptions, NewRun, Page, PipelineSource, RecurringRunId, Rerun, RunId, RunRecord,
    RunState, RunTransition, StorageState, VersionReference,
};
use crate::perform::Message;
use crate::program::Program;
use crate::{layout, start};

/// A run that is checked, and not there yet.
pub(super) struct MadeRun {
    record: RunRecord,
    package: String,
    facts: RunFacts,
    program: Arc<Program>,
}

impl MadeRun {
    /// The same, doing some tasks of an earlier run once more.
    pub(super) fn again(mut self, rerun: Rerun) -> Self {
        self.facts.rerun = Some(rerun.clone());
        self.record.rerun = Some(rerun);
        self
    }
}

impl Engine {
    /// Makes a run and starts it. Once this returns the run is durable. With an id that is known the run that is
    /// there is returned, and nothing is made.
    ///
    /// # Errors
    /// [`EngineError::Spec`], [`EngineError::Unsupported`], [`EngineError::Parameter`], [`EngineError::NotFound`] of
    /// pipeline, version or experiment, [`EngineError::Precondition`] for an experiment that is put away,
    /// [`EngineError::Invalid`] without a name.
    pub async fn create_run(&self, mut new: NewRun) -> Result<RunRecord, EngineError> {
        let source = std::mem::replace(&mut new.source, PipelineSource::Inline(String::new()));
        let source = self.store().source(source).await?;
        let made = self.make_run(new, source, None).await?;
        self.started(made).await
    }

    /// Starts a run, or finds that it is there.
    pub(super) async fn started(&self, made: MadeRun) -> Result<RunRecord, EngineError> {
        let id = made.record.id;
        match self.begin_run(made, |_| Ok(true)).await? {
            Some(record) => Ok(record),
            None => self.store().run(id).await,
        }
    }

    /// A run of that package, checked, and not there yet. The source of `new` is not looked at.
    pub(super) async fn make_run(
        &self,
        new: NewRun,
        (package, version): (String, Option<VersionReference>),
        recurring_run: Option<RecurringRunId>,
    ) -> Result<MadeRun, EngineError> {
        if new.display_name.is_empty() {
            return Err(EngineError::Invalid("a run needs a name".to_owned()));
        }
        let pipeline = parse(&package)?;
        let mut notices = supported(&pipeline, &self.inner.shared)?;
        if new.pipeline_root.as_deref().is_some_and(|root| !root.is_empty()) {
            notices.push("pipeline_root: artifacts are kept below the engine's own root".to_owned());
        }
        bind_parameters(&pipeline.spec().root.inputs, &new.parameters)?;
        let experiment = self.store().experiment_for_run(new.experiment).await?;
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
            recurring_run,
            rerun: None,
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
        Ok(MadeRun {
            record,
            package,
            facts,
            program,
        })
    }

    /// Writes a run's row, and what `also` writes with it, and starts the run. `None` where the run is there already,
    /// or `also` says that it is not wanted any more.
    pub(super) async fn begin_run(
        &self,
        made: MadeRun,
        also: impl FnOnce(&Connection) -> Result<bool, EngineError> + Send + 'static,
    ) -> Result<Option<RunRecord>, EngineError> {
        let MadeRun {
            record,
            package,
            facts,
            program,
        } = made;
        // On a task of its own: a caller that goes away in between must not leave a run that nobody starts.
        let (row, engine) = (record.clone(), self.clone());
        let started = tokio::spawn(async move {
            let is_new = engine.store().insert_run(row, package, also).await?;
            if is_new {
                let start = Message::Start {
                    facts: Box::new(facts),
                    program,
                };
                engine
                    .inner
                    .performer
                    .send(start)
                    .map_err(|_| EngineError::Closed)?;
            }
            Ok::<_, EngineError>(is_new)
        });
        let is_new = started.await.map_err(|_| EngineError::Closed)??;
        Ok(is_new.then_some(record))
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
