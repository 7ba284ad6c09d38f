//! Text to tree, within [`Limits`].

use std::fmt;

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Location, Spanned};

use super::{Entry, Kind, Node};
use crate::error::SpecError;
use crate::limits::Limits;
use crate::position::Position;

/// Parses every document of a YAML (or JSON) text. Empty documents are left out.
pub(crate) fn documents(text: &str, limits: &Limits) -> Result<Vec<Node>, SpecError> {
    if text.len() > limits.bytes {
        return Err(SpecError::TooLarge {
            bytes: text.len(),
            limit: limits.bytes,
        });
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: limits.depth,
            flow_nesting_limit: limits.depth,
            max_nodes: limits.nodes,
            max_events: limits.nodes.saturating_mul(3),
            max_total_scalar_bytes: limits.bytes,
            max_documents: 16,
        },
        with_snippet: false,
        // `n`, `y`, `on` are texts: the SDK's YAML library writes them without quotes.
        strict_booleans: true,
    };
    serde_saphyr::from_multiple_with_options::<Node>(text, options).map_err(|error| SpecError::Yaml {
        at: error.location().map(position),
        message: plain(&error.to_string()),
    })
}

/// The parser's own message without the place it appends, which [`SpecError`] prints itself.
fn plain(message: &str) -> String {
    match message.rfind(" at line ") {
        Some(end) if message[end..].chars().filter(|c| c.is_ascii_digit()).count() > 1 => {
            message[..end].to_owned()
        }
        _ => message.to_owned(),
    }
}

fn position(location: Location) -> Position {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Position {
        line: number(location.line()),
        column: number(location.column()),
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self {
            at: position(spanned.referenced),
            kind: spanned.value,
        })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<Kind, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Kind, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        Number::from_f64(value)
            .map(Kind::Number)
            .ok_or_else(|| E::custom("a number has to be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::String(value))
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Kind, E> {
        Err(E::custom("binary values do not belong into a pipeline spec"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<Kind>>()? {
            let name = match key.value {
                Kind::String(name) => name,
                Kind::Number(number) => number.to_string(),
                Kind::Bool(value) => value.to_string(),
                Kind::Null | Kind::List(_) | Kind::Map(_) => {
                    return Err(A::Error::custom("a key has to be a string"));
                }
            };
            entries.push(Entry {
                key: name,
                key_at: position(key.referenced),
                value: access.next_value()?,
            });
        }
        Ok(Kind::Map(entries))
    }
}
