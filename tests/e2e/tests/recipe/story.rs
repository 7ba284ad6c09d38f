//! A run from nothing, a rerun, and another one after `down` and `up`.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::OnceLock;

use e2e::{MINI, Rung, Told};
use serde_json::Value;

/// Looks first and leaves alone what is as it should be; never cached.
pub(crate) const RECONCILING: [&str; 3] = ["ingest", "register", "deploy"];
const STEPS: [&str; 8] = [
    "ingest",
    "extract",
    "tune",
    "train",
    "evaluate",
    "condition-1",
    "register",
    "deploy",
];

type Plan = Vec<(String, String)>;

/// What happened, in order.
pub(crate) struct Story {
    /// Foretold, what came of it, and how the world stood then.
    first: (Plan, Told, Value),
    second: (Plan, Told, Value),
    /// After `down` and `up`: what the endpoint answered, then the same three.
    answer: Told,
    third: (Plan, Told, Value),
}

impl Story {
    /// Ids of the three runs.
    pub(crate) fn run_ids(&self) -> [String; 3] {
        [&self.first, &self.second, &self.third]
            .map(|(_, told, _)| told.object()["run_id"].as_str().unwrap().to_owned())
    }
}

/// The rung of this binary's tests, and what it has been through.
pub(crate) fn story() -> (&'static Rung, &'static Story) {
    static STORY: OnceLock<Story> = OnceLock::new();
    let rung = Rung::shared();
    let story = STORY.get_or_init(|| {
        let chapter = || {
            let plan = rung.plan(&MINI);
            let told = rung.recipe(&MINI);
            (plan, told, rung.world())
        };
        let (first, second) = (chapter(), chapter());
        rung.down();
        rung.up();
        let answer = Told::by(Command::new("sh").arg("-c").arg(curl(&second.1)));
        Story {
            first,
            second,
            answer,
            third: chapter(),
        }
    });
    (rung, story)
}

/// The request that the summary gives, to paste.
fn curl(told: &Told) -> String {
    let line = told
        .stderr
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("curl "));
    line.unwrap_or_else(|| panic!("no curl in {told}")).to_owned()
}

/// Names of the steps whose line says so.
pub(crate) fn steps(report: &Value, which: impl Fn(&Value) -> bool) -> Vec<&str> {
    let steps = report["steps"].as_array().unwrap();
    steps
        .iter()
        .filter(|&step| which(step))
        .map(|step| step["name"].as_str().unwrap())
        .collect()
}

/// Names of the steps that were executed.
pub(crate) fn executed(report: &Value) -> Vec<&str> {
    steps(report, |step| {
        step["state"] == "SUCCEEDED" && step["cached"] == false && step["name"] != "condition-1"
    })
}

fn foretold<'a>(plan: &'a Plan, outlook: &str) -> Vec<&'a str> {
    plan.iter()
        .filter(|(_, found)| found == outlook)
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn a_first_run_ends_green_with_one_object_on_stdout() {
    let told = &story().1.first.1;
    let report = told.well();
    assert_eq!(
        keys(&report),
        [
            "checks", "endpoint", "gate", "model", "run_id", "rung", "seconds", "steps"
        ],
    );
    assert_eq!(report["rung"], "embedded");
    assert_eq!(keys(&report["steps"][0]), ["cached", "name", "seconds", "state"]);
    assert_eq!(keys(&report["checks"][0]), ["detail", "name", "passed"]);
    assert_eq!(keys(&report["gate"]), ["metric", "open", "threshold", "value"]);
    assert_eq!(keys(&report["model"]), ["digest", "name", "stage", "version"]);

    assert_eq!(
        steps(&report, |step| step["state"] == "SUCCEEDED"
            && step["cached"] == false),
        STEPS
    );
    let failed: Vec<&Value> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["passed"] != true)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(report["gate"]["metric"], "skill");
    assert_eq!(report["gate"]["threshold"], -1000.0);
    assert_eq!(report["gate"]["open"], true);
    assert_eq!(report["model"]["name"], "next-week-commits");
    assert_eq!(report["model"]["version"], 1);
    assert_eq!(report["model"]["stage"], "Staging");
    assert_eq!(report["model"]["digest"].as_str().unwrap().len(), 64);
    let endpoint = report["endpoint"].as_str().unwrap();
    assert!(
        endpoint.starts_with("http://127.0.0.1:") && endpoint.ends_with("/v2/models/next-week-commits/infer")
    );
    assert!(report["seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn people_are_told_on_stderr() {
    let told = &story().1.first.1;
    for words in [
        "trials ",
        "ingest: 2,042 commits of 2 repositories",
        "synthetic",
        "version 1, Staging",
        "cargo xtask down",
        "MLflow",
        "Ray",
    ] {
        assert!(told.stderr.contains(words), "no `{words}` in {told}");
    }
}

#[test]
fn a_rerun_executes_what_reconciles_and_leaves_the_world_as_it_is() {
    let story = story().1;
    let (report, world) = (story.second.1.well(), &story.second.2);
    assert_eq!(executed(&report), RECONCILING);
    assert_eq!(
        steps(&report, |step| step["cached"] == true),
        ["extract", "tune", "train", "evaluate"]
    );
    assert_eq!(
        *world, story.first.2,
        "no version, no snapshot, no object, and no spec is written"
    );
    let first = story.first.1.well();
    assert_eq!(
        (&report["model"], &report["endpoint"]),
        (&first["model"], &first["endpoint"])
    );
}

#[test]
fn the_world_is_what_eight_steps_make() {
    let (first, world) = (story().1.first.1.well(), &story().1.first.2);
    let run: String = first["run_id"].as_str().unwrap().replace('-', "")[..12].to_owned();
    let names = |kind: &str| keys(&world["objects"][kind]);
    assert_eq!(names("experiments"), [format!("trials/tune-{run}")]);
    assert_eq!(names("rayjobs"), [format!("training/train-{run}")]);
    assert_eq!(names("inferenceservices"), ["serving/next-week-commits"]);
    assert_eq!(names("httproutes"), ["serving/next-week-commits"]);
    assert_eq!(keys(&world["versions"]), ["1"]);
    assert_eq!(world["snapshots"], 1);
    let tags: BTreeSet<&str> = world["versions"]["1"]["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag.as_str().unwrap())
        .collect();
    for tag in [
        "run_id",
        "snapshot_id",
        "feature_views",
        "git_commit",
        "lock_digest",
        "golden_digest",
        "model_digest",
        "input_key",
    ] {
        assert!(
            tags.contains(format!("basecamp.{tag}").as_str()),
            "{tag} of {tags:?}"
        );
    }
}

#[test]
fn after_down_and_up_the_model_is_served_and_a_run_hits_as_before() {
    let story = story().1;
    let (second, report) = (story.second.1.well(), story.third.1.well());
    assert_eq!(
        story.answer.well()["model_name"],
        "next-week-commits",
        "{}",
        story.answer
    );
    assert_eq!(executed(&report), RECONCILING);
    assert_eq!(
        (&report["model"], &report["endpoint"]),
        (&second["model"], &second["endpoint"])
    );
    assert_eq!(story.third.2, story.second.2);
}

#[test]
fn what_a_plan_foretells_is_what_runs() {
    let story = story().1;
    for (plan, told, _) in [&story.first, &story.second, &story.third] {
        let report = told.well();
        assert_eq!(
            foretold(plan, "HIT"),
            steps(&report, |step| step["cached"] == true)
        );
        // Of a first run's steps it cannot say more than that they depend on what others will give.
        let runs: Vec<&str> = plan
            .iter()
            .filter(|(_, outlook)| outlook != "HIT")
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(runs, executed(&report), "{plan:?}");
    }
    assert_eq!(foretold(&story.second.0, "RUNS"), RECONCILING);
    assert_eq!(foretold(&story.third.0, "RUNS"), RECONCILING);
}
