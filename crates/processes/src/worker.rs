//! A warm worker: a Python process that has imported what programs need, and forks one a launch.
//!
//! What it forks is supervised by a shim, writes the same records and is waited for in the same way as what
//! [`Shim::launch`] starts; only the interpreter's start and the imports are saved. See `worker/fork_server.py` for the
//! other end.

mod pool;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable::write_durably;
use crate::error::ProcessError;
use crate::identity::{ProcessIdentity, boot_id};
use crate::launch::{Launch, Shim, ShimCommand};

pub use pool::{Chosen, Workers};

const FORK_SERVER: &str = include_str!("worker/fork_server.py");

/// How long a fork may take. Nothing but the fork happens in that time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of the command lines that its forks show; one that is longer is cut off there.
const ROOM: usize = 64 * 1024;

/// What a worker is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerSpec {
    /// Its folder: its program, its log, its home.
    pub dir: PathBuf,
    /// The interpreter, looked up in `PATH` of `env` where it is a name.
    pub python: PathBuf,
    /// Its whole environment, which every import sees. Programs that are forked see their own launch's.
    pub env: BTreeMap<String, String>,
    /// What it imports.
    pub modules: Vec<String>,
}

/// A worker that is ready. Dropping it ends the process, and nothing that was forked from it.
#[derive(Debug)]
pub struct Worker {
    asked: Mutex<UnixStream>,
    process: Mutex<Child>,
    failed: BTreeMap<String, String>,
}

/// Why a worker did not launch.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It could not be started.
    #[error("a worker could not be started: {0}")]
    NotStarted(String),
    /// It has said no: nothing was launched, and another launcher may.
    #[error("{0}")]
    Refused(String),
    /// It is gone. Whether it had launched is told by [`attach`](crate::attach).
    #[error("its worker is gone: {0}")]
    Gone(std::io::Error),
}

/// What the worker is asked.
#[derive(Serialize)]
struct Request<'launch> {
    launch: &'launch Launch,
    shim: ShimCommand,
}

#[derive(Deserialize)]
struct Ready {
    failed: BTreeMap<String, String>,
    threads: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Launched { pid: i32, start_ticks: u64 },
    Refused { refused: String },
}

impl Worker {
    /// Starts a worker and waits until it has imported everything; seconds, for heavy modules.
    ///
    /// # Errors
    /// [`WorkerError::NotStarted`], also where an import has left a second thread behind: a fork would miss it.
    pub fn start(spec: &WorkerSpec) -> Result<Self, WorkerError> {
        let told = |error: std::io::Error| WorkerError::NotStarted(error.to_string());
        std::fs::create_dir_all(&spec.dir).map_err(told)?;
        let program = spec.dir.join("fork_server.py");
        write_durably(&program, FORK_SERVER.as_bytes(), 0o600).map_err(told)?;
        let log = spec.dir.join("log");
        let output = File::create(&log).map_err(told)?;
        let (ours, theirs) = UnixStream::pair().map_err(told)?;
        let process = Command::new(&spec.python)
            .arg(&program)
            .arg(" ".repeat(ROOM))
            .env_clear()
            .envs(&spec.env)
            .current_dir(&spec.dir)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(output.try_clone().map_err(told)?)
            .stderr(output)
            .spawn()
            .map_err(|error| WorkerError::NotStarted(format!("{}: {error}", spec.python.display())))?;
        let mut worker = Self {
            asked: Mutex::new(ours),
            process: Mutex::new(process),
            failed: BTreeMap::new(),
        };
        let ready: Ready = worker
            .ask(&serde_json::json!({ "modules": spec.modules }))
            .map_err(|error| WorkerError::NotStarted(format!("{error}; its log is {}", log.display())))?;
        if ready.threads.len() != 1 {
            let names = ready.threads.join(", ");
            return Err(WorkerError::NotStarted(format!(
                "what it imported has started threads: {names}"
            )));
        }
        let stream = worker.asked.get_mut().unwrap_or_else(PoisonError::into_inner);
        stream.set_read_timeout(Some(PATIENCE)).map_err(told)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(told)?;
        worker.failed = ready.failed;
        Ok(worker)
    }

    /// Modules that it could not import, with the reason. Programs that need them will meet it themselves.
    pub fn failed(&self) -> &BTreeMap<String, String> {
        &self.failed
    }

    /// Whether a worker can run this at all: a module of a Python interpreter, in the file system as it is.
    pub fn can_run(launch: &Launch) -> bool {
        let name = launch.program.file_name().and_then(|name| name.to_str());
        launch.view.is_none()
            && name.is_some_and(|name| name.starts_with("python"))
            && matches!(launch.args.as_slice(), [flag, _, ..] if flag == "-m")
    }

    /// As [`Shim::launch`], of a launch that [can be run](Worker::can_run), by a fork. Whether the launch's interpreter
    /// and paths are those of the worker is for the caller to see to.
    ///
    /// # Errors
    /// [`WorkerError::Refused`], [`WorkerError::Gone`].
    pub fn launch(&self, shim: &Shim, launch: &Launch) -> Result<ProcessIdentity, WorkerError> {
        if !Self::can_run(launch) {
            return Err(WorkerError::Refused("it is no module of Python".to_owned()));
        }
        std::fs::create_dir_all(&launch.dir)
            .map_err(ProcessError::file(&launch.dir))
            .map_err(|error| WorkerError::Refused(error.to_string()))?;
        let request = Request {
            launch,
            shim: shim.command_for_another(launch),
        };
        match self.ask(&request).map_err(WorkerError::Gone)? {
            Answer::Launched { pid, start_ticks } => Ok(ProcessIdentity {
                pid,
                start_ticks,
                boot_id: boot_id(),
            }),
            Answer::Refused { refused } => Err(WorkerError::Refused(refused)),
        }
    }

    fn ask<A: DeserializeOwned>(&self, question: &impl Serialize) -> std::io::Result<A> {
        let body = serde_json::to_vec(question)?;
        let length = u32::try_from(body.len()).map_err(std::io::Error::other)?;
        let mut stream = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&[&length.to_be_bytes(), body.as_slice()].concat())?;
        let mut header = [0; 4];
        stream.read_exact(&mut header)?;
        let mut body = vec![0; u32::from_be_bytes(header) as usize];
        stream.read_exact(&mut body)?;
        Ok(serde_json::from_slice(&body)?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        // What it forked leads sessions of its own, and hears nothing of this.
        let _ = process.kill();
        let _ = process.wait();
    }
}
