//! Objects as answers: whole, as tables, or as metadata alone.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde_json::{Value, json};

use super::accept::Shape;
use crate::failure::Failure;
use crate::kinds::Kind;
use crate::table::{self, Include};
use crate::verbs::{List, WatchEvent, Written};

/// How answers of one request look.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) kind: &'static Kind,
    pub(super) shape: Shape,
    pub(super) include: Include,
}

impl Look {
    pub(super) fn written(self, written: Written) -> Response {
        let code = if written.created {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        (code, Json(self.object(written.object))).into_response()
    }

    pub(super) fn one(self, object: Value) -> Response {
        Json(self.object(object)).into_response()
    }

    pub(super) fn list(self, list: List) -> Response {
        let mut metadata = json!({ "resourceVersion": list.revision.to_string() });
        if let Some(token) = list.token {
            metadata["continue"] = json!(token);
        }
        if let Some(remaining) = list.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
        let answer = match self.shape {
            Shape::Table => table::table(self.kind, &list.items, &metadata, self.include),
            Shape::Partial => json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": list.items.iter().map(table::partial).collect::<Vec<_>>(),
            }),
            _ => json!({
                "kind": format!("{}List", self.kind.kind()),
                "apiVersion": self.kind.definition.api_version(),
                "metadata": metadata,
                "items": list.items,
            }),
        };
        Json(answer).into_response()
    }

    /// One line an event.
    pub(super) fn watch(self, events: impl Stream<Item = WatchEvent> + Send + 'static) -> Response {
        let lines = events.map(move |event| {
            let object = match event.type_ {
                "ERROR" => event.object,
                "BOOKMARK" if self.shape == Shape::Table => table::bookmark(&event.object),
                "BOOKMARK" if self.shape == Shape::Partial => table::partial(&event.object),
                "BOOKMARK" => event.object,
                _ => self.object(event.object),
            };
            let mut line = json!({ "type": event.type_, "object": object }).to_string();
            line.push('\n');
            Ok::<_, Infallible>(Bytes::from(line))
        });
        (
            [(header::CONTENT_TYPE, "application/json")],
            Body::from_stream(lines),
        )
            .into_response()
    }

    fn object(self, object: Value) -> Value {
        match self.shape {
            Shape::Table => {
                let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                table::table(self.kind, &[object], &metadata, self.include)
            }
            Shape::Partial => table::partial(&object),
            _ => object,
        }
    }
}

/// The answer to a deletion that is done.
pub(super) fn deleted(kind: &Kind, object: &Value) -> Response {
    let mut details = json!({ "name": object["metadata"]["name"], "kind": kind.plural() });
    if !kind.group().is_empty() {
        details["group"] = json!(kind.group());
    }
    details["uid"] = object["metadata"]["uid"].clone();
    Json(json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }))
    .into_response()
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        failure.into_response()
    }
}
