//! What a machine and a hand do to a rung, with the recipe in its small form. Budget: 4 minutes, one test at a time.
//!
//! Each fault is told with what a person saw of it and with how long it took until a run had completed again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hand;
mod kills;
mod machine;

use std::time::Instant;

use e2e::{Rung, Told};
use serde_json::Value;

/// One rung goes through all of them: what one leaves behind is what the next one meets.
#[test]
fn a_rung_survives_what_is_done_to_it() {
    let rung = Rung::new();
    machine::ports_are_taken(&rung);
    hand::two_recipes_at_once(&rung);
    hand::version_deleted(&rung);
    hand::alias_and_stage_moved(&rung);
    hand::artifact_altered(&rung);
    hand::registered_file_altered(&rung);
    hand::service_deleted(&rung);
    let promoted = hand::promote(&rung);
    kills::each_step_is_killed(&rung);
    kills::interrupted_and_the_daemon_killed_at_each_step(&rung);
    kills::each_service_is_killed_while_used(&rung);
    kills::the_model_server_is_killed(&rung);
    let versions = hand::versions(&rung);
    assert_eq!(versions[&promoted]["current_stage"], "Production", "{versions:?}");
}

/// The small form over a history of its own.
pub(crate) fn mini(seed: u32) -> [String; 7] {
    let synthetic = format!(r#"synthetic={{"seed":{seed},"repositories":2,"years":1,"commits":2000}}"#);
    let mut arguments = e2e::MINI.map(str::to_owned);
    arguments[4] = synthetic;
    arguments
}

/// Runs the recipe, which must end well with every check held: one of them finds exactly one version for the input
/// key, fully tagged and in its place, and another that nobody got into Production unasked.
pub(crate) fn completes(rung: &Rung, arguments: &[String; 7]) -> Value {
    rung.recipe(&borrowed(arguments)).well()
}

pub(crate) fn borrowed(arguments: &[String; 7]) -> [&str; 7] {
    arguments.each_ref().map(String::as_str)
}

/// What a person is told at the end: the error, and what to type.
pub(crate) fn error(told: &Told) -> String {
    let lines = told.stderr.lines();
    let lines: Vec<&str> = lines
        .filter(|line| line.starts_with("error: ") || line.starts_with("next: "))
        .collect();
    lines.join("\n")
}

/// A fault as it is printed.
pub(crate) struct Fault {
    name: String,
    since: Instant,
}

impl Fault {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            since: Instant::now(),
        }
    }

    /// All is well again.
    pub(crate) fn survived(self, seen: &str) {
        let seconds = self.since.elapsed().as_secs_f64();
        println!("fault: {} ({seconds:.1} s)", self.name);
        for line in seen.lines() {
            println!("  {line}");
        }
    }
}
