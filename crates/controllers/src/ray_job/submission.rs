//! A RayJob as Ray's Jobs API takes it.

use std::collections::BTreeMap;
use std::path::Path;

use image_store::Environment;
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt;
use resources::RayJob;
use resources::ray_job::RayClusterSpec;
use serde_json::{Map, Value};

use super::jobs_api::Submission;
use crate::config::Ray;
use crate::container::{ContainerError, Fields, Objects, Surroundings, environment};
use crate::quantity::Requests;

/// Why a RayJob cannot run here. Messages name the field.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmissionError {
    /// A field that must be set.
    #[error("{0} must be set")]
    Missing(&'static str),
    /// A field that KubeRay honours and one head cannot.
    #[error("{field} is not carried out on this rung: {why}")]
    Unsupported { field: &'static str, why: &'static str },
    /// More than the head has.
    #[error(
        "{field} asks for {asked}, the Ray head of this rung has {has}: ask for less, or run on a cluster"
    )]
    TooMuch {
        field: &'static str,
        asked: String,
        has: String,
    },
    /// A text that is not what it should be.
    #[error("{field}: {message}")]
    Malformed { field: &'static str, message: String },
    /// Something in the head's container.
    #[error("spec.rayClusterSpec.headGroupSpec: {0}")]
    Container(#[from] ContainerError),
    /// The head's image is not on this machine.
    #[error("spec.rayClusterSpec.headGroupSpec: {0}")]
    Image(#[from] image_store::ImageError),
}

/// The head's container: the one that runs the job.
///
/// # Errors
/// [`SubmissionError::Missing`].
pub(crate) fn head_container(job: &RayJob) -> Result<&Container, SubmissionError> {
    let pod = cluster(job)?.head_group_spec.template.spec.as_ref();
    let first = pod.and_then(|pod| pod.containers.first());
    first.ok_or(SubmissionError::Missing(
        "spec.rayClusterSpec.headGroupSpec.template.spec.containers",
    ))
}

fn cluster(job: &RayJob) -> Result<&RayClusterSpec, SubmissionError> {
    job.spec
        .ray_cluster_spec
        .as_ref()
        .ok_or(SubmissionError::Missing("spec.rayClusterSpec"))
}

/// Refuses what one head of this size cannot do.
///
/// # Errors
/// [`SubmissionError::Unsupported`], [`SubmissionError::TooMuch`], [`SubmissionError::Malformed`].
pub(crate) fn check(job: &RayJob, ray: &Ray) -> Result<(), SubmissionError> {
    let spec = &job.spec;
    let cluster = cluster(job)?;
    if spec.suspend == Some(true) {
        return Err(SubmissionError::Unsupported {
            field: "spec.suspend",
            why: "create the job when it may run",
        });
    }
    if !cluster.worker_group_specs.is_empty() {
        return Err(SubmissionError::Unsupported {
            field: "spec.rayClusterSpec.workerGroupSpecs",
            why: "one machine has one node: give the head what the job needs",
        });
    }
    let field = "spec.rayClusterSpec.headGroupSpec";
    let asked =
        Requests::of(head_container(job)?.resources.as_ref()).map_err(|text| SubmissionError::Malformed {
            field,
            message: format!("{text:?} is not a quantity"),
        })?;
    let started = match cluster.head_group_spec.ray_start_params.get("num-cpus") {
        Some(text) => text.parse().map_err(|_| SubmissionError::Malformed {
            field,
            message: format!("rayStartParams.num-cpus: {text:?} is not a number"),
        })?,
        None => 0.0_f64,
    };
    let entrypoint = f64::from(spec.entrypoint_num_cpus.unwrap_or_default());
    for (field, cpus) in [
        (field, asked.cpus.max(started)),
        ("spec.entrypointNumCpus", entrypoint),
    ] {
        if cpus > ray.cpus {
            return Err(SubmissionError::TooMuch {
                field,
                asked: format!("{cpus} CPU"),
                has: ray.cpus.to_string(),
            });
        }
    }
    if asked.memory > ray.memory {
        let mebibytes = |bytes: f64| format!("{:.0} MiB", bytes / 1_048_576.0);
        return Err(SubmissionError::TooMuch {
            field,
            asked: mebibytes(asked.memory),
            has: mebibytes(ray.memory),
        });
    }
    if spec.entrypoint_num_gpus.is_some_and(|gpus| gpus > 0.0) {
        return Err(SubmissionError::TooMuch {
            field: "spec.entrypointNumGpus",
            asked: "a GPU".into(),
            has: "none".into(),
        });
    }
    Ok(())
}

/// The submission under this id. The entrypoint begins in `folder`, where the image's files appear, as it begins in the
/// image's working directory on a cluster; variables are the image's, the head container's and those of
/// `runtimeEnvYAML`, the later ones winning.
///
/// # Errors
/// [`SubmissionError`].
pub(crate) fn submission(
    job: &RayJob,
    id: &str,
    image: &Environment,
    objects: &Objects,
    base: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<Submission, SubmissionError> {
    let spec = &job.spec;
    let container = head_container(job)?;
    let pod = cluster(job)?
        .head_group_spec
        .template
        .metadata
        .clone()
        .unwrap_or_default();
    let fields = Fields {
        name: job.name_any(),
        namespace: job.namespace().unwrap_or_default(),
        uid: job.uid().unwrap_or_default(),
        labels: pod.labels.unwrap_or_default(),
        annotations: pod.annotations.unwrap_or_default(),
    };
    let around = Surroundings {
        base,
        image,
        objects,
        fields: &fields,
        imposed: &[],
    };
    let mut variables = environment(container, &around)?;
    let mut runtime_env = runtime_env(spec.runtime_env_yaml.as_deref())?;
    let declared = runtime_env.remove("env_vars");
    for (name, value) in declared.as_ref().and_then(Value::as_object).into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        variables.insert(name.clone(), text);
    }
    runtime_env.insert(
        "env_vars".into(),
        serde_json::to_value(variables).expect("invariant: texts"),
    );
    let resources = spec
        .entrypoint_resources
        .as_deref()
        .filter(|text| !text.is_empty());
    let resources =
        resources
            .map(serde_json::from_str)
            .transpose()
            .map_err(|error| SubmissionError::Malformed {
                field: "spec.entrypointResources",
                message: error.to_string(),
            })?;
    let entrypoint = spec.entrypoint.as_deref().unwrap_or_default().trim();
    if entrypoint.is_empty() {
        return Err(SubmissionError::Missing("spec.entrypoint"));
    }
    Ok(Submission {
        entrypoint: format!("cd {} && {entrypoint}", shell_quoted(folder)),
        submission_id: id.to_owned(),
        runtime_env: Value::Object(runtime_env),
        metadata: spec.metadata.clone(),
        entrypoint_num_cpus: spec.entrypoint_num_cpus,
        entrypoint_num_gpus: spec.entrypoint_num_gpus,
        entrypoint_resources: resources,
    })
}

fn runtime_env(yaml: Option<&str>) -> Result<Map<String, Value>, SubmissionError> {
    let malformed = |message: String| SubmissionError::Malformed {
        field: "spec.runtimeEnvYAML",
        message,
    };
    let Some(text) = yaml.filter(|text| !text.trim().is_empty()) else {
        return Ok(Map::new());
    };
    match serde_yaml::from_str(text).map_err(|error| malformed(error.to_string()))? {
        Value::Object(fields) => Ok(fields),
        other => Err(malformed(format!("{other} is no mapping"))),
    }
}

fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
