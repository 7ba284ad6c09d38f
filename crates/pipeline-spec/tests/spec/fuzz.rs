//! Texts that nobody meant: no reader panics, whatever it is handed, and what it accepts can be used. Budget: 10 s.

use std::collections::BTreeMap;

use pipeline_spec::expression::{Condition, Selector};
use pipeline_spec::placeholder::{Argument, Facts, Template};
use pipeline_spec::{ExecutorInput, Inputs, Limits, Pipeline};
use proptest::prelude::*;
use serde_json::{Value, json};

const HELLO: &str = include_str!("packages/hello.yaml");

/// What is put in where something was.
const PIECES: &[&str] = &[
    "",
    "null",
    "[]",
    "{}",
    "~",
    "-1",
    "1e999",
    "'",
    "\"",
    "*a",
    "&a [*a]",
    "<<: *a",
    "!!binary x",
    "? x",
    "- x",
    "{{$.inputs.parameters['who']}}",
    "'{{$}}'",
    "\t",
    "\u{0}",
    "💥",
    "---\n",
    "...\n",
    "|\n",
    "root",
    "comp-greet",
];

/// A package with some of its words and lines replaced, dropped, or written twice.
fn packages() -> impl Strategy<Value = String> {
    let change = (
        any::<prop::sample::Index>(),
        prop::sample::select(PIECES),
        0_u8..4,
    );
    prop::collection::vec(change, 1..6).prop_map(|changes| {
        let mut lines: Vec<String> = HELLO.lines().map(str::to_owned).collect();
        for (place, piece, how) in changes {
            let at = place.index(lines.len());
            let line = lines[at].clone();
            match how {
                0 => lines[at] = format!("{}{piece}", line.split(':').next().unwrap_or_default()),
                1 => {
                    let key = line.split_once(':').map_or(line.as_str(), |(key, _)| key);
                    lines[at] = format!("{key}: {piece}");
                }
                2 => lines.insert(at, line),
                _ => {
                    lines.remove(at);
                    lines.push(piece.to_owned());
                }
            }
        }
        lines.join("\n")
    })
}

/// Pieces of conditions, placeholders and structured arguments, in any order.
fn pieces(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(of), 0..12).prop_map(|pieces| pieces.concat())
}

const CEL: &[&str] = &[
    "inputs.parameter_values['n']",
    "inputs.parameter_values['text']",
    "inputs",
    "int(",
    "double(",
    "string(",
    "(",
    ")",
    "!",
    " == ",
    " != ",
    " < ",
    " && ",
    " || ",
    " ? ",
    " : ",
    " + ",
    " / ",
    " % ",
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "1e308",
    "'a'",
    "\"",
    "true",
    "null",
    "[",
    "]",
    ",",
    ".size()",
    ".matches('(a+)+$')",
    "{",
    "}",
    "in ",
    "u",
    "b'",
    "parseJson(string_value)",
    "[\"a\"]",
    "[0]",
    "struct_value",
    "list_value",
    "duration('1s')",
    "timestamp('x')",
];

const PLACEHOLDERS: &[&str] = &[
    "{{$",
    "{{$}}",
    "}}",
    "{{$.",
    ".inputs",
    ".parameters",
    "['text']",
    "['n']",
    "[\"n\"]",
    ".artifacts",
    ".outputs",
    ".output_file",
    ".path",
    ".uri",
    ".metadata",
    ".json_escape[1]",
    "{{$.inputs.parameters['text']}}",
    "{{$.inputs.parameters['nobody']}}",
    "{{$.pipeline_job_uuid}}",
    "{\"Concat\": [",
    "{\"IfPresent\": {\"InputName\": ",
    "\"text\"",
    ", \"Then\": ",
    ", \"Else\": ",
    "[",
    "]",
    "}",
    ",",
    "\"",
    "\\",
    "é",
    "\u{0}",
];

fn input() -> ExecutorInput {
    let parameter_values: BTreeMap<String, Value> = [
        ("n".to_owned(), json!(3)),
        ("text".to_owned(), json!("{{$.inputs.parameters['n']}}")),
    ]
    .into();
    ExecutorInput {
        inputs: Inputs {
            parameter_values,
            ..Inputs::default()
        },
        ..ExecutorInput::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is read can be written and read again.
    #[test]
    fn packages_are_refused_or_read(text in packages()) {
        if let Ok(pipeline) = Pipeline::parse(&text, &Limits::default()) {
            let again = Pipeline::parse(&pipeline.to_json().to_string(), &Limits::default());
            prop_assert!(again.is_ok(), "{:?}", again.err());
        }
    }

    #[test]
    fn any_text_is_refused_as_a_package(text in "\\PC{0,200}") {
        prop_assert!(Pipeline::parse(&text, &Limits::default()).is_err());
    }

    #[test]
    fn conditions_have_an_answer_or_an_error(text in pieces(CEL)) {
        if let Ok(condition) = Condition::parse(&text) {
            let _ = condition.holds(&input().inputs);
        }
    }

    #[test]
    fn selectors_pick_something_or_nothing(text in pieces(CEL), number in any::<f64>()) {
        if let Ok(selector) = Selector::parse(&text) {
            for value in [json!(number), json!("[1]"), json!({"a": [null]}), Value::Null] {
                let _ = selector.select(&value);
            }
        }
    }

    /// What a parameter holds is data: a placeholder in it stays as it is.
    #[test]
    fn templates_are_filled_once(text in pieces(PLACEHOLDERS)) {
        let template = Template::parse(&text);
        let _ = template.names().count();
        let filled = template.fill(&input(), &Facts::default());
        if text == "{{$.inputs.parameters['text']}}" {
            prop_assert_eq!(filled.as_deref().ok(), Some("{{$.inputs.parameters['n']}}"));
        }
    }

    #[test]
    fn arguments_are_refused_or_filled(text in pieces(PLACEHOLDERS)) {
        if let Ok(argument) = Argument::parse(&text) {
            let _ = (argument.inputs_asked().len(), argument.fill(&input(), &Facts::default()));
        }
    }
}

/// Ten thousand levels, in each way that a text can nest.
#[test]
fn depth_is_refused_in_bounded_time() {
    const LEVELS: usize = 10_000;
    let closed = format!("{}\"x\"{}", "{\"Concat\": [".repeat(LEVELS), "]}".repeat(LEVELS));
    assert!(
        Argument::parse(&closed).is_err(),
        "a recursion that deep would end the process"
    );
    assert!(Condition::parse(&"(".repeat(LEVELS)).is_err());
    assert!(Selector::parse(&"[".repeat(LEVELS)).is_err());
    for open in ["[", "{a: ", "- ", "{\"a\": "] {
        assert!(
            Pipeline::parse(&open.repeat(LEVELS), &Limits::default()).is_err(),
            "{open}"
        );
    }
}
