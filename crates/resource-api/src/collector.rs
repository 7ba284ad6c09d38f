//! What follows from a deletion, and what goes by itself: dependents of owners that are gone, owners that wait for
//! their dependents, and Events that are old (`pkg/controller/garbagecollector`, `--event-ttl`).

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::kinds;
use crate::object::Object;
use crate::store::{self, Keep, Place, Store, StoreError, Transaction};
use crate::verbs::{FOREGROUND, ORPHAN, Propagation, begin_deletion};

/// How long an Event is kept after it was last written. Kubernetes keeps it for an hour, and a laptop that was closed
/// over night should still tell why a run failed.
const EVENT_LIFE: Duration = Duration::from_secs(48 * 3600);
/// Time between two looks at old Events.
const EVENTS_EVERY: Duration = Duration::from_secs(600);

/// Collects until told to stop. It looks at everything at the start, so a process that was killed between an owner's
/// end and its dependents' leaves nothing behind.
pub(crate) async fn collect(store: Store, stop: CancellationToken) {
    let mut head = store.head();
    let mut events = tokio::time::interval(EVENTS_EVERY);
    loop {
        head.borrow_and_update();
        // Until nothing is left to do: what goes now may be the owner of something else.
        loop {
            match sweep_where_needed(&store).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "dependents could not be collected");
                    break;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = head.changed() => if changed.is_err() { return },
            _ = events.tick() => {
                if let Err(error) = store.write(Keep::Yes, expire).await {
                    tracing::error!(%error, "old events could not be dropped");
                }
            }
        }
    }
}

/// Looks without holding the writer up, and takes it only where there may be something to do.
async fn sweep_where_needed(store: &Store) -> Result<usize, StoreError> {
    let nothing = store
        .read(|connection| {
            Ok(store::dependents_in_doubt(connection)?.is_empty()
                && store::waiting_owners(connection)?.is_empty())
        })
        .await?;
    if nothing {
        Ok(0)
    } else {
        store.write(Keep::Yes, sweep).await
    }
}

/// Deletes Events that are old; tells how many.
fn expire(transaction: &mut Transaction<'_>) -> Result<usize, StoreError> {
    let before = Timestamp::now().as_second() - EVENT_LIFE.as_secs().cast_signed();
    let old = transaction.written_before("events", before)?;
    for place in &old {
        if let Some(event) = read(transaction, place)? {
            begin_deletion(
                transaction,
                &place.resource,
                &event,
                Some(Propagation::Background),
            )?;
        }
    }
    Ok(old.len())
}

/// One look at owners and dependents; tells how many objects it changed.
fn sweep(transaction: &mut Transaction<'_>) -> Result<usize, StoreError> {
    let mut changed = 0;
    for place in transaction.dependents_in_doubt()? {
        let Some(dependent) = read(transaction, &place)? else {
            continue;
        };
        changed += usize::from(sweep_dependent(transaction, &place, &dependent)?);
    }
    for place in transaction.waiting_owners()? {
        let Some(owner) = read(transaction, &place)? else {
            continue;
        };
        changed += usize::from(sweep_owner(transaction, &place, owner)?);
    }
    Ok(changed)
}

/// A dependent goes when none of its owners is left, and when one waits for it.
fn sweep_dependent(
    transaction: &mut Transaction<'_>,
    place: &Place,
    dependent: &Object,
) -> Result<bool, StoreError> {
    if dependent.is_being_deleted() {
        return Ok(false);
    }
    let (mut left, mut awaited) = (false, false);
    for reference in dependent.owners() {
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        // Nobody here can tell whether an owner of a kind that is not served is gone.
        if kinds::owner(text("apiVersion"), text("kind")).is_none() {
            return Ok(false);
        }
        let Some(owner) = transaction.place_of(text("uid"))? else {
            continue;
        };
        if !owner.namespace.is_empty() && owner.namespace != place.namespace {
            continue;
        }
        let waits = read(transaction, &owner)?.is_some_and(|owner| {
            owner.is_being_deleted() && owner.finalizers().iter().any(|f| f == FOREGROUND)
        });
        awaited |= waits;
        left |= !waits;
    }
    if left {
        return Ok(false);
    }
    let propagation = if awaited {
        Propagation::Foreground
    } else {
        Propagation::Background
    };
    let has_dependents = !transaction.dependents_of(dependent.uid())?.is_empty();
    let propagation = if has_dependents {
        propagation
    } else {
        Propagation::Background
    };
    begin_deletion(transaction, &place.resource, dependent, Some(propagation))?;
    Ok(true)
}

/// An owner that waits goes on once no dependent blocks it, or once all are set free.
fn sweep_owner(transaction: &mut Transaction<'_>, place: &Place, owner: Object) -> Result<bool, StoreError> {
    let dependents = transaction.dependents_of(owner.uid())?;
    let mut finalizers = owner.finalizers();
    if finalizers.iter().any(|finalizer| finalizer == ORPHAN) {
        for place in &dependents {
            let Some(mut dependent) = read(transaction, place)? else {
                continue;
            };
            let kept: Vec<_> = dependent
                .owners()
                .iter()
                .filter(|reference| reference["uid"] != owner.uid())
                .cloned()
                .collect();
            dependent.set_metadata(
                "ownerReferences",
                if kept.is_empty() {
                    serde_json::Value::Null
                } else {
                    serde_json::json!(kept)
                },
            );
            transaction.put(&place.resource, &mut dependent)?;
        }
    } else {
        for place in &dependents {
            let blocks = read(transaction, place)?.is_some_and(|dependent| {
                dependent.owners().iter().any(|reference| {
                    reference["uid"] == owner.uid() && reference["blockOwnerDeletion"] == true
                })
            });
            if blocks {
                return Ok(false);
            }
        }
    }
    finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
    let mut owner = owner;
    owner.set_finalizers(&finalizers);
    if finalizers.is_empty() {
        transaction.remove(&place.resource, &mut owner)?;
    } else {
        transaction.put(&place.resource, &mut owner)?;
    }
    Ok(true)
}

fn read(transaction: &Transaction<'_>, place: &Place) -> Result<Option<Object>, StoreError> {
    transaction.get(&place.resource, &place.namespace, &place.name)
}
