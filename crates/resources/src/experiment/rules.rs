//! What an Experiment must keep, wherever it is created.
//!
//! Katib's validating webhook (`pkg/webhook/v1beta1/experiment/validator/validator.go@v0.19.0`), and what it lets
//! through although no trial can succeed or the search never ends: no cap; a template without a command, or with one
//! that the shell would read otherwise, because Katib joins command and arguments unquoted into `sh -c`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    CollectorKind, Experiment, ExperimentSpec, FeasibleSpace, FileFormat, FileSystemKind,
    MetricsCollectorSpec, ObjectiveSpec, ObjectiveType, ParameterSpec, ParameterType, ResumePolicy,
    TrialTemplate, reason,
};
use crate::FieldError;
use crate::names::{check_known, check_label};

/// Longest name of an Experiment: its trials' names and labels grow from it.
const LONGEST_NAME: usize = 40;

/// Katib's algorithms (`manifests/v1beta1/installs/katib-standalone/katib-config.yaml@v0.19.0`).
const ALGORITHMS: &[&str] = &[
    "random",
    "grid",
    "tpe",
    "multivariate-tpe",
    "bayesianoptimization",
    "cmaes",
    "sobol",
    "hyperband",
    "enas",
    "darts",
    "pbt",
];

/// Every broken rule of an Experiment; none when it may be created.
#[must_use]
pub fn validate(experiment: &Experiment) -> Vec<FieldError> {
    let spec = &experiment.spec;
    let mut errors = Vec::new();
    let name = experiment.metadata.name.as_deref().unwrap_or_default();
    check_label("metadata.name", name, LONGEST_NAME, &mut errors);
    check_counts(spec, &mut errors);
    check_objective(spec.objective.as_ref(), &mut errors);
    match spec
        .algorithm
        .as_ref()
        .and_then(|algorithm| algorithm.algorithm_name.as_deref())
    {
        None | Some("") => errors.push(FieldError::new("spec.algorithm.algorithmName", "must be set")),
        Some(name) => check_known("spec.algorithm.algorithmName", name, ALGORITHMS, &mut errors),
    }
    if let Some(stopping) = &spec.early_stopping {
        check_known(
            "spec.earlyStopping.algorithmName",
            stopping.algorithm_name.as_deref().unwrap_or_default(),
            &["medianstop"],
            &mut errors,
        );
    }
    if let Some(policy) = &spec.resume_policy {
        check_known(
            "spec.resumePolicy",
            policy.as_str(),
            ResumePolicy::KNOWN,
            &mut errors,
        );
    }
    match (spec.parameters.is_empty(), spec.nas_config.is_some()) {
        (true, false) => errors.push(FieldError::new("spec.parameters", "must not be empty")),
        (false, true) => errors.push(FieldError::new(
            "spec.nasConfig",
            "must not be set beside spec.parameters",
        )),
        _ => {}
    }
    check_parameters(&spec.parameters, &mut errors);
    match &spec.trial_template {
        None => errors.push(FieldError::new("spec.trialTemplate", "must be set")),
        Some(template) => check_template(template, spec, &mut errors),
    }
    check_collector(spec.metrics_collector_spec.as_ref(), &mut errors);
    errors
}

/// Every broken rule of a change to an Experiment: only the three counts may change, and a finished one goes on only
/// where its resume policy lets it (a new run needs a new name).
#[must_use]
pub fn validate_update(old: &Experiment, new: &Experiment) -> Vec<FieldError> {
    let mut errors = validate(new);
    if old.spec == new.spec {
        return errors;
    }
    let counts_alone = ExperimentSpec {
        parallel_trial_count: new.spec.parallel_trial_count,
        max_trial_count: new.spec.max_trial_count,
        max_failed_trial_count: new.spec.max_failed_trial_count,
        ..old.spec.clone()
    };
    if counts_alone != new.spec {
        errors.push(FieldError::new(
            "spec",
            "only parallelTrialCount, maxTrialCount and maxFailedTrialCount may change: give a new search a new name",
        ));
    }
    let status = old.status.clone().unwrap_or_default();
    let resumable = matches!(
        old.spec.resume_policy,
        Some(ResumePolicy::LongRunning | ResumePolicy::FromVolume)
    ) && status
        .conditions
        .iter()
        .any(|c| c.status == "True" && c.reason.as_deref() == Some(reason::MAX_TRIALS_REACHED));
    if status.is_completed() && !resumable {
        errors.push(FieldError::new(
            "spec.resumePolicy",
            "the experiment has ended and may not go on: give a new search a new name",
        ));
    }
    if new.spec.max_trial_count.is_some_and(|max| max <= status.trials) {
        errors.push(FieldError::new(
            "spec.maxTrialCount",
            format!("must be greater than status.trials, which is {}", status.trials),
        ));
    }
    errors
}

fn check_counts(spec: &ExperimentSpec, errors: &mut Vec<FieldError>) {
    let Some(max) = spec.max_trial_count else {
        errors.push(FieldError::new(
            "spec.maxTrialCount",
            "must be set: without a cap the experiment runs for ever",
        ));
        return;
    };
    if max <= 0 {
        errors.push(FieldError::new(
            "spec.maxTrialCount",
            format!("{max} must be greater than 0"),
        ));
    }
    for (field, count, least) in [
        ("spec.parallelTrialCount", spec.parallel_trial_count, 1),
        ("spec.maxFailedTrialCount", spec.max_failed_trial_count, 0),
    ] {
        let Some(count) = count else { continue };
        if count < least {
            errors.push(FieldError::new(
                field,
                format!("{count} must be at least {least}"),
            ));
        }
        if count > max {
            errors.push(FieldError::new(
                field,
                format!("{count} must not exceed spec.maxTrialCount, which is {max}"),
            ));
        }
    }
}

fn check_objective(objective: Option<&ObjectiveSpec>, errors: &mut Vec<FieldError>) {
    let Some(objective) = objective else {
        errors.push(FieldError::new("spec.objective", "must be set"));
        return;
    };
    match &objective.type_ {
        None => errors.push(FieldError::new(
            "spec.objective.type",
            "must be minimize or maximize",
        )),
        Some(type_) => check_known(
            "spec.objective.type",
            type_.as_str(),
            ObjectiveType::KNOWN,
            errors,
        ),
    }
    match objective.objective_metric_name.as_deref() {
        None | Some("") => errors.push(FieldError::new(
            "spec.objective.objectiveMetricName",
            "must be set",
        )),
        Some(name)
            if objective
                .additional_metric_names
                .iter()
                .any(|other| other == name) =>
        {
            errors.push(FieldError::new(
                "spec.objective.additionalMetricNames",
                format!("must not repeat the objective's {name:?}"),
            ))
        }
        Some(_) => {}
    }
}

fn check_parameters(parameters: &[ParameterSpec], errors: &mut Vec<FieldError>) {
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
            let known = super::Distribution::KNOWN;
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
    if let (Some(super::Distribution::LogUniform | super::Distribution::LogNormal), Some(min)) =
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

fn check_template(template: &TrialTemplate, spec: &ExperimentSpec, errors: &mut Vec<FieldError>) {
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

/// Katib joins command and arguments with spaces and hands them to `sh -c`.
fn check_word(field: &str, word: &str, errors: &mut Vec<FieldError>) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if let Some(found) = word.chars().find(|c| !plain(*c)) {
        errors.push(FieldError::new(
            field,
            format!(
                "{word:?} holds {found:?}, which a shell may read otherwise: Katib hands it to sh unquoted"
            ),
        ));
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

fn check_collector(spec: Option<&MetricsCollectorSpec>, errors: &mut Vec<FieldError>) {
    const AT: &str = "spec.metricsCollectorSpec";
    let Some(spec) = spec else { return };
    let kind = spec
        .collector
        .as_ref()
        .and_then(|collector| collector.kind.as_ref());
    let path = spec
        .source
        .as_ref()
        .and_then(|source| source.file_system_path.as_ref());
    let filter = spec.source.as_ref().and_then(|source| source.filter.as_ref());
    match kind {
        Some(CollectorKind::File) => {
            // Upstream's defaulting fills in what is absent; what is there must fit.
            let Some(path) = path else { return };
            if path.path.as_deref().is_some_and(|path| !path.starts_with('/')) {
                errors.push(FieldError::new(
                    format!("{AT}.source.fileSystemPath.path"),
                    "must be absolute",
                ));
            }
            if path
                .kind
                .as_ref()
                .is_some_and(|kind| *kind != FileSystemKind::File)
            {
                errors.push(FieldError::new(
                    format!("{AT}.source.fileSystemPath.kind"),
                    "must be File",
                ));
            }
            if let Some(format) = &path.format {
                let field = format!("{AT}.source.fileSystemPath.format");
                check_known(&field, format.as_str(), FileFormat::KNOWN, errors);
                if *format == FileFormat::Json && filter.is_some() {
                    errors.push(FieldError::new(
                        format!("{AT}.source.filter"),
                        "must not be set for a JSON file",
                    ));
                }
            }
        }
        Some(CollectorKind::Custom)
            if spec
                .collector
                .as_ref()
                .is_some_and(|collector| collector.custom_collector.is_none()) =>
        {
            errors.push(FieldError::new(
                format!("{AT}.collector.customCollector"),
                "must be set",
            ));
        }
        Some(kind) => check_known(
            &format!("{AT}.collector.kind"),
            kind.as_str(),
            CollectorKind::KNOWN,
            errors,
        ),
        None => {}
    }
    for (index, format) in filter
        .into_iter()
        .flat_map(|filter| &filter.metrics_format)
        .enumerate()
    {
        let field = format!("{AT}.source.filter.metricsFormat[{index}]");
        match regex::Regex::new(format) {
            Err(error) => errors.push(FieldError::new(
                field,
                format!("{format:?} is not a regular expression: {error}"),
            )),
            Ok(regex) if regex.captures_len() < 3 => {
                errors.push(FieldError::new(
                    field,
                    format!("{format:?} must have two groups: name and value"),
                ));
            }
            Ok(_) => {}
        }
    }
}
