//! Every object of a kind as of one version.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::StoreError;
use super::rows::{self, revision};
use crate::object::Object;

/// A kind at one version.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The version.
    pub(crate) revision: i64,
    /// The objects, by namespace and name.
    pub(crate) items: Vec<Object>,
}

/// Reads a kind as it is now, or as it was at a version that the log still reaches: the changes since are undone.
pub(crate) fn read_snapshot(
    connection: &Connection,
    resource: &str,
    namespace: Option<&str>,
    at: Option<i64>,
) -> Result<Snapshot, StoreError> {
    let now = revision(connection)?;
    let at = at.unwrap_or(now.current);
    if at < now.oldest || at > now.current {
        return Err(StoreError::Expired {
            asked: at,
            oldest: now.oldest,
        });
    }
    let items = rows::list(connection, resource, namespace)?;
    if at == now.current {
        return Ok(Snapshot { revision: at, items });
    }
    let key = |object: &Object| (object.namespace().to_owned(), object.name().to_owned());
    let mut by_key: BTreeMap<_, _> = items.into_iter().map(|object| (key(&object), object)).collect();
    // SQLite takes bare columns from the row of the minimum: the first change after that version.
    let mut statement = connection.prepare_cached(
        "SELECT namespace, name, previous, previous_revision, MIN(revision) FROM log
         WHERE resource = ?1 AND revision > ?2 AND (?3 IS NULL OR namespace = ?3) GROUP BY namespace, name",
    )?;
    let mut changed = statement.query((resource, at, namespace))?;
    while let Some(row) = changed.next()? {
        let place = (row.get(0)?, row.get(1)?);
        match (row.get::<_, Option<String>>(2)?, row.get::<_, Option<i64>>(3)?) {
            (Some(body), Some(revision)) => drop(by_key.insert(place, rows::object(&body, revision)?)),
            _ => drop(by_key.remove(&place)),
        }
    }
    Ok(Snapshot {
        revision: at,
        items: by_key.into_values().collect(),
    })
}
