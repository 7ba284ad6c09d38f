//! What a machine refuses: ports, room, writes.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use e2e::{Rung, Told};
use serde_json::json;

use crate::{Fault, error};

/// Brings the rung up on a machine where somebody else has taken what was chosen before.
pub(crate) fn ports_are_taken(rung: &Rung) {
    let fault = Fault::new("recorded ports are taken by somebody else at `up`");
    let strangers = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [mlflow, dashboard, pipelines] = strangers
        .each_ref()
        .map(|stranger| stranger.local_addr().unwrap().port());
    let recorded = json!({"mlflow": mlflow, "ray-dashboard": dashboard, "pipelines": pipelines});
    std::fs::write(rung.state().join("ports.json"), recorded.to_string()).unwrap();
    rung.up();
    let log = std::fs::read_to_string(rung.state().join("logs/basecampd.log")).unwrap();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("the port is taken by somebody else; another is chosen"))
        .collect();
    assert_eq!(told.len(), 3, "{log}");
    rung.ready();
    fault.survived(&told.join("\n"));
}

/// `up` in a mount namespace in which the state folder has been changed by a script; `None` where there is none.
fn up_where(rung: &Rung, change: &str) -> Option<Told> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--map-root-user", "--user", "sh", "-ec", script])
            .arg(rung.platform_ctl(&[]).get_program())
            .arg(rung.state())
            .arg(rung.state().join("python/current").canonicalize().unwrap());
        command
    };
    let able = unshare(change)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !able.is_ok_and(|status| status.success()) {
        println!("NOT RUN: no mount namespace can be made here (needs root or user namespaces)");
        return None;
    }
    Some(Told::by(&mut unshare(&format!(
        "{change}\nexec \"$0\" --state-dir \"$1\" up"
    ))))
}

/// A file system of its own over the state folder, laid out as after an `up`, in which nothing more has room.
const FULL: &str = "
    mount -t tmpfs -o size=64k none \"$1\"
    mkdir -p \"$1/python\" \"$1/logs\"
    ln -s \"$2\" \"$1/python/current\"
    printf 7f4df2b0-0d52-4c4c-8d0e-3b9a3c5f2a11 > \"$1/mark\"
    : > \"$1/logs/basecampd.log\"
    cat /dev/zero > \"$1/full\" 2>/dev/null || true";

#[test]
fn a_full_disk_is_told_at_up() {
    let fault = Fault::new("the disk is full at `up`");
    let rung = Rung::new();
    let Some(told) = up_where(&rung, FULL) else {
        return;
    };
    assert_eq!(told.code, Some(3), "{told}");
    let seen = error(&told);
    assert!(seen.contains(rung.state().to_str().unwrap()), "{told}");
    assert!(seen.contains("No space left on device"), "{told}");
    assert!(seen.contains("next: "), "{told}");
    fault.survived(&seen);
}

#[test]
fn a_folder_that_cannot_be_written_is_told_at_up() {
    let fault = Fault::new("no write permission in the state folder at `up`");
    let rung = Rung::new();
    let change = "mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"";
    let Some(told) = up_where(&rung, change) else {
        return;
    };
    assert_eq!(told.code, Some(3), "{told}");
    let seen = error(&told);
    assert!(seen.contains(rung.state().to_str().unwrap()), "{told}");
    assert!(seen.contains("Read-only file system"), "{told}");
    assert!(seen.contains("next: "), "{told}");
    fault.survived(&seen);
}
