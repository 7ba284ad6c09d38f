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
  test [SUITE...]           every test, or only these suites
  bench recipe [--json]     the recipe cold, warm and cached, seconds by step

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
    /// Names of suites; none: all.
    Test(Vec<String>),
    BenchRecipe {
        json: bool,
    },
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
            cmd bench {
                optional --json
                required what: String
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
        _ => {}
    }
    let parsed = flags::Xtask::from_vec(arguments).map_err(|error| error.to_string())?;
    match parsed.subcommand {
        flags::XtaskCmd::Doctor(doctor) => Ok(Command::Doctor { json: doctor.json }),
        flags::XtaskCmd::Test(test) => Ok(Command::Test(test.suite)),
        flags::XtaskCmd::Bench(bench) if bench.what == "recipe" => {
            Ok(Command::BenchRecipe { json: bench.json })
        }
        flags::XtaskCmd::Bench(bench) => Err(format!("there is no bench `{}`; there is: recipe", bench.what)),
    }
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
            ("bench recipe", Command::BenchRecipe { json: false }),
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
            parsed("bench engines").unwrap_err(),
            "there is no bench `engines`; there is: recipe"
        );
    }
}
