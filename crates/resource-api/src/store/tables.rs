//! The tables, and how a connection is set up.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::StoreError;

/// The layout that this build writes, kept in `user_version`.
const LAYOUT: i64 = 1;

/// An object's `resourceVersion` is its row's revision, so bodies are kept without it. A log entry keeps the state
/// before it: a selector may have matched then and not now, and a list that is read page by page goes back to the
/// state of its first page.
const TABLES: &str = "
    CREATE TABLE revision (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        current INTEGER NOT NULL,
        oldest INTEGER NOT NULL
    ) STRICT;
    INSERT INTO revision VALUES (1, 1, 1);

    CREATE TABLE objects (
        resource TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        uid TEXT NOT NULL UNIQUE,
        revision INTEGER NOT NULL,
        written INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (resource, namespace, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX objects_going ON objects (uid) WHERE body ->> '$.metadata.deletionTimestamp' IS NOT NULL;

    CREATE TABLE owners (
        owner TEXT NOT NULL,
        dependent TEXT NOT NULL,
        PRIMARY KEY (owner, dependent)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX owners_by_dependent ON owners (dependent);

    CREATE TABLE log (
        revision INTEGER PRIMARY KEY,
        resource TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        previous TEXT,
        previous_revision INTEGER
    ) STRICT;
    CREATE INDEX log_by_resource ON log (resource, revision);
";

/// Opens the file for the one writer, and makes the tables where there are none.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::Open {
        path: path.to_owned(),
        source: Arc::new(source),
    };
    let connection = connect(path).map_err(failed)?;
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed)?;
    match found {
        LAYOUT => {}
        0 => {
            // One transaction: a process that is killed here leaves tables and layout, or neither.
            let make = format!("BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {LAYOUT}; COMMIT;");
            connection.execute_batch(&make).map_err(failed)?;
        }
        found => {
            return Err(StoreError::Newer {
                path: path.to_owned(),
                found,
                known: LAYOUT,
            });
        }
    }
    Ok(connection)
}

/// A connection with the settings that durability and readers beside the writer need.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}
