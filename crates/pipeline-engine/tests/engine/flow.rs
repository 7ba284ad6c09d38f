//! Control flow, in packages as the SDK compiles them: conditions, choices, loops, nesting, exit handlers, imports.

use crate::fixture::Opened;
use pipeline_engine::{RunState, TaskKind, TaskState};
use rstest::rstest;
use serde_json::json;

/// Nested pipelines, one with a choice of three branches; an import.
const FLOW: &str = include_str!("packages/flow.yaml");
/// Two loops, one with a condition and artifacts in it, and a list collected from it.
const LOOPS: &str = include_str!("packages/loops.yaml");
/// An exit handler around a task that fails.
const EXITS: &str = include_str!("packages/exits.yaml");

#[rstest]
#[case("heads", "got heads")]
#[case("tails", "got tails")]
#[case("edge", "it stands on its edge")]
#[tokio::test(flavor = "multi_thread")]
async fn one_branch_runs_and_its_output_is_the_choice(#[case] coin: &str, #[case] chosen: &str) {
    let opened = Opened::new().await;
    let imported = opened.folder.path().join("imported");
    std::fs::write(&imported, "imported bytes").unwrap();
    let parameters = [
        ("coin", json!(coin)),
        ("uri", json!(format!("file://{}", imported.display()))),
    ];
    let ended = opened.run_with(FLOW, &parameters).await;
    assert_eq!(ended.run.state, RunState::Succeeded, "{:#?}", ended.tasks);

    assert_eq!(ended.output("branches", "Output"), chosen);
    let branches: Vec<_> = ended
        .tasks
        .iter()
        .filter(|task| task.kind == TaskKind::Condition)
        .collect();
    let ran = branches
        .iter()
        .filter(|task| task.scope_path.contains("branches-1") && task.state.is_success());
    assert_eq!(ran.count(), 1);
    // An optional input that was given no value is absent, and not an empty text.
    assert_eq!(
        ended.output("inner", "Output"),
        &json!(format!("{chosen}, none|"))
    );

    let import = ended
        .tasks
        .iter()
        .find(|task| task.kind == TaskKind::Importer)
        .unwrap();
    let artifact = &import.output_artifacts[0].artifacts[0];
    assert_eq!(artifact.path.as_deref(), Some(imported.as_path()));
    assert_eq!(artifact.metadata["from"], json!(coin));
    assert_eq!(ended.output("read", "out"), "imported bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_runs_each_item_and_collects_in_order() {
    let opened = Opened::new().await;
    let ended = opened.run(LOOPS).await;
    assert_eq!(ended.run.state, RunState::Succeeded, "{:#?}", ended.tasks);
    assert_eq!(ended.output("join", "out"), r#"["n1","n2","n3"]"#);
    let states: Vec<_> = (0..3)
        .map(|nth| ended.task(&format!("for-loop-1.{nth}.condition-2")).state)
        .collect();
    assert_eq!(
        states,
        [TaskState::Skipped, TaskState::Succeeded, TaskState::Succeeded]
    );
    for nth in 0..3 {
        assert_eq!(
            ended.output(&format!("for-loop-1.{nth}.read"), "out"),
            &json!(format!("n{}", nth + 1))
        );
    }
    assert_eq!(ended.task("for-loop-1").children.len(), 3);
    assert_eq!(ended.output("for-loop-4.1.say-3", "out"), "y");

    let none = opened.run_with(LOOPS, &[("numbers", json!([]))]).await;
    assert_eq!(
        (none.run.state, none.output("join", "out")),
        (RunState::Succeeded, &json!("[]"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_task_runs_after_a_failure_and_is_told_of_it() {
    let opened = Opened::new().await;
    let ended = opened.run(EXITS).await;
    assert_eq!(
        ended.states(),
        [
            "root Failed",
            "root.bye Succeeded",
            "root.exit-handler-1 Failed",
            "root.exit-handler-1.fail Failed",
            "root.exit-handler-1.say Succeeded"
        ]
    );
    assert_eq!(
        ended.run.error.as_deref(),
        Some("task `exit-handler-1.fail` failed")
    );
    assert_eq!(
        ended.task("exit-handler-1.fail").message.as_deref(),
        Some("exit code 1: broken")
    );
    let status: serde_json::Value =
        serde_json::from_str(ended.output("bye", "out").as_str().unwrap()).unwrap();
    assert_eq!(
        status,
        json!({
            "state": "FAILED",
            "error": {},
            "pipelineJobResourceName": ended.run.name,
            "pipelineTaskName": "exit-handler-1",
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_as_it_is_written() {
    use futures::StreamExt;
    let opened = Opened::new().await;
    let go = opened.folder.path().join("go");
    // Written by the step before it waits, and after.
    let text = format!(
        "first; while ! test -e {}; do sleep 0.02; done; echo second",
        go.display()
    );
    let package = EXITS.replace("echo \"$0\" >&2; exit 1", "eval \"echo $0\"");
    let run = opened.start_with(&package, &[("text", json!(text))]).await;
    let seen = opened
        .wait(run.id, "the step runs", |_, tasks| {
            tasks
                .iter()
                .any(|task| task.name == "fail" && !task.attempts.is_empty())
        })
        .await;
    let log = opened
        .engine
        .follow_log(seen.task("exit-handler-1.fail").id)
        .await
        .unwrap();
    let mut log = std::pin::pin!(log);
    let first = tokio::time::timeout(std::time::Duration::from_secs(30), log.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(String::from_utf8(first).unwrap(), "first\n");
    std::fs::write(&go, "").unwrap();
    let rest: Vec<Vec<u8>> = tokio::time::timeout(
        std::time::Duration::from_secs(30),
        log.map(|piece| piece.unwrap()).collect(),
    )
    .await
    .unwrap();
    assert_eq!(String::from_utf8(rest.concat()).unwrap(), "second\n");
    assert_eq!(opened.end_of(run.id).await.run.state, RunState::Succeeded);
}
