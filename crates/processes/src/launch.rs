//! What to run, and how.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::MARK_VARIABLE;
use crate::error::ProcessError;
use crate::identity::ProcessIdentity;
use crate::shim::{self, TEST_VARIABLE};
use crate::view::View;

/// One program to run. All paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The launch folder, made if it is not there; it must not have run anything yet.
    pub dir: PathBuf,
    /// The program: a path, or a name looked up in `PATH` of `env`.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub args: Vec<String>,
    /// Its whole environment: nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Its working folder.
    pub cwd: PathBuf,
    /// File that standard output is appended to.
    pub stdout: PathBuf,
    /// File that standard error is appended to; may be the same, lines then stand in the order they were written.
    pub stderr: PathBuf,
    /// What a log may hold; `None`: all of it, written by the program itself.
    pub log_limit: Option<LogLimit>,
    /// After this time the program is told to stop.
    pub deadline: Option<Duration>,
    /// How long after SIGTERM the deadline waits before SIGKILL.
    pub grace: Duration,
    /// Outputs: written to the first path, moved to the second with all content on disk, once the program has ended
    /// with code 0. Files or folders; both on one filesystem.
    pub publish: Vec<(PathBuf, PathBuf)>,
    /// What becomes of processes that are still there when the program has ended.
    pub stragglers: Stragglers,
    /// What it sees of the file system; `None`: what is there.
    #[serde(default)]
    pub view: Option<View>,
    /// By whom it is launched, for its record.
    #[serde(default)]
    pub launcher: Launcher,
}

impl Launch {
    /// A launch with no limits: `stdout` and `stderr` in `dir/log`, working folder `dir`, stragglers killed.
    pub fn new(dir: impl Into<PathBuf>, program: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        Self {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: dir.clone(),
            stdout: dir.join("log"),
            stderr: dir.join("log"),
            log_limit: None,
            deadline: None,
            grace: Duration::from_secs(10),
            publish: Vec::new(),
            stragglers: Stragglers::Kill,
            view: None,
            launcher: Launcher::default(),
            dir,
        }
    }
}

/// How a program comes to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Launcher {
    /// In a process that was started for it.
    Fresh {
        /// Why no worker forked it; empty where that is no question.
        because: String,
    },
    /// In a fork of a [`Worker`](crate::Worker).
    Worker {
        /// Modules that the worker could not import, with the reason.
        without: BTreeMap<String, String>,
    },
}

impl Default for Launcher {
    fn default() -> Self {
        Self::Fresh {
            because: String::new(),
        }
    }
}

/// What a log may hold. With a limit the output passes through the shim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLimit {
    /// The first so many bytes; then a note of how much was dropped, and the last 64 KiB.
    Truncate(u64),
    /// The last so many bytes at least, in `FILE` and `FILE.1`: when `FILE` is full it takes the place of `FILE.1`.
    Rotate(u64),
}

/// What becomes of processes that are still there when the program has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stragglers {
    /// They are killed before the outputs are moved into place, so that nothing is written after that.
    Kill,
    /// They are left alone.
    Leave,
}

/// How to start the shim: which program, in which guise.
#[derive(Clone, Debug)]
pub struct Shim {
    program: PathBuf,
    guise: Guise,
}

#[derive(Clone, Debug)]
enum Guise {
    Subcommand,
    Test(&'static str),
}

impl Shim {
    /// This program again, even if its file has been replaced since: its `main` calls [`run_if_shim`](crate::run_if_shim).
    pub fn this_program() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            guise: Guise::Subcommand,
        }
    }

    /// Another program whose `main` calls [`run_if_shim`](crate::run_if_shim).
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            guise: Guise::Subcommand,
        }
    }

    /// For tests of crates that launch: this test binary again, where the test of that name (its whole path) does
    /// nothing but call [`run_as_test`](crate::run_as_test).
    pub fn this_test_binary(test: &'static str) -> Self {
        Self {
            program: "/proc/self/exe".into(),
            guise: Guise::Test(test),
        }
    }

    /// Sees whether a program can be given a [`View`] on this machine, by giving one to a program that does nothing;
    /// else says what the kernel refuses. `dir` is a folder to do it in, made if it is not there.
    ///
    /// # Errors
    /// [`ProcessError::NoView`]; [`ProcessError::File`] where the folder cannot be made.
    pub fn try_view(&self, dir: &Path) -> Result<(), ProcessError> {
        std::fs::create_dir_all(dir).map_err(ProcessError::file(dir))?;
        let mut command = Command::new(&self.program);
        command.env_clear().stdout(Stdio::null()).stderr(Stdio::null());
        match self.guise {
            Guise::Subcommand => command.arg(shim::VIEW_ARGUMENT),
            Guise::Test(name) => {
                command
                    .env(TEST_VARIABLE, shim::VIEW_TEST_VALUE)
                    .args([name, "--exact", "--nocapture"])
            }
        };
        shim::try_view(&mut command, dir).map_err(|reason| ProcessError::NoView { reason })
    }

    /// Starts the program under a shim in a session of its own, and returns the shim's identity at once.
    /// [`wait`](crate::wait) for it, which also reaps it.
    ///
    /// # Errors
    /// [`ProcessError::File`] where the folder cannot be made, [`ProcessError::Spawn`] where the shim cannot be
    /// started. That the *program* cannot be started is told by its record.
    pub fn launch(&self, launch: &Launch) -> Result<ProcessIdentity, ProcessError> {
        let spawn = |source| ProcessError::Spawn {
            dir: launch.dir.clone(),
            source,
        };
        std::fs::create_dir_all(&launch.dir).map_err(ProcessError::file(&launch.dir))?;
        let shim = self.command(launch);
        let mut child = Command::new(&shim.program)
            .arg0(&shim.words[0])
            .args(&shim.words[1..])
            .env_clear()
            .envs(&shim.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .spawn()
            .map_err(spawn)?;
        let mut input = child.stdin.take().expect("invariant: standard input is a pipe");
        let pid = i32::try_from(child.id()).expect("invariant: a process id is a positive i32");
        // Read before anyone reaps it, so it is this process's, also if it has ended already.
        let row = crate::table::Row::read(pid).ok_or_else(|| spawn(std::io::ErrorKind::NotFound.into()))?;
        // The description holds secrets (env), so it goes through a pipe, not through a file. A shim that ended before
        // it read all leaves no record, which `wait` tells as lost.
        let order = Order {
            launch: Cow::Borrowed(launch),
            forked: None,
        };
        let description = serde_json::to_vec(&order).expect("invariant: a launch has string keys only");
        match input.write_all(&description) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(spawn(error)),
            _ => Ok(row.identity()),
        }
    }

    /// What the shim of a launch is started as.
    fn command(&self, launch: &Launch) -> ShimCommand {
        let name = std::env::args().next().unwrap_or_else(|| "shim".to_owned());
        let mark = launch.env.get_key_value(MARK_VARIABLE);
        let mut env: BTreeMap<_, _> = mark
            .into_iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let words = match self.guise {
            Guise::Subcommand => vec![name, "shim".to_owned(), launch.dir.display().to_string()],
            Guise::Test(test) => {
                env.insert(TEST_VARIABLE.to_owned(), "1".to_owned());
                [&name, test, "--exact", "--nocapture"]
                    .map(str::to_owned)
                    .to_vec()
            }
        };
        ShimCommand {
            program: self.program.clone(),
            words,
            env,
        }
    }

    /// The same, for a process that is not this one.
    pub(crate) fn command_for_another(&self, launch: &Launch) -> ShimCommand {
        let mut command = self.command(launch);
        if command.program == Path::new("/proc/self/exe") {
            command.program = format!("/proc/{}/exe", std::process::id()).into();
        }
        command
    }
}

/// What a shim is told on its standard input.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order<'launch> {
    pub(crate) launch: Cow<'launch, Launch>,
    /// The program, where a worker has forked it already: it waits for its standard streams.
    pub(crate) forked: Option<i32>,
}

/// How a process becomes the shim of a launch.
#[derive(Serialize)]
pub(crate) struct ShimCommand {
    program: PathBuf,
    /// Its arguments with its name.
    words: Vec<String>,
    env: BTreeMap<String, String>,
}
