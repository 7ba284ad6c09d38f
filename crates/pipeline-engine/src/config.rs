//! What an engine is opened with.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use image_store::ImageStore;
use processes::{Shim, Workers};

use crate::clock::{Clock, SystemClock};

/// What an engine is opened with. Folders are made where they are not there.
#[derive(Clone)]
pub struct EngineConfig {
    /// The database.
    pub database: PathBuf,
    /// Folder of attempts: `RUN/TASK/ATTEMPT/` with log, working folder and exit record.
    pub tasks: PathBuf,
    /// Folder of artifacts: `PIPELINE/RUN/TASK/NAME`; the root of their URIs. On the filesystem of `tasks`.
    pub artifacts: PathBuf,
    /// Folder of volume claims: `NAME/`.
    pub volumes: PathBuf,
    /// Where attempts get their `TMPDIR`, a folder each, gone when they end. Sockets are made in it, whose paths may
    /// have 107 bytes: keep it short.
    pub scratch: PathBuf,
    /// What image names stand for.
    pub images: Arc<ImageStore>,
    /// Where ConfigMaps and Secrets are read.
    pub environment: Arc<dyn EnvironmentSource>,
    /// Variables that every attempt gets; they win over the task's own. The mark of the state folder is one.
    pub env: BTreeMap<String, String>,
    /// What `PATH` ends with, behind the image's own folders.
    pub system_path: String,
    /// How the supervisor of an attempt is started.
    pub shim: Shim,
    /// What tasks may use at once.
    pub capacity: Capacity,
    /// Who forks Python components.
    pub workers: Workers,
    /// Bytes of an attempt's log that are kept, from its start; what is dropped is said at its end.
    pub log_limit: u64,
    /// The time that schedules go by.
    pub clock: Arc<dyn Clock>,
    /// Told of each instant around a durable write. A bench kills the engine there.
    pub at_instant: Option<AtInstant>,
}

impl EngineConfig {
    /// Everything below one folder, all of the machine, no warm workers: `engine/engine.db`, `tasks/`, `artifacts/`,
    /// `volumes/`.
    pub fn below(state: impl Into<PathBuf>, images: Arc<ImageStore>, shim: Shim) -> Self {
        let state = state.into();
        Self {
            database: state.join("engine").join("engine.db"),
            tasks: state.join("tasks"),
            artifacts: state.join("artifacts"),
            volumes: state.join("volumes"),
            scratch: std::env::temp_dir(),
            images,
            environment: Arc::new(NoEnvironment),
            env: BTreeMap::new(),
            system_path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
            shim,
            capacity: Capacity::of_machine(),
            workers: Workers::off(),
            log_limit: 64 << 20,
            clock: Arc::new(SystemClock),
            at_instant: None,
        }
    }
}

/// Told the number of an instant, from 1 in each engine: two for each commit of the database, one before it, one when it
/// is on the disk and nobody knows yet.
pub type AtInstant = Arc<dyn Fn(u64) + Send + Sync>;

impl fmt::Debug for EngineConfig {
    /// Without `env`, which holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineConfig")
            .field("database", &self.database)
            .field("tasks", &self.tasks)
            .field("artifacts", &self.artifacts)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// What tasks may use at once. A task that asks for nothing counts as one core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Thousandths of a core.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory: u64,
}

impl Capacity {
    /// All cores and all memory of this machine.
    pub fn of_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let system = rustix::system::sysinfo();
        Self {
            cpu_millis: cores * 1000,
            memory: system.totalram.saturating_mul(u64::from(system.mem_unit)),
        }
    }
}

/// Where ConfigMaps and Secrets are read, of the namespace that tasks run in.
pub trait EnvironmentSource: Send + Sync {
    /// The data of a ConfigMap; `None` where there is none of that name.
    fn config_map<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Data>, EnvironmentError>>;

    /// The data of a Secret, decoded; `None` where there is none of that name.
    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Data>, EnvironmentError>>;
}

/// Keys and values of a ConfigMap or a Secret.
pub type Data = BTreeMap<String, String>;

/// A ConfigMap or Secret that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EnvironmentError(pub String);

/// No ConfigMaps, no Secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEnvironment;

impl EnvironmentSource for NoEnvironment {
    fn config_map<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Data>, EnvironmentError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn secret<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<Data>, EnvironmentError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}
