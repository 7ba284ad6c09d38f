//! What is to be seen where an object does not become ready: its pods, their events, their last words.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::{ListParams, LogParams};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use super::readiness::trouble;
use crate::object::ObjectId;

/// Most events and log lines that are told of one pod.
const EVENTS: usize = 3;
const LINES: i64 = 12;

/// Lines for people; ends with the command that looks further. What cannot be read is left out: the error that this is
/// part of is told in any case.
pub(super) async fn diagnosis(client: &Client, id: &ObjectId, selector: Option<&str>) -> String {
    let namespace = id.namespace.as_deref().unwrap_or("default");
    let mut told = Vec::new();
    let mut look = vec![format!("kubectl describe {} {}", id.kind.to_lowercase(), id.name)];
    if let Some(selector) = selector {
        let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let pods = api.list(&ListParams::default().labels(selector)).await;
        for pod in pods.map(|list| list.items).unwrap_or_default() {
            let name = pod.name_any();
            let value = serde_json::to_value(&pod).unwrap_or_default();
            if is_ready(&value) {
                continue;
            }
            let what = trouble(&value).map_or("not ready".to_owned(), |trouble| trouble.what);
            told.push(format!("Pod {namespace}/{name}: {what}"));
            told.extend(events(client, namespace, &name).await);
            told.extend(last_words(&api, &name, &value).await);
            look = vec![format!("kubectl describe pod {name}")];
        }
    }
    told.extend(events(client, namespace, &id.name).await);
    told.push(format!(
        "look further: `{} --namespace {namespace}`",
        look.join("; ")
    ));
    told.join("\n")
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"].as_array().is_some_and(|all| {
        all.iter()
            .any(|one| one["type"] == "Ready" && one["status"] == "True")
    })
}

/// The latest warnings about an object.
async fn events(client: &Client, namespace: &str, name: &str) -> Vec<String> {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    let about = ListParams::default().fields(&format!("involvedObject.name={name},type=Warning"));
    let Ok(list) = api.list(&about).await else {
        return Vec::new();
    };
    let mut found = list.items;
    found.sort_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
    found
        .iter()
        .rev()
        .take(EVENTS)
        .map(|event| {
            format!(
                "  {}: {}",
                event.reason.as_deref().unwrap_or_default(),
                event.message.as_deref().unwrap_or_default().trim()
            )
        })
        .collect()
}

/// The end of the log of the first container that is not ready; where it was started again, of its last life.
async fn last_words(api: &Api<Pod>, name: &str, pod: &Value) -> Vec<String> {
    let containers = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten();
    let mut unready = containers.filter(|one| one["ready"] != true && one["restartCount"].is_number());
    let Some(container) = unready.next() else {
        return Vec::new();
    };
    let parameters = LogParams {
        container: container["name"].as_str().map(str::to_owned),
        tail_lines: Some(LINES),
        previous: container["state"]["running"].is_null() && container["restartCount"] != 0,
        ..LogParams::default()
    };
    let text = api.logs(name, &parameters).await.unwrap_or_default();
    text.lines().map(|line| format!("  | {line}")).collect()
}
