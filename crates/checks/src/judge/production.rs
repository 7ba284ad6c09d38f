//! `production`: nothing that is this run's is in Production without a recorded approval.

use model_registry::{ModelVersion, Stage, provenance};

use super::{Judged, broken, listed};
use crate::recipe;
use crate::world::World;

pub(super) fn check(world: &World) -> Judged {
    let registered = world.registered.as_ref().map_err(Clone::clone)?;
    let run = &world.run;
    // A run that found its version there is as answerable for it as the one that made it.
    let key = run.output(recipe::REGISTER, recipe::INPUT_KEY).ok();
    let own = |version: &&&ModelVersion| {
        let tag = |name| version.tags.get(name);
        tag(provenance::RUN_ID) == Some(&run.id)
            || (key.is_some() && tag(provenance::INPUT_KEY) == key.as_ref())
    };
    let in_production: Vec<&ModelVersion> = registered
        .versions
        .iter()
        .filter(|version| version.stage == Stage::Production)
        .collect();
    let unapproved = in_production.iter().filter(own).find(|version| {
        version
            .tags
            .get(provenance::APPROVED_BY)
            .is_none_or(String::is_empty)
    });
    match unapproved {
        Some(version) => broken(format!(
            "version {} of model {} is in Production and lacks {}",
            version.version,
            version.name,
            provenance::APPROVED_BY
        )),
        None => Ok(format!(
            "in Production: {}",
            listed(in_production.iter().map(|version| {
                let approver = version.tags.get(provenance::APPROVED_BY);
                match approver {
                    Some(approver) => format!("version {} (approved by {approver})", version.version),
                    None => format!("version {} (of another run)", version.version),
                }
            }))
        )),
    }
}
