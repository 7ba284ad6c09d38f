//! Where the services are.

use std::path::{Path, PathBuf};

use endpoints::{Endpoints, EndpointsError};
use kfp_api::Client;
use tier6::StateDir;
use tier6::component::Pinned;

use crate::cli::Common;
use crate::failure::{Exit, Failure};

/// The endpoints document that was named, else that of the state folder.
pub(crate) fn endpoints(common: &Common) -> Result<Endpoints, Failure> {
    if let Some(path) = &common.endpoints {
        return Endpoints::read(path).map_err(|error| Failure::new(error).ending(Exit::NoRung));
    }
    let state = state_dir(common)?;
    Endpoints::read(&state.endpoints()).map_err(|error| match error {
        EndpointsError::Io { .. } => Failure::new(format!("no rung is up in {}", state.root().display()))
            .next("`cargo xtask up`")
            .next("or name a platform that is there with --endpoints FILE")
            .ending(Exit::NoRung),
        other => Failure::new(other).next("`cargo xtask up`").ending(Exit::NoRung),
    })
}

pub(crate) fn state_dir(common: &Common) -> Result<StateDir, Failure> {
    Ok(StateDir::find(common.state_dir.as_deref())?)
}

/// A client of the pipelines endpoint.
pub(crate) fn pipelines(endpoints: &Endpoints) -> Result<Client, Failure> {
    let pipelines = &endpoints.pipelines;
    Ok(Client::new(&pipelines.url, pipelines.token.clone())?)
}

/// The clone that the working folder is in.
pub(crate) fn clone_of(cwd: &Path) -> Option<PathBuf> {
    cwd.ancestors()
        .find(|folder| folder.join("Cargo.toml").is_file() && folder.join("recipes").is_dir())
        .map(Path::to_owned)
}

/// What the rungs on Kubernetes install, as the clone pins it.
pub(crate) fn pinned() -> Result<Pinned, Failure> {
    let cwd = std::env::current_dir().map_err(|error| Failure::new(format!("working folder: {error}")))?;
    let clone = clone_of(&cwd).ok_or_else(|| {
        Failure::usage(format!("{} is in no clone of basecamp", cwd.display())).next("go into one")
    })?;
    Ok(Pinned::read(&clone.join("tier6"))?)
}
