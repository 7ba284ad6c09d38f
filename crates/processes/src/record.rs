//! How a process ended.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::error::ProcessError;
use crate::launch::Launcher;

/// How a launched program ended, as its shim wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// How the program ended.
    pub end: End,
    /// Who brought the end about.
    pub cause: Cause,
    /// When the shim started it, in milliseconds since the Unix epoch.
    pub started_unix_ms: u64,
    /// How long it ran by a clock that is never set, in microseconds.
    pub elapsed_us: u64,
    /// What it and its waited-for descendants used.
    pub usage: Usage,
    /// Outputs to publish that the program did not write. Only after exit code 0; others publish nothing.
    pub missing: Vec<PathBuf>,
    /// Why publishing stopped; what was not yet moved is still where the program wrote it.
    pub publish_error: Option<String>,
    /// Processes that were still there when the program had ended, and were killed.
    pub stragglers_killed: u32,
    /// Bytes of output that the log limit dropped.
    pub log_bytes_dropped: u64,
    /// By whom it was launched.
    #[serde(default)]
    pub launcher: Launcher,
}

impl ExitRecord {
    /// Exit code 0, and every output in place.
    pub fn succeeded(&self) -> bool {
        self.end == End::Code(0) && self.missing.is_empty() && self.publish_error.is_none()
    }

    /// How long it ran.
    pub fn elapsed(&self) -> Duration {
        Duration::from_micros(self.elapsed_us)
    }

    /// When it started.
    pub fn started(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.started_unix_ms)
    }

    /// `None` where there is no record (yet).
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, ProcessError> {
        read_json(&dir.join("exit.json"))
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It never ran: no such program, no such working folder, no permission.
    NotStarted(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
            Self::NotStarted(reason) => write!(formatter, "not started: {reason}"),
        }
    }
}

/// Who brought the end about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The program, or somebody unknown to the shim.
    Program,
    /// The shim, because the deadline had passed.
    Deadline,
    /// The shim, because it was told to: [`terminate`](crate::terminate).
    Terminated,
}

/// What a program used, with the descendants that were waited for (getrusage(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time in user mode, in microseconds.
    pub user_us: u64,
    /// CPU time in the kernel, in microseconds.
    pub system_us: u64,
    /// Resident memory of the largest process at its largest, in bytes.
    pub max_rss_bytes: u64,
}

/// What [`wait`](crate::wait) came to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The program ended and the shim wrote its record.
    Ended(ExitRecord),
    /// The shim itself was killed, or the machine went down, before it wrote the record. How the program ended, or
    /// whether it did all its work, is unknown. What it left running has been killed.
    Lost,
}

/// `None` where the file is not there.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, ProcessError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| ProcessError::Malformed {
                path: path.to_owned(),
                source,
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ProcessError::file(path)(error)),
    }
}
