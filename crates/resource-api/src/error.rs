//! How the server fails to start or to serve. What a client is told is another matter: a Status.

use std::path::PathBuf;

use crate::store::StoreError;

/// How the server fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder could not be made, or not be shut to others.
    #[error("cannot make the folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Certificates or token could not be made or read.
    #[error("cannot use the certificates in {}: {why}", folder.display())]
    Identity {
        /// Their folder.
        folder: PathBuf,
        /// Which file, and why.
        why: String,
    },
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kubeconfig could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The listener failed.
    #[error("the resource API cannot listen: {0}")]
    Listen(std::io::Error),
}
