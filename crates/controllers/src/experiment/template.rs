//! The trial template: a batch/v1 Job, and the container that counts in it.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, PodSpec};
use kube::ResourceExt;
use resources::Experiment;
use resources::experiment::{ExperimentSpec, LABEL_EXPERIMENT, LABEL_TRIAL, TrialTemplate};
use serde_json::Value;

use super::description::DescriptionError;
use crate::container::{Fields, Objects, Program, Surroundings};

/// A placeholder of our own, beside the template's: the trial's name, wherever a field refers to it.
pub(super) const TRIAL_NAME: &str = "basecamp.trialName";

/// The trial's Job and the container that counts in it.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) job: Job,
    pub(crate) container: Container,
    pub(super) object: Value,
}

impl Template {
    /// Reads the trial template; `from_config_map` is the text that `spec.trialTemplate.configMap` leads to.
    ///
    /// # Errors
    /// [`DescriptionError::Missing`], [`DescriptionError::NotAJob`], [`DescriptionError::Unsupported`].
    pub(crate) fn of(
        experiment: &Experiment,
        from_config_map: Option<&str>,
    ) -> Result<Self, DescriptionError> {
        let not_a_job = |error: &dyn std::fmt::Display| DescriptionError::NotAJob(error.to_string());
        let template = of_spec(&experiment.spec)?;
        let object: Value = match (&template.trial_spec, from_config_map) {
            (Some(object), _) => object.clone(),
            (None, Some(text)) => serde_yaml::from_str(text).map_err(|error| not_a_job(&error))?,
            (None, None) => return Err(DescriptionError::Missing("spec.trialTemplate.trialSpec")),
        };
        if (object["apiVersion"].as_str(), object["kind"].as_str()) != (Some("batch/v1"), Some("Job")) {
            return Err(DescriptionError::Unsupported {
                field: "spec.trialTemplate.trialSpec",
                value: format!("{} {}", object["apiVersion"], object["kind"]),
                instead: "a batch/v1 Job is".into(),
            });
        }
        let job: Job = serde_json::from_value(object.clone()).map_err(|error| not_a_job(&error))?;
        let pod = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        let pod = pod.ok_or_else(|| not_a_job(&"spec.template.spec must be set"))?;
        let container = primary(template, pod)?.clone();
        Ok(Self {
            job,
            container,
            object,
        })
    }
}

/// What `fieldRef` sees in a trial's pod. Its name is known only when it runs: a placeholder stands for it.
pub(crate) fn fields(experiment: &Experiment, template: &Template) -> Fields {
    let trial = format!("${{trialParameters.{TRIAL_NAME}}}");
    let pod = template
        .job
        .spec
        .as_ref()
        .and_then(|spec| spec.template.metadata.clone())
        .unwrap_or_default();
    let mut labels = pod.labels.unwrap_or_default();
    labels.insert(LABEL_EXPERIMENT.to_owned(), experiment.name_any());
    labels.insert(LABEL_TRIAL.to_owned(), trial.clone());
    Fields {
        name: trial,
        namespace: experiment.namespace().unwrap_or_default(),
        uid: experiment.uid().unwrap_or_default(),
        labels,
        annotations: pod.annotations.unwrap_or_default(),
    }
}

/// The container's program in its image.
///
/// # Errors
/// [`DescriptionError::Image`], [`DescriptionError::Container`].
pub(crate) fn program(
    experiment: &Experiment,
    template: &Template,
    images: &image_store::ImageStore,
    objects: &Objects,
    base: &BTreeMap<String, String>,
    imposed: &[(&str, &str)],
) -> Result<Program, DescriptionError> {
    let image = images.resolve(template.container.image.as_deref().unwrap_or_default())?;
    let around = Surroundings {
        base,
        image: &image,
        objects,
        fields: &fields(experiment, template),
        imposed,
    };
    Ok(crate::container::program(&template.container, &around)?)
}

/// The spec's template.
///
/// # Errors
/// [`DescriptionError::Missing`].
pub(super) fn of_spec(spec: &ExperimentSpec) -> Result<&TrialTemplate, DescriptionError> {
    spec.trial_template
        .as_ref()
        .ok_or(DescriptionError::Missing("spec.trialTemplate"))
}

fn primary<'a>(template: &TrialTemplate, pod: &'a PodSpec) -> Result<&'a Container, DescriptionError> {
    let unsupported = |value: &str, instead: &str| DescriptionError::Unsupported {
        field: "spec.trialTemplate.trialSpec",
        value: value.to_owned(),
        instead: instead.to_owned(),
    };
    if pod.init_containers.as_ref().is_some_and(|all| !all.is_empty()) {
        return Err(unsupported("initContainers", "one container is"));
    }
    if pod.volumes.as_ref().is_some_and(|all| !all.is_empty()) {
        return Err(unsupported(
            "volumes",
            "environment variables and the image's files are",
        ));
    }
    let name = template.primary_container_name.as_deref().unwrap_or_default();
    match &pod.containers[..] {
        [one] if one.name == name => Ok(one),
        [_] | [] => Err(DescriptionError::NotAJob(format!(
            "has no container {name}, the primaryContainerName"
        ))),
        _ => Err(unsupported("a second container", "one container is")),
    }
}
