//! A model server as a process.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use image_store::Environment;
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt;
use processes::{Chosen, Launch, LogLimit, Worker, Workers};
use resources::InferenceService;
use resources::cluster_serving_runtime::MODEL_DIR;

use super::desired::Revision;
use super::files::ServeError;
use crate::container::{ContainerError, Fields, Objects, Surroundings, program};

/// What a log of a server may hold before it is turned over.
const LOG_BYTES: u64 = 16 * 1024 * 1024;

/// Why a server cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error(transparent)]
    Container(#[from] ContainerError),
    #[error(transparent)]
    Image(#[from] image_store::ImageError),
}

/// A port that nobody listens on now. A server that finds it taken ends, and is started again on another.
pub(crate) fn free_port() -> Result<u16, ServeError> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    free.map(|address| address.port()).map_err(ServeError::NoPort)
}

/// Where a server runs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its launch folder.
    pub(crate) folder: PathBuf,
    /// Where its model is.
    pub(crate) model: PathBuf,
    /// Where it listens.
    pub(crate) port: u16,
}

/// Variables that every server has its own values of.
const OWN: [&str; 2] = ["HOST", "PORT"];

/// The launch of a revision's server, and its image, whose files are to be linked into the working directory. `HOST` and
/// `PORT` are this rung's.
///
/// # Errors
/// [`LaunchError`].
pub(crate) fn launch(
    service: &InferenceService,
    revision: &Revision,
    images: &image_store::ImageStore,
    objects: &Objects,
    base: &BTreeMap<String, String>,
    place: &Place,
) -> Result<(Launch, Environment), LaunchError> {
    let container = &revision.container;
    let image = images.resolve(container.image.as_deref().unwrap_or_default())?;
    let metadata = service.metadata.clone();
    let fields = Fields {
        name: service.name_any(),
        namespace: service.namespace().unwrap_or_default(),
        uid: service.uid().unwrap_or_default(),
        labels: metadata.labels.unwrap_or_default(),
        annotations: metadata.annotations.unwrap_or_default(),
    };
    let text = place.port.to_string();
    let mut imposed = vec![("HOST", "127.0.0.1"), ("PORT", text.as_str())];
    if let Some((name, value)) = base.get_key_value(processes::MARK_VARIABLE) {
        imposed.push((name, value));
    }
    let scratch = place.folder.join("scratch");
    let mut around = base.clone();
    around.insert("HOME".into(), scratch.display().to_string());
    around.insert("TMPDIR".into(), scratch.join(".tmp").display().to_string());
    let around = Surroundings {
        base: &around,
        image: &image,
        objects,
        fields: &fields,
        imposed: &imposed,
    };
    let program = program(container, &around)?;
    let here = |text: &String| text.replace(MODEL_DIR, &place.model.display().to_string());
    let mut words = program.argv.iter().map(here);
    let mut launch = Launch::new(&place.folder, words.next().unwrap_or_default());
    launch.args = words.collect();
    launch.env = program
        .env
        .iter()
        .map(|(name, value)| (name.clone(), here(value)))
        .collect();
    launch.cwd = scratch;
    launch.log_limit = Some(LogLimit::Rotate(LOG_BYTES));
    launch.grace = Duration::from_secs(revision.grace_seconds);
    Ok((launch, image))
}

/// The worker that is to fork a server.
pub(crate) fn choose(workers: &Workers, image: &Environment, launch: &Launch) -> Chosen {
    let modules = Worker::can_run(launch).then(|| image.modules.get(&launch.args[1]));
    let Some(modules) = modules.flatten() else {
        return Err("its image names no modules that it imports".to_owned());
    };
    let mut env = launch.env.clone();
    env.retain(|name, _| !OWN.contains(&name.as_str()));
    workers.choose(&launch.program, env, modules.clone())
}

/// Seconds of `lifecycle.preStop.sleep`: how long a server that gets no more requests answers those it has.
pub(crate) fn pre_stop(container: &Container) -> Duration {
    let sleep = container
        .lifecycle
        .as_ref()
        .and_then(|lifecycle| lifecycle.pre_stop.as_ref()?.sleep.as_ref());
    let seconds = sleep.and_then(|sleep| u64::try_from(sleep.seconds).ok());
    Duration::from_secs(seconds.unwrap_or_default())
}
