//! A kind's schema, as a tree that values are walked along.

mod check;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use check::check;

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Node {
    /// Anything. Its maps merge, its lists are atomic.
    Open,
    /// A string; a point in time where `time`.
    Text { time: bool },
    /// A whole number of this many bits.
    Integer { bits: u32 },
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A port or a quantity: number or string.
    NumberOrText,
    /// An object with these fields.
    Object {
        fields: BTreeMap<String, Node>,
        required: Vec<String>,
    },
    /// An object whose keys are the client's.
    Map(Box<Node>),
    /// A list.
    List { item: Box<Node>, kind: ListKind },
}

/// How two lists become one.
#[derive(Debug)]
pub(crate) enum ListKind {
    /// The later one stands.
    Atomic,
    /// Items are values.
    Set,
    /// Items are told apart by these fields, each with the value it has when left out.
    Map(Vec<(String, Option<Value>)>),
}

static OPEN: Node = Node::Open;

impl Node {
    /// Reads an OpenAPI v3 schema that holds no references.
    pub(crate) fn parse(schema: &Value) -> Self {
        if schema["x-kubernetes-preserve-unknown-fields"] == true {
            return Self::Open;
        }
        if schema["x-kubernetes-int-or-string"] == true {
            return Self::NumberOrText;
        }
        match schema["type"].as_str().unwrap_or_default() {
            "string" => Self::Text {
                time: schema["format"] == "date-time",
            },
            "integer" => Self::Integer {
                bits: if schema["format"] == "int32" { 32 } else { 64 },
            },
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "array" => Self::List {
                item: Box::new(Self::parse(&schema["items"])),
                kind: ListKind::parse(schema),
            },
            "object" => match (
                schema["properties"].as_object(),
                schema.get("additionalProperties"),
            ) {
                (Some(properties), _) if !properties.is_empty() => Self::Object {
                    fields: properties
                        .iter()
                        .map(|(name, field)| (name.clone(), Self::parse(field)))
                        .collect(),
                    required: texts(&schema["required"]),
                },
                (_, Some(values @ Value::Object(_))) => Self::Map(Box::new(Self::parse(values))),
                // Kubernetes' `FieldsV1` says no more of itself.
                _ => Self::Open,
            },
            _ => Self::Open,
        }
    }

    /// The schema of a field or key; open where there is none.
    pub(crate) fn child(&self, name: &str) -> &Self {
        match self {
            Self::Object { fields, .. } => fields.get(name).unwrap_or(&OPEN),
            Self::Map(values) => values,
            _ => &OPEN,
        }
    }

    /// The schema of a list's items; open where there is none.
    pub(crate) fn item(&self) -> &Self {
        match self {
            Self::List { item, .. } => item,
            _ => &OPEN,
        }
    }

    /// Whether this is an object that has a field of this name by its own right.
    pub(crate) fn declares(&self, name: &str) -> bool {
        matches!(self, Self::Object { fields, .. } if fields.contains_key(name))
    }

    /// How a list here merges.
    pub(crate) fn list_kind(&self) -> &ListKind {
        match self {
            Self::List { kind, .. } => kind,
            _ => &ListKind::Atomic,
        }
    }
}

impl ListKind {
    fn parse(schema: &Value) -> Self {
        match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => Self::Set,
            Some("map") => {
                let default = |key: &str| schema["items"]["properties"][key].get("default").cloned();
                let keys = texts(&schema["x-kubernetes-list-map-keys"]).into_iter();
                Self::Map(keys.map(|key| (key.clone(), default(&key))).collect())
            }
            _ => Self::Atomic,
        }
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}
