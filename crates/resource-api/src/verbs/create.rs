//! A new object.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Author, Target, Written};
use crate::admit::{admit, fill_in};
use crate::failure::Failure;
use crate::fields::{self, Operation};
use crate::names;
use crate::object::{Object, now};
use crate::store::{Store, Transaction};

/// Makes an object that is not there yet.
///
/// # Errors
///
/// 409 when it is, 422 when it breaks a rule.
pub(crate) async fn create(
    store: &Store,
    target: Target,
    author: Author,
    object: Object,
) -> Result<Written, Failure> {
    let keep = author.keep;
    store
        .write(keep, move |transaction| {
            create_in(transaction, target, &author, object)
        })
        .await
}

pub(super) fn create_in(
    transaction: &mut Transaction<'_>,
    mut target: Target,
    author: &Author,
    mut object: Object,
) -> Result<Written, Failure> {
    if !object.resource_version().is_empty() {
        return Err(Failure::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    if target.name.is_empty() {
        let base = object.text("generateName");
        if base.is_empty() {
            return Err(Failure::bad_request("name or generateName is required"));
        }
        target.name = names::generate(base);
    }
    object.set_metadata("managedFields", Value::Null);
    prepare(&target, &mut object);
    fill_in(target.kind, &mut object)?;
    let manager = target.manager(author, Operation::Update);
    let object = fields::update(target.stored_node(), &json!({}), object.value(), &manager, &now());
    insert(transaction, &target, object)
}

/// What the server sets of a new object, and what a client may not.
pub(super) fn prepare(target: &Target, object: &mut Object) {
    object.set_metadata("name", json!(target.name));
    let namespace = if target.kind.namespaced() {
        json!(target.namespace)
    } else {
        Value::Null
    };
    object.set_metadata("namespace", namespace);
    object.set_metadata("uid", json!(Uuid::new_v4().to_string()));
    object.set_metadata("creationTimestamp", json!(now()));
    for field in [
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
    ] {
        object.set_metadata(field, Value::Null);
    }
    let generation = if target.kind.has_status() {
        json!(1)
    } else {
        Value::Null
    };
    object.set_metadata("generation", generation);
    if target.kind.has_status() {
        object.set_field("status", Value::Null);
    }
}

/// Writes a new object whose fields have their owners.
pub(super) fn insert(
    transaction: &mut Transaction<'_>,
    target: &Target,
    object: Value,
) -> Result<Written, Failure> {
    let kind = target.kind;
    let mut object = Object::try_from(object).map_err(|error| Failure::bad_request(error.to_string()))?;
    if transaction
        .get(&kind.stored_as, &target.namespace, &target.name)?
        .is_some()
    {
        return Err(Failure::already_exists(kind, &target.name));
    }
    admit(kind, None, &object)?;
    transaction.put(&kind.stored_as, &mut object)?;
    Ok(Written {
        object: kind.served(object.into_value()),
        created: true,
    })
}
