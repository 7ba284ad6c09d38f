//! What went wrong, on which object, and what to type next.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use kfp_api::KfpError;
use tier6::Tier6Error;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Well,
    /// A check does not hold, or something failed.
    Broken,
    /// The command line makes no sense.
    Usage,
    /// The rung could not be brought up, or is not there.
    NoRung,
    /// The gate let nothing through.
    GateClosed,
    /// Interrupted while watching; the run goes on.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(u8::from(exit))
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Well => 0,
            Exit::Broken => 1,
            Exit::Usage => 2,
            Exit::NoRung => 3,
            Exit::GateClosed => 4,
            // As a shell tells a program that SIGINT ended.
            Exit::Interrupted => 130,
        }
    }
}

/// An error as it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    next: Vec<String>,
}

impl Failure {
    pub(crate) fn new(what: impl Display) -> Self {
        Self {
            exit: Exit::Broken,
            what: what.to_string(),
            next: Vec::new(),
        }
    }

    pub(crate) fn usage(what: impl Display) -> Self {
        Self::new(what).ending(Exit::Usage)
    }

    /// A command to type, or words where there is none.
    pub(crate) fn next(mut self, step: impl Display) -> Self {
        self.next.push(step.to_string());
        self
    }

    pub(crate) fn ending(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) fn told(&self) -> String {
        let next = self.next.iter().map(|step| format!("next: {step}\n"));
        std::iter::once(format!("error: {}\n", self.what))
            .chain(next)
            .collect()
    }
}

impl From<KfpError> for Failure {
    fn from(error: KfpError) -> Self {
        let failure = Self::new(&error);
        match error {
            KfpError::Unreachable { .. } => failure.next("`cargo xtask up`").ending(Exit::NoRung),
            KfpError::Url { .. } => failure.next("mend `pipelines.url` of the endpoints document"),
            _ if error.is_not_found() => failure.next("`cargo platform-ctl pipeline list`"),
            _ => failure,
        }
    }
}

impl From<Tier6Error> for Failure {
    fn from(error: Tier6Error) -> Self {
        let failure = Self::new(&error).ending(Exit::NoRung);
        match error {
            Tier6Error::NoClone { .. } => failure.ending(Exit::Usage),
            Tier6Error::File { path, source } => after_file(failure, &path, source.kind()),
            Tier6Error::NoPython { .. } | Tier6Error::Program { .. } => failure.next("`cargo xtask up`"),
            Tier6Error::DaemonDown { .. } | Tier6Error::ServiceFailed { .. } => {
                failure.next("`cargo xtask doctor`").next("`cargo xtask up`")
            }
            Tier6Error::Timeout { .. } | Tier6Error::Api { .. } => failure.next("`cargo xtask status`"),
            Tier6Error::Image(_) => failure.ending(Exit::Broken),
            Tier6Error::Unlocked { .. } => failure.next("`cargo xtask tier6 lock`"),
            Tier6Error::OtherRung { .. } => failure
                .next("`cargo xtask down`, or another folder with --state-dir DIR")
                .ending(Exit::Usage),
            Tier6Error::NotReady { .. } => failure.next("`cargo xtask up`, which goes on where it stopped"),
            Tier6Error::Drift { .. } => failure
                .next("`cargo xtask tier6 diff`")
                .next("`cargo xtask tier6 lock`, where it is meant"),
            _ => failure,
        }
    }
}

/// What to look at where a file cannot be read or written.
fn after_file(failure: Failure, path: &Path, kind: ErrorKind) -> Failure {
    let folder = path.parent().unwrap_or(path).display();
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => failure.next(format!("`df -h {folder}`")),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => failure
            .next(format!("`ls -ld {folder}`"))
            .next("another folder with --state-dir DIR"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_to_type_next() {
        let failure = Failure::new("repository a/b: it is shallow").next("`git -C a/b fetch --unshallow`");
        assert_eq!(
            failure.told(),
            "error: repository a/b: it is shallow\nnext: `git -C a/b fetch --unshallow`\n"
        );
        assert_eq!(failure.exit(), Exit::Broken);
    }
}
