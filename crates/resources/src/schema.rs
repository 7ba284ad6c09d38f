//! The parts of a schema that Rust's types cannot say: open objects, and how lists merge.

use schemars::{Schema, SchemaGenerator, json_schema};

/// An object with any fields, for example the template of a trial.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
