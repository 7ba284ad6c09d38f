//! `version`: exactly one version carries the run's input key, in Staging, with all its tags, and its run tag names the
//! run that made it. Behind a closed gate: no version names this run.

use model_registry::{ModelVersion, Stage, provenance};

use super::{Arithmetic, Judged, Objection, broken, listed, must_have_registered};
use crate::recipe;
use crate::world::{Registered, RunFacts, World};

pub(super) fn check(world: &World) -> Judged {
    let run = &world.run;
    let registered = world.registered.as_ref().map_err(Clone::clone)?;
    if Arithmetic::of(run).is_ok_and(|arithmetic| !arithmetic.opens()) {
        return none_names(run, registered);
    }
    must_have_registered(run)?;
    let version = the_one(run, registered)?;
    let mut strays = registered
        .versions
        .iter()
        .filter(|other| other.version != version.version);
    if let Some(stray) = strays.find(|other| names(other, run)) {
        return broken(format!(
            "version {} of model {} names run {} as its maker, which gave version {}",
            stray.version, stray.name, run.id, version.version
        ));
    }
    let object = format!("version {} of model {}", version.version, version.name);
    tagged(version, &object)?;
    made(world, version, &object)?;
    let place = staged(world, registered, version, &object)?;
    Ok(format!(
        "{object} carries input key {}, {place}",
        version.tags[provenance::INPUT_KEY]
    ))
}

fn names(version: &ModelVersion, run: &RunFacts) -> bool {
    version.tags.get(provenance::RUN_ID) == Some(&run.id)
}

fn none_names(run: &RunFacts, registered: &Registered) -> Judged {
    match registered.versions.iter().find(|version| names(version, run)) {
        Some(version) => broken(format!(
            "the gate is closed, but version {} of model {} names run {} as its maker",
            version.version, version.name, run.id
        )),
        None => Ok(format!("the gate is closed, and no version names run {}", run.id)),
    }
}

fn the_one<'a>(run: &RunFacts, registered: &'a Registered) -> Result<&'a ModelVersion, Objection> {
    let key = run.output(recipe::REGISTER, recipe::INPUT_KEY)?;
    let number = run.version()?;
    let carriers: Vec<&ModelVersion> = registered
        .versions
        .iter()
        .filter(|version| version.tags.get(provenance::INPUT_KEY) == Some(&key))
        .collect();
    match carriers[..] {
        [] => broken(format!(
            "no version of model {} carries input key {key}, register gave version {number}",
            recipe::MODEL
        )),
        [version] if version.version == number => Ok(version),
        [version] => broken(format!(
            "version {} of model {} carries input key {key}, register gave version {number}",
            version.version, version.name
        )),
        _ => broken(format!(
            "versions {} of model {} carry input key {key}",
            listed(carriers.iter().map(|version| version.version)),
            recipe::MODEL
        )),
    }
}

fn tagged(version: &ModelVersion, object: &str) -> Result<(), Objection> {
    // A run outside of any repository has no commit to name.
    let may_be_empty = |key: &str| key == provenance::GIT_COMMIT;
    let lacks = |key: &&&str| match version.tags.get(**key) {
        Some(value) => value.is_empty() && !may_be_empty(key),
        None => true,
    };
    let missing: Vec<_> = provenance::REQUIRED.iter().filter(lacks).collect();
    match missing.is_empty() {
        true => Ok(()),
        false => broken(format!("{object} lacks {}", listed(missing))),
    }
}

/// The run tag names a run that gave this version, and the other tags are that run's own facts.
fn made(world: &World, version: &ModelVersion, object: &str) -> Result<(), Objection> {
    let maker_id = &version.tags[provenance::RUN_ID];
    let runs = std::iter::once(&world.run).chain(&world.earlier);
    let Some(maker) = runs.into_iter().find(|run| run.id == *maker_id) else {
        return broken(format!(
            "{object} names run {maker_id} as its maker, and there is no such run"
        ));
    };
    match maker.version() {
        Ok(number) if number == version.version => {}
        Ok(number) => {
            return broken(format!(
                "{object} names run {maker_id} as its maker, which gave version {number}"
            ));
        }
        Err(_) => {
            return broken(format!(
                "{object} names run {maker_id} as its maker, which registered nothing"
            ));
        }
    }
    // Equal input keys mean equal models and equal golden sets: this run's own steps have to agree too.
    let of = |run: &RunFacts| {
        [
            (
                provenance::MODEL_DIGEST,
                run.output(recipe::TRAIN, recipe::MODEL_DIGEST),
            ),
            (
                provenance::GOLDEN_DIGEST,
                run.output(recipe::EVALUATE, recipe::GOLDEN_DIGEST),
            ),
        ]
    };
    let snapshot = (
        provenance::SNAPSHOT_ID,
        maker.output(recipe::INGEST, recipe::SNAPSHOT_ID),
    );
    let facts = std::iter::once(snapshot).chain(of(maker)).chain(of(&world.run));
    for (key, fact) in facts {
        let fact = fact?;
        let tag = &version.tags[key];
        if *tag != fact {
            return broken(format!("{object}: tag {key} is {tag}, the run gave {fact}"));
        }
    }
    let commit = maker
        .parameters
        .get(recipe::GIT_COMMIT)
        .and_then(serde_json::Value::as_str);
    let tag = &version.tags[provenance::GIT_COMMIT];
    match commit {
        Some(commit) if commit != tag => broken(format!(
            "{object}: tag {} is {tag}, run {maker_id} was given {commit}",
            provenance::GIT_COMMIT
        )),
        _ => Ok(()),
    }
}

fn staged(
    world: &World,
    registered: &Registered,
    version: &ModelVersion,
    object: &str,
) -> Result<String, Objection> {
    if let Some(later) = &world.followed_by {
        return Ok(format!("in {} since run {later} followed", version.stage));
    }
    if version.stage == Stage::Production && version.tags.contains_key(provenance::APPROVED_BY) {
        return Ok("in Production by a recorded approval".to_owned());
    }
    if version.stage != Stage::Staging {
        return broken(format!("{object} is in stage {}, not in Staging", version.stage));
    }
    if !version.aliases.contains(recipe::STAGING_ALIAS) {
        return broken(format!("{object} lacks alias {}", recipe::STAGING_ALIAS));
    }
    let others: Vec<_> = registered
        .versions
        .iter()
        .filter(|other| other.stage == Stage::Staging && other.version != version.version)
        .map(|other| other.version)
        .collect();
    match others.is_empty() {
        true => Ok("in Staging".to_owned()),
        false => broken(format!(
            "beside {object}, versions {} are still in Staging",
            listed(others)
        )),
    }
}
