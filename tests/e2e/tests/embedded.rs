//! `up`, `status`, `down` of the embedded rung. Budget: 4 minutes, one test at a time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{Rung, SocketState, run, sockets_of, wait_until};
use serde_json::Value;

/// For a service to be ready again on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Name → process id of the services' shims, all ready.
fn ready(rung: &Rung) -> BTreeMap<String, i64> {
    wait_until(
        PATIENCE,
        || {
            let services = rung.services();
            let all = services.iter().all(|(_, service)| service["state"] == "ready");
            all.then(|| {
                services
                    .into_iter()
                    .map(|(name, service)| (name, service["pid"].as_i64().unwrap()))
                    .collect()
            })
        },
        || format!("{:?}", rung.services()),
    )
}

fn kill(signal: &str, pid: i64) {
    run(Command::new("kill").arg(signal).arg(pid.to_string()));
}

#[test]
fn up_brings_every_service_up_side_by_side() {
    let rung = Rung::new();
    let took = rung.up();
    let slowest = rung
        .services()
        .iter()
        .map(|(name, service)| (service["readyAfterMs"].as_u64().unwrap(), name.clone()))
        .max()
        .unwrap();
    println!(
        "up {:.1} s, slowest {} {:.1} s",
        took.as_secs_f64(),
        slowest.1,
        slowest.0 as f64 / 1000.0
    );
    let names: Vec<String> = ready(&rung).into_keys().collect();
    assert_eq!(names, ["mlflow", "ray", "traefik"]);
    assert!(
        took.as_secs_f64() <= 1.2 * slowest.0 as f64 / 1000.0,
        "{took:?} against {slowest:?}"
    );
}

#[test]
fn up_twice_is_up_once() {
    let rung = Rung::shared();
    let (daemon, before) = (rung.daemon(), ready(rung));
    let took = rung.up();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!((rung.daemon(), ready(rung)), (daemon, before));
}

#[test]
fn two_ups_at_once_are_one() {
    let rung = Rung::new();
    let mut first = rung.platform_ctl(&["up"]).stderr(Stdio::null()).spawn().unwrap();
    let second = rung.platform_ctl(&["up"]).stderr(Stdio::null()).status().unwrap();
    assert!(first.wait().unwrap().success() && second.success());
    let daemons: Vec<i32> = rung
        .marked()
        .into_iter()
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.contains("basecampd\0run\0"))
        })
        .collect();
    assert_eq!(daemons, [rung.daemon()]);
}

#[test]
fn status_tells_memory_and_where_things_are() {
    let rung = Rung::shared();
    ready(rung);
    let output = run(&mut rung.platform_ctl(&["--json", "status"]));
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = status["rows"].as_array().unwrap();
    let held: u64 = rows
        .iter()
        .map(|row| row["residentBytes"].as_u64().unwrap())
        .sum();
    assert!(held > 500 << 20, "{status}");
    for name in ["basecampd", "mlflow", "ray", "traefik"] {
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        assert_eq!(row["state"], "ready", "{row}");
        assert!(row["residentBytes"].as_u64().unwrap() > 1 << 20, "{row}");
    }
    assert!(
        status["endpoints"]["serving"]["url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
}

#[test]
fn nothing_listens_or_talks_beyond_loopback() {
    let rung = Rung::shared();
    ready(rung);
    let sockets = sockets_of(&rung.processes());
    let listening = sockets
        .iter()
        .filter(|socket| socket.state == SocketState::Listening)
        .count();
    // KFP, resources, MLflow, Traefik's two and Ray's eleven at least: else the wrong processes were looked at.
    assert!(listening >= 16, "{sockets:?}");
    let beyond: Vec<_> = sockets.iter().filter(|socket| !socket.is_loopback()).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

#[test]
fn ray_and_the_resource_api_ask_for_a_token() {
    let rung = Rung::shared();
    let (_, ray) = rung
        .services()
        .into_iter()
        .find(|(name, _)| name == "ray")
        .unwrap();
    let kubeconfig = std::fs::read_to_string(rung.state().join("kubeconfig")).unwrap();
    let server = kubeconfig
        .lines()
        .find_map(|line| line.trim().strip_prefix("server: "))
        .unwrap();
    for url in [
        format!("{}/api/jobs/", ray["url"].as_str().unwrap()),
        format!("{server}/api/v1/namespaces/kubeflow/secrets"),
    ] {
        let output = run(Command::new("curl").args([
            "-sk",
            "--noproxy",
            "*",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &url,
        ]));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "401", "{url}");
    }
    use std::os::unix::fs::PermissionsExt;
    for secret in ["ray-token", "kubeconfig", "daemon.json"] {
        let mode = rung.state().join(secret).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{secret}");
    }
}

#[test]
fn a_killed_daemon_leaves_children_that_the_next_up_adopts() {
    let rung = Rung::shared();
    let (daemon, before) = (rung.daemon(), ready(rung));
    kill("-KILL", daemon.into());
    rung.up();
    assert_ne!(rung.daemon(), daemon);
    assert_eq!(ready(rung), before, "adopted, not doubled");
    assert!(
        rung.services()
            .iter()
            .all(|(_, service)| service["adopted"] == true)
    );
}

#[test]
fn a_killed_service_comes_back_alone() {
    let rung = Rung::shared();
    let before = ready(rung);
    kill("-KILL", before["traefik"]);
    let after = wait_until(
        PATIENCE,
        || Some(ready(rung)).filter(|after| after["traefik"] != before["traefik"]),
        || format!("{:?}", rung.services()),
    );
    assert_eq!((after["mlflow"], after["ray"]), (before["mlflow"], before["ray"]));
    let traefiks = rung
        .processes()
        .into_iter()
        .filter(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "traefik")
        })
        .count();
    assert_eq!(traefiks, 1);
}

/// A second clone whose path has 90 characters, beside the shared one.
#[test]
fn two_clones_run_side_by_side_and_down_takes_one() {
    let first = Rung::shared();
    let theirs = (first.daemon(), ready(first), first.processes());
    let folder = tempfile::Builder::new()
        .prefix("basecamp-e2e-")
        .tempdir()
        .unwrap();
    let clone = PathBuf::from(format!("{:x<90}", folder.path().join("clone").display()));
    assert_eq!(clone.as_os_str().len(), 90);
    let second = Rung::at(&clone.join(".basecamp"));
    second.up();
    ready(&second);
    let short = second.state().join("short").read_link().unwrap();
    assert!(short.join("ray").is_dir());

    second.down();
    assert_eq!(second.marked(), [].into(), "no process");
    assert!(!short.exists(), "{} is left", short.display());
    for left in [
        "daemon.json",
        "daemon.lock",
        "endpoints.yaml",
        "kubeconfig",
        "short",
        "services",
    ] {
        assert!(!second.state().join(left).exists(), "{left} is left");
    }
    let sockets = run(Command::new("find").arg(second.state()).args(["-type", "s"]));
    assert!(sockets.stdout.is_empty(), "{sockets:?}");
    second.down();
    let status = second.platform_ctl(&["status"]).output().unwrap();
    assert_eq!(status.status.code(), Some(3));
    let after = (first.daemon(), ready(first), first.processes());
    assert_eq!((after.0, after.1), (theirs.0, theirs.1));
    assert!(theirs.2.is_subset(&after.2) || Path::new(&format!("/proc/{}", theirs.0)).exists());
}

/// In a network namespace whose only way out is a device that counts: the count stays nought.
#[test]
fn nothing_is_sent_beyond_loopback() {
    let rung = Rung::new();
    let script = "
        echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
        echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
        ip link set lo up
        ip link add out type veth peer name far
        ip link set far up
        ip addr add 198.51.100.1/24 dev out
        ip link set out up
        ip route add default via 198.51.100.2
        \"$0\" --state-dir \"$1\" up >&2
        \"$0\" --state-dir \"$1\" down >&2
        awk '$1 == \"out:\" { print $11 }' /proc/net/dev";
    let unshare = |command: &mut Command| {
        command.args(["--net", "--map-root-user", "--user"]);
    };
    let mut probe = Command::new("unshare");
    unshare(&mut probe);
    let able = probe
        .args([
            "sh",
            "-ec",
            "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link add out type veth peer name far",
        ])
        .stderr(Stdio::null())
        .status();
    if !able.is_ok_and(|status| status.success()) {
        println!(
            "NOT RUN: no network namespace with a device can be made here (needs root or user namespaces, and iproute2)"
        );
        return;
    }
    let platform_ctl = rung.platform_ctl(&[]);
    let mut command = Command::new("unshare");
    unshare(&mut command);
    let output = run(command
        .args(["sh", "-ec", script])
        .arg(platform_ctl.get_program())
        .arg(rung.state()));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "0",
        "packets sent"
    );
}
