//! One process, told apart from any later one that gets its number.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::error::ProcessError;
use crate::table::Row;

/// A process id says which process only together with the moment it started and the boot it started in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot (proc(5), `/proc/PID/stat` field 22).
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl ProcessIdentity {
    /// The process that has this number now; `None` where none has it or only its unreaped rest is left.
    pub fn of(pid: i32) -> Option<Self> {
        let row = Row::read(pid).filter(Row::runs)?;
        Some(Self {
            pid,
            start_ticks: row.start_ticks,
            boot_id: boot_id(),
        })
    }

    /// The calling process.
    pub fn own() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self::of(pid).expect("invariant: the calling process runs")
    }

    /// Whether it still runs. A zombie does not.
    pub fn is_alive(&self) -> bool {
        self.boot_id == boot_id()
            && Row::read(self.pid).is_some_and(|row| row.start_ticks == self.start_ticks && row.runs())
    }

    /// Sends a signal to this process and to no later one of its number; `false` where it is gone.
    ///
    /// # Errors
    /// Whatever the system says other than that the process is gone: no permission, say.
    pub fn signal(&self, signal: Signal) -> std::io::Result<bool> {
        let Some(pidfd) = self.pidfd()? else {
            return Ok(false);
        };
        match pidfd_send_signal(&pidfd, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until it has ended, without polling, and reaps it where it is a child of the caller. To be called inside
    /// a tokio runtime.
    ///
    /// # Errors
    /// [`ProcessError::System`].
    pub async fn ended(&self) -> Result<(), ProcessError> {
        crate::attach::ended(self).await
    }

    /// A descriptor that stays with this process, readable once it has ended. `None` where it is gone.
    pub(crate) fn pidfd(&self) -> rustix::io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid).filter(|_| self.boot_id == boot_id()) else {
            return Ok(None);
        };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        // The number may have gone to another process before it was opened; from now on it cannot.
        let same = Row::read(self.pid).is_some_and(|row| row.start_ticks == self.start_ticks);
        Ok(same.then_some(pidfd))
    }
}

/// Which boot this is. Empty where the kernel does not say, which is then equal all over.
pub(crate) fn boot_id() -> String {
    static BOOT_ID: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    BOOT_ID
        .get_or_init(|| {
            std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_alive_and_its_successor_is_not() {
        let own = ProcessIdentity::own();
        assert!(own.is_alive());
        let later = ProcessIdentity {
            start_ticks: own.start_ticks + 1,
            ..own.clone()
        };
        assert!(!later.is_alive());
        assert!(!later.signal(Signal::CONT).unwrap());
        let other_boot = ProcessIdentity {
            boot_id: "00000000-0000-0000-0000-000000000000".into(),
            ..own
        };
        assert!(!other_boot.is_alive());
    }

    #[test]
    fn a_zombie_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let pidfd = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
        let mut ended = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut ended, None).unwrap();
        assert_eq!(ProcessIdentity::of(pid), None);
        child.wait().unwrap();
    }
}
