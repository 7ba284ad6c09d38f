//! Pipelines, their versions, experiments.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{ExperimentId, PipelineId, VersionId};

/// A pipeline to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewPipeline {
    /// Name, unique. Where it is empty: the name in the package.
    pub name: String,
    /// Name to show; the name where it is empty.
    pub display_name: String,
    /// What it does; the package's where it is empty.
    pub description: String,
    /// Labels.
    pub tags: Vec<(String, String)>,
    /// The package of its first version, as text; none for a pipeline without versions.
    pub package: Option<String>,
}

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineRecord {
    /// Its id.
    pub id: PipelineId,
    /// Its name, unique.
    pub name: String,
    /// Name to show.
    pub display_name: String,
    /// What it does.
    pub description: String,
    /// Labels.
    pub tags: Vec<(String, String)>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A version to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVersion {
    /// Name, unique within the pipeline; made from the pipeline's name and the time where it is empty.
    pub name: String,
    /// Name to show; the name where it is empty.
    pub display_name: String,
    /// What is new.
    pub description: String,
    /// Labels.
    pub tags: Vec<(String, String)>,
    /// Where its source is.
    pub code_source_url: String,
    /// The package, as text.
    pub package: String,
}

/// A version of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionRecord {
    /// Its id.
    pub id: VersionId,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// Its name, unique within the pipeline.
    pub name: String,
    /// Name to show.
    pub display_name: String,
    /// What is new.
    pub description: String,
    /// Labels.
    pub tags: Vec<(String, String)>,
    /// Where its source is.
    pub code_source_url: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The package as KFP's API shows it ([`pipeline_spec::Pipeline::to_json`]).
    pub package: Value,
}

/// An experiment to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewExperiment {
    /// Name to show, unique.
    pub display_name: String,
    /// What it is for.
    pub description: String,
}

/// An experiment: a folder of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Experiment {
    /// Its id.
    pub id: ExperimentId,
    /// Name to show, unique.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its latest run was made.
    pub last_run_created_at: Option<Timestamp>,
    /// Whether it is put away.
    pub storage_state: StorageState,
}

/// Whether something is put away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StorageState {
    /// It is in use.
    #[default]
    Available,
    /// It is put away.
    Archived,
}
