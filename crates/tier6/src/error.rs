//! Why a rung cannot be brought up, looked at or taken down.

use std::path::PathBuf;

/// Everything that can go wrong with a rung.
#[derive(Debug, thiserror::Error)]
pub enum Tier6Error {
    /// A file or folder of the state folder could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A record holds something else than this version writes.
    #[error("{path}: {source}")]
    Malformed {
        /// Which one.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The working folder is in no clone, and no state folder was named.
    #[error("{cwd} is in no clone of basecamp: go into one, or say --state-dir DIR")]
    NoClone {
        /// The working folder.
        cwd: PathBuf,
    },
    /// The Python environment has not been set up.
    #[error("there is no Python environment at {path}")]
    NoPython {
        /// Where it would be.
        path: PathBuf,
    },
    /// The daemon's program is not there, or does not start.
    #[error("{program}: {source}")]
    Program {
        /// Path of the program.
        program: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The daemon ended, or said nothing, before it served its API.
    #[error("the daemon did not come up: {reason}\n{tail}\n(all of it: {log})")]
    DaemonDown {
        /// What happened.
        reason: String,
        /// Last lines of its log.
        tail: String,
        /// Its log.
        log: PathBuf,
    },
    /// A service does not become ready.
    #[error("service {name} failed: {reason}\n{tail}\n(all of it: {log}){hint}")]
    ServiceFailed {
        /// Name of the service.
        name: String,
        /// What happened.
        reason: String,
        /// Last lines of its log.
        tail: String,
        /// Its log.
        log: PathBuf,
        /// What to try, on a line of its own; may be empty.
        hint: String,
    },
    /// Not all services were ready in time.
    #[error("after {seconds} s these are not ready: {waiting}")]
    Timeout {
        /// How long was waited.
        seconds: u64,
        /// Names and last states.
        waiting: String,
    },
    /// The daemon's API gave no usable answer.
    #[error("the daemon at {url}: {reason}")]
    Api {
        /// What was asked.
        url: String,
        /// What came back.
        reason: String,
    },
    /// Processes could not be found or stopped.
    #[error(transparent)]
    Process(#[from] processes::ProcessError),
    /// The endpoints document could not be read or written.
    #[error(transparent)]
    Endpoints(#[from] endpoints::EndpointsError),
    /// An image could not be published.
    #[error(transparent)]
    Image(#[from] image_store::ImageError),
}

impl Tier6Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
