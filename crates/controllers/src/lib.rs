//! Controllers that carry out the embedded rung's kinds as processes.
//!
//! They speak to the resource API as any controller does, so nothing here knows who serves it. Each kind's room has the
//! same parts: a pure `decide` from what is asked for and what is seen to what to do, a status that is a function of the
//! same, and a performer around them. What must outlive this program is on disk before it is acted on: trial records,
//! who answers for which Service, the submission id of a job. Processes run under shims ([`processes`]) and are found
//! again by their identity: [`run`] may be killed anywhere and started again.
//!
//! | kind | carried out by |
//! |---|---|
//! | Experiment | a tuner process (`python/tune.py`: Ray Tune and Optuna) that runs the trial template's command |
//! | RayJob | Ray's Jobs API |
//! | InferenceService, ClusterServingRuntime | model server processes |
//! | HTTPRoute | a dynamic configuration file of Traefik |

mod backends;
mod config;
mod container;
mod context;
mod error;
mod experiment;
mod http_route;
mod inference_service;
mod launches;
mod quantity;
mod ray_job;
mod references;

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use kube::Client;

pub use config::{Config, Ray, Traefik};
pub use error::ControllersError;

use backends::Backends;
use context::Context;
use http_route::InForce;
use launches::{Launches, Pulse};

/// Runs all controllers until `shutdown` resolves and what they were doing is done. Processes that they started stay:
/// the next `run` finds them again.
///
/// # Errors
/// [`ControllersError`], before anything has begun.
pub async fn run(
    config: Config,
    client: Client,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ControllersError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| ControllersError::File { path, source }
    };
    for folder in [
        &config.experiments,
        &config.ray_jobs,
        &config.serving,
        &config.traefik.routes,
    ] {
        std::fs::create_dir_all(folder).map_err(file(folder))?;
    }
    let tuner = experiment::install(&config.experiments).map_err(file(&config.experiments))?;
    let inotify = inotify::Inotify::init().map_err(file(&config.experiments))?;
    let in_force = InForce::of(&config.traefik.routes).map_err(file(&config.traefik.routes))?;
    let serving = inference_service::serving_before(&config.serving)
        .map_err(|error| ControllersError::Serving(error.to_string()))?;
    let context = Arc::new(Context {
        recorder: Context::recorder(&client),
        launches: Launches::new(config.shim.clone()),
        // Loopback only: the user's proxies have no way there.
        http: reqwest::Client::builder().no_proxy().build()?,
        backends: Backends::new(serving),
        in_force,
        experiments: Pulse::new(),
        services: Pulse::new(),
        client,
        config,
    });
    let (end, ended) = tokio::sync::watch::channel(());
    let told = move || {
        let mut ended = ended.clone();
        // The sender going is the signal.
        async move { while ended.changed().await.is_ok() {} }
    };
    let controllers = futures::future::join4(
        experiment::run(context.clone(), tuner, inotify, told()),
        ray_job::run(context.clone(), told()),
        inference_service::run(context.clone(), told()),
        http_route::run(context, told()),
    );
    let ending = shutdown.map(|()| drop(end));
    futures::join!(controllers, ending);
    Ok(())
}
