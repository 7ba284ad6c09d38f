//! The rules of the search space.

use std::collections::BTreeSet;

use super::words::check_word;
use crate::FieldError;
use crate::experiment::{Distribution, FeasibleSpace, ParameterSpec, ParameterType};
use crate::names::check_known;

pub(super) fn check_parameters(parameters: &[ParameterSpec], errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let at = format!("spec.parameters[{index}]");
        if parameter.name.is_empty() {
            errors.push(FieldError::new(format!("{at}.name"), "must be set"));
        } else if !seen.insert(&parameter.name) {
            errors.push(FieldError::new(
                format!("{at}.name"),
                format!("{:?} is already in the list", parameter.name),
            ));
        }
        let space = format!("{at}.feasibleSpace");
        if let Some(distribution) = &parameter.feasible_space.distribution {
            let known = Distribution::KNOWN;
            check_known(
                &format!("{space}.distribution"),
                distribution.as_str(),
                known,
                errors,
            );
        }
        match &parameter.parameter_type {
            Some(type_ @ (ParameterType::Double | ParameterType::Int)) => {
                check_range(&space, type_, &parameter.feasible_space, errors);
            }
            Some(type_ @ (ParameterType::Discrete | ParameterType::Categorical)) => {
                check_list(&space, type_, &parameter.feasible_space, errors);
            }
            Some(ParameterType::Unknown) => {}
            other => check_known(
                &format!("{at}.parameterType"),
                other.as_ref().map(ParameterType::as_str).unwrap_or_default(),
                ParameterType::KNOWN,
                errors,
            ),
        }
    }
}

/// Min and max are numbers in strings, and min is below max.
fn check_range(space: &str, type_: &ParameterType, feasible: &FeasibleSpace, errors: &mut Vec<FieldError>) {
    if !feasible.list.is_empty() {
        errors.push(FieldError::new(
            format!("{space}.list"),
            format!("a {type_} parameter has min and max instead"),
        ));
    }
    let mut number = |name: &str, text: Option<&str>| -> Option<f64> {
        let field = format!("{space}.{name}");
        let text = text.unwrap_or_default();
        if text.is_empty() {
            errors.push(FieldError::new(
                field,
                format!("must be set for a {type_} parameter"),
            ));
            return None;
        }
        let value = match type_ {
            ParameterType::Int => text.parse::<i64>().ok().map(|whole| whole as f64),
            _ => text.parse::<f64>().ok().filter(|real| real.is_finite()),
        };
        if value.is_none() {
            errors.push(FieldError::new(
                field,
                format!("{text:?} is not a number of kind {type_}"),
            ));
        }
        value
    };
    let (min, max) = (
        number("min", feasible.min.as_deref()),
        number("max", feasible.max.as_deref()),
    );
    let step = feasible
        .step
        .as_deref()
        .filter(|text| !text.is_empty())
        .map(|text| number("step", Some(text)));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        errors.push(FieldError::new(
            format!("{space}.min"),
            format!("{min} must not exceed max, which is {max}"),
        ));
    }
    if let Some(Some(step)) = step
        && step <= 0.0
    {
        errors.push(FieldError::new(
            format!("{space}.step"),
            format!("{step} must be greater than 0"),
        ));
    }
    if let (Some(Distribution::LogUniform | Distribution::LogNormal), Some(min)) =
        (&feasible.distribution, min)
        && min <= 0.0
    {
        errors.push(FieldError::new(
            format!("{space}.min"),
            format!("{min} must be greater than 0: the distribution takes its logarithm"),
        ));
    }
}

/// The list has values, and none that a shell would read otherwise: they are put into the trial's command.
fn check_list(space: &str, type_: &ParameterType, feasible: &FeasibleSpace, errors: &mut Vec<FieldError>) {
    let field = format!("{space}.list");
    if feasible.list.is_empty() {
        errors.push(FieldError::new(
            &field,
            format!("must not be empty for a {type_} parameter"),
        ));
    }
    for (name, set) in [
        ("min", feasible.min.is_some()),
        ("max", feasible.max.is_some()),
        ("step", feasible.step.is_some()),
    ] {
        if set {
            errors.push(FieldError::new(
                format!("{space}.{name}"),
                format!("a {type_} parameter has a list instead"),
            ));
        }
    }
    for (index, value) in feasible.list.iter().enumerate() {
        let field = format!("{field}[{index}]");
        if *type_ == ParameterType::Discrete && value.parse::<f64>().is_err() {
            errors.push(FieldError::new(&field, format!("{value:?} is not a number")));
        }
        check_word(&field, value, errors);
    }
}
