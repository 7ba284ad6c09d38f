//! What else is typed about runs, and what makes no sense.

use std::process::Command;

use e2e::{MINI, Rung, Told};
use serde_json::Value;

use crate::story::story;

#[test]
fn runs_are_listed_newest_first_with_logs_and_reasons() {
    let (rung, story) = story();
    let ctl = |arguments: &[&str]| {
        let told = Told::by(&mut rung.platform_ctl(arguments));
        assert_eq!(told.code, Some(0), "{arguments:?} {told}");
        told.stdout
    };
    let [first, _, third] = story.run_ids();
    let listed = ctl(&["pipeline", "list"]);
    let place = |run_id: &str| {
        listed
            .find(run_id)
            .unwrap_or_else(|| panic!("{run_id} is not in {listed}"))
    };
    assert!(place(&third) < place(&first), "{listed}");

    assert!(ctl(&["pipeline", "logs", &first, "tune"]).contains("trials "));
    assert!(ctl(&["pipeline", "logs", &first[..13]]).contains("evaluate: skill "));

    let explained = ctl(&["pipeline", "explain-cache", &third]);
    for (task, decision) in [
        ("ingest", "never"),
        ("extract", "HIT"),
        ("tune", "HIT"),
        ("train", "HIT"),
        ("evaluate", "HIT"),
        ("register", "never"),
        ("deploy", "never"),
    ] {
        let line = explained.lines().find(|line| line.trim_start().starts_with(task));
        assert!(
            line.is_some_and(|line| line.contains(decision)),
            "{task} {decision}: {explained}"
        );
    }
    let key: Value =
        serde_json::from_str(&ctl(&["--json", "pipeline", "explain-cache", &first, "train"])).unwrap();
    assert_eq!(key["decision"], "MISS");
    assert!(key["key"].is_object(), "{key}");
}

#[test]
fn kubectl_sees_what_the_steps_made() {
    let (rung, _) = story();
    let world = rung.world();
    let objects = world["objects"].as_object().unwrap();
    assert!(
        objects.values().all(|kind| !kind.as_object().unwrap().is_empty()),
        "{world}"
    );
    let kinds = objects.keys().cloned().collect::<Vec<_>>().join(",");
    let kubectl = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(rung.state().join("kubeconfig"))
        .args(["get", &kinds, "--all-namespaces", "--output", "json"])
        .output();
    let output = match kubectl {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("kubectl is not on PATH: the Kubernetes client for Python alone has looked");
            return;
        }
        Err(error) => panic!("kubectl: {error}"),
    };
    assert!(output.status.success(), "{output:?}");
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut seen: Vec<String> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let metadata = &item["metadata"];
            format!(
                "{}/{}",
                metadata["namespace"].as_str().unwrap(),
                metadata["name"].as_str().unwrap()
            )
        })
        .collect();
    seen.sort();
    let mut known: Vec<String> = objects
        .values()
        .flat_map(|kind| kind.as_object().unwrap().keys().cloned())
        .collect();
    known.sort();
    assert_eq!(seen, known);
}

#[test]
fn what_makes_no_sense_is_usage() {
    let (rung, _) = story();
    let runs = Told::by(&mut rung.platform_ctl(&["pipeline", "list"])).stdout;
    for (arguments, expected) in [
        (&["no-such-recipe"][..], "there is no recipe no-such-recipe"),
        (
            &["train-deploy", "--param", "colour=red"],
            "the pipeline has no parameter `colour`",
        ),
        (
            &["train-deploy", "--param", "max_trials=many"],
            "`many` is no NUMBER_INTEGER",
        ),
        (
            &["train-deploy", "--repo", "/no/such/folder"],
            "repository /no/such/folder: there is no such folder",
        ),
        (&["train-deploy", "--ref", "main"], "--repo"),
    ] {
        let told = rung.recipe(arguments);
        assert_eq!(
            (told.code, told.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?} {told}"
        );
        assert!(told.stderr.contains(expected), "{arguments:?} {told}");
    }
    assert_eq!(
        Told::by(&mut rung.platform_ctl(&["pipeline", "list"])).stdout,
        runs,
        "no run was made"
    );
}

#[test]
fn a_rung_that_cannot_be_brought_up_is_told_as_that() {
    let rung = Rung::new();
    std::fs::remove_file(rung.state().join("python/current")).unwrap();
    let told = rung.recipe(&MINI);
    assert_eq!((told.code, told.stdout.as_str()), (Some(3), ""), "{told}");
    assert!(told.stderr.contains("error: "), "{told}");
}
