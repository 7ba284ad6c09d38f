//! The InferenceService's status, from what is asked for and what answers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use resources::InferenceService;
use resources::inference_service::{
    Addressable, CanaryStatus, ComponentStatus, FailureInfo, InferenceServiceStatus, ModelCopies,
    ModelRevisionStates, ModelState, ModelStatus, ServiceCondition, TransitionStatus,
};

use super::decide::{CONVINCING, Plan};
use super::desired::{Refusal, Workload};
use crate::backends::url;

/// What is known about a revision that does not get ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One of KServe's reasons.
    pub(crate) reason: &'static str,
    /// Why, for people.
    pub(crate) message: String,
    /// Ends in a row without ever having been ready.
    pub(crate) times: usize,
}

/// All that a status is made of.
pub(crate) struct Seen<'a> {
    pub(crate) service: &'a InferenceService,
    /// Service and predictor, the stable one first.
    pub(crate) workloads: &'a [(String, Result<Workload, Refusal>)],
    pub(crate) plan: &'a Plan,
    /// The last failure of a revision, by its id.
    pub(crate) failure: &'a dyn Fn(&str) -> Option<Failure>,
    /// Where all models answer.
    pub(crate) entry: &'a str,
    pub(crate) now: &'a Time,
}

/// The status; times of what has not changed stay.
pub(crate) fn status(seen: &Seen<'_>) -> InferenceServiceStatus {
    let before = seen.service.status.clone().unwrap_or_default();
    let (stable_service, stable) = &seen.workloads[0];
    let ports = ports(seen.plan, stable_service);
    let told = Told::of(seen, stable_service, stable);
    let ready = ServiceCondition {
        status: truth(!ports.is_empty()).to_owned(),
        reason: told.reason.map(str::to_owned).filter(|_| ports.is_empty()),
        message: told.message.clone().filter(|_| ports.is_empty()),
        ..ServiceCondition::default()
    };
    let mut conditions = vec![named("PredictorReady", &ready), named("Ready", &ready)];
    let canaries: Vec<CanaryStatus> = seen.workloads[1..]
        .iter()
        .zip(&seen.service.spec.canary)
        .map(|((service, workload), spec)| CanaryStatus {
            name: spec.predictor.name.clone().unwrap_or_default(),
            ready: serves(seen.plan, service, workload.as_ref().ok()),
        })
        .collect();
    if !canaries.is_empty() {
        let all = canaries.iter().all(|canary| canary.ready);
        let waiting = seen.workloads[1..].iter().find_map(|(service, workload)| {
            let told = Told::of(seen, service, workload);
            told.message.map(|message| format!("{service}: {message}"))
        });
        conditions.push(ServiceCondition {
            type_: "CanaryPredictorReady".into(),
            status: truth(all).into(),
            reason: Some(
                if all {
                    "AllCanariesReady"
                } else {
                    "CanariesNotReady"
                }
                .into(),
            ),
            message: waiting.filter(|_| !all),
            ..ServiceCondition::default()
        });
    }
    for condition in &mut conditions {
        let known = before
            .conditions
            .iter()
            .find(|known| known.type_ == condition.type_ && known.status == condition.status);
        condition.last_transition_time = known
            .and_then(|known| known.last_transition_time.clone())
            .or_else(|| Some(seen.now.clone()));
    }
    let address = ports.first().map(|port| Addressable {
        url: Some(url(*port)),
        ..Addressable::default()
    });
    let answering = seen
        .plan
        .assigned
        .get(stable_service)
        .map(|who| who.revision.clone());
    let wanted = stable.as_ref().ok().map(|workload| workload.revision.id.clone());
    let component = ComponentStatus {
        url: Some(seen.entry.to_owned()),
        address: address.clone(),
        latest_ready_revision: answering,
        latest_created_revision: wanted,
        ..ComponentStatus::default()
    };
    InferenceServiceStatus {
        conditions,
        address,
        url: Some(seen.entry.to_owned()),
        components: [("predictor".to_owned(), component)].into(),
        canary_statuses: canaries,
        model_status: Some(told.model_status(&before, seen.now, !ports.is_empty())),
        deployment_mode: Some("Standard".into()),
        cluster_serving_runtime_name: stable
            .as_ref()
            .ok()
            .map(|workload| workload.revision.runtime.clone()),
        observed_generation: seen.service.metadata.generation,
        ..InferenceServiceStatus::default()
    }
}

/// How one predictor is.
struct Told {
    transition: TransitionStatus,
    reason: Option<&'static str>,
    message: Option<String>,
    failed: usize,
    total: usize,
}

impl Told {
    fn of(seen: &Seen<'_>, service: &str, workload: &Result<Workload, Refusal>) -> Self {
        let workload = match workload {
            Ok(workload) => workload,
            Err(refusal) => {
                return Self {
                    transition: TransitionStatus::InvalidSpec,
                    reason: Some(refusal.reason),
                    message: Some(refusal.message.clone()),
                    failed: 0,
                    total: 0,
                };
            }
        };
        let failure = (seen.failure)(&workload.revision.id);
        let (transition, reason, message) = match &failure {
            _ if serves(seen.plan, service, Some(workload)) => (TransitionStatus::UpToDate, None, None),
            Some(failure) => {
                let transition = match failure.times >= CONVINCING {
                    true => TransitionStatus::BlockedByFailedLoad,
                    false => TransitionStatus::InProgress,
                };
                (transition, Some(failure.reason), Some(failure.message.clone()))
            }
            None => (
                TransitionStatus::InProgress,
                Some("NotReady"),
                Some(format!("revision {} is not ready yet", workload.revision.id)),
            ),
        };
        Self {
            transition,
            reason,
            message,
            failed: failure.map_or(0, |failure| failure.times),
            total: workload.replicas,
        }
    }

    fn model_status(&self, before: &InferenceServiceStatus, now: &Time, answers: bool) -> ModelStatus {
        let failing = matches!(
            self.transition,
            TransitionStatus::BlockedByFailedLoad | TransitionStatus::InvalidSpec
        );
        let known = before
            .model_status
            .as_ref()
            .and_then(|model| model.last_failure_info.clone());
        let failure = (failing || self.failed > 0).then(|| {
            let same = known.filter(|known| known.message == self.message);
            FailureInfo {
                reason: self.reason.map(str::to_owned),
                message: self.message.clone(),
                time: same.and_then(|known| known.time).or_else(|| Some(now.clone())),
                ..FailureInfo::default()
            }
        });
        let active = match answers {
            true => ModelState::Loaded,
            false => ModelState::Pending,
        };
        let target = match self.transition {
            TransitionStatus::UpToDate => ModelState::Loaded,
            TransitionStatus::InProgress => ModelState::Loading,
            _ => ModelState::FailedToLoad,
        };
        ModelStatus {
            transition_status: Some(self.transition.clone()),
            states: Some(ModelRevisionStates {
                active_model_state: Some(active),
                target_model_state: Some(target),
            }),
            last_failure_info: failure,
            copies: Some(ModelCopies {
                failed_copies: i32::try_from(self.failed).unwrap_or(i32::MAX),
                total_copies: i32::try_from(self.total).ok(),
            }),
        }
    }
}

/// Whether the wanted revision answers.
fn serves(plan: &Plan, service: &str, workload: Option<&Workload>) -> bool {
    let answering = plan.assigned.get(service).map(|who| &who.revision);
    let wanted = workload.map(|workload| &workload.revision.id);
    answering.is_some() && answering == wanted && !ports(plan, service).is_empty()
}

fn ports<'a>(plan: &'a Plan, service: &str) -> &'a [u16] {
    plan.ports.get(service).map(Vec::as_slice).unwrap_or_default()
}

fn named(type_: &str, condition: &ServiceCondition) -> ServiceCondition {
    ServiceCondition {
        type_: type_.to_owned(),
        ..condition.clone()
    }
}

fn truth(holds: bool) -> &'static str {
    if holds { "True" } else { "False" }
}

#[cfg(test)]
mod tests;
