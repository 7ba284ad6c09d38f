//! `steps`: every task of the recipe is in the run, and ended as a run of it ends.

use kfp_api::run::RuntimeState;
use kfp_api::{StepKind, StepState};

use super::{Judged, broken, listed, told};
use crate::recipe;
use crate::world::World;

pub(super) fn check(world: &World) -> Judged {
    let run = &world.run;
    let missing = recipe::TASKS.iter().filter(|name| run.step(name).is_none());
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        return broken(format!(
            "run {}: its pipeline has no task {}",
            run.id,
            listed(missing)
        ));
    }
    // A task behind a closed gate is skipped; whether the gate had to be closed is the check `gate`.
    let gated = |name: &str| name == recipe::GATE || recipe::BEHIND_GATE.contains(&name);
    for step in &run.steps {
        let as_it_should = match step.state {
            StepState::Succeeded => true,
            StepState::Skipped => gated(&step.name),
            StepState::Pending | StepState::Running | StepState::Failed | StepState::Canceled => false,
        };
        if !as_it_should {
            let why = step
                .error
                .as_ref()
                .map_or(String::new(), |error| format!(": {error}"));
            return broken(format!(
                "{} is {}{why}; see `cargo platform-ctl pipeline logs {} {}`",
                step.name,
                told(run, &step.name),
                run.id,
                step.name
            ));
        }
    }
    if run.state != RuntimeState::Succeeded {
        return broken(format!(
            "run {} is {:?} though its tasks ended well",
            run.id, run.state
        ));
    }
    let count =
        |test: &dyn Fn(&kfp_api::StepView) -> bool| run.steps.iter().filter(|step| test(step)).count();
    let cached = count(&|step| step.cached);
    let skipped = count(&|step| step.kind == StepKind::Step && step.state == StepState::Skipped);
    Ok(format!(
        "executed: {}; from the cache: {cached}; skipped: {skipped}",
        listed(run.executed())
    ))
}
