//! Tasks and their attempts, read.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row};

use super::Store;
use super::row::{Json, optional_parsed, optional_time, parsed, state, time};
use crate::bind::Bound;
use crate::error::EngineError;
use crate::layout;
use crate::model::{Attempt, RunId, TaskId, TaskRecord};

fn read(row: &Row<'_>) -> rusqlite::Result<TaskRecord> {
    let inputs = row
        .get::<_, Option<Json<Bound>>>("inputs")?
        .map(|json| json.0)
        .unwrap_or_default();
    let outputs = row
        .get::<_, Option<Json<Bound>>>("outputs")?
        .map(|json| json.0)
        .unwrap_or_default();
    Ok(TaskRecord {
        id: parsed(row, "id")?,
        run: parsed(row, "run_id")?,
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        scope_path: row.get("scope_path")?,
        kind: state(row, "kind")?,
        parent: optional_parsed(row, "parent_id")?,
        children: Vec::new(),
        waited_for: row.get::<_, Json<_>>("waited_for")?.0,
        iteration: row.get("iteration")?,
        state: state(row, "state")?,
        history: row.get::<_, Json<_>>("history")?.0,
        created_at: time(row, "created_at")?,
        started_at: optional_time(row, "started_at")?,
        finished_at: optional_time(row, "finished_at")?,
        input_parameters: inputs.parameters,
        input_artifacts: inputs.artifacts,
        output_parameters: outputs.parameters,
        output_artifacts: outputs.artifacts,
        cache_fingerprint: row.get("fingerprint")?,
        cached_from: optional_parsed(row, "cached_from")?,
        message: row.get("message")?,
        attempts: Vec::new(),
    })
}

fn read_attempt(row: &Row<'_>, folder: &Path) -> rusqlite::Result<Attempt> {
    let number = row.get("number")?;
    Ok(Attempt {
        number,
        state: state(row, "state")?,
        started_at: time(row, "started_at")?,
        finished_at: optional_time(row, "finished_at")?,
        message: row.get("message")?,
        launcher: row.get::<_, Option<Json<_>>>("launcher")?.map(|json| json.0),
        log: layout::log(&folder.join(number.to_string())),
    })
}

/// Every task of a run in the order they were made, with children and attempts.
pub(crate) fn of_run(
    connection: &Connection,
    run: RunId,
    folder: &Path,
) -> Result<Vec<TaskRecord>, EngineError> {
    let mut statement =
        connection.prepare_cached("SELECT * FROM tasks WHERE run_id = ?1 ORDER BY position")?;
    let mut tasks: Vec<TaskRecord> = statement
        .query_map([run.to_string()], read)?
        .collect::<Result<_, _>>()?;
    let places: HashMap<TaskId, usize> = tasks
        .iter()
        .enumerate()
        .map(|(nth, task)| (task.id, nth))
        .collect();
    for nth in 0..tasks.len() {
        if let Some(parent) = tasks[nth].parent.and_then(|parent| places.get(&parent).copied()) {
            let id = tasks[nth].id;
            tasks[parent].children.push(id);
        }
    }
    let mut statement = connection.prepare_cached(
        "SELECT attempts.* FROM attempts JOIN tasks ON tasks.id = attempts.task_id WHERE tasks.run_id = ?1 \
         ORDER BY task_id, number",
    )?;
    let mut rows = statement.query([run.to_string()])?;
    while let Some(row) = rows.next()? {
        let task: TaskId = parsed(row, "task_id")?;
        if let Some(&place) = places.get(&task) {
            let attempt = read_attempt(row, &layout::task(folder, run, task))?;
            tasks[place].attempts.push(attempt);
        }
    }
    Ok(tasks)
}

impl Store {
    /// Every task of a run in the order they were made.
    pub(crate) async fn tasks(&self, run: RunId, folder: &Path) -> Result<Vec<TaskRecord>, EngineError> {
        let folder = folder.to_owned();
        self.read(move |connection| {
            let known = connection
                .prepare_cached("SELECT 1 FROM runs WHERE id = ?1")?
                .query_row([run.to_string()], |_| Ok(()))
                .optional()?;
            known.ok_or_else(|| EngineError::not_found("run", run.to_string()))?;
            of_run(connection, run, &folder)
        })
        .await
    }

    /// One task, without its children.
    pub(crate) async fn task(&self, id: TaskId, folder: &Path) -> Result<TaskRecord, EngineError> {
        let folder = folder.to_owned();
        self.read(move |connection| {
            let mut task = connection
                .prepare_cached("SELECT * FROM tasks WHERE id = ?1")?
                .query_row([id.to_string()], read)
                .optional()?
                .ok_or_else(|| EngineError::not_found("task", id.to_string()))?;
            let folder = layout::task(&folder, task.run, id);
            let mut statement =
                connection.prepare_cached("SELECT * FROM attempts WHERE task_id = ?1 ORDER BY number")?;
            let attempts = statement.query_map([id.to_string()], |row| read_attempt(row, &folder))?;
            task.attempts = attempts.collect::<Result<_, _>>()?;
            Ok(task)
        })
        .await
    }
}
