//! Everything that can go wrong around a process, other than its own end.

use std::path::PathBuf;

/// Why a process could not be started, found or stopped. How a program ended is no error: see
/// [`ExitRecord`](crate::ExitRecord).
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A file or folder of the launch could not be made, read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The shim itself could not be started.
    #[error("shim for {dir}: {source}")]
    Spawn {
        /// The launch folder.
        dir: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A record is there, but holds something else than this version writes.
    #[error("record {path}: {source}")]
    Malformed {
        /// Which record.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The system refused a question about a process, or a signal to it.
    #[error("process {pid}: {source}")]
    System {
        /// Process id.
        pid: i32,
        /// What the system said.
        source: std::io::Error,
    },
    /// This machine gives no program a view of its own of the file system.
    #[error("no mounts for single programs on this machine: {reason}")]
    NoView {
        /// What the kernel refused.
        reason: String,
    },
    /// The process was told to stop, then killed, and is still there (in uninterruptible sleep, say).
    #[error("process {pid} does not end, not even by SIGKILL; its state is in /proc/{pid}/status")]
    StillThere {
        /// Process id.
        pid: i32,
    },
}

impl ProcessError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn system(pid: i32) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::System {
            pid,
            source: errno.into(),
        }
    }
}
