//! `cargo xtask bench`: what is measured, and by which program.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use crate::command_line::Bench;
use crate::set_up::{self, Need, Ready, set_up};
use crate::{clone, python};

/// Times the recipe in a state folder of its own, from nothing, then with services up, then cached. Carried out in Python,
/// which is there by then and reads JSON.
const RECIPE: &str = include_str!("bench/recipe.py");

/// Runs a bench; its exit code is the program's.
pub(crate) fn command(bench: Bench, flags: &[OsString]) -> ExitCode {
    match program(bench, flags) {
        Ok(mut program) => match program.status() {
            Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
            Err(error) => {
                eprintln!("{}: {error}", program.get_program().display());
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn program(bench: Bench, flags: &[OsString]) -> Result<Command, String> {
    let ready = set_up(Need::Everything, &[])?;
    let environments = ready.state.join("python");
    let mut program = match bench {
        Bench::Recipe => {
            let mut program = Command::new(environments.join("current/bin/python"));
            program
                .args(["-c", RECIPE])
                .arg(ready.programs.join("platform-ctl"))
                .arg(&environments);
            program
        }
        Bench::Crash => {
            let mut program = of_bench("crash")?;
            program
                .arg("--folder")
                .arg(ready.state.join("bench/crash"))
                .arg("--python")
                .arg(&environments);
            program
        }
        Bench::Engines => engines(&ready)?,
    };
    program.args(flags).current_dir(clone::root());
    Ok(program)
}

fn engines(ready: &Ready) -> Result<Command, String> {
    let uv = python::uv(&ready.state).ok_or("there is no uv: `cargo xtask doctor` tells how to get it")?;
    let mut program = of_bench("engines")?;
    program
        .arg("--folder")
        .arg(ready.state.join("bench/engines"))
        .arg("--uv")
        .arg(uv)
        .arg("--python")
        .arg(ready.state.join("python/current/bin/python"));
    Ok(program)
}

fn of_bench(verb: &str) -> Result<Command, String> {
    let mut program = Command::new(set_up::build(&["bench"])?.join("bench"));
    program.arg(verb);
    Ok(program)
}
