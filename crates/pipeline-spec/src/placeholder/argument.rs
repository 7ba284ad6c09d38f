//! One word of a command: a template, a concatenation, or a choice by whether an input is present.

use serde_json::Value;

use super::template::{Facts, Template, Unresolved};
use crate::task_io::ExecutorInput;

/// One word of a command, or none, or several. `{"Concat": […]}` and `{"IfPresent": {…}}` are JSON in the package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A text with placeholders.
    Template(Template),
    /// Parts in one word.
    Concat(Vec<Argument>),
    /// Words that depend on whether an input has a value.
    IfPresent {
        /// The input, a parameter or an artifact.
        input: String,
        /// Words where it has one.
        then: Vec<Argument>,
        /// Words where it has none.
        otherwise: Vec<Argument>,
    },
}

/// A word that begins as a `Concat` or `IfPresent` and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidArgument(String);

impl Argument {
    /// Takes a word of a command apart.
    ///
    /// # Errors
    /// [`InvalidArgument`] where the word begins as `{"Concat": ` or `{"IfPresent": ` and the rest does not follow.
    pub fn parse(word: &str) -> Result<Self, InvalidArgument> {
        let begins = |name: &str| {
            let word = word
                .trim_start()
                .strip_prefix('{')
                .unwrap_or_default()
                .trim_start();
            word.strip_prefix(name)
                .is_some_and(|rest| rest.trim_start().starts_with(':'))
        };
        if begins("\"Concat\"") || begins("\"IfPresent\"") {
            let value: Value = serde_json::from_str(word)
                .map_err(|error| InvalidArgument(format!("not readable as JSON: {error}")))?;
            structured(&value)
        } else {
            Ok(Self::Template(Template::parse(word)))
        }
    }

    /// Every template in it.
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Template(template) => vec![template],
            Self::Concat(parts) => parts.iter().flat_map(Self::templates).collect(),
            Self::IfPresent { then, otherwise, .. } => {
                then.iter().chain(otherwise).flat_map(Self::templates).collect()
            }
        }
    }

    /// Every input whose presence it asks for.
    pub fn inputs_asked(&self) -> Vec<&str> {
        match self {
            Self::Template(_) => Vec::new(),
            Self::Concat(parts) => parts.iter().flat_map(Self::inputs_asked).collect(),
            Self::IfPresent {
                input,
                then,
                otherwise,
            } => std::iter::once(input.as_str())
                .chain(then.iter().chain(otherwise).flat_map(Self::inputs_asked))
                .collect(),
        }
    }

    /// The words it stands for.
    ///
    /// # Errors
    /// [`Unresolved`].
    pub fn fill(&self, input: &ExecutorInput, facts: &Facts) -> Result<Vec<String>, Unresolved> {
        match self {
            Self::Template(template) => Ok(vec![template.fill(input, facts)?]),
            Self::Concat(parts) => {
                let mut word = String::new();
                for part in parts {
                    part.fill(input, facts)?
                        .iter()
                        .for_each(|piece| word.push_str(piece));
                }
                Ok(vec![word])
            }
            Self::IfPresent {
                input: name,
                then,
                otherwise,
            } => {
                let present = input
                    .inputs
                    .parameter_values
                    .get(name)
                    .is_some_and(|value| !value.is_null())
                    || input
                        .inputs
                        .artifacts
                        .get(name)
                        .is_some_and(|list| !list.artifacts.is_empty());
                let mut words = Vec::new();
                for argument in if present { then } else { otherwise } {
                    words.extend(argument.fill(input, facts)?);
                }
                Ok(words)
            }
        }
    }
}

fn structured(value: &Value) -> Result<Argument, InvalidArgument> {
    let fields = match value {
        Value::String(text) => return Ok(Argument::Template(Template::parse(text))),
        Value::Object(fields) => fields,
        other => {
            return Err(InvalidArgument(format!(
                "`{other}` where a text, a Concat or an IfPresent belongs"
            )));
        }
    };
    if let Some(parts) = fields.get("Concat") {
        let parts = parts
            .as_array()
            .ok_or_else(|| InvalidArgument("`Concat` takes a list".to_owned()))?;
        return Ok(Argument::Concat(
            parts.iter().map(structured).collect::<Result<_, _>>()?,
        ));
    }
    let choice = fields
        .get("IfPresent")
        .ok_or_else(|| InvalidArgument(format!("`{value}` is no Concat or IfPresent")))?;
    let input = choice["InputName"]
        .as_str()
        .ok_or_else(|| InvalidArgument("`IfPresent` needs the text `InputName`".to_owned()))?;
    let words = |key: &str| match choice.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(structured).collect(),
        Some(one) => Ok(vec![structured(one)?]),
    };
    Ok(Argument::IfPresent {
        input: input.to_owned(),
        then: words("Then")?,
        otherwise: words("Else")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn fill(word: &str) -> Vec<String> {
        let mut input = ExecutorInput::default();
        input.inputs.parameter_values.insert("x".into(), json!("v"));
        input.inputs.parameter_values.insert("none".into(), Value::Null);
        Argument::parse(word)
            .unwrap()
            .fill(&input, &Facts::default())
            .unwrap()
    }

    #[rstest]
    #[case(r#"{"Concat": ["a-", "{{$.inputs.parameters['x']}}"]}"#, &["a-v"])]
    #[case(r#"{"IfPresent": {"InputName": "x", "Then": ["--x", "{{$.inputs.parameters['x']}}"]}}"#, &["--x", "v"])]
    #[case(r#"{"IfPresent": {"InputName": "y", "Then": ["--y"]}}"#, &[])]
    #[case(r#"{"IfPresent": {"InputName": "none", "Then": "--y", "Else": "--no-y"}}"#, &["--no-y"])]
    #[case(
        r#"{"Concat": ["a", {"IfPresent": {"InputName": "x", "Then": {"Concat": ["b", "c"]}, "Else": "d"}}]}"#,
        &["abc"]
    )]
    #[case(r#"{"Contact": 1}"#, &[r#"{"Contact": 1}"#])]
    fn a_word_becomes_words(#[case] word: &str, #[case] words: &[&str]) {
        assert_eq!(fill(word), words);
    }

    #[rstest]
    #[case(r#"{"Concat": "a"}"#)]
    #[case(r#"{"Concat": [1]}"#)]
    #[case(r#"{"IfPresent": {"Then": "a"}}"#)]
    #[case(r#"{"Concat": ["#)]
    fn a_broken_one_is_refused(#[case] word: &str) {
        assert!(Argument::parse(word).is_err());
    }
}
