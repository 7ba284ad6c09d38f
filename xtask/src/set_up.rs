//! Doctor, Python environment and programs: what comes before every other command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::doctor::Diagnosis;
use crate::{clone, python};

/// The product's programs.
const PROGRAMS: [&str; 3] = ["basecampd", "platform-ctl", "mlship"];

/// What a set-up clone offers.
pub(crate) struct Ready {
    pub(crate) state: PathBuf,
    /// Folder of the release programs.
    pub(crate) programs: PathBuf,
}

/// What a command needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Only the programs, to look at a rung or to take it down: on a machine that has run out of something, that must
    /// work as well.
    Programs,
    /// All.
    Everything,
}

/// Looks at the machine, then builds the environment and the programs side by side. What is said goes to standard
/// error.
pub(crate) fn set_up(need: Need, arguments: &[OsString]) -> Result<Ready, String> {
    let state = clone::state_dir(arguments);
    if need == Need::Programs {
        return Ok(Ready {
            programs: build(&PROGRAMS)?,
            state,
        });
    }
    let diagnosis = Diagnosis::of_this_machine(&state);
    let python = match &diagnosis.python {
        Some(python) if diagnosis.is_healthy() => python,
        _ => return Err(format!("{}\nFix what is MISSING first.", diagnosis.table())),
    };
    let say = |line: &str| eprintln!("python: {line}");
    let (environment, programs) = std::thread::scope(|scope| {
        let environment = scope.spawn(|| python::set_up(&state, python, &say));
        let programs = build(&PROGRAMS);
        let environment = environment
            .join()
            .unwrap_or_else(|_| Err("the set-up of Python panicked".into()));
        (environment, programs)
    });
    environment?;
    Ok(Ready {
        state,
        programs: programs?,
    })
}

/// Builds programs; returns their folder.
pub(crate) fn build(packages: &[&str]) -> Result<PathBuf, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(clone::root()).args(["build", "--release"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    match cargo.status() {
        Ok(status) if status.success() => Ok(target().join("release")),
        Ok(status) => Err(format!("cargo build ended with {status}")),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

/// Cargo's target folder: this program lies in `TARGET/PROFILE/`.
fn target() -> PathBuf {
    let own = std::env::current_exe().ok();
    own.as_deref()
        .and_then(Path::parent)
        .and_then(Path::parent)
        .map_or_else(|| clone::root().join("target"), Path::to_owned)
}
