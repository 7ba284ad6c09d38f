//! What the cache holds: the program against a real server and engine.
use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};

use kfp_api::StepState;
use kfp_api::task::TaskState;
use serde_json::{Value, json};

use crate::runs::Rung;

/// Runs to the end, and tells how `greet` came to its outputs.
async fn greet(rung: &Rung, who: &str) -> (TaskState, PathBuf) {
    let id = rung.start(who, json!({"who": who})).await;
    rung.until(&id, "stay", StepState::Succeeded).await;
    let tasks = rung.pipelines.tasks(&id).await.unwrap();
    let greet = tasks.iter().find(|task| task.name == "greet").unwrap();
    let uri = &greet.output_artifact("card").unwrap().uri;
    (greet.state, PathBuf::from(uri.trim_start_matches("file://")))
}

/// Other bytes of the same size, and as old: nothing but the digest tells.
fn poison(path: &Path) {
    let written = std::fs::metadata(path).unwrap().modified().unwrap();
    let other = std::fs::read_to_string(path).unwrap().replace("for", "FOR");
    std::fs::write(path, other).unwrap();
    let times = FileTimes::new().set_modified(written);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_times(times)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_entry_is_found_by_its_digest_and_forgotten() {
    let rung = Rung::new().await;
    let empty = rung.says_of("cache", &["ls"]).await;
    assert_eq!(String::from_utf8_lossy(&empty.stdout), "the cache is empty\n");
    let (_, card) = greet(&rung, "Ada").await;
    greet(&rung, "Bob").await;

    let listed = rung.says_of("cache", &["ls", "--json"]).await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let steps: Vec<_> = listed["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["step"])
        .collect();
    assert_eq!(steps, ["root.greet", "root.greet"]);
    let sound = rung.says_of("cache", &["verify"]).await;
    let told = String::from_utf8_lossy(&sound.stdout).into_owned();
    assert_eq!(
        (sound.status.code(), &*told),
        (Some(0), "2 entries, 14 B: all as they were recorded\n")
    );

    poison(&card);
    let found = rung.says_of("cache", &["verify"]).await;
    let told = String::from_utf8_lossy(&found.stdout).into_owned();
    assert_eq!(found.status.code(), Some(1));
    assert!(
        told.contains("visit/greet") && told.contains("its digest is"),
        "{told}"
    );
    assert!(told.contains(card.to_str().unwrap()), "{told}");

    let forgotten = rung.says_of("cache", &["rm", "--altered", "--json"]).await;
    assert_eq!(String::from_utf8_lossy(&forgotten.stdout), "{\"forgotten\":1}\n");
    assert_eq!(
        greet(&rung, "Ada").await.0,
        TaskState::Succeeded,
        "what was poisoned runs again"
    );
    assert_eq!(greet(&rung, "Bob").await.0, TaskState::Cached);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_forgotten_by_the_beginning_of_their_key() {
    let rung = Rung::new().await;
    greet(&rung, "Ada").await;
    let entries = rung.pipelines.cache_entries(usize::MAX).await.unwrap();
    let key = &entries[0].cache_fingerprint[..12];
    let unknown = rung.says_of("cache", &["rm", "nothing"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("`cargo platform-ctl cache ls`"));
    assert_eq!(rung.says_of("cache", &["rm", key]).await.status.code(), Some(0));
    assert_eq!(greet(&rung, "Ada").await.0, TaskState::Succeeded);
    assert_eq!(
        rung.says_of("cache", &["rm", "--all"]).await.status.code(),
        Some(0)
    );
    assert_eq!(rung.pipelines.cache_entries(usize::MAX).await.unwrap(), []);
}
