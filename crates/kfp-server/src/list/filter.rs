//! KFP's filters: predicates that must all hold (backend/api/v2beta1/filter.proto @2.17.0).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::{Field, Listed, Reader};
use crate::error::ApiError;

/// A filter over objects of one type.
pub(super) struct Filter<T> {
    predicates: Vec<(Reader<T>, Operation, Value)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default)]
    predicates: Vec<WirePredicate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePredicate {
    #[serde(default)]
    operation: Operation,
    #[serde(default)]
    key: String,
    #[serde(alias = "stringValue")]
    string_value: Option<String>,
    #[serde(alias = "timestampValue")]
    timestamp_value: Option<Timestamp>,
    #[serde(alias = "intValue", default, deserialize_with = "integer")]
    int_value: Option<i64>,
    #[serde(alias = "longValue", default, deserialize_with = "integer")]
    long_value: Option<i64>,
    #[serde(alias = "stringValues")]
    string_values: Option<Values<String>>,
    #[serde(alias = "intValues")]
    int_values: Option<Values<Number>>,
    #[serde(alias = "longValues")]
    long_values: Option<Values<Number>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Values<T> {
    #[serde(default = "Vec::new")]
    values: Vec<T>,
}

/// 64-bit integers travel as strings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(i64),
    Quoted(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Operation {
    #[default]
    Unspecified,
    Equals,
    NotEquals,
    GreaterThan,
    GreaterThanEquals,
    LessThan,
    LessThanEquals,
    In,
    IsSubstring,
}

/// Name and number; clients may send either.
const OPERATIONS: [(&str, i64, Operation); 9] = [
    ("OPERATION_UNSPECIFIED", 0, Operation::Unspecified),
    ("EQUALS", 1, Operation::Equals),
    ("NOT_EQUALS", 2, Operation::NotEquals),
    ("GREATER_THAN", 3, Operation::GreaterThan),
    ("GREATER_THAN_EQUALS", 5, Operation::GreaterThanEquals),
    ("LESS_THAN", 6, Operation::LessThan),
    ("LESS_THAN_EQUALS", 7, Operation::LessThanEquals),
    ("IN", 8, Operation::In),
    ("IS_SUBSTRING", 9, Operation::IsSubstring),
];

enum Value {
    Text(String),
    Time(Timestamp),
    Integer(i64),
    Texts(Vec<String>),
    Integers(Vec<i64>),
}

impl<T: Listed> Filter<T> {
    /// `text` is JSON, empty for no filter.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let wire: Wire = match text {
            "" => Wire {
                predicates: Vec::new(),
            },
            text => serde_json::from_str(text).map_err(|error| {
                ApiError::invalid(format!("failed to parse valid filter from {text:?}: {error}"))
            })?,
        };
        let predicates = wire
            .predicates
            .into_iter()
            .map(predicate::<T>)
            .collect::<Result<_, _>>()?;
        Ok(Self { predicates })
    }

    pub(super) fn matches(&self, object: &T) -> bool {
        self.predicates
            .iter()
            .all(|(read, operation, value)| holds(&read(object), *operation, value))
    }
}

fn predicate<T: Listed>(wire: WirePredicate) -> Result<(Reader<T>, Operation, Value), ApiError> {
    let key = wire.key.clone();
    let read = T::field(&key).ok_or_else(|| {
        ApiError::invalid(format!("no support for filtering on unrecognized field {key:?}"))
    })?;
    let operation = wire.operation;
    let value = value(wire)?;
    let fits = match operation {
        Operation::Unspecified => false,
        Operation::In => matches!(value, Value::Texts(_) | Value::Integers(_)),
        Operation::IsSubstring => matches!(value, Value::Text(_)),
        _ => !matches!(value, Value::Texts(_) | Value::Integers(_)),
    };
    if !fits {
        return Err(ApiError::invalid(format!(
            "filter on {key:?}: its operation cannot take its value"
        )));
    }
    Ok((read, operation, value))
}

fn value(wire: WirePredicate) -> Result<Value, ApiError> {
    let integers = |values: Values<Number>| {
        let numbers: Option<Vec<i64>> = values.values.into_iter().map(Number::read).collect();
        numbers.map(Value::Integers)
    };
    wire.string_value
        .map(Value::Text)
        .or(wire.timestamp_value.map(Value::Time))
        .or(wire.int_value.or(wire.long_value).map(Value::Integer))
        .or(wire.string_values.map(|values| Value::Texts(values.values)))
        .or_else(|| wire.int_values.or(wire.long_values).and_then(integers))
        .ok_or_else(|| ApiError::invalid(format!("filter on {:?}: it has no value", wire.key)))
}

/// KFP keeps times in seconds and compares those.
fn holds(field: &Field, operation: Operation, value: &Value) -> bool {
    let order = match (field, value) {
        (Field::Text(field), Value::Text(value)) if operation == Operation::IsSubstring => {
            return field.contains(value.as_str());
        }
        (Field::Text(field), Value::Texts(values)) => return values.contains(field),
        (Field::Time(field), Value::Integers(values)) => return values.contains(&seconds(*field)),
        (Field::Text(field), Value::Text(value)) => field.cmp(value),
        (Field::Time(field), Value::Time(value)) => seconds(*field).cmp(&value.as_second()),
        (Field::Time(field), Value::Integer(value)) => seconds(*field).cmp(value),
        // Unlike kinds are unequal and in no order.
        _ => return operation == Operation::NotEquals,
    };
    match operation {
        Operation::Equals => order.is_eq(),
        Operation::NotEquals => order.is_ne(),
        Operation::GreaterThan => order.is_gt(),
        Operation::GreaterThanEquals => order.is_ge(),
        Operation::LessThan => order.is_lt(),
        Operation::LessThanEquals => order.is_le(),
        Operation::Unspecified | Operation::In | Operation::IsSubstring => false,
    }
}

fn seconds(time: Option<Timestamp>) -> i64 {
    time.map_or(0, Timestamp::as_second)
}

impl Number {
    fn read(self) -> Option<i64> {
        match self {
            Self::Plain(number) => Some(number),
            Self::Quoted(text) => text.parse().ok(),
        }
    }
}

fn integer<'de, D: Deserializer<'de>>(wire: D) -> Result<Option<i64>, D::Error> {
    let number = Option::<Number>::deserialize(wire)?;
    number
        .map(|number| {
            number
                .read()
                .ok_or_else(|| serde::de::Error::custom("not an integer"))
        })
        .transpose()
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(wire: D) -> Result<Self, D::Error> {
        let found = match Number::deserialize(wire)? {
            Number::Plain(number) => OPERATIONS.iter().find(|row| row.1 == number),
            Number::Quoted(name) => OPERATIONS.iter().find(|row| row.0 == name),
        };
        found
            .map(|row| row.2)
            .ok_or_else(|| serde::de::Error::custom("no such operation"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Thing;
    use super::*;
    use rstest::rstest;

    fn kept(filter: &str) -> Vec<&'static str> {
        let filter = Filter::<Thing>::parse(filter).unwrap();
        [Thing("ab1", 100), Thing("b2", 200), Thing("c3", 300)]
            .iter()
            .filter(|thing| filter.matches(thing))
            .map(|thing| thing.0)
            .collect()
    }

    #[rstest]
    #[case::none("", &["ab1", "b2", "c3"])]
    #[case::as_the_kfp_client_asks(r#"{"predicates":[{"operation":1,"key":"name","stringValue":"b"}]}"#, &["b2"])]
    #[case::by_name(r#"{"predicates":[{"operation":"NOT_EQUALS","key":"name","string_value":"b"}]}"#, &["ab1", "c3"])]
    #[case::substring(r#"{"predicates":[{"operation":"IS_SUBSTRING","key":"name","string_value":"b"}]}"#, &["ab1", "b2"])]
    #[case::one_of(r#"{"predicates":[{"operation":"IN","key":"name","string_values":{"values":["b","c"]}}]}"#, &["b2", "c3"])]
    #[case::since(
        r#"{"predicates":[{"operation":"GREATER_THAN_EQUALS","key":"created_at","timestamp_value":"1970-01-01T00:03:20Z"}]}"#,
        &["b2", "c3"]
    )]
    #[case::before(r#"{"predicates":[{"operation":"LESS_THAN","key":"created_at","long_value":"200"}]}"#, &["ab1"])]
    #[case::all_must_hold(
        r#"{"predicates":[{"operation":"GREATER_THAN","key":"created_at","int_value":100},
            {"operation":"IS_SUBSTRING","key":"name","string_value":"b"}]}"#,
        &["b2"]
    )]
    fn predicates_keep(#[case] filter: &str, #[case] expected: &[&str]) {
        assert_eq!(kept(filter), expected);
    }

    #[rstest]
    #[case("{", "failed to parse valid filter from \"{\"")]
    #[case(r#"{"predicates":[{"operation":"LIKE","key":"name"}]}"#, "no such operation")]
    #[case(
        r#"{"predicates":[{"operation":"EQUALS","key":"colour","string_value":"b"}]}"#,
        "no support for filtering on unrecognized field \"colour\""
    )]
    #[case(
        r#"{"predicates":[{"operation":"EQUALS","key":"name"}]}"#,
        "filter on \"name\": it has no value"
    )]
    #[case(
        r#"{"predicates":[{"operation":"IN","key":"name","string_value":"b"}]}"#,
        "filter on \"name\": its operation cannot take its value"
    )]
    #[case(
        r#"{"predicates":[{"key":"name","string_value":"b"}]}"#,
        "its operation cannot take its value"
    )]
    fn what_makes_no_sense_is_refused(#[case] filter: &str, #[case] expected: &str) {
        let message = Filter::<Thing>::parse(filter).err().unwrap().status().message;
        assert!(message.contains(expected), "{message}");
    }
}
