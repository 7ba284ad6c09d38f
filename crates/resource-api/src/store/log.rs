//! The log of changes, and how it is followed.

use futures::Stream;
use rusqlite::Connection;

use super::rows::{self, revision};
use super::{Store, StoreError};
use crate::object::Object;

/// Entries that are read at once.
const PAGE: usize = 256;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It came.
    Added,
    /// It changed.
    Modified,
    /// It went.
    Deleted,
}

impl ChangeKind {
    /// As a watch tells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Added, Self::Modified, Self::Deleted]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The object after it; when it went, as it was last.
    pub object: Object,
    /// The object before it.
    pub previous: Option<Object>,
}

/// A part of the log.
#[derive(Debug)]
pub(crate) struct Page {
    /// The changes, in order.
    pub(crate) changes: Vec<Change>,
    /// Every change up to this version has been told.
    pub(crate) upto: i64,
}

/// Reads a kind's changes after a version.
pub(crate) fn read_page(connection: &Connection, resource: &str, after: i64) -> Result<Page, StoreError> {
    let now = revision(connection)?;
    if after < now.oldest || after > now.current {
        return Err(StoreError::Expired {
            asked: after,
            oldest: now.oldest,
        });
    }
    let mut statement = connection.prepare_cached(
        "SELECT revision, kind, body, previous, previous_revision FROM log
         WHERE resource = ? AND revision > ? ORDER BY revision LIMIT ?",
    )?;
    let mut rows = statement.query((resource, after, PAGE as i64))?;
    let mut page = Page {
        changes: Vec::new(),
        upto: now.current,
    };
    let mut last = after;
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        let kind: String = row.get(1)?;
        let previous = row
            .get::<_, Option<String>>(3)?
            .zip(row.get::<_, Option<i64>>(4)?);
        page.changes.push(Change {
            kind: ChangeKind::parse(&kind).ok_or_else(|| StoreError::Unreadable(kind))?,
            object: rows::object(&row.get::<_, String>(2)?, last)?,
            previous: rows::one(previous)?,
        });
    }
    if page.changes.len() == PAGE {
        page.upto = last;
    }
    Ok(page)
}

/// Every change after a version, in order, each once, until an error or the store's end.
pub(super) fn follow(
    store: Store,
    resource: &'static str,
    from: i64,
) -> impl Stream<Item = Result<Change, StoreError>> + Send {
    struct Following {
        store: Store,
        head: tokio::sync::watch::Receiver<i64>,
        upto: i64,
        ready: std::vec::IntoIter<Change>,
        ended: bool,
    }
    let head = store.head();
    let following = Following {
        store,
        head,
        upto: from,
        ready: Vec::new().into_iter(),
        ended: false,
    };
    futures::stream::unfold(following, move |mut at| async move {
        loop {
            if let Some(change) = at.ready.next() {
                return Some((Ok(change), at));
            }
            if at.ended {
                return None;
            }
            let after = at.upto;
            if *at.head.borrow_and_update() <= after && at.head.changed().await.is_err() {
                return None;
            }
            match at
                .store
                .read(move |connection| read_page(connection, resource, after))
                .await
            {
                Ok(page) => {
                    at.upto = page.upto;
                    at.ready = page.changes.into_iter();
                }
                Err(error) => {
                    at.ended = true;
                    return Some((Err(error), at));
                }
            }
        }
    })
}
