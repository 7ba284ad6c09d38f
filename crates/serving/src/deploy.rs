//! Carries a deployment out.

use std::fmt;
use std::time::Duration;

use kube::{Api, Client, Resource, ResourceExt};
use resources::cluster_serving_runtime::ClusterServingRuntime;
use resources::http_route::HttpRoute;
use resources::inference_service::{InferenceService, ModelFormat, TransitionStatus};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::apply::{Action, Change, apply};
use crate::await_verdict::{Patience, Verdict, until};
use crate::error::{Object, ServingError};
use crate::golden::Golden;
use crate::objects::{Deployment, http_route, infer_url, inference_service};
use crate::observe::observe;
use crate::rollout::{Goal, Move, Situation, moves};
use crate::silence::answered;

/// See [`Move::Settle`].
const SETTLE: Duration = Duration::from_secs(4);
/// How long a failure must stand when its object was there before: the status may be the last spec's.
const DOUBT: Duration = Duration::from_secs(20);
/// How long golden answers may differ when nothing was changed: there is nothing under way that could mend them.
const UNCHANGED_WINDOW: Duration = Duration::from_secs(15);
/// What has been applied and is not there.
const DELETED: &str = "somebody deleted it meanwhile";
/// Between two tries of the golden requests; HTTP offers nothing to watch.
const RETRY: Duration = Duration::from_millis(200);

/// A deployment that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// What was done to each object, in order.
    pub changes: Vec<Change>,
    /// Where it answers.
    pub endpoint: String,
    /// Golden requests answered as recorded.
    pub golden_requests: usize,
}

/// What happens meanwhile; one short line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// An object was applied.
    Applied(Change),
    /// An object is waited for; its state has changed to this.
    Waiting {
        /// The object.
        object: Object,
        /// What is seen.
        seen: String,
    },
    /// The golden requests are answered as recorded.
    Verified {
        /// How many.
        requests: usize,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied(change) => change.fmt(formatter),
            Self::Waiting { object, seen } => write!(formatter, "waiting for {object}: {seen}"),
            Self::Verified { requests } => {
                write!(
                    formatter,
                    "golden requests answered as recorded: {requests} of {requests}"
                )
            }
        }
    }
}

/// Serves the version: applies what differs, waits, and returns when the endpoint behind `serving_url` answers the
/// golden requests as recorded. Where all is as asked nothing is written. May be called again after any interruption.
///
/// # Errors
/// Every variant of [`ServingError`] but `Connect`. What was applied stays: a further call goes on from there.
pub async fn deploy(
    client: &Client,
    deployment: &Deployment,
    serving_url: &str,
    golden: &Golden,
    timeout: Duration,
    mut tell: impl FnMut(Progress),
) -> Result<Deployed, ServingError> {
    deployment.validate()?;
    let since = Instant::now();
    let deadline = since + timeout;
    let format = answered(deadline, &mut tell, async || {
        model_format(client, &deployment.runtime).await
    })
    .await?;
    let observed = answered(deadline, &mut tell, async || {
        observe(client, &deployment.namespace, &deployment.name).await
    })
    .await?;
    let situation = match observed.is_split(&deployment.name) {
        true => Situation::Split,
        false => Situation::Whole,
    };
    let services: Api<InferenceService> = Api::namespaced(client.clone(), &deployment.namespace);
    let routes: Api<HttpRoute> = Api::namespaced(client.clone(), &deployment.namespace);
    let service_object = Object::of::<InferenceService>(Some(&deployment.namespace), &deployment.name);
    let route_object = Object::of::<HttpRoute>(Some(&deployment.namespace), &deployment.name);
    let endpoint = infer_url(serving_url, &deployment.name);

    let patience = Patience {
        since,
        deadline,
        doubt: Duration::ZERO,
    };
    let told = |seen: &str| tell(waiting(&service_object, seen));
    gone(
        client,
        &services,
        observed.service.as_ref(),
        &service_object,
        patience,
        told,
    )
    .await?;
    let told = |seen: &str| tell(waiting(&route_object, seen));
    gone(
        client,
        &routes,
        observed.route.as_ref(),
        &route_object,
        patience,
        told,
    )
    .await?;

    let mut changes: Vec<Change> = Vec::new();
    let mut route_generation = 0;
    let mut doubt = DOUBT;
    for step in moves(Goal::Deploy, situation) {
        match step {
            Move::ApplyService => {
                let wanted = inference_service(deployment, &format);
                let (_, change) =
                    answered(deadline, &mut tell, async || apply(&services, &wanted).await).await?;
                if change.action == Action::Created {
                    doubt = Duration::ZERO;
                }
                tell(Progress::Applied(change.clone()));
                changes.push(change);
            }
            Move::AwaitService => {
                let patience = Patience {
                    since,
                    deadline,
                    doubt,
                };
                let told = |seen: &str| tell(waiting(&service_object, seen));
                until(
                    client,
                    services.clone(),
                    &service_object,
                    patience,
                    service_verdict,
                    told,
                )
                .await?;
            }
            Move::ApplyRoute => {
                let wanted = http_route(deployment);
                let (route, change) =
                    answered(deadline, &mut tell, async || apply(&routes, &wanted).await).await?;
                route_generation = route.metadata.generation.unwrap_or_default();
                tell(Progress::Applied(change.clone()));
                changes.push(change);
            }
            Move::AwaitRoute => {
                let patience = Patience {
                    since,
                    deadline,
                    doubt,
                };
                let judge = |route: Option<&HttpRoute>| route_verdict(route, route_generation);
                let told = |seen: &str| tell(waiting(&route_object, seen));
                until(client, routes.clone(), &route_object, patience, judge, told).await?;
            }
            Move::Settle => tokio::time::sleep(SETTLE).await,
            Move::Verify => {
                let untouched = changes.iter().all(|change| change.action == Action::Unchanged);
                let end = match untouched {
                    true => deadline.min(Instant::now() + UNCHANGED_WINDOW),
                    false => deadline,
                };
                verified(golden, &endpoint, end)
                    .await
                    .map_err(|source| ServingError::Golden {
                        object: service_object.clone(),
                        source: Box::new(source),
                    })?;
                tell(Progress::Verified {
                    requests: golden.requests(),
                });
            }
        }
    }
    Ok(Deployed {
        changes,
        endpoint,
        golden_requests: golden.requests(),
    })
}

fn waiting(object: &Object, seen: &str) -> Progress {
    Progress::Waiting {
        object: object.clone(),
        seen: seen.to_owned(),
    }
}

/// Waits out a deletion that is under way: what is applied to such an object goes with it.
async fn gone<K>(
    client: &Client,
    api: &Api<K>,
    found: Option<&K>,
    object: &Object,
    patience: Patience,
    tell: impl FnMut(&str),
) -> Result<(), ServingError>
where
    K: Resource<DynamicType = ()> + Clone + fmt::Debug + DeserializeOwned + Send + 'static,
{
    let Some(going) = found.filter(|found| found.meta().deletion_timestamp.is_some()) else {
        return Ok(());
    };
    let judge = |now: Option<&K>| match now {
        Some(now) if now.uid() == going.uid() => Verdict::NotYet("it is being deleted".to_owned()),
        _ => Verdict::Holds,
    };
    until(client, api.clone(), object, patience, judge, tell).await
}

/// Asks until all is answered as recorded: after a change the version before may still answer for a moment.
async fn verified(golden: &Golden, endpoint: &str, end: Instant) -> Result<(), crate::golden::GoldenError> {
    loop {
        match golden.verify(endpoint).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() + RETRY >= end => return Err(error),
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// The format under which the runtime takes the model: the first it declares.
async fn model_format(client: &Client, runtime: &str) -> Result<ModelFormat, ServingError> {
    let api: Api<ClusterServingRuntime> = Api::all(client.clone());
    let object = Object::of::<ClusterServingRuntime>(None, runtime);
    let failed = |verb, error: kube::Error| ServingError::api(verb, object.clone(), &error);
    let Some(found) = api.get_opt(runtime).await.map_err(|error| failed("get", error))? else {
        let all = api
            .list(&kube::api::ListParams::default())
            .await
            .map_err(|error| failed("list", error))?;
        let names: Vec<_> = all.iter().map(ResourceExt::name_any).collect();
        let known = match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        };
        return Err(ServingError::NoRuntime { object, known });
    };
    if found.spec.disabled == Some(true) {
        return Err(ServingError::UnusableRuntime {
            object,
            reason: "it is disabled",
        });
    }
    match found.spec.supported_model_formats.into_iter().next() {
        Some(format) => Ok(ModelFormat {
            name: format.name,
            version: format.version,
        }),
        None => Err(ServingError::UnusableRuntime {
            object,
            reason: "it declares no model format",
        }),
    }
}

/// Ready, and what is loaded is what is asked for. `observedGeneration` is no help: on KServe 0.20 it is that of the
/// Deployment behind.
fn service_verdict(service: Option<&InferenceService>) -> Verdict {
    let Some(service) = service else {
        return Verdict::Never(DELETED.to_owned());
    };
    let Some(status) = &service.status else {
        return Verdict::NotYet("no status yet".to_owned());
    };
    let model = status.model_status.as_ref();
    let transition = model.and_then(|model| model.transition_status.as_ref());
    if let Some(TransitionStatus::BlockedByFailedLoad | TransitionStatus::InvalidSpec) = transition {
        let failure = model.and_then(|model| model.last_failure_info.as_ref());
        let part = |text: Option<&String>| text.cloned().unwrap_or_else(|| "unknown".to_owned());
        return Verdict::Never(format!(
            "{}: {}",
            part(failure.and_then(|failure| failure.reason.as_ref())),
            part(failure.and_then(|failure| failure.message.as_ref())),
        ));
    }
    let loaded = transition.is_none_or(|transition| *transition == TransitionStatus::UpToDate);
    if status.holds("Ready") && loaded {
        return Verdict::Holds;
    }
    let mut seen: Vec<String> = status
        .conditions
        .iter()
        .map(|condition| {
            let part = |text: &Option<String>| text.clone().unwrap_or_default();
            shown(
                &condition.type_,
                &condition.status,
                &part(&condition.reason),
                &part(&condition.message),
            )
        })
        .collect();
    seen.extend(transition.map(|transition| format!("model {transition}")));
    Verdict::NotYet(told(&seen))
}

fn route_verdict(route: Option<&HttpRoute>, generation: i64) -> Verdict {
    let Some(route) = route else {
        return Verdict::Never(DELETED.to_owned());
    };
    let Some(status) = &route.status else {
        return Verdict::NotYet(format!(
            "no gateway `{}` has answered yet",
            crate::objects::GATEWAY
        ));
    };
    if status.accepted(generation) {
        return Verdict::Holds;
    }
    let seen: Vec<String> = status
        .parents
        .iter()
        .flat_map(|parent| &parent.conditions)
        .map(|condition| {
            shown(
                &condition.type_,
                &condition.status,
                &condition.reason,
                &condition.message,
            )
        })
        .collect();
    Verdict::NotYet(told(&seen))
}

fn told(seen: &[String]) -> String {
    match seen.is_empty() {
        true => "no conditions yet".to_owned(),
        false => seen.join(", "),
    }
}

fn shown(type_: &str, status: &str, reason: &str, message: &str) -> String {
    match (reason.is_empty(), message.is_empty()) {
        (true, true) => format!("{type_}={status}"),
        (false, true) => format!("{type_}={status} ({reason})"),
        (true, false) => format!("{type_}={status} ({message})"),
        (false, false) => format!("{type_}={status} ({reason}: {message})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::no_status(json!({}), Verdict::NotYet("no status yet".into()))]
    #[case::empty(json!({"status": {}}), Verdict::NotYet("no conditions yet".into()))]
    #[case::ready(json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}), Verdict::Holds)]
    #[case::ready_and_loaded(
        json!({"status": {"conditions": [{"type": "Ready", "status": "True"}],
               "modelStatus": {"transitionStatus": "UpToDate"}}}),
        Verdict::Holds
    )]
    #[case::ready_with_the_model_before(
        json!({"status": {"conditions": [{"type": "Ready", "status": "True"}],
               "modelStatus": {"transitionStatus": "InProgress"}}}),
        Verdict::NotYet("Ready=True, model InProgress".into())
    )]
    #[case::not_ready(
        json!({"status": {"conditions": [
            {"type": "PredictorReady", "status": "False", "reason": "Starting", "message": "port 41000 does not answer"},
            {"type": "Ready", "status": "False"}]}}),
        Verdict::NotYet("PredictorReady=False (Starting: port 41000 does not answer), Ready=False".into())
    )]
    #[case::blocked(
        json!({"status": {"modelStatus": {"transitionStatus": "BlockedByFailedLoad",
               "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "exit code 1"}}}}),
        Verdict::Never("ModelLoadFailed: exit code 1".into())
    )]
    fn services(#[case] rest: serde_json::Value, #[case] expected: Verdict) {
        let mut object = json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"name": "m"}, "spec": {"predictor": {}}});
        object["status"] = rest["status"].clone();
        let service: InferenceService = serde_json::from_value(object).unwrap();
        assert_eq!(service_verdict(Some(&service)), expected);
        assert_eq!(service_verdict(None), Verdict::Never(DELETED.into()));
    }

    #[rstest]
    #[case::accepted("True", "True", 2, Verdict::Holds)]
    #[case::of_the_spec_before("True", "True", 1, Verdict::NotYet("Accepted=True (A: said), ResolvedRefs=True (R: said)".into()))]
    #[case::no_backend("True", "False", 2, Verdict::NotYet("Accepted=True (A: said), ResolvedRefs=False (R: said)".into()))]
    fn routes(
        #[case] accepted: &str,
        #[case] resolved: &str,
        #[case] observed: i64,
        #[case] expected: Verdict,
    ) {
        let condition = |type_: &str, reason: &str, status: &str| {
            json!({"type": type_, "status": status, "reason": reason, "message": "said",
                   "observedGeneration": observed, "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let route: HttpRoute = serde_json::from_value(json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "m"}, "spec": {},
            "status": {"parents": [{"parentRef": {"name": "basecamp"}, "controllerName": "c", "conditions": [
                condition("Accepted", "A", accepted), condition("ResolvedRefs", "R", resolved)]}]}
        }))
        .unwrap();
        assert_eq!(route_verdict(Some(&route), 2), expected);
    }
}
