//! What was decided about the cache, read.

use rusqlite::{Connection, OptionalExtension};

use super::row::from_json;
use crate::bind::Bound;
use crate::cache::CacheKey;
use crate::decide::Outputs;
use crate::error::EngineError;
use crate::model::{CacheDecision, Difference, RunId, TaskId};

/// What was decided about a task.
pub(crate) struct Decided {
    pub(crate) sequence: i64,
    pub(crate) pipeline: String,
    pub(crate) step: String,
    pub(crate) fingerprint: String,
    pub(crate) decision: CacheDecision,
    pub(crate) reason: String,
    pub(crate) key: CacheKey,
}

/// What was last decided about a task.
pub(crate) fn decided(connection: &Connection, task: TaskId) -> Result<Option<Decided>, EngineError> {
    let found = connection
        .prepare_cached(
            "SELECT sequence, pipeline, step, fingerprint, decision, reason, \
             (SELECT key FROM cache_keys WHERE cache_keys.fingerprint = cache_decisions.fingerprint) \
             FROM cache_decisions WHERE task_id = ?1 ORDER BY sequence DESC LIMIT 1",
        )?
        .query_row([task.to_string()], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get::<_, String>(4)?,
                row.get(5)?,
                row.get::<_, String>(6)?,
            ))
        })
        .optional()?;
    let Some((sequence, pipeline, step, fingerprint, decision, reason, key)) = found else {
        return Ok(None);
    };
    Ok(Some(Decided {
        sequence,
        pipeline,
        step,
        fingerprint,
        decision: from_json(&decision, "a cache decision")?,
        reason,
        key: parsed(&key)?,
    }))
}

fn parsed(key: &str) -> Result<CacheKey, EngineError> {
    serde_json::from_str(key).map_err(|source| EngineError::Corrupt {
        what: "a cache key",
        source,
    })
}

/// The run with the nearest key of the same step, and how the key differs from it: the fewest fields, and of equals
/// the latest. `before` leaves out what was decided since.
pub(crate) fn nearest(
    connection: &Connection,
    pipeline: &str,
    step: &str,
    key: &CacheKey,
    before: i64,
) -> Result<Option<(RunId, Vec<Difference>)>, EngineError> {
    /// Keys of a step differ in few ways from one run to the next; who looks further back looks for something else.
    const LOOKED_AT: u32 = 50;
    let mut statement = connection.prepare_cached(
        "SELECT run_id, key FROM cache_decisions JOIN cache_keys USING (fingerprint) \
         WHERE pipeline = ?1 AND step = ?2 AND sequence < ?3 ORDER BY sequence DESC LIMIT ?4",
    )?;
    let mut rows = statement.query((pipeline, step, before, LOOKED_AT))?;
    let mut nearest: Option<(RunId, Vec<Difference>)> = None;
    while let Some(row) = rows.next()? {
        let differences = key.differences(&parsed(&row.get::<_, String>(1)?)?);
        if nearest
            .as_ref()
            .is_none_or(|(_, fewest)| differences.len() < fewest.len())
        {
            nearest = Some((super::row::parsed(row, "run_id")?, differences));
        }
    }
    Ok(nearest)
}

/// The outputs of the latest task of that key that succeeded, whether it may be cached or not, and its run.
pub(crate) fn last_outputs(
    connection: &Connection,
    fingerprint: &str,
) -> Result<Option<(RunId, Outputs)>, EngineError> {
    let found = connection
        .prepare_cached(
            "SELECT tasks.outputs, tasks.run_id FROM cache_decisions JOIN tasks ON tasks.id = task_id \
             WHERE cache_decisions.fingerprint = ?1 AND tasks.state = 'SUCCEEDED' AND tasks.outputs IS NOT NULL \
             ORDER BY sequence DESC LIMIT 1",
        )?
        .query_row([fingerprint], |row| {
            Ok((row.get::<_, String>(0)?, super::row::parsed::<RunId>(row, "run_id")?))
        })
        .optional()?;
    let Some((outputs, run)) = found else {
        return Ok(None);
    };
    let bound: Bound = serde_json::from_str(&outputs).map_err(|source| EngineError::Corrupt {
        what: "outputs of a task",
        source,
    })?;
    Ok(Some((run, Outputs::from(bound))))
}
