//! What an Experiment must keep, wherever it is created.
//!
//! Katib's validating webhook (`pkg/webhook/v1beta1/experiment/validator/validator.go@v0.19.0`), and what it lets
//! through although no trial can succeed or the search never ends: no cap; a template without a command, or with one
//! that the shell would read otherwise, because Katib joins command and arguments unquoted into `sh -c`.

mod collector;
mod parameters;
mod template;
mod words;

use super::{Experiment, ExperimentSpec, ObjectiveSpec, ObjectiveType, ResumePolicy, reason};
use crate::FieldError;
use crate::names::{check_known, check_label};
use collector::check_collector;
use parameters::check_parameters;
use template::check_template;

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
