//! The objects, their versions and the log of their changes, in one SQLite file.
//!
//! One thread writes; a commit is on the disk (WAL, `synchronous=FULL`) before anyone is told of it, so a process that
//! is killed at any instant loses nothing that it acknowledged. Requests that wait together share a commit.

mod log;
mod readers;
mod rows;
mod snapshot;
mod tables;
mod transaction;
mod writer;

pub use log::{Change, ChangeKind};
pub(crate) use log::{Page, read_page};
pub(crate) use snapshot::{Snapshot, read_snapshot};
pub(crate) use transaction::{Place, Transaction, dependents_in_doubt, waiting_owners};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::watch;

use crate::kinds;
use crate::object::Object;
use readers::Readers;
use writer::Writer;

/// How the store fails.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be opened or made, or is no store.
    #[error("cannot open the store {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// The file was written by a later build.
    #[error("the store {} has layout {found}, and this build knows up to {known}: start the later build", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The latest layout that this build knows.
        known: i64,
    },
    /// A statement failed: the disk is full, say. Nothing of the request was kept.
    #[error("the store failed: {source}")]
    Database {
        /// What SQLite said.
        source: Arc<rusqlite::Error>,
    },
    /// A row does not hold what was written: the file was changed by somebody else.
    #[error("the store holds an unreadable object: {0}")]
    Unreadable(String),
    /// A version was asked for that the log no longer reaches, or does not reach yet.
    #[error("too old resource version: {asked} ({oldest})")]
    Expired {
        /// The version that was asked for.
        asked: i64,
        /// The oldest version that the log still reaches.
        oldest: i64,
    },
    /// No kind of this name is served.
    #[error("{0} is not served here")]
    UnknownResource(String),
    /// The store has been closed, or its writer has failed.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Database {
            source: Arc::new(source),
        }
    }
}

/// Whether a write is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It is.
    Yes,
    /// It is not: only its answer is wanted.
    DryRun,
}

/// A handle on the store; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Arc<Writer>,
    readers: Arc<Readers>,
    head: watch::Receiver<i64>,
}

impl Store {
    /// Opens the store in this file, or makes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] and [`StoreError::Newer`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = tables::open(path)?;
        let revision = rows::revision(&connection)?.current;
        let (head, watched) = watch::channel(revision);
        let writer = Writer::start(connection, head);
        Ok(Self {
            writer: Arc::new(writer),
            readers: Arc::new(Readers::new(path)),
            head: watched,
        })
    }

    /// One object, by the name that `kubectl` has for its kind (`configmaps`, `experiments.kubeflow.org`).
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownResource`], [`StoreError::Database`], [`StoreError::Unreadable`].
    pub async fn get(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, StoreError> {
        let resource = known(resource)?;
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.read(move |connection| rows::get(connection, resource, &namespace, &name))
            .await
    }

    /// Every object of a kind, of one namespace or of all, by namespace and name.
    ///
    /// # Errors
    ///
    /// As [`Store::get`].
    pub async fn list(&self, resource: &str, namespace: Option<&str>) -> Result<Vec<Object>, StoreError> {
        let resource = known(resource)?;
        let namespace = namespace.map(str::to_owned);
        Ok(self
            .read(move |connection| read_snapshot(connection, resource, namespace.as_deref(), None))
            .await?
            .items)
    }

    /// Every change of a kind that is committed after this call, in order, each once. It ends with
    /// [`StoreError::Expired`] when the reader falls so far behind that the log no longer reaches it, and when the
    /// store is closed.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownResource`].
    pub fn watch(
        &self,
        resource: &str,
    ) -> Result<impl futures::Stream<Item = Result<Change, StoreError>> + Send + use<>, StoreError> {
        let resource = known(resource)?;
        let store = self.clone();
        let from = *self.head.borrow();
        Ok(log::follow(store, resource, from))
    }

    /// Runs a piece of work alone with the store. What it writes is kept when it succeeds and `keep` says so.
    pub(crate) async fn write<T, E>(
        &self,
        keep: Keep,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.run(keep, work).await
    }

    /// Runs a piece of reading on one state of the store.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.readers.clone();
        tokio::task::spawn_blocking(move || readers.run(work))
            .await
            .map_err(|_| StoreError::Closed)?
    }

    /// The version of the last commit, to wait on.
    pub(crate) fn head(&self) -> watch::Receiver<i64> {
        self.head.clone()
    }
}

fn known(resource: &str) -> Result<&'static str, StoreError> {
    match kinds::stored_as(resource) {
        Some(kind) => Ok(&kind.stored_as),
        None => Err(StoreError::UnknownResource(resource.to_owned())),
    }
}
