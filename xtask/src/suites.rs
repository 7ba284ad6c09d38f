//! `cargo xtask test`: the suites, their times against their budgets, one exit code.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use xshell::{Shell, cmd};

use crate::clone;
use crate::set_up::{Need, Ready, set_up};

/// One suite.
struct Suite {
    name: &'static str,
    budget: Duration,
    run: fn(&Shell, &Path) -> xshell::Result<()>,
}

/// A cold set-up: the Python environment and the release build, side by side on two cores.
const SET_UP: Duration = Duration::from_secs(540);

/// In this order: the quick ones first, so that a slip is told early.
const SUITES: [Suite; 7] = [
    Suite {
        name: "format",
        budget: Duration::from_secs(10),
        run: |sh, python| {
            cmd!(sh, "cargo fmt --all --check").run()?;
            cmd!(sh, "{python}/ruff format --check recipes crates tests xtask").run()
        },
    },
    Suite {
        name: "ruff",
        budget: Duration::from_secs(10),
        run: |sh, python| cmd!(sh, "{python}/ruff check recipes crates tests xtask").run(),
    },
    Suite {
        name: "pyright",
        budget: Duration::from_secs(30),
        run: |sh, python| {
            each(&TYPED, sh, |sh| {
                cmd!(
                    sh,
                    "{python}/basedpyright --level error --pythonpath {python}/python"
                )
                .run()
            })
        },
    },
    Suite {
        name: "clippy",
        budget: Duration::from_secs(120),
        run: |sh, _| {
            cmd!(
                sh,
                "cargo clippy --quiet --workspace --all-targets --release -- -D warnings"
            )
            .run()
        },
    },
    Suite {
        name: "rust",
        budget: Duration::from_secs(360),
        run: |sh, _| {
            cmd!(
                sh,
                "cargo test --quiet --no-fail-fast --workspace --exclude e2e --release"
            )
            .run()
        },
    },
    Suite {
        name: "python",
        budget: Duration::from_secs(210),
        run: |sh, python| each(&TESTED, sh, |sh| cmd!(sh, "{python}/python -m pytest").run()),
    },
    Suite {
        name: "e2e",
        budget: Duration::from_secs(520),
        // One after the other: each brings up a rung of its own.
        run: |sh, _| cmd!(sh, "cargo test --package e2e --release -- --test-threads 1").run(),
    },
];

/// Folders with Python tests of their own.
const TESTED: [&str; 2] = ["recipes/train-deploy", "crates/controllers/python"];

/// Folders whose Python is type-checked: the recipe by its own rules, the rest by pyrightconfig.json.
const TYPED: [&str; 2] = [TESTED[0], "."];

fn each(rooms: &[&str], sh: &Shell, run: impl Fn(&Shell) -> xshell::Result<()>) -> xshell::Result<()> {
    rooms.iter().try_for_each(|room| {
        let _inside = sh.push_dir(room);
        run(sh)
    })
}

/// Runs the named suites, or all; every one runs, whatever the others say.
pub(crate) fn command(only: &[String]) -> ExitCode {
    let unknown = only
        .iter()
        .find(|name| !SUITES.iter().any(|suite| suite.name == **name));
    if let Some(name) = unknown {
        let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        eprintln!("there is no suite `{name}`; there are: {}", names.join(", "));
        return ExitCode::from(2);
    }
    let start = Instant::now();
    let (ready, sh) = match set_up(Need::Everything, &[]).and_then(|ready| Ok((shell(&ready)?, ready))) {
        Ok((sh, ready)) => (ready, sh),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let python = ready.state.join("python/current/bin");
    let set_up_took = start.elapsed();
    let mut results = Vec::new();
    for suite in SUITES
        .iter()
        .filter(|suite| only.is_empty() || only.iter().any(|name| name == suite.name))
    {
        eprintln!("\n=== {} ===", suite.name);
        let start = Instant::now();
        let passed = match (suite.run)(&sh, &python) {
            Ok(()) => true,
            Err(error) => {
                eprintln!("{error}");
                false
            }
        };
        results.push((suite, passed, start.elapsed()));
    }
    println!("\n{}", table(set_up_took, &results));
    if results.iter().all(|(_, passed, _)| *passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn table(set_up_took: Duration, results: &[(&Suite, bool, Duration)]) -> String {
    let mut lines = vec![
        format!("{:<10}{:<8}{:>8}{:>9}", "suite", "", "seconds", "budget"),
        format!(
            "{:<10}{:<8}{:>8.0}{:>9}",
            "set-up",
            "",
            set_up_took.as_secs_f64(),
            SET_UP.as_secs()
        ),
    ];
    for (suite, passed, took) in results {
        let verdict = if *passed { "passed" } else { "FAILED" };
        let over = if *took > suite.budget { "  over budget" } else { "" };
        lines.push(format!(
            "{:<10}{verdict:<8}{:>8.0}{:>9}{over}",
            suite.name,
            took.as_secs_f64(),
            suite.budget.as_secs()
        ));
    }
    let failed = results.iter().filter(|(_, passed, _)| !passed).count();
    lines.push(format!(
        "\nsuites: {} passed, {failed} failed",
        results.len() - failed
    ));
    lines.join("\n")
}

fn shell(ready: &Ready) -> Result<Shell, String> {
    let sh = Shell::new().map_err(|error| error.to_string())?;
    sh.change_dir(clone::root());
    // Tests of real services use the same environment as the rung.
    sh.set_var("BASECAMP_PYTHON", ready.state.join("python/current/bin/python"));
    Ok(sh)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_times_against_budgets() {
        let results = [
            (&SUITES[0], true, Duration::from_secs(11)),
            (&SUITES[1], false, Duration::from_secs(2)),
        ];
        let expected = "\
suite              seconds   budget
set-up                   9      540
format    passed        11       10  over budget
ruff      FAILED         2       10

suites: 1 passed, 1 failed";
        assert_eq!(table(Duration::from_secs(9), &results), expected);
    }

    #[test]
    fn all_budgets_together_keep_the_promise() {
        let suites: Duration = SUITES.iter().map(|suite| suite.budget).sum();
        assert!(SET_UP + suites <= Duration::from_secs(30 * 60), "{suites:?}");
    }
}
