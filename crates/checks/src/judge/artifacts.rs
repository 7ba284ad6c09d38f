//! `artifacts`: what the steps handed on has the bytes that they recorded, whoever kept it meanwhile.

use kfp_api::StepState;

use super::{Judged, broken, does_not_apply, listed};
use crate::recipe;
use crate::world::{Unseen, World};

pub(super) fn check(world: &World) -> Judged {
    let run = &world.run;
    let ended_well = |step: &str| run.step(step).map(|step| step.state) == Some(StepState::Succeeded);
    let due: Vec<_> = recipe::DIGESTED
        .into_iter()
        .filter(|(step, _)| ended_well(step))
        .collect();
    if due.is_empty() {
        return does_not_apply("no step that records digests has ended well");
    }
    let kept = world.artifacts.as_ref().map_err(Clone::clone)?;
    let absent = due
        .iter()
        .filter(|(step, name)| !kept.iter().any(|kept| kept.step == *step && kept.name == *name));
    let absent: Vec<_> = absent.map(|(step, name)| format!("{step}.{name}")).collect();
    if !absent.is_empty() {
        return broken(format!(
            "run {} has no recorded digest of {}",
            run.id,
            listed(absent)
        ));
    }
    let mut elsewhere = None;
    for artifact in kept {
        let object = format!("artifact {}.{} at {}", artifact.step, artifact.name, artifact.uri);
        match &artifact.found {
            Ok(found) if *found == artifact.recorded => {}
            Ok(found) => {
                return broken(format!(
                    "{object} has SHA-256 {found}, {} recorded {}: it was altered since; delete it, and the next run \
                     makes it anew",
                    artifact.step, artifact.recorded
                ));
            }
            Err(Unseen::Failed(why)) => return broken(format!("{object}: {why}")),
            Err(Unseen::NotHere(why)) => elsewhere = Some(why),
        }
    }
    match elsewhere {
        Some(why) => does_not_apply(why.clone()),
        None => Ok(format!("{} have the bytes that were recorded", kept.len())),
    }
}
