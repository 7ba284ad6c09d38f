//! Bringing the embedded rung up.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use endpoints::Endpoints;
use futures::StreamExt;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{tail, watch};
use crate::daemon::{DaemonRecord, build_id};
use crate::error::Tier6Error;
use crate::service::{ServiceState, ServiceStatus};
use crate::state_dir::StateDir;

/// How long the services may take together; the slowest takes a quarter of a minute on two cores.
const SERVICES_DEADLINE: Duration = Duration::from_secs(300);
/// How long the daemon may take to serve its API.
const DAEMON_DEADLINE: Duration = Duration::from_secs(60);
/// How long a daemon that was killed may take to be gone.
const DYING: Duration = Duration::from_secs(5);
/// How long a daemon that holds the lock may take to be recorded, before the lock is asked for again.
const HELD_PAUSE: Duration = Duration::from_secs(1);

/// What happens on the way up.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// No daemon ran; one has been started.
    DaemonStarted,
    /// A daemon of this build runs already.
    DaemonJoined,
    /// A daemon of another build, or of other options, ran; this one has taken its place.
    DaemonReplaced,
    /// A service, first as it is, then at each change.
    Service(&'a ServiceStatus),
}

/// The rung is up.
#[derive(Clone, Debug)]
pub struct UpReport {
    /// Where everything is.
    pub endpoints: Endpoints,
    /// The services, all ready.
    pub services: Vec<ServiceStatus>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Starts or joins the daemon, and returns as soon as every service is ready or one has failed.
///
/// `basecampd` is the daemon's program; `warm_workers` asks for a daemon with or without them, `None` takes the one that
/// runs. May be interrupted and repeated; twice is once.
///
/// # Errors
/// [`Tier6Error::NoPython`] before anything is started; [`Tier6Error::DaemonDown`], [`Tier6Error::ServiceFailed`] with
/// the last lines of the log; [`Tier6Error::Timeout`].
pub async fn up(
    state: &StateDir,
    basecampd: &Path,
    warm_workers: Option<bool>,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<UpReport, Tier6Error> {
    let start = Instant::now();
    state.python()?;
    let build = build_id(basecampd)?;
    let running = answering(state, &build).await?;
    let fits = |record: &DaemonRecord| {
        record.build == build && warm_workers.is_none_or(|asked| asked == record.warm_workers)
    };
    let told = match &running {
        Some(record) if fits(record) => Progress::DaemonJoined,
        Some(record) => {
            // Its children stay: the successor adopts them.
            processes::terminate(&record.identity, Duration::from_secs(10)).await?;
            Progress::DaemonReplaced
        }
        None => Progress::DaemonStarted,
    };
    let record = match running {
        Some(record) if fits(&record) => record,
        other => {
            let before = other.is_none_or(|record| record.warm_workers);
            start_daemon(state, basecampd, warm_workers.unwrap_or(before)).await?
        }
    };
    progress(told);
    let waited = tokio::time::timeout(SERVICES_DEADLINE, all_ready(state, &record, &mut progress)).await;
    let services = match waited {
        Ok(services) => services?,
        Err(_) => {
            let waiting = watch::services(&record.url)
                .await?
                .into_iter()
                .filter(|service| service.state != ServiceState::Ready)
                .map(|service| {
                    let message = service.message.unwrap_or_default();
                    format!("{} ({}; {message})", service.name, service.state)
                });
            return Err(Tier6Error::Timeout {
                seconds: SERVICES_DEADLINE.as_secs(),
                waiting: waiting.collect::<Vec<_>>().join(", "),
            });
        }
    };
    Ok(UpReport {
        endpoints: Endpoints::read(&state.endpoints())?,
        services,
        elapsed: start.elapsed(),
    })
}

/// The daemon that runs, if one does. One of this build is asked for its services: a daemon that was killed is there for
/// a moment more, and answers nobody.
async fn answering(state: &StateDir, build: &str) -> Result<Option<DaemonRecord>, Tier6Error> {
    let Some(record) = DaemonRecord::of_running(state)? else {
        return Ok(None);
    };
    if record.build != build {
        return Ok(Some(record));
    }
    match watch::services(&record.url).await {
        Ok(_) => Ok(Some(record)),
        Err(error) => match tokio::time::timeout(DYING, record.identity.ended()).await {
            Ok(_) => Ok(None),
            Err(_) => Err(error),
        },
    }
}

async fn all_ready(
    state: &StateDir,
    record: &DaemonRecord,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<Vec<ServiceStatus>, Tier6Error> {
    let mut known: BTreeMap<String, ServiceStatus> = watch::services(&record.url)
        .await?
        .into_iter()
        .map(|service| (service.name.clone(), service))
        .collect();
    let mut changes = watch::changes(&record.url).await?;
    while !known.values().all(|service| service.state == ServiceState::Ready) {
        let Some(change) = changes.next().await else {
            return Err(daemon_down(state, "it ended while services were starting"));
        };
        let service = change?;
        progress(Progress::Service(&service));
        if service.state == ServiceState::Failed {
            return Err(Tier6Error::ServiceFailed {
                tail: tail(&service.log),
                reason: service.message.unwrap_or_default(),
                hint: if service.hint.is_empty() {
                    String::new()
                } else {
                    format!("\n{}", service.hint)
                },
                name: service.name,
                log: service.log,
            });
        }
        known.insert(service.name.clone(), service);
    }
    Ok(known.into_values().collect())
}

/// Starts a daemon; where one that another `up` starts at the same moment is faster, that one's record.
async fn start_daemon(
    state: &StateDir,
    basecampd: &Path,
    warm_workers: bool,
) -> Result<DaemonRecord, Tier6Error> {
    let deadline = Instant::now() + DAEMON_DEADLINE;
    loop {
        launch_daemon(state, basecampd, warm_workers).await?;
        let pause = Instant::now() + HELD_PAUSE;
        while Instant::now() < pause {
            if let Some(record) = DaemonRecord::of_running(state)? {
                return Ok(record);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The lock may be that of a daemon that was killed and whose last thread has not ended: then nobody else is on
        // the way, and the next try gets it.
        if Instant::now() > deadline {
            return Err(daemon_down(
                state,
                "another daemon holds the lock, but serves nothing",
            ));
        }
    }
}

/// Returns once a daemon serves its API, or has found that another one holds the lock.
async fn launch_daemon(state: &StateDir, basecampd: &Path, warm_workers: bool) -> Result<(), Tier6Error> {
    let log = state.log("basecampd");
    std::fs::create_dir_all(state.logs()).map_err(Tier6Error::file(state.logs()))?;
    let stderr = std::fs::File::options()
        .append(true)
        .create(true)
        .open(&log)
        .map_err(Tier6Error::file(&log))?;
    let mut command = std::process::Command::new(basecampd);
    command
        .arg("run")
        .arg("--state-dir")
        .arg(state.root())
        .args((!warm_workers).then_some("--no-warm-workers"))
        // The user's proxy variables, and whatever else steers a client, stay outside.
        .env_clear()
        .envs(
            ["PATH", "RUST_LOG", "RUST_BACKTRACE"]
                .into_iter()
                .filter_map(|key| Some((key, std::env::var_os(key)?))),
        )
        .env(processes::MARK_VARIABLE, state.mark()?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .current_dir("/");
    let mut child = command.spawn().map_err(|source| Tier6Error::Program {
        program: basecampd.to_owned(),
        source,
    })?;
    let stdout = child.stdout.take().expect("invariant: standard output is a pipe");
    let stdout = tokio::process::ChildStdout::from_std(stdout).map_err(Tier6Error::file(&log))?;
    let mut said = String::new();
    // One line, once its API is served, or because another daemon was faster.
    let line = tokio::time::timeout(DAEMON_DEADLINE, BufReader::new(stdout).read_line(&mut said)).await;
    match line {
        Err(_) => Err(daemon_down(
            state,
            &format!("it did not serve its API within {} s", DAEMON_DEADLINE.as_secs()),
        )),
        Ok(_) if said.is_empty() => {
            let how = child
                .wait()
                .map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(daemon_down(state, &format!("it ended with {how}")))
        }
        Ok(_) => match said.strip_prefix("failed: ") {
            Some(reason) => Err(daemon_down(state, reason.trim_end())),
            None => Ok(()),
        },
    }
}

fn daemon_down(state: &StateDir, reason: &str) -> Tier6Error {
    let log = state.log("basecampd");
    Tier6Error::DaemonDown {
        reason: reason.to_owned(),
        tail: tail(&log),
        log,
    }
}

#[cfg(test)]
mod tests {
    use processes::ProcessIdentity;

    use super::*;

    /// A program in the place of basecampd. Written by another process: one that this one holds open for writing while
    /// a test beside it forks cannot be started.
    fn program(folder: &Path, script: &str) -> std::path::PathBuf {
        let path = folder.join("basecampd");
        let written = std::process::Command::new("sh")
            .args(["-c", "printf %s \"$1\" > \"$2\" && chmod +x \"$2\"", "sh"])
            .arg(format!("#!/bin/sh\ncd \"$3\"\n{script}\n"))
            .arg(&path)
            .status();
        assert!(written.unwrap().success());
        path
    }

    #[tokio::test]
    async fn a_lock_that_a_dying_daemon_still_holds_is_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let record = DaemonRecord {
            identity: ProcessIdentity::own(),
            build: "b".into(),
            url: "http://127.0.0.1:1".into(),
            warm_workers: true,
        };
        record.write(&state).unwrap();
        std::fs::rename(state.daemon_record(), folder.path().join("record")).unwrap();
        let basecampd = program(
            folder.path(),
            "if mkdir tried 2>/dev/null; then echo held; else mv record daemon.json; echo serving; fi",
        );
        assert_eq!(start_daemon(&state, &basecampd, true).await.unwrap(), record);
    }

    #[tokio::test]
    async fn a_daemon_that_is_being_killed_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let mut dying = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let record = DaemonRecord {
            identity: ProcessIdentity::of(i32::try_from(dying.id()).unwrap()).unwrap(),
            build: "b".into(),
            url: "http://127.0.0.1:1".into(),
            warm_workers: true,
        };
        record.write(&state).unwrap();
        let of_another_build = answering(&state, "c").await.unwrap();
        assert_eq!(of_another_build, Some(record));
        let (answering, ()) = tokio::join!(answering(&state, "b"), async { dying.kill().unwrap() });
        assert_eq!(answering.unwrap(), None);
        // Reaped already by who waited for it.
        let _ = dying.wait();
    }

    #[tokio::test]
    async fn a_daemon_that_says_nothing_is_told_with_its_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let basecampd = program(folder.path(), "echo 'no such disk' >&2; exit 7");
        let message = start_daemon(&state, &basecampd, true)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("exit status: 7") && message.contains("no such disk"),
            "{message}"
        );
    }

    /// Its log may be on the disk that is full.
    #[tokio::test]
    async fn a_daemon_that_says_why_it_failed_is_told_without_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let basecampd = program(folder.path(), "echo 'failed: engine.db: no room'; exit 1");
        let message = start_daemon(&state, &basecampd, true)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("the daemon did not come up: engine.db: no room\n"),
            "{message}"
        );
    }
}
