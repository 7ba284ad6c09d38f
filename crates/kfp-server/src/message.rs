//! Bodies read as KFP's gateway reads them: protobuf's JSON, unknown fields refused
//! (`common.CustomMarshaler`, backend/src/apiserver/common/utils.go @2.17.0).

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::ApiError;

/// Fields of free form: what is in them is the user's.
const FREE: [&str; 6] = [
    "pipeline_spec",
    "pipelineSpec",
    "parameters",
    "plugins_input",
    "pluginsInput",
    "tags",
];

/// A body of this type.
pub(crate) struct Message<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Message<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
        parse(&body).map(Self)
    }
}

/// Query parameters of this type.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(params)| Self(params))
            .map_err(|rejection| ApiError::invalid(rejection.body_text()))
    }
}

/// A truth value of a query as KFP's gateway reads it: Go's `strconv.ParseBool`. Its Python clients write `True`.
pub(crate) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(D::Error::custom(format!("{text:?} is neither true nor false"))),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut value: Value =
        serde_json::from_slice(body).map_err(|error| ApiError::invalid(format!("body: {error}")))?;
    drop_nulls(&mut value);
    let mut unknown = None;
    let message = serde_ignored::deserialize(value, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    })
    .map_err(|error| ApiError::invalid(format!("body: {error}")))?;
    match unknown {
        Some(field) => Err(ApiError::invalid(format!("body: unknown field \"{field}\""))),
        None => Ok(message),
    }
}

/// Null means absent in protobuf's JSON.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            for (_, field) in fields.iter_mut().filter(|(key, _)| !FREE.contains(&key.as_str())) {
                drop_nulls(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kfp_api::run::Run;
    use rstest::rstest;

    #[test]
    fn both_spellings_and_nulls_are_read() {
        let run: Run = parse(
            br#"{"displayName": "a", "experiment_id": null, "runtime_config":
                {"pipelineRoot": null, "parameters": {"x": null}}}"#,
        )
        .unwrap();
        assert_eq!(run.display_name, "a");
        assert_eq!(run.experiment_id, "");
        assert_eq!(run.runtime_config.unwrap().parameters["x"], Value::Null);
    }

    #[rstest]
    #[case("/?cascade=True", Some(true))]
    #[case("/?cascade=0", Some(false))]
    #[case("/", Some(false))]
    #[case("/?cascade=yes", None)]
    fn truth_is_written_in_many_ways(#[case] uri: &str, #[case] expected: Option<bool>) {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Asked {
            #[serde(deserialize_with = "truth")]
            cascade: bool,
        }
        let asked = Query::<Asked>::try_from_uri(&uri.parse().unwrap());
        assert_eq!(asked.ok().map(|Query(asked)| asked.cascade), expected);
    }

    #[rstest]
    #[case(r#"{"display_nam": "a"}"#, "body: unknown field \"display_nam\"")]
    #[case(
        r#"{"runtime_config": {"root": "a"}}"#,
        "body: unknown field \"runtime_config.?.root\""
    )]
    #[case(
        r#"{"display_name": 7}"#,
        "body: invalid type: integer `7`, expected a string"
    )]
    #[case("[", "body: EOF while parsing a list at line 1 column 1")]
    #[case(r#"{"created_at": "yesterday"}"#, "body: failed to parse")]
    fn what_is_no_run_is_refused_with_the_field(#[case] body: &str, #[case] message: &str) {
        let error = parse::<Run>(body.as_bytes()).unwrap_err();
        let told = error.status().message;
        assert!(told.starts_with(message), "{told}");
    }
}
