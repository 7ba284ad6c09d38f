use std::collections::BTreeMap;

use super::*;
use crate::inference_service::decide::Assigned;
use crate::inference_service::desired::Revision;
use rstest::rstest;
use serde_json::{Value, json};

fn service(before: &Value) -> InferenceService {
    serde_json::from_value(json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "commits", "namespace": "serving", "generation": 4},
        "spec": {"predictor": {}, "canary": [{"predictor": {"name": "v2"}, "trafficPercent": 10}]},
        "status": before,
    }))
    .unwrap()
}

fn workload(service: &str, revision: &str) -> (String, Result<Workload, Refusal>) {
    let workload = Workload {
        service: service.into(),
        name: None,
        replicas: 1,
        revision: Revision {
            id: revision.into(),
            runtime: "r1".into(),
            container: serde_json::from_str(r#"{"name":"kserve-container"}"#).unwrap(),
            storage_uri: String::new(),
            grace_seconds: 30,
        },
    };
    (service.into(), Ok(workload))
}

fn plan(answering: &[(&str, &str, u16)]) -> Plan {
    let who = |revision: &str| Assigned {
        revision: revision.into(),
        replicas: 1,
    };
    Plan {
        assigned: answering
            .iter()
            .map(|(service, revision, _)| ((*service).into(), who(revision)))
            .collect(),
        ports: answering
            .iter()
            .map(|(service, _, port)| ((*service).into(), vec![*port]))
            .collect::<BTreeMap<_, _>>(),
        ..Plan::default()
    }
}

fn told(
    before: &Value,
    stable: (String, Result<Workload, Refusal>),
    plan: &Plan,
    failure: Option<&Failure>,
    at: &str,
) -> Value {
    let seen = Seen {
        service: &service(before),
        workloads: &[stable, workload("c", "b")],
        plan,
        failure: &|revision| failure.cloned().filter(|_| revision == "a"),
        entry: "http://127.0.0.1:8080",
        now: &Time(at.parse().unwrap()),
    };
    serde_json::to_value(status(&seen)).unwrap()
}

fn conditions(status: &Value) -> Vec<String> {
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|condition| {
            format!(
                "{} {} {}",
                text(condition, "type"),
                text(condition, "status"),
                text(condition, "reason")
            )
            .trim()
            .to_owned()
        })
        .collect()
}

const FIRST: &str = "2026-01-01T00:00:00Z";

#[test]
fn serving_with_a_canary() {
    let plan = plan(&[("p", "a", 41001), ("c", "b", 41002)]);
    let status = told(&Value::Null, workload("p", "a"), &plan, None, FIRST);
    assert_eq!(
        conditions(&status),
        [
            "PredictorReady True",
            "Ready True",
            "CanaryPredictorReady True AllCanariesReady"
        ]
    );
    assert_eq!(status["address"]["url"], "http://127.0.0.1:41001");
    assert_eq!(status["url"], "http://127.0.0.1:8080");
    assert_eq!(status["canaryStatuses"], json!([{"name": "v2", "ready": true}]));
    assert_eq!(status["modelStatus"]["transitionStatus"], "UpToDate");
    assert_eq!(status["observedGeneration"], 4);
    assert_eq!(
        told(&status, workload("p", "a"), &plan, None, "2026-01-02T00:00:00Z"),
        status
    );
}

fn failed(times: usize) -> Option<Failure> {
    Some(Failure {
        reason: "RuntimeUnhealthy",
        message: "exit code 1".into(),
        times,
    })
}

#[rstest]
#[case::starting(None, "InProgress", "PredictorReady False NotReady")]
#[case::failed_once(failed(1), "InProgress", "PredictorReady False RuntimeUnhealthy")]
#[case::failed_often(failed(3), "BlockedByFailedLoad", "PredictorReady False RuntimeUnhealthy")]
fn before_anything_answers(
    #[case] failure: Option<Failure>,
    #[case] transition: &str,
    #[case] condition: &str,
) {
    let status = told(
        &Value::Null,
        workload("p", "a"),
        &plan(&[]),
        failure.as_ref(),
        FIRST,
    );
    assert_eq!(status["modelStatus"]["transitionStatus"], transition);
    assert_eq!(conditions(&status)[0], condition);
    assert_eq!(
        conditions(&status)[2],
        "CanaryPredictorReady False CanariesNotReady"
    );
}

#[test]
fn an_old_revision_keeps_it_ready() {
    let plan = plan(&[("p", "old", 41001)]);
    let status = told(&Value::Null, workload("p", "a"), &plan, failed(3).as_ref(), FIRST);
    assert_eq!(conditions(&status)[..2], ["PredictorReady True", "Ready True"]);
    assert_eq!(status["modelStatus"]["transitionStatus"], "BlockedByFailedLoad");
    assert_eq!(status["modelStatus"]["lastFailureInfo"]["message"], "exit code 1");
    assert_eq!(
        status["modelStatus"]["states"],
        json!({"activeModelState": "Loaded", "targetModelState": "FailedToLoad"})
    );
}

#[test]
fn a_refused_predictor_says_why() {
    let refusal = Refusal {
        reason: "RuntimeNotRecognized",
        message: "ClusterServingRuntime x does not exist".into(),
    };
    let status = told(&Value::Null, ("p".into(), Err(refusal)), &plan(&[]), None, FIRST);
    assert_eq!(
        conditions(&status)[0],
        "PredictorReady False RuntimeNotRecognized"
    );
    assert_eq!(status["modelStatus"]["transitionStatus"], "InvalidSpec");
    assert_eq!(
        status["modelStatus"]["lastFailureInfo"]["reason"],
        "RuntimeNotRecognized"
    );
}
