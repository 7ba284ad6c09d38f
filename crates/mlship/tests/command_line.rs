//! What a person sees of `mlship` without a cluster. Budget: 30 s, of which the MLflow server's start is most.
#![allow(clippy::unwrap_used, reason = "all of this file is test code")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use loopback_mlflow::LoopbackServer;
use model_registry::{NewVersion, Registry, provenance};
use rstest::rstest;

fn mlship(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("mlship").unwrap();
    command.current_dir(folder).env_clear();
    command
}

fn seen(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn same(text: &str, expected: &str) {
    assert!(
        text == expected,
        "{}",
        similar::TextDiff::from_lines(expected, text).unified_diff()
    );
}

#[rstest]
#[case(&["--help"], include_str!("snapshots/help.txt"))]
#[case(&["deploy", "--help"], include_str!("snapshots/help_deploy.txt"))]
#[case(&["status", "--help"], include_str!("snapshots/help_status.txt"))]
fn help(#[case] arguments: &[&str], #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, _) = seen(mlship(folder.path()).args(arguments));
    assert_eq!(code, Some(0));
    same(&stdout, expected);
}

#[rstest]
#[case::neither(&["deploy", "--model", "m", "--runtime", "r"], "<--version <N>|--alias <ALIAS>>")]
#[case::both(&["deploy", "--model", "m", "--runtime", "r", "--version", "1", "--alias", "a"], "cannot be used with")]
#[case::no_number(&["deploy", "--model", "m", "--runtime", "r", "--version", "one"], "invalid value 'one'")]
#[case::no_runtime(&["deploy", "--model", "m", "--version", "1"], "--runtime <NAME>")]
fn usage_errors_exit_with_2(#[case] arguments: &[&str], #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = seen(mlship(folder.path()).args(arguments));
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains(expected), "{stderr}");
}

#[test]
fn outside_of_a_clone_the_document_must_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = seen(mlship(folder.path()).arg("status"));
    assert_eq!(code, Some(1));
    let cwd = folder.path().canonicalize().unwrap();
    same(
        &stderr,
        &format!(
            "error: {} is in no clone of basecamp: go into one, or say --state-dir DIR\n\
             next: name the document with --endpoints FILE\n",
            cwd.display()
        ),
    );
}

#[test]
fn a_clone_that_is_not_up_says_how_to_bring_it_up() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Cargo.toml"), "").unwrap();
    std::fs::create_dir_all(folder.path().join("recipes/train-deploy")).unwrap();
    let below = folder.path().join("recipes/train-deploy");
    let (code, _, stderr) = seen(mlship(&below).arg("status"));
    assert_eq!(code, Some(1));
    let document = folder
        .path()
        .canonicalize()
        .unwrap()
        .join(".basecamp/endpoints.yaml");
    same(
        &stderr,
        &format!(
            "error: endpoints document {}: No such file or directory (os error 2)\nnext: `cargo xtask up`\n",
            document.display()
        ),
    );
}

#[test]
fn a_step_with_half_an_environment_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = seen(
        mlship(folder.path())
            .env("BASECAMP_RUNG", "embedded")
            .arg("status"),
    );
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with("error: environment variable BASECAMP_PIPELINES_URL is not set"),
        "{stderr}"
    );
}

fn document(folder: &Path, tracking_uri: &str) {
    let text = format!(
        "apiVersion: basecamp.dev/v1
rung: embedded
pipelines: {{url: 'http://127.0.0.1:9'}}
resources: {{kubeconfig: '{0}/kubeconfig'}}
registry: {{trackingUri: '{tracking_uri}'}}
artifacts: {{root: 'file://{0}/artifacts'}}
lakehouse: {{type: sql, uri: 'sqlite:///{0}/catalog.db', warehouse: 'file://{0}/lakehouse'}}
serving: {{url: 'http://127.0.0.1:9'}}
",
        folder.display()
    );
    std::fs::write(folder.join("endpoints.yaml"), text).unwrap();
}

#[test]
fn an_unreachable_registry_is_told_with_its_url() {
    let folder = tempfile::tempdir().unwrap();
    document(folder.path(), "http://127.0.0.1:9");
    let (code, stdout, stderr) = seen(mlship(folder.path()).env("BASECAMP_STATE_DIR", ".").args([
        "deploy",
        "--model",
        "m",
        "--version",
        "1",
        "--runtime",
        "r",
        "--json",
    ]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    let first = "error: registry: model-versions/get version 1 of model m: error sending request for url \
                 (http://127.0.0.1:9/api/2.0/mlflow/model-versions/get?name=m&version=1): ";
    assert!(
        stderr.starts_with(first) && stderr.ends_with("\nnext: `cargo xtask status`\n"),
        "{stderr}"
    );
    assert_eq!(stderr.matches("error sending request").count(), 1, "{stderr}");
}

#[tokio::test]
async fn what_the_registry_lacks_is_told_with_its_code() {
    let server = LoopbackServer::start().await.unwrap();
    let registry = Registry::new(&server.tracking_uri).unwrap();
    registry.create_model("m").await.unwrap();
    let run = run(&server.tracking_uri).await;
    let new = NewVersion {
        name: "m",
        source: &format!("{}/model", run["artifact_uri"].as_str().unwrap()),
        run_id: run["run_id"].as_str(),
        tags: BTreeMap::new(),
    };
    registry.create_version(new).await.unwrap();
    registry.set_alias("m", "staging", 1).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    document(folder.path(), &server.tracking_uri);
    let deploy = |arguments: &[&str]| {
        let mut command = mlship(folder.path());
        command
            .args(["deploy", "--runtime", "r", "--endpoints", "endpoints.yaml"])
            .args(arguments);
        let (code, stdout, stderr) = seen(&mut command);
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        stderr.replace(&server.tracking_uri, "URI")
    };
    same(
        &deploy(&["--model", "m", "--alias", "production"]),
        "error: registry: model m has no alias production; it has: staging\nnext: see what is registered: URI/#/models\n",
    );
    same(
        &deploy(&["--model", "n", "--version", "1"]),
        "error: registry: model-versions/get version 1 of model n: RESOURCE_DOES_NOT_EXIST: \
         Model Version (name=n, version=1) not found\nnext: see what is registered: URI/#/models\n",
    );
    same(
        &deploy(&["--model", "m", "--alias", "staging"]),
        "error: registry: get-artifact golden/requests.json of version 1 of model m: RESOURCE_DOES_NOT_EXIST: \
         No such artifact: 'golden/requests.json'\n\
         next: deploy a version that `cargo xtask recipe train-deploy` registered\n",
    );

    // A model that is altered, then one that is gone: nothing is sent to the API server, which is not there.
    let files = folder_of(&run).join("altered");
    for (path, content) in [
        (provenance::GOLDEN_REQUESTS, "[{\"inputs\": []}]"),
        (provenance::GOLDEN_PREDICTIONS, "[[0.5]]"),
        (provenance::MODEL_FILE, "altered"),
    ] {
        std::fs::create_dir_all(files.join(path).parent().unwrap()).unwrap();
        std::fs::write(files.join(path), content).unwrap();
    }
    let new = NewVersion {
        name: "m",
        source: &format!("{}/altered", run["artifact_uri"].as_str().unwrap()),
        run_id: run["run_id"].as_str(),
        tags: BTreeMap::from([(provenance::MODEL_DIGEST, "0".repeat(64))]),
    };
    registry.create_version(new).await.unwrap();
    same(
        &deploy(&["--model", "m", "--version", "2"]),
        "error: version 2 of model m: artifacts/model.json has SHA-256 \
         4aa009153649a0a7c1425387f3da9c72330ad069ea9f69ce1640abe46f92a83b, registered was \
         0000000000000000000000000000000000000000000000000000000000000000: it was altered since\n\
         next: `cargo xtask recipe train-deploy` writes it anew\n",
    );
    std::fs::remove_file(files.join(provenance::MODEL_FILE)).unwrap();
    let told = deploy(&["--model", "m", "--version", "2"]);
    assert!(
        told.contains("artifacts/model.json of version 2 of model m: RESOURCE_DOES_NOT_EXIST")
            && told.ends_with("\nnext: `cargo xtask recipe train-deploy` writes it anew\n"),
        "{told}"
    );
}

/// Where an MLflow run keeps its artifacts.
fn folder_of(run: &serde_json::Value) -> PathBuf {
    let uri = run["artifact_uri"].as_str().unwrap();
    uri.strip_prefix("file://").unwrap_or(uri).into()
}

/// A new MLflow run's `info`.
async fn run(tracking_uri: &str) -> serde_json::Value {
    let answer: serde_json::Value = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("{tracking_uri}/api/2.0/mlflow/runs/create"))
        .json(&serde_json::json!({ "experiment_id": "0" }))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    answer["run"]["info"].clone()
}
