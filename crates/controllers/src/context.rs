//! What all controllers share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::runtime::controller::{Action, Error as ControllerError};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backends::Backends;
use crate::config::Config;
use crate::error::ReconcileError;
use crate::http_route::InForce;
use crate::launches::{Launches, Pulse};

/// Kept on every object that has processes or files, until these are gone.
pub(crate) const FINALIZER: &str = "basecamp.dev/processes";
const AFTER_AN_ERROR: Duration = Duration::from_secs(2);
const AFTER_A_CONFLICT: Duration = Duration::from_millis(50);

/// What all controllers share.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) recorder: Recorder,
    pub(crate) launches: Launches,
    /// For loopback: the user's proxies have no way there.
    pub(crate) http: reqwest::Client,
    pub(crate) backends: Backends,
    pub(crate) in_force: InForce,
    pub(crate) experiments: Pulse,
    pub(crate) services: Pulse,
}

impl Context {
    pub(crate) fn recorder(client: &Client) -> Recorder {
        let reporter = Reporter {
            controller: "basecamp".into(),
            instance: None,
        };
        Recorder::new(client.clone(), reporter)
    }

    /// Tells an Event about an object. One that cannot be told is logged: the world goes on without it.
    pub(crate) async fn tell<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        type_: EventType,
        reason: &str,
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            // events.k8s.io/v1 allows 1 kB.
            note: Some(note.chars().take(1000).collect()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await {
            tracing::warn!(object = object.name_any(), reason, %error, "cannot write an Event");
        }
    }

    /// The variables of every process that has a scratch folder of its own for a home.
    pub(crate) fn process_environment(&self) -> BTreeMap<String, String> {
        const SCRATCH: [&str; 3] = ["HOME", "TMPDIR", "PWD"];
        let variables = self
            .config
            .environment
            .iter()
            .filter(|(name, _)| !SCRATCH.contains(&name.as_str()));
        variables
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// The mark of the state folder, as a variable that a container cannot change.
    pub(crate) fn mark(&self) -> Vec<(&str, &str)> {
        let mark = self.config.environment.get_key_value(processes::MARK_VARIABLE);
        mark.into_iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}

/// Replaces the status of an object that was read; somebody else's later write is a conflict.
pub(crate) async fn write_status<K>(api: &Api<K>, object: &K) -> Result<K, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned,
{
    api.replace_status(&object.name_any(), &PostParams::default(), object)
        .await
}

pub(crate) fn now() -> Time {
    // Kubernetes writes whole seconds.
    let now = Timestamp::now();
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

pub(crate) fn api<K>(client: &Client, object: &K) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    Api::namespaced(client.clone(), &object.namespace().unwrap_or_default())
}

/// When to try again. By value, because kube's controller hands it over so.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn after_error<K: Resource<DynamicType = ()>>(
    object: Arc<K>,
    error: &ReconcileError,
    _: Arc<Context>,
) -> Action {
    if error.is_conflict() {
        return Action::requeue(AFTER_A_CONFLICT);
    }
    tracing::warn!(kind = %K::kind(&()), object = object.name_any(), %error, "cannot reconcile");
    Action::requeue(AFTER_AN_ERROR)
}

/// Takes a controller's results until it ends.
pub(crate) async fn drained<T>(
    results: impl futures::Stream<Item = Result<T, ControllerError<ReconcileError, watcher::Error>>>,
) {
    results
        .for_each(|result| async {
            match result {
                // Told by `after_error`; or an object that was deleted while its turn came.
                Ok(_) | Err(ControllerError::ReconcilerFailed(..) | ControllerError::ObjectNotFound(_)) => {}
                Err(error) => tracing::warn!(%error, "a watch broke and begins again"),
            }
        })
        .await;
}
