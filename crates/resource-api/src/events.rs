//! Events live in two groups: `v1` and `events.k8s.io/v1` show the same objects in two shapes
//! (`k8s.io/kubernetes:pkg/apis/events/v1/conversion.go`). They are kept in the core group's.

use serde_json::Value;

/// Fields that differ: core's name, the other's.
const NAMES: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// A core Event as one of `events.k8s.io/v1`.
pub(crate) fn from_core(event: Value) -> Value {
    renamed(event, "events.k8s.io/v1", |name| {
        NAMES.iter().find(|(core, _)| *core == name).map(|(_, own)| *own)
    })
}

/// An Event of `events.k8s.io/v1` as a core one.
pub(crate) fn to_core(event: Value) -> Value {
    renamed(event, "v1", |name| {
        NAMES.iter().find(|(_, own)| *own == name).map(|(core, _)| *core)
    })
}

fn renamed(event: Value, api_version: &str, other: impl Fn(&str) -> Option<&'static str>) -> Value {
    let Value::Object(fields) = event else {
        return event;
    };
    let fields = fields.into_iter().map(|(name, value)| match other(&name) {
        Some(other) => (other.to_owned(), value),
        None if name == "apiVersion" => (name, Value::from(api_version)),
        None => (name, value),
    });
    Value::Object(fields.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_two_shapes_say_the_same() {
        let core = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "a"},
            "involvedObject": {"kind": "Experiment", "name": "tune"},
            "reason": "Started",
            "message": "Trial 1 runs",
            "type": "Normal",
            "count": 2,
            "reportingComponent": "experiments"
        });
        let own = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": "a"},
            "regarding": {"kind": "Experiment", "name": "tune"},
            "reason": "Started",
            "note": "Trial 1 runs",
            "type": "Normal",
            "deprecatedCount": 2,
            "reportingController": "experiments"
        });
        assert_eq!(from_core(core.clone()), own);
        assert_eq!(to_core(own), core);
    }
}
