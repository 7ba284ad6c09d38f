//! A supervised service as the daemon's API tells it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the daemon lists its services (`GET`), one line of JSON a change with `?watch=true`.
pub const SERVICES_PATH: &str = "/apis/basecamp/v1/services";

/// One service at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Name, also of its log.
    pub name: String,
    /// How far it is.
    pub state: ServiceState,
    /// Base URL.
    pub url: String,
    /// Process id of its shim, while one runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How often it was started again since the daemon came up.
    pub restarts: u32,
    /// Whether the process was there before this daemon.
    pub adopted: bool,
    /// From the start of the process, or its adoption, to its first good health check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_after_ms: Option<u64>,
    /// Why it is in a state other than ready: the last failed check, the last exit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to try when it fails.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// Its log.
    pub log: PathBuf,
}

/// How far a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceState {
    /// Its process runs or is about to; its health endpoint has not answered yet.
    Starting,
    /// Its health endpoint answers.
    Ready,
    /// It ended, and is started again after a pause.
    Restarting,
    /// It ended several times before it was ready. It is still started again, with long pauses.
    Failed,
}

impl std::fmt::Display for ServiceState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
        })
    }
}
