//! `GET /apis/basecamp/v1/capabilities`: what a server does beyond KFP 2.17. Not part of KFP.

use serde::{Deserialize, Serialize};

/// What a server does beyond KFP 2.17, whose own server is the default: nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Capabilities {
    /// What an input artifact is to the cache.
    pub artifact_identity: ArtifactIdentity,
    /// Whether a step's environment is in its cache key.
    pub env_in_cache_key: bool,
    /// Whether bytes that are altered or gone make a cached result a miss.
    pub cached_bytes_checked: bool,
    /// Whether it foretells runs.
    pub plan: bool,
    /// Whether it runs some of a run's steps again on what was recorded.
    pub rerun: bool,
    /// Whether it compares what two runs were given and gave.
    pub diff: bool,
}

/// What an input artifact is to the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ArtifactIdentity {
    /// Its bytes: equal bytes are equal inputs, whoever made them.
    Content,
    /// Its id: what a step that ran again made is another input
    /// (`inputArtifactNames`, backend/src/v2/cacheutils/cache.go @2.17.0).
    #[default]
    #[serde(other)]
    Id,
}
