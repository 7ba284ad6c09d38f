//! Recurring runs: what is run again and again, and when.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{ExperimentId, PipelineId, RecurringRunId, VersionId};
use super::run::PipelineSource;

/// A recurring run to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRecurringRun {
    /// Name to show; its runs are named after it.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Experiment of its runs; the default one where none is given.
    pub experiment: Option<ExperimentId>,
    /// What it runs. A pipeline without a version means the newest at the time of each run.
    pub source: PipelineSource,
    /// Parameters of its runs.
    pub parameters: IndexMap<String, Value>,
    /// Root of their artifact URIs.
    pub pipeline_root: Option<String>,
    /// Kept and shown.
    pub service_account: String,
    /// How many of its runs may be under way at once, 1 to 10.
    pub max_concurrency: u32,
    /// What becomes of times that passed while it could not run.
    pub catch_up: CatchUp,
    /// When it runs.
    pub trigger: Trigger,
    /// Whether it runs at all.
    pub enabled: bool,
}

/// A recurring run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecurringRun {
    /// Its id.
    pub id: RecurringRunId,
    /// Name to show.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Experiment of its runs.
    pub experiment: ExperimentId,
    /// What it runs, where that was uploaded.
    pub pipeline: Option<RecurringPipeline>,
    /// The package as KFP's API shows it, where it was given with it. Left out of lists.
    pub package: Option<Value>,
    /// Parameters of its runs.
    pub parameters: IndexMap<String, Value>,
    /// Root of their artifact URIs, where one was given.
    pub pipeline_root: Option<String>,
    /// As given.
    pub service_account: String,
    /// How many of its runs may be under way at once.
    pub max_concurrency: u32,
    /// What becomes of times that passed while it could not run.
    pub catch_up: CatchUp,
    /// When it runs.
    pub trigger: Trigger,
    /// Whether it runs at all.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made, enabled, disabled, or last asked for a run.
    pub updated_at: Timestamp,
    /// The time of its schedule that its latest run was for.
    pub last_scheduled_at: Option<Timestamp>,
    /// Why its latest try to make a run failed; `None` once one succeeds.
    pub failure: Option<RecurringFailure>,
}

/// An uploaded pipeline that runs again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RecurringPipeline {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// The version; the newest at the time of each run where none was named.
    pub version: Option<VersionId>,
}

/// What becomes of times that passed while runs could not be made: the daemon was down, the recurring run was
/// disabled, or as many of its runs were under way as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// Each gets its run, one after the other, the oldest first.
    Every,
    /// Only the latest gets one.
    Latest,
}

/// When a recurring run runs. Times are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// At the times of a cron pattern.
    Cron {
        /// Five or six fields, seconds first, as robfig's cron v1 reads them; without `TZ=…` in UTC.
        cron: String,
        /// No time before this, or at it, counts.
        start: Option<Timestamp>,
        /// No time after this counts.
        end: Option<Timestamp>,
    },
    /// Again after an interval.
    Periodic {
        /// Its length in seconds, at least 1.
        seconds: u64,
        /// What the first interval begins at; the making of the recurring run where none is given.
        start: Option<Timestamp>,
        /// No time after this counts.
        end: Option<Timestamp>,
    },
}

/// Why no run could be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecurringFailure {
    /// Why.
    pub message: String,
    /// When.
    pub at: Timestamp,
}
