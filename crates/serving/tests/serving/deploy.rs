//! `deploy` against an API server that says what a test wants said: states that real controllers pass through in a
//! moment, or get into only when something is broken. Budget: 20 s.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::stream::{self, StreamExt};
use rstest::rstest;
use serde_json::{Value, json};
use serving::{Action, Deployed, Deployment, Golden, ServingError, connect, deploy};

const SERVICES: &str = "/apis/serving.kserve.io/v1beta1/namespaces/serving/inferenceservices";
const ROUTES: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/serving/httproutes";
const RUNTIMES: &str = "/apis/serving.kserve.io/v1alpha1/clusterservingruntimes";
const EVENTS: &str = "/api/v1/namespaces/serving/events";

/// An API server of one namespace, and the model behind it.
#[derive(Default)]
struct Server {
    /// By path.
    objects: BTreeMap<String, Value>,
    /// Status of an object once it is applied, by collection.
    status: BTreeMap<&'static str, Value>,
    /// Status that a watch tells next, by collection.
    next_status: BTreeMap<&'static str, Value>,
    /// Collections whose watches and lists are forbidden.
    forbidden: Vec<&'static str>,
    /// Numbers the model answers.
    answers: Vec<f64>,
    /// Writes and inference requests, in order.
    log: Vec<String>,
    version: u64,
}

type Shared = Arc<Mutex<Server>>;

impl Server {
    /// All is well: a runtime, controllers that get ready at once, a model that answers as recorded.
    fn well() -> Self {
        let mut server = Self::default();
        server.put(
            &format!("{RUNTIMES}/runtime"),
            json!({"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterServingRuntime",
                "metadata": {"name": "runtime"}, "spec": {"supportedModelFormats": [{"name": "basecamp"}], "containers": []}}),
        );
        server.status.insert(SERVICES, ready());
        server.status.insert(ROUTES, accepted());
        server.answers = vec![0.5];
        server
    }

    fn put(&mut self, path: &str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(path.to_owned(), object);
    }

    /// The last one to apply states the whole object.
    fn apply(&mut self, path: &str, mut object: Value) -> Value {
        let collection = path.rsplit_once('/').unwrap().0;
        if let Some(status) = self.status.get(collection) {
            object["status"] = status.clone();
        }
        self.put(path, object);
        self.objects[path].clone()
    }
}

fn ready() -> Value {
    json!({"conditions": [{"type": "Ready", "status": "True"}], "modelStatus": {"transitionStatus": "UpToDate"}})
}

fn accepted() -> Value {
    let condition = |type_: &str| json!({"type": type_, "status": "True", "reason": type_, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    json!({"parents": [{"parentRef": {"name": "basecamp"}, "controllerName": "c",
        "conditions": [condition("Accepted"), condition("ResolvedRefs")]}]})
}

fn failing() -> Value {
    json!({"conditions": [{"type": "Ready", "status": "False"}], "modelStatus": {"transitionStatus": "BlockedByFailedLoad",
        "lastFailureInfo": {"reason": "ModelLoadFailed", "message": "model.json is missing"}}})
}

async fn handle(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    Query(query): Query<BTreeMap<String, String>>,
    body: Bytes,
) -> Response {
    let mut server = shared.lock().unwrap();
    let path = uri.path().to_owned();
    let collection = [SERVICES, ROUTES, RUNTIMES, EVENTS]
        .into_iter()
        .find(|known| *known == path);
    match (method, collection) {
        (Method::POST, _) if path.ends_with("/infer") => {
            server.log.push("infer".to_owned());
            let data = server.answers.clone();
            Json(json!({"outputs": [{"name": "p", "shape": [data.len()], "datatype": "FP64", "data": data}]}))
                .into_response()
        }
        (Method::PATCH, None) => {
            server
                .log
                .push(format!("apply {}", path.rsplit('/').nth(1).unwrap()));
            let wanted: Value = serde_json::from_slice(&body).unwrap();
            Json(server.apply(&path, wanted)).into_response()
        }
        (Method::GET, None) => match server.objects.get(&path) {
            Some(object) => Json(object.clone()).into_response(),
            None => refusal(StatusCode::NOT_FOUND, "NotFound", "not found"),
        },
        (Method::GET, Some(collection)) if server.forbidden.contains(&collection) => refusal(
            StatusCode::FORBIDDEN,
            "Forbidden",
            "inferenceservices is forbidden",
        ),
        (Method::GET, Some(collection)) if query.contains_key("watch") => {
            let next = server.next_status.remove(collection);
            let told: Vec<String> = next.map_or(Vec::new(), |status| {
                server.version += 1;
                let version = server.version.to_string();
                let (_, object) = server
                    .objects
                    .iter_mut()
                    .find(|(path, _)| path.starts_with(collection))
                    .unwrap();
                object["status"] = status;
                object["metadata"]["resourceVersion"] = version.into();
                vec![format!("{}\n", json!({"type": "MODIFIED", "object": object}))]
            });
            let lines = stream::iter(told.into_iter().map(Ok::<_, std::io::Error>)).chain(stream::pending());
            Body::from_stream(lines).into_response()
        }
        (Method::GET, Some(collection)) => {
            let items = server
                .objects
                .iter()
                .filter(|(path, _)| path.starts_with(collection));
            let items: Vec<&Value> = items.map(|(_, object)| object).collect();
            let version = server.version.to_string();
            Json(json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": version}, "items": items}))
                .into_response()
        }
        _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "no such verb"),
    }
}

fn refusal(status: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message,
        "code": status.as_u16()});
    (status, Json(body)).into_response()
}

fn deployment() -> Deployment {
    Deployment {
        name: "m".into(),
        namespace: "serving".into(),
        version: 1,
        storage_uri: "s3://b/model".into(),
        runtime: "runtime".into(),
    }
}

struct World {
    shared: Shared,
    url: String,
    _kubeconfig: tempfile::TempDir,
    client: kube::Client,
}

async fn world(server: Server) -> World {
    world_away_for(server, 0).await
}

/// One whose server drops its first connections, as one does that is killed and comes back.
async fn world_away_for(server: Server, connections: usize) -> World {
    let shared = Arc::new(Mutex::new(server));
    let app = Router::new().fallback(handle).with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for _ in 0..connections {
            drop(listener.accept().await.unwrap());
        }
        axum::serve(listener, app).await.unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{}}}}]
clusters: [{{name: c, cluster: {{server: '{url}'}}}}]
"
    );
    std::fs::write(&path, text).unwrap();
    let client = connect(Some(&path), None).await.unwrap();
    World {
        shared,
        url,
        _kubeconfig: folder,
        client,
    }
}

impl World {
    async fn deploy(
        &self,
        asked: &Deployment,
        seconds: u64,
    ) -> (Result<Deployed, ServingError>, Vec<String>) {
        let golden = Golden::parse(b"[{\"inputs\": []}]", b"[[0.5]]").unwrap();
        let mut told = Vec::new();
        let timeout = Duration::from_secs(seconds);
        let outcome = Box::pin(deploy(
            &self.client,
            asked,
            &self.url,
            &golden,
            timeout,
            |progress| {
                told.push(progress.to_string());
            },
        ))
        .await;
        (outcome, told)
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().unwrap().log)
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_and_told_of_once() {
    let world = world_away_for(Server::well(), 3).await;
    let (deployed, told) = world.deploy(&deployment(), 20).await;
    deployed.unwrap();
    let silence = "waiting for ClusterServingRuntime runtime: the Kubernetes API does not answer: ";
    assert!(told[0].starts_with(silence), "{told:?}");
    assert_eq!(
        told.iter()
            .filter(|line| line.contains("does not answer"))
            .count(),
        1
    );
}

#[tokio::test]
async fn a_server_that_stays_away_is_given_up() {
    let world = world_away_for(Server::well(), usize::MAX).await;
    let (deployed, _) = world.deploy(&deployment(), 1).await;
    let error = deployed.unwrap_err();
    assert!(matches!(error, ServingError::Silent { .. }), "{error}");
}

#[tokio::test]
async fn the_service_is_ready_before_the_route_names_it() {
    let world = world(Server::well()).await;
    let (deployed, told) = world.deploy(&deployment(), 20).await;
    let deployed = deployed.unwrap();
    assert_eq!(deployed.endpoint, format!("{}/v2/models/m/infer", world.url));
    assert_eq!(
        world.log(),
        ["apply inferenceservices", "apply httproutes", "infer"]
    );
    assert_eq!(
        told,
        [
            "InferenceService serving/m: created",
            "HTTPRoute serving/m: created",
            "golden requests answered as recorded: 1 of 1"
        ]
    );
}

#[tokio::test]
async fn a_split_route_is_made_whole_before_its_canary_goes() {
    let mut server = Server::well();
    server.put(
        &format!("{ROUTES}/m"),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "m", "namespace": "serving", "labels": {"app.kubernetes.io/managed-by": "mlship"}},
            "spec": {"rules": [{"backendRefs": [{"name": "m-predictor", "weight": 90}, {"name": "m-v2-predictor", "weight": 10}]}]}}),
    );
    let world = world(server).await;
    let (deployed, _) = world.deploy(&deployment(), 20).await;
    deployed.unwrap();
    assert_eq!(
        world.log(),
        ["apply httproutes", "apply inferenceservices", "infer"]
    );
}

#[tokio::test]
async fn a_wait_ends_as_soon_as_the_controller_says_so() {
    let mut server = Server::well();
    let starting = json!({"conditions": [{"type": "Ready", "status": "False", "reason": "Starting"}]});
    server.status.insert(SERVICES, starting);
    server.next_status.insert(SERVICES, ready());
    let world = world(server).await;
    let begun = Instant::now();
    let (deployed, told) = world.deploy(&deployment(), 60).await;
    deployed.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(
        told[1],
        "waiting for InferenceService serving/m: Ready=False (Starting)"
    );
}

#[tokio::test]
async fn a_failure_of_the_spec_before_is_waited_out() {
    let mut server = Server::well();
    let mut object = json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "m", "namespace": "serving", "labels": {"app.kubernetes.io/managed-by": "mlship"}},
        "spec": {"predictor": {}}});
    object["status"] = failing();
    server.put(&format!("{SERVICES}/m"), object);
    server.status.insert(SERVICES, failing());
    server.next_status.insert(SERVICES, ready());
    let world = world(server).await;
    let (deployed, _) = world.deploy(&deployment(), 20).await;
    assert_eq!(deployed.unwrap().changes[0].action, Action::Configured);
}

fn event(second: u32, name: &str, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("{name}.{second}"), "namespace": "serving"},
        "involvedObject": {"kind": "InferenceService", "name": name}, "type": "Warning", "reason": "Unready",
        "message": message, "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z")})
}

#[rstest]
#[case::no_runtime(
    |server: &mut Server| drop(server.objects.remove(&format!("{RUNTIMES}/runtime"))),
    "ClusterServingRuntime runtime is not there; there are: none"
)]
#[case::another_runtime(
    |server: &mut Server| {
        let runtime = server.objects.remove(&format!("{RUNTIMES}/runtime")).unwrap();
        server.put(&format!("{RUNTIMES}/other"), runtime);
        server.objects.get_mut(&format!("{RUNTIMES}/other")).unwrap()["metadata"]["name"] = "other".into();
    },
    "ClusterServingRuntime runtime is not there; there are: other"
)]
#[case::disabled_runtime(
    |server: &mut Server| {
        server.objects.get_mut(&format!("{RUNTIMES}/runtime")).unwrap()["spec"]["disabled"] = true.into();
    },
    "ClusterServingRuntime runtime cannot serve: it is disabled"
)]
#[case::formatless_runtime(
    |server: &mut Server| {
        server.objects.get_mut(&format!("{RUNTIMES}/runtime")).unwrap()["spec"] = json!({"containers": []});
    },
    "ClusterServingRuntime runtime cannot serve: it declares no model format"
)]
#[case::foreign(
    |server: &mut Server| server.put(&format!("{SERVICES}/m"), json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "m", "labels": {"app.kubernetes.io/managed-by": "helm"}}, "spec": {"predictor": {}}})),
    "InferenceService serving/m is there already and not ours (label app.kubernetes.io/managed-by is `helm`)"
)]
#[case::forbidden(
    |server: &mut Server| server.forbidden.push(SERVICES),
    "watch InferenceService serving/m: inferenceservices is forbidden (403)"
)]
#[case::failed(
    |server: &mut Server| drop(server.status.insert(SERVICES, failing())),
    "InferenceService serving/m failed: ModelLoadFailed: model.json is missing"
)]
#[case::never_ready(
    |server: &mut Server| {
        server.status.insert(SERVICES, json!({"conditions": [{"type": "Ready", "status": "Unknown"}]}));
        server.put(&format!("{EVENTS}/2"), event(2, "m", "later"));
        server.put(&format!("{EVENTS}/1"), event(1, "m", "earlier"));
        server.put(&format!("{EVENTS}/3"), event(3, "n", "of another"));
    },
    "InferenceService serving/m is not ready after 2 s; last seen: Ready=Unknown\n  \
     event: Warning Unready: earlier\n  event: Warning Unready: later"
)]
#[case::no_gateway(
    |server: &mut Server| drop(server.status.remove(ROUTES)),
    "HTTPRoute serving/m is not ready after 2 s; last seen: no gateway `basecamp` has answered yet"
)]
#[case::another_answer(
    |server: &mut Server| server.answers = vec![0.25],
    "InferenceService serving/m: golden request 1 of 1 at URL/v2/models/m/infer: value 1: recorded 0.5, answered 0.25"
)]
#[tokio::test]
async fn what_goes_wrong_names_the_object(#[case] change: fn(&mut Server), #[case] expected: &str) {
    let mut server = Server::well();
    change(&mut server);
    let world = world(server).await;
    let (outcome, _) = world.deploy(&deployment(), 2).await;
    let message = outcome.unwrap_err().to_string();
    assert_eq!(message.replace(&world.url, "URL"), expected);
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_before_anything_is_sent() {
    let world = world(Server::default()).await;
    let asked = Deployment {
        storage_uri: "models:/m/1".into(),
        ..deployment()
    };
    let (outcome, _) = world.deploy(&asked, 2).await;
    assert!(matches!(outcome, Err(ServingError::StorageUri { .. })));
}
