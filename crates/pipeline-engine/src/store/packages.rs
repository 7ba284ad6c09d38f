//! Packages by the digest of their text: runs of one version share one.

use pipeline_spec::{Limits, Pipeline};
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use crate::error::EngineError;

/// Keeps a package and returns its digest.
pub(super) fn keep(connection: &Connection, text: &str) -> Result<String, EngineError> {
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    connection
        .prepare_cached("INSERT INTO packages (digest, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute((&digest, text))?;
    Ok(digest)
}

/// The text of a package.
pub(super) fn text(connection: &Connection, digest: &str) -> Result<String, EngineError> {
    connection
        .prepare_cached("SELECT text FROM packages WHERE digest = ?1")?
        .query_row([digest], |row| row.get(0))
        .optional()?
        .ok_or_else(|| EngineError::not_found("package", digest))
}

/// A package that is kept was once read without error; a later version that reads it otherwise says so.
pub(super) fn parsed(connection: &Connection, digest: &str) -> Result<Pipeline, EngineError> {
    Ok(Pipeline::parse(&text(connection, digest)?, &Limits::default())?)
}

/// Forgets packages that no version, no run and no recurring run is made of.
pub(super) fn sweep(connection: &Connection) -> Result<(), EngineError> {
    connection.execute(
        "DELETE FROM packages WHERE digest NOT IN (SELECT package FROM versions) \
         AND digest NOT IN (SELECT package FROM runs) \
         AND digest NOT IN (SELECT package FROM recurring_runs WHERE package IS NOT NULL)",
        [],
    )?;
    Ok(())
}
