//! The embedded rung's daemon: which one runs, and that there is one only.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use processes::ProcessIdentity;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::error::Tier6Error;
use crate::state_dir::StateDir;

/// `daemon.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DaemonRecord {
    /// The daemon's process.
    pub identity: ProcessIdentity,
    /// [`build_id`] of its program.
    pub build: String,
    /// Base URL of KFP's API and of the daemon's own.
    pub url: String,
    /// Whether it forks Python programs from warm workers.
    pub warm_workers: bool,
}

impl DaemonRecord {
    /// The daemon that runs, if one does.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub fn of_running(state: &StateDir) -> Result<Option<Self>, Tier6Error> {
        let path = state.daemon_record();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Tier6Error::file(path)(error)),
        };
        // A record of another version: its daemon is found by the mark and the lock.
        Ok(serde_json::from_slice(&bytes)
            .ok()
            .filter(|record: &Self| record.identity.is_alive()))
    }

    /// Writes the record in one step.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub fn write(&self, state: &StateDir) -> Result<(), Tier6Error> {
        let path = state.daemon_record();
        let bytes = serde_json::to_vec_pretty(self).expect("invariant: plain data");
        processes::write_durably(&path, &bytes, 0o600).map_err(Tier6Error::file(path))
    }
}

/// Tells one build of a program from another by its file's size and the time it was written, which a build changes:
/// `up` on a rung that is up reads no program whole.
///
/// # Errors
/// [`Tier6Error::Program`].
pub fn build_id(program: &Path) -> Result<String, Tier6Error> {
    let file = program.metadata().map_err(|source| Tier6Error::Program {
        program: program.to_owned(),
        source,
    })?;
    Ok(format!(
        "{:x}-{:x}.{:x}",
        file.size(),
        file.mtime(),
        file.mtime_nsec()
    ))
}

/// The right to be the daemon of a state folder; given up when dropped, or when the process ends, however it ends.
#[derive(Debug)]
pub struct DaemonLock {
    _file: File,
}

impl DaemonLock {
    /// `None` where another process holds it.
    ///
    /// # Errors
    /// [`Tier6Error::File`].
    pub fn take(state: &StateDir) -> Result<Option<Self>, Tier6Error> {
        let path = state.daemon_lock();
        loop {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(Tier6Error::file(&path))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path) => return Ok(Some(Self { _file: file })),
                // Removed by `down` between opening and locking: a lock on a file nobody else can find.
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(errno) => return Err(Tier6Error::file(&path)(errno.into())),
            }
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(held), Ok(found)) => held.ino() == found.ino() && held.dev() == found.dev(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_lock_also_after_its_file_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let held = DaemonLock::take(&state).unwrap();
        assert!(held.is_some());
        assert!(DaemonLock::take(&state).unwrap().is_none());
        drop(held);
        // A program that another test starts at this moment holds a copy of the file until it is executed.
        let again = std::iter::repeat_with(|| DaemonLock::take(&state).unwrap())
            .take(1_000_000)
            .flatten()
            .next()
            .unwrap();
        std::fs::remove_file(state.daemon_lock()).unwrap();
        drop(again);
        assert!(DaemonLock::take(&state).unwrap().is_some());
        assert!(state.daemon_lock().exists());
    }

    #[test]
    fn a_program_that_was_built_again_is_another_build() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("basecampd");
        std::fs::write(&program, "one").unwrap();
        let first = build_id(&program).unwrap();
        assert_eq!(build_id(&program).unwrap(), first);
        let later = program.metadata().unwrap().modified().unwrap() + std::time::Duration::from_secs(1);
        File::options()
            .write(true)
            .open(&program)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_ne!(build_id(&program).unwrap(), first);
    }

    #[test]
    fn a_record_of_a_process_that_is_gone_is_no_running_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        assert_eq!(DaemonRecord::of_running(&state).unwrap(), None);
        let mut record = DaemonRecord {
            identity: ProcessIdentity::own(),
            build: "b".into(),
            url: "http://127.0.0.1:1".into(),
            warm_workers: true,
        };
        record.write(&state).unwrap();
        assert_eq!(DaemonRecord::of_running(&state).unwrap(), Some(record.clone()));
        record.identity.start_ticks += 1;
        record.write(&state).unwrap();
        assert_eq!(DaemonRecord::of_running(&state).unwrap(), None);
        std::fs::write(state.daemon_record(), "of another version").unwrap();
        assert_eq!(DaemonRecord::of_running(&state).unwrap(), None);
    }
}
