//! An object held against its schema.

use std::collections::BTreeSet;

use jiff::Timestamp;
use resources::FieldError;
use serde_json::Value;

use super::{ListKind, Node};

/// Every field that the schema does not have, or that holds what it may not. Nothing is dropped silently, whatever
/// `fieldValidation` a client asks for: what is not understood is refused by name.
pub(crate) fn check(node: &Node, at: &str, value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(node, at, value, &mut errors);
    errors
}

fn walk(node: &Node, at: &str, value: &Value, errors: &mut Vec<FieldError>) {
    let mut refuse = |wanted: &str| {
        errors.push(FieldError::new(
            at,
            format!("must be {wanted}, not {}", brief(value)),
        ));
    };
    match (node, value) {
        (Node::Open, _)
        | (Node::Boolean, Value::Bool(_))
        | (Node::Number, Value::Number(_))
        | (Node::NumberOrText, Value::Number(_) | Value::String(_))
        | (Node::Text { time: false }, Value::String(_)) => {}
        (Node::Text { time: true }, Value::String(text)) => {
            if text.parse::<Timestamp>().is_err() {
                refuse("a time like 2026-01-31T12:00:00Z");
            }
        }
        (Node::Integer { bits }, Value::Number(number)) => match number.as_i64() {
            Some(number) if *bits == 64 || i32::try_from(number).is_ok() => {}
            _ => refuse(&format!("a whole number of {bits} bits")),
        },
        (Node::Object { fields, required }, Value::Object(object)) => {
            for (name, value) in object {
                let at = join(at, name);
                match fields.get(name) {
                    Some(field) => walk(field, &at, value, errors),
                    None => errors.push(FieldError::new(at, "unknown field")),
                }
            }
            for name in required.iter().filter(|name| !object.contains_key(name.as_str())) {
                errors.push(FieldError::new(join(at, name), "must be set"));
            }
        }
        (Node::Map(values), Value::Object(object)) => {
            for (name, value) in object {
                walk(values, &format!("{at}[{name}]"), value, errors);
            }
        }
        (Node::List { item, kind }, Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                walk(item, &format!("{at}[{index}]"), value, errors);
            }
            check_unique(kind, at, items, errors);
        }
        (Node::Boolean, _) => refuse("true or false"),
        (Node::Number, _) => refuse("a number"),
        (Node::Integer { bits }, _) => refuse(&format!("a whole number of {bits} bits")),
        (Node::NumberOrText, _) => refuse("a number or a string"),
        (Node::Text { .. }, _) => refuse("a string"),
        (Node::Object { .. } | Node::Map(_), _) => refuse("an object"),
        (Node::List { .. }, _) => refuse("a list"),
    }
}

/// Items of a list that merges must be told apart.
fn check_unique(kind: &ListKind, at: &str, items: &[Value], errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let identity = match kind {
            ListKind::Atomic => return,
            ListKind::Set => item.to_string(),
            ListKind::Map(keys) => {
                let part = |(key, default): &(String, Option<Value>)| {
                    item.get(key).cloned().or_else(|| default.clone())
                };
                let parts: Vec<_> = keys.iter().map(part).collect();
                for ((key, _), _) in keys.iter().zip(&parts).filter(|(_, part)| part.is_none()) {
                    errors.push(FieldError::new(
                        join(&at, key),
                        "must be set: it tells the items apart",
                    ));
                }
                parts
                    .into_iter()
                    .flatten()
                    .map(|part| part.to_string())
                    .collect::<Vec<_>>()
                    .join(",")
            }
        };
        if !seen.insert(identity.clone()) {
            errors.push(FieldError::new(at, format!("{identity} is already in the list")));
        }
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() {
        name.to_owned()
    } else {
        format!("{at}.{name}")
    }
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 {
        format!("{}…", text.chars().take(60).collect::<String>())
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn node() -> Node {
        Node::parse(&json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "count": {"type": "integer", "format": "int32"},
                "big": {"type": "integer", "format": "int64"},
                "share": {"type": "number"},
                "on": {"type": "boolean"},
                "when": {"type": "string", "format": "date-time"},
                "port": {"x-kubernetes-int-or-string": true},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": {"type": "object", "properties": {
                        "port": {"type": "integer"},
                        "protocol": {"type": "string", "default": "TCP"}
                    }}
                }
            }
        }))
    }

    #[rstest]
    #[case(json!({"name": "x", "count": 1, "big": 5_000_000_000_i64, "share": 0.5, "on": true, "port": "http"}), &[])]
    #[case(json!({"name": "x", "when": "2026-01-31T12:00:00Z", "labels": {"a": "b"}, "any": {"x": [1]}}), &[])]
    #[case(json!({"name": "x", "ports": [{"port": 1}, {"port": 1, "protocol": "UDP"}]}), &[])]
    #[case(json!({}), &["name: must be set"])]
    #[case(json!({"name": "x", "nmae": 1}), &["nmae: unknown field"])]
    #[case(json!({"name": 1}), &["name: must be a string, not 1"])]
    #[case(json!({"name": "x", "count": 5_000_000_000_i64}), &["count: must be a whole number of 32 bits, not 5000000000"])]
    #[case(json!({"name": "x", "count": 1.5}), &["count: must be a whole number of 32 bits, not 1.5"])]
    #[case(json!({"name": "x", "when": "yesterday"}), &["when: must be a time like 2026-01-31T12:00:00Z, not \"yesterday\""])]
    #[case(json!({"name": "x", "labels": {"a": 1}}), &["labels[a]: must be a string, not 1"])]
    #[case(json!({"name": "x", "labels": []}), &["labels: must be an object, not []"])]
    #[case(json!({"name": "x", "set": ["a", "a"]}), &["set[1]: \"a\" is already in the list"])]
    #[case(json!({"name": "x", "ports": [{"port": 1}, {"port": 1, "protocol": "TCP"}]}), &["ports[1]: 1,\"TCP\" is already in the list"])]
    #[case(json!({"name": "x", "ports": [{"protocol": "TCP"}]}), &["ports[0].port: must be set: it tells the items apart"])]
    fn a_value_is_held_against_its_schema(#[case] value: Value, #[case] expected: &[&str]) {
        let found: Vec<_> = check(&node(), "", &value)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected);
    }
}
