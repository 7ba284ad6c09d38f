//! The engine's rows, in SQLite: what is not here has not happened.
//!
//! One thread writes; transitions that are ready together share a commit. Reads go through connections of their own.

pub(crate) mod cache;
mod entries;
mod experiments;
mod journal;
mod list;
mod packages;
mod pipelines;
mod read;
pub(crate) mod recurring;
mod row;
mod runs;
mod schema;
mod tasks;
mod write;

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use crate::config::AtInstant;
use crate::error::EngineError;

#[cfg(test)]
pub(crate) use journal::apply;
#[cfg(test)]
pub(crate) use {
    experiments::insert as insert_experiment, runs::insert as insert_run, runs::with_package,
    schema::prepare, tasks::of_run,
};

/// The database of an engine. A clone is the same database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    writer: write::Writer,
    readers: Arc<read::Readers>,
}

impl Store {
    /// Opens the database of that path, made or brought up to date where need be.
    pub(crate) fn open(path: &Path, at_instant: Option<AtInstant>) -> Result<Self, EngineError> {
        let mut connection = Connection::open(path)?;
        schema::prepare(&mut connection, path)?;
        Ok(Self {
            writer: write::Writer::start(connection, at_instant)?,
            readers: Arc::new(read::Readers::of(path)),
        })
    }

    /// Runs `work` in the next commit, and returns once that is durable. Where `work` fails nothing of it stays.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, EngineError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, EngineError> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// Runs `work` on a reading connection, on a thread that may block.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, EngineError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, EngineError> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        match tokio::task::spawn_blocking(move || readers.with(work)).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(EngineError::Closed),
            },
        }
    }

    /// Ends the writer once all that was asked of it is durable.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
    }
}
