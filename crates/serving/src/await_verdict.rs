//! Waiting by a watch until an object is as wanted, with what was last seen in the error.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watch_object};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::error::{Object, ServingError, reason};

/// Most Events an error lists.
const EVENTS: usize = 5;

/// What one look at an object tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is as wanted.
    Holds,
    /// Not yet; what is seen.
    NotYet(String),
    /// Its controller says it will not be; why.
    Never(String),
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// When the whole wait began, for the error.
    pub(crate) since: Instant,
    /// When it ends.
    pub(crate) deadline: Instant,
    /// How long a [`Verdict::Never`] must stand: a status may still be that of the spec before.
    pub(crate) doubt: Duration,
}

/// Watches the object until `judge` says that it holds. `tell` hears each new [`Verdict::NotYet`].
pub(crate) async fn until<K>(
    client: &Client,
    api: Api<K>,
    object: &Object,
    patience: Patience,
    judge: impl Fn(Option<&K>) -> Verdict,
    mut tell: impl FnMut(&str),
) -> Result<(), ServingError>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut looks = watch_object(api, &object.name).default_backoff().boxed();
    let mut last_seen = "nothing".to_owned();
    let mut broken: Option<watcher::Error> = None;
    let mut failed: Option<(String, Instant)> = None;
    loop {
        let end = failed.as_ref().map_or(patience.deadline, |(_, end)| *end);
        let look = tokio::select! {
            // A look that is there counts before the end of patience.
            biased;
            look = looks.next() => look.expect("invariant: a watch restarts for ever"),
            () = tokio::time::sleep_until(end) => {
                let events = events(client, object).await;
                return Err(match failed {
                    Some((reason, _)) => ServingError::Failed { object: object.clone(), reason, events },
                    None => ServingError::NotReady {
                        object: object.clone(),
                        seconds: patience.since.elapsed().as_secs(),
                        last_seen: match broken {
                            Some(error) => format!("{last_seen}; then the watch broke: {error}"),
                            None => last_seen,
                        },
                        events,
                    },
                });
            }
        };
        let look = look.map(|found| judge(found.as_ref()));
        if look.is_ok() {
            broken = None;
        }
        match look {
            Ok(Verdict::Holds) => return Ok(()),
            Ok(Verdict::NotYet(seen)) => {
                failed = None;
                if seen != last_seen {
                    tell(&seen);
                    last_seen = seen;
                }
            }
            Ok(Verdict::Never(why)) => {
                // The first moment of this failure counts, however often it is told again.
                let end = match failed {
                    Some((_, end)) => end,
                    None => (Instant::now() + patience.doubt).min(patience.deadline),
                };
                failed = Some((why, end));
            }
            Err(error) => match refusal(&error) {
                Some(refusal) => return Err(ServingError::api("watch", object.clone(), refusal)),
                // The server is away; the watch starts again by itself.
                None => broken = Some(error),
            },
        }
    }
}

/// The server's refusal, if a watch error is one that trying again will not mend.
fn refusal(error: &watcher::Error) -> Option<&kube::Error> {
    let inner = match error {
        watcher::Error::InitialListFailed(inner) | watcher::Error::WatchStartFailed(inner) => inner,
        _ => return None,
    };
    match inner {
        kube::Error::Api(status) if matches!(status.code, 400..=404 | 422) => Some(inner),
        _ => None,
    }
}

/// The object's latest Events, oldest first; that they cannot be read is told in their place.
async fn events(client: &Client, object: &Object) -> Box<[String]> {
    let api: Api<Event> = match &object.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let list = match api.list(&ListParams::default()).await {
        Ok(list) => list,
        Err(error) => return Box::new([format!("cannot be listed: {}", reason(&error))]),
    };
    let mut about: Vec<Event> = list
        .items
        .into_iter()
        .filter(|event| {
            let involved = &event.involved_object;
            involved.name.as_ref() == Some(&object.name) && involved.kind.as_ref() == Some(&object.kind)
        })
        .collect();
    about.sort_by_key(|event| {
        let last = event.last_timestamp.as_ref().map(|time| time.0);
        last.or_else(|| event.event_time.as_ref().map(|time| time.0))
            .or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))
    });
    let skipped = about.len().saturating_sub(EVENTS);
    about.iter().skip(skipped).map(line).collect()
}

fn line(event: &Event) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    format!(
        "{} {}: {}",
        part(&event.type_),
        part(&event.reason),
        part(&event.message)
    )
}
