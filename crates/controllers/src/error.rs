//! What can go wrong.

use std::path::{Path, PathBuf};

use crate::http_route::RouteError;
use crate::inference_service::ServeError;

/// Why the controllers cannot begin. What goes wrong with one object is told in its status and Events.
#[derive(Debug, thiserror::Error)]
pub enum ControllersError {
    /// A folder or file of theirs cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The record of what is served cannot be read.
    #[error("what was served before: {0}")]
    Serving(String),
    /// The HTTP client that asks servers and Ray cannot be made.
    #[error("HTTP client: {0}")]
    Http(#[from] reqwest::Error),
}

/// Why an object could not be reconciled this time; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error("Kubernetes API: {0}")]
    Kube(#[from] kube::Error),
    #[error("finalizer: {0}")]
    Finalizer(String),
    #[error(transparent)]
    Process(#[from] processes::ProcessError),
    #[error(transparent)]
    Record(#[from] crate::experiment::RecordError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
}

impl ReconcileError {
    pub(crate) fn from_finalizer(error: kube::runtime::finalizer::Error<Self>) -> Self {
        use kube::runtime::finalizer::Error;
        match error {
            Error::ApplyFailed(error) | Error::CleanupFailed(error) => error,
            Error::AddFinalizer(error) | Error::RemoveFinalizer(error) => Self::Kube(error),
            error @ (Error::UnnamedObject | Error::InvalidFinalizer) => Self::Finalizer(error.to_string()),
        }
    }

    pub(crate) fn file(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { path, source }
    }

    /// Somebody else wrote the object meanwhile: the next look has their version.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Kube(kube::Error::Api(status)) if status.code == 409)
    }
}
