//! `cargo xtask conformance DIR`: every compiled pipeline of a folder through the API of the rung, which is brought up.

use std::ffi::OsString;
use std::process::{Command, ExitCode, Stdio};

use crate::clone;
use crate::set_up::{Need, set_up};

/// Exit code where the rung could not be brought up, as of the product's programs.
const NO_RUNG: u8 = 3;
/// Flags that say which rung, and are the rung's.
const ENDPOINTS: &str = "--endpoints";

/// Runs `tests/conformance` with these arguments. An endpoints document of somebody else's rung may be among them.
pub(crate) fn command(arguments: &[OsString]) -> ExitCode {
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(NO_RUNG)
        }
    }
}

fn run(arguments: &[OsString]) -> Result<ExitCode, String> {
    let ready = set_up(Need::Everything, arguments)?;
    let asks_for_help = arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h");
    let mut python = Command::new(ready.state.join("python/current/bin/python"));
    python
        .args(["-W", "ignore"])
        .arg(clone::root().join("tests/conformance/conformance.py"))
        .args(without_state_dir(arguments))
        .arg("--state")
        .arg(&ready.state);
    if !has(arguments, ENDPOINTS) && !asks_for_help {
        let platform_ctl = ready.programs.join("platform-ctl");
        let up = Command::new(&platform_ctl)
            .arg("up")
            .env("BASECAMP_STATE_DIR", &ready.state)
            .stdout(Stdio::null())
            .status()
            .map_err(|error| format!("{}: {error}", platform_ctl.display()))?;
        if !up.success() {
            return Ok(ExitCode::from(NO_RUNG));
        }
        python.arg(ENDPOINTS).arg(ready.state.join("endpoints.yaml"));
    }
    // A proxy of the user's has no way to this machine's loopback.
    let status = python
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("no_proxy", "127.0.0.1,localhost")
        .status()
        .map_err(|error| format!("python: {error}"))?;
    Ok(ExitCode::from(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
    ))
}

fn has(arguments: &[OsString], flag: &str) -> bool {
    arguments.iter().any(|argument| {
        argument
            .to_str()
            .and_then(|text| text.strip_prefix(flag))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })
}

/// The state folder is handed on as one path, whoever named it.
fn without_state_dir(arguments: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--state-dir" {
            arguments.next();
        } else if !has(std::slice::from_ref(argument), "--state-dir") {
            kept.push(argument.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_state_folder_is_taken_off() {
        for line in ["a --state-dir b --json", "a --json --state-dir=b"] {
            assert_eq!(without_state_dir(&words(line)), words("a --json"), "{line}");
        }
    }

    #[test]
    fn somebody_else_s_rung_is_told() {
        assert!(has(&words("a --endpoints=b"), ENDPOINTS));
        assert!(has(&words("a --endpoints b"), ENDPOINTS));
        assert!(!has(&words("a --endpoint b"), ENDPOINTS));
    }
}
