//! Real histories, and a daemon that is killed under them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use e2e::{Rung, Told, run};
use serde_json::Value;

use crate::story::{RECONCILING, executed, story};

const WEEK: u64 = 7 * 24 * 3600;
/// 2024-01-01, a Monday.
const BEGIN: u64 = 1_704_067_200;

/// A git repository with 40 weeks of commits, 1 to 5 a week; `seed` decides which.
fn repository(folder: &Path, seed: u64) {
    run(Command::new("git")
        .args(["init", "--quiet", "--initial-branch", "main"])
        .arg(folder));
    let mut git = Command::new("git")
        .current_dir(folder)
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stream = git.stdin.take().unwrap();
    for week in 0..40 {
        for commit in 0..=(week * week + seed * week) % 5 {
            let text = format!("{week} {commit}\n").repeat(1 + usize::try_from(week % 7).unwrap());
            let when = BEGIN + week * WEEK + commit * 86_400 + seed;
            write!(
                stream,
                "commit refs/heads/main\ncommitter A <a{}@example.org> {when} +0100\ndata 1\nc\nM 100644 inline file-{week}\ndata {}\n{text}\n",
                commit % 2,
                text.len(),
            )
            .unwrap();
        }
    }
    drop(stream);
    assert!(git.wait().unwrap().success());
}

/// Each attempt at each task of the run, as paths below its folder.
fn attempts(rung: &Rung, run_id: &str) -> Vec<String> {
    let folder = rung.state().join("tasks").join(run_id);
    let found =
        run(Command::new("find")
            .arg(&folder)
            .args(["-mindepth", "2", "-maxdepth", "2", "-printf", "%P\n"]));
    String::from_utf8(found.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A run over two repositories, with as few trials as make a search, whose daemon is killed while it trains.
#[test]
fn histories_are_learned_from_though_the_daemon_is_killed_mid_train() {
    let (rung, _) = story();
    let folder = tempfile::tempdir().unwrap();
    let (alpha, beta) = (folder.path().join("alpha"), folder.path().join("beta"));
    repository(&alpha, 1);
    repository(&beta, 2);
    let beta_renamed = format!("omega={}", beta.display());
    let arguments = [
        "train-deploy",
        "--repo",
        alpha.to_str().unwrap(),
        "--repo",
        &beta_renamed,
        "--param",
        "max_trials=2",
        "--param",
        "threshold=-1000",
    ];
    let before = rung.world();
    let mut running = rung.begin_recipe(&arguments);
    running.until("job running running");
    run(Command::new("kill").args(["-KILL", &rung.daemon().to_string()]));
    rung.up();
    let told = running.to_the_end();
    let report = told.well();
    assert_eq!(executed(&report).len(), 7, "{told}");
    assert!(
        told.stderr.contains("alpha") && told.stderr.contains("omega"),
        "{told}"
    );
    assert!(!told.stderr.contains("synthetic: made by"), "{told}");

    let run_id = report["run_id"].as_str().unwrap();
    let attempts = attempts(rung, run_id);
    assert!(
        attempts.len() == 7 && attempts.iter().all(|attempt| attempt.ends_with("/1")),
        "{attempts:?}"
    );
    let after = rung.world();
    for kind in ["experiments", "rayjobs"] {
        let count = |world: &Value| world["objects"][kind].as_object().unwrap().len();
        assert_eq!(count(&after), count(&before) + 1, "{kind}");
    }
    assert_eq!(
        after["versions"].as_object().unwrap().len(),
        before["versions"].as_object().unwrap().len() + 1
    );

    let again = rung.recipe(&arguments).well();
    assert_eq!(executed(&again), RECONCILING);
    assert_eq!(again["model"], report["model"]);
    assert_eq!(rung.world(), after);

    // What else is called alpha is not what was ingested as alpha.
    let other = folder.path().join("other");
    repository(&other, 3);
    let told = rung.recipe(&["train-deploy", "--repo", &format!("alpha={}", other.display())]);
    assert_eq!(told.code, Some(1), "{told}");
    let line = told.stderr.lines().find(|line| line.starts_with("error: "));
    assert!(line.is_some_and(|line| line.contains("step ingest")), "{told}");
    assert!(told.stderr.contains("rewritten"), "{told}");
    assert_eq!(rung.world(), after);
    let logs = Told::by(&mut rung.platform_ctl(&["pipeline", "logs", "latest", "ingest"]));
    assert!(logs.stdout.contains("RewrittenHistoryError"), "{logs}");
}
