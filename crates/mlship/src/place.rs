//! Where the services are: the document that was named, a step's environment, or the state folder of the clone.

use std::path::{Path, PathBuf};

use anyhow::Context;
use endpoints::Endpoints;

use crate::cli::Place;
use crate::failure::Next;

/// The endpoints, with the namespace that was asked for.
pub(crate) fn endpoints(place: &Place) -> anyhow::Result<Endpoints> {
    let mut endpoints = match &place.endpoints {
        Some(path) => Endpoints::read(path)?,
        None if std::env::var_os("BASECAMP_RUNG").is_some() => {
            Endpoints::from_env(|key| std::env::var(key).ok())?
        }
        None => {
            let folder = match &place.state_dir {
                Some(folder) => folder.clone(),
                None => state_dir(&std::env::current_dir()?)
                    .context("no clone of basecamp here or above")
                    .context(Next::new("name the document with --endpoints FILE"))?,
            };
            Endpoints::read(&folder.join("endpoints.yaml")).context(Next::command("cargo xtask up"))?
        }
    };
    if let Some(namespace) = &place.namespace {
        endpoints.resources.namespaces.serving.clone_from(namespace);
    }
    Ok(endpoints)
}

/// `.basecamp` of the nearest folder that is a clone.
fn state_dir(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .find(|folder| folder.join("Cargo.toml").is_file() && folder.join("recipes").is_dir())
        .map(|clone| clone.join(".basecamp"))
}
