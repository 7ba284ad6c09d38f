//! The workers of a program: one for each interpreter, set of modules and environment that was asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use super::{Worker, WorkerError, WorkerSpec};
use crate::error::ProcessError;
use crate::identity::ProcessIdentity;
use crate::launch::{Launch, Launcher, Shim};

/// Workers at once: each holds what it has imported.
const LIMIT: usize = 3;

/// A worker that nobody has asked for so long is ended.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// Set while modules are imported, and not in the forks. Arrow's allocator would start a thread of its own, and a worker
/// forks only while it has one.
const WHILE_IMPORTING: [(&str, &str); 1] = [("JE_ARROW_MALLOC_CONF", "background_thread:false")];

/// Warm workers. A clone is the same.
///
/// A worker is started when it is first asked for, which nobody waits for; it is ended when it is asked for no more.
#[derive(Clone, Debug)]
pub struct Workers {
    /// `None`: there are none.
    folder: Option<PathBuf>,
    known: Arc<Mutex<Vec<Known>>>,
}

/// The worker that is to fork a launch, or why none does.
pub type Chosen = Result<Arc<Worker>, String>;

#[derive(Debug)]
struct Known {
    spec: WorkerSpec,
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
    /// None in the beginning. Their folders are made below this one.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            known: Arc::default(),
        }
    }

    /// None at any time: each launch gets a process that is started for it.
    pub fn off() -> Self {
        Self {
            folder: None,
            known: Arc::default(),
        }
    }

    /// The worker with this interpreter, environment and these modules; a home it has of its own. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// Why there is none, for people: it is importing, say.
    pub fn choose(&self, python: &Path, env: BTreeMap<String, String>, modules: Vec<String>) -> Chosen {
        let Some(folder) = &self.folder else {
            return Err("warm workers are off".to_owned());
        };
        let spec = spec(folder, python, env, modules);
        let mut known = lock(&self.known);
        if let Some(found) = known.iter_mut().find(|known| known.spec == spec) {
            found.asked = Instant::now();
            return match &found.standing {
                Standing::Ready(worker) => Ok(Arc::clone(worker)),
                Standing::Importing => Err("its worker was importing".to_owned()),
                Standing::Failed(reason) => Err(reason.clone()),
            };
        }
        if known.len() >= LIMIT {
            // One that is importing stays: somebody has just asked for it.
            let oldest = known
                .iter()
                .enumerate()
                .filter(|(_, known)| !matches!(known.standing, Standing::Importing))
                .min_by_key(|(_, known)| known.asked)
                .map(|(nth, _)| nth);
            match oldest {
                Some(nth) => drop(known.swap_remove(nth)),
                None => return Err("other workers were importing".to_owned()),
            }
        }
        known.push(Known {
            spec: spec.clone(),
            standing: Standing::Importing,
            asked: Instant::now(),
        });
        drop(known);
        tokio::spawn(live(Arc::downgrade(&self.known), spec));
        Err("its worker was started only then".to_owned())
    }

    /// Launches by the worker that was chosen, else by the shim; `None` where the worker went away in the middle of it:
    /// [`attach`](crate::attach) then tells whether it had launched.
    ///
    /// # Errors
    /// Those of [`Shim::launch`].
    pub fn launch(
        &self,
        shim: &Shim,
        mut launch: Launch,
        chosen: Chosen,
    ) -> Result<Option<ProcessIdentity>, ProcessError> {
        let because = match chosen {
            Ok(worker) => {
                launch.launcher = Launcher::Worker {
                    without: worker.failed().clone(),
                };
                match worker.launch(shim, &launch) {
                    Ok(identity) => return Ok(Some(identity)),
                    Err(WorkerError::Gone(_)) => {
                        self.forget(&worker);
                        return Ok(None);
                    }
                    Err(refused) => refused.to_string(),
                }
            }
            Err(because) => because,
        };
        launch.launcher = Launcher::Fresh { because };
        shim.launch(&launch).map(Some)
    }

    fn forget(&self, gone: &Arc<Worker>) {
        lock(&self.known)
            .retain(|known| !matches!(&known.standing, Standing::Ready(worker) if Arc::ptr_eq(worker, gone)));
    }
}

fn spec(folder: &Path, python: &Path, mut env: BTreeMap<String, String>, modules: Vec<String>) -> WorkerSpec {
    const OWN: [&str; 2] = ["HOME", "TMPDIR"];
    env.retain(|name, _| !OWN.contains(&name.as_str()));
    for (name, value) in WHILE_IMPORTING {
        env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    let told_apart = format!("{}\n{env:?}\n{modules:?}", python.display());
    let dir = folder.join(&hex::encode(Sha256::digest(told_apart))[..16]);
    for own in OWN {
        env.insert(own.to_owned(), dir.display().to_string());
    }
    WorkerSpec {
        dir,
        python: python.to_owned(),
        env,
        modules,
    }
}

/// Starts a worker, and ends it when it has been idle for long.
async fn live(known: Weak<Mutex<Vec<Known>>>, spec: WorkerSpec) {
    let (tell, told) = oneshot::channel();
    let for_start = spec.clone();
    // A thread of its own, because an import takes seconds, and a runtime that closes would wait for one of its own.
    std::thread::spawn(move || tell.send(Worker::start(&for_start)));
    let mut started = Some(match told.await {
        Ok(Ok(worker)) => Standing::Ready(Arc::new(worker)),
        Ok(Err(error)) => Standing::Failed(error.to_string()),
        Err(_) => Standing::Failed("its worker could not be started".to_owned()),
    });
    loop {
        let wait = {
            let Some(known) = known.upgrade() else { return };
            let mut known = lock(&known);
            let Some(nth) = known.iter().position(|known| known.spec == spec) else {
                return;
            };
            if let Some(standing) = started.take() {
                known[nth].standing = standing;
            }
            let wait = IDLE.saturating_sub(known[nth].asked.elapsed());
            if wait.is_zero() {
                drop(known.swap_remove(nth));
                return;
            }
            wait
        };
        tokio::time::sleep(wait).await;
    }
}

fn lock(known: &Mutex<Vec<Known>>) -> MutexGuard<'_, Vec<Known>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
