//! What a ConfigMap and a Secret must keep (`k8s.io/kubernetes:pkg/apis/core/validation/validation.go`).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::FieldError;

/// Longest key, and the most that all values may have in bytes (`MaxSecretSize`).
const LONGEST_KEY: usize = 253;
const LARGEST: usize = 1024 * 1024;

/// Keys are file names, the whole is at most 1 MiB, and what is immutable stays.
pub(crate) fn rules(old: Option<&Value>, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen = BTreeSet::new();
    let mut size = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in new[field].as_object().into_iter().flatten() {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let dots = key == "." || key.starts_with("..");
            if key.is_empty() || key.len() > LONGEST_KEY || dots || !key.chars().all(plain) {
                let why = "must be at most 253 letters, digits, dashes, underscores and dots";
                errors.push(FieldError::new(format!("{field}[{key}]"), why));
            }
            if !seen.insert(key) {
                errors.push(FieldError::new(format!("{field}[{key}]"), "is already in data"));
            }
            size += value.as_str().unwrap_or_default().len();
        }
    }
    if size > LARGEST {
        errors.push(FieldError::new(
            "data",
            format!("the values have {size} bytes, and must not exceed {LARGEST}"),
        ));
    }
    let Some(old) = old else { return errors };
    if old["type"] != new["type"] {
        errors.push(FieldError::new("type", "must not change"));
    }
    if old["immutable"] == true {
        for field in ["data", "binaryData", "immutable"] {
            if old[field] != new[field] {
                errors.push(FieldError::new(field, "must not change: the object is immutable"));
            }
        }
    }
    errors
}
