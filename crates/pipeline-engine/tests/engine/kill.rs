//! An engine that is killed, over and over: the run ends, and nothing has run twice.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fixture::config;
use pipeline_engine::{Engine, Happening, ListOptions, NewRun, PipelineSource, RunState};

const LOOPS: &str = include_str!("packages/loops.yaml");
/// The folder of the engine that is to be killed; set in the process that is one.
const FOLDER: &str = "ENGINE_TO_BE_KILLED";

/// Not a test: an engine that tells what happens, a line an event, until it is killed or its run has ended.
#[test]
fn engine_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = Engine::open(config(Path::new(&folder))).await.unwrap();
        let mut events = engine.events();
        println!("open");
        let runs = engine.runs(None, ListOptions::default()).await.unwrap();
        let mut ended = runs.items.iter().any(|run| run.state.is_final());
        while !ended {
            let event = events.recv().await.unwrap();
            println!("{:?}", event.what);
            ended = matches!(event.what, Happening::Run { state } if state.is_final());
        }
        println!("end");
    });
    std::process::exit(0);
}

/// A started engine; killed when it goes out of scope.
struct Victim {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Victim {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this binary"))
            .args(["kill::engine_to_be_killed", "--exact", "--nocapture", "--quiet"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("an engine");
        let lines = BufReader::new(
            process
                .stdout
                .take()
                .expect("invariant: standard output is a pipe"),
        )
        .lines();
        Self { process, lines }
    }

    /// Reads until it has told so many events; `true` where the run has ended.
    fn tells(&mut self, events: usize) -> bool {
        let mut told = 0;
        for line in self.lines.by_ref() {
            match line.expect("text").as_str() {
                "end" => return true,
                line if line.starts_with("Run") || line.starts_with("Task") => told += 1,
                _ => {}
            }
            if told >= events {
                return false;
            }
        }
        panic!("the engine ended by itself before the run did");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // SIGKILL; where it has ended by itself there is nothing to kill.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_kills_and_nothing_runs_twice() {
    let folder = tempfile::Builder::new().prefix("pe").tempdir().unwrap();
    let witness = folder.path().join("witness");
    let step = format!(
        r#"echo begun $0 ${{1##*/}} >> {0}; sleep 0.1; printf %s "$0" > "$1"; echo ended $0 ${{1##*/}} >> {0}"#,
        witness.display()
    );
    let package = LOOPS.replace(r#"printf %s "$0" > "$1""#, &step);
    assert!(package.matches("begun").count() > 3);
    let run = {
        let engine = Engine::open(config(folder.path())).await.unwrap();
        let run = engine
            .create_run(NewRun::of("killed", PipelineSource::Inline(package)))
            .await
            .unwrap();
        // Dropped without a word, as a killed one would be, and before it has done much.
        engine.close().await;
        run.id
    };
    let started = Instant::now();
    let mut kills = 0;
    loop {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "the run does not end, after {kills} kills"
        );
        // After one event, then after two, then after three: soon after a commit, and in the middle of things.
        if Victim::start(folder.path()).tells(1 + kills % 3) {
            break;
        }
        kills += 1;
    }
    assert!(kills > 5, "{kills} kills are no test");

    let engine = Engine::open(config(folder.path())).await.unwrap();
    let record = engine.run(run).await.unwrap();
    let tasks = engine.tasks(run).await.unwrap();
    assert_eq!(record.state, RunState::Succeeded, "{tasks:#?}");
    let text = std::fs::read_to_string(&witness).unwrap();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    text.lines()
        .for_each(|line| *counts.entry(line).or_default() += 1);
    // `big` is said by two iterations, of which the second may take it from the cache.
    let twice: Vec<_> = counts
        .iter()
        .filter(|(line, count)| **count > 1 && !line.contains("big"))
        .collect();
    assert!(twice.is_empty(), "ran twice after {kills} kills: {twice:?}");
    for said in ["n1", "n2", "n3", "x", "y"] {
        assert_eq!(
            counts.get(format!("ended {said} out").as_str()),
            Some(&1),
            "{text}"
        );
    }
    engine.close().await;
}
