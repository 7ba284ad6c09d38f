//! Schemas: the parts that Rust's types cannot say (open objects, how lists merge), and whole objects.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
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

/// The schema of a whole object of a custom kind, from its two parts.
pub(crate) fn custom<Spec: JsonSchema, Status: JsonSchema>() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    complete(json!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": text("Group and version of the kind."),
            "kind": text("The kind."),
            "metadata": generate::<ObjectMeta>(),
            "spec": generate::<Spec>(),
            "status": generate::<Status>(),
        },
    }))
}

fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Makes a schema structural and says how its lists merge.
fn complete(mut schema: Value) -> Value {
    visit(None, &mut schema, &mut |_, schema| simplify(schema));
    visit(None, &mut schema, &mut mark_list);
    schema
}

/// Drops what Kubernetes' schemas do not have. What may be absent is "this or null" to schemars, and null is absent
/// here; a default is nothing that a client has set.
fn simplify(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(choices)) = schema.remove("anyOf")
        && let Some(Value::Object(choice)) = choices.into_iter().next()
    {
        let description = schema.remove("description");
        *schema = choice;
        schema.extend(description.map(|description| ("description".to_owned(), description)));
    }
    for name in ["default", "title", "nullable"] {
        schema.remove(name);
    }
}

fn mark_list(name: Option<&str>, schema: &mut Map<String, Value>) {
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
}

fn mark(schema: &mut Map<String, Value>, type_: &str, keys: Option<&[&str]>) {
    schema.insert("x-kubernetes-list-type".into(), json!(type_));
    if let Some(keys) = keys {
        schema.insert("x-kubernetes-list-map-keys".into(), json!(keys));
    }
}

/// Visits a schema and all below it, outermost first, with the name of the property it is.
fn visit(
    name: Option<&str>,
    schema: &mut Value,
    see: &mut impl FnMut(Option<&str>, &mut Map<String, Value>),
) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    see(name, schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties.iter_mut() {
            visit(Some(name), property, see);
        }
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(inner) {
            visit(None, inner, see);
        }
    }
}
