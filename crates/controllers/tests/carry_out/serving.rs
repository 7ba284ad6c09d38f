//! InferenceServices and HTTPRoutes: served, replaced, split, crashed, adopted, deleted.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use resources::{ClusterServingRuntime, HttpRoute, InferenceService};
use serde_json::{Value, json};

use crate::rung::{IMAGE, Rung, condition, eventually, gone, until};

const PATH: &str = "/v2/models/commits/infer";

fn model(rung: &Rung, name: &str, file: &str) -> String {
    let folder = rung.state.path().join("models").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(file), name).unwrap();
    format!("file://{}", folder.display())
}

async fn runtime(rung: &Rung) {
    let runtimes: Api<ClusterServingRuntime> = Api::all(rung.client.clone());
    let runtime = serde_json::from_value(json!({
        "apiVersion": "serving.kserve.io/v1alpha1", "kind": "ClusterServingRuntime", "metadata": {"name": "test"},
        "spec": {
            "supportedModelFormats": [{"name": "value", "version": "1"}],
            "protocolVersions": ["v2"],
            "containers": [{
                "name": "kserve-container", "image": IMAGE,
                "command": ["python", "server.py"], "args": ["{{.Name}}", "/mnt/models"],
                "env": [{"name": "HOST", "value": "0.0.0.0"}, {"name": "PORT", "value": "8080"}],
                "readinessProbe": {"httpGet": {"path": "/v2/models/{{.Name}}/ready", "port": 8080}, "periodSeconds": 1},
            }],
        },
    }))
    .unwrap();
    runtimes.create(&PostParams::default(), &runtime).await.unwrap();
}

fn service(uri: &str) -> InferenceService {
    serde_json::from_value(json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "commits", "namespace": "serving", "annotations": {"serving.kserve.io/deploymentMode": "Standard"}},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "value"}, "runtime": "test", "storageUri": uri}}},
    }))
    .unwrap()
}

fn route(backends: &Value) -> HttpRoute {
    serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "commits", "namespace": "serving"},
        "spec": {
            "parentRefs": [{"name": "basecamp"}],
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/v2/models/commits"}}], "backendRefs": backends}],
        },
    }))
    .unwrap()
}

fn backend(name: &str, weight: u32) -> Value {
    json!({"name": name, "port": 80, "weight": weight})
}

/// A merge patch of the spec: the field manager of a test is nobody's concern.
async fn patch<K>(api: &Api<K>, spec: Value) -> K
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    api.patch(
        "commits",
        &PatchParams::default(),
        &Patch::Merge(json!({"spec": spec})),
    )
    .await
    .unwrap()
}

fn up_to_date(service: &InferenceService) -> bool {
    let status = service.status.as_ref();
    let transition = status.and_then(|status| status.model_status.as_ref()?.transition_status.as_ref());
    let current = status.and_then(|status| status.observed_generation) == service.metadata.generation;
    current
        && condition(service, "Ready") == "True"
        && transition.is_some_and(|transition| transition.as_str() == "UpToDate")
}

fn accepted(route: &HttpRoute) -> bool {
    let generation = route.metadata.generation.unwrap_or_default();
    route
        .status
        .as_ref()
        .is_some_and(|status| status.accepted(generation))
}

/// A served model behind a route.
async fn serving(rung: &Rung) -> (Api<InferenceService>, Api<HttpRoute>) {
    let (services, routes) = (
        rung.api::<InferenceService>("serving"),
        rung.api::<HttpRoute>("serving"),
    );
    runtime(rung).await;
    let uri = model(rung, "one", "value");
    services
        .create(&PostParams::default(), &service(&uri))
        .await
        .unwrap();
    routes
        .create(
            &PostParams::default(),
            &route(&json!([backend("commits-predictor", 100)])),
        )
        .await
        .unwrap();
    until(&services, "commits", "up to date", up_to_date).await;
    until(&routes, "commits", "accepted", accepted).await;
    // As on a cluster, a route hears of a Service's processes a moment after the Service is ready.
    eventually("an answer", async || {
        (rung.post(PATH).await.0 == 200).then_some(())
    })
    .await;
    (services, routes)
}

async fn answer(rung: &Rung) -> Value {
    let (status, answer) = rung.post(PATH).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Asks without a pause until stopped; what was answered, failures by their status.
struct Stream {
    stop: Arc<AtomicBool>,
    asking: tokio::task::JoinHandle<Vec<Result<Value, String>>>,
}

impl Stream {
    fn start(rung: &Rung) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let url = rung.config.traefik.entry.join(PATH).unwrap();
        let told = stop.clone();
        let asking = tokio::spawn(async move {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut answers = Vec::new();
            while !told.load(Ordering::SeqCst) {
                let asked = client.post(url.clone()).body("{}").send().await;
                answers.push(match asked {
                    Ok(answer) if answer.status().is_success() => {
                        answer.json().await.map_err(|error| error.to_string())
                    }
                    Ok(answer) => Err(answer.status().to_string()),
                    Err(error) => Err(error.to_string()),
                });
            }
            answers
        });
        Self { stop, asking }
    }

    /// The answers' values, in order of their first appearance; fails on a failed request.
    async fn values(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let answers = self.asking.await.unwrap();
        let failed: Vec<&String> = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .collect();
        assert!(
            failed.is_empty(),
            "{} of {} requests failed: {failed:?}",
            failed.len(),
            answers.len()
        );
        let mut values: Vec<String> = Vec::new();
        for answer in answers.into_iter().flatten() {
            let value = answer["value"].as_str().unwrap().to_owned();
            if values.last() != Some(&value) {
                values.push(value);
            }
        }
        values
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_model_takes_over_without_a_failed_request() {
    let rung = Rung::start().await;
    let (services, _) = serving(&rung).await;
    let before = rung.processes("server.py");
    let stream = Stream::start(&rung);
    let uri = model(&rung, "two", "value");
    patch(&services, json!({"predictor": {"model": {"storageUri": uri}}})).await;
    until(&services, "commits", "up to date", up_to_date).await;
    eventually("the old server to end", async || {
        before
            .iter()
            .all(|pid| !rung.processes("server.py").contains(pid))
            .then_some(())
    })
    .await;
    assert_eq!(stream.values().await, ["one", "two"]);

    // Who is served stays, who fails to come is told.
    let stream = Stream::start(&rung);
    let uri = model(&rung, "three", "broken");
    patch(&services, json!({"predictor": {"model": {"storageUri": uri}}})).await;
    let blocked = until(&services, "commits", "blocked", |service| {
        let model = service
            .status
            .as_ref()
            .and_then(|status| status.model_status.as_ref());
        model
            .and_then(|model| model.transition_status.as_ref())
            .is_some_and(|transition| transition.as_str() == "BlockedByFailedLoad")
    })
    .await;
    assert_eq!(condition(&blocked, "Ready"), "True");
    let failure = blocked
        .status
        .unwrap()
        .model_status
        .unwrap()
        .last_failure_info
        .unwrap();
    assert!(failure.message.unwrap().contains("cannot be loaded"));
    assert_eq!(stream.values().await, ["two"]);

    // A dead server is started again.
    patch(
        &services,
        json!({"predictor": {"model": {"storageUri": model(&rung, "two", "value")}}}),
    )
    .await;
    until(&services, "commits", "up to date", up_to_date).await;
    let pid = answer(&rung).await["pid"].clone();
    let _ = rung.post("/v2/models/commits/crash").await;
    let next = eventually("an answer from another process", async || {
        let (status, answer) = rung.post(PATH).await;
        (status == 200 && answer["pid"] != pid).then_some(answer)
    })
    .await;
    assert_eq!(next["value"], "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_is_split_promoted_and_rolled_back_without_a_failed_request() {
    let rung = Rung::start().await;
    let (services, routes) = serving(&rung).await;
    let stream = Stream::start(&rung);
    let uri = model(&rung, "two", "value");
    let canary = json!([{"predictor": {"name": "v2", "model": {"modelFormat": {"name": "value"}, "runtime": "test", "storageUri": uri}}, "trafficPercent": 50}]);
    patch(&services, json!({"canary": canary})).await;
    until(&services, "commits", "with a ready canary", |service| {
        condition(service, "CanaryPredictorReady") == "True"
            && service.status.as_ref().unwrap().canary_ready("v2")
    })
    .await;
    let halves = json!([
        backend("commits-predictor", 50),
        backend("commits-v2-predictor", 50)
    ]);
    patch(&routes, json!(route(&halves).spec)).await;
    until(&routes, "commits", "accepted", accepted).await;
    // Alone: the two backends take turns, and whoever asks in turns with another sees one of them.
    assert_eq!(stream.values().await.first().unwrap(), "one");
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        seen.insert(answer(&rung).await["value"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, BTreeSet::from(["one".to_owned(), "two".to_owned()]));

    // Promotion: all traffic first, then the name.
    let stream = Stream::start(&rung);
    patch(
        &routes,
        json!(route(&json!([backend("commits-v2-predictor", 1)])).spec),
    )
    .await;
    until(&routes, "commits", "accepted", accepted).await;
    let canary_pid = answer(&rung).await["pid"].clone();
    patch(
        &services,
        json!({"canary": null, "predictor": {"name": "v2", "model": {"storageUri": uri}}}),
    )
    .await;
    until(&services, "commits", "up to date", up_to_date).await;
    eventually("one server", async || {
        (rung.processes("server.py").len() == 1).then_some(())
    })
    .await;
    assert_eq!(
        answer(&rung).await["pid"],
        canary_pid,
        "the promoted process is the canary's"
    );
    assert_eq!(stream.values().await.last().unwrap(), "two");

    // A time limit holds.
    for (limit, status) in [("5ms", 504), ("30s", 200)] {
        let mut limited = json!(route(&json!([backend("commits-v2-predictor", 1)])).spec);
        limited["rules"][0]["timeouts"] = json!({"request": limit});
        patch(&routes, limited).await;
        until(&routes, "commits", "accepted", accepted).await;
        assert_eq!(rung.post(PATH).await.0, status);
    }

    // A backend that is gone is named.
    patch(
        &routes,
        json!(route(&json!([backend("commits-predictor", 1)])).spec),
    )
    .await;
    let route = until(&routes, "commits", "told", |route| {
        serde_json::to_string(&route.status)
            .unwrap()
            .contains("BackendNotFound")
    })
    .await;
    assert!(!accepted(&route));
    assert_eq!(rung.post(PATH).await.0, 503);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_finds_what_it_served_and_a_deleted_service_leaves_nothing() {
    let mut rung = Rung::start().await;
    let (services, routes) = serving(&rung).await;
    patch(&services, json!({"predictor": {"minReplicas": 2}})).await;
    let pids = async |rung: &Rung| {
        let mut pids = BTreeSet::new();
        for _ in 0..8 {
            pids.insert(answer(rung).await["pid"].as_i64().unwrap());
        }
        pids
    };
    let before = eventually("two replicas", async || {
        let pids = pids(&rung).await;
        (pids.len() == 2).then_some(pids)
    })
    .await;

    let stream = Stream::start(&rung);
    rung.kill_controllers();
    rung.start_controllers().await;
    let uri = model(&rung, "two", "value");
    patch(
        &services,
        json!({"predictor": {"minReplicas": 2, "model": {"storageUri": uri}}}),
    )
    .await;
    until(&services, "commits", "up to date", up_to_date).await;
    eventually("the old servers to end", async || {
        let now = rung.processes("server.py");
        before
            .iter()
            .all(|pid| !now.contains(&i32::try_from(*pid).unwrap()))
            .then_some(())
    })
    .await;
    assert_eq!(stream.values().await, ["one", "two"]);
    let after = pids(&rung).await;
    assert!(after.len() == 2 && after.is_disjoint(&before));

    rung.kill_controllers();
    rung.start_controllers().await;
    until(&services, "commits", "up to date", up_to_date).await;
    assert_eq!(pids(&rung).await, after, "adopted, neither replaced nor doubled");
    assert_eq!(rung.processes("server.py").len(), 2);

    services
        .delete("commits", &DeleteParams::default())
        .await
        .unwrap();
    gone(&services, "commits").await;
    eventually("no server", async || {
        rung.processes("server.py").is_empty().then_some(())
    })
    .await;
    assert_eq!(entries(&rung.config.serving.join("serving")), 0);
    routes.delete("commits", &DeleteParams::default()).await.unwrap();
    gone(&routes, "commits").await;
    assert_eq!(entries(&rung.config.traefik.routes), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_served_says_why() {
    let rung = Rung::start().await;
    let services = rung.api::<InferenceService>("serving");
    let uri = model(&rung, "one", "value");
    services
        .create(&PostParams::default(), &service(&uri))
        .await
        .unwrap();
    let refused = until(&services, "commits", "refused", |service| {
        condition(service, "Ready") == "False"
    })
    .await;
    let failure = refused
        .status
        .unwrap()
        .model_status
        .unwrap()
        .last_failure_info
        .unwrap();
    assert_eq!(
        failure.message.as_deref(),
        Some("ClusterServingRuntime test does not exist")
    );
    // The runtime coming is enough.
    runtime(&rung).await;
    until(&services, "commits", "up to date", up_to_date).await;
    patch(
        &services,
        json!({"predictor": {"model": {"storageUri": "file:///nowhere"}}}),
    )
    .await;
    let blocked = until(&services, "commits", "blocked", |service| {
        serde_json::to_string(&service.status)
            .unwrap()
            .contains("BlockedByFailedLoad")
    })
    .await;
    let failure = blocked
        .status
        .unwrap()
        .model_status
        .unwrap()
        .last_failure_info
        .unwrap();
    assert_eq!(failure.reason.as_deref(), Some("ModelLoadFailed"));
    assert!(failure.message.unwrap().contains("/nowhere"));
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}
