//! Whether an object may be written: its shape, its metadata, the limits of this rung, the rules of its kind.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use resources::FieldError;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::names::check_metadata;
use crate::object::Object;
use crate::schema;

/// Holds an object, in the shape it is stored in, against everything that its kind demands.
///
/// # Errors
///
/// 422 naming each field.
pub(crate) fn admit(kind: &Kind, old: Option<&Object>, new: &Object) -> Result<(), Failure> {
    let served = kind.served(new.value().clone());
    let mut errors = schema::check(&kind.node, "", &served);
    errors.extend(check_metadata(new));
    // A controller that takes its finalizer off must not fail on a rule that is younger than the object.
    let same = |field: &str| old.is_some_and(|old| old.field(field) == new.field(field));
    let untouched = !kind.definition.built_in
        && same("spec")
        && old.is_some_and(|old| old.metadata().get("annotations") == new.metadata().get("annotations"));
    if errors.is_empty() && !untouched {
        if let Some(support) = kind.definition.support {
            errors.extend(support.check(new.value()));
        }
        errors.extend((kind.definition.rules)(old.map(Object::value), new.value()));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(kind, new.name(), &errors))
    }
}

/// What the server fills in before anything else looks at an object that a client sent.
///
/// # Errors
///
/// 422 when a Secret's data is not base64.
pub(crate) fn fill_in(kind: &Kind, object: &mut Object) -> Result<(), Failure> {
    if (kind.group(), kind.kind()) != ("", "Secret") {
        return Ok(());
    }
    if object.field("type").is_null() {
        object.set_field("type", json!("Opaque"));
    }
    let plain = object
        .field("stringData")
        .as_object()
        .cloned()
        .unwrap_or_default();
    object.set_field("stringData", Value::Null);
    if !plain.is_empty() {
        let mut data = object.field("data").as_object().cloned().unwrap_or_default();
        for (key, value) in plain {
            data.insert(
                key,
                json!(BASE64_STANDARD.encode(value.as_str().unwrap_or_default())),
            );
        }
        object.set_field("data", Value::Object(data));
    }
    let wrong = object
        .field("data")
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| {
            BASE64_STANDARD
                .decode(value.as_str().unwrap_or_default())
                .is_err()
        });
    // The value stays out of the message: it may be a secret in clear.
    let errors: Vec<_> = wrong
        .map(|(key, _)| FieldError::new(format!("data[{key}]"), "must be base64"))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Failure::invalid(kind, object.name(), &errors))
    }
}
