//! Bodies in Kubernetes' second encoding: `kubectl create secret|configmap` and Go's typed clients send it for
//! Kubernetes' own kinds. Field numbers are those of `k8s.io/api/core/v1/generated.proto`,
//! `apimachinery/pkg/apis/meta/v1/generated.proto` and `apimachinery/pkg/runtime/generated.proto`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use prost::Message;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// The media type.
pub(super) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

#[derive(Message)]
struct Envelope {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

#[derive(Message)]
struct ConfigMap {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(btree_map = "string, string", tag = "2")]
    data: BTreeMap<String, String>,
    #[prost(btree_map = "string, bytes", tag = "3")]
    binary_data: BTreeMap<String, Vec<u8>>,
    #[prost(bool, optional, tag = "4")]
    immutable: Option<bool>,
}

#[derive(Message)]
struct Secret {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ObjectMeta>,
    #[prost(btree_map = "string, bytes", tag = "2")]
    data: BTreeMap<String, Vec<u8>>,
    #[prost(string, tag = "3")]
    type_: String,
    #[prost(btree_map = "string, string", tag = "4")]
    string_data: BTreeMap<String, String>,
    #[prost(bool, optional, tag = "5")]
    immutable: Option<bool>,
}

#[derive(Message)]
struct ObjectMeta {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    generate_name: String,
    #[prost(string, tag = "3")]
    namespace: String,
    #[prost(string, tag = "5")]
    uid: String,
    #[prost(string, tag = "6")]
    resource_version: String,
    #[prost(btree_map = "string, string", tag = "11")]
    labels: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "12")]
    annotations: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "13")]
    owner_references: Vec<OwnerReference>,
    #[prost(string, repeated, tag = "14")]
    finalizers: Vec<String>,
}

#[derive(Message)]
struct OwnerReference {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    uid: String,
    #[prost(string, tag = "5")]
    api_version: String,
    #[prost(bool, optional, tag = "6")]
    controller: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    block_owner_deletion: Option<bool>,
}

/// A body as the data that JSON would have brought.
///
/// # Errors
///
/// 400 when it cannot be read, 415 for a kind that is served as JSON only.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, Failure> {
    let broken =
        |error: &dyn std::fmt::Display| Failure::bad_request(format!("the body is no protobuf: {error}"));
    let bytes = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| broken(&"it does not begin with k8s"))?;
    let envelope = Envelope::decode(bytes).map_err(|error| broken(&error))?;
    let TypeMeta { api_version, kind } = envelope.type_meta.unwrap_or_default();
    let raw = envelope.raw.as_slice();
    let mut object = match (api_version.as_str(), kind.as_str()) {
        ("v1", "ConfigMap") => ConfigMap::decode(raw)
            .map_err(|error| broken(&error))?
            .into_value(),
        ("v1", "Secret") => Secret::decode(raw).map_err(|error| broken(&error))?.into_value(),
        _ => {
            return Err(Failure::unsupported_media_type(
                MEDIA_TYPE,
                &["application/json", "application/yaml"],
            ));
        }
    };
    object.insert("apiVersion".into(), json!(api_version));
    object.insert("kind".into(), json!(kind));
    Ok(Value::Object(object))
}

impl ConfigMap {
    fn into_value(self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("metadata".into(), self.metadata.unwrap_or_default().into_value());
        put(&mut object, "data", json!(self.data));
        put(&mut object, "binaryData", in_base64(&self.binary_data));
        put(&mut object, "immutable", json!(self.immutable));
        object
    }
}

impl Secret {
    fn into_value(self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("metadata".into(), self.metadata.unwrap_or_default().into_value());
        put(&mut object, "data", in_base64(&self.data));
        put(&mut object, "stringData", json!(self.string_data));
        put(&mut object, "type", json!(self.type_));
        put(&mut object, "immutable", json!(self.immutable));
        object
    }
}

impl ObjectMeta {
    fn into_value(self) -> Value {
        let mut metadata = Map::new();
        put(&mut metadata, "name", json!(self.name));
        put(&mut metadata, "generateName", json!(self.generate_name));
        put(&mut metadata, "namespace", json!(self.namespace));
        put(&mut metadata, "uid", json!(self.uid));
        put(&mut metadata, "resourceVersion", json!(self.resource_version));
        put(&mut metadata, "labels", json!(self.labels));
        put(&mut metadata, "annotations", json!(self.annotations));
        put(&mut metadata, "finalizers", json!(self.finalizers));
        let owners: Vec<_> = self
            .owner_references
            .into_iter()
            .map(OwnerReference::into_value)
            .collect();
        put(&mut metadata, "ownerReferences", json!(owners));
        Value::Object(metadata)
    }
}

impl OwnerReference {
    fn into_value(self) -> Value {
        let mut reference = Map::new();
        put(&mut reference, "apiVersion", json!(self.api_version));
        put(&mut reference, "kind", json!(self.kind));
        put(&mut reference, "name", json!(self.name));
        put(&mut reference, "uid", json!(self.uid));
        put(&mut reference, "controller", json!(self.controller));
        put(
            &mut reference,
            "blockOwnerDeletion",
            json!(self.block_owner_deletion),
        );
        Value::Object(reference)
    }
}

/// Sets a field where it says something, as JSON leaves out what is empty.
fn put(fields: &mut Map<String, Value>, name: &str, value: Value) {
    let empty = match &value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    if !empty {
        fields.insert(name.to_owned(), value);
    }
}

fn in_base64(data: &BTreeMap<String, Vec<u8>>) -> Value {
    data.iter()
        .map(|(key, bytes)| (key.clone(), json!(BASE64_STANDARD.encode(bytes))))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(api_version: &str, kind: &str, raw: Vec<u8>) -> Vec<u8> {
        let type_meta = Some(TypeMeta {
            api_version: api_version.into(),
            kind: kind.into(),
        });
        let mut bytes = MAGIC.to_vec();
        bytes.extend(Envelope { type_meta, raw }.encode_to_vec());
        bytes
    }

    #[test]
    fn a_secret_comes_as_json_would_bring_it() {
        let metadata = ObjectMeta {
            name: "s".into(),
            labels: BTreeMap::from([("a".into(), "b".into())]),
            owner_references: vec![OwnerReference {
                uid: "1".into(),
                controller: Some(false),
                ..Default::default()
            }],
            ..Default::default()
        };
        let secret = Secret {
            metadata: Some(metadata),
            data: BTreeMap::from([("token".into(), b"hello".to_vec())]),
            type_: "Opaque".into(),
            ..Default::default()
        };
        let parsed = parse(&envelope("v1", "Secret", secret.encode_to_vec()));
        assert_eq!(
            parsed.ok(),
            Some(json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": "s", "labels": {"a": "b"}, "ownerReferences": [{"uid": "1", "controller": false}]
                },
                "data": {"token": "aGVsbG8="},
                "type": "Opaque"
            }))
        );
    }

    #[test]
    fn what_is_none_is_told() {
        assert_eq!(parse(b"{}").unwrap_err().code(), 400);
        assert_eq!(parse(b"k8s\0\xff\xff").unwrap_err().code(), 400);
        assert_eq!(parse(&envelope("v1", "Pod", Vec::new())).unwrap_err().code(), 415);
        assert_eq!(
            parse(&envelope("v1", "ConfigMap", vec![0x0a, 0xff]))
                .unwrap_err()
                .code(),
            400
        );
    }
}
