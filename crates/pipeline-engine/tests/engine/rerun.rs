//! Runs made of runs, and how two runs differ.

use crate::fixture::{Ended, Opened};
use indexmap::IndexMap;
use pipeline_engine::{Aspect, Begin, CacheDecision, RunDifference, RunId, RunState, TaskState};
use rstest::rstest;
use serde_json::{Value, json};

const GATED: &str = include_str!("packages/gated.yaml");

async fn rerun(opened: &Opened, of: RunId, begin: Begin, parameters: &[(&str, Value)]) -> Ended {
    let parameters: IndexMap<String, Value> = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let run = opened.engine.rerun(of, begin, parameters).await.expect("a rerun");
    opened.end_of(run.id).await
}

/// Container tasks and what became of them.
fn did(ended: &Ended) -> Vec<(&str, TaskState)> {
    let containers = ended
        .tasks
        .iter()
        .filter(|task| task.name != "root" && task.name != "condition-1");
    containers.map(|task| (task.name.as_str(), task.state)).collect()
}

#[rstest]
#[case::from_a_task(Begin::From("train".into()), &[], ["Cached", "Cached", "Succeeded", "Succeeded"])]
#[case::from_the_first(Begin::From("ingest".into()), &[], ["Succeeded", "Cached", "Cached", "Succeeded"])]
#[case::only_a_task(Begin::Only("root.train".into()), &[], ["Cached", "Cached", "Succeeded", "Skipped"])]
#[case::only_one_behind_the_gate(Begin::Only("register".into()), &[], ["Cached", "Cached", "Cached", "Succeeded"])]
#[case::with_a_parameter_of_a_task(Begin::Changed, &[("width", json!(11))], ["Cached", "Succeeded", "Cached", "Succeeded"])]
#[case::with_a_parameter_of_the_first(
    Begin::Changed, &[("rows", json!(4))], ["Succeeded", "Succeeded", "Succeeded", "Succeeded"]
)]
#[case::with_a_parameter_that_closes_the_gate(
    Begin::Changed, &[("threshold", json!(0.9))], ["Cached", "Cached", "Cached", "Skipped"]
)]
#[case::with_a_parameter_that_the_gate_alone_reads(
    Begin::Changed, &[("threshold", json!(0.2))], ["Cached", "Cached", "Cached", "Succeeded"]
)]
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_run_is_taken_as_it_was_recorded(
    #[case] begin: Begin,
    #[case] parameters: &[(&str, Value)],
    #[case] expected: [&str; 4],
) {
    let opened = Opened::new().await;
    let first = opened.run(GATED).await;
    let again = rerun(&opened, first.run.id, begin, parameters).await;
    assert_eq!(again.run.state, RunState::Succeeded);
    let mut expected: Vec<_> = ["ingest", "extract", "train", "register"]
        .into_iter()
        .zip(expected)
        .collect();
    let skipped_with_its_gate = !again.tasks.iter().any(|task| task.name == "register");
    if skipped_with_its_gate {
        assert_eq!(expected.pop(), Some(("register", "Skipped")));
    }
    let did: Vec<_> = did(&again)
        .into_iter()
        .map(|(name, state)| (name, format!("{state:?}")))
        .collect();
    let did: Vec<_> = did.iter().map(|(name, state)| (*name, state.as_str())).collect();
    assert_eq!(did, expected);
    for task in again.tasks.iter().filter(|task| task.state == TaskState::Cached) {
        assert_eq!(task.cached_from, Some(first.run.id), "{}", task.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerun_says_what_it_is() {
    let opened = Opened::new().await;
    let first = opened.run(GATED).await;
    let again = rerun(&opened, first.run.id, Begin::From("train".into()), &[]).await;
    assert_eq!(again.run.display_name, "test again");
    assert_eq!(
        again.run.description,
        format!("run {} again, from train", first.run.id)
    );
    let told = opened.engine.explain_cache(again.run.id, "train").await.unwrap();
    assert_eq!(
        (told.decision, told.reason.as_str()),
        (CacheDecision::Miss, "a rerun asks for it")
    );
    let told = opened.engine.explain_cache(again.run.id, "ingest").await.unwrap();
    assert_eq!(
        (told.decision, told.reason),
        (
            CacheDecision::Hit,
            format!("its outputs are those of run `{}`", first.run.id)
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_failed_is_tried_on_the_inputs_it_had() {
    let opened = Opened::new().await;
    let breaks = GATED.replacen("printf 0.5 >", "exit 3; printf 0.5 >", 1);
    let failed = opened.run(&breaks).await;
    assert_eq!(failed.run.state, RunState::Failed);
    let again = rerun(&opened, failed.run.id, Begin::Only("train".into()), &[]).await;
    assert_eq!(
        did(&again)[..3],
        [
            ("ingest", TaskState::Cached),
            ("extract", TaskState::Cached),
            ("train", TaskState::Failed)
        ]
    );
    assert_eq!(
        again.task("train").input_artifacts[0].artifacts[0].digest,
        failed.task("train").input_artifacts[0].artifacts[0].digest
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerun_goes_on_after_the_engine_was_closed() {
    let opened = Opened::new().await;
    let slow = GATED.replacen("printf 0.5 >", "sleep 1; printf 0.5 >", 1);
    let first = opened.run(&slow).await;
    let run = opened
        .engine
        .rerun(first.run.id, Begin::Only("train".into()), IndexMap::new())
        .await
        .unwrap();
    let opened = opened.reopened().await;
    let ended = opened.end_of(run.id).await;
    assert_eq!(
        did(&ended),
        [
            ("ingest", TaskState::Cached),
            ("extract", TaskState::Cached),
            ("train", TaskState::Succeeded),
            ("register", TaskState::Skipped)
        ]
    );
    let condition = ended.task("condition-1");
    assert_eq!(
        condition.state,
        TaskState::Succeeded,
        "its tasks were skipped, it was not"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_again_is_refused_and_nothing_is_made() {
    let opened = Opened::new().await;
    let breaks = GATED.replacen("printf d%s", "exit 3; printf d%s", 1);
    let failed = opened.run(&breaks).await.run.id;
    let first = opened.run(GATED).await;
    let refused = async |of: RunId, begin: Begin, parameters: &[(&str, Value)]| {
        let parameters = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        opened
            .engine
            .rerun(of, begin, parameters)
            .await
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(first.run.id, Begin::From("tarin".into()), &[]).await,
        "there is no task `tarin`; there are ingest, extract, train, condition-1, register"
    );
    assert_eq!(
        refused(failed, Begin::From("train".into()), &[]).await,
        format!("task `train` of run `{failed}` was given no inputs: begin at one that was")
    );
    assert_eq!(
        refused(first.run.id, Begin::Changed, &[]).await,
        "a rerun needs a task to begin at, or a parameter that is otherwise"
    );
    let unknown = refused(first.run.id, Begin::Changed, &[("treshold", json!(1))]).await;
    assert!(unknown.contains("treshold"), "{unknown}");

    let data = first.task("extract").output_artifacts[0].artifacts[0].clone();
    std::fs::write(data.path.unwrap(), "other").unwrap();
    let altered = refused(first.run.id, Begin::Only("train".into()), &[]).await;
    assert!(
        altered.starts_with(&format!("run `{}`, task `extract`: `data` at ", first.run.id))
            && altered.ends_with(" has been altered since it was recorded: begin there with --from"),
        "{altered}"
    );
    // From there on what is spoilt is made anew.
    let again = rerun(&opened, first.run.id, Begin::From("train".into()), &[]).await;
    assert_eq!(again.task("extract").state, TaskState::Succeeded);
    assert_eq!(again.run.state, RunState::Succeeded);
}

fn lines(differences: &[RunDifference]) -> Vec<String> {
    let line = |told: &RunDifference| {
        let place = told.scope_path.as_deref().unwrap_or("run");
        format!("{place} {:?} {}", told.aspect, told.difference)
    };
    differences.iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_difference_is_where_two_runs_part() {
    let opened = Opened::new().await;
    let first = opened.run(GATED).await.run.id;
    let compare = async |other: RunId| {
        lines(
            &opened
                .engine
                .compare_runs(first, other)
                .await
                .unwrap()
                .differences,
        )
    };
    let same = opened.run(GATED).await.run.id;
    assert_eq!(compare(same).await, [""; 0]);

    let wider = opened.run_with(GATED, &[("width", json!(11))]).await.run.id;
    assert_eq!(
        compare(wider).await,
        ["run Given parameter width: 10 → 11"],
        "equal bytes end it there"
    );

    let rows = opened.run_with(GATED, &[("rows", json!(4))]).await;
    let told = compare(rows.run.id).await;
    assert_eq!(
        told[..2],
        [
            "run Given parameter rows: 3 → 4",
            "root.ingest Gave parameter digest: \"d3\" → \"d4\""
        ]
    );
    assert!(
        told[2].starts_with("root.extract Gave artifact data: "),
        "{told:#?}"
    );
    assert_eq!(told.len(), 3);

    let closed = opened.run_with(GATED, &[("threshold", json!(0.9))]).await.run.id;
    assert_eq!(
        compare(closed).await,
        [
            "run Given parameter threshold: 0.1 → 0.9",
            "root.condition-1 Ended state: \"SUCCEEDED\" → \"SKIPPED\"",
            "root.condition-1.register Ended state: \"SUCCEEDED\" → absent",
        ]
    );

    let better = opened
        .run(&GATED.replacen("printf 0.5", "printf 0.6", 1))
        .await
        .run
        .id;
    let told = compare(better).await;
    assert!(told[0].starts_with("root.train Given command: "), "{told:#?}");
    assert_eq!(told[1..], ["root.train Gave parameter skill: 0.5 → 0.6"]);

    // No task was given anything else; what the package says decides between them.
    let turned = opened
        .run(&GATED.replacen("train-skill'] >", "train-skill'] <", 1))
        .await
        .run
        .id;
    let differences = opened
        .engine
        .compare_runs(first, turned)
        .await
        .unwrap()
        .differences;
    let last = differences.last().unwrap();
    assert_eq!(
        (last.aspect, last.difference.field.as_str()),
        (
            Aspect::Package,
            "root.dag.tasks.condition-1.triggerPolicy.condition"
        )
    );
}
