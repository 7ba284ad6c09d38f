//! Keeps each service running: starts or adopts it, checks its health, starts it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use processes::{Attached, Launch, LogLimit, Outcome, ProcessIdentity, Shim};
use serde::{Deserialize, Serialize};
use tier6::{ServiceState, ServiceStatus, StateDir};
use tokio::sync::broadcast;

use crate::lifecycle::{Action, Event, Lifecycle};
use crate::services::Service;

/// Between checks of a service that is not ready yet.
const STARTING_INTERVAL: Duration = Duration::from_millis(100);
/// Between checks of a ready one. That its process ends is seen at once, without any check.
const READY_INTERVAL: Duration = Duration::from_secs(5);
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
const LOG_BYTES: u64 = 16 << 20;

/// The services as they are, for many readers.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    current: Arc<Mutex<BTreeMap<String, ServiceStatus>>>,
    changes: broadcast::Sender<ServiceStatus>,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            current: Arc::default(),
            changes: broadcast::channel(256).0,
        }
    }

    /// All services now, and every change from now on.
    pub(crate) fn watch(&self) -> (Vec<ServiceStatus>, broadcast::Receiver<ServiceStatus>) {
        // Subscribed under the lock: no change falls between the two.
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (current.values().cloned().collect(), self.changes.subscribe())
    }

    fn tell(&self, status: &ServiceStatus) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.get(&status.name) != Some(status) {
            current.insert(status.name.clone(), status.clone());
            // Nobody may be watching.
            let _ = self.changes.send(status.clone());
        }
    }
}

/// `services/NAME/current.json`: the launch that may be running. Written before it starts.
#[derive(Debug, Serialize, Deserialize)]
struct Current {
    number: u64,
    command: String,
}

impl Current {
    fn path(state: &StateDir, service: &str) -> PathBuf {
        state.services().join(service).join("current.json")
    }

    fn read(state: &StateDir, service: &str) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::path(state, service)).ok()?).ok()
    }

    fn dir(&self, state: &StateDir, service: &str) -> PathBuf {
        state.services().join(service).join(self.number.to_string())
    }
}

/// Whether a process of this service runs, with whatever command.
pub(crate) fn is_running(state: &StateDir, service: &str) -> bool {
    Current::read(state, service).is_some_and(|current| {
        matches!(
            processes::attach(&current.dir(state, service)),
            Ok(Attached::Running(_))
        )
    })
}

/// Supervises one service for as long as it is polled; its process goes on when it is dropped.
pub(crate) async fn supervise(state: StateDir, service: Service, board: Board) {
    let mut supervisor = Supervisor {
        status: ServiceStatus {
            name: service.name.to_owned(),
            state: ServiceState::Starting,
            url: service.url.clone(),
            pid: None,
            restarts: 0,
            adopted: false,
            ready_after_ms: None,
            message: None,
            hint: service.hint.clone(),
            log: state.log(service.name),
        },
        life: Lifecycle::new(Instant::now()),
        client: reqwest::Client::builder()
            .no_proxy()
            .timeout(CHECK_TIMEOUT)
            .build()
            .expect("invariant: a client without TLS has nothing to load"),
        state,
        service,
        board,
    };
    let mut found = supervisor.adopt().await;
    loop {
        let launched = match found.take() {
            Some(running) => Ok(running),
            None => supervisor.launch(),
        };
        let exit = match launched {
            Ok((identity, dir)) => {
                supervisor.status.pid = Some(identity.pid);
                supervisor.status.ready_after_ms = None;
                supervisor.apply(Event::Launched);
                supervisor.watch(&identity, &dir).await
            }
            Err(error) => format!("{error:#}"),
        };
        supervisor.status.pid = None;
        tracing::warn!(service = supervisor.service.name, exit, "ended");
        if let Action::LaunchAfter(pause) = supervisor.apply(Event::Exited(exit)) {
            tokio::time::sleep(pause).await;
        }
        supervisor.status.restarts += 1;
        supervisor.status.adopted = false;
    }
}

struct Supervisor {
    state: StateDir,
    service: Service,
    board: Board,
    status: ServiceStatus,
    life: Lifecycle,
    client: reqwest::Client,
}

impl Supervisor {
    fn apply(&mut self, event: Event) -> Action {
        let action = self.life.decide(event, Instant::now());
        self.status.state = self.life.state;
        self.status.message.clone_from(&self.life.message);
        self.board.tell(&self.status);
        action
    }

    /// The process that an earlier daemon left, if its command is today's; one of another command is stopped.
    async fn adopt(&mut self) -> Option<(ProcessIdentity, PathBuf)> {
        let name = self.service.name;
        self.board.tell(&self.status);
        let current = Current::read(&self.state, name)?;
        let dir = current.dir(&self.state, name);
        match processes::attach(&dir) {
            Ok(Attached::Running(identity)) if current.command == self.service.command.digest() => {
                tracing::info!(service = name, pid = identity.pid, "adopted");
                self.status.adopted = true;
                Some((identity, dir))
            }
            Ok(Attached::Running(identity)) => {
                tracing::info!(
                    service = name,
                    pid = identity.pid,
                    "replaced: its command has changed"
                );
                if let Err(error) = processes::terminate(&identity, self.service.grace).await {
                    tracing::error!(service = name, %error);
                }
                None
            }
            Ok(_) => None,
            Err(error) => {
                tracing::error!(service = name, %error);
                None
            }
        }
    }

    fn launch(&mut self) -> anyhow::Result<(ProcessIdentity, PathBuf)> {
        let name = self.service.name;
        let before = Current::read(&self.state, name);
        let current = Current {
            number: before.as_ref().map_or(0, |before| before.number + 1),
            command: self.service.command.digest(),
        };
        let folder = self.state.services().join(name);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        if let Some(before) = before {
            // Told already how it ended.
            let _ = std::fs::remove_dir_all(before.dir(&self.state, name));
        }
        if let Some(scratch) = &self.service.scratch {
            let _ = std::fs::remove_dir_all(scratch);
            std::fs::create_dir_all(scratch).with_context(|| scratch.display().to_string())?;
        }
        let path = Current::path(&self.state, name);
        let bytes = serde_json::to_vec(&current).context("launch")?;
        processes::write_durably(&path, &bytes, 0o600).with_context(|| path.display().to_string())?;
        let dir = current.dir(&self.state, name);
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        headline(&self.status.log, name)?;
        let launch = Launch {
            args: self.service.command.args.clone(),
            env: self.service.command.env.clone(),
            cwd: dir.clone(),
            stdout: self.status.log.clone(),
            stderr: self.status.log.clone(),
            log_limit: Some(LogLimit::Rotate(LOG_BYTES)),
            grace: self.service.grace,
            ..Launch::new(dir.clone(), self.service.command.program.clone())
        };
        let identity = Shim::this_program().launch(&launch)?;
        tracing::info!(service = name, pid = identity.pid, "started");
        Ok((identity, dir))
    }

    /// Checks the health of a running process until it ends; tells how it ended.
    async fn watch(&mut self, identity: &ProcessIdentity, dir: &Path) -> String {
        let waiting = processes::wait(identity, dir);
        tokio::pin!(waiting);
        loop {
            let interval = if self.life.state == ServiceState::Ready {
                READY_INTERVAL
            } else {
                STARTING_INTERVAL
            };
            let checked = tokio::select! {
                outcome = &mut waiting => return describe(outcome),
                checked = self.check() => checked,
            };
            let was_ready = self.life.state == ServiceState::Ready;
            if checked.is_ok() && !was_ready {
                let age = self.life.age(Instant::now()).as_millis();
                self.status.ready_after_ms = Some(u64::try_from(age).unwrap_or(u64::MAX));
                tracing::info!(
                    service = self.service.name,
                    ms = self.status.ready_after_ms,
                    "ready"
                );
            }
            let event = checked.map_or_else(Event::Unhealthy, |()| Event::Healthy);
            if self.apply(event) == Action::Terminate {
                tracing::warn!(
                    service = self.service.name,
                    message = self.life.message,
                    "stopped"
                );
                if let Err(error) = processes::terminate(identity, self.service.grace).await {
                    tracing::error!(service = self.service.name, %error);
                }
            }
            tokio::select! {
                outcome = &mut waiting => return describe(outcome),
                () = tokio::time::sleep(interval) => {}
            }
        }
    }

    async fn check(&self) -> Result<(), String> {
        let mut request = self.client.get(&self.service.health);
        if let Some(path) = &self.service.token {
            let token =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            request = request.bearer_auth(token.trim());
        }
        match request.send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("{} answers {}", self.service.health, response.status())),
            Err(error) if error.is_timeout() => Err(format!("{} does not answer", self.service.health)),
            Err(_) => Err(format!("{} does not listen yet", self.service.health)),
        }
    }
}

fn describe(outcome: Result<Outcome, processes::ProcessError>) -> String {
    match outcome {
        Ok(Outcome::Ended(record)) => format!("ended with {}", record.end),
        Ok(Outcome::Lost) => "was killed together with its shim".into(),
        Err(error) => error.to_string(),
    }
}

/// Where one start ends and the next begins, in a log that outlives both.
fn headline(log: &Path, name: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    std::fs::File::options()
        .append(true)
        .create(true)
        .open(log)
        .and_then(|mut file| writeln!(file, "--- basecampd starts {name} (unix time {seconds}) ---"))
        .with_context(|| log.display().to_string())
}
