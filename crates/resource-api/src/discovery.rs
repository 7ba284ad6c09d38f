//! What is served, for clients that ask (`apiserver/pkg/endpoints/discovery`).

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::http::Shape;
use crate::http::shape;
use crate::kinds::{self, Kind};

/// The Kubernetes whose behaviour this follows; clients compare it with their own.
const MINOR: &str = "34";

/// Verbs of every kind.
const VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// `/version`.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({
        "major": "1",
        "minor": MINOR,
        "gitVersion": format!("v1.{MINOR}.0+basecamp"),
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    }))
}

/// `/api`.
pub(crate) async fn core_versions(headers: HeaderMap) -> Result<Response, Failure> {
    if let Shape::Discovery(version) = shape(&headers)? {
        return Ok(aggregated(version, true));
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let answer = json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": host }],
    });
    Ok(Json(answer).into_response())
}

/// `/apis`.
pub(crate) async fn groups(headers: HeaderMap) -> Result<Response, Failure> {
    if let Shape::Discovery(version) = shape(&headers)? {
        return Ok(aggregated(version, false));
    }
    let groups: Vec<_> = by_group(false)
        .iter()
        .map(|(group, versions)| describe(group, versions))
        .collect();
    Ok(Json(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })).into_response())
}

/// `/apis/GROUP`.
pub(crate) async fn group(Path(group): Path<String>) -> Result<Json<Value>, Failure> {
    let groups = by_group(false);
    let versions = groups
        .get(group.as_str())
        .ok_or_else(|| Failure::no_such_path(&format!("group {group}")))?;
    let mut answer = describe(&group, versions);
    answer["kind"] = json!("APIGroup");
    answer["apiVersion"] = json!("v1");
    Ok(Json(answer))
}

/// `/api/VERSION`.
pub(crate) async fn core_resources(Path(version): Path<String>) -> Result<Json<Value>, Failure> {
    resource_list("", &version)
}

/// `/apis/GROUP/VERSION`.
pub(crate) async fn resources(
    Path((group, version)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    resource_list(&group, &version)
}

/// Versions and kinds by group: the core group alone, or all others.
fn by_group(core: bool) -> BTreeMap<&'static str, BTreeMap<&'static str, Vec<&'static Kind>>> {
    let mut groups: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
    for kind in kinds::all().iter().filter(|kind| kind.group().is_empty() == core) {
        let versions = groups.entry(kind.group()).or_default();
        versions
            .entry(kind.definition.version.as_str())
            .or_default()
            .push(kind);
    }
    groups
}

fn describe(group: &str, versions: &BTreeMap<&str, Vec<&Kind>>) -> Value {
    let versions: Vec<_> = versions
        .keys()
        .map(|version| json!({ "groupVersion": format!("{group}/{version}"), "version": version }))
        .collect();
    // A later version has the greater name in every group here (v1beta1 before v1alpha1).
    json!({ "name": group, "versions": versions, "preferredVersion": versions.last() })
}

fn resource_list(group: &str, version: &str) -> Result<Json<Value>, Failure> {
    let mut resources = Vec::new();
    for kind in kinds::all() {
        let definition = kind.definition;
        if definition.group != group || definition.version != version {
            continue;
        }
        let mut resource = json!({
            "name": definition.plural,
            "singularName": definition.singular,
            "namespaced": definition.namespaced,
            "kind": definition.kind,
            "verbs": VERBS,
        });
        if !definition.short_names.is_empty() {
            resource["shortNames"] = json!(definition.short_names);
        }
        if !definition.categories.is_empty() {
            resource["categories"] = json!(definition.categories);
        }
        resources.push(resource);
        if kind.has_status() {
            resources.push(json!({
                "name": format!("{}/status", definition.plural),
                "singularName": "",
                "namespaced": definition.namespaced,
                "kind": definition.kind,
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    if resources.is_empty() {
        return Err(Failure::no_such_path(&group_version));
    }
    Ok(Json(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    })))
}

/// All groups at once (`apidiscovery.k8s.io`).
fn aggregated(version: &str, core: bool) -> Response {
    let items: Vec<_> = by_group(core)
        .iter()
        .map(|(group, versions)| {
            let mut versions: Vec<_> = versions
                .iter()
                .map(|(version, kinds)| {
                    let resources: Vec<_> = kinds.iter().map(|kind| aggregated_resource(kind)).collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            versions.reverse();
            json!({ "metadata": { "name": group, "creationTimestamp": null }, "versions": versions })
        })
        .collect();
    let answer = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {},
        "items": items,
    });
    let media_type = format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
    ([(header::CONTENT_TYPE, media_type)], answer.to_string()).into_response()
}

fn aggregated_resource(kind: &Kind) -> Value {
    let definition = kind.definition;
    let response_kind =
        json!({ "group": definition.group, "version": definition.version, "kind": definition.kind });
    let mut resource = json!({
        "resource": definition.plural,
        "responseKind": response_kind,
        "scope": if definition.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": definition.singular,
        "verbs": VERBS,
    });
    if !definition.short_names.is_empty() {
        resource["shortNames"] = json!(definition.short_names);
    }
    if !definition.categories.is_empty() {
        resource["categories"] = json!(definition.categories);
    }
    if kind.has_status() {
        resource["subresources"] = json!([{
            "subresource": "status",
            "responseKind": response_kind,
            "verbs": ["get", "patch", "update"],
        }]);
    }
    resource
}
