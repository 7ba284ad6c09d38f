//! Experiments: named groups of runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::run::StorageState;
use crate::wire::{epoch_is_absent, is_default};

/// An experiment (backend/api/v2beta1/experiment.proto @2.17.0).
#[serde_with::apply(
    _ => #[serde(skip_serializing_if = "is_default")],
    Option<Timestamp> => #[serde(deserialize_with = "epoch_is_absent")],
)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Experiment {
    /// Set by the server.
    #[serde(alias = "experimentId")]
    pub experiment_id: String,
    /// Unique.
    #[serde(alias = "displayName")]
    pub display_name: String,
    /// For people.
    pub description: String,
    /// Set by the server.
    #[serde(alias = "createdAt")]
    pub created_at: Option<Timestamp>,
    /// Of multi-user servers.
    pub namespace: String,
    /// Set by the server.
    #[serde(alias = "storageState")]
    pub storage_state: StorageState,
    /// Creation time of its last run.
    #[serde(alias = "lastRunCreatedAt")]
    pub last_run_created_at: Option<Timestamp>,
}

/// A page of experiments.
#[serde_with::apply(_ => #[serde(skip_serializing_if = "is_default")])]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Experiments {
    /// The page.
    pub experiments: Vec<Experiment>,
    /// How many match over all pages.
    pub total_size: i32,
    /// Asks for the next page; empty at the end.
    pub next_page_token: String,
}
