//! Recurring runs, by a clock that the tests move.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::fixture::{HELLO, config};
use jiff::{SignedDuration, Timestamp};
use pipeline_engine::{
    CatchUp, Engine, EngineError, ListOptions, ManualClock, NewExperiment, NewPipeline, NewRecurringRun,
    NewVersion, Page, PipelineSource, RecurringRunId, RunRecord, RunState, Trigger, WithVersions,
};
use tempfile::TempDir;

/// How long any wait may take.
const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// An engine whose schedules go by a clock of the test's.
struct Timed {
    engine: Engine,
    clock: ManualClock,
    folder: TempDir,
}

impl Timed {
    /// It is half past nine.
    async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pe").tempdir().unwrap();
        let clock = ManualClock::at(at("09:30:00"));
        let engine = open(folder.path(), &clock).await;
        Self {
            engine,
            clock,
            folder,
        }
    }

    async fn make(&self, change: impl FnOnce(&mut NewRecurringRun)) -> RecurringRunId {
        let mut new = hourly();
        change(&mut new);
        self.engine.create_recurring_run(new).await.unwrap().id
    }

    /// The runs of a recurring run, once there are so many, in the order of its schedule.
    async fn runs(&self, of: RecurringRunId, number: usize) -> Vec<RunRecord> {
        self.wait(of, |runs| runs.len() >= number).await
    }

    async fn wait(&self, of: RecurringRunId, holds: impl Fn(&[RunRecord]) -> bool) -> Vec<RunRecord> {
        let mut events = self.engine.events();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let Page { items, .. } = self.engine.runs(None, ListOptions::default()).await.unwrap();
            let mut runs: Vec<RunRecord> = items
                .into_iter()
                .filter(|run| run.recurring_run == Some(of))
                .collect();
            runs.sort_by_key(|run| run.scheduled_at);
            if holds(&runs) {
                return runs;
            }
            let heard = tokio::time::timeout_at(deadline, events.recv()).await;
            assert!(heard.is_ok(), "not within {PATIENCE:?}; last seen: {runs:#?}");
        }
    }
}

async fn open(folder: &Path, clock: &ManualClock) -> Engine {
    let mut config = config(folder);
    config.clock = Arc::new(clock.clone());
    Engine::open(config).await.unwrap()
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-24T{time}Z").parse().unwrap()
}

fn hourly() -> NewRecurringRun {
    NewRecurringRun {
        display_name: "hourly".into(),
        description: "greets".into(),
        experiment: None,
        source: PipelineSource::Inline(HELLO.into()),
        parameters: [("who".to_owned(), "Ada".into())].into_iter().collect(),
        pipeline_root: None,
        service_account: String::new(),
        max_concurrency: 10,
        catch_up: CatchUp::Every,
        trigger: cron("0 0 * * * *"),
        enabled: true,
    }
}

fn cron(pattern: &str) -> Trigger {
    Trigger::Cron {
        cron: pattern.into(),
        start: None,
        end: None,
    }
}

fn times(runs: &[RunRecord]) -> Vec<Timestamp> {
    runs.iter().map(|run| run.scheduled_at).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_made_when_its_time_comes() {
    let timed = Timed::new().await;
    let id = timed.make(|_| {}).await;
    timed.clock.advance(HOUR / 2);
    let first = timed.runs(id, 1).await;
    assert_eq!(times(&first), [at("10:00:00")]);
    assert_eq!(first[0].display_name, "hourly 2026-11-24T10:00:00Z");
    assert_eq!(first[0].parameters["who"], "Ada");
    timed.wait(id, |runs| runs[0].state == RunState::Succeeded).await;
    timed.clock.advance(HOUR);
    let both = timed.runs(id, 2).await;
    assert_eq!(times(&both), [at("10:00:00"), at("11:00:00")]);
    let told = timed.engine.recurring_run(id).await.unwrap();
    assert_eq!(told.last_scheduled_at, Some(at("11:00:00")));
    assert_eq!(told.package.unwrap()["pipelineInfo"]["name"], "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passed_while_the_engine_was_down_is_caught_up_or_not() {
    let timed = Timed::new().await;
    let every = timed.make(|new| new.max_concurrency = 1).await;
    let latest = timed.make(|new| new.catch_up = CatchUp::Latest).await;
    timed.engine.close().await;
    timed.clock.advance(HOUR * 3);
    let engine = open(timed.folder.path(), &timed.clock).await;
    let timed = Timed { engine, ..timed };
    let caught_up = timed.runs(every, 3).await;
    assert_eq!(
        times(&caught_up),
        [at("10:00:00"), at("11:00:00"), at("12:00:00")]
    );
    // One after the other: each was made once the one before had ended.
    for (before, after) in caught_up.iter().zip(&caught_up[1..]) {
        assert!(before.finished_at.unwrap() <= after.created_at, "{caught_up:#?}");
    }
    assert_eq!(times(&timed.runs(latest, 1).await), [at("12:00:00")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_makes_no_run_twice() {
    let timed = Timed::new().await;
    let id = timed.make(|_| {}).await;
    timed.clock.advance(HOUR * 2);
    timed.runs(id, 2).await;
    timed.clock.advance(-HOUR * 2);
    // Also for an engine that knows of it by its rows only.
    timed.engine.close().await;
    let engine = open(timed.folder.path(), &timed.clock).await;
    let timed = Timed { engine, ..timed };
    timed.clock.advance(HOUR * 3);
    let runs = timed.runs(id, 3).await;
    assert_eq!(times(&runs), [at("10:00:00"), at("11:00:00"), at("12:00:00")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_runs_than_may_be_are_under_way() {
    let timed = Timed::new().await;
    let gate = timed.folder.path().join("gate");
    let waits = format!("while [ ! -e {} ]; do sleep 0.02; done; printf", gate.display());
    let id = timed
        .make(|new| {
            new.max_concurrency = 1;
            new.source = PipelineSource::Inline(HELLO.replace("printf", &waits));
        })
        .await;
    // Made later, so looked at later: once it has run for a time, the other has been looked at for it.
    let fence = timed.make(|_| {}).await;
    timed.clock.advance(HOUR * 2);
    timed.runs(fence, 2).await;
    assert_eq!(times(&timed.runs(id, 1).await), [at("10:00:00")]);
    std::fs::write(gate, "").unwrap();
    assert_eq!(times(&timed.runs(id, 2).await), [at("10:00:00"), at("11:00:00")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_one_rests_and_catches_up_once_it_is_enabled() {
    let timed = Timed::new().await;
    let id = timed.make(|new| new.enabled = false).await;
    let fence = timed.make(|_| {}).await;
    timed.clock.advance(HOUR);
    timed.runs(fence, 1).await;
    assert_eq!(timed.runs(id, 0).await, []);
    timed.engine.enable_recurring_run(id).await.unwrap();
    assert_eq!(times(&timed.runs(id, 1).await), [at("10:00:00")]);
    timed.engine.delete_recurring_run(id).await.unwrap();
    timed.clock.advance(HOUR);
    timed.runs(fence, 2).await;
    assert_eq!(
        timed.runs(id, 1).await.len(),
        1,
        "its run stays, and no other comes"
    );
    let gone = timed.engine.recurring_run(id).await.unwrap_err();
    assert!(matches!(gone, EngineError::NotFound { .. }), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_version_is_run_and_its_lack_is_told() {
    let timed = Timed::new().await;
    let new = NewPipeline {
        name: "greeting".into(),
        package: Some(HELLO.into()),
        ..NewPipeline::default()
    };
    let (pipeline, first) = timed.engine.upload_pipeline(new).await.unwrap();
    let first = first.unwrap().id;
    let newest = PipelineSource::Version {
        pipeline: pipeline.id,
        version: None,
    };
    let pinned = PipelineSource::Version {
        pipeline: pipeline.id,
        version: Some(first),
    };
    let newest = timed.make(|new| new.source = newest).await;
    let pinned = timed.make(|new| new.source = pinned).await;
    timed.engine.delete_version(pipeline.id, first).await.unwrap();
    timed.clock.advance(HOUR / 2);
    let kept = timed.runs(pinned, 1).await;
    assert_eq!(kept[0].version.unwrap().version, first, "a named version is kept");
    let told = timed.engine.recurring_run(newest).await.unwrap();
    assert!(told.failure.unwrap().message.ends_with("has no version yet"));

    let second = NewVersion {
        package: HELLO.into(),
        ..NewVersion::default()
    };
    let second = timed.engine.upload_version(pipeline.id, second).await.unwrap();
    timed.clock.advance(SignedDuration::from_mins(1));
    let run = timed.runs(newest, 1).await;
    assert_eq!(times(&run), [at("10:00:00")]);
    assert_eq!(run[0].version.unwrap().version, second.id);
    assert_eq!(timed.engine.recurring_run(newest).await.unwrap().failure, None);
    timed
        .engine
        .delete_pipeline(pipeline.id, WithVersions::Delete)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_experiment_has_none_that_run() {
    let timed = Timed::new().await;
    let new = NewExperiment {
        display_name: "greetings".into(),
        ..NewExperiment::default()
    };
    let experiment = timed.engine.create_experiment(new).await.unwrap().id;
    let id = timed.make(|new| new.experiment = Some(experiment)).await;
    timed.engine.archive_experiment(experiment).await.unwrap();
    assert!(!timed.engine.recurring_run(id).await.unwrap().enabled);
    let refused = timed.engine.enable_recurring_run(id).await.unwrap_err();
    assert!(matches!(refused, EngineError::Precondition(_)), "{refused}");
    let kept = timed.engine.delete_experiment(experiment).await.unwrap_err();
    assert_eq!(
        kept.to_string(),
        "experiment `greetings` still has 1 recurring run(s): delete them first"
    );
    let listed = timed
        .engine
        .recurring_runs(Some(experiment), ListOptions::default())
        .await
        .unwrap();
    assert_eq!((listed.total, listed.items[0].id), (1, id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let timed = Timed::new().await;
    let refused = async |change: fn(&mut NewRecurringRun)| {
        let mut new = hourly();
        change(&mut new);
        timed
            .engine
            .create_recurring_run(new)
            .await
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(|new| new.display_name.clear()).await,
        "a recurring run needs a name"
    );
    assert!(
        refused(|new| new.max_concurrency = 11)
            .await
            .ends_with("Received 11")
    );
    assert!(
        refused(|new| new.trigger = cron("0 9 * *"))
            .await
            .contains("it has 4 fields")
    );
    let interval = refused(|new| {
        new.trigger = Trigger::Periodic {
            seconds: 0,
            start: None,
            end: None,
        };
    });
    assert!(
        interval
            .await
            .starts_with("Found invalid period schedule interval 0")
    );
    let unknown = refused(|new| {
        new.parameters.insert("whom".into(), "Ada".into());
    });
    assert!(unknown.await.contains("whom"));
}
