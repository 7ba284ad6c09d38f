//! How KFP writes protobuf messages as JSON (`common.CustomMarshaler`, backend/src/apiserver/common/utils.go @2.17.0):
//! proto field names, enum names, nothing that has its default value.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// Whether a field is left out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads an RFC 3339 time. KFP writes "not yet" as 1970-01-01T00:00:00Z
/// (`toApiRun`, backend/src/apiserver/server/api_converter.go @2.17.0): that reads as absent.
pub(crate) fn epoch_is_absent<'de, D: Deserializer<'de>>(wire: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<Timestamp>::deserialize(wire)?.filter(|time| *time != Timestamp::UNIX_EPOCH))
}

/// A 64-bit integer, which travels as text; clients write it as a number, too.
pub(crate) mod int64 {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(i64),
        Text(String),
    }

    pub(crate) fn serialize<S: Serializer>(number: &i64, wire: S) -> Result<S::Ok, S::Error> {
        wire.collect_str(number)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(wire: D) -> Result<i64, D::Error> {
        match Written::deserialize(wire)? {
            Written::Number(number) => Ok(number),
            Written::Text(text) => text
                .parse()
                .map_err(|_| serde::de::Error::custom(format!("`{text}` is no 64-bit integer"))),
        }
    }
}
