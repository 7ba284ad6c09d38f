//! Experiments.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::list::{Field, Listing};
use super::row::{micros, optional_time, parsed, state, time, to_json};
use super::{Store, recurring};
use crate::error::EngineError;
use crate::model::{Experiment, ExperimentId, ListOptions, NewExperiment, Page, StorageState};

/// The experiment of runs that name none; it is there from the start.
const DEFAULT: &str = "Default";

const EXPERIMENTS: Listing<Experiment> = Listing {
    from: "FROM experiments",
    fields: &[
        Field::time("created_at", "created_at"),
        Field::time("last_run_created_at", "COALESCE(last_run_created_at, 0)"),
        Field::text("name", "display_name"),
        Field::text("display_name", "display_name"),
        Field::text("id", "id"),
        Field::text("description", "description"),
        Field::text("namespace", "''"),
        Field::text("storage_state", "storage_state"),
    ],
    tags: false,
    read,
};

fn read(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        id: parsed(row, "id")?,
        display_name: row.get("display_name")?,
        description: row.get("description")?,
        created_at: time(row, "created_at")?,
        last_run_created_at: optional_time(row, "last_run_created_at")?,
        storage_state: state(row, "storage_state")?,
    })
}

pub(super) fn find(connection: &Connection, id: ExperimentId) -> Result<Experiment, EngineError> {
    connection
        .prepare_cached("SELECT * FROM experiments WHERE id = ?1")?
        .query_row([id.to_string()], read)
        .optional()?
        .ok_or_else(|| EngineError::not_found("experiment", id.to_string()))
}

fn find_named(connection: &Connection, name: &str) -> Result<Experiment, EngineError> {
    connection
        .prepare_cached("SELECT * FROM experiments WHERE display_name = ?1")?
        .query_row([name], read)
        .optional()?
        .ok_or_else(|| EngineError::not_found("experiment", name))
}

/// The default experiment.
pub(super) fn default(connection: &Connection) -> Result<Experiment, EngineError> {
    find_named(connection, DEFAULT)
}

pub(crate) fn insert(
    connection: &Connection,
    new: NewExperiment,
    now: Timestamp,
) -> Result<Experiment, EngineError> {
    let experiment = Experiment {
        id: ExperimentId::random(),
        display_name: new.display_name,
        description: new.description,
        created_at: now,
        last_run_created_at: None,
        storage_state: StorageState::Available,
    };
    let inserted = connection
        .prepare_cached(
            "INSERT INTO experiments (id, display_name, description, created_at, storage_state) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (display_name) DO NOTHING",
        )?
        .execute(params![
            experiment.id.to_string(),
            experiment.display_name,
            experiment.description,
            micros(now),
            to_json(&experiment.storage_state),
        ])?;
    match inserted {
        0 => Err(EngineError::AlreadyExists {
            kind: "experiment",
            name: experiment.display_name,
        }),
        _ => Ok(experiment),
    }
}

impl Store {
    /// Makes the default experiment where it is not there.
    pub(crate) async fn ensure_default_experiment(&self, now: Timestamp) -> Result<(), EngineError> {
        self.write(move |connection| match default(connection) {
            Err(EngineError::NotFound { .. }) => {
                let new = NewExperiment {
                    display_name: DEFAULT.to_owned(),
                    description: "All runs that name no experiment.".to_owned(),
                };
                insert(connection, new, now).map(|_| ())
            }
            found => found.map(|_| ()),
        })
        .await
    }

    pub(crate) async fn insert_experiment(
        &self,
        new: NewExperiment,
        now: Timestamp,
    ) -> Result<Experiment, EngineError> {
        self.write(move |connection| insert(connection, new, now)).await
    }

    pub(crate) async fn experiment(&self, id: ExperimentId) -> Result<Experiment, EngineError> {
        self.read(move |connection| find(connection, id)).await
    }

    pub(crate) async fn experiment_by_name(&self, name: String) -> Result<Experiment, EngineError> {
        self.read(move |connection| find_named(connection, &name)).await
    }

    pub(crate) async fn experiments(&self, options: ListOptions) -> Result<Page<Experiment>, EngineError> {
        self.read(move |connection| EXPERIMENTS.page(connection, ("TRUE", &[]), &options))
            .await
    }

    /// Puts an experiment away, its runs with it, and disables its recurring runs; or takes the experiment, and it alone, out again, as KFP does.
    pub(crate) async fn store_experiment(
        &self,
        id: ExperimentId,
        storage: StorageState,
    ) -> Result<(), EngineError> {
        self.write(move |connection| {
            find(connection, id)?;
            let state = to_json(&storage);
            connection.execute(
                "UPDATE experiments SET storage_state = ?2 WHERE id = ?1",
                [&id.to_string(), &state],
            )?;
            if storage == StorageState::Archived {
                connection.execute(
                    "UPDATE runs SET storage_state = ?2 WHERE experiment_id = ?1",
                    [&id.to_string(), &state],
                )?;
                recurring::disable_those_of(connection, id)?;
            }
            Ok(())
        })
        .await
    }

    pub(crate) async fn delete_experiment(&self, id: ExperimentId) -> Result<(), EngineError> {
        self.write(move |connection| {
            let experiment = find(connection, id)?;
            if experiment.display_name == DEFAULT {
                return Err(EngineError::Precondition(
                    "the default experiment is where runs go that name none: it cannot be deleted".to_owned(),
                ));
            }
            let runs: i64 = connection.query_row(
                "SELECT COUNT(*) FROM runs WHERE experiment_id = ?1",
                [id.to_string()],
                |row| row.get(0),
            )?;
            if runs > 0 {
                return Err(EngineError::Precondition(format!(
                    "experiment `{}` still has {runs} run(s): delete them first",
                    experiment.display_name
                )));
            }
            let recurring = recurring::count_those_of(connection, id)?;
            if recurring > 0 {
                return Err(EngineError::Precondition(format!(
                    "experiment `{}` still has {recurring} recurring run(s): delete them first",
                    experiment.display_name
                )));
            }
            connection.execute("DELETE FROM experiments WHERE id = ?1", [id.to_string()])?;
            Ok(())
        })
        .await
    }
}
