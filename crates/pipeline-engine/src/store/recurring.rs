//! Recurring runs.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::list::{Field, Listing};
use super::row::{Json, micros, optional_parsed, optional_time, parsed, state, time, to_json};
use super::{Store, experiments, packages, pipelines};
use crate::error::EngineError;
use crate::model::{
    ExperimentId, ListOptions, Page, RecurringFailure, RecurringPipeline, RecurringRun, RecurringRunId,
    VersionReference,
};

const RECURRING_RUNS: Listing<RecurringRun> = Listing {
    from: "FROM recurring_runs",
    fields: &[
        Field::time("created_at", "created_at"),
        Field::time("updated_at", "updated_at"),
        Field::text("name", "display_name"),
        Field::text("display_name", "display_name"),
        Field::text("id", "id"),
        Field::text("description", "description"),
        Field::text("experiment_id", "experiment_id"),
    ],
    tags: false,
    read,
};

fn read(row: &Row<'_>) -> rusqlite::Result<RecurringRun> {
    Ok(RecurringRun {
        id: parsed(row, "id")?,
        display_name: row.get("display_name")?,
        description: row.get("description")?,
        experiment: parsed(row, "experiment_id")?,
        pipeline: match optional_parsed(row, "pipeline_id")? {
            Some(pipeline) => Some(RecurringPipeline {
                pipeline,
                version: optional_parsed(row, "version_id")?,
            }),
            None => None,
        },
        package: None,
        parameters: row.get::<_, Json<_>>("parameters")?.0,
        pipeline_root: row.get("pipeline_root")?,
        service_account: row.get("service_account")?,
        max_concurrency: row.get("max_concurrency")?,
        catch_up: state(row, "catch_up")?,
        trigger: row.get::<_, Json<_>>("trigger")?.0,
        enabled: row.get("enabled")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        last_scheduled_at: optional_time(row, "last_scheduled_at")?,
        failure: row
            .get::<_, Option<Json<RecurringFailure>>>("failure")?
            .map(|json| json.0),
    })
}

fn find(connection: &Connection, id: RecurringRunId) -> Result<RecurringRun, EngineError> {
    connection
        .prepare_cached("SELECT * FROM recurring_runs WHERE id = ?1")?
        .query_row([id.to_string()], read)
        .optional()?
        .ok_or_else(|| EngineError::not_found("recurring run", id.to_string()))
}

fn digest(connection: &Connection, id: RecurringRunId) -> Result<Option<String>, EngineError> {
    let found = connection
        .prepare_cached("SELECT package FROM recurring_runs WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))?;
    Ok(found)
}

/// Notes that the run of that time is asked for; `false` where that is not wanted any more: it was asked for already, or
/// the recurring run is disabled or gone.
pub(crate) fn asked_for(
    connection: &Connection,
    id: RecurringRunId,
    scheduled: Timestamp,
    now: Timestamp,
) -> Result<bool, EngineError> {
    let changed = connection
        .prepare_cached(
            "UPDATE recurring_runs SET last_scheduled_at = ?2, updated_at = ?3, failure = NULL \
             WHERE id = ?1 AND enabled AND COALESCE(last_scheduled_at, ?2 - 1) < ?2",
        )?
        .execute(params![id.to_string(), micros(scheduled), micros(now)])?;
    Ok(changed > 0)
}

/// Disables those of an experiment that is put away.
pub(super) fn disable_those_of(connection: &Connection, experiment: ExperimentId) -> Result<(), EngineError> {
    connection.execute(
        "UPDATE recurring_runs SET enabled = 0 WHERE experiment_id = ?1",
        [experiment.to_string()],
    )?;
    Ok(())
}

/// How many an experiment has.
pub(super) fn count_those_of(connection: &Connection, experiment: ExperimentId) -> Result<i64, EngineError> {
    let count = connection.query_row(
        "SELECT COUNT(*) FROM recurring_runs WHERE experiment_id = ?1",
        [experiment.to_string()],
        |row| row.get(0),
    )?;
    Ok(count)
}

impl Store {
    /// Makes a recurring run. Without a package it runs the newest version of its pipeline.
    pub(crate) async fn insert_recurring_run(
        &self,
        record: RecurringRun,
        package: Option<String>,
    ) -> Result<(), EngineError> {
        self.write(move |connection| {
            experiments::find(connection, record.experiment)?;
            let digest = package
                .map(|text| packages::keep(connection, &text))
                .transpose()?;
            connection
                .prepare_cached(
                    "INSERT INTO recurring_runs (id, display_name, description, experiment_id, pipeline_id, \
                     version_id, package, parameters, pipeline_root, service_account, max_concurrency, catch_up, \
                     trigger, enabled, created_at, updated_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
                )?
                .execute(params![
                    record.id.to_string(),
                    record.display_name,
                    record.description,
                    record.experiment.to_string(),
                    record.pipeline.map(|of| of.pipeline.to_string()),
                    record
                        .pipeline
                        .and_then(|of| of.version)
                        .map(|version| version.to_string()),
                    digest,
                    Json(&record.parameters),
                    record.pipeline_root,
                    record.service_account,
                    record.max_concurrency,
                    to_json(&record.catch_up),
                    Json(&record.trigger),
                    record.enabled,
                    micros(record.created_at),
                    micros(record.updated_at),
                ])?;
            Ok(())
        })
        .await
    }

    /// A recurring run, with its package as JSON where that was given with it.
    pub(crate) async fn recurring_run(&self, id: RecurringRunId) -> Result<RecurringRun, EngineError> {
        self.read(move |connection| {
            let mut record = find(connection, id)?;
            if record.pipeline.is_none()
                && let Some(digest) = digest(connection, id)?
            {
                record.package = Some(packages::parsed(connection, &digest)?.to_json());
            }
            Ok(record)
        })
        .await
    }

    /// A recurring run, and how many of its runs are under way; `None` where there is none of that id.
    pub(crate) async fn recurring_run_now(
        &self,
        id: RecurringRunId,
    ) -> Result<Option<(RecurringRun, u64)>, EngineError> {
        self.read(move |connection| {
            let record = match find(connection, id) {
                Err(EngineError::NotFound { .. }) => return Ok(None),
                found => found?,
            };
            let active: i64 = connection
                .prepare_cached(
                    "SELECT COUNT(*) FROM runs WHERE recurring_run_id = ?1 \
                     AND state IN ('PENDING', 'RUNNING', 'CANCELING')",
                )?
                .query_row([id.to_string()], |row| row.get(0))?;
            Ok(Some((record, u64::try_from(active).unwrap_or_default())))
        })
        .await
    }

    /// What the next run of a recurring run is made of.
    pub(crate) async fn recurring_source(
        &self,
        id: RecurringRunId,
    ) -> Result<(String, Option<VersionReference>), EngineError> {
        self.read(move |connection| {
            let record = find(connection, id)?;
            match (digest(connection, id)?, record.pipeline) {
                (Some(digest), of) => {
                    let version = of.and_then(|of| {
                        Some(VersionReference {
                            pipeline: of.pipeline,
                            version: of.version?,
                        })
                    });
                    Ok((packages::text(connection, &digest)?, version))
                }
                (None, Some(of)) => {
                    let (newest, digest) = pipelines::latest_version(connection, of.pipeline)?;
                    let version = VersionReference {
                        pipeline: of.pipeline,
                        version: newest.id,
                    };
                    Ok((packages::text(connection, &digest)?, Some(version)))
                }
                (None, None) => Err(EngineError::not_found("package of recurring run", id.to_string())),
            }
        })
        .await
    }

    pub(crate) async fn recurring_runs(
        &self,
        experiment: Option<ExperimentId>,
        options: ListOptions,
    ) -> Result<Page<RecurringRun>, EngineError> {
        self.read(move |connection| match experiment {
            None => RECURRING_RUNS.page(connection, ("TRUE", &[]), &options),
            Some(id) => RECURRING_RUNS.page(
                connection,
                ("experiment_id = ?", &[id.to_string().into()]),
                &options,
            ),
        })
        .await
    }

    /// Those that run, oldest first.
    pub(crate) async fn enabled_recurring_runs(&self) -> Result<Vec<RecurringRunId>, EngineError> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT id FROM recurring_runs WHERE enabled ORDER BY rowid")?;
            let ids = statement.query_map([], |row| parsed(row, "id"))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
        .await
    }

    pub(crate) async fn enable_recurring_run(
        &self,
        id: RecurringRunId,
        enabled: bool,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        self.write(move |connection| {
            let record = find(connection, id)?;
            let experiment = experiments::find(connection, record.experiment)?;
            if enabled && experiment.storage_state == crate::model::StorageState::Archived {
                return Err(EngineError::Precondition(format!(
                    "experiment `{}` of recurring run `{id}` is archived: unarchive it first",
                    experiment.display_name
                )));
            }
            // Enabling it is a new try.
            connection.execute(
                "UPDATE recurring_runs SET enabled = ?2, updated_at = ?3, failure = NULL WHERE id = ?1",
                params![id.to_string(), enabled, micros(now)],
            )?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn recurring_run_failed(
        &self,
        id: RecurringRunId,
        failure: RecurringFailure,
    ) -> Result<(), EngineError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE recurring_runs SET failure = ?2 WHERE id = ?1",
                params![id.to_string(), Json(failure)],
            )?;
            Ok(())
        })
        .await
    }

    pub(crate) async fn delete_recurring_run(&self, id: RecurringRunId) -> Result<(), EngineError> {
        self.write(move |connection| {
            find(connection, id)?;
            connection.execute("DELETE FROM recurring_runs WHERE id = ?1", [id.to_string()])?;
            packages::sweep(connection)
        })
        .await
    }
}
