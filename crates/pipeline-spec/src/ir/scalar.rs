//! Scalars that protobuf's JSON mapping writes in its own way.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A `google.protobuf.Duration`: `"1.5s"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else {
        return Ok(None);
    };
    text.strip_suffix('s')
        .and_then(|seconds| seconds.parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(Some)
        .ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no duration: seconds with a trailing `s`, as `1.5s`"
            ))
        })
}

/// An integer, which the JSON mapping also writes as a string, or as a number with a zero fraction.
pub(super) fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let read = match &value {
        Value::Number(number) => number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && float.abs() < 9e15)
                .map(|float| float as i64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    read.ok_or_else(|| D::Error::custom(format!("`{value}` is no integer")))
}

/// As [`integer`], not negative.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = integer(deserializer)?;
    u32::try_from(value).map_err(|_| D::Error::custom(format!("`{value}` is out of range: 0 to 4294967295")))
}

/// As [`integer`], where the field is there.
pub(super) fn optional_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    integer(deserializer).map(Some)
}
