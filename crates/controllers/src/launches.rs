//! Processes that were launched, by this program or by the one before it, and the news of their end.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use processes::{Attached, Chosen, Launch, ProcessError, ProcessIdentity, Shim, Workers};
use tokio::sync::watch;

/// Wakes the controller of one kind: something has happened that no watch of the API tells.
#[derive(Clone, Debug)]
pub(crate) struct Pulse(watch::Sender<()>);

impl Pulse {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    pub(crate) fn beat(&self) {
        self.0.send_replace(());
    }

    /// One item for one beat or several.
    pub(crate) fn beats(&self) -> impl futures::Stream<Item = ()> + Send + 'static {
        tokio_stream::wrappers::WatchStream::from_changes(self.0.subscribe())
    }
}

/// Launch folders whose process this program knows to run.
#[derive(Clone, Debug)]
pub(crate) struct Launches {
    shim: Shim,
    running: Arc<Mutex<HashMap<PathBuf, ProcessIdentity>>>,
}

impl Launches {
    pub(crate) fn new(shim: Shim) -> Self {
        Self {
            shim,
            running: Arc::default(),
        }
    }

    /// Launches by the worker that was chosen, else by the shim, and beats when the process has ended. `None` where the
    /// worker went away in the middle of it: then it beats at once, for somebody to look what became of the launch.
    pub(crate) fn launch(
        &self,
        workers: &Workers,
        chosen: Chosen,
        launch: Launch,
        pulse: &Pulse,
    ) -> Result<Option<ProcessIdentity>, ProcessError> {
        let dir = launch.dir.clone();
        let launched = workers.launch(&self.shim, launch, chosen)?;
        match &launched {
            Some(identity) => self.follow(&dir, identity, pulse),
            None => pulse.beat(),
        }
        Ok(launched)
    }

    /// What became of a launch. One of this program's own is never asked for before it has ended: its shim may not have
    /// said yet that it runs, and asking would forestall it.
    pub(crate) fn look(&self, dir: &Path, pulse: &Pulse) -> Result<Attached, ProcessError> {
        if let Some(identity) = self.known().get(dir) {
            return Ok(Attached::Running(identity.clone()));
        }
        let attached = processes::attach(dir)?;
        if let Attached::Running(identity) = &attached {
            self.follow(dir, identity, pulse);
        }
        Ok(attached)
    }

    fn follow(&self, dir: &Path, identity: &ProcessIdentity, pulse: &Pulse) {
        if self.known().insert(dir.to_owned(), identity.clone()).is_some() {
            return;
        }
        let (launches, dir, identity, pulse) =
            (self.clone(), dir.to_owned(), identity.clone(), pulse.clone());
        tokio::spawn(async move {
            if let Err(error) = processes::wait(&identity, &dir).await {
                tracing::warn!(dir = %dir.display(), %error, "cannot wait for a process");
            }
            launches.known().remove(&dir);
            pulse.beat();
        });
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PathBuf, ProcessIdentity>> {
        self.running
            .lock()
            .expect("invariant: nobody panics with the lock")
    }
}

/// The last lines of a log, for a message; empty where there is none.
pub(crate) fn tail(log: &Path) -> String {
    const LINES: usize = 5;
    const BYTES: u64 = 4096;
    let read = || {
        use std::io::{Read, Seek, SeekFrom};
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// An empty working directory in which the image's files appear by link, so that nothing is written into the image.
pub(crate) fn scratch(image: &Path, folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(folder.join(".tmp"))?;
    for entry in std::fs::read_dir(image)? {
        let entry = entry?;
        std::os::unix::fs::symlink(entry.path(), folder.join(entry.file_name()))?;
    }
    Ok(())
}
