//! Which attempts a warm worker forks, and the workers.
//!
//! A worker is for one interpreter, one set of modules and one environment: modules read variables when they are
//! imported, so only what is declared to be an attempt's own may differ (`tier6/warm-worker.yaml`). It is started when
//! the first attempt comes that it would serve, which does not wait for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use image_store::Start;
use processes::{Launch, Worker, WorkerSpec};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::component::EXECUTOR_MODULE;
use crate::bind::{Variable, VariableSource};

/// Workers at once: each holds what it has imported.
const LIMIT: usize = 2;

/// A worker that nobody has asked for so long is ended.
const IDLE: Duration = Duration::from_mins(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    modules: Vec<String>,
    env: BTreeMap<String, String>,
    own: Vec<String>,
}

static WRITTEN: LazyLock<Written> = LazyLock::new(|| {
    let text = include_str!("../../../../tier6/warm-worker.yaml");
    serde_yaml::from_str(text).expect("invariant: the shipped file is read in a test")
});

/// The workers of an engine. A clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Workers {
    folder: Option<PathBuf>,
    known: Arc<Mutex<Vec<Known>>>,
}

#[derive(Debug)]
struct Known {
    key: String,
    standing: Standing,
    asked: Instant,
}

#[derive(Debug)]
enum Standing {
    Importing,
    Ready(Arc<Worker>),
    Failed(String),
}

impl Workers {
    /// None in the beginning; `folder` is where they live, and without one there will be none.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            folder,
            known: Arc::default(),
        }
    }

    /// The worker that is to fork an attempt, or why none does. To be called inside a tokio runtime.
    pub(super) fn choose(
        &self,
        start: &Start,
        variables: &[Variable],
        launch: &Launch,
    ) -> Result<Arc<Worker>, String> {
        let Some(folder) = &self.folder else {
            return Err("warm workers are off".to_owned());
        };
        if !Worker::can_run(launch) || launch.args[1] != EXECUTOR_MODULE {
            return Err("it is no Python component, or has volumes".to_owned());
        }
        if start.packages.is_some() {
            return Err("it asks for packages of its own".to_owned());
        }
        let spec = spec(folder, start, variables, launch);
        let mut known = self.lock();
        if let Some(found) = known.iter_mut().find(|known| known.key == key(&spec)) {
            found.asked = Instant::now();
            return match &found.standing {
                Standing::Ready(worker) => Ok(Arc::clone(worker)),
                Standing::Importing => Err("its worker was importing".to_owned()),
                Standing::Failed(reason) => Err(reason.clone()),
            };
        }
        // One that is importing stays: somebody has just asked for it.
        let oldest = known
            .iter()
            .enumerate()
            .filter(|(_, known)| !matches!(known.standing, Standing::Importing))
            .min_by_key(|(_, known)| known.asked)
            .map(|(nth, _)| nth);
        match oldest {
            Some(nth) if known.len() >= LIMIT => drop(known.swap_remove(nth)),
            None if known.len() >= LIMIT => return Err("other workers were importing".to_owned()),
            _ => {}
        }
        known.push(Known {
            key: key(&spec),
            standing: Standing::Importing,
            asked: Instant::now(),
        });
        drop(known);
        tokio::spawn(live(Arc::downgrade(&self.known), spec));
        Err("its worker was started only then".to_owned())
    }

    /// A worker that did not answer is not asked again.
    pub(super) fn forget(&self, gone: &Arc<Worker>) {
        self.lock()
            .retain(|known| !matches!(&known.standing, Standing::Ready(worker) if Arc::ptr_eq(worker, gone)));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a worker, and ends it when it has been idle for long.
async fn live(known: Weak<Mutex<Vec<Known>>>, spec: WorkerSpec) {
    let key = key(&spec);
    let (tell, told) = oneshot::channel();
    // A thread of its own, because an import takes seconds, and a runtime that closes would wait for one of its own.
    std::thread::spawn(move || tell.send(Worker::start(&spec)));
    let standing = match told.await {
        Ok(Ok(worker)) => Standing::Ready(Arc::new(worker)),
        Ok(Err(error)) => Standing::Failed(error.to_string()),
        Err(_) => Standing::Failed("its worker could not be started".to_owned()),
    };
    let mut standing = Some(standing);
    let mut wait = IDLE;
    loop {
        let Some(known) = known.upgrade() else { return };
        {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(nth) = known.iter().position(|known| known.key == key) else {
                return;
            };
            if let Some(standing) = standing.take() {
                known[nth].standing = standing;
                known[nth].asked = Instant::now();
            }
            wait = wait.min(IDLE.saturating_sub(known[nth].asked.elapsed()));
            if wait.is_zero() {
                drop(known.swap_remove(nth));
                return;
            }
        }
        drop(known);
        tokio::time::sleep(std::mem::replace(&mut wait, IDLE)).await;
    }
}

fn spec(folder: &Path, start: &Start, variables: &[Variable], launch: &Launch) -> WorkerSpec {
    let fields = variables
        .iter()
        .filter(|variable| matches!(variable.source, VariableSource::Field { .. }));
    let mut env = launch.env.clone();
    let own = WRITTEN.own.iter().chain(&start.environment.own);
    for name in own.chain(fields.map(|variable| &variable.name)) {
        env.remove(name);
    }
    for (name, value) in &WRITTEN.env {
        env.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let mut modules = WRITTEN.modules.clone();
    modules.extend(start.environment.modules.iter().cloned());
    let mut spec = WorkerSpec {
        dir: folder.to_owned(),
        python: launch.program.clone(),
        env,
        modules,
    };
    spec.dir.push(&key(&spec)[..16]);
    let home = spec.dir.display().to_string();
    for name in ["HOME", "TMPDIR"] {
        spec.env.insert(name.to_owned(), home.clone());
    }
    spec
}

/// What tells workers apart.
fn key(spec: &WorkerSpec) -> String {
    let mut env = spec.env.clone();
    env.remove("HOME");
    env.remove("TMPDIR");
    hex::encode(Sha256::digest(format!(
        "{:?}\n{env:?}\n{:?}",
        spec.python, spec.modules
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_read() {
        assert!(WRITTEN.modules.contains(&EXECUTOR_MODULE.to_owned()));
        assert!(WRITTEN.own.contains(&"HOME".to_owned()));
    }
}
