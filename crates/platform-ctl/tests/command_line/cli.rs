//! The program as it is typed: help, usage, a rung that is not there.
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use rstest::rstest;

const ENDPOINTS: &str = "
apiVersion: basecamp.dev/v1
rung: elsewhere
pipelines: {url: 'http://127.0.0.1:9'}
resources: {}
registry: {trackingUri: 'http://127.0.0.1:9'}
artifacts: {root: 'file:///nowhere'}
lakehouse: {type: sql, uri: 'sqlite:////nowhere', warehouse: 'file:///nowhere'}
serving: {url: 'http://127.0.0.1:9'}
";

/// Runs it in a folder that is no clone.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_platform-ctl"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap()
}

#[track_caller]
fn same(text: &str, expected: &str) {
    assert!(
        text == expected,
        "\n{}",
        similar::TextDiff::from_lines(expected, text).unified_diff()
    );
}

fn text(bytes: &[u8], folder: &Path) -> String {
    String::from_utf8(bytes.to_vec())
        .unwrap()
        .replace(folder.to_str().unwrap(), "DIR")
}

#[rstest]
#[case(&["--help"], include_str!("help/platform-ctl.txt"))]
#[case(&["pipeline", "--help"], include_str!("help/pipeline.txt"))]
#[case(&["pipeline", "run", "--help"], include_str!("help/pipeline-run.txt"))]
#[case(&["recipe", "--help"], include_str!("help/recipe.txt"))]
#[case(&["gate", "--help"], include_str!("help/gate.txt"))]
#[case(&["pipeline", "rerun", "--help"], include_str!("help/pipeline-rerun.txt"))]
#[case(&["cache", "rm", "--help"], include_str!("help/cache-rm.txt"))]
#[case(&["pipeline", "logs", "--help"], include_str!("help/pipeline-logs.txt"))]
fn help(#[case] arguments: &[&str], #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), arguments);
    assert_eq!(output.status.code(), Some(0));
    same(&text(&output.stdout, folder.path()), expected);
}

#[rstest]
#[case::outside_a_clone(
    &["status"], 2,
    "error: DIR is in no clone of basecamp: go into one, or say --state-dir DIR\n"
)]
#[case::nothing_up(
    &["pipeline", "list", "--state-dir", "state"], 3,
    "error: no rung is up in DIR/state\nnext: `cargo xtask up`\nnext: or name a platform that is there with --endpoints FILE\n"
)]
#[case::nobody_there(
    &["pipeline", "list", "--endpoints", "endpoints.yaml"], 3,
    "error: pipelines: ListRuns all: no answer from http://127.0.0.1:9/apis/v2beta1/runs?page_size=200&page_token=&sort_by=created_at+desc: Connection refused (os error 111)\nnext: `cargo xtask up`\n"
)]
#[case::no_document(
    &["pipeline", "list", "--endpoints", "absent.yaml"], 3,
    "error: endpoints document absent.yaml: No such file or directory (os error 2)\n"
)]
#[case::down_elsewhere(
    &["down", "--endpoints", "endpoints.yaml"], 2,
    "error: this takes down what the state folder holds; --endpoints names what others run\n"
)]
#[case::no_recipe(
    &["pipeline", "run", "./tiny", "--endpoints", "endpoints.yaml"], 2,
    "error: there is no recipe ./tiny: DIR/./tiny has no compile.py\n"
)]
#[case::no_recipe_outside_a_clone(
    &["pipeline", "plan", "tiny", "--endpoints", "endpoints.yaml"], 2,
    "error: DIR is in no clone of basecamp\nnext: go into one, or give the path of the recipe's folder\n"
)]
#[case::no_such_scenario(
    &["gate", "./tiny", "--only", "look", "--state-dir", "state"], 2,
    "error: there is no scenario look; there are recipe, small, nothing, restart, threshold, closed-gate, golden-set, train-module, search-space, feature, comment, lock, environment, byte, open-week, closed-week\n"
)]
#[case::nothing_to_bring_up_with(
    &["up", "--state-dir", "state"], 3,
    "error: there is no Python environment at DIR/state/python/current\nnext: `cargo xtask up`\n"
)]
fn an_error_says_what_to_type_next(#[case] arguments: &[&str], #[case] code: i32, #[case] expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("endpoints.yaml"), ENDPOINTS).unwrap();
    let output = run(folder.path(), arguments);
    same(&text(&output.stderr, folder.path()), expected);
    assert_eq!(output.status.code(), Some(code));
    assert_eq!(output.stdout, b"");
}

#[rstest]
#[case(&["pipeline", "run"])]
#[case(&["pipeline", "run", "a", "--ref", "main"])]
#[case(&["pipeline", "logs", "latest", "--follow"])]
#[case(&["recipe", "a", "--colour"])]
fn a_command_line_that_makes_no_sense_is_usage(#[case] arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), arguments).status.code(), Some(2));
}

#[test]
fn a_rung_that_is_down_has_a_status_and_goes_down_again() {
    let folder = tempfile::tempdir().unwrap();
    let status = run(folder.path(), &["status", "--state-dir", "state"]);
    assert_eq!(status.status.code(), Some(3));
    same(
        &text(&status.stdout, folder.path()),
        "no rung is up; `cargo xtask up` brings one up\n",
    );
    let down = run(folder.path(), &["down", "--state-dir", "state"]);
    assert_eq!(down.status.code(), Some(0));
    same(&text(&down.stderr, folder.path()), "nothing ran\n");
    let json = run(folder.path(), &["status", "--state-dir", "state", "--json"]);
    same(&text(&json.stdout, folder.path()), "{\"rows\":[]}\n");
}
