//! The checks: pure functions of a [`World`], one file each.

mod artifacts;
mod endpoint;
mod forecast;
mod gate;
mod production;
mod rerun;
mod steps;
mod version;

use kfp_api::StepState;

use crate::recipe;
use crate::report::{Outcome, Verdict};
use crate::world::{RunFacts, Unseen, World};

pub use gate::Arithmetic;

/// What holds, for people; or why not.
type Judged = Result<String, Objection>;

/// Why a check does not simply hold.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Objection {
    /// What should be otherwise, and on which object.
    Broken(String),
    /// Why it says nothing about this run.
    DoesNotApply(String),
}

impl From<Unseen> for Objection {
    fn from(unseen: Unseen) -> Self {
        match unseen {
            Unseen::Failed(why) => Self::Broken(why),
            Unseen::NotHere(why) => Self::DoesNotApply(why),
        }
    }
}

fn broken<T>(detail: impl Into<String>) -> Result<T, Objection> {
    Err(Objection::Broken(detail.into()))
}

fn does_not_apply<T>(detail: impl Into<String>) -> Result<T, Objection> {
    Err(Objection::DoesNotApply(detail.into()))
}

/// A check and its name.
type Check = (&'static str, fn(&World) -> Judged);

/// Every check, in the order they are told.
const CHECKS: [Check; 8] = [
    ("steps", steps::check),
    ("gate", gate::check),
    ("artifacts", artifacts::check),
    ("version", version::check),
    ("production", production::check),
    ("endpoint", endpoint::check),
    ("rerun", rerun::check),
    ("forecast", forecast::check),
];

/// Judges the world by every check.
pub fn judge(world: &World) -> Vec<Outcome> {
    CHECKS
        .iter()
        .map(|(name, check)| {
            let (verdict, detail) = match check(world) {
                Ok(detail) => (Verdict::Holds, detail),
                Err(Objection::Broken(detail)) => (Verdict::Broken, detail),
                Err(Objection::DoesNotApply(detail)) => (Verdict::DoesNotApply, detail),
            };
            Outcome {
                name,
                verdict,
                detail,
            }
        })
        .collect()
}

/// Objects to a run whose register step did not end well: there is nothing of its own to look for.
fn must_have_registered(run: &RunFacts) -> Result<(), Objection> {
    if run.succeeded(recipe::REGISTER) {
        return Ok(());
    }
    does_not_apply(format!(
        "register is {}, so this run names no version",
        told(run, recipe::REGISTER)
    ))
}

/// A task's state in KFP's word.
fn told(run: &RunFacts, task: &str) -> &'static str {
    match run.step(task).map(|step| step.state) {
        None => "not in the pipeline",
        Some(StepState::Pending) => "PENDING",
        Some(StepState::Running) => "RUNNING",
        Some(StepState::Succeeded) => "SUCCEEDED",
        Some(StepState::Skipped) => "SKIPPED",
        Some(StepState::Failed) => "FAILED",
        Some(StepState::Canceled) => "CANCELED",
    }
}

fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.is_empty() {
        true => "none".to_owned(),
        false => items.join(", "),
    }
}

#[cfg(test)]
pub(crate) mod tests;
