//! The product's programs, called once everything is set up.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use crate::set_up::{Need, set_up};

/// Exit code of the programs where the rung could not be brought up; a machine that lacks something is one reason.
const NO_RUNG: u8 = 3;

/// Becomes `platform-ctl ARGUMENTS`.
pub(crate) fn platform_ctl(arguments: &[OsString]) -> ExitCode {
    let need = match arguments.first().and_then(|first| first.to_str()) {
        Some("status" | "down" | "tier6") => Need::Programs,
        _ => Need::Everything,
    };
    let ready = match set_up(need, arguments) {
        Ok(ready) => ready,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(NO_RUNG);
        }
    };
    // The same process from here on: signals, terminal and exit code are the program's.
    let error = Command::new(ready.programs.join("platform-ctl"))
        .args(arguments)
        .env("BASECAMP_STATE_DIR", &ready.state)
        .exec();
    eprintln!("{}: {error}", ready.programs.join("platform-ctl").display());
    ExitCode::from(NO_RUNG)
}
