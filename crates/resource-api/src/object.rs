//! One object, as plain data with metadata that can be asked for.

use serde_json::{Map, Value, json};

/// An object of some kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(Value);

/// Something that is not an object of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an object with metadata")]
pub struct NotAnObject;

impl TryFrom<Value> for Object {
    type Error = NotAnObject;

    fn try_from(mut value: Value) -> Result<Self, NotAnObject> {
        let fields = value.as_object_mut().ok_or(NotAnObject)?;
        let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
        if metadata.is_null() {
            *metadata = json!({});
        }
        if metadata.is_object() {
            Ok(Self(value))
        } else {
            Err(NotAnObject)
        }
    }
}

impl Object {
    /// The whole object.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The whole object, by value.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.0
    }

    /// `metadata.name`; empty when absent.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// `metadata.namespace`; empty when absent or cluster-wide.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.text("namespace")
    }

    /// `metadata.uid`; empty before creation.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.text("uid")
    }

    /// `metadata.resourceVersion`; empty before creation.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        self.text("resourceVersion")
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0["metadata"]["labels"][key].as_str()
    }

    /// One of the object's own fields, for example `spec` or `data`; null when absent.
    #[must_use]
    pub fn field(&self, name: &str) -> &Value {
        &self.0[name]
    }

    /// A field of `metadata` as text; empty when absent.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0["metadata"][field].as_str().unwrap_or_default()
    }

    pub(crate) fn metadata(&self) -> &Map<String, Value> {
        self.0["metadata"]
            .as_object()
            .expect("invariant: an Object has metadata")
    }

    pub(crate) fn metadata_mut(&mut self) -> &mut Map<String, Value> {
        self.0["metadata"]
            .as_object_mut()
            .expect("invariant: an Object has metadata")
    }

    pub(crate) fn fields_mut(&mut self) -> &mut Map<String, Value> {
        self.0.as_object_mut().expect("invariant: an Object is an object")
    }

    /// Sets a field of `metadata`, or takes it out where null.
    pub(crate) fn set_metadata(&mut self, field: &str, value: Value) {
        if value.is_null() {
            self.metadata_mut().shift_remove(field);
        } else {
            self.metadata_mut().insert(field.to_owned(), value);
        }
    }

    /// Sets one of the object's own fields, or takes it out where null.
    pub(crate) fn set_field(&mut self, field: &str, value: Value) {
        if value.is_null() {
            self.fields_mut().shift_remove(field);
        } else {
            self.fields_mut().insert(field.to_owned(), value);
        }
    }

    pub(crate) fn generation(&self) -> Option<i64> {
        self.0["metadata"]["generation"].as_i64()
    }

    pub(crate) fn is_being_deleted(&self) -> bool {
        self.metadata().contains_key("deletionTimestamp")
    }

    pub(crate) fn finalizers(&self) -> Vec<String> {
        let list = self.0["metadata"]["finalizers"].as_array();
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn set_finalizers(&mut self, finalizers: &[String]) {
        self.set_metadata(
            "finalizers",
            if finalizers.is_empty() {
                Value::Null
            } else {
                json!(finalizers)
            },
        );
    }

    /// `metadata.ownerReferences`.
    pub(crate) fn owners(&self) -> &[Value] {
        self.0["metadata"]["ownerReferences"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

/// The present as Kubernetes writes it, to the second.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Takes every null out of an object, at any depth: custom kinds drop nulls where a field is not nullable
/// (`apiextensions-apiserver/pkg/apiserver/schema/defaulting/prunenulls.go`), and no field here is.
pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
