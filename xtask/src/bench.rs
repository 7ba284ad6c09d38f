//! `cargo xtask bench recipe`: the recipe in a state folder of its own, from nothing, then with services up, then cached.

use std::process::{Command, ExitCode};

use crate::set_up::{Need, set_up};

/// Carried out in Python, which is there by then and reads JSON.
const PROGRAM: &str = include_str!("bench/recipe.py");

/// Runs the bench; its exit code is the worst of the runs'.
pub(crate) fn command(json: bool) -> ExitCode {
    let ready = match set_up(Need::Everything, &[]) {
        Ok(ready) => ready,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let environment = ready.state.join("python");
    let python = environment.join("current/bin/python");
    let status = Command::new(&python)
        .args(["-c", PROGRAM])
        .arg(ready.programs.join("platform-ctl"))
        .arg(&environment)
        .args(json.then_some("--json"))
        .current_dir(crate::clone::root())
        .status();
    match status {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => {
            eprintln!("{}: {error}", python.display());
            ExitCode::FAILURE
        }
    }
}
