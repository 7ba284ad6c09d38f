//! A disk that is full: a file system of its own, in a mount namespace of a process of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::fixture::{HELLO, Opened};
use pipeline_engine::{NewRun, PipelineSource, RunState};
use serde_json::json;

const STEPS: &str = include_str!("packages/steps.yaml");
/// The full disk; set in the process that has one.
const DISK: &str = "ENGINE_ON_A_DISK";
/// For a step to fill 32 MiB.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_full_disk_loses_nothing() {
    let unshare = |script: &str, disk: &Path| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--map-root-user", "--user", "sh", "-ec", script])
            .arg(disk)
            .arg(std::env::current_exe().unwrap())
            .env(DISK, disk);
        command
    };
    let folder = tempfile::Builder::new().prefix("pe").tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=32m none \"$0\"";
    let able = unshare(mount, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !able.is_ok_and(|status| status.success()) {
        println!("NOT RUN: no mount namespace can be made here (needs root or user namespaces)");
        return;
    }
    let test = "exec \"$1\" disk::on_a_small_disk --exact --nocapture --quiet";
    let output = unshare(&format!("{mount}; {test}"), folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("all of it was done"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{said}");
}

/// Not a test by itself: what [`a_full_disk_loses_nothing`] runs where there is little room.
#[test]
fn on_a_small_disk() {
    let Some(disk) = std::env::var_os(DISK) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(on_the_disk(Path::new(&disk)));
    println!("all of it was done");
}

async fn on_the_disk(disk: &Path) {
    let opened = Opened::below(disk).await;

    // A run that cannot be written down is refused, and is none.
    let ballast = disk.join("ballast");
    fill(&ballast);
    let new = NewRun::of("refused", PipelineSource::Inline(HELLO.to_owned()));
    let refused = opened.engine.create_run(new).await.unwrap_err().to_string();
    println!("a run on a full disk: {refused}");
    assert!(refused.contains("full"), "{refused}");
    std::fs::remove_file(&ballast).unwrap();
    let runs = opened.engine.runs(None, Default::default()).await.unwrap();
    assert_eq!(runs.items, []);

    // A step that fills it and ends: shim and engine wait for room, and go on where they were.
    let filling = "echo $$ $data > $disk/where; cat /dev/zero > $data";
    // Another one stays until there is room again: what it has to say finds none, and that is told.
    let staying = format!("{filling} || while [ -e $data ]; do sleep 0.05; done; exit 1");
    let mut told = Vec::new();
    for script in [filling, &staying] {
        let script = format!("disk={}; {script}", disk.display());
        let run = opened.start_with(STEPS, &[("first", json!(script))]).await;
        std::fs::remove_file(filled_by(disk, script.contains("while"))).unwrap();
        let ended = opened.end_of(run.id).await;
        let first = ended.task("first");
        assert_eq!((ended.run.state, first.attempts.len()), (RunState::Failed, 1));
        std::fs::remove_file(disk.join("where")).unwrap();
        told.extend(first.message.clone());
    }
    println!("steps on a full disk: {told:#?}");
    assert!(told[0].starts_with("exit code 1"), "{told:?}");
    assert!(told[1].contains("No space left on device"), "{told:?}");
    assert_eq!(opened.run(HELLO).await.run.state, RunState::Succeeded);
}

/// The file with which a step has filled the disk, once it is full and, unless it stays, the step has ended.
fn filled_by(disk: &Path, stays: bool) -> PathBuf {
    let since = Instant::now();
    loop {
        if room(disk) == 0
            && let Ok(text) = std::fs::read_to_string(disk.join("where"))
            && let Some((pid, file)) = text.trim().split_once(' ')
            && (stays || !Path::new("/proc").join(pid).exists())
        {
            return file.into();
        }
        assert!(since.elapsed() < PATIENCE, "{} bytes are left", room(disk));
        std::thread::yield_now();
    }
}

fn fill(path: &Path) {
    let filled = Command::new("sh")
        .args(["-c", "cat /dev/zero > \"$0\" 2>/dev/null"])
        .arg(path)
        .status();
    assert!(!filled.unwrap().success());
}

/// Bytes that are left.
fn room(disk: &Path) -> u64 {
    rustix::fs::statvfs(disk).unwrap().f_bavail
}
