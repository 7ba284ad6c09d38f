//! Where the services are: the document that was named, a step's environment, or the state folder of the clone.

use anyhow::Context;
use endpoints::Endpoints;
use tier6::StateDir;

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
            let cwd = std::env::current_dir()?;
            let folder = StateDir::locate(place.state_dir.as_deref(), None, &cwd)
                .context(Next::new("name the document with --endpoints FILE"))?;
            Endpoints::read(&folder.join("endpoints.yaml")).context(Next::command("cargo xtask up"))?
        }
    };
    if let Some(namespace) = &place.namespace {
        endpoints.resources.namespaces.serving.clone_from(namespace);
    }
    Ok(endpoints)
}
