//! Components that a warm worker forks. Budget: 10 s on two cores.

use std::path::Path;
use std::time::{Duration, Instant};

use image_store::{Base, ImageManifest};
use pipeline_engine::{Engine, EngineConfig, RunState};
use processes::{Launcher, Workers};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::fixture::{self, Ended, Opened};

const COMPONENT: &str = include_str!("packages/component.yaml");
const PATIENCE: Duration = Duration::from_secs(30);

/// The executor of the image: tells whether it was imported where it runs, and what it sees.
const EXECUTOR: &str = "
import os, sys, heavy
forked = heavy.PID != os.getpid()
open(sys.argv[1], 'w').write(f'{forked} {heavy.SETTING} {os.environ[\"SETTING\"]} {sys.argv[2]}')
if sys.argv[2] == '13':
    sys.exit(3)
";
const HEAVY: &str = "import os\nPID = os.getpid()\nSETTING = os.environ['SETTING']\n";

/// A configuration with warm workers, and an image `component:step` that names what it imports.
fn config(folder: &Path) -> EngineConfig {
    let mut config = fixture::config(folder);
    config.workers = Workers::new(folder.join("workers"));
    let recipe = folder.join("component");
    let files = [
        ("kfp/__init__.py", ""),
        ("kfp/dsl/__init__.py", ""),
        ("kfp/dsl/executor_main.py", EXECUTOR),
        ("heavy.py", HEAVY),
    ];
    for (path, text) in files {
        let path = recipe.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let digest = |text: &str| hex::encode(Sha256::digest(text));
    let manifest = ImageManifest {
        name: "component".to_owned(),
        digest: "1".repeat(64),
        files: files.map(|(path, text)| (path.to_owned(), digest(text))).into(),
        tags: [("step".to_owned(), "step".to_owned())].into(),
        modules: [("kfp.dsl.executor_main".to_owned(), vec!["heavy".to_owned()])].into(),
        own: Vec::new(),
    };
    config
        .images
        .publish(&recipe, &manifest, &Base::default())
        .unwrap();
    config
}

async fn opened(change: impl Fn(&mut EngineConfig)) -> Opened {
    let folder = tempfile::Builder::new().prefix("pe").tempdir().unwrap();
    let mut config = config(folder.path());
    change(&mut config);
    let engine = Engine::open(config).await.unwrap();
    Opened { engine, folder }
}

async fn run(opened: &Opened, nth: u32) -> Ended {
    opened.run_with(COMPONENT, &[("nth", json!(nth))]).await
}

fn launcher(ended: &Ended) -> &Launcher {
    ended.task("light").attempts[0].launcher.as_ref().unwrap()
}

fn because(ended: &Ended) -> &str {
    match launcher(ended) {
        Launcher::Fresh { because } => because,
        Launcher::Worker { .. } => "",
    }
}

/// Runs until a worker has forked one, and returns that one.
async fn warm(opened: &Opened, begin: u32) -> Ended {
    let deadline = Instant::now() + PATIENCE;
    for nth in begin.. {
        let ended = run(opened, nth).await;
        assert_eq!(ended.run.state, RunState::Succeeded, "{ended:#?}");
        if because(&ended).is_empty() {
            return ended;
        }
        assert!(
            because(&ended).starts_with("its worker was "),
            "{}",
            because(&ended)
        );
        assert!(Instant::now() < deadline, "no worker within {PATIENCE:?}");
    }
    unreachable!()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_one_waits_for_no_worker_and_later_ones_are_forked() {
    let opened = opened(|_| {}).await;
    let first = run(&opened, 1).await;
    assert_eq!(because(&first), "its worker was started only then");
    assert_eq!(first.output("light", "Output"), "False one one 1");
    let forked = warm(&opened, 100).await;
    let said = forked.output("light", "Output").as_str().unwrap();
    assert!(said.starts_with("True one one 1"), "{said}");
    let failed = run(&opened, 13).await;
    let message = failed.task("light").message.clone().unwrap_or_default();
    assert_eq!((because(&failed), failed.run.state), ("", RunState::Failed));
    assert!(message.contains("exit code 3"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_environment_is_another_worker() {
    let opened = opened(|_| {}).await;
    warm(&opened, 1).await;
    let other = COMPONENT.replace("value: one", "value: two");
    let ended = opened.run_with(&other, &[("nth", json!(1))]).await;
    assert_eq!(because(&ended), "its worker was started only then");
    assert_eq!(ended.output("light", "Output"), "False two two 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_killed_is_replaced_and_nothing_is_lost() {
    let opened = opened(|_| {}).await;
    warm(&opened, 1).await;
    let mark = "fork_server.py";
    let mut killed = 0;
    for row in processes::ProcessTable::read().descendants(std::process::id().try_into().unwrap()) {
        let command = std::fs::read_to_string(format!("/proc/{}/cmdline", row.pid)).unwrap_or_default();
        if command.contains(mark) && command.contains(opened.folder.path().to_str().unwrap()) {
            row.identity().signal(rustix::process::Signal::KILL).unwrap();
            killed += 1;
        }
    }
    assert_eq!(killed, 1);
    let ended = run(&opened, 50).await;
    assert_eq!(ended.run.state, RunState::Succeeded, "{ended:#?}");
    warm(&opened, 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_can_be_off() {
    let opened = opened(|config| config.workers = Workers::off()).await;
    let ended = run(&opened, 1).await;
    assert_eq!(because(&ended), "warm workers are off");
    assert_eq!(ended.output("light", "Output"), "False one one 1");
}
