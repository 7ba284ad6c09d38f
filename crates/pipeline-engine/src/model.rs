//! What the engine is asked with and what it answers: plain data.

mod cache;
mod difference;
mod id;
mod list;
mod pipeline;
mod recurring;
mod rerun;
mod run;
mod task;

pub use cache::{
    CacheDecision, CacheEntry, CacheExplanation, Difference, Forecast, ForecastTask, Outlook, VerifiedEntry,
};
pub use difference::{Aspect, RunDifference, RunDifferences};
pub use id::{ArtifactId, ExperimentId, InvalidId, PipelineId, RecurringRunId, RunId, TaskId, VersionId};
pub use list::{Comparison, Direction, ListOptions, Page, Predicate, PredicateValue, Sort};
pub use pipeline::{
    Experiment, NewExperiment, NewPipeline, NewVersion, PipelineRecord, StorageState, VersionRecord,
};
pub use recurring::{CatchUp, NewRecurringRun, RecurringFailure, RecurringPipeline, RecurringRun, Trigger};
pub use rerun::{Begin, Rerun};
pub use run::{NewRun, PipelineSource, RunRecord, RunState, RunTransition, VersionReference};
pub use task::{
    ArtifactRecord, Attempt, AttemptState, BoundArtifact, BoundParameter, Origin, TaskKind, TaskRecord,
    TaskState, TaskTransition,
};
