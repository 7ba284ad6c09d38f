//! Looking at a rung on Kubernetes.

use endpoints::Endpoints;
use serde::Serialize;

use super::connect::connect;
use super::inventory::Inventory;
use super::kinds::Kinds;
use super::readiness::{Readiness, judge};
use super::record::{RungRecord, Target};
use super::up::ENDPOINTS;
use crate::error::Tier6Error;
use crate::state_dir::StateDir;

/// The rung at one moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Where it is.
    pub target: Target,
    /// Where everything is; absent until `up` has come to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// What is installed.
    pub components: Vec<ComponentStatus>,
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Its name.
    pub name: String,
    /// How many objects it has.
    pub objects: usize,
    /// Whether all of it is applied and its workloads serve.
    pub is_ready: bool,
    /// What is not ready, and why.
    pub waiting: Vec<String>,
}

impl Status {
    /// Whether the rung is up: installed to its end, and everything serves.
    pub fn is_up(&self) -> bool {
        self.endpoints.is_some() && self.components.iter().all(|component| component.is_ready)
    }
}

/// What is there now.
///
/// # Errors
/// [`Tier6Error::Kubernetes`] where the API server does not answer.
pub async fn status(state: &StateDir, record: &RungRecord) -> Result<Status, Tier6Error> {
    let endpoints = match state.endpoints() {
        path if path.exists() => Some(Endpoints::read(&path)?),
        _ => None,
    };
    let mut components = Vec::new();
    if state.kubeconfig().exists() {
        let client = connect(&state.kubeconfig()).await?;
        let kinds = Kinds::new(client.clone());
        for (name, installed) in Inventory::new(client).read().await? {
            if name == ENDPOINTS {
                continue;
            }
            let mut waiting = Vec::new();
            if !installed.is_whole {
                waiting.push("its installation is not finished".to_owned());
            }
            for id in installed.objects.keys() {
                if !matches!(id.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet") {
                    continue;
                }
                let found = match kinds.find(id).await? {
                    Some(api) => api
                        .get_opt(&id.name)
                        .await
                        .map_err(Tier6Error::kubernetes(id.short()))?,
                    None => None,
                };
                let found = found.map(|found| {
                    serde_json::to_value(found).expect("invariant: what came as JSON goes as JSON")
                });
                match judge(&id.kind, found.as_ref()) {
                    Readiness::Ready => {}
                    Readiness::Waiting(why) | Readiness::Failed(why) => {
                        waiting.push(format!("{}: {why}", id.short()));
                    }
                }
            }
            components.push(ComponentStatus {
                is_ready: waiting.is_empty(),
                objects: installed.objects.len(),
                name,
                waiting,
            });
        }
    }
    Ok(Status {
        target: record.target.clone(),
        endpoints,
        components,
    })
}
