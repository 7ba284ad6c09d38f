//! What is wrong with an object, told by field.

use std::fmt;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldError {
    /// Path of the field, as Kubernetes writes it: `spec.parameters[0].feasibleSpace.min`.
    pub field: String,
    /// What is wrong with it, without its name.
    pub reason: String,
}

impl FieldError {
    /// A broken rule of a field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}
