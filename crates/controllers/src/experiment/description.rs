//! An Experiment as the tuner takes it: `experiment.json`, and the trial's environment beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kube::ResourceExt;
use resources::Experiment;
use resources::experiment::{
    AlgorithmSpec, CollectorKind, DEFAULT_PARALLEL_TRIAL_COUNT, ExperimentSpec, ResumePolicy,
};
use serde::Serialize;

use super::template::{TRIAL_NAME, Template, of_spec};
use crate::container::{ContainerError, Program};
use crate::quantity::Requests;

/// What batch/v1 does where a Job leaves its backoffLimit out.
const DEFAULT_BACKOFF_LIMIT: i32 = 6;
const ALGORITHMS: [&str; 3] = ["random", "tpe", "multivariate-tpe"];
const SETTINGS: [&str; 4] = [
    "random_state",
    "n_startup_trials",
    "n_EI_candidates",
    "n_ei_candidates",
];

/// Why an Experiment cannot be carried out here. Messages name the field.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DescriptionError {
    /// A field that must be set for anyone to carry it out.
    #[error("{0} must be set")]
    Missing(&'static str),
    /// A field that Katib honours and this rung does not.
    #[error("{field}: {value} is not carried out on this rung; {instead}")]
    Unsupported {
        field: &'static str,
        value: String,
        instead: String,
    },
    /// The template is no batch/v1 Job.
    #[error("spec.trialTemplate.trialSpec: {0}")]
    NotAJob(String),
    /// Something in the trial's container.
    #[error("spec.trialTemplate.trialSpec: {0}")]
    Container(#[from] ContainerError),
    /// The container's image is not on this machine.
    #[error("spec.trialTemplate.trialSpec: {0}")]
    Image(#[from] image_store::ImageError),
    /// A trial parameter that refers to nothing.
    #[error("spec.trialTemplate.trialParameters: {name} refers to {reference}, which is not known")]
    Reference { name: String, reference: String },
}

/// `experiment.json`; field names are those that `python/tuner/experiment.py` reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Description {
    uid: String,
    name: String,
    objective: Objective,
    algorithm: String,
    settings: BTreeMap<String, String>,
    parameters: Vec<Parameter>,
    max_trials: i32,
    parallel_trials: i32,
    max_failed_trials: Option<i32>,
    filters: Vec<String>,
    retain: bool,
    trial: Trial,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Objective {
    #[serde(rename = "type")]
    type_: String,
    metric: String,
    goal: Option<f64>,
    additional_metrics: Vec<String>,
    strategies: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Parameter {
    name: String,
    #[serde(rename = "type")]
    type_: String,
    min: String,
    max: String,
    step: String,
    list: Vec<String>,
    distribution: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Trial {
    argv: Vec<String>,
    workdir: PathBuf,
    cpus: f64,
    backoff_limit: i32,
    deadline_seconds: Option<i64>,
    parameters: BTreeMap<String, String>,
    constants: BTreeMap<String, String>,
    trial_name_parameters: Vec<String>,
}

/// The description, and the variables of a trial's environment.
///
/// # Errors
/// [`DescriptionError`].
pub(crate) fn describe(
    experiment: &Experiment,
    template: &Template,
    program: Program,
) -> Result<(Description, BTreeMap<String, String>), DescriptionError> {
    let spec = &experiment.spec;
    refuse_the_unsupported(spec)?;
    let objective = spec
        .objective
        .as_ref()
        .ok_or(DescriptionError::Missing("spec.objective"))?;
    let metric = objective.objective_metric_name.clone().unwrap_or_default();
    let (algorithm, settings) = algorithm(spec.algorithm.as_ref())?;
    let job = template.job.spec.clone().unwrap_or_default();
    let cpus = Requests::of(template.container.resources.as_ref())
        .map_err(|text| DescriptionError::NotAJob(format!("{text:?} is not a quantity")))?
        .cpus;
    let mut trial = Trial {
        argv: program.argv,
        workdir: program.workdir,
        cpus,
        backoff_limit: job.backoff_limit.unwrap_or(DEFAULT_BACKOFF_LIMIT),
        deadline_seconds: job.active_deadline_seconds,
        parameters: BTreeMap::new(),
        constants: BTreeMap::new(),
        trial_name_parameters: vec![TRIAL_NAME.to_owned()],
    };
    place_parameters(experiment, template, &mut trial)?;
    let strategies = std::iter::once(&metric)
        .chain(&objective.additional_metric_names)
        .map(|metric| (metric.clone(), objective.strategy(metric).to_string()))
        .collect();
    let filter = spec
        .metrics_collector_spec
        .as_ref()
        .and_then(|collector| collector.source.as_ref()?.filter.as_ref());
    let description = Description {
        uid: experiment.uid().unwrap_or_default(),
        name: experiment.name_any(),
        objective: Objective {
            type_: objective
                .type_
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            metric,
            goal: objective.goal,
            additional_metrics: objective.additional_metric_names.clone(),
            strategies,
        },
        algorithm,
        settings,
        parameters: spec.parameters.iter().map(parameter).collect(),
        max_trials: spec
            .max_trial_count
            .ok_or(DescriptionError::Missing("spec.maxTrialCount"))?,
        parallel_trials: spec.parallel_trial_count.unwrap_or(DEFAULT_PARALLEL_TRIAL_COUNT),
        max_failed_trials: spec.max_failed_trial_count,
        filters: filter
            .map(|filter| filter.metrics_format.clone())
            .unwrap_or_default(),
        retain: of_spec(spec)?.retain,
        trial,
    };
    Ok((description, program.env))
}

fn refuse_the_unsupported(spec: &ExperimentSpec) -> Result<(), DescriptionError> {
    let unsupported = |field, value: &str, instead: &str| {
        Err(DescriptionError::Unsupported {
            field,
            value: value.to_owned(),
            instead: instead.to_owned(),
        })
    };
    if spec.early_stopping.is_some() {
        return unsupported(
            "spec.earlyStopping",
            "early stopping",
            "every trial runs to its end",
        );
    }
    if spec.nas_config.is_some() {
        return unsupported("spec.nasConfig", "architecture search", "spec.parameters is");
    }
    if let Some(policy) = spec
        .resume_policy
        .as_ref()
        .filter(|policy| **policy != ResumePolicy::Never)
    {
        return unsupported("spec.resumePolicy", policy.as_str(), "Never is");
    }
    let collector = spec
        .metrics_collector_spec
        .as_ref()
        .and_then(|spec| spec.collector.as_ref()?.kind.as_ref());
    match collector {
        Some(kind) if *kind != CollectorKind::StdOut => unsupported(
            "spec.metricsCollectorSpec.collector.kind",
            kind.as_str(),
            "StdOut is",
        ),
        _ => Ok(()),
    }
}

fn algorithm(spec: Option<&AlgorithmSpec>) -> Result<(String, BTreeMap<String, String>), DescriptionError> {
    const AT: &str = "spec.algorithm.algorithmName";
    let spec = spec.ok_or(DescriptionError::Missing(AT))?;
    let name = spec.algorithm_name.clone().ok_or(DescriptionError::Missing(AT))?;
    let unsupported = |field, value: &str, known: &[&str]| DescriptionError::Unsupported {
        field,
        value: value.to_owned(),
        instead: format!("{} are", known.join(", ")),
    };
    if !ALGORITHMS.contains(&name.as_str()) {
        return Err(unsupported(AT, &name, &ALGORITHMS));
    }
    let mut settings = BTreeMap::new();
    for setting in &spec.algorithm_settings {
        const AT: &str = "spec.algorithm.algorithmSettings";
        if !SETTINGS.contains(&setting.name.as_str()) {
            return Err(unsupported(AT, &setting.name, &SETTINGS));
        }
        if setting.value.parse::<u32>().is_err() {
            return Err(DescriptionError::Unsupported {
                field: AT,
                value: format!("{}={:?}", setting.name, setting.value),
                instead: "whole numbers are".into(),
            });
        }
        settings.insert(setting.name.clone(), setting.value.clone());
    }
    Ok((name, settings))
}

fn parameter(spec: &resources::experiment::ParameterSpec) -> Parameter {
    let space = &spec.feasible_space;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Parameter {
        name: spec.name.clone(),
        type_: spec
            .parameter_type
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        min: text(&space.min),
        max: text(&space.max),
        step: text(&space.step),
        list: space.list.clone(),
        distribution: space
            .distribution
            .as_ref()
            .map_or("uniform".into(), ToString::to_string),
    }
}

/// Sorts the template's placeholders by what they stand for: a parameter of the search, the trial's name, or a text
/// that is known already (`pkg/controller.v1beta1/experiment/manifest/generator.go@v0.19.0`).
fn place_parameters(
    experiment: &Experiment,
    template: &Template,
    trial: &mut Trial,
) -> Result<(), DescriptionError> {
    for declared in &of_spec(&experiment.spec)?.trial_parameters {
        let (name, reference) = (declared.name.clone(), &declared.reference);
        let unknown = || DescriptionError::Reference {
            name: declared.name.clone(),
            reference: reference.clone(),
        };
        let meta = reference
            .strip_prefix("${trialSpec.")
            .and_then(|rest| rest.strip_suffix('}'));
        let Some(meta) = meta else {
            if !experiment
                .spec
                .parameters
                .iter()
                .any(|parameter| parameter.name == *reference)
            {
                return Err(unknown());
            }
            trial.parameters.insert(name, reference.clone());
            continue;
        };
        if meta == "Name" {
            trial.trial_name_parameters.push(name);
            continue;
        }
        let object = &template.object;
        let keyed = |part: &str, prefix: &str| {
            let key = meta.strip_prefix(prefix)?.strip_suffix(']')?;
            object["metadata"][part][key].as_str().map(str::to_owned)
        };
        let text = match meta {
            "Namespace" => experiment.namespace(),
            "Kind" => object["kind"].as_str().map(str::to_owned),
            "APIVersion" => object["apiVersion"].as_str().map(str::to_owned),
            _ => keyed("labels", "Labels[").or_else(|| keyed("annotations", "Annotations[")),
        };
        trial.constants.insert(name, text.ok_or_else(unknown)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
