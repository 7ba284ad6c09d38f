//! Lists: KFP's query parameters as the engine's options (backend/src/apiserver/list and filter @2.17.0).

use jiff::Timestamp;
use pipeline_engine::{Comparison, Direction, ListOptions, Predicate, PredicateValue, Sort};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;

/// Query parameters of every list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct ListQuery {
    /// Asks for the page behind another one.
    page_token: String,
    /// Objects on a page: 20 where none is given, at most 200.
    page_size: i32,
    /// A field, and `asc` or `desc` behind it; the oldest first where none is given.
    sort_by: String,
    /// A filter (filter.proto) as JSON; all its predicates must hold.
    filter: String,
    /// Only those of this experiment; of lists of runs and recurring runs.
    pub(crate) experiment_id: String,
}

/// What KFP calls a field that the engine calls otherwise.
pub(crate) type Aliases = [(&'static str, &'static str)];

impl ListQuery {
    /// The engine's options.
    pub(crate) fn options(&self, aliases: &Aliases) -> Result<ListOptions, ApiError> {
        let page_size = usize::try_from(self.page_size).map_err(|_| {
            ApiError::invalid(format!(
                "The page size should be greater than 0. Got {}",
                self.page_size
            ))
        })?;
        let field = |name: &str| {
            let alias = aliases.iter().find(|(alias, _)| *alias == name);
            alias.map_or(name, |(_, field)| field).to_owned()
        };
        Ok(ListOptions {
            page_size,
            page_token: Some(self.page_token.clone()).filter(|token| !token.is_empty()),
            sort: sort(&self.sort_by, &field)?,
            filter: filter(&self.filter, &field)?,
        })
    }
}

fn sort(text: &str, field: &dyn Fn(&str) -> String) -> Result<Option<Sort>, ApiError> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let (name, direction) = match words.as_slice() {
        [] => return Ok(None),
        [name] | [name, "asc"] => (*name, Direction::Ascending),
        [name, "desc"] => (*name, Direction::Descending),
        _ => {
            return Err(ApiError::invalid(format!(
                "Received invalid sort by format {text:?}. Supported format: \"field_name\", \"field_name desc\", or \
                 \"field_name asc\""
            )));
        }
    };
    Ok(Some(Sort {
        field: field(name),
        direction,
    }))
}

fn filter(text: &str, field: &dyn Fn(&str) -> String) -> Result<Vec<Predicate>, ApiError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    // KFP takes a filter that is percent-encoded once more than the query is.
    let encoded = if text.starts_with('%') { text } else { "" };
    let decoded = url::form_urlencoded::parse(encoded.as_bytes()).next();
    let text = decoded.as_ref().map_or(text, |(text, _)| text.as_ref());
    let filter: Filter = serde_json::from_str(text)
        .map_err(|error| ApiError::invalid(format!("failed to parse valid filter from {text:?}: {error}")))?;
    filter
        .predicates
        .into_iter()
        .map(|wire| {
            Ok(Predicate {
                field: field(&wire.key),
                comparison: wire.operation.0,
                value: wire.value()?,
            })
        })
        .collect()
}

/// A filter on the wire (backend/api/v2beta1/filter.proto @2.17.0). Clients write names in either spelling.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default)]
    predicates: Vec<WirePredicate>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePredicate {
    operation: Operation,
    #[serde(default)]
    key: String,
    #[serde(alias = "stringValue")]
    string_value: Option<String>,
    #[serde(alias = "timestampValue")]
    timestamp_value: Option<Timestamp>,
    #[serde(alias = "intValue")]
    int_value: Option<Number>,
    #[serde(alias = "longValue")]
    long_value: Option<Number>,
    #[serde(alias = "intValues")]
    int_values: Option<Values<Number>>,
    #[serde(alias = "longValues")]
    long_values: Option<Values<Number>>,
    #[serde(alias = "stringValues")]
    string_values: Option<Values<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Values<T> {
    #[serde(default = "Vec::new")]
    values: Vec<T>,
}

/// Integers of 64 bits travel as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(i64),
    Quoted(String),
}

impl Number {
    fn read(&self) -> Option<i64> {
        match self {
            Self::Plain(number) => Some(*number),
            Self::Quoted(text) => text.parse().ok(),
        }
    }
}

impl WirePredicate {
    fn value(self) -> Result<PredicateValue, ApiError> {
        let refuse = |why: &str| ApiError::invalid(format!("filter on {:?}: {why}", self.key));
        // KFP keeps times as seconds, and takes numbers for them.
        let seconds = |number: Number| {
            let time = number
                .read()
                .and_then(|seconds| Timestamp::from_second(seconds).ok());
            time.ok_or_else(|| refuse("its number is no time in seconds"))
        };
        let list = |numbers: Values<Number>| {
            let times = numbers.values.into_iter().map(seconds);
            times.collect::<Result<_, _>>().map(PredicateValue::Times)
        };
        let given = [
            self.string_value.map(|text| Ok(PredicateValue::Text(text))),
            self.timestamp_value.map(|time| Ok(PredicateValue::Time(time))),
            self.int_value
                .map(|number| seconds(number).map(PredicateValue::Time)),
            self.long_value
                .map(|number| seconds(number).map(PredicateValue::Time)),
            self.int_values.map(list),
            self.long_values.map(list),
            self.string_values
                .map(|texts| Ok(PredicateValue::Texts(texts.values))),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(value), None) => value,
            (None, _) => Err(refuse("it has no value")),
            (Some(_), Some(_)) => Err(refuse("it has several values; give one")),
        }
    }
}

struct Operation(Comparison);

/// Name and number; clients may send either.
const OPERATIONS: [(&str, i64, Comparison); 8] = [
    ("EQUALS", 1, Comparison::Equals),
    ("NOT_EQUALS", 2, Comparison::NotEquals),
    ("GREATER_THAN", 3, Comparison::GreaterThan),
    ("GREATER_THAN_EQUALS", 5, Comparison::GreaterThanEquals),
    ("LESS_THAN", 6, Comparison::LessThan),
    ("LESS_THAN_EQUALS", 7, Comparison::LessThanEquals),
    ("IN", 8, Comparison::In),
    ("IS_SUBSTRING", 9, Comparison::IsSubstring),
];

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(wire: D) -> Result<Self, D::Error> {
        let found = match Number::deserialize(wire)? {
            Number::Plain(number) => OPERATIONS.iter().find(|row| row.1 == number),
            Number::Quoted(name) => OPERATIONS.iter().find(|row| row.0 == name),
        };
        found
            .map(|row| Self(row.2))
            .ok_or_else(|| serde::de::Error::custom("no such operation"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn query(sort_by: &str, filter: &str) -> ListQuery {
        ListQuery {
            sort_by: sort_by.to_owned(),
            filter: filter.to_owned(),
            ..ListQuery::default()
        }
    }

    #[rstest]
    #[case("", None)]
    #[case("created_at", Some(("created_at", Direction::Ascending)))]
    #[case("RUN_ID desc", Some(("id", Direction::Descending)))]
    fn an_order_is_read(#[case] text: &str, #[case] expected: Option<(&str, Direction)>) {
        let options = query(text, "").options(&[("run_id", "id")]).unwrap();
        let expected = expected.map(|(field, direction)| Sort {
            field: field.to_owned(),
            direction,
        });
        assert_eq!(options.sort, expected);
    }

    #[rstest]
    #[case::as_the_kfp_client_asks(
        r#"{"predicates":[{"operation":1,"key":"run_id","stringValue":"b"}]}"#,
        Comparison::Equals, PredicateValue::Text("b".into())
    )]
    #[case::one_of(
        r#"{"predicates":[{"operation":"IN","key":"run_id","string_values":{"values":["b","c"]}}]}"#,
        Comparison::In, PredicateValue::Texts(vec!["b".into(), "c".into()])
    )]
    #[case::since(
        r#"{"predicates":[{"operation":"GREATER_THAN","key":"run_id","timestamp_value":"1970-01-01T00:03:20Z"}]}"#,
        Comparison::GreaterThan, PredicateValue::Time(Timestamp::from_second(200).unwrap())
    )]
    #[case::percent_encoded(
        "%7B%22predicates%22%3A%5B%7B%22operation%22%3A1%2C%22key%22%3A%22run_id%22%2C%22string_value%22%3A%22a%3Db%22%7D%5D%7D",
        Comparison::Equals, PredicateValue::Text("a=b".into())
    )]
    #[case::at_one_of(
        r#"{"predicates":[{"operation":"IN","key":"run_id","longValues":{"values":["200",7]}}]}"#,
        Comparison::In,
        PredicateValue::Times(vec![Timestamp::from_second(200).unwrap(), Timestamp::from_second(7).unwrap()])
    )]
    #[case::before(
        r#"{"predicates":[{"operation":"LESS_THAN","key":"run_id","long_value":"200"}]}"#,
        Comparison::LessThan, PredicateValue::Time(Timestamp::from_second(200).unwrap())
    )]
    fn a_predicate_is_read(
        #[case] filter: &str,
        #[case] comparison: Comparison,
        #[case] value: PredicateValue,
    ) {
        let options = query("", filter).options(&[("run_id", "id")]).unwrap();
        let expected = Predicate {
            field: "id".to_owned(),
            comparison,
            value,
        };
        assert_eq!(options.filter, [expected]);
    }

    #[rstest]
    #[case(query("", "{"), "failed to parse valid filter from \"{\"")]
    #[case(
        query("", r#"{"predicates":[{"operation":"LIKE","key":"name"}]}"#),
        "no such operation"
    )]
    #[case(
        query("", r#"{"predicates":[{"operation":"EQUALS","key":"name"}]}"#),
        "filter on \"name\": it has no value"
    )]
    #[case(
        query(
            "",
            r#"{"predicates":[{"operation":1,"key":"a","int_value":1,"string_value":"1"}]}"#
        ),
        "filter on \"a\": it has several values; give one"
    )]
    #[case(
        query(
            "",
            r#"{"predicates":[{"operation":1,"key":"a","int_value":"9223372036854775807"}]}"#
        ),
        "filter on \"a\": its number is no time in seconds"
    )]
    #[case(
        query("", r#"{"predicates":[{"operation":1,"key":"a","valeu":1}]}"#),
        "unknown field `valeu`"
    )]
    #[case(query("name up", ""), "Received invalid sort by format \"name up\"")]
    #[case(ListQuery { page_size: -1, ..ListQuery::default() }, "The page size should be greater than 0. Got -1")]
    fn what_makes_no_sense_is_refused(#[case] query: ListQuery, #[case] expected: &str) {
        let message = query.options(&[]).unwrap_err().status().message;
        assert!(message.contains(expected), "{message}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Any text, and any JSON of the shape of a filter.
        #[test]
        fn no_filter_and_no_order_breaks_the_reading(
            text in "\\PC{0,60}",
            pieces in proptest::collection::vec(proptest::sample::select(FILTERS), 0..10),
        ) {
            for filter in [text.clone(), pieces.concat(), format!(r#"{{"predicates":[{{{}}}]}}"#, pieces.join(","))] {
                let _ = query(&text, &filter).options(&[]);
            }
        }
    }

    const FILTERS: &[&str] = &[
        r#""operation":"EQUALS""#,
        r#""operation":9"#,
        r#""operation":"IN""#,
        r#""key":"name""#,
        r#""key":null"#,
        r#""stringValue":"a""#,
        r#""intValue":"99999999999999999999""#,
        r#""longValue":-1"#,
        r#""timestampValue":"2026-13-01T00:00:00Z""#,
        r#""stringValues":{"values":[null]}"#,
        r#""intValues":{"values":[1e99]}"#,
        r#""nobody":{}"#,
        "[",
        "]",
        "{",
        "}",
        ",",
    ];
}
