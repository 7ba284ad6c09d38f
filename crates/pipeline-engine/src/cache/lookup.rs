//! Whether a result is there, and its bytes with it.

use rusqlite::Connection;

use super::digest::unchanged;
use crate::bind::Bound;
use crate::decide::{Answer, Outputs};
use crate::error::EngineError;

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
        let altered = outputs
            .artifacts
            .values()
            .flatten()
            .find_map(|artifact| unchanged(artifact).err());
        match (altered, run.parse()) {
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
