//! An object's end. What it owns is the collector's business.

use serde_json::{Value, json};

use super::Target;
use crate::failure::Failure;
use crate::object::{Object, now};
use crate::store::{Keep, Store, StoreError, Transaction};

/// Finalizer of an owner whose dependents go first.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of an owner whose dependents stay.
pub(crate) const ORPHAN: &str = "orphan";

/// What becomes of the dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They go after.
    Background,
    /// They go before.
    Foreground,
    /// They stay.
    Orphan,
}

/// What a client says with a deletion.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    /// When absent, what an earlier deletion has said, else background.
    pub(crate) propagation: Option<Propagation>,
    /// The object must have this uid.
    pub(crate) uid: Option<String>,
    /// The object must have this version.
    pub(crate) resource_version: Option<String>,
}

/// How far a deletion came at once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Deletion {
    /// The object is gone; this is its last state, as it was served.
    Gone(Value),
    /// It waits for its finalizers.
    Waits(Value),
}

/// Deletes an object.
///
/// # Errors
///
/// 404 when there is none, 409 when a precondition does not hold.
pub(crate) async fn delete(
    store: &Store,
    target: Target,
    keep: Keep,
    options: DeleteOptions,
) -> Result<Deletion, Failure> {
    store
        .write(keep, move |transaction| {
            let kind = target.kind;
            let live = transaction
                .get(&kind.stored_as, &target.namespace, &target.name)?
                .ok_or_else(|| Failure::not_found(kind, &target.name))?;
            check_preconditions(&target, &live, &options)?;
            let deletion = begin_deletion(transaction, &kind.stored_as, &live, options.propagation)?;
            Ok(match deletion {
                Deletion::Gone(object) => Deletion::Gone(kind.served(object)),
                Deletion::Waits(object) => Deletion::Waits(kind.served(object)),
            })
        })
        .await
}

fn check_preconditions(target: &Target, live: &Object, options: &DeleteOptions) -> Result<(), Failure> {
    for (name, wanted, found) in [
        ("UID", &options.uid, live.uid()),
        (
            "ResourceVersion",
            &options.resource_version,
            live.resource_version(),
        ),
    ] {
        if let Some(wanted) = wanted
            .as_deref()
            .filter(|wanted| !wanted.is_empty() && *wanted != found)
        {
            let why = format!(
                "Precondition failed: {name} in precondition: {wanted}, {name} in object meta: {found}"
            );
            return Err(Failure::conflict(target.kind, live.name(), &why));
        }
    }
    Ok(())
}

/// Takes an object out, or marks it where finalizers hold it. As stored, not as served.
pub(crate) fn begin_deletion(
    transaction: &mut Transaction<'_>,
    resource: &str,
    live: &Object,
    propagation: Option<Propagation>,
) -> Result<Deletion, StoreError> {
    let mut object = live.clone();
    let mut finalizers = object.finalizers();
    if propagation.is_some() {
        finalizers.retain(|finalizer| finalizer != FOREGROUND && finalizer != ORPHAN);
    }
    match propagation {
        None | Some(Propagation::Background) => {}
        Some(Propagation::Foreground) => finalizers.push(FOREGROUND.into()),
        Some(Propagation::Orphan) => finalizers.push(ORPHAN.into()),
    }
    object.set_finalizers(&finalizers);
    if finalizers.is_empty() {
        transaction.remove(resource, &mut object)?;
        return Ok(Deletion::Gone(object.into_value()));
    }
    if !object.is_being_deleted() {
        object.set_metadata("deletionTimestamp", json!(now()));
        object.set_metadata("deletionGracePeriodSeconds", json!(0));
        if let Some(generation) = object.generation() {
            object.set_metadata("generation", json!(generation + 1));
        }
    }
    if object != *live {
        transaction.put(resource, &mut object)?;
    }
    Ok(Deletion::Waits(object.into_value()))
}
