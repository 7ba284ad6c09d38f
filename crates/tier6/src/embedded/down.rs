//! Taking the embedded rung down.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use processes::{ProcessIdentity, ProcessTable};
use rustix::process::Signal;

use crate::daemon::{DaemonLock, DaemonRecord};
use crate::error::Tier6Error;
use crate::state_dir::StateDir;

/// How long programs may take to stop by themselves; Ray's takes three seconds.
const GRACE: Duration = Duration::from_secs(15);

/// What was there to take down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DownReport {
    /// Processes that ran.
    pub processes: usize,
    /// Of these, how many had to be killed.
    pub killed: usize,
}

/// Stops every process of the state folder and removes what tells of a running rung. Data stays. Nothing to stop is
/// fine.
///
/// The processes are those that carry the state folder's mark and all that belongs to them, never those of a name:
/// another clone's Ray is untouched.
///
/// # Errors
/// [`Tier6Error::Process`] where a process does not even end by SIGKILL; [`Tier6Error::File`].
pub async fn down(state: &StateDir) -> Result<DownReport, Tier6Error> {
    let mark = state.mark()?;
    let mut report = DownReport {
        processes: processes::marked(&mark).len(),
        killed: 0,
    };
    // First the one who would start things again.
    if let Some(record) = DaemonRecord::of_running(state)? {
        processes::terminate(&record.identity, GRACE).await?;
    }
    // Shims pass the signal on to their program, kill what it leaves and record its end, so only they are asked.
    for process in topmost(&mark) {
        signal(&process, Signal::TERM)?;
    }
    gone_within(&mark, GRACE).await;
    for _ in 0..10 {
        let left = processes::marked(&mark);
        if left.is_empty() {
            break;
        }
        report.killed += left.len();
        for process in &left {
            signal(process, Signal::KILL)?;
        }
        gone_within(&mark, Duration::from_secs(2)).await;
    }
    if let Some(process) = processes::marked(&mark).first() {
        return Err(processes::ProcessError::StillThere { pid: process.pid }.into());
    }
    // An `up` that comes in between has the lock, and everything below is its own.
    if let Some(lock) = DaemonLock::take(state)? {
        remove(&state.short_dir()?)?;
        for path in [
            state.short_link(),
            state.services(),
            state.endpoints(),
            state.kubeconfig(),
            state.daemon_record(),
            state.daemon_lock(),
        ] {
            remove(&path)?;
        }
        drop(lock);
    }
    Ok(report)
}

/// Marked processes whose parent is none of them.
fn topmost(mark: &str) -> Vec<ProcessIdentity> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let table = ProcessTable::read();
    let marked = table.marked(mark);
    let all: BTreeSet<i32> = marked.iter().map(|row| row.pid).collect();
    marked
        .iter()
        .filter(|row| row.pid != own && !all.contains(&row.parent))
        .map(|row| row.identity())
        .collect()
}

fn signal(process: &ProcessIdentity, signal: Signal) -> Result<(), Tier6Error> {
    match process.signal(signal) {
        Ok(_) => Ok(()),
        Err(source) => Err(processes::ProcessError::System {
            pid: process.pid,
            source,
        }
        .into()),
    }
}

/// Waits until no marked process is left, or for `patience`. Each wait is on one of them; then the rest is looked at.
async fn gone_within(mark: &str, patience: Duration) {
    let deadline = Instant::now() + patience;
    while let Some(process) = processes::marked(mark).first() {
        let left = deadline.saturating_duration_since(Instant::now());
        if tokio::time::timeout(left, process.ended()).await.is_err() {
            return;
        }
    }
}

/// Removes a file, a link or a folder with all in it; that it is not there is fine.
fn remove(path: &Path) -> Result<(), Tier6Error> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Tier6Error::file(path)(error)),
        _ => Ok(()),
    }
}
