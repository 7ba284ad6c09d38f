//! Programs that a warm worker forks: what a fresh interpreter does with them, they do too.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use processes::{
    Attached, Cause, End, ExitRecord, Launch, Launcher, Outcome, ProcessIdentity, Worker, WorkerError,
    WorkerSpec, attach, terminate, wait,
};
use rstest::rstest;
use tempfile::TempDir;

use crate::{line, read, shim};

/// A folder of modules to import, and the worker that has imported some.
struct Warm {
    folder: TempDir,
    worker: Worker,
}

fn spec(folder: &Path, modules: &[&str]) -> WorkerSpec {
    WorkerSpec {
        dir: folder.join("worker"),
        python: python().into(),
        env: environment(folder),
        modules: modules.iter().map(|&module| module.to_owned()).collect(),
    }
}

/// The interpreter itself: what stands for it in `PATH` may be a script that sets variables.
fn python() -> String {
    let asked = std::process::Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    String::from_utf8(asked.unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

fn environment(folder: &Path) -> BTreeMap<String, String> {
    let path = std::env::var("PATH").unwrap();
    [
        ("PATH", path),
        ("PYTHONPATH", folder.join("modules").display().to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

impl Warm {
    fn new(program: &str) -> Self {
        let folder = TempDir::new().unwrap();
        module(
            folder.path(),
            "heavy",
            "import os\nPID = os.getpid()\nSEEN = os.environ.get('OWN')\n",
        );
        module(folder.path(), "program", program);
        let worker = Worker::start(&spec(folder.path(), &["heavy"])).unwrap();
        assert!(worker.failed().is_empty());
        Self { folder, worker }
    }

    fn launch(&self, name: &str, args: &[&str]) -> Launch {
        let mut launch = Launch::new(self.folder.path().join(name), python());
        launch.args = ["-m", "program"]
            .iter()
            .chain(args)
            .map(|&word| word.to_owned())
            .collect();
        launch.env = environment(self.folder.path());
        launch.env.insert("OWN".into(), name.into());
        launch.grace = Duration::from_millis(200);
        launch.launcher = by_worker();
        launch
    }

    fn start(&self, launch: &Launch) -> ProcessIdentity {
        self.worker.launch(&shim(), launch).unwrap()
    }

    async fn run(&self, launch: &Launch) -> ExitRecord {
        record(&self.start(launch), launch).await
    }
}

fn by_worker() -> Launcher {
    Launcher::Worker {
        without: BTreeMap::new(),
    }
}

async fn record(identity: &ProcessIdentity, launch: &Launch) -> ExitRecord {
    match tokio::time::timeout(Duration::from_secs(10), wait(identity, &launch.dir)).await {
        Ok(Ok(Outcome::Ended(record))) => record,
        other => panic!("no record: {other:?}"),
    }
}

fn module(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder.join("modules")).unwrap();
    fs::write(folder.join("modules").join(format!("{name}.py")), text).unwrap();
}

const TELLS: &str = "
import json, os, sys
import heavy
print(json.dumps({
    'argv': sys.argv, 'env': dict(os.environ), 'cwd': os.getcwd(), 'first': sys.path[0], 'name': __name__,
    'stdin': sys.stdin.read(), 'session': os.getsid(0) == os.getppid(), 'descriptors': sorted(map(int, os.listdir('/proc/self/fd')))[:3],
    'spec': __spec__.name, 'command': open('/proc/self/cmdline').read().rstrip('\\0').split('\\0'),
}, sort_keys=True))
print('to standard error', file=sys.stderr)
";

#[tokio::test]
async fn a_fork_sees_what_a_fresh_process_sees() {
    let warm = Warm::new(TELLS);
    let mut forked = warm.launch("forked", &["--answer", "42"]);
    forked.cwd = warm.folder.path().into();
    let mut fresh = forked.clone();
    fresh.dir = warm.folder.path().join("fresh");
    fresh.stdout = fresh.dir.join("log");
    fresh.stderr = fresh.dir.join("log");
    fresh.launcher = Launcher::default();
    let record = warm.run(&forked).await;
    assert_eq!(
        (record.end, record.launcher),
        (End::Code(0), by_worker()),
        "{}",
        read(&forked.stdout)
    );
    let record = crate::run(&fresh).await;
    assert_eq!((record.end, record.launcher), (End::Code(0), Launcher::default()));
    let told = |launch: &Launch| {
        let mut told = read(&launch.stdout);
        // A UTF-8 locale is no variable of a fork: the worker's interpreter has set it for itself.
        for own in ["\"LC_CTYPE\": \"C.UTF-8\", ", "\"LC_CTYPE\": \"C.UTF-8\""] {
            told = told.replace(own, "");
        }
        told
    };
    assert_eq!(told(&forked), told(&fresh));
    assert!(told(&forked).contains("--answer"));
}

#[tokio::test]
async fn imports_are_shared_and_nothing_else_is() {
    let warm =
        Warm::new("import heavy, os\nprint(heavy.PID != os.getpid(), heavy.SEEN)\nheavy.SEEN = 'changed'\n");
    for name in ["first", "second"] {
        let launch = warm.launch(name, &[]);
        warm.run(&launch).await;
        assert_eq!(read(&launch.stdout), "True None\n");
    }
}

#[rstest]
#[case::returns("pass", End::Code(0), "")]
#[case::exits("raise SystemExit(3)", End::Code(3), "")]
#[case::says_why("raise SystemExit('no reason')", End::Code(1), "no reason\n")]
#[case::is_killed("import os; os.kill(os.getpid(), 11)", End::Signal(11), "")]
#[case::leaves_by_the_back("import os; os._exit(4)", End::Code(4), "")]
#[case::runs_what_is_registered("import atexit; atexit.register(print, 'last')", End::Code(0), "last\n")]
#[case::waits_for_its_threads(
    "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('done'))).start()",
    End::Code(0),
    "done\n"
)]
#[tokio::test]
async fn it_ends_as_a_fresh_process_ends(#[case] program: &str, #[case] end: End, #[case] log: &str) {
    let warm = Warm::new(program);
    let launch = warm.launch("launch", &[]);
    let record = warm.run(&launch).await;
    assert_eq!((record.end, read(&launch.stdout).as_str()), (end, log));
}

#[tokio::test]
async fn a_traceback_has_no_frame_of_the_worker() {
    let warm = Warm::new("raise ValueError('wrong')");
    let launch = warm.launch("launch", &[]);
    assert_eq!(warm.run(&launch).await.end, End::Code(1));
    let log = read(&launch.stdout);
    assert!(
        log.starts_with("Traceback") && log.ends_with("ValueError: wrong\n"),
        "{log}"
    );
    assert!(!log.contains("fork_server"), "{log}");
}

#[tokio::test]
async fn it_is_stopped_with_all_that_it_started() {
    let warm = Warm::new(
        "import os, signal, subprocess, sys\n\
         signal.signal(signal.SIGTERM, lambda *_: None)\n\
         child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n\
         print(child.pid, flush=True)\n\
         while True: signal.pause()\n",
    );
    let launch = warm.launch("launch", &[]);
    let identity = warm.start(&launch);
    let child = ProcessIdentity::of(line(&launch.stdout).await.parse().unwrap()).unwrap();
    terminate(&identity, Duration::from_millis(100)).await.unwrap();
    let record = record(&identity, &launch).await;
    assert_eq!((record.end, record.cause), (End::Signal(9), Cause::Terminated));
    assert!(!child.is_alive());
}

#[tokio::test]
async fn outputs_are_moved_and_stragglers_killed() {
    let warm = Warm::new(
        "import subprocess\n\
         open('written', 'w').write('data')\n\
         print(subprocess.Popen(['sleep', '1000'], start_new_session=True).pid)\n",
    );
    let mut launch = warm.launch("launch", &[]);
    let place = warm.folder.path().join("artifacts/file");
    launch.publish = vec![(launch.dir.join("written"), place.clone())];
    let record = warm.run(&launch).await;
    assert!(record.succeeded() && record.stragglers_killed == 1, "{record:?}");
    assert_eq!(read(place), "data");
}

#[tokio::test]
async fn a_fork_outlives_its_worker_and_is_found_again() {
    let warm = Warm::new("import time\nprint('here', flush=True)\ntime.sleep(0.3)\nprint('there')\n");
    let launch = warm.launch("launch", &[]);
    let identity = warm.start(&launch);
    line(&launch.stdout).await;
    drop(warm.worker);
    assert_eq!(attach(&launch.dir).unwrap(), Attached::Running(identity.clone()));
    assert_eq!(record(&identity, &launch).await.end, End::Code(0));
    assert_eq!(read(&launch.stdout), "here\nthere\n");
}

#[tokio::test]
async fn what_is_no_module_is_left_to_others() {
    let warm = Warm::new("pass");
    let mut launch = warm.launch("launch", &[]);
    launch.args = vec!["-c".into(), "pass".into()];
    let refused = warm.worker.launch(&shim(), &launch);
    assert!(matches!(refused, Err(WorkerError::Refused(_))), "{refused:?}");
    assert_eq!(attach(&launch.dir).unwrap(), Attached::NeverStarted);
}

#[test]
fn a_worker_with_a_second_thread_does_not_start() {
    let folder = TempDir::new().unwrap();
    let text =
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n";
    module(folder.path(), "threaded", text);
    let refused = Worker::start(&spec(folder.path(), &["threaded"]));
    let told = refused.expect_err("a refusal").to_string();
    assert!(told.contains("threads"), "{told}");
}

#[test]
fn a_module_that_is_not_there_is_told() {
    let folder = TempDir::new().unwrap();
    module(folder.path(), "leaves", "raise SystemExit(1)");
    let worker = Worker::start(&spec(folder.path(), &["no_such_module", "leaves", "json"])).unwrap();
    let failed: Vec<_> = worker
        .failed()
        .iter()
        .map(|(name, why)| (name.as_str(), why.as_str()))
        .collect();
    assert_eq!(
        failed,
        [
            ("leaves", "SystemExit: 1"),
            (
                "no_such_module",
                "ModuleNotFoundError: No module named 'no_such_module'"
            ),
        ]
    );
}

#[test]
fn an_interpreter_that_is_not_there_is_told() {
    let folder = TempDir::new().unwrap();
    let mut spec = spec(folder.path(), &[]);
    spec.python = "/no/such/python".into();
    let told = Worker::start(&spec).expect_err("a refusal").to_string();
    assert!(told.contains("/no/such/python"), "{told}");
}
