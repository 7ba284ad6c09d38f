//! The paths of a kind: what a client may send where. `kubectl` looks here for the parameters that it may use.

use serde_json::{Map, Value, json};

use super::{group_path, group_version_kind, schema_name};
use crate::kinds::Kind;

/// Verb, method and the action by which Kubernetes names it.
const ON_ONE: &[(&str, &str)] = &[
    ("get", "get"),
    ("put", "put"),
    ("patch", "patch"),
    ("delete", "delete"),
];
const ON_ALL: &[(&str, &str)] = &[("get", "list"), ("post", "post"), ("delete", "deletecollection")];

/// Adds a kind's paths to a version 3 document.
pub(super) fn v3(kind: &Kind, paths: &mut Map<String, Value>) {
    each(kind, |path, method, action| {
        let reference = json!({ "$ref": format!("#/components/schemas/{}", schema_name(kind)) });
        let mut operation = operation(kind, method, action);
        operation["responses"] = json!({ "200": { "description": "OK", "content": { "application/json": { "schema": reference } } } });
        let parameters: Vec<_> = parameters(method)
            .iter()
            .map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } }))
            .collect();
        operation["parameters"] = json!(parameters);
        let bodies: Map<String, Value> = consumes(kind, method)
            .iter()
            .map(|media_type| ((*media_type).to_owned(), json!({ "schema": reference })))
            .collect();
        if !bodies.is_empty() {
            operation["requestBody"] = json!({ "content": bodies });
        }
        put(paths, path, method, operation);
    });
}

/// Adds a kind's paths to a version 2 document.
pub(super) fn v2(kind: &Kind, paths: &mut Map<String, Value>) {
    each(kind, |path, method, action| {
        let reference = json!({ "$ref": format!("#/definitions/{}", schema_name(kind)) });
        let mut operation = operation(kind, method, action);
        operation["consumes"] = json!(consumes(kind, method));
        operation["produces"] = json!(["application/json"]);
        operation["responses"] = json!({ "200": { "description": "OK", "schema": reference } });
        let mut all: Vec<_> = parameters(method)
            .iter()
            .map(|name| json!({ "name": name, "in": "query", "type": "string", "uniqueItems": true }))
            .collect();
        if !consumes(kind, method).is_empty() {
            all.push(json!({ "name": "body", "in": "body", "required": true, "schema": reference }));
        }
        operation["parameters"] = json!(all);
        put(paths, path, method, operation);
    });
}

fn each(kind: &Kind, mut see: impl FnMut(&str, &str, &str)) {
    let namespace = if kind.namespaced() {
        "/namespaces/{namespace}"
    } else {
        ""
    };
    let all = format!("/{}{namespace}/{}", group_path(kind), kind.plural());
    for (method, action) in ON_ALL {
        see(&all, method, action);
    }
    let one = format!("{all}/{{name}}");
    for (method, action) in ON_ONE {
        see(&one, method, action);
    }
    if kind.has_status() {
        for (method, action) in &ON_ONE[..3] {
            see(&format!("{one}/status"), method, action);
        }
    }
}

fn operation(kind: &Kind, method: &str, action: &str) -> Value {
    json!({
        "operationId": format!("{method}{}{}", kind.kind(), action),
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": group_version_kind(kind),
    })
}

fn parameters(method: &str) -> &'static [&'static str] {
    match method {
        "post" | "put" => &["dryRun", "fieldManager", "fieldValidation"],
        "patch" => &["dryRun", "fieldManager", "fieldValidation", "force"],
        "delete" => &["dryRun", "propagationPolicy"],
        _ => &[],
    }
}

fn consumes(kind: &Kind, method: &str) -> &'static [&'static str] {
    match method {
        "post" | "put" => &["application/json", "application/yaml"],
        "patch" if kind.definition.built_in => &[
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
            "application/apply-patch+yaml",
        ],
        "patch" => &[
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/apply-patch+yaml",
        ],
        _ => &[],
    }
}

fn put(paths: &mut Map<String, Value>, path: &str, method: &str, operation: Value) {
    let parameters: Vec<_> = ["namespace", "name"]
        .into_iter()
        .filter(|name| path.contains(&format!("{{{name}}}")))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let item = paths
        .entry(path.to_owned())
        .or_insert_with(|| json!({ "parameters": parameters }));
    item[method] = operation;
}
