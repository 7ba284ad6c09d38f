//! Columns of Kubernetes' own kinds, which have no definitions to tell them
//! (`k8s.io/kubernetes:pkg/printers/internalversion/printers.go`).

use serde_json::{Value, json};

use super::age::age;
use crate::kinds::Kind;

/// A column and how its cell is made.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) type_: &'static str,
    pub(super) description: &'static str,
    pub(super) priority: i32,
    pub(super) cell: fn(&Value) -> Value,
}

const AGE: BuiltIn = BuiltIn {
    name: "Age",
    type_: "string",
    description: "Time since it was created.",
    priority: 0,
    cell: |object| json!(age(&object["metadata"]["creationTimestamp"])),
};

const DATA: BuiltIn = BuiltIn {
    name: "Data",
    type_: "string",
    description: "Number of its keys.",
    priority: 0,
    cell: |object| {
        let keys = |field: &str| object[field].as_object().map_or(0, serde_json::Map::len);
        json!(keys("data") + keys("binaryData"))
    },
};

const CONFIG_MAP: &[BuiltIn] = &[DATA, AGE];

const SECRET: &[BuiltIn] = &[
    BuiltIn {
        name: "Type",
        type_: "string",
        description: "What the data is for.",
        priority: 0,
        cell: |object| object["type"].clone(),
    },
    DATA,
    AGE,
];

const EVENT: &[BuiltIn] = &[
    BuiltIn {
        name: "Last Seen",
        type_: "string",
        description: "Time since it last happened.",
        priority: 0,
        cell: |event| {
            let times = [
                &event["series"]["lastObservedTime"],
                either(event, "lastTimestamp", "deprecatedLastTimestamp"),
                &event["eventTime"],
                &event["metadata"]["creationTimestamp"],
            ];
            json!(age(times
                .into_iter()
                .find(|time| time.is_string())
                .unwrap_or(&Value::Null)))
        },
    },
    BuiltIn {
        name: "Type",
        type_: "string",
        description: "Normal or Warning.",
        priority: 0,
        cell: |event| event["type"].clone(),
    },
    BuiltIn {
        name: "Reason",
        type_: "string",
        description: "Why, in one word.",
        priority: 0,
        cell: |event| event["reason"].clone(),
    },
    BuiltIn {
        name: "Object",
        type_: "string",
        description: "What it is about.",
        priority: 0,
        cell: |event| {
            let about = either(event, "involvedObject", "regarding");
            let text = |field: &str| about[field].as_str().unwrap_or_default();
            json!(format!("{}/{}", text("kind").to_lowercase(), text("name")))
        },
    },
    BuiltIn {
        name: "Source",
        type_: "string",
        description: "Who tells it.",
        priority: 1,
        cell: |event| {
            let reporter = either(event, "reportingComponent", "reportingController");
            let source = &either(event, "source", "deprecatedSource")["component"];
            if reporter.is_string() {
                reporter.clone()
            } else {
                source.clone()
            }
        },
    },
    BuiltIn {
        name: "Message",
        type_: "string",
        description: "What happened.",
        priority: 0,
        cell: |event| {
            json!(
                either(event, "message", "note")
                    .as_str()
                    .unwrap_or_default()
                    .trim()
            )
        },
    },
    BuiltIn {
        name: "Count",
        type_: "string",
        description: "How often it happened.",
        priority: 1,
        cell: |event| {
            let counts = [
                &event["series"]["count"],
                either(event, "count", "deprecatedCount"),
            ];
            counts
                .into_iter()
                .find(|count| count.is_number())
                .cloned()
                .unwrap_or(json!(1))
        },
    },
];

/// A field that the two shapes of an Event name differently.
fn either<'e>(event: &'e Value, core: &str, own: &str) -> &'e Value {
    event.get(core).unwrap_or(&event[own])
}

/// The columns after the name; none for a custom kind.
pub(super) fn columns(kind: &Kind) -> Option<&'static [BuiltIn]> {
    match (kind.definition.built_in, kind.kind()) {
        (true, "ConfigMap") => Some(CONFIG_MAP),
        (true, "Secret") => Some(SECRET),
        (true, "Event") => Some(EVENT),
        _ => None,
    }
}
