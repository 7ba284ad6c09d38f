//! The kinds that are served, by group, version and plural.

use std::sync::LazyLock;

use resources::{Definition, definitions};
use serde_json::Value;

use crate::events;
use crate::schema::Node;

/// A kind that is served.
pub(crate) struct Kind {
    pub(crate) definition: &'static Definition,
    /// Its schema, to walk values along.
    pub(crate) node: Node,
    /// Its name in the store. Two groups share one store where they show the same objects in two shapes.
    pub(crate) stored_as: String,
    shape: Shape,
}

/// How an object is kept.
enum Shape {
    /// As it is served.
    Same,
    /// In the core group's shape of an Event.
    CoreEvent,
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| definitions().iter().map(Kind::new).collect());

/// Every kind.
pub(crate) fn all() -> &'static [Kind] {
    &KINDS
}

/// The kind of this group, version and plural.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| {
        let definition = kind.definition;
        definition.group == group && definition.version == version && definition.plural == plural
    })
}

/// The kind that is kept under this name, in the shape it is kept in.
pub(crate) fn stored_as(name: &str) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.stored_as == name && matches!(kind.shape, Shape::Same))
}

/// The kind that an owner reference means: any version of a group's kind.
pub(crate) fn owner(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    KINDS
        .iter()
        .find(|known| known.group() == group && known.kind() == kind)
}

impl Kind {
    fn new(definition: &'static Definition) -> Self {
        let is_event_of_its_own_group = definition.group == "events.k8s.io";
        let stored_as = match definition.group.as_str() {
            "" | "events.k8s.io" => definition.plural.clone(),
            group => format!("{}.{group}", definition.plural),
        };
        Self {
            definition,
            node: Node::parse(&definition.schema),
            stored_as,
            shape: if is_event_of_its_own_group {
                Shape::CoreEvent
            } else {
                Shape::Same
            },
        }
    }

    pub(crate) fn group(&self) -> &'static str {
        &self.definition.group
    }

    pub(crate) fn kind(&self) -> &'static str {
        &self.definition.kind
    }

    pub(crate) fn plural(&self) -> &'static str {
        &self.definition.plural
    }

    pub(crate) fn namespaced(&self) -> bool {
        self.definition.namespaced
    }

    /// Whether it has a status of its own, written through `/status` only.
    pub(crate) fn has_status(&self) -> bool {
        !self.definition.built_in
    }

    /// `experiments.kubeflow.org`, as messages name it.
    pub(crate) fn resource_name(&self) -> String {
        match self.group() {
            "" => self.plural().to_owned(),
            group => format!("{}.{group}", self.plural()),
        }
    }

    /// A stored object as this kind serves it.
    pub(crate) fn served(&self, stored: Value) -> Value {
        match self.shape {
            Shape::Same => stored,
            Shape::CoreEvent => events::from_core(stored),
        }
    }

    /// An object of this kind as it is stored.
    pub(crate) fn stored(&self, served: Value) -> Value {
        match self.shape {
            Shape::Same => served,
            Shape::CoreEvent => events::to_core(served),
        }
    }
}
