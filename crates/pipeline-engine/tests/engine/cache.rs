//! What the plan foretells, what happens then, and how it is explained.

use std::collections::BTreeMap;

use crate::fixture::{Ended, HELLO, Opened};
use indexmap::IndexMap;
use pipeline_engine::{CacheDecision, ForecastTask, Outlook, PipelineSource, TaskKind, TaskState};
use serde_json::{Value, json};

const GATED: &str = include_str!("packages/gated.yaml");

async fn plan(opened: &Opened, package: &str, parameters: &[(&str, Value)]) -> Vec<ForecastTask> {
    let parameters: IndexMap<String, Value> = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let source = PipelineSource::Inline(package.to_owned());
    opened
        .engine
        .plan(source, &parameters)
        .await
        .expect("a plan")
        .tasks
}

fn lines(tasks: &[ForecastTask]) -> Vec<String> {
    tasks
        .iter()
        .map(|task| {
            format!(
                "{} {:?}: {}",
                task.scope_path.trim_start_matches("root."),
                task.outlook,
                task.reason
            )
        })
        .collect()
}

/// Every task does what was foretold; what depends on something may do either.
fn assert_foretold(plan: &[ForecastTask], ended: &Ended) {
    let told: BTreeMap<&str, Outlook> = plan
        .iter()
        .map(|task| (task.scope_path.as_str(), task.outlook))
        .collect();
    for task in &ended.tasks {
        let as_told = match (told.get(task.scope_path.as_str()), task.state) {
            (Some(Outlook::Hit), state) => state == TaskState::Cached,
            (Some(Outlook::Miss | Outlook::Runs), state) => state == TaskState::Succeeded,
            (Some(Outlook::Skips), state) => state == TaskState::Skipped,
            (Some(Outlook::Depends), _) => true,
            (None, _) => !matches!(task.kind, TaskKind::Container | TaskKind::Importer),
        };
        assert!(
            as_told,
            "{} was foretold otherwise than {:?}: {:#?}",
            task.scope_path,
            task.state,
            lines(plan)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_is_what_happens() {
    let opened = Opened::new().await;
    let first = plan(&opened, GATED, &[]).await;
    assert_eq!(
        lines(&first),
        [
            "ingest Runs: it is never cached",
            "extract Depends: its inputs depend on what task `ingest` hands back",
            "train Depends: its inputs depend on what task `extract` hands back",
            "condition-1.register Depends: whether it runs depends on what task `train` hands back",
        ]
    );
    let ended = opened.run(GATED).await;
    assert_foretold(&first, &ended);
    let run = ended.run.id;

    let again = plan(&opened, GATED, &[]).await;
    let assumed =
        format!("it is never cached; taken to hand back what it did in run `{run}`, with the same inputs");
    assert_eq!(
        lines(&again),
        [
            format!("ingest Runs: {assumed}"),
            format!("extract Hit: its outputs are those of run `{run}`"),
            format!("train Hit: its outputs are those of run `{run}`"),
            format!("condition-1.register Runs: {assumed}"),
        ]
    );
    assert_foretold(&again, &opened.run(GATED).await);

    // The same bytes of other inputs: the wave ends there, which the plan cannot know.
    let wider = [("width", json!(11))];
    let told = plan(&opened, GATED, &wider).await;
    assert_eq!(
        lines(&told)[1..3],
        [
            format!(
                "extract Miss: since run `{}`: parameter width: 10 → 11",
                told[1].from_run.unwrap()
            ),
            "train Depends: its inputs depend on what task `extract` hands back".to_owned(),
        ]
    );
    let ended = opened.run_with(GATED, &wider).await;
    assert_foretold(&told, &ended);
    assert_eq!(
        (ended.task("extract").state, ended.task("train").state),
        (TaskState::Succeeded, TaskState::Cached)
    );

    let closed = [("threshold", json!(0.9))];
    let told = plan(&opened, GATED, &closed).await;
    assert!(
        lines(&told)[3].starts_with("condition-1 Skips: its condition is false: inputs."),
        "{:#?}",
        lines(&told)
    );
    let inside = |task: &&ForecastTask| task.scope_path.starts_with("root.condition-1.");
    let inner: Vec<_> = told.iter().filter(inside).map(|task| task.outlook).collect();
    assert!(!inner.is_empty(), "what is behind the gate is told too");
    assert!(
        inner.iter().all(|outlook| *outlook == Outlook::Skips),
        "{inner:?}"
    );
    let ended = opened.run_with(GATED, &closed).await;
    assert_foretold(&told, &ended);
    assert_eq!(ended.task("condition-1").state, TaskState::Skipped);

    let rows = [("rows", json!(4))];
    let told = plan(&opened, GATED, &rows).await;
    assert_eq!(told[0].outlook, Outlook::Runs);
    assert_eq!(told[0].from_run, None, "with other inputs nothing is assumed");
    assert_foretold(&told, &opened.run_with(GATED, &rows).await);

    let image = GATED.replacen("printf 0.5", "printf 0.50", 1);
    let told = plan(&opened, &image, &[]).await;
    assert_eq!(told[2].outlook, Outlook::Miss);
    assert!(told[2].reason.contains(": command: "), "{}", told[2].reason);
    assert_foretold(&told, &opened.run(&image).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_explained_by_the_field() {
    let opened = Opened::new().await;
    let first = opened.run(GATED).await;
    let explain =
        async |ended: &Ended, task: &str| opened.engine.explain_cache(ended.run.id, task).await.unwrap();
    let of_first = explain(&first, "extract").await;
    assert_eq!(
        (of_first.decision, of_first.reason.as_str()),
        (CacheDecision::Miss, "it is the first of its kind")
    );
    assert!(of_first.fingerprint.is_some() && of_first.key.is_some());

    let hit = opened.run(GATED).await;
    let of_hit = explain(&hit, "extract").await;
    assert_eq!(
        (of_hit.decision, of_hit.other_run),
        (CacheDecision::Hit, Some(first.run.id))
    );
    assert_eq!(of_hit.fingerprint, of_first.fingerprint);

    let wider = opened.run_with(GATED, &[("width", json!(25))]).await;
    let of_wider = explain(&wider, "extract").await;
    assert_eq!(
        of_wider.reason,
        format!("since run `{}`: parameter width: 10 → 25", hit.run.id)
    );
    let of_train = explain(&wider, "root.train").await;
    assert_eq!(of_train.differences.len(), 1);
    assert_eq!(of_train.differences[0].field, "artifact data");

    let off = explain(&wider, "register").await;
    assert_eq!(
        (off.decision, off.reason.as_str()),
        (CacheDecision::Off, "it is never cached")
    );
    let scope = explain(&wider, "condition-1").await;
    assert_eq!(
        scope.reason,
        "it is made of tasks, which are cached by themselves"
    );
    let unknown = opened
        .engine
        .explain_cache(wider.run.id, "tarin")
        .await
        .unwrap_err();
    assert_eq!(unknown.to_string(), "there is no task `tarin`");

    // Bytes altered behind the cache's back.
    let path = first.task("extract").output_artifacts[0].artifacts[0]
        .path
        .clone()
        .unwrap();
    std::fs::write(&path, "other bytes").unwrap();
    let altered = opened.run(GATED).await;
    let of_altered = explain(&altered, "extract").await;
    assert_eq!(of_altered.decision, CacheDecision::Miss);
    assert_eq!(
        of_altered.reason,
        format!(
            "`data` at {} has been altered since it was recorded",
            path.display()
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_at_once_finds_what_has_just_been_done() {
    let opened = Opened::new().await;
    let second = "      again:\n        cachingOptions: {enableCache: true}\n        componentRef: {name: comp-greet}\n        \
                  dependentTasks: [greet]\n        inputs: {parameters: {who: {componentInputParameter: who}}}\n  \
                  inputDefinitions:\n    parameters:\n      who:\n        defaultValue";
    let first = "  inputDefinitions:\n    parameters:\n      who:\n        defaultValue";
    let package = HELLO.replace(first, second);
    assert_ne!(package, HELLO);
    let ended = opened.run(&package).await;
    assert_eq!(ended.task("greet").state, TaskState::Succeeded);
    assert_eq!(ended.task("again").state, TaskState::Cached);
}
