//! `up`, `status`, `down` of the embedded rung. Budget: 4 minutes, one test at a time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{MINI, Rung, SERVICE_PATIENCE, SocketState, run, sockets_of, wait_until};
use serde_json::Value;

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
    let names: Vec<String> = rung.ready().into_keys().collect();
    assert_eq!(names, ["mlflow", "ray", "traefik"]);
    assert!(
        took.as_secs_f64() <= 1.2 * slowest.0 as f64 / 1000.0,
        "{took:?} against {slowest:?}"
    );
}

#[test]
fn up_twice_is_up_once() {
    let rung = Rung::shared();
    let (daemon, before) = (rung.daemon(), rung.ready());
    let took = rung.up();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!((rung.daemon(), rung.ready()), (daemon, before));
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
    rung.ready();
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
    rung.ready();
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
    let (daemon, before) = (rung.daemon(), rung.ready());
    kill("-KILL", daemon.into());
    rung.up();
    assert_ne!(rung.daemon(), daemon);
    assert_eq!(rung.ready(), before, "adopted, not doubled");
    assert!(
        rung.services()
            .iter()
            .all(|(_, service)| service["adopted"] == true)
    );
}

#[test]
fn a_killed_service_comes_back_alone() {
    let rung = Rung::shared();
    let before = rung.ready();
    kill("-KILL", before["traefik"]);
    let after = wait_until(
        SERVICE_PATIENCE,
        || Some(rung.ready()).filter(|after| after["traefik"] != before["traefik"]),
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

/// In a network namespace whose only way out is a device that counts, and whose name server lies beyond it: the count
/// stays nought while the rung comes up, runs the recipe and goes down; one name that is asked for shows that it counts.
#[test]
fn nothing_is_sent_beyond_loopback() {
    let rung = Rung::new();
    let device = "
        echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
        echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6
        ip link set lo up
        ip link add out type veth peer name far
        ip link set far up
        ip addr add 198.51.100.1/24 dev out
        ip link set out up
        ip route add default via 198.51.100.2
        echo 'nameserver 198.51.100.3\noptions timeout:1 attempts:1' > \"$1/resolv.conf\"
        mount --bind \"$1/resolv.conf\" /etc/resolv.conf";
    let script = format!(
        "{device}
        sent() {{ awk '$1 == \"out:\" {{ print $11 }}' /proc/net/dev; }}
        state=$1
        python=$state/python/current/bin/python
        ctl() {{ \"$0\" --state-dir \"$state\" \"$@\" >&2; }}
        shift
        ctl up
        ctl recipe \"$@\"
        ctl down
        sent
        \"$python\" -c 'import socket; socket.getaddrinfo(\"example.org\", 80)' 2>/dev/null || true
        sent"
    );
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--map-root-user", "--user", "sh", "-ec"]);
        command
    };
    let able = unshare()
        .args([device, "sh"])
        .arg(rung.state())
        .stderr(Stdio::null())
        .status();
    if !able.is_ok_and(|status| status.success()) {
        println!(
            "NOT RUN: no network namespace with a device can be made here (needs root or user namespaces, and iproute2)"
        );
        return;
    }
    let output = run(unshare()
        .arg(script)
        .arg(rung.platform_ctl(&[]).get_program())
        .arg(rung.state())
        .args(MINI));
    let counts = String::from_utf8(output.stdout).unwrap();
    let counts: Vec<u64> = counts.lines().map(|line| line.parse().unwrap()).collect();
    assert!(
        matches!(counts[..], [0, control] if control > 0),
        "packets sent by the rung, and with one question for a name: {counts:?}"
    );
}
