//! Runs that run.

use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use image_store::Base;
use rstest::rstest;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::server::Server;

const HELLO: &str = include_str!("packages/hello.yaml");
const DEADLINE: Duration = Duration::from_secs(60);

/// A server on which `hello.yaml` runs.
async fn server() -> Server {
    let server = Server::new(crate::shim()).await;
    server.publish("shell", "latest", &Base::default());
    server
}

async fn answer(server: &Server, request: Request<Body>) -> (u16, Vec<u8>) {
    let response = server.router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        to_bytes(response.into_body(), 1 << 22).await.unwrap().to_vec(),
    )
}

async fn json(server: &Server, method: Method, path: &str, body: &Value) -> Value {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .body(Body::from(body.to_string()))
        .unwrap();
    let (status, bytes) = answer(server, request).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    serde_json::from_slice(&bytes).unwrap()
}

/// Runs `hello.yaml` to its end.
async fn run(server: &Server, who: &str) -> String {
    let spec: Value = serde_yaml::from_str(HELLO).unwrap();
    run_spec(server, &spec, &json!({"who": who})).await
}

/// Runs a package to its good end.
async fn run_spec(server: &Server, spec: &Value, parameters: &Value) -> String {
    let asked = json!({
        "display_name": "a", "pipeline_spec": spec, "runtime_config": {"parameters": parameters}
    });
    let run = json(server, Method::POST, "/apis/v2beta1/runs", &asked).await;
    let id = run["run_id"].as_str().unwrap().to_owned();
    let deadline = Instant::now() + DEADLINE;
    loop {
        let run = json(
            server,
            Method::GET,
            &format!("/apis/v2beta1/runs/{id}"),
            &Value::Null,
        )
        .await;
        match run["state"].as_str() {
            Some("SUCCEEDED") => return id,
            Some("PENDING" | "RUNNING") if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            _ => panic!("{run}"),
        }
    }
}

async fn greet(server: &Server, run: &str) -> Value {
    let path = format!("/apis/v2beta1/runs/{run}/tasks");
    let listed = json(server, Method::GET, &path, &Value::Null).await;
    let tasks = listed["tasks"].as_array().unwrap();
    tasks.iter().find(|task| task["name"] == "greet").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_tell_what_went_in_and_what_came_out() {
    let server = server().await;
    let first = run(&server, "Ada").await;
    let task = greet(&server, &first).await;
    assert_eq!(task["state"], "SUCCEEDED");
    assert_eq!(task["type"], "RUNTIME");
    assert_eq!(task["scope_path"], "root.greet");
    assert_eq!(
        task["inputs"]["parameters"],
        json!([{"value": "Ada", "type": "COMPONENT_INPUT", "parameter_key": "who"}])
    );
    assert_eq!(
        task["outputs"]["parameters"],
        json!([{"value": "hello Ada", "type": "OUTPUT", "parameter_key": "Output"}])
    );
    assert_eq!(task["pods"][0]["type"], "EXECUTOR");

    let second = run(&server, "Ada").await;
    let cached = greet(&server, &second).await;
    assert_eq!(cached["state"], "CACHED");
    assert_eq!(cached["cache_fingerprint"], task["cache_fingerprint"]);
    assert_eq!(cached["outputs"], task["outputs"]);
    assert_eq!(cached.get("pods"), None);
}

#[rstest]
#[case::whole(None, 200, "0123456789\n")]
#[case::from("bytes=7-".into(), 206, "789\n")]
#[case::last("bytes=-3".into(), 206, "89\n")]
#[case::more_than_there_is("bytes=-99".into(), 206, "0123456789\n")]
#[case::behind_the_end("bytes=99-".into(), 200, "")]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_in_parts(#[case] range: Option<&str>, #[case] status: u16, #[case] text: &str) {
    let server = server().await;
    let id = run(&server, "Ada").await;
    let task = greet(&server, &id).await;
    let node = task["pods"][0]["name"].as_str().unwrap();
    // The step writes nothing; what it would have written is put where it would be.
    let log = log_of(&server, &id, node).await;
    std::fs::write(log, "0123456789\n").unwrap();
    let mut request = Request::builder()
        .uri(format!("/apis/v1alpha1/runs/{id}/nodes/{node}/log"))
        .header("host", "localhost");
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let (answered, body) = answer(&server, request.body(Body::empty()).unwrap()).await;
    assert_eq!(
        (answered, String::from_utf8(body).unwrap().as_str()),
        (status, text)
    );
}

async fn log_of(server: &Server, run: &str, task: &str) -> std::path::PathBuf {
    let task = server.engine.task(task.parse().unwrap()).await.unwrap();
    assert_eq!(task.run.to_string(), run);
    task.attempts.last().unwrap().log.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_found_by_known_nodes_only() {
    let server = server().await;
    let id = run(&server, "Ada").await;
    for node in [
        "..%2F..%2Fengine%2Fengine.db",
        "executor",
        "00000000-0000-4000-8000-000000000000",
    ] {
        let request = Request::builder()
            .uri(format!("/apis/v1alpha1/runs/{id}/nodes/{node}/log"))
            .header("host", "localhost")
            .body(Body::empty())
            .unwrap();
        let (status, body) = answer(&server, request).await;
        let told: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, 404, "{told}");
        assert!(
            told["error_details"]
                .as_str()
                .unwrap()
                .starts_with("Failed to read logs for run "),
            "{told}"
        );
    }
}

/// A package whose step leaves its artifact by this shell script, `$1` its place.
fn leaves(script: &str) -> String {
    include_str!("packages/artifact.yaml").replace("SCRIPT", script)
}

#[rstest]
#[case::file("printf noted > \"$1\"", "text", 200, r#"{"data":"bm90ZWQ="}"#)]
#[case::empty(": > \"$1\"", "text", 200, r#"{"data":""}"#)]
#[case::unknown("printf noted > \"$1\"", "other", 404, "there is no artifact `other`")]
#[case::path(
    "printf noted > \"$1\"",
    "..%2F..%2Fengine%2Fengine.db",
    404,
    "there is no artifact"
)]
#[case::folder("mkdir \"$1\"", "text", 400, "artifact `text` is a folder")]
#[case::link_out(
    "ln -s /etc/passwd \"$1\"",
    "text",
    400,
    "artifact `text` is not among those that the engine keeps"
)]
#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_read_where_the_engine_keeps_it(
    #[case] script: &str,
    #[case] name: &str,
    #[case] status: u16,
    #[case] expected: &str,
) {
    let server = server().await;
    let spec: Value = serde_yaml::from_str(&leaves(script)).unwrap();
    let id = run_spec(&server, &spec, &json!({})).await;
    let (answered, body) = read_artifact(&server, &id, "leave", name).await;
    assert!(answered == status && body.contains(expected), "{answered} {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_artifact_is_encoded_whole() {
    let server = server().await;
    let script = "printf %01000000d 0 > \"$1\"";
    let spec: Value = serde_yaml::from_str(&leaves(script)).unwrap();
    let id = run_spec(&server, &spec, &json!({})).await;
    let (status, body) = read_artifact(&server, &id, "leave", "text").await;
    let data = serde_json::from_str::<Value>(&body).unwrap()["data"]
        .as_str()
        .unwrap()
        .to_owned();
    // A million bytes: 333,333 groups of three, and one of one.
    assert_eq!((status, data.len()), (200, 1_333_336));
    assert!(
        data.starts_with("MDAwMDAw") && data.ends_with("MDAwMA=="),
        "{}",
        &data[1_333_300..]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_imported_from_elsewhere_is_not_read() {
    let server = server().await;
    let spec: Value = serde_yaml::from_str(include_str!("packages/import.yaml")).unwrap();
    let id = run_spec(&server, &spec, &json!({})).await;
    let (status, body) = read_artifact(&server, &id, "importer", "artifact").await;
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("it is at file:///etc/hostname"), "{body}");
}

/// A step that puts a link in its log's place does not get the file behind it told.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_a_link_is_not_followed() {
    let server = server().await;
    let id = run(&server, "Ada").await;
    let node = greet(&server, &id).await["pods"][0]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let log = log_of(&server, &id, &node).await;
    std::fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &log).unwrap();
    let request = Request::builder()
        .uri(format!("/apis/v1alpha1/runs/{id}/nodes/{node}/log"))
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    let (status, body) = answer(&server, request).await;
    let body = String::from_utf8(body).unwrap();
    assert_eq!(status, 500, "{body}");
    assert!(!body.contains("root"), "{body}");
}

async fn read_artifact(server: &Server, run: &str, task: &str, name: &str) -> (u16, String) {
    let listed = json(
        server,
        Method::GET,
        &format!("/apis/v2beta1/runs/{run}/tasks"),
        &Value::Null,
    )
    .await;
    let tasks = listed["tasks"].as_array().unwrap();
    let found = tasks.iter().find(|found| found["name"] == task).unwrap();
    let node = found["task_id"].as_str().unwrap();
    let request = Request::builder()
        .uri(format!(
            "/apis/v2beta1/runs/{run}/nodes/{node}/artifacts/{name}:read"
        ))
        .header("host", "localhost")
        .body(Body::empty())
        .unwrap();
    let (status, body) = answer(server, request).await;
    (status, String::from_utf8(body).unwrap())
}
