//! What was typed. Commands of `platform-ctl` are handed on as they are; it knows its own flags.

use std::ffi::OsString;

/// Printed by `cargo xtask --help`.
pub(crate) const HELP: &str = "\
cargo xtask COMMAND

  doctor [--json]           what this machine has and lacks, and the command that fixes each
  up | status | down        the rung; flags as of `cargo platform-ctl up --help`
  recipe NAME [FLAG...]     bring the rung up, run a recipe, check it; flags as of `cargo platform-ctl recipe --help`
  gate [FLAG...]            the merge gate: the recipe and every scenario, from an empty state of its own
  tier6 COMMAND             what the rungs on Kubernetes install: lock, render, diff, verify, images
  conformance DIR [FLAG...] run every compiled pipeline of a folder on the rung: --expect FILE, --peer kfp-local, --json
  test [SUITE...]           every test, or only these suites
  bench recipe [--json]     the recipe cold, warm and cached, seconds by step
  bench engines [FLAG...]   what a task costs here and in other engines: --peers NAMES, --tasks N, --json
  bench crash [FLAG...]     SIGKILL at every durable write, and at random: --kills N, --daemon-kills N, --seed S, --json

Every command looks at the machine first, then sets up what is missing under .basecamp/ (BASECAMP_STATE_DIR or
--state-dir DIR moves it).";

/// One invocation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Doctor {
        json: bool,
    },
    /// Arguments for `platform-ctl`, its command first.
    Platform(Vec<OsString>),
    /// Arguments of `tests/conformance`, the folder first.
    Conformance(Vec<OsString>),
    /// Names of suites; none: all.
    Test(Vec<String>),
    /// What to measure, then its flags.
    Bench(Bench, Vec<OsString>),
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bench {
    Recipe,
    Engines,
    Crash,
}

mod flags {
    xflags::xflags! {
        cmd xtask {
            cmd doctor {
                optional --json
            }
            cmd test {
                repeated suite: String
            }
        }
    }
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match arguments.first().and_then(|first| first.to_str()) {
        None | Some("help" | "-h" | "--help") => return Ok(Command::Help),
        Some("up" | "status" | "down" | "recipe" | "gate" | "tier6") => {
            return Ok(Command::Platform(arguments));
        }
        Some("conformance") => return Ok(Command::Conformance(arguments[1..].to_vec())),
        Some("bench") => return bench(&arguments[1..]),
        _ => {}
    }
    let parsed = flags::Xtask::from_vec(arguments).map_err(|error| error.to_string())?;
    match parsed.subcommand {
        flags::XtaskCmd::Doctor(doctor) => Ok(Command::Doctor { json: doctor.json }),
        flags::XtaskCmd::Test(test) => Ok(Command::Test(test.suite)),
    }
}

fn bench(arguments: &[OsString]) -> Result<Command, String> {
    let what = match arguments.first().and_then(|first| first.to_str()) {
        Some("recipe") => Bench::Recipe,
        Some("engines") => Bench::Engines,
        Some("crash") => Bench::Crash,
        other => {
            let other = other.unwrap_or_default();
            return Err(format!(
                "there is no bench `{other}`; there are: recipe, engines, crash"
            ));
        }
    };
    Ok(Command::Bench(what, arguments[1..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn commands_are_told_apart() {
        for (line, expected) in [
            ("", Command::Help),
            ("--help", Command::Help),
            ("doctor --json", Command::Doctor { json: true }),
            ("test rust e2e", Command::Test(vec!["rust".into(), "e2e".into()])),
            (
                "conformance tests --json",
                Command::Conformance(vec!["tests".into(), "--json".into()]),
            ),
            ("bench recipe", Command::Bench(Bench::Recipe, Vec::new())),
            (
                "bench crash --kills 5",
                Command::Bench(Bench::Crash, vec!["--kills".into(), "5".into()]),
            ),
        ] {
            assert_eq!(parsed(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn flags_of_platform_ctl_are_handed_on() {
        let line = "recipe train-deploy --repo ../a --json";
        let expected = line.split_whitespace().map(OsString::from).collect();
        assert_eq!(parsed(line), Ok(Command::Platform(expected)));
    }

    #[test]
    fn what_is_not_there_is_refused() {
        assert!(parsed("gates").is_err());
        assert_eq!(
            parsed("bench engine").unwrap_err(),
            "there is no bench `engine`; there are: recipe, engines, crash"
        );
    }
}
