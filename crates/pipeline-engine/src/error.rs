//! Why the engine refuses or fails.

use std::path::PathBuf;

use pipeline_spec::{ParameterError, SpecError};

/// Why the engine refuses or fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// There is nothing of that id or name.
    #[error("there is no {kind} `{name}`")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// Its id or name.
        name: String,
    },
    /// Something of that name is there already.
    #[error("{kind} `{name}` exists already")]
    AlreadyExists {
        /// What was to be made.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The package cannot be read.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The package asks for something that is not done on one machine: a line a field.
    #[error("{}", .0.join("\n"))]
    Unsupported(Vec<String>),
    /// A parameter of the run is wrong.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// What is asked for does not fit the state things are in.
    #[error("{0}")]
    Precondition(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The database refuses.
    #[error("database: {0}")]
    Store(#[from] rusqlite::Error),
    /// A row holds what this version does not write.
    #[error("database: {what}: {source}")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The database was written by a newer version.
    #[error("{path}: schema {found}, this version knows {known}; run the newer version")]
    Schema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// A file or folder cannot be made, read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The engine has been closed.
    #[error("the engine has been closed")]
    Closed,
}

impl EngineError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn not_found(kind: &'static str, name: impl Into<String>) -> Self {
        Self::NotFound {
            kind,
            name: name.into(),
        }
    }
}
