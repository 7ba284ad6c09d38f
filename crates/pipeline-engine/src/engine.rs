//! The engine as others see it: a handle with everything one can ask of it.

mod entries;
mod files;
mod records;
mod recurring;
mod rerun;
mod runs;
mod tasks;

use std::num::NonZero;
use std::sync::{Arc, OnceLock, Weak};

use pipeline_spec::support::Standing;
use pipeline_spec::{Limits, Pipeline};
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::clock;
use crate::config::EngineConfig;
use crate::error::EngineError;
use crate::events::Event;
use crate::model::RunId;
use crate::perform::{Message, Performer, Reply, Shared, Views};
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
    recurring_runs: Arc<Notify>,
    schedule: OnceLock<AbortHandle>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(schedule) = self.schedule.get() {
            schedule.abort();
        }
    }
}

/// An engine that may be gone.
#[derive(Debug, Clone)]
pub(crate) struct WeakEngine(Weak<Inner>);

impl WeakEngine {
    pub(crate) fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(|inner| Engine { inner })
    }
}

impl Engine {
    /// Opens an engine and takes up every run that has not ended.
    ///
    /// # Errors
    /// [`EngineError::File`], [`EngineError::Store`], [`EngineError::Schema`].
    pub async fn open(config: EngineConfig) -> Result<Self, EngineError> {
        let folders = [&config.tasks, &config.artifacts, &config.volumes, &config.scratch];
        let database = config.database.parent().into_iter();
        for folder in folders
            .into_iter()
            .map(std::path::PathBuf::as_path)
            .chain(database)
        {
            std::fs::create_dir_all(folder).map_err(EngineError::file(folder))?;
        }
        let store = Store::open(&config.database, config.at_instant.clone())?;
        store.ensure_default_experiment(clock::now()).await?;
        let (events, _) = broadcast::channel(4096);
        let shared = Arc::new(Shared {
            views: Views::new(&config),
            launches: Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get)),
            config,
            store,
            events,
        });
        let (mut performer, messages) = Performer::new(Arc::clone(&shared)).await?;
        performer.recover().await?;
        tokio::spawn(performer.serve());
        let engine = Self {
            inner: Arc::new(Inner {
                shared,
                performer: messages,
                recurring_runs: Arc::default(),
                schedule: OnceLock::new(),
            }),
        };
        let schedule = tokio::spawn(crate::recurring::serve(
            WeakEngine(Arc::downgrade(&engine.inner)),
            Arc::clone(&engine.config().clock),
            Arc::clone(&engine.inner.recurring_runs),
            engine.events(),
        ));
        let _ = engine.inner.schedule.set(schedule.abort_handle());
        Ok(engine)
    }

    /// Stops deciding and closes the database. Attempts go on; the next engine attaches to them.
    pub async fn close(&self) {
        if let Some(schedule) = self.inner.schedule.get() {
            schedule.abort();
        }
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

    fn recurring_runs_changed(&self) {
        self.inner.recurring_runs.notify_one();
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

/// The notices of a package and of what its images stand for, where nothing in it is refused.
fn supported(pipeline: &Pipeline, shared: &Shared) -> Result<Vec<String>, EngineError> {
    let mut refused = Vec::new();
    let mut notices: Vec<String> = pipeline
        .images()
        .iter()
        .filter_map(|image| shared.config.images.note(image))
        .collect();
    for finding in pipeline.findings() {
        match finding.standing {
            Standing::Notice => notices.push(finding.to_string()),
            Standing::Refused => refused.push(finding.to_string()),
            Standing::Mounts => match shared.views.refusal() {
                None => notices.push(finding.to_string()),
                Some(reason) => refused.push(format!("{finding}, which this machine cannot mount: {reason}")),
            },
        }
    }
    match refused.is_empty() {
        true => Ok(notices),
        false => Err(EngineError::Unsupported(refused)),
    }
}
