//! Looking at runs: the program against a real server and engine.
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use image_store::{Base, ImageManifest, ImageStore};
use kfp_api::run::{PipelineVersionReference, Run, Runs, RuntimeConfig};
use kfp_api::{Client, StepState};
use pipeline_engine::{Engine, EngineConfig};
use processes::Shim;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

const VISIT: &str = include_str!("packages/visit.yaml");
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Rung {
    pub(crate) pipelines: Client,
    version: PipelineVersionReference,
    pub(crate) folder: TempDir,
}

impl Rung {
    /// A server with the pipeline uploaded, and an endpoints document that leads to it.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let images = ImageStore::open(folder.path().join("images")).unwrap();
        let recipe = folder.path().join("recipe");
        std::fs::create_dir(&recipe).unwrap();
        let manifest = ImageManifest {
            name: "shell".to_owned(),
            digest: "0".repeat(64),
            files: [].into(),
            tags: [("step".to_owned(), "latest".to_owned())].into(),
            modules: [].into(),
            own: Vec::new(),
        };
        images.publish(&recipe, &manifest, &Base::default()).unwrap();
        let config = EngineConfig::below(folder.path(), Arc::new(images), Shim::this_test_binary("shim"));
        let engine = Engine::open(config).await.unwrap();
        let router = kfp_server::router(engine, kfp_server::Admission::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        std::fs::write(folder.path().join("endpoints.yaml"), document(&url)).unwrap();

        let pipelines = Client::new(&url, None).unwrap();
        let pipeline = pipelines.create_pipeline("visit").await.unwrap();
        let version = pipelines
            .upload_version(&pipeline.pipeline_id, "first", VISIT.into())
            .await
            .unwrap();
        Self {
            pipelines,
            version: PipelineVersionReference {
                pipeline_id: pipeline.pipeline_id,
                pipeline_version_id: version.pipeline_version_id,
            },
            folder,
        }
    }

    pub(crate) async fn start(&self, name: &str, parameters: Value) -> String {
        let run = Run {
            display_name: name.to_owned(),
            pipeline_version_reference: Some(self.version.clone()),
            runtime_config: Some(RuntimeConfig {
                parameters: serde_json::from_value(parameters).unwrap(),
                ..RuntimeConfig::default()
            }),
            ..Run::default()
        };
        self.pipelines.create_run(&run).await.unwrap().run_id
    }

    /// Waits until a step is in a state.
    pub(crate) async fn until(&self, run_id: &str, step: &str, state: StepState) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let run = self.pipelines.run(run_id).await.unwrap();
            let outline = self.pipelines.outline(&run).await.unwrap();
            let steps = self.pipelines.steps(&run, &outline).await.unwrap();
            let seen = steps.iter().find(|seen| seen.name == step).map(|seen| seen.state);
            if seen == Some(state) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "step {step} is not {state:?} but {seen:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn program(&self, arguments: &[&str]) -> Command {
        self.command("pipeline", arguments)
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_platform-ctl"));
        command
            .arg(name)
            .args(arguments)
            .arg("--endpoints")
            .arg(self.folder.path().join("endpoints.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn says(&self, arguments: &[&str]) -> Output {
        self.says_of("pipeline", arguments).await
    }

    pub(crate) async fn says_of(&self, name: &str, arguments: &[&str]) -> Output {
        let output = self.command(name, arguments).output();
        tokio::time::timeout(DEADLINE, output).await.unwrap().unwrap()
    }
}

fn document(url: &str) -> String {
    format!(
        "{{apiVersion: basecamp.dev/v1, rung: tests, pipelines: {{url: '{url}'}}, resources: {{}},
          registry: {{trackingUri: 'http://127.0.0.1:9'}}, artifacts: {{root: 'file:///nowhere'}},
          lakehouse: {{type: sql, uri: 'sqlite:////nowhere', warehouse: 'file:///nowhere'}},
          serving: {{url: 'http://127.0.0.1:9'}}}}"
    )
}

/// What was said, with ids, times and durations by name.
fn plain(bytes: &[u8], run_id: &str) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let lines = text.lines().map(|line| {
        let line = line.replace(run_id, "RUN");
        let words: Vec<&str> = line
            .split_whitespace()
            .map(|word| match word.parse::<f64>() {
                Ok(_) if word.contains('.') => "N",
                _ if word.starts_with("20") && word.matches('-').count() == 2 => "DATE",
                _ if word.matches(':').count() == 2 => "TIME",
                _ => word,
            })
            .collect();
        words.join(" ") + "\n"
    });
    lines.collect()
}

#[track_caller]
fn same(text: &str, expected: &str) {
    assert!(
        text == expected,
        "\n{}",
        similar::TextDiff::from_lines(expected, text).unified_diff()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_watched_to_its_end_read_and_explained() {
    let rung = Rung::new().await;
    let id = rung.start("first", json!({"who": "Ada", "seconds": 1.0})).await;
    let watched = rung.says(&["watch", &id]).await;
    let told = plain(&watched.stderr, &id);
    // Looks come four a second: which of the short moments they meet is chance, the long one and the ends are not.
    let told: Vec<&str> = told
        .lines()
        .filter(|line| !line.contains("RUNNING") || line.ends_with("minutes 1/2"))
        .collect();
    same(
        &(told.join("\n") + "\n"),
        "\
greet SUCCEEDED N s
stay RUNNING minutes 1/2
stay SUCCEEDED N s
RUN NAME STATE CREATED SECONDS
RUN first SUCCEEDED DATE TIME N
",
    );
    assert_eq!(watched.status.code(), Some(0));
    assert_eq!(watched.stdout, b"");

    let logs = rung.says(&["logs", &id[..8]]).await;
    same(
        &plain(&logs.stdout, &id),
        "greeting Ada\nhello Ada\nminutes 1/2\nminutes 2/2\n",
    );
    let one = rung.says(&["logs", "latest", "greet", "--follow"]).await;
    same(&plain(&one.stdout, &id), "greeting Ada\n");

    let again = rung.start("second", json!({"who": "Ada"})).await;
    rung.until(&again, "stay", StepState::Succeeded).await;
    let explained = rung.says(&["explain-cache", &again]).await;
    let told = String::from_utf8(explained.stdout).unwrap();
    assert!(told.starts_with("greet  HIT"), "{told}");
    assert!(told.lines().any(|line| line.starts_with("stay   OFF")), "{told}");

    let listed = rung.says(&["list", "--json"]).await;
    let told: Runs = serde_json::from_slice(&listed.stdout).unwrap();
    let names: Vec<_> = told.runs.iter().map(|run| run.display_name.as_str()).collect();
    assert_eq!(names, ["second", "first"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_is_named_with_where_to_read_on() {
    let rung = Rung::new().await;
    let id = rung.start("bad", json!({"code": 3})).await;
    let watched = rung.says(&["watch", &id]).await;
    assert_eq!(watched.status.code(), Some(1));
    let told = plain(&watched.stderr, &id);
    let error = told
        .lines()
        .find(|line| line.starts_with("error: "))
        .unwrap_or(&told);
    assert!(error.starts_with("error: run RUN FAILED: step stay: "), "{error}");
    assert!(
        told.ends_with("next: `cargo platform-ctl pipeline logs RUN stay`\n"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_the_run_going_and_terminate_ends_it() {
    let rung = Rung::new().await;
    let id = rung.start("long", json!({"seconds": 600.0})).await;
    rung.until(&id, "stay", StepState::Running).await;
    let watching = rung.program(&["watch", &id]).spawn().unwrap();
    let output = interrupted(watching).await;
    assert_eq!(output.status.code(), Some(130));
    let told = plain(&output.stderr, &id);
    let rest = told.find("RUN goes on").map(|at| &told[at..]).unwrap_or(&told);
    same(
        rest,
        "\
RUN goes on
watch cargo platform-ctl pipeline watch RUN
terminate cargo platform-ctl pipeline terminate RUN
",
    );
    rung.until(&id, "stay", StepState::Running).await;

    let ended = rung.says(&["terminate", &id]).await;
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let watched = rung.says(&["watch", &id]).await;
    assert!(
        plain(&watched.stderr, &id).contains("RUN long CANCELED"),
        "{watched:?}"
    );
    let twice = rung.says(&["terminate", &id]).await;
    assert_eq!(twice.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_to_the_end_of_its_step() {
    let rung = Rung::new().await;
    let id = rung.start("first", json!({"seconds": 1.0})).await;
    rung.until(&id, "stay", StepState::Running).await;
    let followed = rung.says(&["logs", &id, "stay", "--follow"]).await;
    same(
        &plain(&followed.stdout, &id),
        "hello world\nminutes 1/2\nminutes 2/2\n",
    );
}

/// Ctrl-C, once the program has something on the screen: from then on it listens for it.
async fn interrupted(mut watching: Child) -> Output {
    use tokio::io::AsyncReadExt;
    let mut first = [0; 1];
    let stderr = watching.stderr.as_mut().unwrap();
    tokio::time::timeout(DEADLINE, stderr.read_exact(&mut first))
        .await
        .unwrap()
        .unwrap();
    let pid = watching.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().await.unwrap();
    assert!(sent.success());
    tokio::time::timeout(DEADLINE, watching.wait_with_output())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_not_there_is_told_with_those_that_are() {
    let rung = Rung::new().await;
    let id = rung.start("first", json!({})).await;
    let output = rung.says(&["logs", &id, "sing"]).await;
    same(
        &plain(&output.stderr, &id),
        "error: run RUN has no task sing; it has greet, stay\n",
    );
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_done_again_on_what_was_recorded_and_the_difference_is_named() {
    let rung = Rung::new().await;
    let failed = rung.start("bad", json!({"code": 3})).await;
    rung.until(&failed, "stay", StepState::Failed).await;
    let again = rung
        .says(&["rerun", &failed[..8], "--only", "stay", "--with", "code=0"])
        .await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    let told = String::from_utf8(again.stderr).unwrap();
    let id = told
        .strip_prefix("run ")
        .unwrap()
        .split(':')
        .next()
        .unwrap()
        .to_owned();
    let told = plain(told.replace(&failed, "EARLIER").as_bytes(), &id);
    let told: Vec<&str> = told.lines().filter(|line| !line.contains("RUNNING")).collect();
    same(
        &(told.join("\n") + "\n"),
        "\
run RUN: run EARLIER again, only stay
greet CACHED N s
stay SUCCEEDED N s
run RUN SUCCEEDED
next: `cargo platform-ctl pipeline diff EARLIER RUN`
",
    );

    let diff = rung.says(&["diff", &failed, &id]).await;
    let told = String::from_utf8(diff.stdout).unwrap();
    let told = told.replace(&failed[..8], "EARLIER").replace(&id[..8], "RUN");
    same(
        &told,
        r#"run EARLIER → run RUN: the first difference is in what the run was given: parameter code

the run  was given  parameter code: 3 → 0
stay     ended as   state: "FAILED" → "SUCCEEDED"
"#,
    );

    let from = rung.says(&["rerun", &id, "--from", "greet", "--json"]).await;
    let run: Run = serde_json::from_slice(&from.stdout).unwrap();
    let explained = rung.says(&["explain-cache", &run.run_id, "greet"]).await;
    let told = String::from_utf8(explained.stdout).unwrap();
    assert!(told.starts_with("greet  MISS  a rerun asks for it"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_again_is_told_with_what_can() {
    let rung = Rung::new().await;
    let id = rung.start("first", json!({})).await;
    rung.until(&id, "stay", StepState::Succeeded).await;
    let refused = async |arguments: &[&str]| {
        let output = rung.says(&[&["rerun", &id], arguments].concat()).await;
        (plain(&output.stderr, &id), output.status.code())
    };
    let (told, code) = refused(&["--from", "sing"]).await;
    assert!(
        told.contains("there is no task `sing`; there are greet, stay"),
        "{told}"
    );
    assert_eq!(code, Some(1));
    let (told, code) = refused(&["--with", "whom=Ada"]).await;
    same(
        &told,
        "error: --with whom: the pipeline of run RUN has no such parameter; it has who, seconds, code\n",
    );
    assert_eq!(code, Some(2));
    assert_eq!(refused(&[]).await.1, Some(2));
}
