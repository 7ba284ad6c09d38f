//! What hands do to what a run has left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Rung, Told, run};
use serde_json::Value;

use crate::{Fault, borrowed, completes, error, mini};

/// The history that all of these are about.
const SEED: u32 = 3;

pub(crate) fn two_recipes_at_once(rung: &Rung) {
    let fault = Fault::new("two recipes started at once");
    let arguments = mini(SEED);
    let both = [(); 2].map(|()| rung.begin_recipe(&borrowed(&arguments)));
    let [first, second] = both.map(|running| running.to_the_end().well());
    assert_eq!(first["model"], second["model"]);
    assert_eq!(first["model"]["version"], the_one(rung));
    assert_eq!(rung.world()["snapshots"], 1);
    fault.survived(&format!("both: version {}", first["model"]["version"]));
}

pub(crate) fn version_deleted(rung: &Rung) {
    let fault = Fault::new("the MLflow version is deleted by hand");
    let before = the_one(rung);
    by_hand(rung, &["delete-version", &before.to_string()]);
    let report = completes(rung, &mini(SEED));
    assert_ne!(the_one(rung), before);
    fault.survived(check(&report, "rerun"));
}

pub(crate) fn alias_and_stage_moved(rung: &Rung) {
    let fault = Fault::new("the alias is taken away and the version archived by hand");
    let before = the_one(rung);
    by_hand(rung, &["archive", &before.to_string()]);
    let report = completes(rung, &mini(SEED));
    assert_eq!(the_one(rung), before);
    fault.survived(check(&report, "version"));
}

/// The cache does not hand on bytes that are others than were recorded: the step runs again, and that is no secret.
pub(crate) fn artifact_altered(rung: &Rung) {
    let fault = Fault::new("a byte of the artifact train.model is flipped");
    let before = versions(rung);
    for model in files(&rung.state().join("artifacts"), "train/model") {
        flip(&model);
    }
    let told = rung.recipe(&borrowed(&mini(SEED)));
    assert_eq!(told.code, Some(1), "{told}");
    let report = told.object();
    let mut seen = error(&told);
    seen.push('\n');
    seen.push_str(check(&report, "rerun"));
    let id = report["run_id"].as_str().unwrap();
    assert!(
        check(&report, "rerun").contains(&format!("pipeline explain-cache {id} train")),
        "{told}"
    );
    let explained = Told::by(&mut rung.platform_ctl(&["pipeline", "explain-cache", id, "train"]));
    let why = explained.stdout.lines().next().unwrap_or_default();
    assert!(
        why.contains("has been altered since it was recorded"),
        "{explained}"
    );
    completes(rung, &mini(SEED));
    assert_eq!(versions(rung), before);
    fault.survived(&format!("{seen}\n{why}"));
}

pub(crate) fn registered_file_altered(rung: &Rung) {
    let fault = Fault::new("a byte of the registered model is flipped");
    let [model] = &files(&rung.state().join("mlflow/artifacts"), "artifacts/model.json")[..] else {
        panic!("one version, one model")
    };
    let bytes = std::fs::read(model).unwrap();
    let version = the_one(rung);
    flip(model);
    let program = rung.platform_ctl(&[]).get_program().to_owned();
    let refused = Told::by(
        Command::new(Path::new(&program).with_file_name("mlship"))
            .arg("deploy")
            .arg("--state-dir")
            .arg(rung.state())
            .args(["--model", "next-week-commits", "--runtime", "any"])
            .args(["--version", &version.to_string()]),
    );
    assert_eq!(refused.code, Some(1), "{refused}");
    let refused = error(&refused);
    assert!(
        refused.contains(&format!(
            "version {version} of model next-week-commits: artifacts/model.json has SHA-256 "
        )),
        "{refused}"
    );
    completes(rung, &mini(SEED));
    assert!(
        std::fs::read(model).unwrap() == bytes,
        "the version is what it was"
    );
    let log = Told::by(&mut rung.platform_ctl(&["pipeline", "logs", "latest", "register"]));
    let said = log.stdout.lines().find(|line| line.contains("altered"));
    let said = said.unwrap_or_else(|| panic!("nothing is said of it: {log}"));
    assert!(
        said.contains(&format!("version {version}")) && said.contains("artifacts/model.json"),
        "{said}"
    );
    fault.survived(&format!("{refused}\n{said}"));
}

pub(crate) fn service_deleted(rung: &Rung) {
    let fault = Fault::new("the InferenceService is deleted by hand");
    let uid = |rung: &Rung| rung.world()["objects"]["inferenceservices"].to_string();
    let before = uid(rung);
    by_hand(rung, &["delete-service"]);
    let report = completes(rung, &mini(SEED));
    assert_ne!(uid(rung), before);
    fault.survived(check(&report, "endpoint"));
}

/// A recorded decision of a person, which no fault may undo. The version's number.
pub(crate) fn promote(rung: &Rung) -> u32 {
    let version = the_one(rung);
    by_hand(rung, &["promote", &version.to_string()]);
    version
}

/// The registered versions by their numbers, as MLflow tells them.
pub(crate) fn versions(rung: &Rung) -> BTreeMap<u32, Value> {
    let endpoints = std::fs::read_to_string(rung.state().join("endpoints.yaml")).unwrap();
    let uri = endpoints
        .lines()
        .find_map(|line| line.trim().strip_prefix("trackingUri: "))
        .unwrap();
    let output = run(Command::new("curl")
        .args(["-sS", "--fail", "--noproxy", "*", "--get"])
        .arg(format!("{uri}/api/2.0/mlflow/model-versions/search"))
        .args(["--data-urlencode", "filter=name='next-week-commits'"]));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = answer["model_versions"].as_array().into_iter().flatten();
    found
        .map(|version| {
            (
                version["version"].as_str().unwrap().parse().unwrap(),
                version.clone(),
            )
        })
        .collect()
}

/// Number of the one version that there is. Two runs that register at once take two numbers, and give one back.
fn the_one(rung: &Rung) -> u32 {
    let versions = versions(rung);
    assert_eq!(versions.len(), 1, "{versions:?}");
    versions.into_keys().next().unwrap()
}

/// What a check found.
pub(crate) fn check<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name).unwrap();
    found["detail"].as_str().unwrap()
}

fn by_hand(rung: &Rung, arguments: &[&str]) {
    run(Command::new(rung.state().join("python/current/bin/python"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/hand.py"))
        .arg(rung.state().join("endpoints.yaml"))
        .args(arguments));
}

/// Files below a folder whose path ends so.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.ends_with(end) {
            found.push(path);
        }
    }
    found
}

/// Another digit in the middle, of the same length.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    let digit = bytes[middle..]
        .iter_mut()
        .find(|byte| byte.is_ascii_digit())
        .unwrap();
    *digit ^= 1;
    std::fs::write(path, bytes).unwrap();
}
