//! What is told for people and for tools.

use serde_json::json;

use super::EXPERIMENTS;
use crate::served::{Served, experiment};

#[tokio::test]
async fn tables_have_rows_for_people() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    connection
        .send(
            "POST",
            EXPERIMENTS,
            "application/json",
            experiment("tune").to_string(),
        )
        .await;
    let status =
        json!({"status": {"trials": 3, "conditions": [{"type": "Running", "status": "True"}]}}).to_string();
    connection
        .send(
            "PATCH",
            &format!("{EXPERIMENTS}/tune/status"),
            "application/merge-patch+json",
            status,
        )
        .await;
    let token = format!("Bearer {}", served.token());
    let headers = [
        ("host", "127.0.0.1"),
        ("authorization", token.as_str()),
        (
            "accept",
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        ),
    ];
    let (_, table) = connection.send_with("GET", EXPERIMENTS, &headers, "").await;
    let names: Vec<_> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "Name",
            "Type",
            "Status",
            "Trials",
            "Succeeded",
            "Cap",
            "Best",
            "Age"
        ]
    );
    let cells = table["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(
        cells[..7],
        [
            json!("tune"),
            json!("Running"),
            json!("True"),
            json!(3),
            json!(null),
            json!(20),
            json!(null)
        ]
    );
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let only = [
        headers[0],
        headers[1],
        ("accept", "application/vnd.kubernetes.protobuf"),
    ];
    assert_eq!(connection.send_with("GET", EXPERIMENTS, &only, "").await.0, 406);
    served.end().await;
}

#[tokio::test]
async fn documents_say_what_is_served() {
    let served = Served::start().await;
    let mut connection = served.connect().await;
    let json = "application/json";
    let (_, index) = connection.send("GET", "/openapi/v3", json, "").await;
    let paths: Vec<_> = index["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        paths,
        [
            "api/v1",
            "apis/events.k8s.io/v1",
            "apis/gateway.networking.k8s.io/v1",
            "apis/kubeflow.org/v1beta1",
            "apis/ray.io/v1",
            "apis/serving.kserve.io/v1alpha1",
            "apis/serving.kserve.io/v1beta1"
        ]
    );
    let url = index["paths"]["apis/kubeflow.org/v1beta1"]["serverRelativeURL"]
        .as_str()
        .unwrap();
    let (_, document) = connection.send("GET", url, json, "").await;
    let patch =
        &document["paths"]["/apis/kubeflow.org/v1beta1/namespaces/{namespace}/experiments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Experiment");
    assert!(
        patch["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .any(|parameter| parameter["name"] == "fieldValidation")
    );
    let schema = &document["components"]["schemas"]["org.kubeflow.v1beta1.Experiment"];
    assert_eq!(
        schema["properties"]["spec"]["properties"]["maxTrialCount"]["type"],
        "integer"
    );
    let (_, second) = connection.send("GET", "/openapi/v2", json, "").await;
    assert!(second["definitions"]["io.k8s.api.core.v1.ConfigMap"].is_object());
    served.end().await;
}
