//! Whether a result is there, and its bytes with it.

use rusqlite::{Connection, OptionalExtension};

use super::digest::unchanged;
use crate::bind::Bound;
use crate::decide::{Answer, Outputs};
use crate::error::EngineError;
use crate::model::RunId;

/// Looks a fingerprint up, newest entry first. An entry whose bytes are gone or altered is none.
pub(crate) fn look_up(connection: &Connection, fingerprint: &str) -> Result<Answer, EngineError> {
    /// Older entries of the same key have the same outputs: a few are enough to get around a spoilt one.
    const TRIED: u32 = 4;
    let mut statement = connection.prepare_cached(
        "SELECT outputs, run_id FROM cache_entries WHERE fingerprint = ?1 ORDER BY created_at DESC LIMIT ?2",
    )?;
    let mut rows = statement.query((fingerprint, TRIED))?;
    let mut reason = None;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        let run: String = row.get(1)?;
        let bound: Bound = serde_json::from_str(&text).map_err(|source| EngineError::Corrupt {
            what: "outputs of a cache entry",
            source,
        })?;
        let outputs = Outputs::from(bound);
        match (altered(&outputs), run.parse()) {
            (None, Ok(from)) => return Ok(Answer::Hit { outputs, from }),
            (None, Err(_)) => {}
            (Some(altered), _) => {
                reason.get_or_insert(altered);
            }
        }
    }
    let reason = reason.unwrap_or_else(|| "no task with the same key has succeeded yet".to_owned());
    Ok(Answer::Miss { reason })
}

/// What the task of that place gave in a run, if it ended well and its bytes are as they were.
pub(crate) fn recall(connection: &Connection, run: RunId, scope_path: &str) -> Result<Answer, EngineError> {
    let text: Option<Option<String>> = connection
        .prepare_cached(
            "SELECT outputs FROM tasks WHERE run_id = ?1 AND scope_path = ?2 AND state IN ('SUCCEEDED', 'CACHED')",
        )?
        .query_row((run.to_string(), scope_path), |row| row.get(0))
        .optional()?;
    let Some(text) = text else {
        let reason = format!("run `{run}`, which it would take its outputs from, has none");
        return Ok(Answer::Miss { reason });
    };
    let bound: Bound =
        serde_json::from_str(text.as_deref().unwrap_or("{}")).map_err(|source| EngineError::Corrupt {
            what: "outputs of a task",
            source,
        })?;
    let outputs = Outputs::from(bound);
    Ok(match altered(&outputs) {
        None => Answer::Hit { outputs, from: run },
        Some(reason) => Answer::Miss { reason },
    })
}

/// What is wrong with the bytes of some outputs.
fn altered(outputs: &Outputs) -> Option<String> {
    let artifacts = outputs.artifacts.values().flatten();
    artifacts.map(unchanged).find_map(Result::err)
}
