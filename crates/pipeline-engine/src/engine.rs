//! The engine as others see it: a handle with everything one can ask of it.

use std::sync::Arc;

use futures::Stream;
use indexmap::IndexMap;
use pipeline_spec::support::Standing;
use pipeline_spec::{Limits, Pipeline, bind_parameters};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::cache;
use crate::clock;
use crate::config::EngineConfig;
use crate::error::EngineError;
use crate::events::Event;
use crate::follow;
use crate::layout;
use crate::model::{
    CacheExplanation, Experiment, ExperimentId, Forecast, ListOptions, NewExperiment, NewPipeline, NewRun,
    NewVersion, Page, PipelineId, PipelineRecord, PipelineSource, RunId, RunRecord, RunState, RunTransition,
    StorageState, TaskId, TaskRecord, VersionId, VersionRecord,
};
use crate::perform::{Message, Performer, Reply, Shared};
use crate::plan;
use crate::program::Program;
use crate::start;
use crate::store::Store;

/// A running engine. A clone is the same engine.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    performer: mpsc::UnboundedSender<Message>,
}

impl Engine {
    /// Opens an engine and takes up every run that has not ended.
    ///
    /// # Errors
    /// [`EngineError::File`], [`EngineError::Store`], [`EngineError::Schema`].
    pub async fn open(config: EngineConfig) -> Result<Self, EngineError> {
        let folders = [&config.tasks, &config.artifacts, &config.scratch];
        let database = config.database.parent().into_iter();
        for folder in folders
            .into_iter()
            .map(std::path::PathBuf::as_path)
            .chain(database)
        {
            std::fs::create_dir_all(folder).map_err(EngineError::file(folder))?;
        }
        let store = Store::open(&config.database)?;
        store.ensure_default_experiment(clock::now()).await?;
        let (events, _) = broadcast::channel(4096);
        let shared = Arc::new(Shared {
            config,
            store,
            events,
        });
        let (mut performer, messages) = Performer::new(Arc::clone(&shared)).await?;
        performer.recover().await?;
        tokio::spawn(performer.serve());
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                performer: messages,
            }),
        })
    }

    /// Stops deciding and closes the database. Attempts go on; the next engine attaches to them.
    pub async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.inner.performer.send(Message::Close(reply)).is_ok() {
            let _ = answer.await;
        }
        self.store().close().await;
    }

    fn store(&self) -> &Store {
        &self.inner.shared.store
    }

    fn config(&self) -> &EngineConfig {
        &self.inner.shared.config
    }

    /// Tells the performer something that it answers once it is durable.
    async fn ask(&self, message: impl FnOnce(Reply) -> Message) -> Result<(), EngineError> {
        let (reply, answer) = oneshot::channel();
        self.inner
            .performer
            .send(message(reply))
            .map_err(|_| EngineError::Closed)?;
        answer.await.map_err(|_| EngineError::Closed)?
    }

    /// Keeps others off a run that has ended, for as long as the guard lives.
    async fn reserve(&self, run: RunId) -> Result<Reservation, EngineError> {
        self.ask(|reply| Message::Reserve(run, reply)).await?;
        Ok(Reservation {
            run,
            performer: self.inner.performer.clone(),
        })
    }

    /// Everything that happens from now on. A reader that falls behind by thousands loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.shared.events.subscribe()
    }

    // Pipelines.

    /// Makes a pipeline, and its first version where a package is given. An empty name is taken from the package.
    ///
    /// # Errors
    /// [`EngineError::Spec`] for a package that cannot be read; [`EngineError::AlreadyExists`] for a name in use;
    /// [`EngineError::Invalid`] without a name.
    pub async fn upload_pipeline(
        &self,
        mut new: NewPipeline,
    ) -> Result<(PipelineRecord, Option<VersionRecord>), EngineError> {
        let package = new.package.as_deref().map(parse).transpose()?;
        if let Some(package) = &package {
            let info = &package.spec().pipeline_info;
            if new.name.is_empty() {
                new.name.clone_from(&info.name);
            }
            if new.description.is_empty() {
                new.description = info.description.clone().unwrap_or_default();
            }
        }
        if new.name.is_empty() {
            return Err(EngineError::Invalid("a pipeline needs a name".to_owned()));
        }
        let json = package.map(|package| package.to_json());
        self.store().insert_pipeline(new, json, clock::now()).await
    }

    /// Makes a version of a pipeline. An empty name is made from the pipeline's and the time.
    ///
    /// # Errors
    /// [`EngineError::Spec`]; [`EngineError::NotFound`]; [`EngineError::AlreadyExists`] for a name in use within the
    /// pipeline.
    pub async fn upload_version(
        &self,
        pipeline: PipelineId,
        new: NewVersion,
    ) -> Result<VersionRecord, EngineError> {
        let json = parse(&new.package)?.to_json();
        self.store()
            .insert_version(pipeline, new, json, clock::now())
            .await
    }

    /// A pipeline.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn pipeline(&self, id: PipelineId) -> Result<PipelineRecord, EngineError> {
        self.store().pipeline(id).await
    }

    /// The pipeline of that name.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn pipeline_by_name(&self, name: &str) -> Result<PipelineRecord, EngineError> {
        self.store().pipeline_by_name(name.to_owned()).await
    }

    /// Pipelines.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a field, filter or token that makes no sense.
    pub async fn pipelines(&self, options: ListOptions) -> Result<Page<PipelineRecord>, EngineError> {
        self.store().pipelines(options).await
    }

    /// Deletes a pipeline. Runs made of it stay.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where it still has versions and `with_versions` is
    /// [`WithVersions::Refuse`].
    pub async fn delete_pipeline(
        &self,
        id: PipelineId,
        with_versions: WithVersions,
    ) -> Result<(), EngineError> {
        self.store()
            .delete_pipeline(id, with_versions == WithVersions::Delete)
            .await
    }

    /// A version of a pipeline.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn version(
        &self,
        pipeline: PipelineId,
        version: VersionId,
    ) -> Result<VersionRecord, EngineError> {
        self.store().version(pipeline, version).await
    }

    /// The newest version of a pipeline.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where there is none.
    pub async fn latest_version(&self, pipeline: PipelineId) -> Result<VersionRecord, EngineError> {
        self.store().latest_version(pipeline).await
    }

    /// Versions of a pipeline.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Invalid`].
    pub async fn versions(
        &self,
        pipeline: PipelineId,
        options: ListOptions,
    ) -> Result<Page<VersionRecord>, EngineError> {
        self.store().versions(pipeline, options).await
    }

    /// Deletes a version. Runs made of it stay.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn delete_version(&self, pipeline: PipelineId, version: VersionId) -> Result<(), EngineError> {
        self.store().delete_version(pipeline, version).await
    }

    // Experiments.

    /// Makes an experiment.
    ///
    /// # Errors
    /// [`EngineError::AlreadyExists`]; [`EngineError::Invalid`] without a name.
    pub async fn create_experiment(&self, new: NewExperiment) -> Result<Experiment, EngineError> {
        if new.display_name.is_empty() {
            return Err(EngineError::Invalid("an experiment needs a name".to_owned()));
        }
        self.store().insert_experiment(new, clock::now()).await
    }

    /// An experiment.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn experiment(&self, id: ExperimentId) -> Result<Experiment, EngineError> {
        self.store().experiment(id).await
    }

    /// The experiment of that name. `Default` is there from the start.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn experiment_by_name(&self, name: &str) -> Result<Experiment, EngineError> {
        self.store().experiment_by_name(name.to_owned()).await
    }

    /// Experiments.
    ///
    /// # Errors
    /// [`EngineError::Invalid`].
    pub async fn experiments(&self, options: ListOptions) -> Result<Page<Experiment>, EngineError> {
        self.store().experiments(options).await
    }

    /// Puts an experiment away, its runs with it.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn archive_experiment(&self, id: ExperimentId) -> Result<(), EngineError> {
        self.store().store_experiment(id, StorageState::Archived).await
    }

    /// Takes an experiment out again. Its runs stay put away.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn unarchive_experiment(&self, id: ExperimentId) -> Result<(), EngineError> {
        self.store().store_experiment(id, StorageState::Available).await
    }

    /// Deletes an experiment without runs.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where it has runs or is the default one.
    pub async fn delete_experiment(&self, id: ExperimentId) -> Result<(), EngineError> {
        self.store().delete_experiment(id).await
    }

    // Runs.

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

    // Tasks.

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

    /// The log of a task's attempt, of the newest where none is named, as far as it is written; empty where the task
    /// was not tried.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::File`].
    pub async fn log(&self, task: TaskId, attempt: Option<u32>) -> Result<Vec<u8>, EngineError> {
        let record = self.task(task).await?;
        let attempt = match attempt {
            Some(number) => record.attempts.iter().find(|attempt| attempt.number == number),
            None => record.attempts.last(),
        };
        match attempt {
            Some(attempt) => match tokio::fs::read(&attempt.log).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(EngineError::file(&attempt.log)(error))
                }
                read => Ok(read.unwrap_or_default()),
            },
            None => Ok(Vec::new()),
        }
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

    // Cache.

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
        supported(&pipeline)?;
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

/// A run that nobody else changes.
struct Reservation {
    run: RunId,
    performer: mpsc::UnboundedSender<Message>,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Where the performer is gone, so is its list.
        let _ = self.performer.send(Message::Release(self.run));
    }
}

/// What becomes of the versions of a pipeline that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithVersions {
    /// They go with it.
    Delete,
    /// It stays where it has any.
    Refuse,
}

fn parse(package: &str) -> Result<Pipeline, EngineError> {
    Ok(Pipeline::parse(package, &Limits::default())?)
}

/// The notices of a package, where nothing in it is refused.
fn supported(pipeline: &Pipeline) -> Result<Vec<String>, EngineError> {
    let of = |standing| {
        let found = pipeline
            .findings()
            .iter()
            .filter(move |finding| finding.standing == standing);
        found.map(ToString::to_string).collect::<Vec<_>>()
    };
    match of(Standing::Refused) {
        refused if refused.is_empty() => Ok(of(Standing::Notice)),
        refused => Err(EngineError::Unsupported(refused)),
    }
}
