//! `endpoint`: what is served is the registered version, and it answers the golden requests as recorded, bit for bit.

use serving::infer_url;

use super::{Arithmetic, Judged, broken, does_not_apply, must_have_registered, told};
use crate::recipe;
use crate::world::World;

pub(super) fn check(world: &World) -> Judged {
    let run = &world.run;
    if Arithmetic::of(run).is_ok_and(|arithmetic| !arithmetic.opens()) {
        return does_not_apply("the gate is closed, so this run deployed nothing");
    }
    must_have_registered(run)?;
    if !run.succeeded(recipe::DEPLOY) {
        return does_not_apply(format!("deploy is {}", told(run, recipe::DEPLOY)));
    }
    if let Some(later) = &world.followed_by {
        return does_not_apply(format!("run {later} has deployed since"));
    }
    let version = run.version()?;
    let object = format!("InferenceService {}", recipe::MODEL);
    let given = run.output(recipe::DEPLOY, recipe::ENDPOINT)?;
    let expected = infer_url(&world.serving_url, recipe::MODEL);
    if given != expected {
        return broken(format!(
            "deploy gave endpoint {given}, the serving entry answers at {expected}"
        ));
    }
    let registered = world.registered.as_ref().map_err(Clone::clone)?;
    let served = world.served.as_ref().map_err(Clone::clone)?;
    let observed = &served.observed;
    if observed.service.is_none() {
        return broken(format!("{object} is not there"));
    }
    let says = observed.version().unwrap_or("none");
    if says != version.to_string() {
        return broken(format!(
            "{object} says it serves version {says}, register gave version {version}"
        ));
    }
    let files = observed.storage_uri();
    if files.is_none() || files != registered.artifact_uri.as_deref() {
        return broken(format!(
            "{object} serves files at {}, those of version {version} are at {}",
            files.unwrap_or("none"),
            registered.artifact_uri.as_deref().unwrap_or("none")
        ));
    }
    if !observed.ready() {
        return broken(format!("{object} is not Ready; see `cargo mlship status`"));
    }
    match &served.golden {
        Ok(requests) => Ok(format!(
            "version {version} answers {requests} of {requests} golden requests bit for bit at {given}"
        )),
        Err(why) => broken(format!("version {version}: {why}")),
    }
}
