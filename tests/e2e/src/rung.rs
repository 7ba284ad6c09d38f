//! A rung in a state folder of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// For a service to be ready again on a busy machine.
pub const SERVICE_PATIENCE: Duration = Duration::from_secs(120);

/// One state folder, with or without a rung up in it.
pub struct Rung {
    state: PathBuf,
    /// Holds the folder where nobody else does.
    _folder: Option<tempfile::TempDir>,
    /// Ends with this process, and then takes the rung down.
    warden: Child,
}

impl Rung {
    /// A state folder in a temporary place; nothing runs yet.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("basecamp-e2e-")
            .tempdir()
            .unwrap();
        let mut rung = Self::at(&folder.path().join(".basecamp"));
        rung._folder = Some(folder);
        rung
    }

    /// A state folder at this path; nothing runs yet.
    pub fn at(state: &Path) -> Self {
        std::fs::create_dir_all(state.join("python")).unwrap();
        let interpreter = PathBuf::from(std::env::var_os("BASECAMP_PYTHON").expect(
            "BASECAMP_PYTHON is not set: `cargo xtask test e2e` sets it; by hand it is \
             .basecamp/python/current/bin/python of a clone that is set up",
        ));
        let bin = interpreter.parent().unwrap();
        let environment = bin.parent().unwrap().canonicalize().unwrap();
        std::os::unix::fs::symlink(environment, state.join("python/current")).unwrap();
        Self {
            warden: warden(state),
            state: state.to_owned(),
            _folder: None,
        }
    }

    /// The one that all tests of this binary share, up.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Rung> = OnceLock::new();
        SHARED.get_or_init(|| {
            let rung = Self::new();
            rung.up();
            rung
        })
    }

    /// The state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// `platform-ctl` on this state folder, with these arguments.
    pub fn platform_ctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("platform-ctl"));
        command.arg("--state-dir").arg(&self.state).args(arguments);
        command
    }

    /// Brings it up; returns how long that took.
    pub fn up(&self) -> Duration {
        let start = Instant::now();
        run(&mut self.platform_ctl(&["up"]));
        start.elapsed()
    }

    /// Takes it down.
    pub fn down(&self) {
        run(&mut self.platform_ctl(&["down"]));
    }

    /// Process ids that carry this state folder's mark in their environment, shims and daemon among them.
    pub fn marked(&self) -> BTreeSet<i32> {
        let Ok(mark) = std::fs::read_to_string(self.state.join("mark")) else {
            return BTreeSet::new();
        };
        let wanted = format!("BASECAMP_MARK={}", mark.trim());
        processes()
            .filter(|pid| {
                std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
                    environ
                        .split(|&byte| byte == 0)
                        .any(|pair| pair == wanted.as_bytes())
                })
            })
            .collect()
    }

    /// [`Rung::marked`] and everybody in a session that one of them leads: programs that set their own title hide
    /// their environment.
    pub fn processes(&self) -> BTreeSet<i32> {
        let marked = self.marked();
        processes()
            .filter(|pid| {
                marked.contains(pid) || session_of(*pid).is_some_and(|leader| marked.contains(&leader))
            })
            .collect()
    }

    /// A process of this state folder whose command line has these words, each closed by NUL, in it.
    pub fn process(&self, words: &str) -> Option<i32> {
        let marked = self.marked();
        processes().find(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(words))
                && (marked.contains(pid) || session_of(*pid).is_some_and(|leader| marked.contains(&leader)))
        })
    }

    /// Process id of the daemon.
    pub fn daemon(&self) -> i32 {
        let text = std::fs::read_to_string(self.state.join("daemon.json")).unwrap();
        let record: Value = serde_json::from_str(&text).unwrap();
        i32::try_from(record["identity"]["pid"].as_i64().unwrap()).unwrap()
    }

    /// The daemon's services: name, then what its API says of it.
    pub fn services(&self) -> Vec<(String, Value)> {
        let text = std::fs::read_to_string(self.state.join("daemon.json")).unwrap();
        let record: Value = serde_json::from_str(&text).unwrap();
        let url = record["url"].as_str().unwrap();
        let body = get(url.strip_prefix("http://").unwrap(), "/apis/basecamp/v1/services");
        let list: Value = serde_json::from_str(&body).unwrap();
        list["services"]
            .as_array()
            .unwrap()
            .iter()
            .map(|service| (service["name"].as_str().unwrap().to_owned(), service.clone()))
            .collect()
    }

    /// Name → process id of the services' shims, once all are ready.
    pub fn ready(&self) -> BTreeMap<String, i64> {
        wait_until(
            SERVICE_PATIENCE,
            || {
                let services = self.services();
                let all = services.iter().all(|(_, service)| service["state"] == "ready");
                all.then(|| {
                    services
                        .into_iter()
                        .map(|(name, service)| (name, service["pid"].as_i64().unwrap()))
                        .collect()
                })
            },
            || format!("{:?}", self.services()),
        )
    }
}

impl Default for Rung {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Rung {
    fn drop(&mut self) {
        drop(self.warden.stdin.take());
        // Whether it could: the next run would show.
        let _ = self.warden.wait();
    }
}

/// A process that waits until its standard input is closed, which the end of this process does too, and then takes the
/// rung down. In a session of its own, so that Ctrl-C does not end it first.
fn warden(state: &Path) -> Child {
    let script = "read -r _; \"$0\" --state-dir \"$1\" down >/dev/null 2>&1; case $1 in *basecamp-e2e-*) rm -rf \"$1\"; rmdir \"${1%/*}\" 2>/dev/null;; esac";
    Command::new("setsid")
        .args(["--wait", "sh", "-c", script])
        .arg(program("platform-ctl"))
        .arg(state)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A release program; tests lie in `deps` beside them.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not built: `cargo xtask test e2e`",
        path.display()
    );
    path
}

/// Sends a process a signal, as `kill` names it.
pub fn signal(name: &str, pid: i32) {
    run(Command::new("kill").args([name, &pid.to_string()]));
}

/// Runs a command that must succeed.
pub fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Waits until `look` gives something, at most `patience`; the failure tells what `seen` says.
pub fn wait_until<T>(
    patience: Duration,
    mut look: impl FnMut() -> Option<T>,
    seen: impl Fn() -> String,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "not within {patience:?}; last seen: {}",
            seen()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn processes() -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Field 6 of `/proc/PID/stat`.
fn session_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(3)?.parse().ok()
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}");
    body.to_owned()
}
