//! One object in the place of another: what update, patch and apply have in common.

use serde_json::{Value, json};

use super::{Part, Target, Written};
use crate::admit::{admit, fill_in};
use crate::failure::Failure;
use crate::fields::{self, Manager};
use crate::object::{Object, drop_nulls, now};
use crate::store::Transaction;

/// Who owns the fields of the new object.
pub(super) enum Owners<'m> {
    /// The one who changed them.
    Changed(&'m Manager),
    /// As it says already.
    Settled,
}

/// Writes `new` over `live`; both as they are stored. What a client may not set stays as it is, the generation goes up
/// with the specification alone, and an object that waits for its last finalizer goes when that is gone. Nothing is
/// written where nothing changes.
pub(super) fn replace(
    transaction: &mut Transaction<'_>,
    target: &Target,
    live: &Object,
    new: Value,
    owners: &Owners<'_>,
) -> Result<Written, Failure> {
    let kind = target.kind;
    let mut new = Object::try_from(new).map_err(|error| Failure::bad_request(error.to_string()))?;
    check_identity(target, live, &new)?;
    drop_nulls_of(&mut new);
    fill_in(kind, &mut new)?;
    let mut new = match target.part {
        Part::Main => {
            keep_fields(live, &mut new);
            if kind.has_status() {
                new.set_field("status", live.field("status").clone());
            }
            new
        }
        Part::Status => {
            let mut whole = live.clone();
            whole.set_field("status", new.field("status").clone());
            whole.set_metadata(
                "managedFields",
                new.metadata().get("managedFields").cloned().unwrap_or_default(),
            );
            whole
        }
    };
    if let Owners::Changed(manager) = owners {
        let owned = fields::update(target.stored_node(), live.value(), new.value(), manager, &now());
        new = Object::try_from(owned).map_err(|error| Failure::internal(error.to_string()))?;
    }
    if live.is_being_deleted() {
        let old = live.finalizers();
        if let Some(added) = new.finalizers().iter().find(|finalizer| !old.contains(finalizer)) {
            let error = resources::FieldError::new(
                "metadata.finalizers",
                format!("{added:?} cannot be added while the object is being deleted"),
            );
            return Err(Failure::invalid(kind, live.name(), &[error]));
        }
    }
    if kind.has_status() && !same_specification(live, &new) {
        new.set_metadata("generation", json!(live.generation().unwrap_or(0) + 1));
    }
    if new == *live {
        return Ok(Written {
            object: kind.served(new.into_value()),
            created: false,
        });
    }
    admit(kind, Some(live), &new)?;
    if new.is_being_deleted() && new.finalizers().is_empty() {
        transaction.remove(&kind.stored_as, &mut new)?;
    } else {
        transaction.put(&kind.stored_as, &mut new)?;
    }
    Ok(Written {
        object: kind.served(new.into_value()),
        created: false,
    })
}

/// What names the object, and which version of it the client means.
fn check_identity(target: &Target, live: &Object, new: &Object) -> Result<(), Failure> {
    let kind = target.kind;
    for (field, old) in [("name", live.name()), ("namespace", live.namespace())] {
        let sent = new.text(field);
        if !sent.is_empty() && sent != old {
            let why =
                format!("the {field} of the object ({sent}) does not match the {field} on the URL ({old})");
            return Err(Failure::bad_request(why));
        }
    }
    let served = kind.definition.api_version();
    let stored = live.field("apiVersion").as_str().unwrap_or_default();
    for (field, one, other) in [
        ("apiVersion", served.as_str(), stored),
        ("kind", kind.kind(), kind.kind()),
    ] {
        match new.field(field).as_str() {
            Some(sent) if sent != one && sent != other => {
                let why = format!("the {field} of the object ({sent}) does not match the URL's ({one})");
                return Err(Failure::bad_request(why));
            }
            _ => {}
        }
    }
    if !new.uid().is_empty() && new.uid() != live.uid() {
        let why = format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            new.uid(),
            live.uid()
        );
        return Err(Failure::conflict(kind, live.name(), &why));
    }
    if !new.resource_version().is_empty() && new.resource_version() != live.resource_version() {
        return Err(Failure::stale(kind, live.name()));
    }
    Ok(())
}

/// Metadata that the server alone sets.
fn keep_fields(live: &Object, new: &mut Object) {
    for field in ["apiVersion", "kind"] {
        new.set_field(field, live.field(field).clone());
    }
    for field in [
        "name",
        "namespace",
        "generateName",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "selfLink",
    ] {
        new.set_metadata(field, live.metadata().get(field).cloned().unwrap_or_default());
    }
}

/// Whether everything is as it was, metadata and status aside.
fn same_specification(live: &Object, new: &Object) -> bool {
    let parts = |object: &Object| -> Vec<(String, Value)> {
        let fields = object.value().as_object().into_iter().flatten();
        let mut parts: Vec<_> = fields
            .filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        parts.sort_by(|(one, _), (other, _)| one.cmp(other));
        parts
    };
    parts(live) == parts(new)
}

fn drop_nulls_of(object: &mut Object) {
    object.fields_mut().retain(|_, value| !value.is_null());
    object.fields_mut().values_mut().for_each(drop_nulls);
}
