//! Schemas: the parts that Rust's types cannot say (open objects, how lists merge), and whole objects.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// An object with any fields, for example the template of a trial.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Lists that merge by key in Kubernetes' own types, which k8s-openapi's schemas do not say
/// (`+listType` and `+listMapKey` in `k8s.io/api/core/v1/types.go` and `apimachinery/pkg/apis/meta/v1/types.go`).
/// The same name means the same list wherever it appears in the kinds served here.
const LIST_MAPS: &[(&str, &[&str])] = &[
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("env", &["name"]),
    ("volumes", &["name"]),
    ("imagePullSecrets", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("volumeDevices", &["devicePath"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("conditions", &["type"]),
    ("ownerReferences", &["uid"]),
];

/// The schema of a whole object of one of Kubernetes' own kinds.
pub(crate) fn built_in<K: JsonSchema>() -> Value {
    complete(generate::<K>())
}

/// The schema of a whole object of a custom kind, from its definition's.
pub(crate) fn custom(mut definition: Value) -> Value {
    let properties = definition["properties"]
        .as_object_mut()
        .expect("invariant: a root schema has properties");
    let text = |description: &str| json!({ "type": "string", "description": description });
    let mut whole = Map::new();
    whole.insert("apiVersion".into(), text("Group and version of the kind."));
    whole.insert("kind".into(), text("The kind."));
    whole.insert("metadata".into(), generate::<ObjectMeta>());
    whole.append(properties);
    *properties = whole;
    complete(definition)
}

fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Says how lists merge, and drops what a client could take for a value that it set.
fn complete(mut schema: Value) -> Value {
    visit(&mut schema, &mut |name, schema| {
        schema.remove("default");
        schema.remove("title");
        let is_list = schema.get("type").is_some_and(|type_| type_ == "array");
        if !is_list || schema.contains_key("x-kubernetes-list-type") {
            return;
        }
        let keys = LIST_MAPS
            .iter()
            .find(|(list, _)| Some(*list) == name)
            .map(|(_, keys)| *keys);
        let fields = schema
            .get("items")
            .and_then(|items| items.get("properties"))
            .and_then(Value::as_object);
        match (name, keys, fields) {
            (Some("finalizers"), ..) => mark(schema, "set", None),
            (Some("ports"), _, Some(fields)) if fields.contains_key("containerPort") => {
                mark(schema, "map", Some(&["containerPort", "protocol"]));
                // The key that may be left out has a value all the same.
                schema["items"]["properties"]["protocol"]["default"] = json!("TCP");
            }
            (_, Some(keys), Some(fields)) if keys.iter().all(|key| fields.contains_key(*key)) => {
                mark(schema, "map", Some(keys));
            }
            _ => mark(schema, "atomic", None),
        }
    });
    schema
}

fn mark(schema: &mut Map<String, Value>, type_: &str, keys: Option<&[&str]>) {
    schema.insert("x-kubernetes-list-type".into(), json!(type_));
    if let Some(keys) = keys {
        schema.insert("x-kubernetes-list-map-keys".into(), json!(keys));
    }
}

/// Visits a schema and all below it, outermost last, with the name of the property it is.
fn visit(schema: &mut Value, see: &mut impl FnMut(Option<&str>, &mut Map<String, Value>)) {
    visit_named(None, schema, see);
}

fn visit_named(
    name: Option<&str>,
    schema: &mut Value,
    see: &mut impl FnMut(Option<&str>, &mut Map<String, Value>),
) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties.iter_mut() {
            visit_named(Some(name), property, see);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(inner) {
            visit_named(None, inner, see);
        }
    }
    see(name, schema);
}
