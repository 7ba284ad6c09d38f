//! Rows as objects.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Value, json};

use super::StoreError;
use crate::object::Object;

/// Where the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The version of the last change.
    pub(crate) current: i64,
    /// The oldest version from which the log still tells every change.
    pub(crate) oldest: i64,
}

pub(super) fn revision(connection: &Connection) -> Result<Revision, StoreError> {
    let mut statement = connection.prepare_cached("SELECT current, oldest FROM revision")?;
    Ok(statement.query_row([], |row| {
        Ok(Revision {
            current: row.get(0)?,
            oldest: row.get(1)?,
        })
    })?)
}

pub(super) fn get(
    connection: &Connection,
    resource: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<Object>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT body, revision FROM objects WHERE resource = ? AND namespace = ? AND name = ?",
    )?;
    one(statement
        .query_row((resource, namespace, name), body_and_revision)
        .optional()?)
}

/// Every object of a kind, by namespace and name.
pub(super) fn list(
    connection: &Connection,
    resource: &str,
    namespace: Option<&str>,
) -> Result<Vec<Object>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT body, revision FROM objects WHERE resource = ?1 AND (?2 IS NULL OR namespace = ?2)
         ORDER BY namespace, name",
    )?;
    let rows = statement.query_map((resource, namespace), body_and_revision)?;
    rows.map(|row| {
        row.map_err(StoreError::from)
            .and_then(|(body, revision)| object(&body, revision))
    })
    .collect()
}

pub(super) fn body_and_revision(row: &Row<'_>) -> rusqlite::Result<(String, i64)> {
    Ok((row.get(0)?, row.get(1)?))
}

pub(super) fn one(row: Option<(String, i64)>) -> Result<Option<Object>, StoreError> {
    row.map(|(body, revision)| object(&body, revision)).transpose()
}

/// A stored body with its version put in.
pub(super) fn object(body: &str, revision: i64) -> Result<Object, StoreError> {
    let value: Value =
        serde_json::from_str(body).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    let mut object = Object::try_from(value).map_err(|error| StoreError::Unreadable(error.to_string()))?;
    object.set_metadata("resourceVersion", json!(revision.to_string()));
    Ok(object)
}

/// An object's body as it is stored.
pub(super) fn body(object: &Object) -> String {
    let mut object = object.clone();
    object.set_metadata("resourceVersion", Value::Null);
    object.into_value().to_string()
}
