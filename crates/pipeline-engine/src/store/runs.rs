//! Runs: made, read, listed, put away, deleted. What happens to them is written by the performer.

use indexmap::IndexMap;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::list::{Field, Listing};
use super::row::{Json, micros, optional_parsed, optional_time, parsed, state, time, to_json};
use super::{Store, experiments, packages, pipelines};
use crate::error::EngineError;
use crate::model::{
    ExperimentId, ListOptions, Page, PipelineSource, RunId, RunRecord, StorageState, VersionReference,
};

const RUNS: Listing<RunRecord> = Listing {
    from: "FROM runs",
    fields: &[
        Field::time("created_at", "created_at"),
        Field::time("scheduled_at", "scheduled_at"),
        Field::time("finished_at", "COALESCE(finished_at, 0)"),
        Field::text("name", "display_name"),
        Field::text("display_name", "display_name"),
        Field::text("id", "id"),
        Field::text("experiment_id", "experiment_id"),
        Field::text("recurring_run_id", "COALESCE(recurring_run_id, '')"),
        Field::text("pipeline_version_id", "COALESCE(version_id, '')"),
        Field::text("state", "state"),
        Field::text("description", "description"),
        Field::text("namespace", "''"),
        Field::text("storage_state", "storage_state"),
    ],
    tags: false,
    read,
};

fn read(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let version = match (
        optional_parsed(row, "pipeline_id")?,
        optional_parsed(row, "version_id")?,
    ) {
        (Some(pipeline), Some(version)) => Some(VersionReference { pipeline, version }),
        _ => None,
    };
    Ok(RunRecord {
        id: parsed(row, "id")?,
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        description: row.get("description")?,
        pipeline_name: row.get("pipeline_name")?,
        version,
        package: None,
        experiment: parsed(row, "experiment_id")?,
        recurring_run: optional_parsed(row, "recurring_run_id")?,
        rerun: row.get::<_, Option<Json<_>>>("rerun")?.map(|json| json.0),
        parameters: row.get::<_, Json<IndexMap<String, Value>>>("parameters")?.0,
        pipeline_root: row.get("pipeline_root")?,
        service_account: row.get("service_account")?,
        storage_state: state(row, "storage_state")?,
        state: state(row, "state")?,
        history: row.get::<_, Json<_>>("history")?.0,
        created_at: time(row, "created_at")?,
        scheduled_at: time(row, "scheduled_at")?,
        finished_at: optional_time(row, "finished_at")?,
        error: row.get("error")?,
        notices: row.get::<_, Json<_>>("notices")?.0,
    })
}

fn find(connection: &Connection, id: RunId) -> Result<RunRecord, EngineError> {
    connection
        .prepare_cached("SELECT * FROM runs WHERE id = ?1")?
        .query_row([id.to_string()], read)
        .optional()?
        .ok_or_else(|| EngineError::not_found("run", id.to_string()))
}

fn package_of(connection: &Connection, id: RunId) -> Result<String, EngineError> {
    let text = connection
        .prepare_cached(
            "SELECT text FROM packages JOIN runs ON runs.package = packages.digest WHERE runs.id = ?1",
        )?
        .query_row([id.to_string()], |row| row.get(0))?;
    Ok(text)
}

/// Makes a run; `false` where it is there already.
pub(crate) fn insert(
    connection: &Connection,
    record: &RunRecord,
    package: &str,
) -> Result<bool, EngineError> {
    let digest = packages::keep(connection, package)?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO runs (id, name, display_name, description, pipeline_name, pipeline_id, version_id, \
             package, experiment_id, parameters, pipeline_root, service_account, storage_state, state, \
             history, created_at, scheduled_at, notices, recurring_run_id, rerun) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            record.id.to_string(),
            record.name,
            record.display_name,
            record.description,
            record.pipeline_name,
            record.version.map(|version| version.pipeline.to_string()),
            record.version.map(|version| version.version.to_string()),
            digest,
            record.experiment.to_string(),
            Json(&record.parameters),
            record.pipeline_root,
            record.service_account,
            to_json(&record.storage_state),
            to_json(&record.state),
            Json(&record.history),
            micros(record.created_at),
            micros(record.scheduled_at),
            Json(&record.notices),
            record.recurring_run.map(|id| id.to_string()),
            record.rerun.as_ref().map(Json),
        ])?;
    connection.execute(
        "UPDATE experiments SET last_run_created_at = MAX(COALESCE(last_run_created_at, 0), ?2) WHERE id = ?1",
        params![record.experiment.to_string(), micros(record.created_at)],
    )?;
    Ok(inserted > 0)
}

/// A run and the text of its package.
pub(crate) fn with_package(connection: &Connection, id: RunId) -> Result<(RunRecord, String), EngineError> {
    Ok((find(connection, id)?, package_of(connection, id)?))
}

impl Store {
    /// The text of a package a run is to be made of, and the version it belongs to.
    pub(crate) async fn source(
        &self,
        source: PipelineSource,
    ) -> Result<(String, Option<VersionReference>), EngineError> {
        match source {
            PipelineSource::Inline(text) => Ok((text, None)),
            PipelineSource::Version { pipeline, version } => {
                self.read(move |connection| {
                    let (record, digest) = match version {
                        Some(version) => pipelines::find_version(connection, pipeline, version)?,
                        None => pipelines::latest_version(connection, pipeline)?,
                    };
                    let reference = VersionReference {
                        pipeline,
                        version: record.id,
                    };
                    Ok((packages::text(connection, &digest)?, Some(reference)))
                })
                .await
            }
        }
    }

    /// The experiment of a run: the one named, which is not put away, or the default one.
    pub(crate) async fn experiment_for_run(
        &self,
        experiment: Option<ExperimentId>,
    ) -> Result<ExperimentId, EngineError> {
        self.read(move |connection| {
            let found = match experiment {
                Some(id) => experiments::find(connection, id)?,
                None => experiments::default(connection)?,
            };
            match found.storage_state {
                StorageState::Available => Ok(found.id),
                StorageState::Archived => Err(EngineError::Precondition(format!(
                    "experiment `{}` is archived: unarchive it, or name another",
                    found.display_name
                ))),
            }
        })
        .await
    }

    /// Makes a run, and what `also` writes in the same commit; `false`, and nothing, where the run is there already or
    /// `also` says that it is not wanted.
    pub(crate) async fn insert_run(
        &self,
        record: RunRecord,
        package: String,
        also: impl FnOnce(&Connection) -> Result<bool, EngineError> + Send + 'static,
    ) -> Result<bool, EngineError> {
        self.write(move |connection| Ok(also(connection)? && insert(connection, &record, &package)?))
            .await
    }

    /// A run with its package as JSON.
    pub(crate) async fn run(&self, id: RunId) -> Result<RunRecord, EngineError> {
        self.read(move |connection| {
            let mut record = find(connection, id)?;
            let text = package_of(connection, id)?;
            let parsed = pipeline_spec::Pipeline::parse(&text, &pipeline_spec::Limits::default())?;
            record.package = Some(parsed.to_json());
            Ok(record)
        })
        .await
    }

    pub(crate) async fn runs(
        &self,
        experiment: Option<ExperimentId>,
        options: ListOptions,
    ) -> Result<Page<RunRecord>, EngineError> {
        self.read(move |connection| match experiment {
            None => RUNS.page(connection, ("TRUE", &[]), &options),
            Some(id) => RUNS.page(
                connection,
                ("experiment_id = ?", &[id.to_string().into()]),
                &options,
            ),
        })
        .await
    }

    /// Runs that have not ended, oldest first.
    pub(crate) async fn unfinished_runs(&self) -> Result<Vec<RunId>, EngineError> {
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT id FROM runs WHERE state IN ('PENDING', 'RUNNING', 'CANCELING') ORDER BY created_at, id",
            )?;
            let ids = statement.query_map([], |row| parsed(row, "id"))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
        .await
    }

    pub(crate) async fn store_run(&self, id: RunId, storage: StorageState) -> Result<(), EngineError> {
        self.write(move |connection| {
            let run = find(connection, id)?;
            if storage == StorageState::Available
                && experiments::find(connection, run.experiment)?.storage_state == StorageState::Archived
            {
                return Err(EngineError::Precondition(format!(
                    "the experiment of run `{id}` is archived: unarchive it first"
                )));
            }
            connection.execute(
                "UPDATE runs SET storage_state = ?2 WHERE id = ?1",
                [id.to_string(), to_json(&storage)],
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets a run that has ended. What the cache holds of it stays.
    pub(crate) async fn delete_run(&self, id: RunId) -> Result<(), EngineError> {
        self.write(move |connection| {
            let run = find(connection, id)?;
            if !run.state.is_final() {
                return Err(EngineError::Precondition(format!(
                    "run `{id}` has not ended: terminate it first"
                )));
            }
            connection.execute("DELETE FROM events WHERE run_id = ?1", [id.to_string()])?;
            connection.execute("DELETE FROM runs WHERE id = ?1", [id.to_string()])?;
            packages::sweep(connection)
        })
        .await
    }
}
