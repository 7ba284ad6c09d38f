//! Every change of a selection, as it happens.

use std::time::Duration;

use futures::Stream;
use serde_json::{Value, json};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::selectors::Selection;
use crate::store::{Change, ChangeKind, Page, Snapshot, Store, StoreError, read_page, read_snapshot};

/// Time between two bookmarks: a client that sees no change keeps a version that the log still reaches.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// What a client hears.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WatchEvent {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`.
    pub(crate) type_: &'static str,
    /// The object as it is served; of a bookmark its version alone; of an error the Status.
    pub(crate) object: Value,
}

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With every object there is, as if it were new.
    Now,
    /// The same, and a bookmark where they end (`sendInitialEvents`).
    NowThenBookmark,
    /// After this version.
    After(i64),
}

/// What a client says with a watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WatchOptions {
    pub(crate) start: Start,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Duration,
}

struct Watching {
    store: Store,
    kind: &'static Kind,
    selection: Selection,
    head: tokio::sync::watch::Receiver<i64>,
    upto: i64,
    ready: std::vec::IntoIter<WatchEvent>,
    bookmarks: Option<Interval>,
    deadline: Instant,
    ended: bool,
}

/// Watches. The stream ends at the time-out, with the server, or after an ERROR. Changes are read from the log, so each
/// is told once and in order however slowly the client reads; one that is too slow for the log hears 410.
///
/// # Errors
///
/// 500 when the store fails. A version that the log does not reach is told in the stream, as Kubernetes does.
pub(crate) async fn watch(
    store: Store,
    kind: &'static Kind,
    selection: Selection,
    options: WatchOptions,
    stop: CancellationToken,
) -> Result<impl Stream<Item = WatchEvent> + Send + use<>, Failure> {
    let head = store.head();
    let bookmarks = options.bookmarks.then(|| {
        let mut every = interval_at(Instant::now() + BOOKMARK_EVERY, BOOKMARK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        every
    });
    let mut watching = Watching {
        store,
        kind,
        selection,
        head,
        upto: 0,
        ready: Vec::new().into_iter(),
        bookmarks,
        deadline: Instant::now() + options.timeout,
        ended: false,
    };
    match options.start {
        Start::After(revision) => {
            watching.upto = revision;
            // At once, because a version that the store does not have would be waited for otherwise.
            watching.read().await;
        }
        Start::Now => watching.begin(false).await?,
        Start::NowThenBookmark => watching.begin(true).await?,
    }
    Ok(futures::stream::unfold(
        (watching, stop),
        |(mut watching, stop)| async move {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => None,
                event = watching.next() => event,
            };
            event.map(|event| (event, (watching, stop)))
        },
    ))
}

impl Watching {
    async fn begin(&mut self, bookmark: bool) -> Result<(), Failure> {
        let (resource, namespace) = (self.kind.stored_as.as_str(), self.selection.namespace.clone());
        let Snapshot { revision, items } = self
            .store
            .read(move |connection| read_snapshot(connection, resource, namespace.as_deref(), None))
            .await?;
        let served = items
            .into_iter()
            .map(|object| self.kind.served(object.into_value()));
        let mut events: Vec<_> = served
            .filter(|object| self.selection.matches(object))
            .map(|object| WatchEvent {
                type_: ChangeKind::Added.as_str(),
                object,
            })
            .collect();
        if bookmark {
            let mut end = self.bookmark(revision);
            end.object["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
            events.push(end);
        }
        self.ready = events.into_iter();
        self.upto = revision;
        Ok(())
    }

    async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(event) = self.ready.next() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            // The head is seen before the log is read, so no change falls between the two.
            let seen = *self.head.borrow_and_update();
            if seen <= self.upto {
                tokio::select! {
                    changed = self.head.changed() => if changed.is_err() { return None },
                    () = tokio::time::sleep_until(self.deadline) => return None,
                    () = tick(self.bookmarks.as_mut()) => return Some(self.bookmark(self.upto)),
                }
            }
            if Instant::now() >= self.deadline {
                return None;
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let (resource, after) = (self.kind.stored_as.as_str(), self.upto);
        match self
            .store
            .read(move |connection| read_page(connection, resource, after))
            .await
        {
            Ok(Page { changes, upto }) => {
                let events: Vec<_> = changes
                    .into_iter()
                    .filter_map(|change| self.tell(change))
                    .collect();
                self.ready = events.into_iter();
                self.upto = upto;
            }
            Err(error) => {
                self.ended = true;
                self.ready = vec![failed(error)].into_iter();
            }
        }
    }

    /// A change as this selection sees it: an object that matches no longer has gone, and one that matches now has come.
    fn tell(&self, change: Change) -> Option<WatchEvent> {
        let object = self.kind.served(change.object.into_value());
        let previous = change
            .previous
            .map(|previous| self.kind.served(previous.into_value()));
        let did = previous.is_some_and(|previous| self.selection.matches(&previous));
        let does = change.kind != ChangeKind::Deleted && self.selection.matches(&object);
        let kind = match (did, does) {
            (false, false) => return None,
            (false, true) => ChangeKind::Added,
            (true, true) => ChangeKind::Modified,
            (true, false) => ChangeKind::Deleted,
        };
        Some(WatchEvent {
            type_: kind.as_str(),
            object,
        })
    }

    fn bookmark(&self, revision: i64) -> WatchEvent {
        let object = json!({
            "kind": self.kind.kind(),
            "apiVersion": self.kind.definition.api_version(),
            "metadata": { "resourceVersion": revision.to_string(), "creationTimestamp": null },
        });
        WatchEvent {
            type_: "BOOKMARK",
            object,
        }
    }
}

fn failed(error: StoreError) -> WatchEvent {
    WatchEvent {
        type_: "ERROR",
        object: Failure::from(error).to_status(),
    }
}

async fn tick(interval: Option<&mut Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
