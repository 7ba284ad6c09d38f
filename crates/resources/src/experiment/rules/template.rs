//! The rules of the trial's template.

use std::collections::BTreeSet;

use serde_json::Value;

use super::words::check_word;
use crate::FieldError;
use crate::experiment::{ExperimentSpec, TrialTemplate};

pub(super) fn check_template(template: &TrialTemplate, spec: &ExperimentSpec, errors: &mut Vec<FieldError>) {
    const AT: &str = "spec.trialTemplate";
    let container = template.primary_container_name.as_deref().unwrap_or_default();
    if container.is_empty() {
        errors.push(FieldError::new(
            format!("{AT}.primaryContainerName"),
            "must be set",
        ));
    }
    if template.trial_parameters.is_empty() {
        errors.push(FieldError::new(
            format!("{AT}.trialParameters"),
            "must not be empty",
        ));
    }
    let object = match (&template.trial_spec, &template.config_map) {
        (Some(object), None) => object,
        (None, Some(source)) => {
            for (name, value) in [
                ("configMapName", &source.config_map_name),
                ("configMapNamespace", &source.config_map_namespace),
                ("templatePath", &source.template_path),
            ] {
                if value.as_deref().unwrap_or_default().is_empty() {
                    errors.push(FieldError::new(format!("{AT}.configMap.{name}"), "must be set"));
                }
            }
            return;
        }
        (None, None) => {
            errors.push(FieldError::new(AT, "one of trialSpec and configMap must be set"));
            return;
        }
        (Some(_), Some(_)) => {
            errors.push(FieldError::new(
                AT,
                "only one of trialSpec and configMap may be set",
            ));
            return;
        }
    };
    check_placeholders(template, object, spec, errors);
    check_trial_object(template, object, errors);
}

/// Every placeholder is declared, every declaration used, and each refers to a parameter.
fn check_placeholders(
    template: &TrialTemplate,
    object: &Value,
    spec: &ExperimentSpec,
    errors: &mut Vec<FieldError>,
) {
    const AT: &str = "spec.trialTemplate.trialParameters";
    let mut text = object.to_string();
    let (mut names, mut references) = (BTreeSet::new(), BTreeSet::new());
    for (index, parameter) in template.trial_parameters.iter().enumerate() {
        let (name, reference) = (&parameter.name, &parameter.reference);
        if name.is_empty() || name.contains(['{', '}']) {
            errors.push(FieldError::new(
                format!("{AT}[{index}].name"),
                "must be set, and hold neither { nor }",
            ));
            continue;
        }
        if reference.is_empty() {
            errors.push(FieldError::new(format!("{AT}[{index}].reference"), "must be set"));
            continue;
        }
        if !names.insert(name) {
            errors.push(FieldError::new(
                format!("{AT}[{index}].name"),
                format!("{name:?} is already in the list"),
            ));
        }
        if !references.insert(reference) {
            let why = format!("{reference:?} is already referred to");
            errors.push(FieldError::new(format!("{AT}[{index}].reference"), why));
        }
        let of_the_trial = reference.starts_with("${trialSpec.");
        if !of_the_trial
            && !spec
                .parameters
                .iter()
                .any(|parameter| parameter.name == *reference)
        {
            let why = format!("{reference:?} is not in spec.parameters");
            errors.push(FieldError::new(format!("{AT}[{index}].reference"), why));
        }
        let placeholder = format!("${{trialParameters.{name}}}");
        if !text.contains(&placeholder) {
            let why = format!("{placeholder} is not in the template");
            errors.push(FieldError::new(format!("{AT}[{index}].name"), why));
        }
        text = text.replace(&placeholder, "");
    }
    if let Some(start) = text.find("${trialParameters.") {
        let end = text[start..]
            .find('}')
            .map_or(text.len(), |length| start + length + 1);
        let why = format!("{} is not in trialParameters", &text[start..end]);
        errors.push(FieldError::new("spec.trialTemplate.trialSpec", why));
    }
}

fn check_trial_object(template: &TrialTemplate, object: &Value, errors: &mut Vec<FieldError>) {
    const AT: &str = "spec.trialTemplate.trialSpec";
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    for (field, pointer) in [("apiVersion", "/apiVersion"), ("kind", "/kind")] {
        if text(pointer).is_empty() {
            errors.push(FieldError::new(format!("{AT}.{field}"), "must be set"));
        }
    }
    for (field, pointer) in [
        ("metadata.name", "/metadata/name"),
        ("metadata.namespace", "/metadata/namespace"),
    ] {
        if !text(pointer).is_empty() {
            errors.push(FieldError::new(
                format!("{AT}.{field}"),
                "must be left out: each trial gets its own",
            ));
        }
    }
    if (text("/apiVersion"), text("/kind")) != ("batch/v1", "Job") {
        for (field, condition) in [
            ("successCondition", &template.success_condition),
            ("failureCondition", &template.failure_condition),
        ] {
            if condition.as_deref().unwrap_or_default().is_empty() {
                let why = "must be set for a trial that is not a batch/v1 Job";
                errors.push(FieldError::new(format!("spec.trialTemplate.{field}"), why));
            }
        }
        return;
    }
    let containers = object
        .pointer("/spec/template/spec/containers")
        .and_then(Value::as_array);
    let primary = template.primary_container_name.as_deref().unwrap_or_default();
    let found = containers.and_then(|list| {
        list.iter()
            .enumerate()
            .find(|(_, container)| container["name"] == primary)
    });
    let Some((index, container)) = found else {
        if !primary.is_empty() {
            let why = format!("{primary:?} is not a container of the template");
            errors.push(FieldError::new("spec.trialTemplate.primaryContainerName", why));
        }
        return;
    };
    let at = format!("{AT}.spec.template.spec.containers[{index}]");
    if container["command"].as_array().is_none_or(Vec::is_empty) {
        let why = "must be set: Katib would ask a registry for the image's entrypoint";
        errors.push(FieldError::new(format!("{at}.command"), why));
    }
    for field in ["command", "args"] {
        for (index, word) in container[field].as_array().into_iter().flatten().enumerate() {
            let field = format!("{at}.{field}[{index}]");
            match word.as_str() {
                Some(word) => check_word(&field, &without_placeholders(word), errors),
                None => errors.push(FieldError::new(field, format!("{word} is not a string"))),
            }
        }
    }
}

/// A word with `${trialParameters.x}` and `${trialSpec.x}` taken out: Katib fills them in before the shell sees them.
fn without_placeholders(word: &str) -> String {
    let mut rest = word;
    let mut plain = String::new();
    while let Some(start) = rest.find("${trial") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        plain.push_str(&rest[..start]);
        rest = &rest[start + length + 1..];
    }
    plain + rest
}
