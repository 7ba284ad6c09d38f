//! What changed between two values, by field (`typed/compare.go`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::of_value::everything_in;
use super::path::Step;
use super::set::FieldSet;
use crate::schema::{ListKind, Node};

/// Fields by what happened to them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) added: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) removed: FieldSet,
}

impl Changes {
    fn put(&mut self, step: &Step, inner: Self) {
        self.added.put(step.clone(), inner.added);
        self.modified.put(step.clone(), inner.modified);
        self.removed.put(step.clone(), inner.removed);
    }

    /// What now has another value than before.
    pub(crate) fn set(&self) -> FieldSet {
        self.added.union(&self.modified)
    }
}

/// What changed from `old` to `new`.
pub(crate) fn compare(node: &Node, old: &Value, new: &Value) -> Changes {
    let mut changes = Changes::default();
    match (node.list_kind(), old, new) {
        (_, Value::Object(before), Value::Object(after)) => {
            let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for name in names {
                let step = Step::Field(name.clone());
                changes.put(
                    &step,
                    compare_parts(node.child(name), before.get(name), after.get(name)),
                );
            }
        }
        (ListKind::Map(keys), Value::Array(before), Value::Array(after)) => {
            let by_key = |items: &'_ [Value]| -> BTreeMap<Step, Value> {
                items
                    .iter()
                    .filter_map(|item| Some((Step::of_item(item, keys)?, item.clone())))
                    .collect()
            };
            let (before, after) = (by_key(before), by_key(after));
            let steps: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for step in steps {
                changes.put(
                    step,
                    compare_parts(node.item(), before.get(step), after.get(step)),
                );
            }
        }
        (ListKind::Set, Value::Array(before), Value::Array(after)) => {
            for item in after.iter().filter(|item| !before.contains(item)) {
                changes.added.put(Step::of_value(item), FieldSet::here());
            }
            for item in before.iter().filter(|item| !after.contains(item)) {
                changes.removed.put(Step::of_value(item), FieldSet::here());
            }
        }
        _ => changes.modified.here = old != new,
    }
    changes
}

fn compare_parts(node: &Node, old: Option<&Value>, new: Option<&Value>) -> Changes {
    match (old, new) {
        (Some(old), Some(new)) => compare(node, old, new),
        (None, Some(new)) => Changes {
            added: everything_in(node, new),
            ..Changes::default()
        },
        (Some(old), None) => Changes {
            removed: everything_in(node, old),
            ..Changes::default()
        },
        (None, None) => Changes::default(),
    }
}
