//! Entries of the cache: listed, read whole, forgotten.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::Store;
use super::row::{Json, micros, parsed, time};
use crate::bind::Bound;
use crate::decide::Outputs;
use crate::error::EngineError;
use crate::model::{CacheEntry, Page, TaskId};

const DEFAULT_PAGE: usize = 20;
const LARGEST_PAGE: usize = 200;

/// An entry as it is read; its task, and what was decided about it, is gone where its run is deleted.
const ENTRY: &str = "SELECT fingerprint, task_id, run_id, outputs, created_at, \
     (SELECT pipeline FROM cache_decisions AS d WHERE d.task_id = e.task_id LIMIT 1) AS pipeline, \
     (SELECT scope_path FROM tasks WHERE tasks.id = e.task_id) AS step \
     FROM cache_entries AS e";

/// The entry that a page begins behind. Opaque to clients.
#[derive(Serialize, Deserialize)]
struct Token(i64, String, TaskId);

fn read(row: &Row<'_>) -> rusqlite::Result<(CacheEntry, Outputs)> {
    let outputs = Outputs::from(row.get::<_, Json<Bound>>("outputs")?.0);
    let artifacts = outputs.artifacts.values().flatten();
    let entry = CacheEntry {
        fingerprint: row.get("fingerprint")?,
        task: parsed(row, "task_id")?,
        run: parsed(row, "run_id")?,
        pipeline: row.get::<_, Option<_>>("pipeline")?.unwrap_or_default(),
        step: row.get::<_, Option<_>>("step")?.unwrap_or_default(),
        created_at: time(row, "created_at")?,
        artifacts: artifacts.clone().count(),
        size: artifacts.map(|artifact| artifact.size).sum(),
    };
    Ok((entry, outputs))
}

impl Store {
    /// A page of all entries, the newest first.
    pub(crate) async fn cache_entries(
        &self,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<CacheEntry>, EngineError> {
        let size = match size {
            0 => DEFAULT_PAGE,
            size => size.min(LARGEST_PAGE),
        };
        let after = token.map(read_token).transpose()?;
        self.read(move |connection| {
            let total: i64 =
                connection.query_row("SELECT COUNT(*) FROM cache_entries", [], |row| row.get(0))?;
            let mut statement = connection.prepare_cached(&format!(
                "{ENTRY} WHERE ?1 IS NULL OR (created_at, fingerprint, task_id) < (?1, ?2, ?3) \
                 ORDER BY created_at DESC, fingerprint DESC, task_id DESC LIMIT ?4"
            ))?;
            let (created_at, fingerprint, task) = match after {
                Some(Token(created_at, fingerprint, task)) => {
                    (Some(created_at), Some(fingerprint), Some(task.to_string()))
                }
                None => (None, None, None),
            };
            let limit = i64::try_from(size + 1).expect("invariant: a page is small");
            let rows = statement.query_map(params![created_at, fingerprint, task, limit], read)?;
            let mut items = rows
                .map(|row| row.map(|(entry, _)| entry))
                .collect::<Result<Vec<_>, _>>()?;
            let more = items.len() > size;
            items.truncate(size);
            let next = items.last().filter(|_| more).map(token_of);
            Ok(Page {
                items,
                total: u64::try_from(total).unwrap_or_default(),
                next,
            })
        })
        .await
    }

    /// Entries of a key, with what they hold.
    pub(crate) async fn cache_entries_of(
        &self,
        fingerprint: String,
    ) -> Result<Vec<(CacheEntry, Outputs)>, EngineError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{ENTRY} WHERE fingerprint = ?1 ORDER BY created_at DESC, task_id DESC"
            ))?;
            let rows = statement.query_map([&fingerprint], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Forgets all entries of a key; how many there were.
    pub(crate) async fn forget_cache_entries(&self, fingerprint: String) -> Result<usize, EngineError> {
        self.write(move |connection| {
            let forgotten = connection
                .prepare_cached("DELETE FROM cache_entries WHERE fingerprint = ?1")?
                .execute([fingerprint])?;
            Ok(forgotten)
        })
        .await
    }
}

fn token_of(entry: &CacheEntry) -> String {
    let token = Token(micros(entry.created_at), entry.fingerprint.clone(), entry.task);
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).expect("invariant: plain data"))
}

fn read_token(text: &str) -> Result<Token, EngineError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| EngineError::Invalid("the page token is none that was given out".to_owned()))
}
