//! One step of a path, and how it is written in `fieldsV1`.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// One step. Keys and values are kept as canonical JSON text, so that they can be compared and ordered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// `f:name`: a field of an object, or a key of a map.
    Field(String),
    /// `k:{"name":"x"}`: the item of a list with these key fields.
    Key(String),
    /// `v:"x"`: the item of a set.
    Value(String),
    /// `i:0`: the item of a list by place. Never made here; kept when a client sends it.
    Index(usize),
}

impl Step {
    /// The item of a list by its key fields; none where one is missing and has no default.
    pub(crate) fn of_item(item: &Value, keys: &[(String, Option<Value>)]) -> Option<Self> {
        let mut fields = BTreeMap::new();
        for (key, default) in keys {
            fields.insert(key.as_str(), item.get(key).or(default.as_ref())?);
        }
        Some(Self::Key(
            serde_json::to_string(&fields).expect("invariant: JSON values serialise"),
        ))
    }

    /// The item of a set.
    pub(crate) fn of_value(item: &Value) -> Self {
        Self::Value(item.to_string())
    }

    /// Reads a key of `fieldsV1`; none when it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => {
                let fields: BTreeMap<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::Key(serde_json::to_string(&fields).ok()?))
            }
            "v" => Some(Self::Value(serde_json::from_str::<Value>(rest).ok()?.to_string())),
            "i" => Some(Self::Index(rest.parse().ok()?)),
            _ => None,
        }
    }

    /// The key of `fieldsV1`.
    pub(crate) fn encode(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(fields) => format!("k:{fields}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }
}

/// As Kubernetes writes paths in messages: `.spec.parameters[name="rate"].max`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(fields) => {
                let fields: BTreeMap<String, Value> = serde_json::from_str(fields).unwrap_or_default();
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                write!(f, "[{}]", fields.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}
