//! `/apis/basecamp/v1/cache`: what the cache holds. Not part of KFP.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::wire::is_default;

/// What a task handed back, kept for those with the same key.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CacheEntry {
    /// Hash of the key.
    pub cache_fingerprint: String,
    /// The task that ran.
    pub task_id: String,
    /// Its run.
    pub run_id: String,
    /// Name of the pipeline; empty where the run is deleted.
    pub pipeline: String,
    /// The step's place in the pipeline; likewise.
    pub step: String,
    /// When it was put there.
    pub created_at: Option<Timestamp>,
    /// How many artifacts it holds.
    pub artifacts: u64,
    /// Bytes of these.
    pub size: u64,
    /// Of an entry that was verified: what is not as it was recorded.
    pub fault: String,
}

/// A page of entries, the newest first.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct CacheEntries {
    /// The entries.
    pub entries: Vec<CacheEntry>,
    /// How many there are on all pages.
    pub total_size: i32,
    /// Asks for the next page; empty on the last.
    pub next_page_token: String,
}

/// How many entries were forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Forgotten {
    /// Entries.
    pub entries: u64,
}
