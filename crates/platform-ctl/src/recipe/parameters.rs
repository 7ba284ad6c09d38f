//! Parameters of a run: what was typed, by the pipeline's types, and what this program knows.

use indexmap::IndexMap;
use pipeline_spec::{Pipeline, bind_parameters, from_text};
use serde_json::Value;

use super::bundle::Bundle;
use crate::failure::Failure;

const REPOSITORIES: &str = "repositories";

/// What this program knows; each goes in where the pipeline has a parameter of that name.
#[derive(Debug, Default)]
pub(super) struct Own<'a> {
    /// `repositories`.
    pub(super) repositories: &'a [Bundle],
    /// `runtime`: the ClusterServingRuntime of the recipe's image.
    pub(super) runtime: Option<&'a str>,
    /// `git_commit`: of the recipe's sources.
    pub(super) git_commit: Option<String>,
}

/// `NAME=VALUE` each, over what this program knows.
pub(super) fn bind(
    pipeline: &Pipeline,
    typed: &[String],
    own: &Own<'_>,
) -> Result<IndexMap<String, Value>, Failure> {
    let inputs = &pipeline.spec().root.inputs;
    let mut values = IndexMap::new();
    if !own.repositories.is_empty() {
        let bundles = serde_json::to_value(own.repositories).expect("invariant: bundles are strings");
        values.insert(REPOSITORIES.to_owned(), bundles);
        if !inputs.parameters.contains_key(REPOSITORIES) {
            return Err(Failure::usage(format!(
                "pipeline {} takes no repositories: --repo does not go with it",
                pipeline.name()
            )));
        }
    }
    let known = [
        ("runtime", own.runtime),
        ("git_commit", own.git_commit.as_deref()),
    ];
    for (name, value) in known {
        if let Some(value) = value.filter(|_| inputs.parameters.contains_key(name)) {
            values.insert(name.to_owned(), value.into());
        }
    }
    for text in typed {
        let (name, text) = text
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--param {text}: give it as NAME=VALUE")))?;
        let value = match inputs.parameters.get(name) {
            Some(parameter) => from_text(text, parameter.parameter_type)
                .map_err(|error| Failure::usage(format!("--param {name}: {error}")))?,
            // Refused below, with the names there are.
            None => text.into(),
        };
        values.insert(name.to_owned(), value);
    }
    bind_parameters(inputs, &values).map_err(Failure::usage)?;
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline_spec::Limits;
    use rstest::rstest;
    use serde_json::json;

    fn pipeline() -> Pipeline {
        let spec = json!({
            "schemaVersion": "2.1.0", "sdkVersion": "kfp-2.17.0", "pipelineInfo": {"name": "tiny"},
            "components": {"comp-a": {"executorLabel": "exec-a"}},
            "deploymentSpec": {"executors": {"exec-a": {"container": {"image": "a", "command": ["true"]}}}},
            "root": {
                "dag": {"tasks": {"a": {"componentRef": {"name": "comp-a"}, "taskInfo": {"name": "a"}}}},
                "inputDefinitions": {"parameters": {
                    "threshold": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.1, "isOptional": true},
                    "max_trials": {"parameterType": "NUMBER_INTEGER", "defaultValue": 20, "isOptional": true},
                    "synthetic": {"parameterType": "STRUCT", "defaultValue": {}, "isOptional": true},
                    "git_commit": {"parameterType": "STRING", "defaultValue": "", "isOptional": true},
                }},
            },
        });
        Pipeline::parse(&spec.to_string(), &Limits::default()).unwrap()
    }

    fn bound(typed: &[&str], own: &Own<'_>) -> Result<Value, String> {
        let typed: Vec<String> = typed.iter().map(|&text| text.to_owned()).collect();
        bind(&pipeline(), &typed, own)
            .map(|values| serde_json::to_value(values).unwrap())
            .map_err(|failure| failure.told())
    }

    #[test]
    fn values_have_the_pipeline_s_types() {
        let typed = ["threshold=0.5", "max_trials=3", r#"synthetic={"seed":7}"#];
        let own = Own {
            git_commit: Some("abc".to_owned()),
            runtime: Some("the pipeline does not ask for it"),
            ..Own::default()
        };
        assert_eq!(
            bound(&typed, &own).unwrap(),
            json!({"git_commit": "abc", "threshold": 0.5, "max_trials": 3, "synthetic": {"seed": 7}})
        );
    }

    #[test]
    fn what_is_typed_wins() {
        let own = Own {
            git_commit: Some("abc".to_owned()),
            ..Own::default()
        };
        assert_eq!(
            bound(&["git_commit=x=y"], &own).unwrap(),
            json!({"git_commit": "x=y"})
        );
    }

    #[rstest]
    #[case("threshold", "error: --param threshold: give it as NAME=VALUE\n")]
    #[case(
        "max_trials=many",
        "error: --param max_trials: `many` is no NUMBER_INTEGER (invalid digit found in string)\n"
    )]
    #[case(
        "threshold=nan",
        "error: --param threshold: `nan` is no NUMBER_DOUBLE (not a finite number)\n"
    )]
    #[case(
        "threshold=inf",
        "error: --param threshold: `inf` is no NUMBER_DOUBLE (not a finite number)\n"
    )]
    #[case(
        "colour=red",
        "error: the pipeline has no parameter `colour`; it has `threshold`, `max_trials`, `synthetic`, `git_commit`\n"
    )]
    fn what_makes_no_sense_is_refused(#[case] typed: &str, #[case] expected: &str) {
        assert_eq!(bound(&[typed], &Own::default()).unwrap_err(), expected);
    }
}
