//! `rerun`: a run that asks for what an earlier one asked for executes only what is never cached, and adds nothing.

use kfp_api::{StepState, StepView};

use super::{Arithmetic, Judged, Objection, broken, does_not_apply, listed};
use crate::recipe;
use crate::world::{RunFacts, World};

pub(super) fn check(world: &World) -> Judged {
    let run = &world.run;
    let first = repeated(world)?;
    let closed = Arithmetic::of(run).is_ok_and(|arithmetic| !arithmetic.opens());
    let allowed: Vec<&str> = recipe::NEVER_CACHED
        .into_iter()
        .filter(|name| !closed || !recipe::BEHIND_GATE.contains(name))
        .collect();
    let executed = run.executed();
    if let Some(extra) = executed.iter().find(|name| !allowed.contains(name)) {
        return broken(format!(
            "{extra} executed, though run {} asked for the same; see `cargo platform-ctl pipeline explain-cache {} {extra}`",
            first.id, run.id
        ));
    }
    if let Some(absent) = allowed.iter().find(|name| !executed.contains(name)) {
        return broken(format!("{absent} did not execute, though it is never cached"));
    }
    let snapshots = (
        first.output(recipe::INGEST, recipe::SNAPSHOT_ID)?,
        run.output(recipe::INGEST, recipe::SNAPSHOT_ID)?,
    );
    if snapshots.0 != snapshots.1 {
        return broken(format!(
            "ingest gave snapshot {}, run {} had {}: a snapshot was added",
            snapshots.1, first.id, snapshots.0
        ));
    }
    let own_objects = world.own_objects.as_ref().map_err(Clone::clone)?;
    if !own_objects.is_empty() {
        return broken(format!("{} was added", listed(own_objects)));
    }
    let version = match closed {
        true => "no version".to_owned(),
        false => same_version(world, first)?,
    };
    Ok(format!(
        "like run {}: executed {}, snapshot {}, {version}, no object added",
        first.id,
        listed(executed),
        snapshots.1
    ))
}

/// The earlier run that this one repeats.
fn repeated(world: &World) -> Result<&RunFacts, Objection> {
    let run = &world.run;
    let ended_before = |earlier: &&RunFacts| earlier.finished.is_some() && earlier.finished <= run.created;
    // One that took what an earlier run had ingested is a rerun of some of its steps: nothing repeats that.
    let ingested = |earlier: &&RunFacts| earlier.executed().contains(&recipe::INGEST);
    let succeeded = |earlier: &&RunFacts| earlier.state == kfp_api::run::RuntimeState::Succeeded;
    let failed_to = |earlier: &&RunFacts| {
        let failed = |step: &StepView| step.name == recipe::INGEST && step.state == StepState::Failed;
        earlier.steps.iter().any(failed)
    };
    // Nothing has written to the table since the last run that ingested: whatever its snapshot, it must be ours. But
    // where ingest failed since, it may have failed at the table, and somebody may have had it made anew.
    let last = world
        .earlier
        .iter()
        .find(|earlier| ingested(earlier) || failed_to(earlier));
    if let Some(last) = last.filter(ended_before).filter(succeeded)
        && run.asks_the_same(last)
    {
        return Ok(last);
    }
    // Others ingested between: it is a repetition only if what they left is what was there.
    let table = |run: &RunFacts| {
        let output = |key| run.output(recipe::INGEST, key).ok();
        output(recipe::CONTENT_DIGEST).zip(output(recipe::SNAPSHOT_ID))
    };
    let twin = world
        .earlier
        .iter()
        .filter(ended_before)
        .filter(ingested)
        .filter(succeeded)
        .find(|earlier| {
            run.asks_the_same(earlier) && table(earlier).is_some() && table(earlier) == table(run)
        });
    match twin {
        Some(twin) => Ok(twin),
        None => {
            does_not_apply("no earlier successful run had this pipeline, these parameters and this table")
        }
    }
}

fn same_version(world: &World, first: &RunFacts) -> Judged {
    let registered = world.registered.as_ref().map_err(Clone::clone)?;
    let (before, now) = (first.version()?, world.run.version()?);
    let still_there = registered
        .versions
        .iter()
        .any(|version| version.version == before);
    match (before == now, still_there) {
        (true, _) => Ok(format!("version {now}")),
        (false, false) => Ok(format!(
            "version {now} in place of version {before}, which somebody deleted"
        )),
        (false, true) => broken(format!(
            "version {now} was added, run {} had version {before}",
            first.id
        )),
    }
}
