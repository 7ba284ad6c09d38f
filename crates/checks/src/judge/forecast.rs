//! `forecast`: a plan for an immediate rerun foretells that only what is never cached will run.

use kfp_api::StepKind;
use kfp_api::forecast::{ForecastTask, Outlook};

use super::{Arithmetic, Judged, broken, does_not_apply, listed};
use crate::recipe;
use crate::world::World;

pub(super) fn check(world: &World) -> Judged {
    let run = &world.run;
    if run.state != kfp_api::run::RuntimeState::Succeeded {
        return does_not_apply("the run did not succeed, so a rerun has something left to do");
    }
    let forecast = world.forecast.as_ref().map_err(Clone::clone)?;
    let closed = Arithmetic::of(run).is_ok_and(|arithmetic| !arithmetic.opens());
    for step in run.steps.iter().filter(|step| step.kind == StepKind::Step) {
        let name = step.name.as_str();
        let Some(task) = forecast.tasks.iter().find(|task| is_of(task, &step.path, name)) else {
            return broken(format!("the plan says nothing of {name}"));
        };
        let expected = match (
            closed && recipe::BEHIND_GATE.contains(&name),
            recipe::NEVER_CACHED.contains(&name),
        ) {
            (true, _) => Outlook::Skips,
            (false, true) => Outlook::Runs,
            (false, false) => Outlook::Hit,
        };
        if task.outlook != expected {
            let fields: Vec<_> = task
                .differences
                .iter()
                .map(|difference| &difference.field)
                .collect();
            return broken(format!(
                "the plan for a rerun says of {name}: {:?} ({}; fields: {}), expected {expected:?}",
                task.outlook,
                task.reason,
                listed(fields)
            ));
        }
    }
    Ok(match closed {
        true => format!(
            "a rerun would run {} only, and keep the gate closed",
            recipe::INGEST
        ),
        false => format!("a rerun would run {} only", listed(recipe::NEVER_CACHED)),
    })
}

fn is_of(task: &ForecastTask, path: &str, name: &str) -> bool {
    match task.scope_path.is_empty() {
        true => task.name == name,
        false => task.scope_path == path,
    }
}
