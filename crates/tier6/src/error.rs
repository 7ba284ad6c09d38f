//! Why a rung cannot be brought up, looked at or taken down.

use std::path::PathBuf;

use crate::component::Difference;
use crate::quantity::Requests;

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
    /// What `tier6/` says of a component makes no sense, or does not render.
    #[error("component {name}: {reason}")]
    Component {
        /// Its name, or the file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// An upstream tree is not what its pin says.
    #[error("source {name} in {folder}: {reason}")]
    Source {
        /// Name of the source.
        name: String,
        /// Where it was laid.
        folder: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A component is not locked.
    #[error("component {name} is not in tier6/lock.yaml")]
    Unlocked {
        /// Its name.
        name: String,
    },
    /// A component is, or renders to, something else than was locked.
    #[error("component {name} is not what tier6/lock.yaml says:{}", list(.differences))]
    Drift {
        /// Its name.
        name: String,
        /// Objects and fields; none where its files differ and its objects do not.
        differences: Vec<Difference>,
    },
    /// Pods ask for more than they may.
    #[error("{name} asks for {asked}; it may ask for {budget}")]
    OverBudget {
        /// Whose pods.
        name: String,
        /// What they ask for.
        asked: Requests,
        /// What they may ask for.
        budget: Requests,
    },
    /// A program of others is missing, too old, or failed.
    #[error("{program}: {reason}")]
    Tool {
        /// Its name.
        program: String,
        /// What happened, and how to get it where it is missing.
        reason: String,
    },
    /// The cluster's API server refused, or did not answer.
    #[error("{object}: {reason}")]
    Kubernetes {
        /// What was asked for.
        object: String,
        /// What it said.
        reason: String,
    },
    /// An object of this name is there, and was not installed from here.
    #[error("{object} is there already and is not ours: nothing of it was touched")]
    Foreign {
        /// Which one.
        object: String,
    },
    /// An object of a component does not become ready.
    #[error("component {component}: {object} is not ready after {seconds} s: {seen}\n{diagnosis}")]
    NotReady {
        /// Whose.
        component: String,
        /// Which one.
        object: String,
        /// How long was waited.
        seconds: u64,
        /// What was last seen of it.
        seen: String,
        /// Its pods, events and last log lines; lines.
        diagnosis: String,
    },
    /// The cluster lacks what an installation needs; all of it.
    #[error("context {context} cannot take the rung:{}", lines(.missing))]
    Unfit {
        /// Its context.
        context: String,
        /// Rights, versions, room.
        missing: Vec<String>,
    },
    /// The state folder has another rung.
    #[error("{folder} has a rung already: {rung}")]
    OtherRung {
        /// The state folder.
        folder: PathBuf,
        /// Which rung.
        rung: String,
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

    pub(crate) fn kubernetes(object: impl Into<String>) -> impl Fn(kube::Error) -> Self {
        let object = object.into();
        move |error| Self::Kubernetes {
            object: object.clone(),
            reason: match error {
                kube::Error::Api(status) => status.message.clone(),
                other => chain(&other),
            },
        }
    }
}

/// An error with what it is due to: the outer ones of a client say only what was attempted.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(&format!(": {more}"));
        }
        next = cause.source();
    }
    text
}

fn lines(all: &[String]) -> String {
    all.iter().map(|one| format!("\n  {one}")).collect()
}

/// The first differences, a line each.
fn list(differences: &[Difference]) -> String {
    const SHOWN: usize = 12;
    if differences.is_empty() {
        return " its files changed, its objects did not".into();
    }
    let mut text: String = differences
        .iter()
        .take(SHOWN)
        .map(|difference| format!("\n  {difference}"))
        .collect();
    if differences.len() > SHOWN {
        text.push_str(&format!("\n  … and {} more", differences.len() - SHOWN));
    }
    text
}
