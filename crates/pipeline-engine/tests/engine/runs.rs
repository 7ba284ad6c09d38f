//! Runs for real: processes, files, a database.

use std::time::Duration;

use crate::fixture::{HELLO, Opened};
use pipeline_engine::{AttemptState, RunState, TaskState};
use serde_json::json;

const STEPS: &str = include_str!("packages/steps.yaml");

/// What `first` does where nothing else is of interest.
const FIRST: &str = "echo 4 > $number; echo '[1, \"x\"]' > $list; echo bytes > $data; mkdir $model; \
                     echo weights > $model/weights";

#[tokio::test(flavor = "multi_thread")]
async fn a_task_runs_and_is_taken_from_the_cache_the_next_time() {
    let opened = Opened::new().await;
    let first = opened.run(HELLO).await;
    assert_eq!(first.run.state, RunState::Succeeded);
    assert_eq!(first.output("greet", "Output"), "hello world");
    let history: Vec<_> = first.run.history.iter().map(|entry| entry.state).collect();
    assert_eq!(
        history,
        [RunState::Pending, RunState::Running, RunState::Succeeded]
    );
    let greet = first.task("greet");
    let history: Vec<_> = greet.history.iter().map(|entry| entry.state).collect();
    assert_eq!(
        history,
        [TaskState::Pending, TaskState::Running, TaskState::Succeeded]
    );
    assert_eq!(
        (greet.attempts.len(), greet.attempts[0].state),
        (1, AttemptState::Succeeded)
    );
    assert_eq!(greet.parent, Some(first.tasks[0].id));

    let second = opened.run(HELLO).await;
    let greet_again = second.task("greet");
    assert_eq!(greet_again.state, TaskState::Cached);
    assert_eq!(greet_again.cached_from, Some(first.run.id));
    assert_eq!(second.output("greet", "Output"), "hello world");
    assert!(greet_again.attempts.is_empty());
    assert_eq!(greet_again.cache_fingerprint, greet.cache_fingerprint);

    let other = opened.run_with(HELLO, &[("who", json!("you"))]).await;
    assert_eq!(other.task("greet").state, TaskState::Succeeded);
    assert_eq!(other.output("greet", "Output"), "hello you");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_files_and_folders_are_handed_on() {
    let opened = Opened::new().await;
    let ended = opened.run_with(STEPS, &[("first", json!(FIRST))]).await;
    assert_eq!(ended.run.state, RunState::Succeeded, "{:#?}", ended.tasks);
    assert_eq!(ended.output("first", "number"), 4);
    assert_eq!(ended.output("first", "list"), &json!([1, "x"]));
    assert_eq!(ended.output("second", "Output"), "bytes\nweights\n");
    let data = &ended
        .task("first")
        .output_artifacts
        .iter()
        .find(|bound| bound.name == "data")
        .unwrap()
        .artifacts[0];
    let expected = opened
        .folder
        .path()
        .join("artifacts/steps")
        .join(ended.run.id.to_string())
        .join("first/data");
    assert_eq!(data.path.as_deref(), Some(expected.as_path()));
    assert_eq!(data.uri, format!("file://{}", expected.display()));
    assert_eq!(data.size, 6);
    let digest = "95cc8e8ec552664096b998c62dfd5dfd0a41c96154de6814d918d1ca34bfc225";
    assert_eq!(data.digest.as_deref(), Some(digest));
    let metrics = &ended
        .task("first")
        .output_artifacts
        .iter()
        .find(|bound| bound.name == "metrics")
        .unwrap()
        .artifacts[0];
    assert!(
        metrics.path.is_none() && metrics.digest.is_none(),
        "nothing was written, and nobody reads it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_of_a_cached_result_are_looked_at() {
    let opened = Opened::new().await;
    let parameters = [("first", json!(FIRST))];
    let first = opened.run_with(STEPS, &parameters).await;
    assert_eq!(
        opened.run_with(STEPS, &parameters).await.task("first").state,
        TaskState::Cached
    );

    let weights = opened
        .folder
        .path()
        .join(format!("artifacts/steps/{}/first/model/weights", first.run.id));
    std::fs::write(&weights, "weighty\n").unwrap();
    let altered = opened.run_with(STEPS, &parameters).await;
    assert_eq!(
        altered.task("first").state,
        TaskState::Succeeded,
        "altered bytes are no hit"
    );
    // The bytes it made anew are those of before, so that the wave ends there.
    assert_eq!(altered.task("second").state, TaskState::Cached);

    std::fs::remove_dir_all(opened.folder.path().join("artifacts/steps")).unwrap();
    let gone = opened.run_with(STEPS, &parameters).await;
    assert_eq!(
        gone.task("first").state,
        TaskState::Succeeded,
        "bytes that are gone are no hit"
    );
    assert_eq!(
        gone.task("second").state,
        TaskState::Cached,
        "it has no bytes of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executors_output_file_has_the_last_word() {
    let opened = Opened::new().await;
    let script = format!(
        "{FIRST}; cat > $output <<END\n{{\"parameterValues\": {{\"number\": 5}}, \"artifacts\": {{\"metrics\": \
         {{\"artifacts\": [{{\"name\": \"m\", \"uri\": \"\", \"metadata\": {{\"mae\": 0.5}}}}]}}}}}}\nEND"
    );
    let ended = opened.run_with(STEPS, &[("first", json!(script))]).await;
    assert_eq!(ended.output("first", "number"), 5, "{:#?}", ended.tasks);
    let metrics = &ended
        .task("first")
        .output_artifacts
        .iter()
        .find(|bound| bound.name == "metrics")
        .unwrap();
    assert_eq!(metrics.artifacts[0].metadata["mae"], json!(0.5));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_put_elsewhere_is_brought_in() {
    let opened = Opened::new().await;
    let elsewhere = opened.folder.path().join("elsewhere");
    let script = format!(
        "{FIRST}; rm -r $model; mkdir -p {0}; echo brought > {0}/weights; cat > $output <<END\n{{\"artifacts\": \
         {{\"model\": {{\"artifacts\": [{{\"name\": \"model\", \"uri\": \"{0}\", \"metadata\": {{}}}}]}}}}}}\nEND",
        elsewhere.display()
    );
    let ended = opened.run_with(STEPS, &[("first", json!(script))]).await;
    assert_eq!(
        ended.output("second", "Output"),
        "bytes\nbrought\n",
        "{:#?}",
        ended.tasks
    );
    assert!(
        elsewhere.join("weights").is_file(),
        "what is not the attempt's own is copied"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_owes_an_output_fails_and_says_which() {
    let opened = Opened::new().await;
    let message = async |script: &str| {
        let ended = opened.run_with(STEPS, &[("first", json!(script))]).await;
        assert_eq!(ended.run.state, RunState::Failed);
        assert_eq!(ended.run.error.as_deref(), Some("task `first` failed"));
        assert_eq!(ended.task("second").state, TaskState::Skipped);
        ended.task("first").message.clone().unwrap()
    };
    assert_eq!(
        message("echo '[]' > $list; echo x > $data").await,
        "it did not write its output parameter `number`"
    );
    assert_eq!(
        message("echo 4 > $number; echo '[]' > $list; echo x > $data").await,
        "it did not write its output artifact `model`, which other tasks read"
    );
    assert_eq!(
        message("echo four > $number; echo '[]' > $list; echo x > $data").await,
        "output parameter `number`: `four\n` is no NUMBER_INTEGER (invalid digit found in string)"
    );
    assert_eq!(message("echo reason >&2; exit 3").await, "exit code 3: reason");
    let text = message("echo '{' > $output; echo 4 > $number").await;
    assert!(
        text.starts_with("its executor output file cannot be read: "),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_what_is_said_and_nothing_more() {
    let opened = Opened::new().await;
    let script =
        format!("{FIRST}; env | cut -d= -f1 | sort | tr '\\n' ' '; echo; env; pwd; cat greeting.txt; ls ~");
    let ended = opened.run_with(STEPS, &[("first", json!(script))]).await;
    let log = opened.engine.log(ended.task("first").id, None).await.unwrap();
    let log = String::from_utf8(log).unwrap();
    let names: Vec<_> = log.lines().next().unwrap().split_whitespace().collect();
    let own = ["PWD", "OLDPWD", "SHLVL", "_"]; // the shell's
    let names: Vec<_> = names.into_iter().filter(|name| !own.contains(name)).collect();
    assert_eq!(
        names,
        [
            "BASECAMP_MARK",
            "EXPANDED",
            "FROM_IMAGE",
            "HOME",
            "KFP_POD_NAME",
            "KFP_POD_UID",
            "LANG",
            "NAMESPACE",
            "NUMBER",
            "PATH",
            "PYTHONPATH",
            "PYTHONUNBUFFERED",
            "TMPDIR"
        ]
    );
    assert!(log.contains("EXPANDED=7 $(NUMBER)\n"), "{log}");
    assert!(
        log.contains("hello from the image"),
        "files of the image are in the working folder: {log}"
    );
    let scratch = log.lines().find_map(|line| line.strip_prefix("TMPDIR=")).unwrap();
    assert!(
        !std::path::Path::new(scratch).exists(),
        "TMPDIR is gone with the attempt"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn configmaps_secrets_and_fields_are_read_as_environment() {
    let opened = Opened::new().await;
    let package = |name: &str, key: &str, optional: bool| {
        format!(
            "{STEPS}---\nplatforms: {{kubernetes: {{deploymentSpec: {{executors: {{exec-first: {{\
             configMapAsEnv: [{{configMapName: endpoints, keyToEnv: [{{configMapKey: url, envVar: URL}}]}}],\
             secretAsEnv: [{{secretName: {name}, optional: {optional}, keyToEnv: [{{secretKey: {key}, envVar: TOKEN}}]}}],\
             fieldPathAsEnv: [{{name: KFP_RUN_ID, fieldPath: \"metadata.labels['pipeline/runid']\"}}]\
             }}}}}}}}}}\n"
        )
    };
    let script = |note: &str| format!("{FIRST}; echo url=$URL token=$TOKEN run=$KFP_RUN_ID # {note}");
    let parameters = [("first", json!(script("present")))];
    let ended = opened
        .run_with(&package("credentials", "token", false), &parameters)
        .await;
    let log = opened.engine.log(ended.task("first").id, None).await.unwrap();
    let expected = format!("url=http://localhost:1 token=s3cret run={}\n", ended.run.id);
    assert_eq!(String::from_utf8(log).unwrap(), expected);
    let rows = std::fs::read(opened.folder.path().join("engine/engine.db-wal")).unwrap();
    assert!(
        !String::from_utf8_lossy(&rows).contains("s3cret"),
        "a secret is in no row"
    );

    let absent = opened
        .run_with(&package("nobody", "token", true), &parameters)
        .await;
    assert_eq!(absent.run.state, RunState::Succeeded, "{:#?}", absent.tasks);
    let parameters = [("first", json!(script("required")))];
    let absent = opened
        .run_with(&package("nobody", "token", false), &parameters)
        .await;
    assert_eq!(
        absent.task("first").message.as_deref(),
        Some("there is no Secret `nobody`, which variable `TOKEN` is read from")
    );
    let absent = opened
        .run_with(&package("credentials", "colour", false), &parameters)
        .await;
    assert_eq!(
        absent.task("first").message.as_deref(),
        Some("Secret `credentials` has no key `colour` for variable `TOKEN`")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_terminated_leaves_no_process() {
    let opened = Opened::new().await;
    let pid = opened.folder.path().join("pid");
    let script = format!("sleep 300 & echo $! > {}; wait", pid.display());
    let run = opened.start_with(STEPS, &[("first", json!(script))]).await;
    opened
        .wait(run.id, "first runs", |_, tasks| {
            tasks
                .iter()
                .any(|task| task.name == "first" && !task.attempts.is_empty())
        })
        .await;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let child = loop {
        match std::fs::read_to_string(&pid).map(|text| text.trim().to_owned()) {
            Ok(text) if !text.is_empty() => break text,
            seen => assert!(
                std::time::Instant::now() < deadline,
                "the step has not begun: {seen:?}"
            ),
        }
        tokio::task::yield_now().await;
    };
    opened.engine.terminate_run(run.id).await.unwrap();
    let state = opened.engine.run(run.id).await.unwrap().state;
    assert!(
        matches!(state, RunState::Canceling | RunState::Canceled),
        "{state:?}"
    );
    let ended = opened.end_of(run.id).await;
    assert_eq!(ended.run.state, RunState::Canceled);
    assert_eq!(ended.task("first").attempts[0].state, AttemptState::Canceled);
    assert!(
        !std::path::Path::new(&format!("/proc/{child}")).exists(),
        "the step's child is gone"
    );
    let again = opened.engine.terminate_run(run.id).await.unwrap_err();
    assert_eq!(again.to_string(), format!("run `{}` has ended", run.id));
    opened.engine.delete_run(run.id).await.unwrap();
    assert!(
        !opened
            .folder
            .path()
            .join("tasks")
            .join(run.id.to_string())
            .exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_misbehaves_is_bounded() {
    let opened = Opened::new().await;
    // It leaves a child that would write to an output later, and floods its log with 1 GiB.
    let script =
        format!("{FIRST}; (sleep 2; echo late >> $data) & head -c 1073741824 /dev/zero; echo; echo the end");
    let ended = opened.run_with(STEPS, &[("first", json!(script))]).await;
    assert_eq!(ended.run.state, RunState::Succeeded, "{:#?}", ended.tasks);
    let log = opened.engine.log(ended.task("first").id, None).await.unwrap();
    assert!(log.len() < 70 << 20, "{} bytes of log are kept", log.len());
    assert!(log.ends_with(b"the end\n"));
    assert_eq!(ended.output("second", "Output"), "bytes\nweights\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_tried_again_from_what_failed() {
    let opened = Opened::new().await;
    let witness = opened.folder.path().join("witness");
    let first = format!("echo first >> {}; {FIRST}", witness.display());
    let second = format!(
        "echo second >> {0}; test $(wc -l < {0}) -gt 2; echo done > \"$out\"",
        witness.display()
    );
    let ended = opened
        .run_with(STEPS, &[("first", json!(first)), ("second", json!(second))])
        .await;
    assert_eq!(ended.run.state, RunState::Failed, "{:#?}", ended.tasks);
    opened.engine.retry_run(ended.run.id).await.unwrap();
    let ended = opened.end_of(ended.run.id).await;
    assert_eq!(ended.run.state, RunState::Succeeded);
    assert_eq!(ended.task("second").attempts.len(), 2);
    assert_eq!(
        std::fs::read_to_string(witness).unwrap(),
        "first\nsecond\nsecond\n"
    );
    let again = opened.engine.retry_run(ended.run.id).await.unwrap_err();
    assert!(
        again
            .to_string()
            .ends_with("has succeeded: there is nothing to try again"),
        "{again}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_nobody_published_fails_the_task_and_says_how_to_map_it() {
    let opened = Opened::new().await;
    let ended = opened
        .run(&HELLO.replace("fixture:shell", "nobody/knows:this"))
        .await;
    assert_eq!(ended.run.state, RunState::Failed);
    let message = ended.task("greet").message.clone().unwrap();
    assert!(message.contains("nobody/knows:this"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_engine_attaches_to_what_runs() {
    let opened = Opened::new().await;
    let go = opened.folder.path().join("go");
    let witness = opened.folder.path().join("witness");
    let first = format!(
        "echo begun >> {1}; while ! test -e {0}; do sleep 0.05; done; {FIRST}; echo ended >> {1}",
        go.display(),
        witness.display()
    );
    let run = opened.start_with(STEPS, &[("first", json!(first))]).await;
    opened
        .wait(run.id, "first runs", |_, tasks| {
            tasks.iter().any(|task| !task.attempts.is_empty())
        })
        .await;
    let opened = opened.reopened().await;
    assert_eq!(opened.engine.run(run.id).await.unwrap().state, RunState::Running);
    std::fs::write(&go, "").unwrap();
    let ended = opened.end_of(run.id).await;
    assert_eq!(ended.run.state, RunState::Succeeded, "{:#?}", ended.tasks);
    assert_eq!(std::fs::read_to_string(witness).unwrap(), "begun\nended\n");
}
