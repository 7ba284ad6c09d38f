//! How the lists are read.

use serde_json::Value;

use crate::FieldError;

/// What is honoured of one kind's spec. Paths are written without indices: `spec.rules[].backendRefs`.
#[derive(Clone, Copy, Debug)]
pub struct Support {
    /// Fields that are honoured, each with all that lies below it: a path, and fields below that path.
    pub honoured: &'static [(&'static str, &'static [&'static str])],
    /// Fields that are honoured for some values only.
    pub values: &'static [(&'static str, &'static [&'static str])],
    /// Why some fields are not honoured, and what to write instead. For the rest the list itself is the reason.
    pub refused: &'static [(&'static str, &'static str)],
}

impl Support {
    /// Every field of an object's spec that is not honoured, outermost first.
    #[must_use]
    pub fn check(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let Some(spec) = object.get("spec") {
            self.walk("spec", "spec", spec, &mut errors);
        }
        errors
    }

    /// `at` is the field with its indices, `pattern` the same without.
    fn walk(&self, at: &str, pattern: &str, value: &Value, errors: &mut Vec<FieldError>) {
        if let Some((_, reason)) = self.refused.iter().find(|(path, _)| *path == pattern) {
            errors.push(FieldError::new(
                at,
                format!("is not honoured by the embedded rung: {reason}"),
            ));
            return;
        }
        if let Some((_, values)) = self.values.iter().find(|(path, _)| *path == pattern) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if !values.contains(&text.as_str()) {
                let reason = format!(
                    "{text:?} is not honoured by the embedded rung, only {}",
                    values.join(", ")
                );
                errors.push(FieldError::new(at, reason));
            }
            return;
        }
        if self.honoured().any(|path| path == pattern) {
            return;
        }
        if !self.leads_further(pattern) {
            errors.push(FieldError::new(at, "is not honoured by the embedded rung"));
            return;
        }
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.walk(
                        &format!("{at}.{name}"),
                        &format!("{pattern}.{name}"),
                        value,
                        errors,
                    );
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.walk(&format!("{at}[{index}]"), &format!("{pattern}[]"), item, errors);
                }
            }
            _ => {}
        }
    }

    /// Whether a list names something below this field.
    fn leads_further(&self, pattern: &str) -> bool {
        self.paths().any(|path| {
            path.strip_prefix(pattern)
                .is_some_and(|rest| rest.starts_with('.') || rest.starts_with('['))
        })
    }

    fn honoured(&self) -> impl Iterator<Item = String> {
        self.honoured
            .iter()
            .flat_map(|(path, fields)| fields.iter().map(move |field| format!("{path}.{field}")))
    }

    /// Every path of the three lists.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> {
        let values = self.values.iter().map(|(path, _)| (*path).to_owned());
        let refused = self.refused.iter().map(|(path, _)| (*path).to_owned());
        self.honoured().chain(values).chain(refused)
    }
}
