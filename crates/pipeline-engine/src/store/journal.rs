//! What was decided, made durable: the rows of decisions, in order.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use processes::Launcher;
use rusqlite::{Connection, params};

use super::row::{Json, micros, to_json};
use super::{Store, runs, tasks};
use crate::bind::Bound;
use crate::decide::{CacheDecided, Outputs, Row, TaskChange, TaskMade};
use crate::error::EngineError;
use crate::events::Event;
use crate::model::{
    ArtifactRecord, AttemptState, BoundArtifact, BoundParameter, Origin, RunId, RunRecord, RunState,
    RunTransition, TaskId, TaskRecord, TaskState, TaskTransition,
};

/// Writes the rows of decisions, in order, and the events that tell of them.
pub(crate) fn apply(connection: &Connection, rows: &[Row], events: &[Event]) -> Result<(), EngineError> {
    for row in rows {
        match row {
            Row::Run {
                run,
                state,
                at,
                error,
            } => change_run(connection, *run, *state, *at, error.as_deref())?,
            Row::Made(made) => make_task(connection, made)?,
            Row::Task(change) => change_task(connection, change)?,
            Row::AttemptStarted { task, number, at } => start_attempt(connection, *task, *number, *at)?,
            Row::AttemptEnded {
                task,
                number,
                state,
                at,
                message,
                launcher,
            } => {
                let told = (message.as_deref(), launcher.as_ref());
                end_attempt(connection, *task, *number, *state, *at, told)?;
            }
            Row::CacheDecided(decided) => decide_cache(connection, decided)?,
            Row::CacheEntry {
                fingerprint,
                run,
                task,
                outputs,
                at,
            } => {
                connection
                    .prepare_cached(
                        "INSERT INTO cache_entries (fingerprint, task_id, run_id, outputs, created_at) \
                         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![
                        fingerprint,
                        task.to_string(),
                        run.to_string(),
                        Json(bound(outputs)),
                        micros(*at)
                    ])?;
            }
        }
    }
    for event in events {
        connection
            .prepare_cached("INSERT INTO events (sequence, at, run_id, body) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                i64::try_from(event.sequence).unwrap_or(i64::MAX),
                micros(event.at),
                event.run.to_string(),
                Json(&event.what),
            ])?;
    }
    Ok(())
}

fn change_run(
    connection: &Connection,
    run: RunId,
    state: RunState,
    at: Timestamp,
    error: Option<&str>,
) -> Result<(), EngineError> {
    connection
        .prepare_cached(
            "UPDATE runs SET state = ?2, history = json_insert(history, '$[#]', json(?3)), finished_at = ?4, \
             error = ?5 WHERE id = ?1",
        )?
        .execute(params![
            run.to_string(),
            to_json(&state),
            Json(RunTransition { state, at }),
            state.is_final().then(|| micros(at)),
            error,
        ])?;
    Ok(())
}

fn make_task(connection: &Connection, made: &TaskMade) -> Result<(), EngineError> {
    let first = [TaskTransition {
        state: TaskState::Pending,
        at: made.at,
    }];
    connection
        .prepare_cached(
            "INSERT INTO tasks (id, run_id, position, parent_id, name, display_name, scope_path, kind, waited_for, \
             iteration, state, history, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            made.id.to_string(),
            made.run.to_string(),
            i64::try_from(made.position).unwrap_or(i64::MAX),
            made.parent.map(|parent| parent.to_string()),
            made.name,
            made.display_name,
            &*made.scope_path,
            to_json(&made.kind),
            Json(&made.waited_for),
            made.iteration,
            to_json(&TaskState::Pending),
            Json(first),
            micros(made.at),
        ])?;
    Ok(())
}

fn change_task(connection: &Connection, change: &TaskChange) -> Result<(), EngineError> {
    let state = change.phase.shown();
    let outputs = change.outputs.as_deref().filter(|_| state.is_success());
    connection
        .prepare_cached(
            "UPDATE tasks SET state = ?2, history = json_insert(history, '$[#]', json(?3)), \
             started_at = COALESCE(started_at, ?4), finished_at = ?5, message = ?6, inputs = COALESCE(?7, inputs), \
             outputs = ?8, fingerprint = COALESCE(?9, fingerprint), cached_from = ?10 WHERE id = ?1",
        )?
        .execute(params![
            change.id.to_string(),
            to_json(&state),
            Json(TaskTransition { state, at: change.at }),
            (state == TaskState::Running).then(|| micros(change.at)),
            state.is_final().then(|| micros(change.at)),
            change.message,
            change.inputs.as_deref().map(Json),
            outputs.map(bound).map(Json),
            change.fingerprint,
            change.cached_from.map(|run| run.to_string()),
        ])?;
    if state == TaskState::Succeeded && change.attempt.is_some() {
        for artifact in outputs
            .iter()
            .flat_map(|outputs| outputs.artifacts.values())
            .flatten()
        {
            keep_artifact(connection, change, artifact)?;
        }
    }
    Ok(())
}

fn keep_artifact(
    connection: &Connection,
    change: &TaskChange,
    artifact: &ArtifactRecord,
) -> Result<(), EngineError> {
    connection
        .prepare_cached(
            "INSERT INTO artifacts (id, run_id, task_id, uri, digest, record, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO UPDATE SET run_id = excluded.run_id, \
             task_id = excluded.task_id, digest = excluded.digest, record = excluded.record, \
             created_at = excluded.created_at",
        )?
        .execute(params![
            artifact.id.to_string(),
            change.run.to_string(),
            change.id.to_string(),
            artifact.uri,
            artifact.digest,
            Json(artifact),
            micros(change.at),
        ])?;
    Ok(())
}

fn start_attempt(
    connection: &Connection,
    task: TaskId,
    number: u32,
    at: Timestamp,
) -> Result<(), EngineError> {
    connection
        .prepare_cached("INSERT INTO attempts (task_id, number, state, started_at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            task.to_string(),
            number,
            to_json(&AttemptState::Running),
            micros(at)
        ])?;
    Ok(())
}

fn end_attempt(
    connection: &Connection,
    task: TaskId,
    number: u32,
    state: AttemptState,
    at: Timestamp,
    (message, launcher): (Option<&str>, Option<&Launcher>),
) -> Result<(), EngineError> {
    connection
        .prepare_cached(
            "UPDATE attempts SET state = ?3, finished_at = ?4, message = ?5, launcher = ?6 \
             WHERE task_id = ?1 AND number = ?2",
        )?
        .execute(params![
            task.to_string(),
            number,
            to_json(&state),
            micros(at),
            message,
            launcher.map(Json)
        ])?;
    Ok(())
}

fn decide_cache(connection: &Connection, decided: &CacheDecided) -> Result<(), EngineError> {
    connection
        .prepare_cached("INSERT INTO cache_keys (fingerprint, key) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![
            decided.key.fingerprint,
            decided.key.key.to_json().to_string()
        ])?;
    connection
        .prepare_cached(
            "INSERT INTO cache_decisions (task_id, run_id, pipeline, step, fingerprint, decision, reason) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            decided.task.to_string(),
            decided.run.to_string(),
            decided.pipeline,
            decided.step,
            decided.key.fingerprint,
            to_json(&decided.decision),
            decided.reason,
        ])?;
    Ok(())
}

/// Outputs as a column holds them.
fn bound(outputs: &Outputs) -> Bound {
    Bound {
        parameters: outputs
            .parameters
            .iter()
            .map(|(name, value)| BoundParameter {
                name: name.clone(),
                value: value.clone(),
                origin: Origin::Output,
            })
            .collect(),
        artifacts: outputs
            .artifacts
            .iter()
            .map(|(name, artifacts)| BoundArtifact {
                name: name.clone(),
                artifacts: artifacts.clone(),
                origin: Origin::Output,
            })
            .collect(),
    }
}

impl Store {
    /// Makes decisions durable.
    pub(crate) async fn commit(&self, decided: Arc<(Vec<Row>, Vec<Event>)>) -> Result<(), EngineError> {
        self.write(move |connection| apply(connection, &decided.0, &decided.1))
            .await
    }

    /// The number of the latest event; 0 where there is none.
    pub(crate) async fn latest_event(&self) -> Result<u64, EngineError> {
        self.read(|connection| {
            let latest: i64 =
                connection.query_row("SELECT COALESCE(MAX(sequence), 0) FROM events", [], |row| {
                    row.get(0)
                })?;
            Ok(u64::try_from(latest).unwrap_or_default())
        })
        .await
    }

    /// A run with its package as text and all of its tasks, as one state of the database.
    pub(crate) async fn whole_run(
        &self,
        run: RunId,
    ) -> Result<(RunRecord, String, Vec<TaskRecord>), EngineError> {
        self.read(move |connection| {
            let (record, package) = runs::with_package(connection, run)?;
            // Where logs lie is of no interest to a machine.
            Ok((record, package, tasks::of_run(connection, run, Path::new(""))?))
        })
        .await
    }
}
