//! Whether an object is as far as others need it: a function of what the API server tells.

use serde_json::Value;

/// How far an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It serves.
    Ready,
    /// Not yet; what is seen.
    Waiting(String),
    /// Its controller has given it up; why.
    Failed(String),
}

/// Judges an object as it was read; `None`: it is not there. Kinds without a state of their own are ready as soon as
/// they are there.
pub(super) fn judge(kind: &str, object: Option<&Value>) -> Readiness {
    let Some(object) = object else {
        return Readiness::Waiting("not there".into());
    };
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Readiness::Waiting("being deleted".into());
    }
    match kind {
        "CustomResourceDefinition" => condition(object, "Established"),
        "Deployment" => deployment(object),
        "StatefulSet" => counts(
            object,
            "readyReplicas",
            number(object, "/spec/replicas").unwrap_or(1),
        ),
        "DaemonSet" => counts(
            object,
            "numberAvailable",
            number(object, "/status/desiredNumberScheduled").unwrap_or(0),
        ),
        _ => Readiness::Ready,
    }
}

/// Whether a condition of the status is `True`.
pub(super) fn condition(object: &Value, wanted: &str) -> Readiness {
    match find(object, wanted) {
        Some(found) if found["status"] == "True" => Readiness::Ready,
        Some(found) => Readiness::Waiting(format!("{wanted} is {}", told(found))),
        None => Readiness::Waiting(format!("{wanted} is not told yet")),
    }
}

fn deployment(object: &Value) -> Readiness {
    if let Some(found) = find(object, "Progressing")
        && found["status"] == "False"
        && number(object, "/metadata/generation") == number(object, "/status/observedGeneration")
    {
        return Readiness::Failed(told(found));
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    match counts(object, "updatedReplicas", wanted) {
        Readiness::Ready => match number(object, "/status/replicas").unwrap_or(0) {
            replicas if replicas > wanted => {
                Readiness::Waiting(format!("{} of another revision", replicas - wanted))
            }
            _ => counts(object, "availableReplicas", wanted),
        },
        other => other,
    }
}

fn counts(object: &Value, field: &str, wanted: u64) -> Readiness {
    if number(object, "/metadata/generation") != number(object, "/status/observedGeneration") {
        return Readiness::Waiting("its controller has not seen it yet".into());
    }
    let found = number(object, &format!("/status/{field}")).unwrap_or(0);
    if found >= wanted {
        Readiness::Ready
    } else {
        Readiness::Waiting(format!("{found} of {wanted} ready"))
    }
}

fn number(object: &Value, pointer: &str) -> Option<u64> {
    object.pointer(pointer)?.as_u64()
}

fn find<'a>(object: &'a Value, wanted: &str) -> Option<&'a Value> {
    object
        .pointer("/status/conditions")?
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == wanted)
}

fn told(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().unwrap_or_default().trim().to_owned();
    let (reason, message) = (text("reason"), text("message"));
    match (reason.is_empty(), message.is_empty()) {
        (true, true) => text("status"),
        (_, true) => reason,
        (true, _) => message,
        _ => format!("{reason}: {message}"),
    }
}

/// What keeps a pod from being ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// `ErrImagePull (ghcr.io/a:1): …`.
    pub(super) what: String,
    /// Whether it does not mend itself: an image that is not to be had, a setting that is wrong.
    pub(super) is_lasting: bool,
}

/// The first trouble of a pod's containers, or that it cannot be placed.
pub(super) fn trouble(pod: &Value) -> Option<Trouble> {
    if let Some(found) = find(pod, "PodScheduled")
        && found["status"] == "False"
    {
        return Some(Trouble {
            what: told(found),
            is_lasting: false,
        });
    }
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|list| pod["status"][list].as_array())
        .flatten()
        .find_map(|container| {
            let waiting = &container["state"]["waiting"];
            let reason = waiting["reason"].as_str()?;
            if matches!(reason, "ContainerCreating" | "PodInitializing") {
                return None;
            }
            let is_lasting = matches!(
                reason,
                "ErrImagePull"
                    | "ImagePullBackOff"
                    | "ErrImageNeverPull"
                    | "InvalidImageName"
                    | "CreateContainerConfigError"
                    | "CreateContainerError"
                    | "CrashLoopBackOff"
            );
            let place = match reason {
                "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" => {
                    container["image"].as_str()
                }
                _ => container["name"].as_str(),
            };
            let ended = container
                .pointer("/lastState/terminated/exitCode")
                .and_then(Value::as_i64)
                .map(|code| format!("; it ended with code {code}"))
                .unwrap_or_default();
            Some(Trouble {
                what: format!("{reason} ({}){ended}", place.unwrap_or_default()),
                is_lasting,
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn workload(generation: u64, observed: u64, status: &Value) -> Value {
        let mut object =
            json!({"metadata": {"generation": generation}, "spec": {"replicas": 2}, "status": status});
        object["status"]["observedGeneration"] = observed.into();
        object
    }

    #[rstest]
    #[case::unseen(workload(2, 1, &json!({"updatedReplicas": 2, "availableReplicas": 2})), "its controller has not seen it yet")]
    #[case::rolling(workload(2, 2, &json!({"updatedReplicas": 1, "availableReplicas": 2})), "1 of 2 ready")]
    #[case::old_left(workload(2, 2, &json!({"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2})), "1 of another revision")]
    #[case::unavailable(workload(2, 2, &json!({"replicas": 2, "updatedReplicas": 2})), "0 of 2 ready")]
    fn a_deployment_that_waits_says_for_what(#[case] deployment: Value, #[case] expected: &str) {
        let waiting = Readiness::Waiting(expected.into());
        assert_eq!(judge("Deployment", Some(&deployment)), waiting);
    }

    #[test]
    fn a_deployment_is_ready_or_failed() {
        let all = json!({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2});
        assert_eq!(judge("Deployment", Some(&workload(3, 3, &all))), Readiness::Ready);
        let given_up = json!({"conditions": [{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "timed out"}]});
        let failed = Readiness::Failed("ProgressDeadlineExceeded: timed out".into());
        assert_eq!(judge("Deployment", Some(&workload(3, 3, &given_up))), failed);
        // That was said of the spec before.
        let waiting = Readiness::Waiting("its controller has not seen it yet".into());
        assert_eq!(judge("Deployment", Some(&workload(4, 3, &given_up))), waiting);
    }

    #[rstest]
    #[case("Deployment", None, Readiness::Waiting("not there".into()))]
    #[case("Namespace", Some(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})), Readiness::Waiting("being deleted".into()))]
    #[case("ConfigMap", Some(json!({})), Readiness::Ready)]
    #[case("CustomResourceDefinition", Some(json!({"status": {"conditions": [{"type": "Established", "status": "True"}]}})), Readiness::Ready)]
    #[case("CustomResourceDefinition", Some(json!({})), Readiness::Waiting("Established is not told yet".into()))]
    #[case("DaemonSet", Some(json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "desiredNumberScheduled": 2, "numberAvailable": 1}})), Readiness::Waiting("1 of 2 ready".into()))]
    fn other_kinds(#[case] kind: &str, #[case] object: Option<Value>, #[case] expected: Readiness) {
        assert_eq!(judge(kind, object.as_ref()), expected);
    }

    #[test]
    fn a_condition_that_does_not_hold_gives_its_reason() {
        let gateway = json!({"status": {"conditions": [{"type": "Programmed", "status": "False", "reason": "Invalid"}]}});
        assert_eq!(
            condition(&gateway, "Programmed"),
            Readiness::Waiting("Programmed is Invalid".into())
        );
    }

    #[rstest]
    #[case(json!({"state": {"running": {}}}), None)]
    #[case(json!({"state": {"waiting": {"reason": "ContainerCreating"}}}), None)]
    #[case(json!({"image": "a:1", "state": {"waiting": {"reason": "ImagePullBackOff"}}}), Some(("ImagePullBackOff (a:1)", true)))]
    #[case(json!({"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 2}}}), Some(("CrashLoopBackOff (c); it ended with code 2", true)))]
    fn what_keeps_a_container(#[case] container: Value, #[case] expected: Option<(&str, bool)>) {
        let pod = json!({"status": {"containerStatuses": [container]}});
        let found = trouble(&pod);
        let found = found
            .as_ref()
            .map(|trouble| (trouble.what.as_str(), trouble.is_lasting));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_pod_without_a_place_says_why() {
        let pod = json!({"status": {"conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "Insufficient cpu"}]}});
        assert_eq!(trouble(&pod).unwrap().what, "Unschedulable: Insufficient cpu");
    }
}
