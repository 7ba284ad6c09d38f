//! What goes over the wire where nothing has to run for it.

use crate::server::Server;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use processes::Shim;
use rstest::rstest;
use serde_json::{Value, json};
use tower::ServiceExt;

const HELLO: &str = include_str!("packages/hello.yaml");
const FORM: &str = "multipart/form-data; boundary=X";
const NO_ID: &str = "00000000-0000-4000-8000-000000000000";

async fn call(router: &Router, method: Method, path: &str, body: &str) -> (u16, Value) {
    let kind = if body.starts_with("--X") {
        FORM
    } else {
        "application/json"
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:8888")
        .header("content-type", kind)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| panic!("{status} {}", String::from_utf8_lossy(&bytes)));
    (status, body)
}

async fn get(router: &Router, path: &str) -> (u16, Value) {
    call(router, Method::GET, path, "").await
}

fn form(package: &str) -> String {
    format!(
        "--X\r\nContent-Disposition: form-data; name=\"uploadfile\"; filename=\"hello.yaml\"\r\n\r\n{package}\r\n--X--\r\n"
    )
}

async fn uploaded(router: &Router) -> (String, String) {
    let path = "/apis/v2beta1/pipelines/upload?name=hello";
    let (status, pipeline) = call(router, Method::POST, path, &form(HELLO)).await;
    assert_eq!(status, 200, "{pipeline}");
    let id = pipeline["pipeline_id"].as_str().unwrap().to_owned();
    let (_, versions) = get(router, &format!("/apis/v2beta1/pipelines/{id}/versions")).await;
    let version = versions["pipeline_versions"][0]["pipeline_version_id"]
        .as_str()
        .unwrap();
    (id, version.to_owned())
}

#[rstest]
#[case::no_such_path(Method::GET, "/apis/v2beta1/nothing", "", 404, json!(5), "Not Found")]
#[case::no_such_method(Method::PUT, "/apis/v2beta1/runs", "", 405, json!(12), "Method Not Allowed")]
#[case::no_such_verb(
    Method::POST, "/apis/v2beta1/runs/00000000-0000-4000-8000-000000000000:explode", "", 405, json!(12),
    "Method Not Allowed"
)]
#[case::no_run(
    Method::GET, "/apis/v2beta1/runs/00000000-0000-4000-8000-000000000000", "", 404, json!(5),
    "Failed to get a run: there is no run `00000000-0000-4000-8000-000000000000`"
)]
#[case::no_id(Method::GET, "/apis/v2beta1/runs/7", "", 404, json!(5), "Failed to get a run: Run 7 not found")]
#[case::nameless_run(
    Method::POST, "/apis/v2beta1/runs", "{}", 400, json!(3),
    "Failed to create a new run: The run name is empty. Please specify a valid name"
)]
#[case::sourceless_run(
    Method::POST, "/apis/v2beta1/runs", r#"{"display_name":"a"}"#, 400, json!(3),
    "Failed to create a new run: Failed to fetch a template with an empty pipeline spec manifest"
)]
#[case::unknown_field(
    Method::POST, "/apis/v2beta1/runs", r#"{"displayname":"a"}"#, 400, json!(3), "body: unknown field \"displayname\""
)]
#[case::unknown_experiment(
    Method::POST, "/apis/v2beta1/runs",
    r#"{"display_name":"a","experiment_id":"7","pipeline_spec":{}}"#, 404, json!(5),
    "Failed to create a new run: Experiment 7 not found"
)]
#[case::page_size(
    Method::GET, "/apis/v2beta1/runs?page_size=many", "", 400, json!(3),
    "Failed to deserialize query string: page_size: invalid digit found in string"
)]
#[case::nameless_experiment(
    Method::POST, "/apis/v2beta1/experiments", "{}", 400, json!(3),
    "Failed to create a experiment: an experiment needs a name"
)]
#[case::nameless_recurring_run(
    Method::POST, "/apis/v2beta1/recurringruns", "{}", 400, json!(3),
    "Failed to create a recurring run: Recurring run's name cannot be empty"
)]
#[case::never_recurring_run(
    Method::POST, "/apis/v2beta1/recurringruns", r#"{"display_name":"a","max_concurrency":"1"}"#, 400, json!(3),
    "Failed to create a recurring run: trigger: a cron_schedule or a periodic_schedule is required"
)]
#[case::too_many_at_once(
    Method::POST, "/apis/v2beta1/recurringruns",
    r#"{"display_name":"a","max_concurrency":11,"trigger":{"cron_schedule":{"cron":"* * * * * *"}},"pipeline_spec":{}}"#,
    400, json!(3),
    "Failed to create a recurring run: Max concurrency of a recurring run must be at least 1 and at most 10. Received 11"
)]
#[case::less_than_none_at_once(
    Method::POST, "/apis/v2beta1/recurringruns",
    r#"{"display_name":"a","max_concurrency":"-1","trigger":{"cron_schedule":{"cron":"* * * * * *"}}}"#, 400, json!(3),
    "Failed to create a recurring run: Max concurrency of a recurring run must be at least 1 and at most 10. Received -1"
)]
#[case::no_recurring_run(
    Method::POST, "/apis/v2beta1/recurringruns/7:enable", "", 404, json!(5),
    "Failed to enable a recurring run: RecurringRun 7 not found"
)]
#[case::fetched_version(
    Method::POST, "/apis/v2beta1/pipelines/create",
    r#"{"pipeline":{"name":"a"},"pipeline_version":{"package_url":{"pipeline_url":"http://169.254.169.254/"}}}"#,
    400, json!(3),
    "Failed to create a pipeline: package_url: this server fetches nothing; upload the package, or send its pipeline_spec"
)]
#[case::no_pipeline_to_update(
    Method::PATCH, "/apis/v2beta1/pipelines/00000000-0000-4000-8000-000000000000", r#"{"display_name":"a"}"#, 404,
    json!(5), "Failed to update pipeline: there is no pipeline `00000000-0000-4000-8000-000000000000`"
)]
#[tokio::test]
async fn errors_have_kfp_s_codes_and_shape(
    #[case] method: Method,
    #[case] path: &str,
    #[case] body: &str,
    #[case] status: u16,
    #[case] code: Value,
    #[case] message: &str,
) {
    let server = Server::new(Shim::this_program()).await;
    let (answered, body) = call(&server.router, method, path, body).await;
    assert_eq!((answered, &body["code"]), (status, &code), "{body}");
    assert_eq!(body["message"], message);
    assert_eq!(
        body["details"][0]["@type"],
        "type.googleapis.com/google.rpc.Status"
    );
}

#[tokio::test]
async fn a_package_is_kept_as_it_was_uploaded() {
    let server = Server::new(Shim::this_program()).await;
    let (pipeline, version) = uploaded(&server.router).await;
    let (_, by_name) = get(&server.router, "/apis/v2beta1/pipelines/names/hello").await;
    assert_eq!(by_name["pipeline_id"], pipeline.as_str());
    let (_, told) = get(
        &server.router,
        &format!("/apis/v2beta1/pipelines/{pipeline}/versions/{version}"),
    )
    .await;
    assert_eq!(told["name"], "hello");
    assert_eq!(told["pipeline_spec"]["pipelineInfo"]["name"], "hello");
}

#[tokio::test]
async fn names_to_show_and_labels_change_where_they_are_given() {
    let server = Server::new(Shim::this_program()).await;
    let (pipeline, version) = uploaded(&server.router).await;
    let pipeline = format!("/apis/v2beta1/pipelines/{pipeline}");
    let version = format!("{pipeline}/versions/{version}");
    for path in [&pipeline, &version] {
        let asked = r#"{"display_name": "Hello", "tags": {"team": "ada"}}"#;
        let (status, told) = call(&server.router, Method::PATCH, path, asked).await;
        assert_eq!(
            (status, &told["display_name"], &told["name"]),
            (200, &json!("Hello"), &json!("hello"))
        );
        assert_eq!(told["tags"], json!({"team": "ada"}));
        let (_, kept) = call(&server.router, Method::PATCH, path, "{}").await;
        assert_eq!(kept, told);
        let (_, bare) = call(&server.router, Method::PATCH, path, r#"{"tags": {}}"#).await;
        assert_eq!((bare.get("tags"), &bare["display_name"]), (None, &json!("Hello")));
    }
}

#[tokio::test]
async fn a_version_is_made_of_the_spec_itself() {
    let server = Server::new(Shim::this_program()).await;
    let spec: Value = serde_yaml::from_str(HELLO).unwrap();
    let asked = json!({"pipeline": {"name": "a"}, "pipeline_version": {"pipeline_spec": spec}});
    let path = "/apis/v2beta1/pipelines/create";
    let (status, made) = call(&server.router, Method::POST, path, &asked.to_string()).await;
    assert_eq!(status, 200, "{made}");
    let path = format!(
        "/apis/v2beta1/pipelines/{}/versions",
        made["pipeline_id"].as_str().unwrap()
    );
    let asked = json!({"display_name": "second", "pipeline_spec": spec});
    let (status, version) = call(&server.router, Method::POST, &path, &asked.to_string()).await;
    assert_eq!((status, &version["name"]), (200, &json!("second")), "{version}");
    assert_eq!(get(&server.router, &path).await.1["total_size"], 2);
}

#[rstest]
#[case::no_yaml(
    "/apis/v2beta1/pipelines/upload?name=a", &form("root: ["), 400, "Failed to create a pipeline and a pipeline version: "
)]
#[case::archive(
    "/apis/v2beta1/pipelines/upload?name=a", &form("PK\u{3}\u{4}"), 400,
    "Failed to create a pipeline and a pipeline version: hello.yaml: not a valid zip file"
)]
#[case::no_file(
    "/apis/v2beta1/pipelines/upload?name=a",
    "--X--\r\n",
    400,
    "Failed to create a pipeline and a pipeline version: the form has no field uploadfile"
)]
#[case::taken(
    "/apis/v2beta1/pipelines/upload?name=hello", &form(HELLO), 409,
    "Failed to create a pipeline and a pipeline version: pipeline `hello` exists already"
)]
#[case::tags(
    "/apis/v2beta1/pipelines/upload?name=a&tags=x", &form(HELLO), 400,
    "Failed to create a pipeline and a pipeline version: Failed to parse tags query parameter"
)]
#[case::no_pipeline(
    "/apis/v2beta1/pipelines/upload_version?name=a&pipelineid=7", &form(HELLO), 404,
    "Failed to create a pipeline version: Pipeline 7 not found"
)]
#[tokio::test]
async fn uploads_are_refused_in_the_shape_of_uploads(
    #[case] path: &str,
    #[case] body: &str,
    #[case] status: u16,
    #[case] details: &str,
) {
    let server = Server::new(Shim::this_program()).await;
    uploaded(&server.router).await;
    let (answered, body) = call(&server.router, Method::POST, path, body).await;
    assert_eq!(answered, status, "{body}");
    let told = body["error_details"].as_str().unwrap();
    assert!(told.starts_with(details), "{told}");
    assert!(told.ends_with(body["error_message"].as_str().unwrap()), "{body}");
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let server = Server::new(Shim::this_program()).await;
    let package = "#".repeat((32 << 20) + (128 << 10));
    let path = "/apis/v2beta1/pipelines/upload?name=a";
    let (status, body) = call(&server.router, Method::POST, path, &form(&package)).await;
    assert_eq!(status, 400, "{body}");
    let spec = format!(r#"{{"display_name":"{package}"}}"#);
    let (status, body) = call(&server.router, Method::POST, "/apis/v2beta1/runs", &spec).await;
    assert_eq!(status, 400, "{body}");
}

#[tokio::test]
async fn a_strange_host_is_refused_before_anything_else() {
    let server = Server::new(Shim::this_program()).await;
    let request = Request::builder()
        .uri("/apis/v2beta1/healthz")
        .header("host", "evil.example")
        .body(Body::empty())
        .unwrap();
    let response = server.router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 403);
}

#[tokio::test]
async fn a_run_tells_its_source_its_parameters_and_its_experiment() {
    let server = Server::new(Shim::this_program()).await;
    let router = &server.router;
    let (pipeline, version) = uploaded(router).await;
    let (_, experiment) = call(
        router,
        Method::POST,
        "/apis/v2beta1/experiments",
        r#"{"displayName":"e"}"#,
    )
    .await;
    let reference = json!({"pipeline_id": pipeline, "pipeline_version_id": version});
    let asked = json!({
        "display_name": "a",
        "experiment_id": experiment["experiment_id"],
        "pipeline_version_reference": reference,
        "description": null,
    });
    let (status, run) = call(router, Method::POST, "/apis/v2beta1/runs", &asked.to_string()).await;
    assert_eq!(status, 200, "{run}");
    let (_, told) = get(
        router,
        &format!("/apis/v2beta1/runs/{}", run["run_id"].as_str().unwrap()),
    )
    .await;
    assert_eq!(told["experiment_id"], experiment["experiment_id"]);
    assert_eq!(told["pipeline_version_reference"], reference);
    assert_eq!(told.get("pipeline_spec"), None);
    assert_eq!(told["storage_state"], "AVAILABLE");
    let listed = format!(
        "/apis/v2beta1/runs?experiment_id={}",
        experiment["experiment_id"].as_str().unwrap()
    );
    assert_eq!(get(router, &listed).await.1["total_size"], 1);
    let elsewhere = format!("/apis/v2beta1/runs?experiment_id={NO_ID}");
    assert_eq!(get(router, &elsewhere).await.1.get("runs"), None);
}
