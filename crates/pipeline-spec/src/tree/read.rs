//! Tree to typed value: a serde deserializer whose errors know path and position.
//!
//! It reads what protobuf's JSON mapping reads: field names in camelCase or as the proto file has them, and `null`
//! as an absent field.

use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Entry, Kind, Node};
use crate::position::{Path, Position, Step};

/// Reads a typed value from a node; `path` is where the node stands.
pub(crate) fn read<T: DeserializeOwned>(node: &Node, path: &Path) -> Result<T, Misfit> {
    T::deserialize(node).map_err(|mut misfit| {
        misfit.steps.extend(path.steps().iter().rev().cloned());
        misfit
    })
}

/// A node that is not what its place asks for.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// Innermost step first.
    steps: Vec<Step>,
    at: Option<Position>,
    pub(crate) message: String,
}

impl Misfit {
    pub(crate) fn path(&self) -> Path {
        Path(self.steps.iter().rev().cloned().collect())
    }

    pub(crate) fn at(&self) -> Option<Position> {
        self.at
    }

    fn under(mut self, step: Step, at: Position) -> Self {
        self.at.get_or_insert(at);
        self.steps.push(step);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Misfit {}

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            steps: Vec::new(),
            at: None,
            message: message.to_string(),
        }
    }
}

/// Whether a key of a document names a field: its JSON name, or the name the proto file has.
pub(crate) fn names(key: &str, field: &str) -> bool {
    key == field || (key.contains('_') && camel_case(key) == field)
}

/// `parameter_values` → `parameterValues`, as protobuf's JSON mapping does.
fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else if upper {
            camel.extend(c.to_uppercase());
            upper = false;
        } else {
            camel.push(c);
        }
    }
    camel
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let placed = |misfit: Misfit| Misfit {
            at: misfit.at.or(Some(self.at)),
            ..misfit
        };
        match &self.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_i64(value),
                (_, Some(value), _) => visitor.visit_u64(value),
                (_, _, Some(value)) => visitor.visit_f64(value),
                _ => Err(serde::de::Error::custom("not a number")),
            },
            Kind::String(value) => visitor.visit_borrowed_str(value),
            Kind::List(items) => visitor.visit_seq(Items {
                items: items.iter().enumerate(),
            }),
            Kind::Map(entries) => visitor.visit_map(Fields {
                entries: entries.iter(),
                known: None,
                value: None,
            }),
        }
        .map_err(placed)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.kind {
            Kind::Map(entries) => visitor
                .visit_map(Fields {
                    entries: entries.iter(),
                    known: Some(known),
                    value: None,
                })
                .map_err(|misfit| Misfit {
                    at: misfit.at.or(Some(self.at)),
                    ..misfit
                }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let placed = |misfit: Misfit| Misfit {
            at: misfit.at.or(Some(self.at)),
            ..misfit
        };
        match &self.kind {
            Kind::String(name) => visitor
                .visit_enum(name.as_str().into_deserializer())
                .map_err(placed),
            _ => Err(placed(serde::de::Error::custom(
                "expected the name of an enum value",
            ))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        match self.items.next() {
            Some((index, item)) => seed
                .deserialize(item)
                .map(Some)
                .map_err(|misfit| misfit.under(Step::Index(index), item.at)),
            None => Ok(None),
        }
    }
}

struct Fields<'de> {
    entries: std::slice::Iter<'de, Entry>,
    /// The fields of the message, where the target is one and not a map.
    known: Option<&'static [&'static str]>,
    value: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        // In a message, null is an absent field.
        let Some(entry) = self
            .entries
            .by_ref()
            .find(|entry| self.known.is_none() || !matches!(entry.value.kind, Kind::Null))
        else {
            return Ok(None);
        };
        self.value = Some(entry);
        let name = self
            .known
            .and_then(|known| known.iter().find(|field| names(&entry.key, field)))
            .map_or_else(|| entry.key.clone(), |field| (*field).to_owned());
        let key: StringDeserializer<Misfit> = name.into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|misfit| misfit.under(Step::Key(entry.key.clone()), entry.key_at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let entry = self
            .value
            .take()
            .expect("invariant: serde asks for a value after its key");
        seed.deserialize(&entry.value)
            .map_err(|misfit| misfit.under(Step::Key(entry.key.clone()), entry.value.at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}
