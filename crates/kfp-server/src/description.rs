//! The API's description (OpenAPI 3.1), made of the operations that the router is made of.

use kfp_api::healthz::Healthz;
use kfp_api::status::Status;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::error::PlainError;
use crate::operation::{Answer, Body, Operation};

/// Describes these operations.
pub(crate) fn description(operations: &[Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let path = paths
            .entry(operation.path)
            .or_insert_with(|| Value::Object(Map::new()));
        path[operation.method.as_str().to_lowercase()] = told(operation, &mut generator);
    }
    // Types that others name only where they fail.
    generator.subschema_for::<Healthz>();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kubeflow Pipelines, served by the embedded engine",
            "description": "KFP's REST API v2beta1 as of 2.17.0, the tasks of its next version, and what the engine \
                adds under /apis/basecamp/v1. Field names are read in both of protobuf's spellings.",
            "version": "v2beta1",
        },
        "paths": paths,
        "components": { "schemas": generator.take_definitions(true) },
    })
}

fn told(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = names_in(operation.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
        .collect();
    if let Some(query) = operation.query {
        parameters.extend(query_parameters(query(generator).as_value()));
    }
    let mut told = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": responses(operation.answer, generator),
    });
    let body = match operation.body {
        Body::None => return told,
        Body::Json(schema) => json!({ "application/json": { "schema": schema(generator) } }),
        Body::Package => json!({ "multipart/form-data": { "schema": {
            "type": "object",
            "required": ["uploadfile"],
            "properties": { "uploadfile": { "type": "string", "format": "binary" } },
        } } }),
    };
    told["requestBody"] = json!({ "required": true, "content": body });
    told
}

fn responses(answer: Answer, generator: &mut SchemaGenerator) -> Value {
    let json = |schema: schemars::Schema| json!({ "application/json": { "schema": schema } });
    let status = |generator: &mut SchemaGenerator| json(generator.subschema_for::<Status>());
    let plain = |generator: &mut SchemaGenerator| {
        json!({ "application/json": { "schema": {
            "anyOf": [generator.subschema_for::<PlainError>(), generator.subschema_for::<Status>()]
        } } })
    };
    let (content, failure) = match answer {
        Answer::Json(schema) => (json(schema(generator)), status(generator)),
        Answer::PlainJson(schema) => (json(schema(generator)), plain(generator)),
        Answer::Text => (
            json!({ "text/plain": { "schema": { "type": "string" } } }),
            plain(generator),
        ),
    };
    let mut responses = json!({ "200": { "description": "Done.", "content": content } });
    if matches!(answer, Answer::Text) {
        responses["206"] = json!({ "description": "The part that was asked for.", "content": content });
    }
    for (code, description) in [
        (
            "400",
            "The request makes no sense, or does not fit the state things are in.",
        ),
        ("401", "The token is missing or wrong."),
        ("403", "Not for this Host or Origin."),
        ("404", "There is no such object."),
        ("409", "The name is taken."),
    ] {
        responses[code] = json!({ "description": description, "content": failure });
    }
    responses
}

/// An object's properties, a parameter each.
fn query_parameters(schema: &Value) -> Vec<Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let mut schema = property.clone();
            let description = schema
                .as_object_mut()
                .and_then(|schema| schema.remove("description"));
            json!({
                "name": name,
                "in": "query",
                "description": description.unwrap_or_default(),
                "schema": schema,
            })
        })
        .collect()
}

/// The names in a path's braces.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
}
