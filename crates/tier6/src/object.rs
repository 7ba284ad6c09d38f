//! Kubernetes objects as a render yields them: identified, in one canonical form, digested.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Kinds of core groups that live in no namespace; other cluster-scoped kinds say so in their definition.
const CLUSTER_SCOPED: [&str; 12] = [
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "PriorityClass",
    "StorageClass",
    "PersistentVolume",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "APIService",
];

/// Which object: its type, where it lives, its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// `v1`, `apps/v1`, …
    pub api_version: String,
    /// `Deployment`, …
    pub kind: String,
    /// Absent for what is cluster-scoped.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectId {
    /// Group of its type; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Version of its type.
    pub fn version(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or(&self.api_version, |(_, version)| version)
    }

    /// Reads back what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (api_version, kind, place) = (words.next()?, words.next()?, words.next()?);
        let (namespace, name) = match place.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, place),
        };
        words.next().is_none().then(|| Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace,
            name: name.to_owned(),
        })
    }

    /// As people name it: `Deployment kubeflow/ml-pipeline`.
    pub fn short(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }
}

/// `apps/v1 Deployment kubeflow/ml-pipeline`.
impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.api_version, self.short())
    }
}

/// An object in canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    id: ObjectId,
    body: Value,
}

impl Object {
    /// Takes an object as a tool wrote it. Canonical: keys sorted, nulls, status and creation time gone, `stringData`
    /// as `data`, no namespace on what has none.
    ///
    /// # Errors
    /// Says what is missing: `apiVersion`, `kind` or `metadata.name`.
    pub fn new(mut body: Value) -> Result<Self, String> {
        let text = |pointer: &str| {
            body.pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .ok_or_else(|| format!("an object without {}", pointer[1..].replace('/', ".")))
        };
        let mut id = ObjectId {
            api_version: text("/apiVersion")?,
            kind: text("/kind")?,
            name: text("/metadata/name")?,
            namespace: text("/metadata/namespace").ok(),
        };
        if CLUSTER_SCOPED.contains(&id.kind.as_str()) {
            id.namespace = None;
            if let Some(metadata) = body["metadata"].as_object_mut() {
                metadata.remove("namespace");
            }
        }
        if let Some(object) = body.as_object_mut() {
            object.remove("status");
            plain_data(object);
        }
        if let Some(metadata) = body["metadata"].as_object_mut() {
            metadata.remove("creationTimestamp");
        }
        Ok(Self {
            id,
            body: canonical(body),
        })
    }

    /// Which object.
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// The whole of it.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Takes the namespace away, where its definition says that it lives in none.
    #[must_use]
    pub(crate) fn cluster_scoped(mut self) -> Self {
        self.id.namespace = None;
        if let Some(metadata) = self.body["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        self
    }

    /// Group and kind that a CustomResourceDefinition defines.
    pub fn defines(&self) -> Option<(&str, &str)> {
        (self.id.kind == "CustomResourceDefinition").then_some(())?;
        Some((
            self.body.pointer("/spec/group")?.as_str()?,
            self.body.pointer("/spec/names/kind")?.as_str()?,
        ))
    }

    /// SHA-256 over the canonical form, as hex.
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(self.body.to_string()))
    }
}

/// A Secret's `stringData` is for people to write; the API server stores it as `data`, and applying it never removes a
/// key.
fn plain_data(object: &mut Map<String, Value>) {
    if object.get("kind").and_then(Value::as_str) != Some("Secret") {
        return;
    }
    let Some(Value::Object(texts)) = object.remove("stringData") else {
        return;
    };
    let data = object.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if let Some(data) = data.as_object_mut() {
        for (key, value) in texts {
            let text = value.as_str().unwrap_or_default();
            data.insert(key, base64::prelude::BASE64_STANDARD.encode(text).into());
        }
    }
}

fn canonical(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<String, Value> = fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, canonical(value)))
                .collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        other => other,
    }
}

/// SHA-256 over all objects in the order given, as hex.
pub(crate) fn digest(objects: &[Object]) -> String {
    let mut hash = Sha256::new();
    for object in objects {
        hash.update(object.body.to_string());
        hash.update(b"\n");
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_in_writing_only_is_one_object() {
        let one = json!({"kind": "Secret", "apiVersion": "v1", "status": {}, "stringData": {"a": "b"},
            "metadata": {"namespace": "n", "name": "s", "creationTimestamp": null}});
        let other = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n", "labels": null},
            "data": {"a": "Yg=="}});
        let (one, other) = (Object::new(one).unwrap(), Object::new(other).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.digest(), other.digest());
        assert_eq!(one.id().to_string(), "v1 Secret n/s");
    }

    #[test]
    fn a_cluster_scoped_object_has_no_namespace() {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "r", "namespace": "by-accident"}});
        let role = Object::new(role).unwrap();
        assert_eq!(
            role.id().to_string(),
            "rbac.authorization.k8s.io/v1 ClusterRole r"
        );
        assert_eq!(role.body().pointer("/metadata/namespace"), None);
    }

    #[test]
    fn an_id_is_read_back() {
        for text in ["apps/v1 Deployment kubeflow/ml-pipeline", "v1 Namespace kubeflow"] {
            assert_eq!(ObjectId::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ObjectId::parse("v1 Namespace"), None);
    }

    #[test]
    fn an_object_without_a_name_is_refused() {
        let error = Object::new(json!({"apiVersion": "v1", "kind": "Secret"})).unwrap_err();
        assert_eq!(error, "an object without metadata.name");
    }
}
