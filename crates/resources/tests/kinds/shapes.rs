//! Types and schemas say the same, and tolerate what they do not know.

#![allow(clippy::unwrap_used)] // a test's own steps

use resources::{Experiment, HttpRoute, InferenceService, RayJob, definitions, inference_service, ray_job};
use serde_json::{Value, json};

/// The schema below a path like `spec.rules[].name`; what is open has everything below it.
fn below<'a>(mut schema: &'a Value, path: &str) -> Option<&'a Value> {
    for step in path.replace("[]", ".[]").split('.') {
        if schema["x-kubernetes-preserve-unknown-fields"] == true {
            return Some(schema);
        }
        let next = match step {
            "[]" => schema.get("items"),
            field => schema["properties"]
                .get(field)
                .or_else(|| schema.get("additionalProperties")),
        };
        schema = next?;
    }
    Some(schema)
}

#[test]
fn every_listed_path_is_in_the_schema() {
    for definition in definitions() {
        let Some(support) = definition.support else {
            continue;
        };
        let honoured = support
            .honoured
            .iter()
            .flat_map(|(at, fields)| fields.iter().map(move |f| format!("{at}.{f}")));
        let others = support
            .values
            .iter()
            .map(|(path, _)| *path)
            .chain(support.refused.iter().map(|(path, _)| *path));
        for path in honoured.chain(others.map(str::to_owned)) {
            assert!(
                below(&definition.schema, &path).is_some(),
                "{}: {path} is not in the schema",
                definition.kind
            );
        }
    }
}

#[test]
fn the_kinds_are_upstreams() {
    let names: Vec<_> = definitions()
        .iter()
        .map(|d| (d.api_version(), d.kind.clone(), d.plural.clone(), d.namespaced))
        .collect();
    let expected = [
        ("v1", "ConfigMap", "configmaps", true),
        ("v1", "Secret", "secrets", true),
        ("v1", "Event", "events", true),
        ("events.k8s.io/v1", "Event", "events", true),
        ("kubeflow.org/v1beta1", "Experiment", "experiments", true),
        ("ray.io/v1", "RayJob", "rayjobs", true),
        (
            "serving.kserve.io/v1beta1",
            "InferenceService",
            "inferenceservices",
            true,
        ),
        (
            "serving.kserve.io/v1alpha1",
            "ClusterServingRuntime",
            "clusterservingruntimes",
            false,
        ),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes", true),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(v, k, p, n)| ((*v).to_owned(), (*k).to_owned(), (*p).to_owned(), *n))
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn lists_merge_as_upstream_says() {
    let definitions = definitions();
    let list = |kind: &str, path: &str| {
        let definition = definitions
            .iter()
            .find(|definition| definition.kind == kind)
            .unwrap();
        let schema = below(&definition.schema, path).unwrap();
        (
            schema["x-kubernetes-list-type"].clone(),
            schema["x-kubernetes-list-map-keys"].clone(),
        )
    };
    let map = |keys: &[&str]| (json!("map"), json!(keys));
    assert_eq!(list("Experiment", "spec.parameters"), map(&["name"]));
    assert_eq!(list("Experiment", "status.conditions"), map(&["type"]));
    assert_eq!(list("Experiment", "metadata.ownerReferences"), map(&["uid"]));
    assert_eq!(
        list("Experiment", "metadata.finalizers"),
        (json!("set"), Value::Null)
    );
    assert_eq!(list("ClusterServingRuntime", "spec.containers"), map(&["name"]));
    assert_eq!(
        list("ClusterServingRuntime", "spec.containers[].env"),
        map(&["name"])
    );
    assert_eq!(
        list("ClusterServingRuntime", "spec.containers[].ports"),
        map(&["containerPort", "protocol"])
    );
    assert_eq!(
        list("ClusterServingRuntime", "spec.containers[].args"),
        (json!("atomic"), Value::Null)
    );
    assert_eq!(list("HTTPRoute", "spec.rules"), (json!("atomic"), Value::Null));
}

#[test]
fn what_a_newer_controller_adds_is_no_error() {
    let job: RayJob = serde_json::from_value(json!({
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "x"},
        "spec": {"entrypoint": "true", "someday": {"a": 1}},
        "status": {"jobDeploymentStatus": "Hibernating", "novel": true}
    }))
    .unwrap();
    let status = job.status.unwrap();
    assert_eq!(
        status.job_deployment_status,
        Some(ray_job::JobDeploymentStatus::Other("Hibernating".into()))
    );
    assert_eq!(
        serde_json::to_value(&status).unwrap(),
        json!({"jobDeploymentStatus": "Hibernating"})
    );
    let bare: Experiment = serde_json::from_value(
        json!({"metadata": {"name": "x"}, "spec": {"trialTemplate": {"trialSpec": {"any": 1}}}}),
    )
    .unwrap();
    assert_eq!(
        bare.spec.trial_template.unwrap().trial_spec,
        Some(json!({"any": 1}))
    );
}

#[test]
fn services_are_named_as_kserve_names_them() {
    assert_eq!(inference_service::predictor_service("a"), "a-predictor");
    assert_eq!(inference_service::canary_service("a", "v2"), "a-v2-predictor");
    let service: InferenceService = serde_json::from_value(json!({
        "metadata": {"name": "a"},
        "spec": {"predictor": {}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "canaryStatuses": [{"name": "v2", "ready": true}]}
    }))
    .unwrap();
    let status = service.status.unwrap();
    assert!(status.holds("Ready") && status.canary_ready("v2") && !status.canary_ready("v3"));
}

#[test]
fn a_route_is_accepted_when_every_gateway_says_so_of_its_generation() {
    let condition = |type_: &str, generation: i64| {
        json!({"type": type_, "status": "True", "reason": type_, "message": "",
               "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": generation})
    };
    let route = |conditions: Value| -> HttpRoute {
        serde_json::from_value(json!({
            "metadata": {"name": "a"},
            "spec": {},
            "status": {"parents": [{"parentRef": {"name": "basecamp"}, "controllerName": "x", "conditions": conditions}]}
        }))
        .unwrap()
    };
    let status = |conditions: Value| route(conditions).status.unwrap();
    assert!(status(json!([condition("Accepted", 2), condition("ResolvedRefs", 2)])).accepted(2));
    assert!(!status(json!([condition("Accepted", 1), condition("ResolvedRefs", 2)])).accepted(2));
    assert!(!status(json!([condition("Accepted", 2)])).accepted(2));
    assert!(!resources::http_route::HttpRouteStatus::default().accepted(1));
}

/// What is absent is a rule's business: a schema that demands more than its type would refuse what upstream takes.
#[test]
fn schemas_demand_no_field_of_a_spec() {
    for definition in definitions().iter().filter(|definition| !definition.built_in) {
        for path in [
            "spec",
            "spec.objective",
            "spec.algorithm",
            "spec.trialTemplate",
            "spec.metricsCollectorSpec",
            "spec.rayClusterSpec",
            "spec.rayClusterSpec.headGroupSpec",
            "spec.predictor",
            "spec.predictor.model",
            "spec.canary[]",
            "spec.rules[]",
            "spec.rules[].backendRefs[]",
            "status",
        ] {
            let demanded = below(&definition.schema, path).map_or(&Value::Null, |schema| &schema["required"]);
            assert!(
                demanded.is_null(),
                "{}: {path} demands {demanded}",
                definition.kind
            );
        }
    }
}
