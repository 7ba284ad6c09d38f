//! The whole environment of an attempt. Nothing of the engine's own is inherited.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use image_store::{Reach, Start};
use pipeline_spec::ir::{ContainerSpec, PodMetadata};

use crate::bind::VariableSource;
use crate::config::{Data, EngineConfig};
use crate::decide::Order;
use crate::layout;

/// Namespace of tasks, as the ConfigMaps and Secrets have it.
const NAMESPACE: &str = "kubeflow";

/// The environment of an attempt, or why it cannot be had. Later ones win: what every process needs, the image's own,
/// the task's literal variables, those it reads from somewhere, and last what the engine gives to every attempt.
pub(super) async fn of(
    config: &EngineConfig,
    order: &Order,
    start: &Start,
    container: &ContainerSpec,
    metadata: Option<&PodMetadata>,
    folder: &Path,
) -> Result<BTreeMap<String, String>, String> {
    let text = |path: &Path| path.display().to_string();
    let pod = pod_name(order);
    let image = &start.environment;
    let mut path: Vec<String> = image.path.iter().map(|folder| text(folder)).collect();
    if start.reach == Reach::Machine {
        path.push(config.system_path.clone());
    }
    let mut env: BTreeMap<String, String> = [
        ("PATH", path.join(":")),
        ("HOME", text(&layout::home(folder))),
        (
            "TMPDIR",
            text(&layout::scratch(&config.scratch, order.task, order.attempt)),
        ),
        ("LANG", "C.UTF-8".to_owned()),
        // A log that is followed shows a line when it is written.
        ("PYTHONUNBUFFERED", "1".to_owned()),
        ("KFP_POD_NAME", pod.clone()),
        ("KFP_POD_UID", order.task.to_string()),
        ("NAMESPACE", NAMESPACE.to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    env.extend(image.env.clone());
    for variable in &container.env {
        let value = expand(&variable.value, &env);
        env.insert(variable.name.clone(), value);
    }
    referenced(config, order, metadata, &pod, &mut env).await?;
    env.extend(config.env.clone());
    Ok(env)
}

async fn referenced(
    config: &EngineConfig,
    order: &Order,
    metadata: Option<&PodMetadata>,
    pod: &str,
    env: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let mut objects: BTreeMap<(bool, &str), Option<Data>> = BTreeMap::new();
    for variable in &order.references.variables {
        let (is_secret, name, key, optional) = match &variable.source {
            VariableSource::Field { path } => {
                env.insert(variable.name.clone(), field(path, order, metadata, pod)?);
                continue;
            }
            VariableSource::ConfigMap { name, key, optional } => (false, name, key, *optional),
            VariableSource::Secret { name, key, optional } => (true, name, key, *optional),
        };
        let kind = if is_secret { "Secret" } else { "ConfigMap" };
        let found = (is_secret, name.as_str());
        if let Entry::Vacant(unread) = objects.entry(found) {
            let read = match is_secret {
                true => config.environment.secret(name).await,
                false => config.environment.config_map(name).await,
            };
            unread.insert(read.map_err(|error| format!("{kind} `{name}`: {error}"))?);
        }
        match objects
            .get(&found)
            .and_then(Option::as_ref)
            .map(|data| data.get(key))
        {
            Some(Some(value)) => {
                env.insert(variable.name.clone(), value.clone());
            }
            _ if optional => {}
            Some(None) => {
                return Err(format!(
                    "{kind} `{name}` has no key `{key}` for variable `{}`",
                    variable.name
                ));
            }
            None => {
                return Err(format!(
                    "there is no {kind} `{name}`, which variable `{}` is read from",
                    variable.name
                ));
            }
        }
    }
    Ok(())
}

/// A field of the pod that a task has on a cluster.
fn field(path: &str, order: &Order, metadata: Option<&PodMetadata>, pod: &str) -> Result<String, String> {
    let of_map = |prefix: &str| {
        path.strip_prefix(prefix)?
            .strip_prefix("['")?
            .strip_suffix("']")
            .map(str::to_owned)
    };
    if let Some(label) = of_map("metadata.labels") {
        let own = match label.as_str() {
            "pipeline/runid" => Some(order.run.to_string()),
            "pipelines.kubeflow.org/v2_component" => Some("true".to_owned()),
            "workflows.argoproj.io/workflow" => Some(order.facts.job_resource_name.clone()),
            _ => None,
        };
        return Ok(own
            .or_else(|| metadata?.labels.get(&label).cloned())
            .unwrap_or_default());
    }
    if let Some(annotation) = of_map("metadata.annotations") {
        return Ok(metadata
            .and_then(|metadata| metadata.annotations.get(&annotation))
            .cloned()
            .unwrap_or_default());
    }
    Ok(match path {
        "metadata.name" => pod.to_owned(),
        "metadata.uid" => order.task.to_string(),
        "metadata.namespace" => NAMESPACE.to_owned(),
        "spec.nodeName" => "localhost".to_owned(),
        "spec.serviceAccountName" => "pipeline-runner".to_owned(),
        "status.podIP" | "status.hostIP" | "status.podIPs" | "status.hostIPs" => "127.0.0.1".to_owned(),
        _ => {
            return Err(format!(
                "one machine has no pod, and nothing to say for its field `{path}`"
            ));
        }
    })
}

/// What stands for the pod of an attempt.
fn pod_name(order: &Order) -> String {
    format!(
        "{}-{}-{}",
        order.facts.job_resource_name,
        order.step().name,
        order.attempt
    )
}

/// Fills `$(NAME)` in as Kubernetes does: variables that are known; `$$` stands for `$`; what is unknown stays
/// (`third_party/forked/golang/expansion` of Kubernetes).
pub(super) fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        expanded.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match env.get(name) {
                Some(value) => expanded.push_str(value),
                None => {
                    expanded.push_str("$(");
                    expanded.push_str(name);
                    expanded.push(')');
                }
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("plain", "plain")]
    #[case("$(A)-$(B)", "1-$(B)")]
    #[case("$$(A)", "$(A)")]
    #[case(
        "if [ -x \"$(command -v pip)\" ]; then $0 $@; fi",
        "if [ -x \"$(command -v pip)\" ]; then $0 $@; fi"
    )]
    #[case("cost: 5$", "cost: 5$")]
    #[case("$(A", "$(A")]
    fn variables_are_filled_in_as_kubernetes_does(#[case] text: &str, #[case] expanded: &str) {
        let env = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        assert_eq!(expand(text, &env), expanded);
    }
}
