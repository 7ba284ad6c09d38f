//! Parameter values: the forms they take, and the conversions between them.
//!
//! KFP carries a value as `google.protobuf.Value`: one kind of number, objects with sorted keys
//! (`backend/src/v2/metadata/converter.go`, `backend/src/v2/driver/resolve.go` at 2.17.0).

use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

use crate::ir::{InputDefinitions, ParameterInput, ParameterType};

/// Why a parameter has no usable value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// The value is of another type than the parameter.
    #[error("parameter `{name}` is of type {expected}, the value given is {found}")]
    Type {
        /// The parameter.
        name: String,
        /// Its type.
        expected: &'static str,
        /// What the value is.
        found: &'static str,
    },
    /// The text is no value of the parameter's type.
    #[error("`{text}` is no {expected} ({reason})")]
    Text {
        /// The text, cut short.
        text: String,
        /// The type asked for.
        expected: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// The parameter has no default and is not optional.
    #[error("parameter `{0}` needs a value: it has no default")]
    Missing(String),
    /// The pipeline has no parameter of that name.
    #[error("the pipeline has no parameter `{name}`; it has {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The parameter takes only some values, and this is none of them.
    #[error("parameter `{name}` takes one of {literals}, not {value}")]
    Literal {
        /// The parameter.
        name: String,
        /// The values, as JSON.
        literals: String,
        /// The value given, as JSON.
        value: String,
    },
}

/// The one form of a value: whole numbers without a fraction, keys sorted. Equal values have equal forms.
pub fn canonical(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(number)),
        Value::Array(items) => items.iter().map(canonical).collect(),
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            sorted
                .into_iter()
                .map(|(key, value)| (key.clone(), canonical(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        other => other.clone(),
    }
}

fn whole(number: &Number) -> Number {
    /// Up to here every whole double is an integer of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
            Number::from(float as i64)
        }
        _ => number.clone(),
    }
}

/// A value as text: strings as they are, all else as JSON. It is what a command line and a STRING input get.
pub fn to_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => canonical(other).to_string(),
    }
}

/// The value that an output file holds.
///
/// # Errors
/// [`ParameterError::Text`] where the text is no value of that type.
pub fn from_text(text: &str, parameter_type: ParameterType) -> Result<Value, ParameterError> {
    let refuse = |reason: String| ParameterError::Text {
        text: excerpt(text),
        expected: parameter_type.name(),
        reason,
    };
    let json = |kind: fn(&Value) -> bool| {
        serde_json::from_str::<Value>(text)
            .map_err(|error| refuse(error.to_string()))
            .and_then(|value| {
                if kind(&value) {
                    Ok(value)
                } else {
                    Err(refuse("another JSON type".to_owned()))
                }
            })
    };
    let trimmed = text.trim();
    match parameter_type {
        ParameterType::String | ParameterType::Unspecified => Ok(Value::String(text.to_owned())),
        ParameterType::NumberInteger => trimmed
            .parse::<i64>()
            .map(Value::from)
            .map_err(|error| refuse(error.to_string())),
        ParameterType::NumberDouble => trimmed
            .parse::<f64>()
            .map_err(|error| refuse(error.to_string()))
            .and_then(|float| Number::from_f64(float).ok_or_else(|| refuse("not a finite number".to_owned())))
            .map(Value::Number),
        // What Go's strconv.ParseBool takes, which KFP reads it with.
        ParameterType::Boolean => match trimmed {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => Err(refuse("neither true nor false".to_owned())),
        },
        ParameterType::List => json(Value::is_array),
        ParameterType::Struct | ParameterType::TaskFinalStatus | ParameterType::TaskConfig => {
            json(Value::is_object)
        }
    }
}

fn excerpt(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The value as the input `name` takes it: text where it is a STRING, else of its own type.
///
/// # Errors
/// [`ParameterError::Type`].
pub fn coerce(name: &str, value: Value, parameter_type: ParameterType) -> Result<Value, ParameterError> {
    let fits = match parameter_type {
        ParameterType::Unspecified => true,
        ParameterType::String => return Ok(Value::String(to_text(&value))),
        ParameterType::NumberDouble => value.is_number(),
        ParameterType::NumberInteger => value.as_f64().is_some_and(|float| float.fract() == 0.0),
        ParameterType::Boolean => value.is_boolean(),
        ParameterType::List => value.is_array(),
        ParameterType::Struct | ParameterType::TaskFinalStatus | ParameterType::TaskConfig => {
            value.is_object()
        }
    };
    if fits {
        Ok(value)
    } else {
        Err(type_error(name, &value, parameter_type))
    }
}

fn type_error(name: &str, value: &Value, parameter_type: ParameterType) -> ParameterError {
    ParameterError::Type {
        name: name.to_owned(),
        expected: parameter_type.name(),
        found: kind(value),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.as_f64().is_some_and(|float| float.fract() != 0.0) => {
            "a number with a fraction"
        }
        Value::Number(_) => "a number",
        // Python's json and protobuf's write these, where JSON has no number for them.
        Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => {
            "no finite number"
        }
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// That a value is one of the literals its parameter takes.
///
/// # Errors
/// [`ParameterError::Literal`].
pub fn admit(name: &str, value: &Value, spec: &ParameterInput) -> Result<(), ParameterError> {
    if spec.literals.is_empty()
        || spec
            .literals
            .iter()
            .any(|literal| canonical(literal) == canonical(value))
    {
        return Ok(());
    }
    Err(ParameterError::Literal {
        name: name.to_owned(),
        literals: Value::from(spec.literals.clone()).to_string(),
        value: value.to_string(),
    })
}

/// The inputs of a run: what was given, checked against the root's inputs, and the defaults of the rest. An optional
/// parameter without a default is null.
///
/// # Errors
/// [`ParameterError`]: a parameter that is missing, unknown, of another type, or none of its literals.
pub fn bind_parameters(
    inputs: &InputDefinitions,
    given: &IndexMap<String, Value>,
) -> Result<IndexMap<String, Value>, ParameterError> {
    if let Some(name) = given.keys().find(|name| !inputs.parameters.contains_key(*name)) {
        let known: Vec<_> = inputs.parameters.keys().map(|name| format!("`{name}`")).collect();
        return Err(ParameterError::Unknown {
            name: name.clone(),
            known: if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            },
        });
    }
    let mut bound = IndexMap::with_capacity(inputs.parameters.len());
    for (name, spec) in &inputs.parameters {
        let value = match given.get(name) {
            Some(Value::Null) if spec.is_optional => Value::Null,
            Some(value) => {
                // A run's parameters are not converted: text for a STRING has to be text.
                if spec.parameter_type == ParameterType::String && !value.is_string() {
                    return Err(type_error(name, value, spec.parameter_type));
                }
                let value = coerce(name, value.clone(), spec.parameter_type)?;
                admit(name, &value, spec)?;
                value
            }
            None => match &spec.default_value {
                Some(default) => default.clone(),
                None if spec.is_optional => Value::Null,
                None => return Err(ParameterError::Missing(name.clone())),
            },
        };
        bound.insert(name.clone(), value);
    }
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!(3.0), "3")]
    #[case(json!(2.5), "2.5")]
    #[case(json!("text"), "text")]
    #[case(json!(true), "true")]
    #[case(json!(null), "")]
    #[case(json!({"b": 1.0, "a": [2.0, "x"]}), r#"{"a":[2,"x"],"b":1}"#)]
    fn a_value_becomes_text(#[case] value: Value, #[case] text: &str) {
        assert_eq!(to_text(&value), text);
    }

    #[rstest]
    #[case(" 7\n", ParameterType::NumberInteger, json!(7))]
    #[case("0.25", ParameterType::NumberDouble, json!(0.25))]
    #[case("True", ParameterType::Boolean, json!(true))]
    #[case("[1, 2]", ParameterType::List, json!([1, 2]))]
    #[case("{\"a\": 1}", ParameterType::Struct, json!({"a": 1}))]
    #[case(" kept as it is \n", ParameterType::String, json!(" kept as it is \n"))]
    fn an_output_file_is_read_by_type(#[case] text: &str, #[case] kind: ParameterType, #[case] value: Value) {
        assert_eq!(from_text(text, kind).unwrap(), value);
    }

    #[rstest]
    #[case("7.5", ParameterType::NumberInteger)]
    #[case("NaN", ParameterType::NumberDouble)]
    #[case("yes", ParameterType::Boolean)]
    #[case("{}", ParameterType::List)]
    #[case("", ParameterType::Struct)]
    fn an_output_file_of_another_type_is_refused(#[case] text: &str, #[case] kind: ParameterType) {
        assert!(matches!(from_text(text, kind), Err(ParameterError::Text { .. })));
    }

    #[rstest]
    #[case(r#"{"parameterValues": {"skill": NaN}}"#)]
    #[case(r#"{"parameterValues": {"skill": Infinity}}"#)]
    #[case(r#"{"parameterValues": {"skill": "-Infinity"}}"#)]
    fn a_metric_that_is_no_number_is_refused_by_that_word(#[case] written: &str) {
        let output = crate::ExecutorOutput::parse(written).unwrap();
        let skill = output.parameter_values["skill"].clone();
        assert_eq!(
            coerce("skill", skill, ParameterType::NumberDouble)
                .unwrap_err()
                .to_string(),
            "parameter `skill` is of type NUMBER_DOUBLE, the value given is no finite number"
        );
    }

    #[test]
    fn what_a_run_is_given_is_bound_to_what_the_pipeline_takes() {
        let inputs: InputDefinitions = serde_json::from_value(json!({"parameters": {
            "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.5, "isOptional": true},
            "steps": {"parameterType": "NUMBER_INTEGER"},
            "note": {"parameterType": "STRING", "isOptional": true},
            "mode": {"parameterType": "STRING", "defaultValue": "fast", "literals": ["fast", "slow"]},
        }}))
        .unwrap();
        let bind = |given: Value| {
            let given: IndexMap<String, Value> = serde_json::from_value(given).unwrap();
            bind_parameters(&inputs, &given)
                .map(|bound| serde_json::to_value(bound).unwrap())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            bind(json!({"steps": 3})).unwrap(),
            json!({"rate": 0.5, "steps": 3, "note": null, "mode": "fast"})
        );
        assert_eq!(
            bind(json!({})).unwrap_err(),
            "parameter `steps` needs a value: it has no default"
        );
        assert_eq!(
            bind(json!({"steps": 3, "step": 1})).unwrap_err(),
            "the pipeline has no parameter `step`; it has `rate`, `steps`, `note`, `mode`"
        );
        assert_eq!(
            bind(json!({"steps": 3.5})).unwrap_err(),
            "parameter `steps` is of type NUMBER_INTEGER, the value given is a number with a fraction"
        );
        assert_eq!(
            bind(json!({"steps": 3, "note": 4})).unwrap_err(),
            "parameter `note` is of type STRING, the value given is a number"
        );
        assert_eq!(
            bind(json!({"steps": 3, "mode": "slower"})).unwrap_err(),
            r#"parameter `mode` takes one of ["fast","slow"], not "slower""#
        );
    }
}
