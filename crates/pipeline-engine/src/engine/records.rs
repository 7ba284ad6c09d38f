//! Pipelines, their versions, experiments.

use super::{Engine, WithVersions, parse};
use crate::clock;
use crate::error::EngineError;
use crate::model::{
    Experiment, ExperimentId, ListOptions, NewExperiment, NewPipeline, NewVersion, Page, PipelineId,
    PipelineRecord, StorageState, VersionId, VersionRecord,
};

impl Engine {
    /// Makes a pipeline, and its first version where a package is given. An empty name is taken from the package.
    ///
    /// # Errors
    /// [`EngineError::Spec`] for a package that cannot be read; [`EngineError::AlreadyExists`] for a name in use;
    /// [`EngineError::Invalid`] without a name.
    pub async fn upload_pipeline(
        &self,
        mut new: NewPipeline,
    ) -> Result<(PipelineRecord, Option<VersionRecord>), EngineError> {
        let package = new.package.as_deref().map(parse).transpose()?;
        if let Some(package) = &package {
            let info = &package.spec().pipeline_info;
            if new.name.is_empty() {
                new.name.clone_from(&info.name);
            }
            if new.description.is_empty() {
                new.description = info.description.clone().unwrap_or_default();
            }
        }
        if new.name.is_empty() {
            return Err(EngineError::Invalid("a pipeline needs a name".to_owned()));
        }
        let json = package.map(|package| package.to_json());
        self.store().insert_pipeline(new, json, clock::now()).await
    }

    /// Makes a version of a pipeline. An empty name is made from the pipeline's and the time.
    ///
    /// # Errors
    /// [`EngineError::Spec`]; [`EngineError::NotFound`]; [`EngineError::AlreadyExists`] for a name in use within the
    /// pipeline.
    pub async fn upload_version(
        &self,
        pipeline: PipelineId,
        new: NewVersion,
    ) -> Result<VersionRecord, EngineError> {
        let json = parse(&new.package)?.to_json();
        self.store()
            .insert_version(pipeline, new, json, clock::now())
            .await
    }

    /// A pipeline.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn pipeline(&self, id: PipelineId) -> Result<PipelineRecord, EngineError> {
        self.store().pipeline(id).await
    }

    /// The pipeline of that name.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn pipeline_by_name(&self, name: &str) -> Result<PipelineRecord, EngineError> {
        self.store().pipeline_by_name(name.to_owned()).await
    }

    /// Gives a pipeline another name to show, other labels; what is `None` stays.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn update_pipeline(
        &self,
        id: PipelineId,
        display_name: Option<String>,
        tags: Option<Vec<(String, String)>>,
    ) -> Result<PipelineRecord, EngineError> {
        self.store().update_pipeline(id, display_name, tags).await
    }

    /// Pipelines.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a field, filter or token that makes no sense.
    pub async fn pipelines(&self, options: ListOptions) -> Result<Page<PipelineRecord>, EngineError> {
        self.store().pipelines(options).await
    }

    /// Deletes a pipeline. Runs made of it stay.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where it still has versions and `with_versions` is
    /// [`WithVersions::Refuse`].
    pub async fn delete_pipeline(
        &self,
        id: PipelineId,
        with_versions: WithVersions,
    ) -> Result<(), EngineError> {
        self.store()
            .delete_pipeline(id, with_versions == WithVersions::Delete)
            .await
    }

    /// A version of a pipeline.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn version(
        &self,
        pipeline: PipelineId,
        version: VersionId,
    ) -> Result<VersionRecord, EngineError> {
        self.store().version(pipeline, version).await
    }

    /// Gives a version another name to show, other labels; what is `None` stays.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn update_version(
        &self,
        pipeline: PipelineId,
        version: VersionId,
        display_name: Option<String>,
        tags: Option<Vec<(String, String)>>,
    ) -> Result<VersionRecord, EngineError> {
        self.store()
            .update_version(pipeline, version, display_name, tags)
            .await
    }

    /// The newest version of a pipeline.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where there is none.
    pub async fn latest_version(&self, pipeline: PipelineId) -> Result<VersionRecord, EngineError> {
        self.store().latest_version(pipeline).await
    }

    /// Versions of a pipeline.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Invalid`].
    pub async fn versions(
        &self,
        pipeline: PipelineId,
        options: ListOptions,
    ) -> Result<Page<VersionRecord>, EngineError> {
        self.store().versions(pipeline, options).await
    }

    /// Deletes a version. Runs made of it stay.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn delete_version(&self, pipeline: PipelineId, version: VersionId) -> Result<(), EngineError> {
        self.store().delete_version(pipeline, version).await
    }

    /// Makes an experiment.
    ///
    /// # Errors
    /// [`EngineError::AlreadyExists`]; [`EngineError::Invalid`] without a name.
    pub async fn create_experiment(&self, new: NewExperiment) -> Result<Experiment, EngineError> {
        if new.display_name.is_empty() {
            return Err(EngineError::Invalid("an experiment needs a name".to_owned()));
        }
        self.store().insert_experiment(new, clock::now()).await
    }

    /// An experiment.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn experiment(&self, id: ExperimentId) -> Result<Experiment, EngineError> {
        self.store().experiment(id).await
    }

    /// The experiment of that name. `Default` is there from the start.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn experiment_by_name(&self, name: &str) -> Result<Experiment, EngineError> {
        self.store().experiment_by_name(name.to_owned()).await
    }

    /// Experiments.
    ///
    /// # Errors
    /// [`EngineError::Invalid`].
    pub async fn experiments(&self, options: ListOptions) -> Result<Page<Experiment>, EngineError> {
        self.store().experiments(options).await
    }

    /// Puts an experiment away, its runs with it.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn archive_experiment(&self, id: ExperimentId) -> Result<(), EngineError> {
        self.store().store_experiment(id, StorageState::Archived).await
    }

    /// Takes an experiment out again. Its runs stay put away.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn unarchive_experiment(&self, id: ExperimentId) -> Result<(), EngineError> {
        self.store().store_experiment(id, StorageState::Available).await
    }

    /// Deletes an experiment without runs.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where it has runs or is the default one.
    pub async fn delete_experiment(&self, id: ExperimentId) -> Result<(), EngineError> {
        self.store().delete_experiment(id).await
    }
}
