//! `gate`: what is behind the gate ran if and only if the metric exceeds the threshold.

use kfp_api::StepState;

use super::{Judged, broken, does_not_apply, told};
use crate::recipe;
use crate::world::{RunFacts, Seen, Unseen, World};

/// The two numbers of the gate, from the run itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arithmetic {
    /// The metric, as evaluate gave it.
    pub value: f64,
    /// The threshold, as the run was given it.
    pub threshold: f64,
}

impl Arithmetic {
    /// Reads the two numbers.
    ///
    /// # Errors
    /// [`Unseen`] when evaluate gave no metric or the run has no threshold.
    pub fn of(run: &RunFacts) -> Seen<Self> {
        let value = run.number(recipe::EVALUATE, recipe::SKILL)?;
        let given = run.parameters.get(recipe::THRESHOLD);
        let threshold = given.and_then(serde_json::Value::as_f64).ok_or_else(|| {
            Unseen::Failed(format!(
                "run {}: parameter {} is {given:?}",
                run.id,
                recipe::THRESHOLD
            ))
        })?;
        Ok(Self { value, threshold })
    }

    /// Whether the gate has to open. A metric that is no number opens nothing.
    pub fn opens(&self) -> bool {
        self.value > self.threshold
    }
}

pub(super) fn check(world: &World) -> Judged {
    let run = &world.run;
    if !run.succeeded(recipe::EVALUATE) {
        return does_not_apply(format!(
            "evaluate is {}, so the gate had nothing to decide on",
            told(run, recipe::EVALUATE)
        ));
    }
    let arithmetic = Arithmetic::of(run)?;
    let sum = match arithmetic.opens() {
        true => format!(
            "{} {} > {}",
            recipe::SKILL,
            arithmetic.value,
            arithmetic.threshold
        ),
        false => format!(
            "{} {} is not over {}, missed by {}",
            recipe::SKILL,
            arithmetic.value,
            arithmetic.threshold,
            arithmetic.threshold - arithmetic.value
        ),
    };
    let let_through = |name: &&&str| {
        let state = run.step(name).map(|step| step.state);
        state.is_some_and(|state| state != StepState::Skipped)
    };
    let wrong = recipe::BEHIND_GATE
        .iter()
        .find(|name| let_through(name) != arithmetic.opens());
    match (wrong, arithmetic.opens()) {
        (Some(name), true) => broken(format!(
            "{sum}, so the gate is open, but {name} is {}",
            told(run, name)
        )),
        (Some(name), false) => broken(format!(
            "{sum}, so the gate is closed, but {name} is {}",
            told(run, name)
        )),
        (None, true) => Ok(format!("{sum}: open")),
        (None, false) => Ok(format!("{sum}: closed, nothing registered, nothing deployed")),
    }
}
