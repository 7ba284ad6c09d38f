//! What the tuner leaves on disk: a record a trial, and the verdict. It alone writes them (`python/tuner/records.py`,
//! `python/tuner/verdict.py`).

use std::path::Path;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use resources::experiment::{Metric, ParameterAssignment};
use serde::Deserialize;

/// One trial.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) index: u32,
    pub(crate) state: State,
    pub(crate) assignments: Vec<ParameterAssignment>,
    pub(crate) observation: Vec<Metric>,
    /// The objective as one number, by its strategy; only a succeeded trial has one.
    pub(crate) objective: Option<f64>,
    pub(crate) message: String,
}

/// Where a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum State {
    Pending,
    Running,
    Succeeded,
    Failed,
    MetricsUnavailable,
    Killed,
}

impl State {
    /// Whether the tuner still has to do something about it.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// How the experiment ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Verdict {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) time: Time,
}

/// The condition that a verdict sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Kind {
    Succeeded,
    Failed,
}

/// Why the records cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path}: {source}")]
    Malformed { path: String, source: serde_json::Error },
}

/// All trials in order of their creation; none where nothing ran yet.
pub(crate) fn trials(directory: &Path) -> Result<Vec<Record>, RecordError> {
    let folder = directory.join("trials");
    let file = |source| RecordError::File {
        path: folder.display().to_string(),
        source,
    };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(file(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(file)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|extension| extension == "json") {
            found.extend(read::<Record>(&path)?);
        }
    }
    found.sort_by_key(|record| record.index);
    Ok(found)
}

/// The verdict; `None` where there is none yet.
pub(crate) fn verdict(directory: &Path) -> Result<Option<Verdict>, RecordError> {
    read(&directory.join("verdict.json"))
}

/// `None` where the file is not there.
fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, RecordError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| RecordError::Malformed {
                path: path.display().to_string(),
                source,
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RecordError::File {
            path: path.display().to_string(),
            source,
        }),
    }
}
