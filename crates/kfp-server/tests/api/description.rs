//! What the server says of its API, and what it serves.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use processes::Shim;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::server::Server;

async fn call(server: &Server, method: &str, path: &str) -> (u16, Vec<u8>) {
    let request = Request::builder()
        .method(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap())
        .uri(path)
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec(),
    )
}

async fn description(server: &Server) -> Value {
    let (status, body) = call(server, "get", "/apis/basecamp/v1/openapi.json").await;
    assert_eq!(status, 200);
    serde_json::from_slice(&body).unwrap()
}

/// Every call, as path, method and what is said of it.
fn calls(description: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = description["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods
                .iter()
                .map(move |(method, told)| (path.as_str(), method.as_str(), told))
        })
        .collect()
}

#[tokio::test]
async fn every_call_that_is_described_is_served() {
    let server = Server::new(Shim::this_program()).await;
    let description = description(&server).await;
    for (path, method, told) in calls(&description) {
        let concrete = path
            .split('{')
            .map(|part| {
                part.split_once('}')
                    .map_or(part.to_owned(), |(_, rest)| format!("x{rest}"))
            })
            .collect::<String>();
        let (status, body) = call(&server, method, &concrete).await;
        let text = String::from_utf8_lossy(&body);
        let unknown = text.contains(r#""message":"Not Found""#) || status == 405;
        assert!(!unknown && status < 500, "{method} {path}: {status} {text}");
        assert!(
            told["operationId"].as_str().is_some_and(|id| !id.is_empty()),
            "{method} {path}"
        );
        assert!(
            told["summary"].as_str().is_some_and(|line| line.ends_with('.')),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn every_schema_that_is_named_is_there() {
    let server = Server::new(Shim::this_program()).await;
    let description = description(&server).await;
    let text = description.to_string();
    for reference in text.split(r##""$ref":"#/components/schemas/"##).skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(description["components"]["schemas"].get(name).is_some(), "{name}");
    }
    assert!(description["components"]["schemas"].get("RecurringRun").is_some());
}

/// The calls of KFP's own clients (kfp_server_api 2.17), but for those of its controllers, its viewers and its dummy.
#[tokio::test]
async fn every_call_of_kfp_s_client_is_described() {
    const KFP: [(&str, &str); 36] = [
        ("get", "/apis/v2beta1/auth"),
        ("get", "/apis/v2beta1/experiments"),
        ("post", "/apis/v2beta1/experiments"),
        ("delete", "/apis/v2beta1/experiments/{}"),
        ("get", "/apis/v2beta1/experiments/{}"),
        ("post", "/apis/v2beta1/experiments/{}:archive"),
        ("post", "/apis/v2beta1/experiments/{}:unarchive"),
        ("get", "/apis/v2beta1/healthz"),
        ("get", "/apis/v2beta1/pipelines"),
        ("post", "/apis/v2beta1/pipelines"),
        ("post", "/apis/v2beta1/pipelines/create"),
        ("get", "/apis/v2beta1/pipelines/names/{}"),
        ("post", "/apis/v2beta1/pipelines/upload"),
        ("post", "/apis/v2beta1/pipelines/upload_version"),
        ("patch", "/apis/v2beta1/pipelines/{}"),
        ("delete", "/apis/v2beta1/pipelines/{}"),
        ("get", "/apis/v2beta1/pipelines/{}"),
        ("get", "/apis/v2beta1/pipelines/{}/versions"),
        ("post", "/apis/v2beta1/pipelines/{}/versions"),
        ("delete", "/apis/v2beta1/pipelines/{}/versions/{}"),
        ("get", "/apis/v2beta1/pipelines/{}/versions/{}"),
        ("patch", "/apis/v2beta1/pipelines/{}/versions/{}"),
        ("get", "/apis/v2beta1/recurringruns"),
        ("post", "/apis/v2beta1/recurringruns"),
        ("delete", "/apis/v2beta1/recurringruns/{}"),
        ("get", "/apis/v2beta1/recurringruns/{}"),
        ("post", "/apis/v2beta1/recurringruns/{}:disable"),
        ("post", "/apis/v2beta1/recurringruns/{}:enable"),
        ("get", "/apis/v2beta1/runs"),
        ("post", "/apis/v2beta1/runs"),
        ("delete", "/apis/v2beta1/runs/{}"),
        ("get", "/apis/v2beta1/runs/{}"),
        ("post", "/apis/v2beta1/runs/{}:archive"),
        ("post", "/apis/v2beta1/runs/{}:retry"),
        ("post", "/apis/v2beta1/runs/{}:terminate"),
        ("post", "/apis/v2beta1/runs/{}:unarchive"),
    ];
    let server = Server::new(Shim::this_program()).await;
    let description = description(&server).await;
    let described: Vec<(String, String)> = calls(&description)
        .into_iter()
        .map(|(path, method, _)| {
            let nameless = path
                .split('{')
                .map(|part| {
                    part.split_once('}')
                        .map_or(part.to_owned(), |(_, rest)| format!("{{}}{rest}"))
                })
                .collect();
            (method.to_owned(), nameless)
        })
        .collect();
    let missing: Vec<_> = KFP
        .into_iter()
        .filter(|(method, path)| !described.iter().any(|(m, p)| m == method && p == path))
        .collect();
    assert_eq!(missing, [], "of {}", json!(described));
}
