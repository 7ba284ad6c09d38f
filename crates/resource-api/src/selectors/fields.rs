//! Field selectors: `metadata.name=x,involvedObject.kind!=y` (`apimachinery/pkg/fields/selector.go`).

use serde_json::Value;

use crate::kinds::Kind;

/// What every kind can be selected by.
const COMMON: &[&str] = &["metadata.name", "metadata.namespace"];
/// What a core Event can be selected by besides (`pkg/registry/core/event/strategy.go`).
const CORE_EVENT: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];
/// The same for `events.k8s.io`.
const EVENT: &[&str] = &[
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "regarding.apiVersion",
    "regarding.resourceVersion",
    "regarding.fieldPath",
    "reason",
    "reportingController",
    "type",
];
/// What a Secret can be selected by besides.
const SECRET: &[&str] = &["type"];

/// All terms must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    field: String,
    equal: bool,
    value: String,
}

impl FieldSelector {
    pub(crate) fn parse(kind: &Kind, text: &str) -> Result<Self, String> {
        let own = match (kind.group(), kind.kind()) {
            ("", "Event") => CORE_EVENT,
            ("events.k8s.io", "Event") => EVENT,
            ("", "Secret") => SECRET,
            _ => &[],
        };
        let terms = text.split(',').filter(|term| !term.is_empty()).map(|term| {
            let term = parse_term(term)
                .ok_or_else(|| format!("invalid selector: {term:?}; can't understand {term:?}"))?;
            if COMMON.contains(&term.field.as_str()) || own.contains(&term.field.as_str()) {
                Ok(term)
            } else {
                Err(format!("field label not supported: {}", term.field))
            }
        });
        Ok(Self(terms.collect::<Result<_, String>>()?))
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an object, as it is served, fulfils it.
    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| {
            let pointer = match term.field.as_str() {
                "source" => "/source/component".to_owned(),
                field => format!("/{}", field.replace('.', "/")),
            };
            let found = object
                .pointer(&pointer)
                .and_then(Value::as_str)
                .unwrap_or_default();
            (found == term.value) == term.equal
        })
    }
}

fn parse_term(text: &str) -> Option<Term> {
    let (field, value, equal) = if let Some((field, value)) = text.split_once("!=") {
        (field, value, false)
    } else {
        let (field, value) = text.split_once("==").or_else(|| text.split_once('='))?;
        (field, value, true)
    };
    Some(Term {
        field: field.trim().to_owned(),
        equal,
        value: value.replace("\\,", ",").replace("\\=", "="),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::kinds;

    #[rstest]
    #[case("", true)]
    #[case("metadata.name=a", true)]
    #[case("metadata.name!=a", false)]
    #[case("involvedObject.kind=Experiment,involvedObject.name==tune", true)]
    #[case("type!=Normal,reason=Started", true)]
    #[case("involvedObject.uid=", true)]
    fn selectors_match(#[case] text: &str, #[case] expected: bool) {
        let event = json!({
            "metadata": {"name": "a"},
            "involvedObject": {"kind": "Experiment", "name": "tune"},
            "reason": "Started",
            "type": "Warning"
        });
        let kind = kinds::find("", "v1", "events").unwrap();
        assert_eq!(
            FieldSelector::parse(kind, text).unwrap().matches(&event),
            expected
        );
    }

    #[rstest]
    #[case("spec.maxTrialCount=1", "field label not supported: spec.maxTrialCount")]
    #[case(
        "metadata.name",
        "invalid selector: \"metadata.name\"; can't understand \"metadata.name\""
    )]
    fn what_cannot_be_selected_by_is_told(#[case] text: &str, #[case] expected: &str) {
        let kind = kinds::find("kubeflow.org", "v1beta1", "experiments").unwrap();
        assert_eq!(FieldSelector::parse(kind, text), Err(expected.to_owned()));
    }
}
