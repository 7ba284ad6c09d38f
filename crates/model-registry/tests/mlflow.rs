//! The client against a real MLflow server on loopback. One server for the file; every test has a model of its own.
//! Budget: 60 s, of which the server's start is most.

#![allow(clippy::unwrap_used, reason = "all of this file is test code")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use loopback_mlflow::LoopbackServer;
use model_registry::{
    ErrorCode, NewVersion, Predecessors, Registry, RegistryError, Stage, VersionFilter, VersionStatus,
    provenance,
};
use rstest::rstest;
use tokio::sync::OnceCell;

async fn server() -> &'static LoopbackServer {
    static SERVER: OnceCell<LoopbackServer> = OnceCell::const_new();
    SERVER
        .get_or_init(async || LoopbackServer::start().await.unwrap())
        .await
}

async fn registry() -> Registry {
    Registry::new(&server().await.tracking_uri).unwrap()
}

async fn with_versions(name: &str, input_keys: &[&str]) -> Registry {
    let registry = registry().await;
    registry.create_model(name).await.unwrap();
    for key in input_keys {
        let new = NewVersion {
            name,
            source: "s3://bucket/model",
            run_id: None,
            tags: BTreeMap::from([(provenance::INPUT_KEY, (*key).to_owned())]),
        };
        registry.create_version(new).await.unwrap();
    }
    registry
}

#[tokio::test]
async fn a_version_is_made_with_its_tags_and_read_back() {
    let registry = with_versions("made", &["k1"]).await;
    let version = registry.version("made", 1).await.unwrap();
    assert_eq!((version.name.as_str(), version.version), ("made", 1));
    assert_eq!(version.stage, Stage::None);
    assert_eq!(version.status, VersionStatus::Ready);
    assert_eq!(version.source, "s3://bucket/model");
    assert_eq!(version.run_id, None);
    assert_eq!(version.tags[provenance::INPUT_KEY], "k1");
    assert_eq!(version.created, version.updated);
    assert_eq!(
        registry.artifact_uri("made", 1).await.unwrap(),
        "s3://bucket/model"
    );
}

#[tokio::test]
async fn a_search_narrows_by_tag_and_knows_aliases() {
    let registry = with_versions("searched", &["k1", "it's k2", "k1"]).await;
    registry.set_alias("searched", "staging", 3).await.unwrap();
    let numbers = async |filter: VersionFilter| -> Vec<(u32, Vec<String>)> {
        let versions = registry.versions(&filter).await.unwrap();
        versions
            .into_iter()
            .map(|version| (version.version, version.aliases.into_iter().collect()))
            .collect()
    };
    let all = VersionFilter::of_model("searched");
    let key = |value| all.clone().with_tag(provenance::INPUT_KEY, value);
    let staging = vec!["staging".to_owned()];
    assert_eq!(
        numbers(all.clone()).await,
        [(1, vec![]), (2, vec![]), (3, staging.clone())]
    );
    assert_eq!(numbers(key("k1")).await, [(1, vec![]), (3, staging)]);
    assert_eq!(numbers(key("it's k2")).await, [(2, vec![])]);
    assert_eq!(numbers(key("k3")).await, []);
    assert_eq!(numbers(VersionFilter::of_model("no-such-model")).await, []);
}

#[tokio::test]
async fn a_search_reads_every_page() {
    let registry = registry().await;
    registry.create_model("paged").await.unwrap();
    // One more than a page, written past REST: a thousand creations take minutes.
    let database = server().await.folder.join("mlflow.db");
    fill(&database, "paged", 1001);
    let versions = registry
        .versions(&VersionFilter::of_model("paged"))
        .await
        .unwrap();
    let numbers: Vec<u32> = versions.iter().map(|version| version.version).collect();
    assert_eq!(numbers, (1..=1001).collect::<Vec<_>>());
}

/// Adds versions as rows, with the Python that runs the server.
fn fill(database: &std::path::Path, model: &str, count: u32) {
    let program = "
import sqlite3, sys
database, model, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with sqlite3.connect(database, timeout=30) as rows:
    columns = [c[1] for c in rows.execute('pragma table_info(model_versions)')]
    for version in range(1, count + 1):
        row = dict(name=model, version=version, creation_time=1, last_updated_time=1, current_stage='None',
                   source='s3://b', status='READY', workspace='default')
        row = {k: v for k, v in row.items() if k in columns}
        rows.execute(f'insert into model_versions ({\",\".join(row)}) values ({\",\".join(\"?\" * len(row))})', [*row.values()])
";
    let python = PathBuf::from(std::env::var_os("BASECAMP_PYTHON").unwrap());
    let status = std::process::Command::new(python)
        .args(["-c", program])
        .arg(database)
        .args([model, &count.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_transition_archives_predecessors_only_when_told() {
    let registry = with_versions("staged", &["a", "b", "c"]).await;
    let stages = async || -> Vec<Stage> {
        let versions = registry
            .versions(&VersionFilter::of_model("staged"))
            .await
            .unwrap();
        versions.iter().map(|version| version.stage).collect()
    };
    let enter = async |version, predecessors| {
        registry
            .transition("staged", version, Stage::Staging, predecessors)
            .await
            .unwrap()
    };
    enter(1, Predecessors::Archive).await;
    enter(2, Predecessors::Keep).await;
    assert_eq!(stages().await, [Stage::Staging, Stage::Staging, Stage::None]);
    let moved = enter(3, Predecessors::Archive).await;
    assert_eq!((moved.version, moved.stage), (3, Stage::Staging));
    assert_eq!(stages().await, [Stage::Archived, Stage::Archived, Stage::Staging]);
}

#[tokio::test]
async fn an_alias_moves_and_goes() {
    let registry = with_versions("named", &["a", "b"]).await;
    let error = registry.version_by_alias("named", "staging").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "registry: model named has no alias staging; it has: none"
    );
    registry.set_alias("named", "staging", 1).await.unwrap();
    registry.set_alias("named", "staging", 2).await.unwrap();
    let version = registry.version_by_alias("named", "staging").await.unwrap();
    assert_eq!(version.version, 2);
    assert!(version.aliases.contains("staging"));
    let error = registry
        .version_by_alias("named", "production")
        .await
        .unwrap_err();
    assert!(error.is_absence());
    assert_eq!(
        error.to_string(),
        "registry: model named has no alias production; it has: staging"
    );
    registry.delete_alias("named", "staging").await.unwrap();
    registry.delete_alias("named", "staging").await.unwrap();
    assert!(
        registry
            .registered_model("named")
            .await
            .unwrap()
            .aliases
            .is_empty()
    );
}

#[tokio::test]
async fn tags_are_written_over_and_removed() {
    let registry = with_versions("tagged", &["a"]).await;
    registry
        .set_tag("tagged", 1, provenance::APPROVED_BY, "x")
        .await
        .unwrap();
    registry
        .set_tag("tagged", 1, provenance::APPROVED_BY, "y")
        .await
        .unwrap();
    assert_eq!(
        registry.version("tagged", 1).await.unwrap().tags[provenance::APPROVED_BY],
        "y"
    );
    registry
        .delete_tag("tagged", 1, provenance::APPROVED_BY)
        .await
        .unwrap();
    assert!(
        !registry
            .version("tagged", 1)
            .await
            .unwrap()
            .tags
            .contains_key(provenance::APPROVED_BY)
    );
}

#[tokio::test]
async fn a_file_of_a_version_is_read_through_mlflow() {
    let registry = with_versions("filed", &[]).await;
    let server = server().await;
    let run: serde_json::Value = reqwest::Client::new()
        .post(format!("{}/api/2.0/mlflow/runs/create", server.tracking_uri))
        .json(&serde_json::json!({ "experiment_id": "0" }))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let run_id = run["run"]["info"]["run_id"].as_str().unwrap();
    let artifacts = run["run"]["info"]["artifact_uri"].as_str().unwrap();
    let source = format!("{artifacts}/model");
    let golden = PathBuf::from(source.strip_prefix("file://").unwrap()).join("golden");
    std::fs::create_dir_all(&golden).unwrap();
    std::fs::write(golden.join("requests.json"), "[0.1]").unwrap();
    let new = NewVersion {
        name: "filed",
        source: &source,
        run_id: Some(run_id),
        tags: BTreeMap::new(),
    };
    let version = registry.create_version(new).await.unwrap();
    assert_eq!(version.run_id.as_deref(), Some(run_id));
    let bytes = registry
        .read_file("filed", 1, provenance::GOLDEN_REQUESTS)
        .await
        .unwrap();
    assert_eq!(bytes, b"[0.1]");
    let error = registry
        .read_file("filed", 1, provenance::GOLDEN_PREDICTIONS)
        .await
        .unwrap_err();
    assert!(error.is_absence(), "{error}");
    assert_eq!(
        error.to_string(),
        "registry: get-artifact golden/predictions.json of version 1 of model filed: RESOURCE_DOES_NOT_EXIST: \
         No such artifact: 'golden/predictions.json'"
    );
}

#[rstest]
#[case::no_model(
    async |registry: Registry| registry.registered_model("nobody").await.map(drop),
    ErrorCode::ResourceDoesNotExist,
    "registry: registered-models/get model nobody: RESOURCE_DOES_NOT_EXIST: "
)]
#[case::no_version(
    async |registry: Registry| registry.version("refused", 9).await.map(drop),
    ErrorCode::ResourceDoesNotExist,
    "registry: model-versions/get version 9 of model refused: RESOURCE_DOES_NOT_EXIST: "
)]
#[case::taken(
    async |registry: Registry| registry.create_model("refused").await,
    ErrorCode::ResourceAlreadyExists,
    "registry: registered-models/create model refused: RESOURCE_ALREADY_EXISTS: "
)]
#[case::nothing_to_move(
    async |registry: Registry| {
        registry.transition("refused", 9, Stage::Staging, Predecessors::Keep).await.map(drop)
    },
    ErrorCode::ResourceDoesNotExist,
    "registry: model-versions/transition-stage version 9 of model refused: RESOURCE_DOES_NOT_EXIST: "
)]
#[case::bad_alias(
    async |registry: Registry| registry.set_alias("refused", "latest", 1).await,
    ErrorCode::InvalidParameterValue,
    "registry: registered-models/alias alias latest of model refused: INVALID_PARAMETER_VALUE: "
)]
#[tokio::test]
async fn a_refusal_names_the_object_and_mlflows_code<F>(
    #[case] request: F,
    #[case] expected: ErrorCode,
    #[case] text: &str,
) where
    F: AsyncFn(Registry) -> Result<(), RegistryError>,
{
    let registry = registry().await;
    match registry.create_model("refused").await {
        Ok(()) => {}
        Err(RegistryError::Refused {
            code: ErrorCode::ResourceAlreadyExists,
            ..
        }) => {}
        Err(error) => panic!("{error}"),
    }
    let error = request(registry).await.unwrap_err();
    assert!(error.to_string().starts_with(text), "{error}");
    let RegistryError::Refused { code, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(code, expected);
}

#[tokio::test]
async fn what_is_no_registry_is_named() {
    let page = Registry::new(&format!("{}/health", server().await.tracking_uri)).unwrap();
    let error = page.registered_model("m").await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Malformed { status: 404, object, .. } if object == "model m"),
        "{error}"
    );
    let nobody = Registry::new("http://127.0.0.1:9").unwrap();
    let error = nobody.registered_model("m").await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    for uri in ["sqlite:///mlflow.db", "mlruns", "ftp://host"] {
        let error = Registry::new(uri).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("registry {uri}: not an http or https URL")
        );
    }
}
