//! Pipelines and their versions.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::list::{Field, Listing};
use super::row::{Json, micros, parsed, time};
use super::{Store, packages};
use crate::error::EngineError;
use crate::model::{
    ListOptions, NewPipeline, NewVersion, Page, PipelineId, PipelineRecord, VersionId, VersionRecord,
};

const PIPELINES: Listing<PipelineRecord> = Listing {
    from: "FROM pipelines",
    fields: &[
        Field::time("created_at", "created_at"),
        Field::text("name", "name"),
        Field::text("display_name", "display_name"),
        Field::text("id", "id"),
        Field::text("description", "description"),
        Field::text("namespace", "''"),
    ],
    tags: true,
    read: read_pipeline,
};

const VERSIONS: Listing<(VersionRecord, String)> = Listing {
    from: "FROM versions",
    fields: &[
        Field::time("created_at", "created_at"),
        Field::text("name", "name"),
        Field::text("display_name", "display_name"),
        Field::text("id", "id"),
        Field::text("description", "description"),
    ],
    tags: true,
    read: read_version,
};

fn read_pipeline(row: &Row<'_>) -> rusqlite::Result<PipelineRecord> {
    Ok(PipelineRecord {
        id: parsed(row, "id")?,
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        description: row.get("description")?,
        tags: row.get::<_, Json<_>>("tags")?.0,
        created_at: time(row, "created_at")?,
    })
}

/// The record without its package, and the package's digest.
fn read_version(row: &Row<'_>) -> rusqlite::Result<(VersionRecord, String)> {
    let record = VersionRecord {
        id: parsed(row, "id")?,
        pipeline: parsed(row, "pipeline_id")?,
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        description: row.get("description")?,
        tags: row.get::<_, Json<_>>("tags")?.0,
        code_source_url: row.get("code_source_url")?,
        created_at: time(row, "created_at")?,
        package: serde_json::Value::Null,
    };
    Ok((record, row.get("package")?))
}

fn filled(
    connection: &Connection,
    (mut record, digest): (VersionRecord, String),
) -> Result<VersionRecord, EngineError> {
    record.package = packages::parsed(connection, &digest)?.to_json();
    Ok(record)
}

fn find_pipeline(connection: &Connection, id: PipelineId) -> Result<PipelineRecord, EngineError> {
    connection
        .prepare_cached("SELECT * FROM pipelines WHERE id = ?1")?
        .query_row([id.to_string()], read_pipeline)
        .optional()?
        .ok_or_else(|| EngineError::not_found("pipeline", id.to_string()))
}

pub(super) fn latest_version(
    connection: &Connection,
    pipeline: PipelineId,
) -> Result<(VersionRecord, String), EngineError> {
    find_pipeline(connection, pipeline)?;
    connection
        .prepare_cached(
            "SELECT * FROM versions WHERE pipeline_id = ?1 ORDER BY created_at DESC, rowid DESC LIMIT 1",
        )?
        .query_row([pipeline.to_string()], read_version)
        .optional()?
        .ok_or_else(|| EngineError::Precondition(format!("pipeline `{pipeline}` has no version yet")))
}

pub(super) fn find_version(
    connection: &Connection,
    pipeline: PipelineId,
    version: VersionId,
) -> Result<(VersionRecord, String), EngineError> {
    connection
        .prepare_cached("SELECT * FROM versions WHERE pipeline_id = ?1 AND id = ?2")?
        .query_row([pipeline.to_string(), version.to_string()], read_version)
        .optional()?
        .ok_or_else(|| EngineError::not_found("pipeline version", version.to_string()))
}

fn insert_pipeline(connection: &Connection, record: &PipelineRecord) -> Result<(), EngineError> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO pipelines (id, name, display_name, description, tags, created_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO NOTHING",
        )?
        .execute(params![
            record.id.to_string(),
            record.name,
            record.display_name,
            record.description,
            Json(&record.tags),
            micros(record.created_at),
        ])?;
    match inserted {
        0 => Err(EngineError::AlreadyExists {
            kind: "pipeline",
            name: record.name.clone(),
        }),
        _ => Ok(()),
    }
}

fn insert_version(connection: &Connection, record: &VersionRecord, package: &str) -> Result<(), EngineError> {
    let digest = packages::keep(connection, package)?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO versions (id, pipeline_id, name, display_name, description, tags, code_source_url, \
             created_at, package) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (pipeline_id, name) DO NOTHING",
        )?
        .execute(params![
            record.id.to_string(),
            record.pipeline.to_string(),
            record.name,
            record.display_name,
            record.description,
            Json(&record.tags),
            record.code_source_url,
            micros(record.created_at),
            digest,
        ])?;
    match inserted {
        0 => Err(EngineError::AlreadyExists {
            kind: "pipeline version",
            name: record.name.clone(),
        }),
        _ => Ok(()),
    }
}

fn or(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

impl Store {
    /// Makes a pipeline and, where it has a package, its first version of the same name.
    pub(crate) async fn insert_pipeline(
        &self,
        new: NewPipeline,
        package_json: Option<serde_json::Value>,
        now: Timestamp,
    ) -> Result<(PipelineRecord, Option<VersionRecord>), EngineError> {
        let pipeline = PipelineRecord {
            id: PipelineId::random(),
            display_name: or(new.display_name, &new.name),
            name: new.name,
            description: new.description,
            tags: new.tags,
            created_at: now,
        };
        let version = package_json.map(|package| VersionRecord {
            id: VersionId::random(),
            pipeline: pipeline.id,
            name: pipeline.name.clone(),
            display_name: pipeline.display_name.clone(),
            description: pipeline.description.clone(),
            tags: pipeline.tags.clone(),
            code_source_url: String::new(),
            created_at: now,
            package,
        });
        self.write(move |connection| {
            insert_pipeline(connection, &pipeline)?;
            if let (Some(version), Some(text)) = (&version, &new.package) {
                insert_version(connection, version, text)?;
            }
            Ok((pipeline, version))
        })
        .await
    }

    /// Makes a version.
    pub(crate) async fn insert_version(
        &self,
        pipeline: PipelineId,
        new: NewVersion,
        package_json: serde_json::Value,
        now: Timestamp,
    ) -> Result<VersionRecord, EngineError> {
        self.write(move |connection| {
            let owner = find_pipeline(connection, pipeline)?;
            let name = or(new.name, &format!("{} {now:.3}", owner.name));
            let version = VersionRecord {
                id: VersionId::random(),
                pipeline,
                display_name: or(new.display_name, &name),
                name,
                description: new.description,
                tags: new.tags,
                code_source_url: new.code_source_url,
                created_at: now,
                package: package_json,
            };
            insert_version(connection, &version, &new.package)?;
            Ok(version)
        })
        .await
    }

    /// Gives a pipeline another name to show, other labels; what is `None` stays.
    pub(crate) async fn update_pipeline(
        &self,
        id: PipelineId,
        display_name: Option<String>,
        tags: Option<Vec<(String, String)>>,
    ) -> Result<PipelineRecord, EngineError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE pipelines SET display_name = COALESCE(?2, display_name), tags = COALESCE(?3, tags) \
                 WHERE id = ?1",
                params![id.to_string(), display_name, tags.map(Json)],
            )?;
            find_pipeline(connection, id)
        })
        .await
    }

    /// Gives a version another name to show, other labels; what is `None` stays.
    pub(crate) async fn update_version(
        &self,
        pipeline: PipelineId,
        version: VersionId,
        display_name: Option<String>,
        tags: Option<Vec<(String, String)>>,
    ) -> Result<VersionRecord, EngineError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE versions SET display_name = COALESCE(?3, display_name), tags = COALESCE(?4, tags) \
                 WHERE pipeline_id = ?1 AND id = ?2",
                params![
                    pipeline.to_string(),
                    version.to_string(),
                    display_name,
                    tags.map(Json)
                ],
            )?;
            filled(connection, find_version(connection, pipeline, version)?)
        })
        .await
    }

    pub(crate) async fn pipeline(&self, id: PipelineId) -> Result<PipelineRecord, EngineError> {
        self.read(move |connection| find_pipeline(connection, id)).await
    }

    pub(crate) async fn pipeline_by_name(&self, name: String) -> Result<PipelineRecord, EngineError> {
        self.read(move |connection| {
            connection
                .prepare_cached("SELECT * FROM pipelines WHERE name = ?1")?
                .query_row([&name], read_pipeline)
                .optional()?
                .ok_or_else(|| EngineError::not_found("pipeline", name))
        })
        .await
    }

    pub(crate) async fn pipelines(&self, options: ListOptions) -> Result<Page<PipelineRecord>, EngineError> {
        self.read(move |connection| PIPELINES.page(connection, ("TRUE", &[]), &options))
            .await
    }

    /// Deletes a pipeline, and its versions with it where `with_versions` says so.
    pub(crate) async fn delete_pipeline(
        &self,
        id: PipelineId,
        with_versions: bool,
    ) -> Result<(), EngineError> {
        self.write(move |connection| {
            find_pipeline(connection, id)?;
            let versions: i64 = connection.query_row(
                "SELECT COUNT(*) FROM versions WHERE pipeline_id = ?1",
                [id.to_string()],
                |row| row.get(0),
            )?;
            if versions > 0 && !with_versions {
                return Err(EngineError::Precondition(format!(
                    "pipeline `{id}` still has {versions} version(s): delete them first, or ask to cascade"
                )));
            }
            connection.execute("DELETE FROM pipelines WHERE id = ?1", [id.to_string()])?;
            packages::sweep(connection)
        })
        .await
    }

    pub(crate) async fn version(
        &self,
        pipeline: PipelineId,
        version: VersionId,
    ) -> Result<VersionRecord, EngineError> {
        self.read(move |connection| filled(connection, find_version(connection, pipeline, version)?))
            .await
    }

    pub(crate) async fn latest_version(&self, pipeline: PipelineId) -> Result<VersionRecord, EngineError> {
        self.read(move |connection| filled(connection, latest_version(connection, pipeline)?))
            .await
    }

    pub(crate) async fn versions(
        &self,
        pipeline: PipelineId,
        options: ListOptions,
    ) -> Result<Page<VersionRecord>, EngineError> {
        self.read(move |connection| {
            find_pipeline(connection, pipeline)?;
            let base = ("pipeline_id = ?", &[pipeline.to_string().into()][..]);
            let page = VERSIONS.page(connection, base, &options)?;
            let items = page.items.into_iter().map(|found| filled(connection, found));
            Ok(Page {
                items: items.collect::<Result<_, _>>()?,
                total: page.total,
                next: page.next,
            })
        })
        .await
    }

    pub(crate) async fn delete_version(
        &self,
        pipeline: PipelineId,
        version: VersionId,
    ) -> Result<(), EngineError> {
        self.write(move |connection| {
            find_version(connection, pipeline, version)?;
            connection.execute("DELETE FROM versions WHERE id = ?1", [version.to_string()])?;
            packages::sweep(connection)
        })
        .await
    }
}
