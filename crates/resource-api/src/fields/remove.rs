//! Fields taken out of a value (`typed/remove.go`).

use serde_json::Value;

use super::path::Step;
use super::set::FieldSet;
use crate::schema::{ListKind, Node};

/// The value without the members of a set, each with all that lies below it.
pub(crate) fn remove(node: &Node, value: &Value, set: &FieldSet) -> Value {
    match (node.list_kind(), value) {
        (_, Value::Object(fields)) => {
            let kept = fields.iter().filter_map(|(name, value)| {
                let value = keep(node.child(name), value, set.below.get(&Step::Field(name.clone())))?;
                Some((name.clone(), value))
            });
            Value::Object(kept.collect())
        }
        (ListKind::Map(keys), Value::Array(items)) => {
            let kept = items.iter().filter_map(|item| {
                let inner = Step::of_item(item, keys).and_then(|step| set.below.get(&step));
                keep(node.item(), item, inner)
            });
            Value::Array(kept.collect())
        }
        (ListKind::Set, Value::Array(items)) => {
            let gone = |item: &&Value| set.below.get(&Step::of_value(item)).is_some_and(|set| set.here);
            Value::Array(items.iter().filter(|item| !gone(item)).cloned().collect())
        }
        _ => value.clone(),
    }
}

fn keep(node: &Node, value: &Value, set: Option<&FieldSet>) -> Option<Value> {
    match set {
        None => Some(value.clone()),
        Some(set) if set.here => None,
        Some(set) => Some(remove(node, value, set)),
    }
}
