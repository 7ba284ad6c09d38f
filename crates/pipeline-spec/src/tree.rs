//! A YAML document as a tree that knows its positions, between the YAML parser and the typed IR.
//!
//! Typed values are read from the tree and not from the parser, so that every error, of the parser, of a type or of
//! a later rule, carries the same two things: the path in the document and the line and column.

mod build;
mod read;

use serde_json::{Map, Number, Value};

use crate::position::{Path, Position, Step};

pub(crate) use build::documents;
pub(crate) use read::{Misfit, read};

/// A node of a document and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) at: Position,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// An entry of a mapping; its key has a place of its own.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Position,
    pub(crate) value: Node,
}

impl Node {
    /// The entry of that key, where this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The place of the node that a path leads to, or of the deepest one on the way there.
    pub(crate) fn locate(&self, path: &Path) -> Position {
        let mut node = self;
        let mut at = self.at;
        for step in path.steps() {
            let next = match (step, &node.kind) {
                (Step::Key(key), Kind::Map(entries)) => entries
                    .iter()
                    .find(|entry| read::names(&entry.key, key))
                    .map(|entry| {
                        at = entry.key_at;
                        &entry.value
                    }),
                (Step::Index(index), Kind::List(items)) => items.get(*index).inspect(|item| at = item.at),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => return at,
            }
        }
        at
    }

    /// Whether the path leads to something that is not null.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let mut node = Some(self);
        for step in path.steps() {
            node = match (step, node.map(|node| &node.kind)) {
                (Step::Key(key), Some(Kind::Map(entries))) => entries
                    .iter()
                    .find(|entry| read::names(&entry.key, key))
                    .map(|entry| &entry.value),
                (Step::Index(index), Some(Kind::List(items))) => items.get(*index),
                _ => None,
            };
        }
        node.is_some_and(|node| !matches!(node.kind, Kind::Null))
    }

    /// The node as plain JSON.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::String(value) => Value::String(value.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_json()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }
}
