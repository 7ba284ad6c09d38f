//! What no good client sends: wrong tokens, hosts, bodies, types, paths. Each is refused by a Status that says why.

mod documents;
mod door;
mod objects;
mod patches;

use serde_json::Value;

pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub(crate) const EXPERIMENTS: &str = "/apis/kubeflow.org/v1beta1/namespaces/default/experiments";

/// Code, reason and message of a Status.
pub(crate) fn told(answer: &(u16, Value)) -> (u16, &str, &str) {
    let text = |field: &str| answer.1[field].as_str().unwrap_or_default();
    assert_eq!(answer.1["kind"], "Status", "{answer:?}");
    (answer.0, text("reason"), text("message"))
}
