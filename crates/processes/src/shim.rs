//! The shim: supervises one program, from a session of its own.
//!
//! It waits on one poll(2) for signals, log pipes and the deadline. SIGTERM asks the program to stop, SIGQUIT kills all
//! that runs under the shim (see [`terminate`](crate::terminate)). As a child subreaper it inherits every orphan among
//! the program's descendants, so none escapes it, whatever session it moved to.

mod log;
mod publish;
mod view;

use std::io::{ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::resource::{UsageWho, getrusage};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::time::Timespec;

use crate::attach::Claim;
use crate::durable::write_durably;
use crate::identity::ProcessIdentity;
use crate::launch::{Launch, Order, Stragglers};
use crate::record::{Cause, End, ExitRecord, Usage};
use crate::table::{ProcessTable, Row};

use log::Logs;

pub(crate) use view::{ARGUMENT as VIEW_ARGUMENT, TEST_VALUE as VIEW_TEST_VALUE, try_out as try_view};

pub(crate) const TEST_VARIABLE: &str = "BASECAMP_TEST_SHIM";
/// Between two tries to write to a full disk: nothing tells that it has room again.
const UNTIL_THERE_IS_ROOM: Duration = Duration::from_millis(250);

/// The whole program where its first argument is a shim's; else nothing. Call it first thing in `main`.
pub fn run_if_shim() -> Option<ExitCode> {
    let argument = std::env::args_os().nth(1)?;
    if argument == "shim" {
        Some(run())
    } else if argument == VIEW_ARGUMENT {
        Some(view::run())
    } else {
        None
    }
}

/// The body of the test that [`Shim::this_test_binary`](crate::Shim::this_test_binary) names; does nothing in a run of
/// the tests.
pub fn run_as_test() {
    if let Some(value) = std::env::var_os(TEST_VARIABLE) {
        let ended = if value == VIEW_TEST_VALUE {
            view::run()
        } else {
            run()
        };
        std::process::exit(i32::from(ended != ExitCode::SUCCESS));
    }
}

/// Success says that a record was written.
fn run() -> ExitCode {
    let mut description = Vec::new();
    let order: Order<'_> = match std::io::stdin().read_to_end(&mut description) {
        Ok(_) => match serde_json::from_slice(&description) {
            Ok(launch) => launch,
            // The launcher died in mid-sentence: nothing was asked for.
            Err(_) => return ExitCode::FAILURE,
        },
        Err(_) => return ExitCode::FAILURE,
    };
    let launch = order.launch;
    // Fails only where the launcher has made it a leader already, which serves as well.
    let _ = rustix::process::setsid();
    match Claim::Taken(ProcessIdentity::own()).stake(&launch.dir) {
        Ok(true) => {}
        // Somebody has given this launch up.
        Ok(false) | Err(_) => return ExitCode::FAILURE,
    }
    let record = supervise(&launch, order.forked);
    let bytes = serde_json::to_vec(&record).expect("invariant: plain data");
    loop {
        match write_durably(&launch.dir.join("exit.json"), &bytes, 0o600) {
            Ok(()) => return ExitCode::SUCCESS,
            // A full disk is emptied some time; without the record all would be done again.
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                std::thread::sleep(UNTIL_THERE_IS_ROOM);
            }
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

fn supervise(launch: &Launch, forked: Option<i32>) -> ExitRecord {
    let started = SystemTime::now();
    let clock = Instant::now();
    let mut record = ExitRecord {
        end: End::Code(0),
        cause: Cause::Program,
        started_unix_ms: started
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
        elapsed_us: 0,
        usage: Usage::default(),
        missing: Vec::new(),
        publish_error: None,
        stragglers_killed: 0,
        log_bytes_dropped: 0,
        launcher: launch.launcher.clone(),
    };
    let mut supervision = match Supervision::start(launch, forked) {
        Ok(supervision) => supervision,
        Err(reason) => {
            record.end = End::NotStarted(reason);
            return record;
        }
    };
    record.end = supervision.until_program_ends();
    if launch.view.is_some()
        && let Some(reason) = view::reason(&launch.dir)
    {
        record.end = End::NotStarted(reason);
    }
    record.elapsed_us = u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
    record.cause = supervision.cause;
    if launch.stragglers == Stragglers::Kill {
        record.stragglers_killed = supervision.kill_the_rest();
    }
    record.usage = usage();
    record.log_bytes_dropped = supervision.logs.finish();
    if record.end == End::Code(0) && record.cause == Cause::Program {
        match publish::publish(&launch.publish) {
            Ok(missing) => record.missing = missing,
            Err(error) => record.publish_error = Some(error),
        }
    }
    record
}

struct Supervision<'launch> {
    launch: &'launch Launch,
    program: Pid,
    end: Option<End>,
    cause: Cause,
    signals: Signals,
    logs: Logs,
}

/// One self-pipe a signal: which one came is which pipe holds a byte.
struct Signals {
    child: UnixStream,
    stop: UnixStream,
    kill: UnixStream,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let pipe = |signal: i32| {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            signal_hook::low_level::pipe::register(signal, write)?;
            Ok::<_, std::io::Error>(read)
        };
        for ignored in [Signal::HUP, Signal::INT] {
            // Read by nobody: the default action would end the shim.
            signal_hook::flag::register(ignored.as_raw(), std::sync::Arc::default())?;
        }
        Ok(Self {
            child: pipe(Signal::CHILD.as_raw())?,
            stop: pipe(Signal::TERM.as_raw())?,
            kill: pipe(Signal::QUIT.as_raw())?,
        })
    }
}

/// Empties a self-pipe; `true` where its signal had come.
fn came(mut pipe: &UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut any = false;
    while pipe.read(&mut bytes).is_ok_and(|read| read > 0) {
        any = true;
    }
    any
}

impl<'launch> Supervision<'launch> {
    fn start(launch: &'launch Launch, forked: Option<i32>) -> Result<Self, String> {
        let told = |what: &str| {
            let what = what.to_owned();
            move |error: std::io::Error| format!("{what}: {error}")
        };
        let signals = Signals::listen().map_err(told("signals"))?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| format!("child subreaper: {errno}"))?;
        let (logs, stdout, stderr) = Logs::open(launch)?;
        let program = match forked {
            Some(pid) => {
                hand_over(&stdout, &stderr).map_err(told("its worker's fork"))?;
                pid
            }
            None => spawn(launch, stdout.into(), stderr.into())?,
        };
        Ok(Self {
            launch,
            program: Pid::from_raw(program).expect("invariant: a process id is positive"),
            end: None,
            cause: Cause::Program,
            signals,
            logs,
        })
    }

    fn until_program_ends(&mut self) -> End {
        let started = Instant::now();
        let mut stop_at = self.launch.deadline.map(|deadline| started + deadline);
        let mut kill_at: Option<Instant> = None;
        loop {
            self.reap();
            if let Some(end) = self.end.take() {
                return end;
            }
            let now = Instant::now();
            if stop_at.is_some_and(|at| at <= now) {
                stop_at = None;
                kill_at = Some(now + self.launch.grace);
                self.ask_to_stop(Cause::Deadline);
            }
            if kill_at.is_some_and(|at| at <= now) {
                kill_at = None;
                self.kill_descendants();
            }
            if came(&self.signals.stop) {
                self.ask_to_stop(Cause::Terminated);
            }
            if came(&self.signals.kill) {
                self.cause = Cause::Terminated;
                self.kill_descendants();
            }
            let next = [stop_at, kill_at].into_iter().flatten().min();
            self.await_event(next.map(|at| at.saturating_duration_since(now)));
        }
    }

    fn ask_to_stop(&mut self, cause: Cause) {
        if self.cause == Cause::Program {
            self.cause = cause;
        }
        // It is our child and not reaped yet, so the number is its own.
        let _ = rustix::process::kill_process(self.program, Signal::TERM);
    }

    /// Kills what the program left running, until nothing is left; returns how many there were.
    fn kill_the_rest(&mut self) -> u32 {
        let mut killed = 0;
        // Each round is bounded; a process in uninterruptible sleep is given up after some.
        for _ in 0..100 {
            if !self.reap() {
                break;
            }
            killed += self.kill_descendants();
            self.await_event(Some(Duration::from_millis(50)));
        }
        killed
    }

    fn kill_descendants(&self) -> u32 {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let table = ProcessTable::read();
        let mut killed = 0;
        for process in table.descendants(own).into_iter().map(Row::identity) {
            if process.signal(Signal::KILL).unwrap_or(false) {
                killed += 1;
            }
        }
        killed
    }

    /// Collects all that has ended, the program and inherited orphans alike; `false` where no child is left.
    fn reap(&mut self) -> bool {
        // Emptied first: a child that ends after the last wait below sends its signal after this.
        came(&self.signals.child);
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.program => self.end = Some(end_of(status)),
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    fn await_event(&mut self, timeout: Option<Duration>) {
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let signals = [&self.signals.child, &self.signals.stop, &self.signals.kill];
        let mut watched: Vec<PollFd<'_>> = signals
            .iter()
            .map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN))
            .chain(
                self.logs
                    .pipes()
                    .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)),
            )
            .collect();
        // EINTR: a signal has come, and its byte lies in the pipe.
        let _ = poll(&mut watched, timeout.as_ref());
        drop(watched);
        self.logs.pump();
    }
}

fn spawn(launch: &Launch, stdout: Stdio, stderr: Stdio) -> Result<i32, String> {
    let child = match &launch.view {
        Some(view) => view::spawn(launch, view, stdout, stderr),
        // std looks the program up in the PATH that it sets for it.
        None => Command::new(&launch.program)
            .args(&launch.args)
            .env_clear()
            .envs(&launch.env)
            .current_dir(&launch.cwd)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn(),
    };
    let child = child.map_err(|error| {
        if launch.cwd.is_dir() {
            format!("{}: {error}", launch.program.display())
        } else {
            format!("working folder {}: {error}", launch.cwd.display())
        }
    })?;
    Ok(i32::try_from(child.id()).expect("invariant: a process id is a positive i32"))
}

/// Sends a program that a worker has forked its standard output and standard error; it begins when it has them. The
/// socket to it is this process's standard input.
fn hand_over(stdout: &OwnedFd, stderr: &OwnedFd) -> std::io::Result<()> {
    let streams = [stdout.as_fd(), stderr.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&streams));
    let socket = std::io::stdin();
    sendmsg(
        &socket,
        &[IoSlice::new(&[0])],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

fn end_of(status: WaitStatus) -> End {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Code(code),
        (None, Some(signal)) => End::Signal(signal),
        (None, None) => unreachable!("invariant: without WUNTRACED only an ended child is reported"),
    }
}

fn usage() -> Usage {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else {
        return Usage::default();
    };
    let micros = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or_default()
    };
    Usage {
        user_us: micros(usage.user_time()),
        system_us: micros(usage.system_time()),
        // Linux counts it in KiB.
        max_rss_bytes: u64::try_from(usage.max_rss()).unwrap_or_default() * 1024,
    }
}
