//! Finding, awaiting and stopping what was launched, by whoever launched it or by its successor.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::durable::beside;
use crate::error::ProcessError;
use crate::identity::ProcessIdentity;
use crate::record::{ExitRecord, Outcome, read_json};
use crate::table::{ProcessTable, Row};

/// What a launch folder holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attached {
    /// The shim runs; [`wait`] for it.
    Running(ProcessIdentity),
    /// The program ended meanwhile.
    Ended(ExitRecord),
    /// Nothing ran here, and nothing will: a shim that was just about to start has been forestalled.
    NeverStarted,
    /// See [`Outcome::Lost`].
    Lost,
}

/// Content of `shim.json`.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Claim {
    /// This shim runs the program.
    Taken(ProcessIdentity),
    /// Nobody may run here any more.
    Abandoned,
}

impl Claim {
    /// Creates `dir/shim.json` unless it is there; `false` where it is. Exactly one caller ever gets `true`.
    pub(crate) fn stake(&self, dir: &Path) -> std::io::Result<bool> {
        let path = dir.join("shim.json");
        let unfinished = beside(&path, "unfinished");
        std::fs::write(
            &unfinished,
            serde_json::to_vec(self).expect("invariant: plain data"),
        )?;
        let linked = std::fs::hard_link(&unfinished, &path);
        std::fs::remove_file(&unfinished)?;
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Finds out what became of a launch. After it a folder with [`Attached::NeverStarted`] can never start.
///
/// # Errors
/// [`ProcessError::File`], [`ProcessError::Malformed`].
pub fn attach(dir: &Path) -> Result<Attached, ProcessError> {
    if !dir.is_dir() {
        return Ok(Attached::NeverStarted);
    }
    let claim_path = dir.join("shim.json");
    let claim = match read_json(&claim_path)? {
        Some(claim) => claim,
        None if Claim::Abandoned
            .stake(dir)
            .map_err(ProcessError::file(&claim_path))? =>
        {
            Claim::Abandoned
        }
        None => read_json(&claim_path)?.expect("invariant: a claim is never taken back"),
    };
    let Claim::Taken(identity) = claim else {
        return Ok(Attached::NeverStarted);
    };
    if identity.is_alive() {
        return Ok(Attached::Running(identity));
    }
    // Only now: the record is written before the shim ends.
    match ExitRecord::read(dir)? {
        Some(record) => Ok(Attached::Ended(record)),
        None => {
            kill_session(&identity)?;
            Ok(Attached::Lost)
        }
    }
}

/// Waits until the shim has ended, without polling, and reaps it where the caller is its parent.
///
/// # Errors
/// [`ProcessError::System`], [`ProcessError::File`], [`ProcessError::Malformed`].
pub async fn wait(identity: &ProcessIdentity, dir: &Path) -> Result<Outcome, ProcessError> {
    ended(identity).await?;
    match ExitRecord::read(dir)? {
        Some(record) => Ok(Outcome::Ended(record)),
        None => {
            kill_session(identity)?;
            Ok(Outcome::Lost)
        }
    }
}

/// Stops a launched program as a kubelet does: SIGTERM to the program, after `grace` SIGKILL to all that runs under its
/// shim; returns when they are gone and the record is written. Also ends what a killed shim left behind. Nothing to
/// stop is fine.
///
/// # Errors
/// [`ProcessError::System`]; [`ProcessError::StillThere`] where even SIGKILL does not end it within ten seconds.
pub async fn terminate(identity: &ProcessIdentity, grace: Duration) -> Result<(), ProcessError> {
    const AFTER_KILL: Duration = Duration::from_secs(10);
    for (signal, patience) in [(Signal::TERM, grace), (Signal::QUIT, AFTER_KILL)] {
        let told = identity.signal(signal).map_err(|source| ProcessError::System {
            pid: identity.pid,
            source,
        })?;
        if !told {
            break;
        }
        if let Ok(waited) = tokio::time::timeout(patience, ended(identity)).await {
            waited?;
            break;
        }
    }
    kill_session(identity)?;
    match tokio::time::timeout(AFTER_KILL, ended(identity)).await {
        Ok(waited) => waited,
        Err(_) => Err(ProcessError::StillThere { pid: identity.pid }),
    }
}

/// Waits until the process has ended, without polling, and reaps it where it is a child of the caller.
pub(crate) async fn ended(identity: &ProcessIdentity) -> Result<(), ProcessError> {
    let Some(pidfd) = identity.pidfd().map_err(ProcessError::system(identity.pid))? else {
        return Ok(());
    };
    #[expect(
        deprecated,
        reason = "its successor is unsafe because of types whose descriptor changes; an OwnedFd's never does, and no \
                  unsafe code is allowed here"
    )]
    let pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE).map_err(|source| ProcessError::System {
        pid: identity.pid,
        source,
    })?;
    let readable = pidfd.readable().await.map_err(|source| ProcessError::System {
        pid: identity.pid,
        source,
    })?;
    drop(readable);
    // Not our child after a restart of the daemon: then init reaps it.
    let _ = waitid(
        WaitId::PidFd(std::os::fd::AsFd::as_fd(pidfd.get_ref())),
        WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    );
    Ok(())
}

/// Kills the session of a shim that is gone without a record, and what descends from it.
fn kill_session(leader: &ProcessIdentity) -> Result<(), ProcessError> {
    // Each round sees what was forked while the last one was killing.
    for _ in 0..10 {
        let table = ProcessTable::read();
        let members = table.session(leader);
        if members.is_empty() {
            return Ok(());
        }
        let descendants = members.iter().flat_map(|row| table.descendants(row.pid));
        let doomed: Vec<ProcessIdentity> = members
            .iter()
            .copied()
            .chain(descendants)
            .map(Row::identity)
            .collect();
        for process in &doomed {
            process
                .signal(Signal::KILL)
                .map_err(|source| ProcessError::System {
                    pid: process.pid,
                    source,
                })?;
        }
        for process in &doomed {
            await_killed(process);
        }
    }
    Err(ProcessError::StillThere { pid: leader.pid })
}

/// Gives a killed process a second to go.
fn await_killed(process: &ProcessIdentity) {
    if let Ok(Some(pidfd)) = process.pidfd() {
        let mut gone = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        let second = rustix::time::Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        };
        // The next round looks again, whatever this one saw.
        let _ = rustix::event::poll(&mut gone, Some(&second));
    }
}
