//! The tables.

use std::path::Path;

use rusqlite::Connection;

use crate::error::EngineError;

/// Version of the tables below, kept as SQLite's `user_version`. A change adds a step to [`STEPS`].
const STEPS: &[&str] = &[TABLES, RECURRING_RUNS, RERUNS, LAUNCHERS];

/// Times are microseconds since the Unix epoch; ids are UUIDs as text; columns named after a list or an object are JSON.
const TABLES: &str = "
CREATE TABLE packages (
    digest TEXT PRIMARY KEY,
    text   TEXT NOT NULL
) STRICT;
CREATE TABLE pipelines (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    description  TEXT NOT NULL,
    tags         TEXT NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE TABLE versions (
    id              TEXT PRIMARY KEY,
    pipeline_id     TEXT NOT NULL REFERENCES pipelines(id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    display_name    TEXT NOT NULL,
    description     TEXT NOT NULL,
    tags            TEXT NOT NULL,
    code_source_url TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    package         TEXT NOT NULL REFERENCES packages(digest),
    UNIQUE (pipeline_id, name)
) STRICT;
CREATE INDEX versions_by_age ON versions (pipeline_id, created_at, id);
CREATE TABLE experiments (
    id                  TEXT PRIMARY KEY,
    display_name        TEXT NOT NULL UNIQUE,
    description         TEXT NOT NULL,
    created_at          INTEGER NOT NULL,
    last_run_created_at INTEGER,
    storage_state       TEXT NOT NULL
) STRICT;
CREATE TABLE runs (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    display_name    TEXT NOT NULL,
    description     TEXT NOT NULL,
    pipeline_name   TEXT NOT NULL,
    pipeline_id     TEXT,
    version_id      TEXT,
    package         TEXT NOT NULL REFERENCES packages(digest),
    experiment_id   TEXT NOT NULL REFERENCES experiments(id),
    parameters      TEXT NOT NULL,
    pipeline_root   TEXT,
    service_account TEXT NOT NULL,
    storage_state   TEXT NOT NULL,
    state           TEXT NOT NULL,
    history         TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    scheduled_at    INTEGER NOT NULL,
    finished_at     INTEGER,
    error           TEXT,
    notices         TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_age ON runs (created_at, id);
CREATE INDEX runs_by_experiment ON runs (experiment_id, created_at, id);
CREATE INDEX runs_unfinished ON runs (state) WHERE state IN ('PENDING', 'RUNNING', 'CANCELING');
CREATE TABLE tasks (
    id                TEXT PRIMARY KEY,
    run_id            TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
    position          INTEGER NOT NULL,
    parent_id         TEXT,
    name              TEXT NOT NULL,
    display_name      TEXT NOT NULL,
    scope_path        TEXT NOT NULL,
    kind              TEXT NOT NULL,
    waited_for        TEXT NOT NULL,
    iteration         INTEGER,
    state             TEXT NOT NULL,
    history           TEXT NOT NULL,
    created_at        INTEGER NOT NULL,
    started_at        INTEGER,
    finished_at       INTEGER,
    inputs            TEXT,
    outputs           TEXT,
    fingerprint       TEXT,
    cached_from       TEXT,
    message           TEXT,
    UNIQUE (run_id, position)
) STRICT;
CREATE TABLE attempts (
    task_id     TEXT NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    state       TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    message     TEXT,
    PRIMARY KEY (task_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE artifacts (
    id          TEXT PRIMARY KEY,
    run_id      TEXT NOT NULL,
    task_id     TEXT NOT NULL,
    uri         TEXT NOT NULL,
    digest      TEXT,
    record      TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX artifacts_by_digest ON artifacts (digest);
CREATE TABLE cache_keys (
    fingerprint TEXT PRIMARY KEY,
    key         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE cache_entries (
    fingerprint TEXT NOT NULL,
    task_id     TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    outputs     TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (fingerprint, created_at, task_id)
) STRICT, WITHOUT ROWID;
-- What was decided about the cache for each task that came to it, hits and misses alike.
CREATE TABLE cache_decisions (
    sequence    INTEGER PRIMARY KEY,
    task_id     TEXT NOT NULL REFERENCES tasks(id) ON DELETE CASCADE,
    run_id      TEXT NOT NULL,
    pipeline    TEXT NOT NULL,
    step        TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    decision    TEXT NOT NULL,
    reason      TEXT NOT NULL
) STRICT;
CREATE INDEX cache_decisions_by_step ON cache_decisions (pipeline, step, sequence);
CREATE INDEX cache_decisions_by_task ON cache_decisions (task_id, sequence);
CREATE INDEX cache_decisions_by_key ON cache_decisions (fingerprint, sequence);
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    run_id   TEXT NOT NULL,
    body     TEXT NOT NULL
) STRICT;
";

/// `package` is that of a version that was named, or given with the recurring run; without one `pipeline_id` says whose
/// newest version to run.
const RECURRING_RUNS: &str = "
CREATE TABLE recurring_runs (
    id                TEXT PRIMARY KEY,
    display_name      TEXT NOT NULL,
    description       TEXT NOT NULL,
    experiment_id     TEXT NOT NULL REFERENCES experiments(id),
    pipeline_id       TEXT,
    version_id        TEXT,
    package           TEXT REFERENCES packages(digest),
    parameters        TEXT NOT NULL,
    pipeline_root     TEXT,
    service_account   TEXT NOT NULL,
    max_concurrency   INTEGER NOT NULL,
    catch_up          TEXT NOT NULL,
    trigger           TEXT NOT NULL,
    enabled           INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    last_scheduled_at INTEGER,
    failure           TEXT
) STRICT;
CREATE INDEX recurring_runs_by_age ON recurring_runs (created_at, id);
ALTER TABLE runs ADD COLUMN recurring_run_id TEXT;
CREATE INDEX runs_by_recurring_run ON runs (recurring_run_id, state) WHERE recurring_run_id IS NOT NULL;
";

/// `rerun` is a [`crate::model::Rerun`].
const RERUNS: &str = "ALTER TABLE runs ADD COLUMN rerun TEXT;";

/// `launcher` is a [`processes::Launcher`].
const LAUNCHERS: &str = "ALTER TABLE attempts ADD COLUMN launcher TEXT;";

/// Sets a connection up and brings the tables up to date.
pub(crate) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), EngineError> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on the disk when it returns.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = i64::try_from(STEPS.len()).expect("invariant: a handful of steps");
    let done = usize::try_from(found).ok().filter(|_| found <= known);
    let Some(done) = done else {
        return Err(EngineError::Schema {
            path: path.to_owned(),
            found,
            known,
        });
    };
    let transaction = connection.transaction()?;
    for step in &STEPS[done..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_a_newer_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.db");
        let mut connection = Connection::open(&path).unwrap();
        prepare(&mut connection, &path).unwrap();
        prepare(&mut connection, &path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = prepare(&mut connection, &path).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{}: schema 99, this version knows 4; run the newer version",
                path.display()
            )
        );
    }
}
