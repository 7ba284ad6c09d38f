//! Server-side apply.

use serde_json::{Value, json};

use super::create::{insert, prepare};
use super::replace::{Owners, replace};
use super::{Author, Part, Target, Written};
use crate::admit::fill_in;
use crate::failure::Failure;
use crate::fields::{self, Operation};
use crate::object::{Object, now};
use crate::store::Store;

/// How an apply deals with others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApplyOptions {
    /// Take fields from other managers.
    pub(crate) force: bool,
}

/// Applies a configuration, as it is stored: makes the object, or sets its fields and drops those that this manager
/// applied before and leaves out now.
///
/// # Errors
///
/// 404 when the status of an object is applied that is not there, 409 when another manager has set a field to something
/// else, 422 when the result breaks a rule.
pub(crate) async fn apply(
    store: &Store,
    target: Target,
    author: Author,
    options: ApplyOptions,
    mut config: Object,
) -> Result<Written, Failure> {
    if config
        .metadata()
        .get("managedFields")
        .is_some_and(|fields| fields.as_array().is_none_or(|f| !f.is_empty()))
    {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    config.set_metadata("managedFields", Value::Null);
    let keep = author.keep;
    store
        .write(keep, move |transaction| {
            let kind = target.kind;
            let node = target.stored_node();
            let manager = target.manager(&author, Operation::Apply);
            let live = transaction.get(&kind.stored_as, &target.namespace, &target.name)?;
            restrict(&target, &mut config);
            fill_in(kind, &mut config)?;
            let base = live
                .as_ref()
                .map_or_else(|| json!({}), |live| live.value().clone());
            check_sent_identity(&target, live.as_ref(), &config)?;
            let applied = fields::apply(node, &base, config.value(), &manager, options.force, &now())
                .map_err(|conflicts| Failure::owned_by_others(&conflicts))?;
            match live {
                Some(live) => replace(transaction, &target, &live, applied, &Owners::Settled),
                None if target.part == Part::Status => Err(Failure::not_found(kind, &target.name)),
                None => {
                    let mut object =
                        Object::try_from(applied).map_err(|error| Failure::bad_request(error.to_string()))?;
                    prepare(&target, &mut object);
                    insert(transaction, &target, object.into_value())
                }
            }
        })
        .await
}

/// A configuration is about one part: what it says of the other is not applied (`resetFields` of the strategies).
fn restrict(target: &Target, config: &mut Object) {
    match target.part {
        Part::Main if target.kind.has_status() => config.set_field("status", Value::Null),
        Part::Main => {}
        Part::Status => {
            config
                .fields_mut()
                .retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
            config
                .metadata_mut()
                .retain(|name, _| matches!(name.as_str(), "name" | "namespace" | "uid" | "resourceVersion"));
        }
    }
}

/// A configuration that names a uid or a version is about that object alone.
fn check_sent_identity(target: &Target, live: Option<&Object>, config: &Object) -> Result<(), Failure> {
    let kind = target.kind;
    let Some(live) = live else {
        return if config.uid().is_empty() && config.resource_version().is_empty() {
            Ok(())
        } else {
            Err(Failure::conflict(
                kind,
                &target.name,
                "the object that is meant is not there any more",
            ))
        };
    };
    if !config.resource_version().is_empty() && config.resource_version() != live.resource_version() {
        return Err(Failure::stale(kind, &target.name));
    }
    Ok(())
}
