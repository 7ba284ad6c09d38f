//! How a recipe's image reaches a rung.

use std::collections::BTreeMap;
use std::path::Path;

use image_store::{Base, ImageManifest, ImageStore, Publication};

use crate::cluster::{self, RungRecord};
use crate::error::Tier6Error;
use crate::state_dir::StateDir;

/// Publishes a compiled recipe's image where the rung finds it: its files, with the programs beside the calling one
/// (`mlship`). On this machine they run with the state folder's Python environment; for a cluster a container image is
/// made.
///
/// # Errors
/// [`Tier6Error::NoPython`], [`Tier6Error::Image`], [`Tier6Error::Program`]; on a cluster [`Tier6Error::Tool`].
pub fn publish_image(
    state: &StateDir,
    recipe: &Path,
    manifest: &ImageManifest,
) -> Result<Publication, Tier6Error> {
    let programs = std::env::current_exe().map_err(|source| Tier6Error::Program {
        program: "this program".into(),
        source,
    })?;
    if let Some(record) = RungRecord::read(state)? {
        let folder = programs.parent().unwrap_or(&programs);
        return cluster::publish_image(state, &record.target, recipe, manifest, folder);
    }
    let base = Base {
        path: std::iter::once(state.python()?.join("bin"))
            .chain(programs.parent().map(Path::to_owned))
            .collect(),
        // KFP's containerised components read it to tell that they run inside an image.
        env: BTreeMap::from([("_KFP_RUNTIME".to_owned(), "true".to_owned())]),
    };
    Ok(ImageStore::open(state.images())?.publish(recipe, manifest, &base)?)
}
