//! A request's body as data.

use std::fmt;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{LARGEST_BODY, protobuf};
use crate::failure::Failure;

/// The whole body.
///
/// # Errors
///
/// 413 when it is too large, 400 when it breaks off.
pub(super) async fn read(body: Body) -> Result<axum::body::Bytes, Failure> {
    axum::body::to_bytes(body, LARGEST_BODY).await.map_err(|error| {
        let source = std::error::Error::source(&error)
            .map(ToString::to_string)
            .unwrap_or_default();
        if source.contains("length limit exceeded") {
            Failure::too_large(LARGEST_BODY)
        } else {
            Failure::bad_request(format!("the body could not be read: {error}"))
        }
    })
}

/// The body's media type, without parameters; JSON when absent.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/json");
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// A body of JSON, YAML or protobuf as data. A key that comes twice is refused: one of the two would be ignored.
///
/// # Errors
///
/// 400 when it is neither, 415 for another media type.
pub(super) fn parse(media_type: &str, bytes: &[u8]) -> Result<Value, Failure> {
    match media_type {
        "application/json" => parse_json(bytes),
        "application/yaml" => parse_yaml(bytes),
        protobuf::MEDIA_TYPE => protobuf::parse(bytes),
        other => Err(Failure::unsupported_media_type(
            other,
            &["application/json", "application/yaml"],
        )),
    }
}

pub(super) fn parse_json(bytes: &[u8]) -> Result<Value, Failure> {
    let parsed: Result<Strict, _> = serde_json::from_slice(bytes);
    parsed
        .map(|strict| strict.0)
        .map_err(|error| Failure::bad_request(format!("the body is not JSON: {error}")))
}

/// YAML, of which JSON is a part; most clients send that.
pub(super) fn parse_yaml(bytes: &[u8]) -> Result<Value, Failure> {
    if bytes.first() == Some(&b'{') {
        return parse_json(bytes);
    }
    let parsed: Result<Strict, _> = serde_yaml::from_slice(bytes);
    parsed
        .map(|strict| strict.0)
        .map_err(|error| Failure::bad_request(format!("the body is not YAML: {error}")))
}

/// JSON data in which no key comes twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON data")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, _>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate field {key:?}")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("application/json", r#"{"a": [1, -2, 0.5, true, null, "x"]}"#, json!({"a": [1, -2, 0.5, true, null, "x"]}))]
    #[case("application/yaml", "a:\n- 1\n- x\n", json!({"a": [1, "x"]}))]
    #[case("application/yaml", r#"{"a": 1}"#, json!({"a": 1}))]
    fn bodies_are_data(#[case] media_type: &str, #[case] body: &str, #[case] expected: Value) {
        assert_eq!(parse(media_type, body.as_bytes()).ok(), Some(expected));
    }

    #[rstest]
    #[case("application/json", r#"{"a": 1, "a": 2}"#, 400, "duplicate field \"a\"")]
    #[case("application/yaml", "a: 1\na: 2\n", 400, "duplicate field \"a\"")]
    #[case("application/json", "{", 400, "the body is not JSON")]
    #[case("application/vnd.kubernetes.protobuf", "k8s", 400, "the body is no protobuf")]
    #[case("text/plain", "x", 415, "text/plain")]
    fn what_is_none_is_told(
        #[case] media_type: &str,
        #[case] body: &str,
        #[case] code: u16,
        #[case] told: &str,
    ) {
        let failure = parse(media_type, body.as_bytes()).unwrap_err();
        assert_eq!(failure.code(), code);
        assert!(failure.message().contains(told), "{}", failure.message());
    }

    #[test]
    fn deep_nesting_is_refused() {
        let body = "[".repeat(10_000);
        assert_eq!(
            parse("application/json", body.as_bytes()).unwrap_err().code(),
            400
        );
        assert_eq!(
            parse("application/yaml", body.as_bytes()).unwrap_err().code(),
            400
        );
    }
}
