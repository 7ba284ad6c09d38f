//! Conditions and selectors, in CEL.
//!
//! A condition looks at the task's inputs, as fields of `ExecutorInput`: `inputs.parameter_values['x'] == 'heads'`.
//! A selector looks at one value: `parseJson(string_value)["a"]`. As in KFP
//! (`backend/src/v2/expression/expression.go` at 2.17.0) every number is a double, so that `int(…)` is what compares
//! whole numbers.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map as CelMap};
use cel::{Context, ExecutionError, Program, Value as Cel};
use serde_json::{Map, Number, Value};

use crate::parameter::to_text;
use crate::stack::on_own_stack;
use crate::task_io::Inputs;

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// It is no CEL, or too long or too deep to be read.
    #[error("`{expression}` is no CEL expression: {reason}")]
    Syntax {
        /// The expression.
        expression: String,
        /// What the parser says.
        reason: String,
    },
    /// It cannot be evaluated over these inputs.
    #[error("`{expression}`: {reason}")]
    Evaluation {
        /// The expression.
        expression: String,
        /// What went wrong.
        reason: String,
    },
}

/// A condition of a task, parsed.
#[derive(Debug, Clone)]
pub struct Condition(Arc<Expression>);

/// A selector of an input parameter, parsed.
#[derive(Debug, Clone)]
pub struct Selector(Arc<Expression>);

#[derive(Debug)]
struct Expression {
    text: String,
    program: Program,
}

impl Expression {
    fn parse(text: &str) -> Result<Arc<Self>, ExpressionError> {
        /// Longer ones are no condition that anybody wrote.
        const LENGTH: usize = 4096;
        let syntax = |reason: String| ExpressionError::Syntax {
            expression: excerpt(text),
            reason,
        };
        if text.len() > LENGTH {
            return Err(syntax(format!("longer than {LENGTH} bytes")));
        }
        if depth(text) > DEPTH {
            return Err(syntax(format!("nested deeper than {DEPTH} levels")));
        }
        let program = on_own_stack(|| Program::compile(text))
            .map_err(|error| syntax(error.to_string()))?
            .map_err(|errors| syntax(first_line(&errors.to_string())))?;
        Ok(Arc::new(Self {
            text: text.to_owned(),
            program,
        }))
    }

    fn evaluate(&self, variables: Vec<(&str, Cel)>) -> Result<Cel, ExpressionError> {
        let mut context = Context::default();
        context
            .add_function("parseJson", parse_json)
            .expect("invariant: a fresh context has no function of that name");
        for (name, value) in variables {
            context.add_variable_from_value(name, value);
        }
        self.program
            .execute(&context)
            .map_err(|error| self.error(error.to_string()))
    }

    fn error(&self, reason: String) -> ExpressionError {
        ExpressionError::Evaluation {
            expression: excerpt(&self.text),
            reason,
        }
    }
}

/// How deep an expression may nest: evaluation recurses, and takes some tens of kilobytes a level.
const DEPTH: usize = 40;

/// The place and the reason of the first mistake, of a listing that goes on to draw it.
fn first_line(listing: &str) -> String {
    let line = listing.trim().lines().next().unwrap_or_default();
    line.strip_prefix("ERROR: <input>:").unwrap_or(line).to_owned()
}

/// An upper bound of the depth of the syntax tree: brackets nest, and so do chains of operators other than `&&` and
/// `||`, whose chains the parser balances.
fn depth(text: &str) -> usize {
    let mut enclosing = Vec::new();
    let (mut base, mut level, mut deepest) = (0, 0, 0);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                while let Some(inside) = chars.next() {
                    match inside {
                        '\\' => drop(chars.next()),
                        end if end == c => break,
                        _ => {}
                    }
                }
            }
            '(' | '[' | '{' => {
                enclosing.push(base);
                level += 1;
                base = level;
            }
            ')' | ']' | '}' => base = enclosing.pop().unwrap_or(0),
            '&' | '|' if chars.next_if_eq(&c).is_some() => level = base,
            ',' => level = base,
            '.' | '!' | '-' | '+' | '*' | '/' | '%' | '<' | '>' | '=' | '?' | ':' => level += 1,
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}

fn excerpt(text: &str) -> String {
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl Condition {
    /// Parses a condition.
    ///
    /// # Errors
    /// [`ExpressionError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        Expression::parse(text).map(Self)
    }

    /// The condition as written.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Whether it holds for these inputs.
    ///
    /// # Errors
    /// [`ExpressionError::Evaluation`] where it names what is not there, compares what cannot be compared, or is
    /// neither true nor false.
    pub fn holds(&self, inputs: &Inputs) -> Result<bool, ExpressionError> {
        match self.0.evaluate(vec![("inputs", inputs_to_cel(inputs))])? {
            Cel::Bool(holds) => Ok(holds),
            other => Err(self.0.error(format!("is {other:?}, neither true nor false"))),
        }
    }
}

impl Selector {
    /// Parses a selector.
    ///
    /// # Errors
    /// [`ExpressionError::Syntax`].
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        Expression::parse(text).map(Self)
    }

    /// What it picks of a value.
    ///
    /// # Errors
    /// [`ExpressionError::Evaluation`].
    pub fn select(&self, value: &Value) -> Result<Value, ExpressionError> {
        let mut variables = vec![("string_value", Cel::from(to_text(value)))];
        match value {
            Value::Number(_) => variables.push(("number_value", to_cel(value))),
            Value::Bool(_) => variables.push(("bool_value", to_cel(value))),
            Value::Object(_) => variables.push(("struct_value", to_cel(value))),
            Value::Array(_) => variables.push(("list_value", to_cel(value))),
            Value::Null | Value::String(_) => {}
        }
        let selected = self.0.evaluate(variables)?;
        from_cel(&selected).ok_or_else(|| {
            self.0
                .error(format!("is {selected:?}, which no parameter can hold"))
        })
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that `add_function` takes"
)]
fn parse_json(text: Arc<String>) -> Result<Cel, ExecutionError> {
    serde_json::from_str(&text)
        .map(|value| to_cel(&value))
        .map_err(|error| ExecutionError::FunctionError {
            function: "parseJson".into(),
            message: error.to_string(),
        })
}

fn inputs_to_cel(inputs: &Inputs) -> Cel {
    let parameters = inputs
        .parameter_values
        .iter()
        .map(|(name, value)| (name.as_str(), to_cel(value)));
    let artifacts = inputs.artifacts.iter().map(|(name, list)| {
        let list: Vec<Cel> = list
            .artifacts
            .iter()
            .map(|artifact| {
                let metadata = to_cel(&Value::Object(artifact.metadata.clone()));
                cel_map([
                    ("name", Cel::from(artifact.name.clone())),
                    ("uri", Cel::from(artifact.uri.clone())),
                    ("metadata", metadata),
                ])
            })
            .collect();
        (name.as_str(), cel_map([("artifacts", Cel::from(list))]))
    });
    cel_map([
        ("parameter_values", cel_map(parameters)),
        ("artifacts", cel_map(artifacts)),
    ])
}

fn cel_map<'a>(entries: impl IntoIterator<Item = (&'a str, Cel)>) -> Cel {
    let map: HashMap<Key, Cel> = entries
        .into_iter()
        .map(|(key, value)| (Key::from(key.to_owned()), value))
        .collect();
    Cel::Map(CelMap { map: Arc::new(map) })
}

fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => Cel::from(text.clone()),
        Value::Array(items) => Cel::from(items.iter().map(to_cel).collect::<Vec<_>>()),
        Value::Object(fields) => cel_map(fields.iter().map(|(key, value)| (key.as_str(), to_cel(value)))),
    }
}

fn from_cel(value: &Cel) -> Option<Value> {
    Some(match value {
        Cel::Null => Value::Null,
        Cel::Bool(value) => Value::Bool(*value),
        Cel::Int(value) => Value::from(*value),
        Cel::UInt(value) => Value::from(*value),
        Cel::Float(value) => Value::Number(Number::from_f64(*value)?),
        Cel::String(text) => Value::String(text.as_ref().clone()),
        Cel::List(items) => items.iter().map(from_cel).collect::<Option<Vec<_>>>()?.into(),
        Cel::Map(map) => {
            let mut fields = Vec::with_capacity(map.map.len());
            for (key, value) in map.map.iter() {
                let Key::String(key) = key else { return None };
                fields.push((key.as_ref().clone(), from_cel(value)?));
            }
            fields.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect::<Map<_, _>>())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn inputs() -> Inputs {
        let mut inputs = Inputs::default();
        for (name, value) in [
            ("coin", json!("heads")),
            ("n", json!(7)),
            ("x", json!(0.5)),
            ("digits", json!("12")),
            ("on", json!(true)),
            ("list", json!([1, 2])),
        ] {
            inputs.parameter_values.insert(name.into(), value);
        }
        inputs
    }

    #[rstest]
    #[case("inputs.parameter_values['coin'] == 'heads'", true)]
    #[case("inputs.parameter_values['coin'] != 'heads'", false)]
    #[case(
        "!(inputs.parameter_values['coin'] == 'heads') && inputs.parameter_values['n'] > 1.0",
        false
    )]
    #[case("int(inputs.parameter_values['n']) > 5", true)]
    #[case("int(inputs.parameter_values['n']) == 7", true)]
    #[case("int(inputs.parameter_values['digits']) <= 12", true)]
    #[case("inputs.parameter_values['x'] >= 0.5", true)]
    #[case("inputs.parameter_values['x'] < 1", true)]
    #[case("inputs.parameter_values['n'] == 7", true)]
    #[case("inputs.parameter_values['on'] == true", true)]
    #[case("inputs.parameter_values['on']", true)]
    #[case(
        "int(inputs.parameter_values['n']) >= int(inputs.parameter_values['digits']) || true",
        true
    )]
    #[case("'tails' in ['heads', 'tails']", true)]
    #[case("inputs.parameter_values['list'][1] == 2.0", true)]
    fn a_condition_holds_or_not(#[case] text: &str, #[case] holds: bool) {
        assert_eq!(Condition::parse(text).unwrap().holds(&inputs()), Ok(holds));
    }

    #[rstest]
    #[case("inputs.parameter_values['absent'] == 'x'")]
    #[case("inputs.parameter_values['coin']")]
    #[case("outputs.x")]
    #[case("inputs.parameter_values['coin'] > 5")]
    fn a_condition_that_has_no_answer_is_an_error(#[case] text: &str) {
        assert!(matches!(
            Condition::parse(text).unwrap().holds(&inputs()),
            Err(ExpressionError::Evaluation { .. })
        ));
    }

    #[rstest]
    #[case("inputs.parameter_values['coin'] ==".to_owned())]
    #[case("(".repeat(3000) + "1)")]
    #[case("!".repeat(3000) + "true")]
    #[case("[".repeat(300) + "1")]
    #[case("1 + ".repeat(500) + "1 > 0")]
    #[case("a".to_owned() + &".b".repeat(500))]
    #[case("x".repeat(5000))]
    fn what_is_no_expression_is_refused_in_bounded_time(#[case] text: String) {
        assert!(matches!(
            Condition::parse(&text),
            Err(ExpressionError::Syntax { .. })
        ));
    }

    #[test]
    fn a_choice_of_many_branches_is_read() {
        let branch = |n: usize| format!("!(int(inputs.parameter_values['n']) == {n}) && ");
        let text: String =
            (20..60).map(branch).collect::<String>() + "inputs.parameter_values['coin'] == 'he(a)ds--'";
        assert_eq!(Condition::parse(&text).unwrap().holds(&inputs()), Ok(false));
    }

    #[test]
    fn what_is_as_deep_as_allowed_is_read_and_evaluated() {
        let nested = "(".repeat(DEPTH) + "true" + &")".repeat(DEPTH);
        assert_eq!(Condition::parse(&nested).unwrap().holds(&inputs()), Ok(true));
        let chain = "1 + ".repeat(DEPTH - 1) + "1 > 0";
        assert_eq!(Condition::parse(&chain).unwrap().holds(&inputs()), Ok(true));
    }

    #[rstest]
    #[case("parseJson(string_value)[\"a\"]", json!({"a": [1, 2], "b": 1}), json!([1.0, 2.0]))]
    #[case("parseJson(string_value)[1]", json!("[10, 20]"), json!(20.0))]
    #[case("struct_value.b", json!({"b": "text"}), json!("text"))]
    #[case("list_value[0]", json!(["first"]), json!("first"))]
    #[case("string_value", json!(3), json!("3"))]
    fn a_selector_picks_a_part(#[case] text: &str, #[case] value: Value, #[case] part: Value) {
        assert_eq!(Selector::parse(text).unwrap().select(&value), Ok(part));
    }

    #[test]
    fn a_selector_that_finds_nothing_says_so() {
        let error = Selector::parse("parseJson(string_value)[\"a\"]")
            .unwrap()
            .select(&json!({"b": 1}))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`parseJson(string_value)[\"a\"]`: No such key: a"
        );
    }
}
