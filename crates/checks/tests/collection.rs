//! What is collected, from a real MLflow and recorded answers of the other services. Budget: 30 s, of which MLflow's
//! start is most.
#![allow(clippy::unwrap_used, reason = "all of this file is test code")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use checks::{Conclusion, Unseen, Verdict, collect};
use endpoints::Endpoints;
use loopback_mlflow::LoopbackServer;
use model_registry::{NewVersion, Predecessors, Registry, Stage, provenance};
use serde_json::{Value, json};

const MODEL: &str = "next-week-commits";
const FIRST: &str = "0a1b2c3d-4e5f-4000-8000-000000000001";
const SECOND: &str = "0a1b2c3d-4e5f-4000-8000-000000000002";
const OTHER: &str = "0a1b2c3d-4e5f-4000-8000-000000000003";

/// Answers by `METHOD path`; all else is 404 as an API server says it.
type Answers = BTreeMap<String, Value>;

async fn answer(State(answers): State<Arc<Answers>>, method: Method, uri: Uri) -> (StatusCode, Json<Value>) {
    match answers.get(&format!("{method} {}", uri.path())) {
        Some(answer) => (StatusCode::OK, Json(answer.clone())),
        None => {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound",
                "message": "Not Found", "code": 404});
            (StatusCode::NOT_FOUND, Json(status))
        }
    }
}

fn spec(name: &str) -> Value {
    let step = |after: &[&str], cached: bool| {
        json!({"componentRef": {"name": "comp-step"}, "dependentTasks": after,
            "cachingOptions": if cached { json!({"enableCache": true}) } else { json!({}) }})
    };
    let mut gate = step(&["evaluate"], false);
    gate["componentRef"]["name"] = "comp-condition-1".into();
    gate["triggerPolicy"] = json!({"condition": "true"});
    json!({
        "pipelineInfo": {"name": name},
        "components": {
            "comp-step": {"executorLabel": "exec-step"},
            "comp-condition-1": {"dag": {"tasks": {
                "register": step(&[], false), "deploy": step(&["register"], false),
            }}},
        },
        "root": {
            "inputDefinitions": {"parameters": {
                "threshold": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.05},
                "max_trials": {"parameterType": "NUMBER_INTEGER", "defaultValue": 20.0},
            }},
            "dag": {"tasks": {
                "ingest": step(&[], false), "extract": step(&["ingest"], true), "tune": step(&["extract"], true),
                "train": step(&["tune"], true), "evaluate": step(&["train"], true), "condition-1": gate,
            }},
        },
    })
}

fn run(id: &str, pipeline: &str, minute: u32) -> Value {
    json!({
        "run_id": id, "display_name": "train-deploy", "state": "SUCCEEDED",
        "created_at": format!("2026-01-01T00:{minute:02}:00Z"),
        "finished_at": format!("2026-01-01T00:{:02}:30Z", minute + 1),
        "pipeline_spec": {"pipeline_spec": spec(pipeline), "platform_spec": {}},
        "runtime_config": {"parameters": {"max_trials": 3}},
    })
}

/// SHA-256 of `[[0.1]]`, the file that stands for every artifact.
const DIGEST: &str = "095ac04eee48add84a81e54b9281328560f2e1f5b0adb40f8eeb7fd7253aa128";

fn tasks(cached: bool, endpoint: &str, source: &str) -> Value {
    let file = format!("{source}/golden/predictions.json");
    let outputs = |path: &str, pairs: Value| {
        let pairs = pairs.as_object().unwrap().clone();
        let parameters: Vec<Value> = pairs
            .into_iter()
            .map(|(key, value)| json!({"parameter_key": key, "value": value, "type": "OUTPUT"}))
            .collect();
        let digested = checks::recipe::DIGESTED.iter();
        let artifacts: Vec<Value> = digested
            .filter(|(step, _)| path.ends_with(step))
            .map(|(_, name)| {
                json!({"artifact_key": name, "artifacts": [{"uri": file, "metadata": {"digest": DIGEST}}]})
            })
            .collect();
        json!({ "parameters": parameters, "artifacts": artifacts })
    };
    let task = |path: &str, cacheable: bool, pairs: Value| {
        json!({
            "name": path.rsplit('.').next().unwrap(), "scope_path": path,
            "state": if cached && cacheable { "CACHED" } else { "SUCCEEDED" },
            "create_time": "2026-01-01T00:00:00Z", "end_time": "2026-01-01T00:00:02Z",
            "outputs": outputs(path, pairs),
        })
    };
    json!({"tasks": [
        task("root.ingest", false, json!({"snapshot_id": "7713", "content_digest": "c0", "rows": 10})),
        task("root.extract", true, json!({})),
        task("root.tune", true, json!({})),
        task("root.train", true, json!({"model_digest": "d0"})),
        task("root.evaluate", true, json!({"skill": 0.25, "golden_digest": "901d"})),
        task("root.condition-1", false, json!({})),
        task("root.condition-1.register", false, json!({"version": 1, "input_key": "k1"})),
        task("root.condition-1.deploy", false, json!({"endpoint": endpoint})),
    ]})
}

/// A model logged and registered as the recipe does it.
async fn register(server: &LoopbackServer) -> String {
    let answer: Value = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{}/api/2.0/mlflow/runs/create", server.tracking_uri))
        .json(&json!({ "experiment_id": "0" }))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let info = &answer["run"]["info"];
    let source = format!("{}/model", info["artifact_uri"].as_str().unwrap());
    let golden = Path::new(source.strip_prefix("file://").unwrap()).join("golden");
    std::fs::create_dir_all(&golden).unwrap();
    std::fs::write(golden.join("requests.json"), r#"[{"inputs": []}]"#).unwrap();
    std::fs::write(golden.join("predictions.json"), "[[0.1]]").unwrap();
    let registry = Registry::new(&server.tracking_uri).unwrap();
    registry.create_model(MODEL).await.unwrap();
    let tags = [
        (provenance::RUN_ID, FIRST),
        (provenance::SNAPSHOT_ID, "7713"),
        (provenance::FEATURE_VIEWS, "commit_windows"),
        (provenance::GIT_COMMIT, "abc"),
        (provenance::LOCK_DIGEST, "10c"),
        (provenance::GOLDEN_DIGEST, "901d"),
        (provenance::MODEL_DIGEST, "d0"),
        (provenance::INPUT_KEY, "k1"),
    ];
    let new = NewVersion {
        name: MODEL,
        source: &source,
        run_id: info["run_id"].as_str(),
        tags: tags.map(|(key, value)| (key, value.to_owned())).into(),
    };
    registry.create_version(new).await.unwrap();
    registry
        .transition(MODEL, 1, Stage::Staging, Predecessors::Archive)
        .await
        .unwrap();
    registry.set_alias(MODEL, "staging", 1).await.unwrap();
    source
}

fn document(folder: &Path, tracking_uri: &str, services: &str) -> Endpoints {
    let kubeconfig = folder.join("kubeconfig");
    let text = format!(
        "apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{}}}}]
clusters: [{{name: c, cluster: {{server: '{services}'}}}}]
"
    );
    std::fs::write(&kubeconfig, text).unwrap();
    let path = folder.join("endpoints.yaml");
    let text = format!(
        "apiVersion: basecamp.dev/v1
rung: embedded
pipelines: {{url: '{services}'}}
resources: {{kubeconfig: '{}'}}
registry: {{trackingUri: '{tracking_uri}'}}
artifacts: {{root: 'file:///nowhere'}}
lakehouse: {{type: sql, uri: 'sqlite:///nowhere', warehouse: 'file:///nowhere'}}
serving: {{url: '{services}'}}
",
        kubeconfig.display()
    );
    std::fs::write(&path, text).unwrap();
    Endpoints::read(&path).unwrap()
}

/// Everything as after a first run, a run of another pipeline, and a rerun; `services` answers at `url`.
fn answers(url: &str, source: &str) -> Answers {
    let endpoint = format!("{url}/v2/models/{MODEL}/infer");
    let service = json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": MODEL, "namespace": "serving", "annotations": {"basecamp.dev/model-version": "1"}},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "basecamp"}, "storageUri": source}}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    });
    let outlook = |name: &str, outlook: &str| json!({"name": name, "outlook": outlook});
    let first = run(FIRST, "train-deploy", 0);
    let second = run(SECOND, "train-deploy", 20);
    let other = run(OTHER, "hello-world", 10);
    [
        (format!("GET /apis/v2beta1/runs/{FIRST}"), first.clone()),
        (format!("GET /apis/v2beta1/runs/{SECOND}"), second.clone()),
        ("GET /apis/v2beta1/runs".to_owned(), json!({"runs": [second, other, first]})),
        (format!("GET /apis/v2beta1/runs/{FIRST}/tasks"), tasks(false, &endpoint, source)),
        (format!("GET /apis/v2beta1/runs/{SECOND}/tasks"), tasks(true, &endpoint, source)),
        ("POST /apis/basecamp/v1/plan".to_owned(), json!({"tasks": [
            outlook("ingest", "RUNS"), outlook("extract", "HIT"), outlook("tune", "HIT"), outlook("train", "HIT"),
            outlook("evaluate", "HIT"), outlook("register", "RUNS"), outlook("deploy", "RUNS"),
        ]})),
        (
            format!("GET /apis/serving.kserve.io/v1beta1/namespaces/serving/inferenceservices/{MODEL}"),
            service,
        ),
        (
            format!("POST /v2/models/{MODEL}/infer"),
            json!({"outputs": [{"name": "predictions", "shape": [1], "datatype": "FP64", "data": [0.1]}]}),
        ),
    ]
    .into()
}

/// The services answer with their own address, so the address comes first.
async fn services(source: &str, change: impl FnOnce(&mut Answers)) -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    free.set_nonblocking(true).unwrap();
    let mut answers = answers(&url, source);
    change(&mut answers);
    let app = axum::Router::new().fallback(answer).with_state(Arc::new(answers));
    let listener = tokio::net::TcpListener::from_std(free).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

fn verdicts(report: &checks::Report) -> Vec<(&str, Verdict)> {
    let outcomes = report.checks.iter();
    outcomes.map(|outcome| (outcome.name, outcome.verdict)).collect()
}

#[tokio::test]
async fn worlds_are_collected_from_what_the_services_say() {
    let mlflow = LoopbackServer::start().await.unwrap();
    let source = register(&mlflow).await;
    let folder = tempfile::tempdir().unwrap();
    let url = services(&source, |_| {}).await;
    let endpoints = document(folder.path(), &mlflow.tracking_uri, &url);

    // The rerun: its world, whole.
    let world = collect(&endpoints, SECOND).await.unwrap();
    assert_eq!(
        world.run.parameters["threshold"], 0.05,
        "a default of the pipeline"
    );
    assert_eq!(world.run.parameters["max_trials"], 3, "given to the run");
    let earlier: Vec<_> = world.earlier.iter().map(|run| run.id.as_str()).collect();
    assert_eq!(earlier, [FIRST], "neither itself nor another pipeline's");
    assert_eq!(world.followed_by, None);
    let registered = world.registered.as_ref().unwrap();
    assert_eq!(registered.versions.len(), 1);
    assert_eq!(registered.artifact_uri.as_deref(), Some(source.as_str()));
    assert_eq!(world.served.as_ref().unwrap().golden, Ok(1));
    assert_eq!(world.own_objects, Ok(vec![]));
    let report = checks::run(&endpoints, SECOND).await.unwrap();
    assert_eq!(
        report.conclusion(),
        Conclusion::Holds,
        "{}",
        checks::table(&report.checks)
    );
    assert!(
        verdicts(&report)
            .iter()
            .all(|(_, verdict)| *verdict == Verdict::Holds)
    );

    // The first: something came after it.
    let report = checks::run(&endpoints, FIRST).await.unwrap();
    assert_eq!(
        report.conclusion(),
        Conclusion::Holds,
        "{}",
        checks::table(&report.checks)
    );
    let applies_not = verdicts(&report)
        .into_iter()
        .filter(|(_, verdict)| *verdict == Verdict::DoesNotApply);
    let applies_not: Vec<_> = applies_not.map(|(name, _)| name).collect();
    assert_eq!(applies_not, ["endpoint", "rerun"]);

    // Its steps made objects; another model answers; the server foretells nothing.
    let experiment = "GET /apis/kubeflow.org/v1beta1/namespaces/trials/experiments/tune-0a1b2c3d4e5f";
    let url = services(&source, |answers| {
        answers.remove("POST /apis/basecamp/v1/plan");
        let answered = answers
            .get_mut(&format!("POST /v2/models/{MODEL}/infer"))
            .unwrap();
        answered["outputs"][0]["data"] = json!([0.2]);
        let made = json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
            "metadata": {"name": "tune-0a1b2c3d4e5f"}, "spec": {}});
        answers.insert(experiment.to_owned(), made);
    })
    .await;
    let endpoints = document(folder.path(), &mlflow.tracking_uri, &url);
    let world = collect(&endpoints, SECOND).await.unwrap();
    assert_eq!(
        world.own_objects,
        Ok(vec!["Experiment trials/tune-0a1b2c3d4e5f".to_owned()])
    );
    let golden = world.served.unwrap().golden.unwrap_err();
    assert!(
        golden.ends_with("value 1: recorded 0.1, answered 0.2"),
        "{golden}"
    );
    assert!(
        matches!(world.forecast, Err(Unseen::NotHere(_))),
        "{:?}",
        world.forecast
    );

    // Services that are away fail the checks that need them; the run is judged all the same.
    let mut endpoints = endpoints;
    endpoints.registry.tracking_uri = "http://127.0.0.1:9".to_owned();
    endpoints.resources.kubeconfig = Some(folder.path().join("nowhere"));
    let report = checks::run(&endpoints, SECOND).await.unwrap();
    let broken = verdicts(&report)
        .into_iter()
        .filter(|(_, verdict)| *verdict == Verdict::Broken);
    let broken: Vec<_> = broken.map(|(name, _)| name).collect();
    assert_eq!(broken, ["version", "production", "endpoint", "rerun"]);
}

#[tokio::test]
async fn a_run_that_is_not_there_is_an_error() {
    let url = services("", Answers::clear).await;
    let folder = tempfile::tempdir().unwrap();
    let endpoints = document(folder.path(), &url, &url);
    let error = collect(&endpoints, FIRST).await.unwrap_err();
    assert!(
        error.to_string().contains(&format!("GetRun run {FIRST}")),
        "{error}"
    );
}
