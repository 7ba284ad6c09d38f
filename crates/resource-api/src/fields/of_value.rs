//! The fields that a value sets.

use serde_json::Value;

use super::path::Step;
use super::set::FieldSet;
use crate::schema::{ListKind, Node};

/// The fields that an applied configuration sets: leaves, keys of maps, and items of lists that merge. A declared field
/// that only leads to others is no member (`typed/tofieldset.go`).
pub(crate) fn fields_of(node: &Node, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    match (node.list_kind(), value) {
        (_, Value::Object(fields)) if !fields.is_empty() => {
            for (name, value) in fields {
                let mut inner = fields_of(node.child(name), value);
                inner.here |= value.is_null() || is_empty_object(value) || !node.declares(name);
                set.put(Step::Field(name.clone()), inner);
            }
        }
        (ListKind::Map(keys), Value::Array(items)) if !items.is_empty() => {
            for item in items {
                let Some(step) = Step::of_item(item, keys) else {
                    continue;
                };
                let mut inner = fields_of(node.item(), item);
                inner.here = true;
                set.put(step, inner);
            }
        }
        (ListKind::Set, Value::Array(items)) if !items.is_empty() => {
            for item in items {
                set.put(Step::of_value(item), FieldSet::here());
            }
        }
        _ => set.here = true,
    }
    set
}

/// Everything in a value, what only leads to others included: what a change adds or removes with it.
pub(crate) fn everything_in(node: &Node, value: &Value) -> FieldSet {
    let mut set = FieldSet::here();
    match (node.list_kind(), value) {
        (_, Value::Object(fields)) => {
            for (name, value) in fields {
                set.put(Step::Field(name.clone()), everything_in(node.child(name), value));
            }
        }
        (ListKind::Map(keys), Value::Array(items)) => {
            for item in items {
                if let Some(step) = Step::of_item(item, keys) {
                    set.put(step, everything_in(node.item(), item));
                }
            }
        }
        (ListKind::Set, Value::Array(items)) => {
            for item in items {
                set.put(Step::of_value(item), FieldSet::here());
            }
        }
        _ => {}
    }
    set
}

fn is_empty_object(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}
