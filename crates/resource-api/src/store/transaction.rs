//! What a piece of work may do with the store while it has it alone.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

use super::log::ChangeKind;
use super::rows::{self, Revision};
use super::{Snapshot, StoreError, read_snapshot};
use crate::object::Object;

/// The store, for one piece of work.
pub(crate) struct Transaction<'c> {
    pub(super) connection: &'c Connection,
    pub(super) revision: Revision,
}

/// Where an object is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The store's name of its kind.
    pub(crate) resource: String,
    /// Its namespace; empty when cluster-wide.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl Transaction<'_> {
    pub(crate) fn get(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Object>, StoreError> {
        rows::get(self.connection, resource, namespace, name)
    }

    pub(crate) fn list(&self, resource: &str, namespace: Option<&str>) -> Result<Snapshot, StoreError> {
        read_snapshot(self.connection, resource, namespace, None)
    }

    /// Writes an object in place of what is there, gives it its version, and logs the change.
    pub(crate) fn put(&mut self, resource: &str, object: &mut Object) -> Result<(), StoreError> {
        let previous = self.get(resource, object.namespace(), object.name())?;
        let revision = self.next();
        let body = rows::body(object);
        self.connection
            .prepare_cached(
                "INSERT INTO objects (resource, namespace, name, uid, revision, written, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (resource, namespace, name)
                 DO UPDATE SET uid = ?4, revision = ?5, written = ?6, body = ?7",
            )?
            .execute((
                resource,
                object.namespace(),
                object.name(),
                object.uid(),
                revision,
                Timestamp::now().as_second(),
                &body,
            ))?;
        if previous
            .as_ref()
            .is_none_or(|previous| previous.owners() != object.owners())
        {
            self.link_owners(object)?;
        }
        let kind = if previous.is_none() {
            ChangeKind::Added
        } else {
            ChangeKind::Modified
        };
        self.log(revision, kind, resource, object, &body, previous.as_ref())?;
        object.set_metadata("resourceVersion", json!(revision.to_string()));
        Ok(())
    }

    /// Takes an object out, gives the last word on it its version, and logs the change.
    pub(crate) fn remove(&mut self, resource: &str, object: &mut Object) -> Result<(), StoreError> {
        let previous = self.get(resource, object.namespace(), object.name())?;
        let revision = self.next();
        self.connection
            .prepare_cached("DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?")?
            .execute((resource, object.namespace(), object.name()))?;
        self.connection
            .prepare_cached("DELETE FROM owners WHERE dependent = ?")?
            .execute([object.uid()])?;
        let body = rows::body(object);
        self.log(
            revision,
            ChangeKind::Deleted,
            resource,
            object,
            &body,
            previous.as_ref(),
        )?;
        object.set_metadata("resourceVersion", json!(revision.to_string()));
        Ok(())
    }

    /// Where the object of this uid is, if it is still there.
    pub(crate) fn place_of(&self, uid: &str) -> Result<Option<Place>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT resource, namespace, name FROM objects WHERE uid = ?")?;
        Ok(statement.query_row([uid], place).optional()?)
    }

    /// Where the dependents of this owner are.
    pub(crate) fn dependents_of(&self, owner: &str) -> Result<Vec<Place>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT resource, namespace, name FROM owners JOIN objects ON uid = dependent WHERE owner = ?",
        )?;
        let places = statement.query_map([owner], place)?.collect::<Result<_, _>>()?;
        Ok(places)
    }

    pub(crate) fn dependents_in_doubt(&self) -> Result<Vec<Place>, StoreError> {
        dependents_in_doubt(self.connection)
    }

    pub(crate) fn waiting_owners(&self) -> Result<Vec<Place>, StoreError> {
        waiting_owners(self.connection)
    }

    /// Where the objects of a kind are that were last written before this time, in seconds since 1970.
    pub(crate) fn written_before(&self, resource: &str, time: i64) -> Result<Vec<Place>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT resource, namespace, name FROM objects WHERE resource = ? AND written < ?",
        )?;
        let places = statement
            .query_map((resource, time), place)?
            .collect::<Result<_, _>>()?;
        Ok(places)
    }

    fn next(&mut self) -> i64 {
        self.revision.current += 1;
        self.revision.current
    }

    fn link_owners(&self, object: &Object) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM owners WHERE dependent = ?")?
            .execute([object.uid()])?;
        let mut insert = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO owners VALUES (?, ?)")?;
        for owner in object.owners().iter().filter_map(|owner| owner["uid"].as_str()) {
            insert.execute((owner, object.uid()))?;
        }
        Ok(())
    }

    fn log(
        &self,
        revision: i64,
        kind: ChangeKind,
        resource: &str,
        object: &Object,
        body: &str,
        previous: Option<&Object>,
    ) -> Result<(), StoreError> {
        let previous_revision = previous.and_then(|previous| previous.resource_version().parse::<i64>().ok());
        self.connection
            .prepare_cached("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?
            .execute((
                revision,
                resource,
                object.namespace(),
                object.name(),
                kind.as_str(),
                body,
                previous.map(rows::body),
                previous_revision,
            ))?;
        Ok(())
    }
}

/// Where the objects are that name an owner which is gone, is out of their reach, or is going.
pub(crate) fn dependents_in_doubt(connection: &Connection) -> Result<Vec<Place>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT dependent.resource, dependent.namespace, dependent.name
         FROM owners
         JOIN objects AS dependent ON dependent.uid = owners.dependent
         LEFT JOIN objects AS owner ON owner.uid = owners.owner
         WHERE owner.uid IS NULL
            OR (owner.namespace <> '' AND owner.namespace <> dependent.namespace)
            OR owner.body ->> '$.metadata.deletionTimestamp' IS NOT NULL",
    )?;
    let places = statement.query_map([], place)?.collect::<Result<_, _>>()?;
    Ok(places)
}

/// Where the objects are that wait for what becomes of their dependents.
pub(crate) fn waiting_owners(connection: &Connection) -> Result<Vec<Place>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT resource, namespace, name FROM objects
         WHERE body ->> '$.metadata.deletionTimestamp' IS NOT NULL AND EXISTS (
             SELECT 1 FROM json_each(body, '$.metadata.finalizers')
             WHERE value IN ('foregroundDeletion', 'orphan')
         )",
    )?;
    let places = statement.query_map([], place)?.collect::<Result<_, _>>()?;
    Ok(places)
}

fn place(row: &rusqlite::Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        resource: row.get(0)?,
        namespace: row.get(1)?,
        name: row.get(2)?,
    })
}
