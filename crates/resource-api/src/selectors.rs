//! Which objects a list or a watch is about.

mod fields;
mod labels;

pub(crate) use fields::FieldSelector;
pub(crate) use labels::LabelSelector;

use serde_json::Value;

use crate::failure::Failure;
use crate::kinds::Kind;

/// Both selectors of a request and its namespace: all must match.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// One namespace, or all.
    pub(crate) namespace: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    /// Reads a request's selectors.
    ///
    /// # Errors
    ///
    /// 400 when one cannot be read, or names a field that the kind cannot be selected by.
    pub(crate) fn parse(
        kind: &Kind,
        namespace: Option<&str>,
        labels: &str,
        fields: &str,
    ) -> Result<Self, Failure> {
        let labels = LabelSelector::parse(labels).map_err(|why| {
            Failure::bad_request(format!("unable to parse labelSelector {labels:?}: {why}"))
        })?;
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            labels,
            fields: FieldSelector::parse(kind, fields).map_err(Failure::bad_request)?,
        })
    }

    /// Whether every object of the namespace is meant.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// Whether an object, as it is served, is meant.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
            && self.labels.matches(&object["metadata"]["labels"])
            && self.fields.matches(object)
    }
}
