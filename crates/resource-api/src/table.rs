//! Objects as rows and columns, for `kubectl get` (`apiextensions-apiserver/pkg/registry/customresource/tableconvertor`).

mod age;
mod built_in;
mod cells;

use resources::Column;
use serde_json::{Value, json};

use crate::kinds::Kind;

/// How much of its object a row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    /// None of it.
    Nothing,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

impl Include {
    /// Reads `includeObject`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::Nothing),
            "Object" => Ok(Self::Object),
            other => Err(format!("includeObject: {other:?} is not known")),
        }
    }
}

/// A table of objects, as they are served.
pub(crate) fn table(kind: &Kind, objects: &[Value], metadata: &Value, include: Include) -> Value {
    let rows = objects.iter().map(|object| {
        let mut cells = vec![object["metadata"]["name"].clone()];
        match built_in::columns(kind) {
            Some(columns) => cells.extend(columns.iter().map(|column| (column.cell)(object))),
            None => cells.extend(
                kind.definition
                    .columns
                    .iter()
                    .map(|column| cells::cell(column, object)),
            ),
        }
        let carried = match include {
            Include::Nothing => Value::Null,
            Include::Metadata => partial(object),
            Include::Object => object.clone(),
        };
        json!({ "cells": cells, "object": carried })
    });
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns(kind),
        "rows": rows.collect::<Vec<_>>(),
    })
}

/// A bookmark in a watch of tables: no row.
pub(crate) fn bookmark(object: &Value) -> Value {
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": { "resourceVersion": object["metadata"]["resourceVersion"] },
        "columnDefinitions": null,
        "rows": [{ "cells": [], "object": partial(object) }],
    })
}

/// An object's metadata alone.
pub(crate) fn partial(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

fn columns(kind: &Kind) -> Vec<Value> {
    let column = |name: &str, type_: &str, format: &str, description: &str, priority: i32| json!({ "name": name, "type": type_, "format": format, "description": description, "priority": priority });
    let name = column(
        "Name",
        "string",
        "name",
        "Name of the object, unique in its namespace.",
        0,
    );
    let own: Vec<_> = match built_in::columns(kind) {
        Some(columns) => columns
            .iter()
            .map(|c| column(c.name, c.type_, "", c.description, c.priority))
            .collect(),
        None => {
            let columns = kind.definition.columns.iter();
            columns
                .map(
                    |Column {
                         name,
                         type_,
                         description,
                         priority,
                         ..
                     }| { column(name, type_, "", description, *priority) },
                )
                .collect()
        }
    };
    std::iter::once(name).chain(own).collect()
}
