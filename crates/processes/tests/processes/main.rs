//! Real processes under real shims. Budget: 15 s.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod launch;
mod worker;

use std::path::Path;
use std::time::{Duration, Instant};

use processes::{ExitRecord, Launch, Outcome, Shim, wait};
use tempfile::TempDir;

/// The shim's entry into this binary.
#[test]
fn shim_entry() {
    processes::run_as_test();
}

fn shim() -> Shim {
    Shim::this_test_binary("shim_entry")
}

fn script(folder: &TempDir, text: &str) -> Launch {
    let mut launch = Launch::new(folder.path().join("launch"), "/bin/sh");
    launch.args = vec!["-c".into(), text.into()];
    launch.env = [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into();
    launch.grace = Duration::from_millis(200);
    launch
}

async fn run(launch: &Launch) -> ExitRecord {
    let identity = shim().launch(launch).unwrap();
    match tokio::time::timeout(Duration::from_secs(10), wait(&identity, &launch.dir)).await {
        Ok(Ok(Outcome::Ended(record))) => record,
        other => panic!("no record: {other:?}"),
    }
}

/// Waits until a file holds a whole line; the programs under test tell their process ids so.
async fn line(path: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        assert!(Instant::now() < deadline, "{}: {text:?}", path.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}
