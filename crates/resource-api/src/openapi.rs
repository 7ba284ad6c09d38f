//! The kinds as OpenAPI documents: `kubectl explain` and `apply` read them.

mod paths;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::http::shape;
use crate::kinds::{self, Kind};

/// A document and the digest that clients keep it by.
struct Document {
    body: Bytes,
    hash: String,
}

impl Document {
    fn new(value: &Value) -> Self {
        let body = Bytes::from(value.to_string());
        let hash = hex::encode(Sha256::digest(&body)).to_uppercase();
        Self { body, hash }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = format!("\"{}\"", self.hash);
        if headers
            .get(header::IF_NONE_MATCH)
            .is_some_and(|known| known.as_bytes() == tag.as_bytes())
        {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        let content_type = (header::CONTENT_TYPE, "application/json".to_owned());
        ([content_type, (header::ETAG, tag)], self.body.clone()).into_response()
    }
}

/// One version 3 document a group and version, by its path: `api/v1`, `apis/ray.io/v1`.
static V3: LazyLock<BTreeMap<String, Document>> = LazyLock::new(|| {
    let mut documents = BTreeMap::new();
    for path in kinds::all().iter().map(group_path) {
        documents.entry(path.clone()).or_insert_with(|| {
            let kinds: Vec<_> = kinds::all()
                .iter()
                .filter(|kind| group_path(kind) == path)
                .collect();
            Document::new(&v3_document(&kinds))
        });
    }
    documents
});

/// One version 2 document for all.
static V2: LazyLock<Document> = LazyLock::new(|| Document::new(&v2_document()));

/// `/openapi/v3`.
pub(crate) async fn v3_index(headers: HeaderMap) -> Result<Response, Failure> {
    shape(&headers)?;
    let paths: Map<String, Value> = V3
        .iter()
        .map(|(path, document)| {
            let url = format!("/openapi/v3/{path}?hash={}", document.hash);
            (path.clone(), json!({ "serverRelativeURL": url }))
        })
        .collect();
    Ok(axum::Json(json!({ "paths": paths })).into_response())
}

/// `/openapi/v3/PATH`.
pub(crate) async fn v3(Path(path): Path<String>, headers: HeaderMap) -> Result<Response, Failure> {
    shape(&headers)?;
    let document = V3.get(&path).ok_or_else(|| Failure::no_such_path(&path))?;
    Ok(document.answer(&headers))
}

/// The encoding in which `kubectl` asks for version 2.
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// A document of that encoding that knows no kind: `swagger`, `info`, and `paths` and `definitions` that are empty.
/// `kubectl` asks for it only about kinds that are not in version 3, and then says by name which one is unknown.
const V2_NOTHING: &[u8] = b"\x0a\x032.0\x12\x0e\x0a\x08basecamp\x12\x02v1\x42\x00\x4a\x00";

/// `/openapi/v2`.
pub(crate) async fn v2(headers: HeaderMap) -> Result<Response, Failure> {
    let accepts = headers
        .get(header::ACCEPT)
        .map(|accept| String::from_utf8_lossy(accept.as_bytes()));
    if accepts.is_some_and(|accepts| {
        accepts
            .split(',')
            .any(|range| range.trim().replace('@', ".") == V2_PROTOBUF)
    }) {
        return Ok(([(header::CONTENT_TYPE, V2_PROTOBUF)], V2_NOTHING).into_response());
    }
    shape(&headers)?;
    Ok(V2.answer(&headers))
}

fn group_path(kind: &Kind) -> String {
    match kind.group() {
        "" => format!("api/{}", kind.definition.version),
        group => format!("apis/{group}/{}", kind.definition.version),
    }
}

fn v3_document(kinds: &[&'static Kind]) -> Value {
    let mut schemas = Map::new();
    let mut all_paths = Map::new();
    for kind in kinds {
        schemas.insert(schema_name(kind), schema(kind));
        paths::v3(kind, &mut all_paths);
    }
    json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": all_paths,
        "components": { "schemas": schemas },
    })
}

fn v2_document() -> Value {
    let mut definitions = Map::new();
    let mut all_paths = Map::new();
    for kind in kinds::all() {
        definitions.insert(schema_name(kind), schema(kind));
        paths::v2(kind, &mut all_paths);
    }
    json!({ "swagger": "2.0", "info": info(), "paths": all_paths, "definitions": definitions })
}

fn info() -> Value {
    json!({ "title": "basecamp's resources", "version": "v1" })
}

/// `org.kubeflow.v1beta1.Experiment`, as Kubernetes names the schemas of custom kinds.
fn schema_name(kind: &Kind) -> String {
    let mut parts: Vec<_> = kind.group().split('.').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        parts = vec!["core", "api", "k8s", "io"];
    }
    parts.reverse();
    format!("{}.{}.{}", parts.join("."), kind.definition.version, kind.kind())
}

fn schema(kind: &Kind) -> Value {
    let mut schema = kind.definition.schema.clone();
    schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(kind)]);
    schema
}

fn group_version_kind(kind: &Kind) -> Value {
    json!({ "group": kind.group(), "version": kind.definition.version, "kind": kind.kind() })
}
