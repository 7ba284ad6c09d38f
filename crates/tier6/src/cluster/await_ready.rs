//! Waiting by watches until objects are ready, and saying what keeps them where they are not.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::{BoxStream, LocalBoxStream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watch_object, watcher};
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::time::Instant;

use super::diagnosis::diagnosis;
use super::kinds::Kinds;
use super::readiness::{Readiness, Trouble, condition, judge, trouble};
use crate::error::Tier6Error;
use crate::object::ObjectId;

/// How long a trouble that does not mend itself must stand: an image may be on its way, a program that comes before its
/// database is started again, and what a controller says may be of the time before this installation.
const DOUBT: Duration = Duration::from_secs(90);

/// One object that is waited for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// Which.
    pub(super) id: ObjectId,
    /// A condition of its status; `None`: what its kind itself tells.
    pub(super) condition: Option<String>,
}

impl Wanted {
    fn judge(&self, object: Option<&Value>) -> Readiness {
        match (&self.condition, object) {
            (Some(wanted), Some(object)) => condition(object, wanted),
            (_, object) => judge(&self.id.kind, object),
        }
    }
}

/// What is seen of an object that is waited for.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// For people.
    pub(super) text: String,
    /// Whether something keeps it that somebody may have to mend.
    pub(super) is_trouble: bool,
}

/// Waits until all are ready, or the first has failed. `tell` hears each new thing that is seen.
///
/// # Errors
/// [`Tier6Error::NotReady`] with events, container states and the last log lines; [`Tier6Error::Kubernetes`].
pub(super) async fn all_ready(
    kinds: &Kinds,
    component: &str,
    wanted: &[Wanted],
    deadline: Instant,
    tell: &dyn Fn(Seen),
) -> Result<(), Tier6Error> {
    let waits = wanted
        .iter()
        .map(|wanted| Box::pin(ready(kinds, component, wanted, deadline, tell)));
    futures::future::try_join_all(waits).await?;
    Ok(())
}

async fn ready(
    kinds: &Kinds,
    component: &str,
    wanted: &Wanted,
    deadline: Instant,
    tell: &dyn Fn(Seen),
) -> Result<(), Tier6Error> {
    let since = Instant::now();
    let id = &wanted.id;
    let api = kinds.api(id).await?;
    let mut looks: BoxStream<'_, _> = watch_object(api, &id.name).default_backoff().boxed();
    let mut pods: LocalBoxStream<'_, watcher::Result<Event<Pod>>> = futures::stream::pending().boxed_local();
    let mut selector: Option<String> = None;
    let mut listed = false;
    let mut troubles: BTreeMap<String, (Trouble, Instant)> = BTreeMap::new();
    let mut given_up: Option<Instant> = None;
    let mut last_seen = "nothing".to_owned();
    loop {
        let lasting = troubles
            .values()
            .filter(|(trouble, _)| trouble.is_lasting)
            .map(|(_, since)| *since)
            .chain(given_up)
            .min();
        let end = lasting.map_or(deadline, |since| deadline.min(since + DOUBT));
        tokio::select! {
            // What is there to be seen counts before the end of patience.
            biased;
            look = looks.next() => match look.expect("invariant: a watch restarts for ever") {
                Ok(found) => {
                    let found = found.map(as_value);
                    match wanted.judge(found.as_ref()) {
                        Readiness::Ready => return Ok(()),
                        Readiness::Waiting(seen) => {
                            last_seen = seen;
                            given_up = None;
                        }
                        Readiness::Failed(why) => {
                            last_seen = why;
                            given_up.get_or_insert_with(Instant::now);
                        }
                    }
                    let own = found.as_ref().and_then(selector_of);
                    if own.is_some() && own != selector {
                        selector = own;
                        pods = watch_pods(kinds, id, selector.as_deref().unwrap_or_default());
                    }
                }
                Err(error) => last_seen = format!("the watch broke: {error}"),
            },
            event = pods.next() => {
                let is_first_list = !listed && matches!(event, Some(Ok(Event::InitDone)));
                note(&mut troubles, event);
                if is_first_list {
                    listed = true;
                    begin_anew(kinds, id, &mut troubles).await?;
                }
            }
            () = tokio::time::sleep_until(end) => {
                return Err(not_ready(kinds, component, id, since, &last_seen, selector.as_deref()).await);
            }
        }
        let trouble = troubles.values().next().map(|(trouble, _)| trouble.what.as_str());
        tell(Seen {
            text: match trouble {
                Some(trouble) => format!("{}: {last_seen}; {trouble}", id.short()),
                None => format!("{}: {last_seen}", id.short()),
            },
            is_trouble: trouble.is_some(),
        });
    }
}

fn as_value(object: DynamicObject) -> Value {
    serde_json::to_value(object).expect("invariant: what came as JSON goes as JSON")
}

/// The label selector of a workload's pods.
fn selector_of(object: &Value) -> Option<String> {
    let labels = object.pointer("/spec/selector/matchLabels")?.as_object()?;
    let terms: Vec<String> = labels
        .iter()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    (!terms.is_empty()).then(|| terms.join(","))
}

fn watch_pods<'a>(
    kinds: &Kinds,
    id: &ObjectId,
    selector: &str,
) -> LocalBoxStream<'a, watcher::Result<Event<Pod>>> {
    let namespace = id.namespace.as_deref().unwrap_or("default");
    let api: Api<Pod> = Api::namespaced(kinds.client().clone(), namespace);
    watcher(api, watcher::Config::default().labels(selector))
        .default_backoff()
        .boxed_local()
}

/// Deletes pods that were in trouble before this wait began: what kept them may be mended, and they would go on backing
/// off for minutes.
async fn begin_anew(
    kinds: &Kinds,
    id: &ObjectId,
    troubles: &mut BTreeMap<String, (Trouble, Instant)>,
) -> Result<(), Tier6Error> {
    let namespace = id.namespace.as_deref().unwrap_or("default");
    let api: Api<Pod> = Api::namespaced(kinds.client().clone(), namespace);
    let lasting = troubles.iter().filter(|(_, (trouble, _))| trouble.is_lasting);
    for (name, _) in lasting {
        match api.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(Tier6Error::kubernetes(format!("Pod {namespace}/{name}"))(error)),
            Ok(_) => {}
        }
    }
    troubles.retain(|_, (trouble, _)| !trouble.is_lasting);
    Ok(())
}

/// Takes an event of the pods into account. That the watch broke says nothing of them; it starts again.
fn note(troubles: &mut BTreeMap<String, (Trouble, Instant)>, event: Option<watcher::Result<Event<Pod>>>) {
    match event {
        Some(Ok(Event::Apply(pod) | Event::InitApply(pod))) => {
            let name = pod.name_any();
            let pod = serde_json::to_value(pod).expect("invariant: what came as JSON goes as JSON");
            match trouble(&pod) {
                Some(found) => {
                    // An image that is not to be had is told in two turns; the first moment of both counts.
                    let since = match troubles.get(&name) {
                        Some((before, since)) if before.is_lasting == found.is_lasting => *since,
                        _ => Instant::now(),
                    };
                    troubles.insert(name, (found, since));
                }
                None => {
                    troubles.remove(&name);
                }
            }
        }
        Some(Ok(Event::Delete(pod))) => {
            troubles.remove(&pod.name_any());
        }
        Some(Ok(Event::Init)) => troubles.clear(),
        Some(Ok(Event::InitDone) | Err(_)) | None => {}
    }
}

async fn not_ready(
    kinds: &Kinds,
    component: &str,
    id: &ObjectId,
    since: Instant,
    seen: &str,
    selector: Option<&str>,
) -> Tier6Error {
    Tier6Error::NotReady {
        component: component.to_owned(),
        object: id.short(),
        seconds: since.elapsed().as_secs(),
        seen: seen.to_owned(),
        diagnosis: diagnosis(kinds.client(), id, selector).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(reason: Option<&str>) -> Pod {
        let state = match reason {
            Some(reason) => json!({"waiting": {"reason": reason}}),
            None => json!({"running": {}}),
        };
        serde_json::from_value(json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [{
            "name": "c", "image": "a:1", "imageID": "", "ready": false, "restartCount": 0, "state": state}]}}))
        .unwrap()
    }

    #[test]
    fn the_first_moment_of_a_trouble_counts_until_it_is_over() {
        let mut troubles = BTreeMap::new();
        note(&mut troubles, Some(Ok(Event::Apply(pod(Some("ErrImagePull"))))));
        let since = troubles["p"].1;
        note(
            &mut troubles,
            Some(Ok(Event::Apply(pod(Some("ImagePullBackOff"))))),
        );
        assert_eq!(troubles["p"].1, since);
        assert_eq!(troubles["p"].0.what, "ImagePullBackOff (a:1)");
        note(&mut troubles, Some(Ok(Event::Apply(pod(None)))));
        assert!(troubles.is_empty());
    }

    #[test]
    fn a_workloads_pods_are_found_by_its_labels() {
        let deployment = json!({"spec": {"selector": {"matchLabels": {"app": "a", "tier": "b"}}}});
        assert_eq!(selector_of(&deployment).as_deref(), Some("app=a,tier=b"));
        assert_eq!(selector_of(&json!({"spec": {"selector": {"app": "a"}}})), None);
    }
}
