//! The two ways to change fields: apply, and everything else (`merge/update.go`).

use serde_json::{Map, Value};

use super::compare::compare;
use super::managers::{Manager, Managers};
use super::merge::merge;
use super::of_value::fields_of;
use super::remove::remove;
use super::set::FieldSet;
use crate::schema::Node;

/// Fields of nobody (`fieldmanager/stripmeta.go`): what names the object, and what the server alone sets.
const UNOWNED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "deletionTimestamp"],
    &["metadata", "deletionGracePeriodSeconds"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "generation"],
    &["metadata", "generateName"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
];

/// A field that an applied configuration would take from another manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// The other manager.
    pub(crate) manager: Manager,
    /// The field: `.spec.maxTrialCount`.
    pub(crate) field: String,
}

/// The object after a manager has applied a configuration: its fields set, those it set before and now leaves out gone
/// unless another manager holds them.
///
/// # Errors
///
/// The conflicts, when a field would get another value than the one that another manager set, and `force` is false.
pub(crate) fn apply(
    node: &Node,
    live: &Value,
    config: &Value,
    manager: &Manager,
    force: bool,
    now: &str,
) -> Result<Value, Vec<Conflict>> {
    let mut managers = Managers::decode(&live["metadata"]["managedFields"]).unwrap_or_default();
    let live = without_managed_fields(live);
    let before = managers
        .0
        .get(manager)
        .map(|owned| owned.fields.clone())
        .unwrap_or_default();
    let fields = fields_of(node, config);

    let merged = merge(node, &live, config);
    // The configuration's own name keeps `metadata` itself from being dropped with the last label.
    let kept = managers.all_but(manager).union(&fields);
    let merged = remove(node, &merged, &before.with_ways().difference(&kept.with_ways()));

    let changes = compare(node, &live, &merged);
    let changed = changes.set();
    let conflicts: Vec<_> = managers
        .0
        .iter()
        .filter(|(other, _)| *other != manager)
        .flat_map(|(other, owned)| {
            let fields = owned.fields.intersection(&changed).members();
            fields.into_iter().map(|field| Conflict {
                manager: other.clone(),
                field,
            })
        })
        .collect();
    if !conflicts.is_empty() && !force {
        return Err(conflicts);
    }
    managers.take(manager, &changed.union(&changes.removed));
    managers.give(manager, owned(fields), now);
    Ok(with_managed_fields(merged, &managers))
}

/// The object with its owners, after a manager has changed it from `live` to `new` by other means than apply. A client
/// may rewrite `managedFields` itself; where it sends none, the live ones stand.
pub(crate) fn update(node: &Node, live: &Value, new: &Value, manager: &Manager, now: &str) -> Value {
    let sent = &new["metadata"]["managedFields"];
    let stored = || Managers::decode(&live["metadata"]["managedFields"]).unwrap_or_default();
    let mut managers = match sent.as_array().map(Vec::as_slice) {
        None | Some([]) => stored(),
        // One empty entry is how a client asks for a fresh start.
        Some([Value::Object(entry)]) if entry.is_empty() => Managers::default(),
        Some(_) => Managers::decode(sent).unwrap_or_else(stored),
    };
    let (live, new) = (without_managed_fields(live), without_managed_fields(new));
    let changes = compare(node, &live, &new);
    let set = owned(changes.set());
    managers.take(manager, &changes.set().union(&changes.removed));
    let before = managers
        .0
        .get(manager)
        .map(|owned| owned.fields.clone())
        .unwrap_or_default();
    managers.give(manager, before.union(&set).difference(&changes.removed), now);
    with_managed_fields(new, &managers)
}

fn owned(fields: FieldSet) -> FieldSet {
    UNOWNED
        .iter()
        .fold(fields, |fields, path| fields.without(path))
        .without_lone_metadata()
}

impl FieldSet {
    /// `metadata` alone says nothing once what is below it belongs to nobody.
    fn without_lone_metadata(mut self) -> Self {
        let step = super::path::Step::Field("metadata".into());
        if let Some(metadata) = self.below.get_mut(&step) {
            metadata.here = false;
            if metadata.is_empty() {
                self.below.remove(&step);
            }
        }
        self
    }
}

fn without_managed_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
    object
}

fn with_managed_fields(mut object: Value, managers: &Managers) -> Value {
    let object_fields = object
        .as_object_mut()
        .expect("invariant: what is applied is an object");
    let metadata = object_fields
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut()
        && !managers.0.is_empty()
    {
        metadata.insert("managedFields".into(), managers.encode());
    }
    object
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
