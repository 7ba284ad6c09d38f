//! What an InferenceService asks for: its predictors as revisions, each a program and a model.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt;
use resources::cluster_serving_runtime::SERVING_CONTAINER;
use resources::inference_service::{ModelSpec, PredictorSpec, canary_service, predictor_service};
use resources::{ClusterServingRuntime, InferenceService};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What Kubernetes gives a pod between SIGTERM and SIGKILL.
const DEFAULT_GRACE_SECONDS: u64 = 30;

/// One Service and who shall answer for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workload {
    /// Name of the Service.
    pub(crate) service: String,
    /// Name of the predictor, where it has one.
    pub(crate) name: Option<String>,
    /// Processes that shall answer.
    pub(crate) replicas: usize,
    /// What they run.
    pub(crate) revision: Revision,
}

/// A program and a model: equal ones are one revision, under whatever name they are asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Revision {
    /// Digest of all the rest.
    pub(crate) id: String,
    /// Name of the runtime it came from.
    pub(crate) runtime: String,
    /// The runtime's container with the model's own settings in it.
    pub(crate) container: Container,
    /// Where the model is.
    pub(crate) storage_uri: String,
    /// Seconds between SIGTERM and SIGKILL.
    pub(crate) grace_seconds: u64,
}

/// Why a predictor cannot be served: one of KServe's reasons
/// (`pkg/apis/serving/v1beta1/inference_service_status.go@v0.20.0`, FailureReason) and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self {
            reason: "InvalidPredictorSpec",
            message: message.into(),
        }
    }
}

/// The stable predictor first, then the canaries; each by itself, so that one that cannot be served keeps no other.
pub(crate) fn workloads(
    service: &InferenceService,
    runtimes: &[ClusterServingRuntime],
) -> Vec<(String, Result<Workload, Refusal>)> {
    let stable = &service.spec.predictor;
    let name = service.name_any();
    let replicas = at_least_one(stable.min_replicas);
    let own_service = match own_name(stable) {
        Some(own) => canary_service(&name, own),
        None => predictor_service(&name),
    };
    let mut all = vec![(
        own_service.clone(),
        revision(service, stable, runtimes).map(|revision| Workload {
            service: own_service,
            name: stable.name.clone(),
            replicas,
            revision,
        }),
    )];
    for canary in &service.spec.canary {
        let canary_name = canary.predictor.name.clone().unwrap_or_default();
        let own_service = canary_service(&name, &canary_name);
        // As KServe's canaryReplicaCount, but never nobody: a canary without traffic is still to be looked at.
        let share =
            i64::from(canary.traffic_percent.unwrap_or_default()) * i64::try_from(replicas).unwrap_or(1);
        let by_share = usize::try_from((share + 99) / 100).unwrap_or(1).max(1);
        let replicas = canary
            .predictor
            .min_replicas
            .map_or(by_share, |own| at_least_one(Some(own)));
        let workload = merged_predictor(stable, &canary.predictor)
            .and_then(|predictor| revision(service, &predictor, runtimes))
            .map(|revision| Workload {
                service: own_service.clone(),
                name: Some(canary_name),
                replicas,
                revision,
            });
        all.push((own_service, workload));
    }
    all
}

fn own_name(predictor: &PredictorSpec) -> Option<&str> {
    predictor.name.as_deref().filter(|name| !name.is_empty())
}

/// Zero would be scaling to nobody, which needs an autoscaler to come back from.
fn at_least_one(replicas: Option<i32>) -> usize {
    usize::try_from(replicas.unwrap_or(1)).unwrap_or(1).max(1)
}

/// A canary says only what differs (`buildCanaryPredictor`, `components/predictor.go@v0.20.0`).
fn merged_predictor(stable: &PredictorSpec, canary: &PredictorSpec) -> Result<PredictorSpec, Refusal> {
    let json = |spec: &PredictorSpec| {
        serde_json::to_value(spec).expect("invariant: a spec that was read can be written")
    };
    let mut merged = json(stable);
    merge(&mut merged, json(canary));
    serde_json::from_value(merged).map_err(|error| Refusal::invalid(error.to_string()))
}

/// Objects field by field, all else replaced.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn revision(
    service: &InferenceService,
    predictor: &PredictorSpec,
    runtimes: &[ClusterServingRuntime],
) -> Result<Revision, Refusal> {
    let model = predictor
        .model
        .as_ref()
        .ok_or_else(|| Refusal::invalid("spec.predictor.model must be set"))?;
    let runtime = runtime_for(model, runtimes)?;
    let storage_uri = model.storage_uri.clone().unwrap_or_default();
    let serving = runtime
        .spec
        .containers
        .iter()
        .find(|container| container.name == SERVING_CONTAINER);
    let serving = serving.ok_or_else(|| {
        Refusal::invalid(format!(
            "runtime {} has no {SERVING_CONTAINER}",
            runtime.name_any()
        ))
    })?;
    let container = with_model(serving, model)?;
    let container = templated(&container, service)?;
    let grace = predictor
        .termination_grace_period_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    let mut revision = Revision {
        id: String::new(),
        runtime: runtime.name_any(),
        container,
        storage_uri,
        grace_seconds: grace.unwrap_or(DEFAULT_GRACE_SECONDS),
    };
    let text = serde_json::to_vec(&revision).expect("invariant: string keys");
    revision.id = hex::encode(&Sha256::digest(text)[..6]);
    Ok(revision)
}

/// The named runtime, else the one of the highest priority that may be chosen by this format
/// (`pkg/apis/serving/v1beta1/predictor_model.go@v0.20.0`).
fn runtime_for<'a>(
    model: &ModelSpec,
    runtimes: &'a [ClusterServingRuntime],
) -> Result<&'a ClusterServingRuntime, Refusal> {
    let format = &model.model_format;
    if let Some(name) = model.runtime.as_deref().filter(|name| !name.is_empty()) {
        let found = runtimes.iter().find(|runtime| runtime.name_any() == name);
        let runtime = found.ok_or_else(|| Refusal {
            reason: "RuntimeNotRecognized",
            message: format!("ClusterServingRuntime {name} does not exist"),
        })?;
        if runtime.spec.disabled == Some(true) {
            return Err(Refusal {
                reason: "RuntimeDisabled",
                message: format!("ClusterServingRuntime {name} is disabled"),
            });
        }
        if !runtime
            .spec
            .supported_model_formats
            .iter()
            .any(|supported| supported.name == format.name)
        {
            return Err(Refusal {
                reason: "NoSupportingRuntime",
                message: format!(
                    "ClusterServingRuntime {name} does not serve model format {}",
                    format.name
                ),
            });
        }
        return Ok(runtime);
    }
    let priority = |runtime: &ClusterServingRuntime| {
        let matching = runtime.spec.supported_model_formats.iter().filter(|supported| {
            supported.name == format.name
                && supported.auto_select == Some(true)
                && (format.version.is_none() || supported.version == format.version)
        });
        matching
            .map(|supported| supported.priority.unwrap_or_default())
            .max()
    };
    runtimes
        .iter()
        .filter(|runtime| runtime.spec.disabled != Some(true))
        .filter_map(|runtime| Some((priority(runtime)?, std::cmp::Reverse(runtime.name_any()), runtime)))
        .max_by(|(left, left_name, _), (right, right_name, _)| (left, left_name).cmp(&(right, right_name)))
        .map(|(_, _, runtime)| runtime)
        .ok_or_else(|| Refusal {
            reason: "NoSupportingRuntime",
            message: format!(
                "no ClusterServingRuntime serves model format {} by itself: name one in model.runtime",
                format.name
            ),
        })
}

/// What the model says wins over the runtime; its arguments come after, its variables replace those of the same name
/// (`MergeRuntimeContainers`, `inferenceservice/utils/utils.go@v0.20.0`).
fn with_model(serving: &Container, model: &ModelSpec) -> Result<Container, Refusal> {
    let mut container = serving.clone();
    let some = |words: &Vec<String>| (!words.is_empty()).then(|| words.clone());
    container.image = model.image.clone().or(container.image);
    container.command = some(&model.command).or(container.command);
    container
        .args
        .get_or_insert_default()
        .extend(model.args.iter().cloned());
    let env = container.env.get_or_insert_default();
    for variable in &model.env {
        match env.iter_mut().find(|known| known.name == variable.name) {
            Some(known) => *known = variable.clone(),
            None => env.push(variable.clone()),
        }
    }
    container
        .env_from
        .get_or_insert_default()
        .extend(model.env_from.iter().cloned());
    container.resources = model.resources.clone().or(container.resources);
    if !model.ports.is_empty() {
        container.ports = Some(model.ports.clone());
    }
    container.readiness_probe = model.readiness_probe.clone().or(container.readiness_probe);
    container.liveness_probe = model.liveness_probe.clone().or(container.liveness_probe);
    container.startup_probe = model.startup_probe.clone().or(container.startup_probe);
    container.lifecycle = model.lifecycle.clone().or(container.lifecycle);
    if container.command.as_ref().is_none_or(Vec::is_empty) {
        return Err(Refusal::invalid(format!(
            "container {}: command must be set",
            container.name
        )));
    }
    Ok(container)
}

/// `{{.Name}}`, `{{.Namespace}}`, `{{.Labels.key}}`, `{{.Annotations.key}}` filled in
/// (`ReplacePlaceholders`, `inferenceservice/utils/utils.go@v0.20.0`).
fn templated(container: &Container, service: &InferenceService) -> Result<Container, Refusal> {
    let none = BTreeMap::new();
    let metadata = &service.metadata;
    let (labels, annotations) = (
        metadata.labels.as_ref().unwrap_or(&none),
        metadata.annotations.as_ref().unwrap_or(&none),
    );
    let value = |name: &str| match name {
        ".Name" => metadata.name.clone(),
        ".Namespace" => metadata.namespace.clone(),
        _ => {
            let label = name.strip_prefix(".Labels.").and_then(|key| labels.get(key));
            label
                .or_else(|| {
                    name.strip_prefix(".Annotations.")
                        .and_then(|key| annotations.get(key))
                })
                .cloned()
        }
    };
    let json = serde_json::to_value(container).expect("invariant: a container that was read can be written");
    serde_json::from_value(filled(json, &value)?).map_err(|error| Refusal::invalid(error.to_string()))
}

fn filled(json: Value, value: &impl Fn(&str) -> Option<String>) -> Result<Value, Refusal> {
    Ok(match json {
        Value::String(text) => Value::String(filled_text(&text, value)?),
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| filled(item, value))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, field)| Ok((key, filled(field, value)?)))
                .collect::<Result<_, Refusal>>()?,
        ),
        other => other,
    })
}

fn filled_text(text: &str, value: &impl Fn(&str) -> Option<String>) -> Result<String, Refusal> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, inner)) = rest.split_once("{{") {
        let unknown = || {
            Refusal::invalid(format!(
                "{text:?}: only {{{{.Name}}}}, .Namespace, .Labels and .Annotations that exist are filled in"
            ))
        };
        let (name, after) = inner.split_once("}}").ok_or_else(unknown)?;
        out.push_str(before);
        out.push_str(&value(name.trim()).ok_or_else(unknown)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests;
