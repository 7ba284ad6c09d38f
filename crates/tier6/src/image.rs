//! How a recipe's image reaches a rung.

use std::collections::BTreeMap;
use std::path::Path;

use image_store::{Base, ImageManifest, ImageStore, Publication};

use crate::error::Tier6Error;
use crate::state_dir::StateDir;

/// Publishes a compiled recipe's image: its files, run with this state folder's Python environment and with the
/// programs beside the calling one (`mlship`).
///
/// # Errors
/// [`Tier6Error::NoPython`], [`Tier6Error::Image`], [`Tier6Error::Program`].
pub fn publish_image(
    state: &StateDir,
    recipe: &Path,
    manifest: &ImageManifest,
) -> Result<Publication, Tier6Error> {
    let programs = std::env::current_exe().map_err(|source| Tier6Error::Program {
        program: "this program".into(),
        source,
    })?;
    let base = Base {
        path: std::iter::once(state.python()?.join("bin"))
            .chain(programs.parent().map(Path::to_owned))
            .collect(),
        // KFP's containerised components read it to tell that they run inside an image.
        env: BTreeMap::from([("_KFP_RUNTIME".to_owned(), "true".to_owned())]),
    };
    Ok(ImageStore::open(state.images())?.publish(recipe, manifest, &base)?)
}
