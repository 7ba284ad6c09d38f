use super::*;
use rstest::rstest;

fn at(text: &str) -> Time {
    Time(text.parse().unwrap())
}

/// One trial a word: `3.5` succeeded with that objective, else the first letter of its state.
fn records(words: &str) -> Vec<Record> {
    let record = |(index, word): (usize, &str)| {
        let (state, objective) = match word {
            "P" => (State::Pending, None),
            "R" => (State::Running, None),
            "F" => (State::Failed, None),
            "M" => (State::MetricsUnavailable, None),
            "K" => (State::Killed, None),
            number => (State::Succeeded, Some(number.parse().unwrap())),
        };
        let metric = serde_json::json!({"name": "mae", "min": word, "max": word, "latest": word});
        Record {
            name: format!("t-{index:03}"),
            index: u32::try_from(index).unwrap(),
            state,
            assignments: vec![
                serde_json::from_value(serde_json::json!({"name": "x", "value": index.to_string()})).unwrap(),
            ],
            observation: objective
                .iter()
                .map(|_: &f64| serde_json::from_value(metric.clone()).unwrap())
                .collect(),
            objective,
            message: String::new(),
        }
    };
    words.split_whitespace().enumerate().map(record).collect()
}

fn told(words: &str, verdict: Option<&Verdict>) -> serde_json::Value {
    let before = ExperimentStatus::default();
    let minimize = ObjectiveType::Minimize;
    let status = status(
        &before,
        Some(&minimize),
        &records(words),
        verdict,
        &at("2026-01-01T00:00:00Z"),
    );
    serde_json::to_value(status).unwrap()
}

#[test]
fn before_any_trial_it_is_created() {
    let moment = "2026-01-01T00:00:00Z";
    assert_eq!(
        told("", None),
        serde_json::json!({
            "startTime": moment,
            "conditions": [{"type": "Created", "status": "True", "reason": "ExperimentCreated",
                "message": "Experiment is created", "lastUpdateTime": moment, "lastTransitionTime": moment}],
            "currentOptimalTrial": {"observation": {}},
        })
    );
}

#[test]
fn while_it_runs_every_trial_is_in_one_list() {
    let status = told("3.5 F M R P 1.25", None);
    let lists = [
        ("succeeded", 2, serde_json::json!(["t-000", "t-005"])),
        ("failed", 1, serde_json::json!(["t-001"])),
        ("running", 1, serde_json::json!(["t-003"])),
        ("pending", 1, serde_json::json!(["t-004"])),
    ];
    for (state, number, names) in lists {
        let mut capital = state.to_owned();
        capital[..1].make_ascii_uppercase();
        assert_eq!(status[format!("trials{capital}")], number, "{state}");
        assert_eq!(status[format!("{state}TrialList")], names);
    }
    assert_eq!(status["trialMetricsUnavailable"], 1);
    assert_eq!(
        status["metricsUnavailableTrialList"],
        serde_json::json!(["t-002"])
    );
    assert_eq!(status["trials"], 6);
    assert_eq!(
        status["currentOptimalTrial"],
        serde_json::json!({
            "bestTrialName": "t-005",
            "parameterAssignments": [{"name": "x", "value": "5"}],
            "observation": {"metrics": [{"name": "mae", "min": "1.25", "max": "1.25", "latest": "1.25"}]},
        })
    );
    assert_eq!(status["conditions"][1]["type"], "Running");
}

#[rstest]
#[case::smallest(ObjectiveType::Minimize, "3 1 2", Some("t-001"))]
#[case::largest(ObjectiveType::Maximize, "3 1 2", Some("t-000"))]
#[case::first_of_equals(ObjectiveType::Minimize, "2 1 1", Some("t-001"))]
#[case::failures_have_no_value(ObjectiveType::Minimize, "F M K 2", Some("t-003"))]
#[case::nothing_yet(ObjectiveType::Minimize, "R F", None)]
fn the_best(#[case] objective: ObjectiveType, #[case] words: &str, #[case] expected: Option<&str>) {
    let records = records(words);
    let found = best(Some(&objective), &records).map(|record| record.name.as_str());
    assert_eq!(found, expected);
}

#[rstest]
#[case(Kind::Succeeded, "ExperimentMaxTrialsReached", &[("Created", "True"), ("Running", "False"), ("Succeeded", "True")])]
#[case(Kind::Failed, "ExperimentFailed", &[("Created", "True"), ("Running", "False"), ("Failed", "True")])]
fn a_verdict_ends_it(#[case] kind: Kind, #[case] reason: &str, #[case] expected: &[(&str, &str)]) {
    let verdict = Verdict {
        kind,
        reason: reason.to_owned(),
        message: "why".to_owned(),
        time: at("2026-01-01T00:01:00Z"),
    };
    let status = told("1 K", Some(&verdict));
    let conditions: Vec<(&str, &str)> = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|condition| {
            (
                condition["type"].as_str().unwrap(),
                condition["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(conditions, expected);
    assert_eq!(status["conditions"][2]["reason"], reason);
    assert_eq!(status["completionTime"], "2026-01-01T00:01:00Z");
}

#[test]
fn an_unchanged_world_gives_an_equal_status() {
    let minimize = ObjectiveType::Minimize;
    let first = status(
        &ExperimentStatus::default(),
        Some(&minimize),
        &records("1 R"),
        None,
        &at("2026-01-01T00:00:00Z"),
    );
    let second = status(
        &first,
        Some(&minimize),
        &records("1 R"),
        None,
        &at("2026-01-02T00:00:00Z"),
    );
    assert_eq!(first, second);
}
