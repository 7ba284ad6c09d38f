//! An applied configuration laid over what is there (`typed/merge.go`).

use serde_json::Value;

use super::path::Step;
use crate::schema::{ListKind, Node};

/// `live` with every field that `config` sets.
pub(crate) fn merge(node: &Node, live: &Value, config: &Value) -> Value {
    match (node.list_kind(), live, config) {
        (_, Value::Object(live), Value::Object(config)) => {
            let mut merged = live.clone();
            for (name, value) in config {
                let value = match live.get(name) {
                    Some(live) => merge(node.child(name), live, value),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (ListKind::Map(keys), Value::Array(live), Value::Array(config)) => merge_lists(
            live,
            config,
            |item| Step::of_item(item, keys),
            |live, item| merge(node.item(), live, item),
        ),
        (ListKind::Set, Value::Array(live), Value::Array(config)) => merge_lists(
            live,
            config,
            |item| Some(Step::of_value(item)),
            |_, item| item.clone(),
        ),
        _ => config.clone(),
    }
}

/// The configuration's items in its order; what only the live list has keeps its place before the next shared item.
fn merge_lists(
    live: &[Value],
    config: &[Value],
    step: impl Fn(&Value) -> Option<Step>,
    merge: impl Fn(&Value, &Value) -> Value,
) -> Value {
    let steps: Vec<_> = config.iter().map(&step).collect();
    let merged = |item: &Value, own: &Option<Step>| {
        live.iter()
            .find(|live| step(live) == *own)
            .map_or_else(|| item.clone(), |live| merge(live, item))
    };
    let mut items = Vec::new();
    let mut next = 0;
    for item in live {
        match steps.iter().position(|own| *own == step(item)) {
            None => items.push(item.clone()),
            Some(shared) => {
                while next <= shared {
                    items.push(merged(&config[next], &steps[next]));
                    next += 1;
                }
            }
        }
    }
    items.extend(
        config
            .iter()
            .zip(&steps)
            .skip(next)
            .map(|(item, own)| merged(item, own)),
    );
    Value::Array(items)
}
