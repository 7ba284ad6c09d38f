//! Why a task ran or did not, and what would run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{RunId, TaskId};

/// What a task handed back, kept for those with the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheEntry {
    /// Digest of the key.
    pub fingerprint: String,
    /// The task that ran.
    pub task: TaskId,
    /// Its run.
    pub run: RunId,
    /// Name of the pipeline; empty where the run is deleted.
    pub pipeline: String,
    /// The step's place in the pipeline; likewise.
    pub step: String,
    /// When it was put there.
    pub created_at: Timestamp,
    /// How many artifacts it holds.
    pub artifacts: usize,
    /// Bytes of these.
    pub size: u64,
}

/// An entry of the cache, its bytes read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedEntry {
    /// The entry.
    pub entry: CacheEntry,
    /// What is not as it was recorded, for people; `None`: the bytes have the digests that were recorded.
    pub fault: Option<String>,
}

/// Why a task ran or did not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CacheExplanation {
    /// Its run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// Its place in the run.
    pub scope_path: String,
    /// What was decided.
    pub decision: CacheDecision,
    /// Why, for people.
    pub reason: String,
    /// Digest of its key.
    pub fingerprint: Option<String>,
    /// All that went into the key.
    pub key: Option<Value>,
    /// The run whose outputs were taken, or whose key is nearest.
    pub other_run: Option<RunId>,
    /// How the key differs from that run's; empty for a hit.
    pub differences: Vec<Difference>,
}

/// What was decided for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheDecision {
    /// Its outputs were taken from the cache.
    Hit,
    /// It ran.
    Miss,
    /// It is never cached.
    Off,
    /// It has not begun, or was skipped.
    Open,
}

/// A field of a key that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The field, for people: `parameter x`, `image`, `artifact train`.
    pub field: String,
    /// What it was, as JSON; `None` where the field is new.
    pub was: Option<String>,
    /// What it is, as JSON; `None` where the field is gone.
    pub is: Option<String>,
}

impl std::fmt::Display for Difference {
    /// `parameter x: 3 → 4`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (was, is) = (
            self.was.as_deref().unwrap_or("absent"),
            self.is.as_deref().unwrap_or("absent"),
        );
        write!(f, "{}: {was} → {is}", self.field)
    }
}

/// What a run would do: a line per task, in an order in which they could run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// The tasks.
    pub tasks: Vec<ForecastTask>,
}

/// What a task would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForecastTask {
    /// Its name in the DAG.
    pub name: String,
    /// Its place in the run.
    pub scope_path: String,
    /// What it would do.
    pub outlook: Outlook,
    /// Why, for people.
    pub reason: String,
    /// Digest of its key, where all its inputs are known.
    pub fingerprint: Option<String>,
    /// The run whose outputs a hit would take, or that is taken to tell the outputs of a task that is never cached.
    pub from_run: Option<RunId>,
    /// How its key differs from the nearest earlier one.
    pub differences: Vec<Difference>,
}

/// What a task would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outlook {
    /// Its outputs would be taken from the cache.
    Hit,
    /// It is cached and would run.
    Miss,
    /// It is never cached and would run.
    Runs,
    /// It would be skipped.
    Skips,
    /// It depends on what a task before it hands back.
    Depends,
}
