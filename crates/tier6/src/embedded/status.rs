//! Looking at the embedded rung.

use std::collections::BTreeSet;

use endpoints::Endpoints;
use processes::ProcessTable;
use serde::Serialize;

use super::watch;
use crate::daemon::DaemonRecord;
use crate::error::Tier6Error;
use crate::service::ServiceState;
use crate::state_dir::StateDir;

/// A rung at one moment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Where everything is; absent where the rung is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// The daemon, the services, and what runs under them.
    pub rows: Vec<StatusRow>,
}

impl Status {
    /// Whether the rung is up: the daemon runs and all its services are ready.
    pub fn is_up(&self) -> bool {
        self.endpoints.is_some()
            && self
                .rows
                .iter()
                .all(|row| row.state == "ready" || row.state == "running")
    }
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusRow {
    /// Name of the service; of what is no service, its folder within the state folder.
    pub name: String,
    /// `ready`, `starting`, `restarting`, `failed`; `running` for what has no health of its own.
    pub state: String,
    /// Process id of the topmost process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How many processes.
    pub processes: usize,
    /// Their resident memory in bytes; pages shared between them count more than once.
    pub resident_bytes: u64,
    /// Base URL; empty where it serves nothing.
    pub url: String,
    /// How often it was started again.
    pub restarts: u32,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What runs now.
///
/// # Errors
/// [`Tier6Error::Api`] where the daemon runs and does not answer; [`Tier6Error::File`].
pub async fn status(state: &StateDir) -> Result<Status, Tier6Error> {
    let mark = state.mark()?;
    let running = DaemonRecord::of_running(state)?;
    let services = match &running {
        Some(record) => watch::services(&record.url).await?,
        None => Vec::new(),
    };
    let table = ProcessTable::read();
    let marked = table.marked(&mark);
    let all: BTreeSet<i32> = marked.iter().map(|row| row.pid).collect();
    let mut seen = BTreeSet::from([rustix::process::getpid().as_raw_nonzero().get()]);
    let mut rows = Vec::new();
    if let Some(record) = &running {
        let pid = record.identity.pid;
        seen.insert(pid);
        rows.push(StatusRow {
            name: "basecampd".into(),
            state: "ready".into(),
            pid: Some(pid),
            processes: 1,
            resident_bytes: table.get(pid).map_or(0, |row| row.resident_bytes),
            url: record.url.clone(),
            restarts: 0,
            message: None,
        });
    }
    let mut weigh = |pid: i32| {
        let tree: Vec<_> = table.get(pid).into_iter().chain(table.descendants(pid)).collect();
        let fresh: Vec<_> = tree.into_iter().filter(|row| seen.insert(row.pid)).collect();
        (fresh.len(), fresh.iter().map(|row| row.resident_bytes).sum())
    };
    for service in services {
        let (processes, resident_bytes) = service.pid.map_or((0, 0), &mut weigh);
        rows.push(StatusRow {
            name: service.name,
            state: service.state.to_string(),
            pid: service.pid,
            processes,
            resident_bytes,
            url: service.url,
            restarts: service.restarts,
            message: service.message.filter(|_| service.state != ServiceState::Ready),
        });
    }
    // Shims other than the services': steps, trials, model servers. Each is a child of the daemon, of a warm worker, or of
    // nobody of ours. They come before the workers, which are what is left of the daemon's children.
    let daemon = running.as_ref().map(|record| record.identity.pid);
    let (shims, others): (Vec<_>, Vec<_>) = marked
        .iter()
        .filter(|row| Some(row.pid) != daemon)
        .map(|row| (row, launch_folder(row.pid, state)))
        .partition(|(_, folder)| folder.is_some());
    let others = others
        .into_iter()
        .filter(|(row, _)| !all.contains(&row.parent) || Some(row.parent) == daemon);
    for (top, folder) in shims.into_iter().chain(others) {
        let (processes, resident_bytes) = weigh(top.pid);
        if processes > 0 {
            rows.push(StatusRow {
                name: folder
                    .or_else(|| worker(top.pid))
                    .unwrap_or_else(|| top.name.clone()),
                state: "running".into(),
                pid: Some(top.pid),
                processes,
                resident_bytes,
                url: String::new(),
                restarts: 0,
                message: None,
            });
        }
    }
    let endpoints = match running {
        Some(_) if state.endpoints().exists() => Some(Endpoints::read(&state.endpoints())?),
        _ => None,
    };
    Ok(Status { endpoints, rows })
}

/// A warm worker's program tells that it is one.
fn worker(pid: i32) -> Option<String> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let is_one = line.split('\0').nth(1)?.ends_with("/fork_server.py");
    is_one.then(|| "warm worker".to_owned())
}

/// A shim's second argument is its launch folder.
fn launch_folder(pid: i32, state: &StateDir) -> Option<String> {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let mut arguments = line.split('\0').skip_while(|argument| *argument != "shim");
    let folder = arguments.nth(1)?;
    Some(
        folder
            .strip_prefix(state.root().to_str()?)?
            .trim_start_matches('/')
            .to_owned(),
    )
}
