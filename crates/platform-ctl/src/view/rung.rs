//! A rung: on its way up, as it is, taken down.

use tier6::embedded::{DownReport, Status, UpReport};
use tier6::{ServiceState, ServiceStatus};

use super::{bytes, columns};

/// One service on the way up.
pub(crate) fn service(status: &ServiceStatus) -> String {
    let state = status.state.to_string();
    let told = match (status.state, status.ready_after_ms, &status.message) {
        (ServiceState::Ready, Some(after), _) => format!("{:.1} s", after as f64 / 1000.0),
        (ServiceState::Ready, None, _) => String::new(),
        (_, _, Some(message)) => message.lines().next().unwrap_or_default().to_owned(),
        (_, _, None) => String::new(),
    };
    format!("  {:<10}  {state:<10}  {told}", status.name)
        .trim_end()
        .to_owned()
}

/// The rung is up.
pub(crate) fn up(report: &UpReport) -> String {
    let pages: Vec<[String; 2]> = report
        .endpoints
        .dashboards
        .iter()
        .map(|(title, url)| [format!("  {title}"), url.clone()])
        .collect();
    format!(
        "{} is up: {} services in {:.1} s\n{}",
        report.endpoints.rung,
        report.services.len(),
        report.elapsed.as_secs_f64(),
        columns(&pages)
    )
}

/// What runs.
pub(crate) fn status(status: &Status) -> String {
    let Some(endpoints) = &status.endpoints else {
        let left = match status.rows.len() {
            0 => String::new(),
            rows => format!("; {rows} of its processes are left: `cargo xtask down`"),
        };
        return format!("no rung is up{left}; `cargo xtask up` brings one up\n");
    };
    let heads = [
        "NAME",
        "STATE",
        "PID",
        "PROCESSES",
        "MEMORY",
        "RESTARTS",
        "URL",
        "MESSAGE",
    ];
    let mut rows = vec![heads.map(str::to_owned)];
    rows.extend(status.rows.iter().map(|row| {
        [
            row.name.clone(),
            row.state.clone(),
            row.pid.map(|pid| pid.to_string()).unwrap_or_default(),
            row.processes.to_string(),
            bytes(row.resident_bytes),
            row.restarts.to_string(),
            row.url.clone(),
            row.message
                .as_deref()
                .and_then(|message| message.lines().next())
                .unwrap_or_default()
                .to_owned(),
        ]
    }));
    format!(
        "{} is up, {} held\n{}",
        endpoints.rung,
        bytes(held(status)),
        columns(&rows)
    )
}

/// Memory of everything that runs.
pub(crate) fn held(status: &Status) -> u64 {
    status.rows.iter().map(|row| row.resident_bytes).sum()
}

/// Everything has stopped.
pub(crate) fn down(report: &DownReport) -> String {
    match (report.processes, report.killed) {
        (0, _) => "nothing ran\n".to_owned(),
        (stopped, 0) => format!("{stopped} processes stopped\n"),
        (stopped, killed) => format!("{stopped} processes stopped, {killed} of them by SIGKILL\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::same;
    use tier6::embedded::StatusRow;

    fn told(state: ServiceState, after: Option<u64>, message: Option<&str>) -> String {
        service(&ServiceStatus {
            name: "mlflow".into(),
            state,
            url: "http://127.0.0.1:5000".into(),
            pid: Some(7),
            restarts: 0,
            adopted: false,
            ready_after_ms: after,
            message: message.map(str::to_owned),
            hint: String::new(),
            log: "mlflow.log".into(),
        })
    }

    #[test]
    fn a_service_on_its_way() {
        let lines = [
            told(ServiceState::Starting, None, None),
            told(ServiceState::Restarting, None, Some("it ended with code 1\nmore")),
            told(ServiceState::Ready, Some(13_240), None),
            told(ServiceState::Ready, None, None),
        ];
        same(
            &(lines.join("\n") + "\n"),
            "  \
  mlflow      starting
  mlflow      restarting  it ended with code 1
  mlflow      ready       13.2 s
  mlflow      ready
",
        );
    }

    fn row(name: &str, state: &str, memory: u64, url: &str) -> StatusRow {
        StatusRow {
            name: name.into(),
            state: state.into(),
            pid: Some(4711),
            processes: 2,
            resident_bytes: memory,
            url: url.into(),
            restarts: 0,
            message: None,
        }
    }

    #[test]
    fn what_runs() {
        let endpoints = serde_yaml::from_str(
            "{apiVersion: basecamp.dev/v1, rung: embedded, pipelines: {url: 'http://127.0.0.1:1'}, resources: {},
              registry: {trackingUri: 'http://127.0.0.1:2'}, artifacts: {root: 'file:///a'},
              lakehouse: {type: sql, uri: 'sqlite:////b', warehouse: 'file:///c'}, serving: {url: 'http://127.0.0.1:3'}}",
        )
        .unwrap();
        let up = Status {
            endpoints: Some(endpoints),
            rows: vec![
                row("basecampd", "running", 30 << 20, "http://127.0.0.1:1"),
                row("ray", "ready", 1800 << 20, ""),
            ],
        };
        same(
            &status(&up),
            "\
embedded is up, 1.8 GiB held
NAME       STATE    PID   PROCESSES  MEMORY    RESTARTS  URL                 MESSAGE
basecampd  running  4711  2          30.0 MiB  0         http://127.0.0.1:1
ray        ready    4711  2          1.8 GiB   0
",
        );
    }

    #[test]
    fn nothing_runs() {
        let none = Status {
            endpoints: None,
            rows: Vec::new(),
        };
        same(&status(&none), "no rung is up; `cargo xtask up` brings one up\n");
        let left = Status {
            endpoints: None,
            rows: vec![row("ray", "running", 0, "")],
        };
        same(
            &status(&left),
            "no rung is up; 1 of its processes are left: `cargo xtask down`; `cargo xtask up` brings one up\n",
        );
        same(
            &down(&DownReport {
                processes: 9,
                killed: 1,
            }),
            "9 processes stopped, 1 of them by SIGKILL\n",
        );
    }
}
