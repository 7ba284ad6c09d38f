//! What the controllers are given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use image_store::ImageStore;
use processes::{Shim, Workers};
use url::Url;

/// Everything that the controllers need to know of the rung around them. All paths are absolute.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the experiments: descriptions, trial records, logs, and the tuner program itself.
    pub experiments: PathBuf,
    /// Folder of the working directories of RayJobs.
    pub ray_jobs: PathBuf,
    /// Folder of served models and their servers.
    pub serving: PathBuf,
    /// Images of the recipes.
    pub images: ImageStore,
    /// The interpreter that runs the tuner: of the environment that the Ray head runs in, since Ray demands equal versions.
    pub python: PathBuf,
    /// How processes are started.
    pub shim: Shim,
    /// Who forks tuners and model servers.
    pub workers: Workers,
    /// Variables of every process that is started; an image's and a container's own win. The mark of the state folder is
    /// among them, and `PATH`, which is searched after the folders of an image.
    pub environment: BTreeMap<String, String>,
    /// The Ray head.
    pub ray: Ray,
    /// The router.
    pub traefik: Traefik,
}

/// The rung's one Ray head.
#[derive(Clone, Debug)]
pub struct Ray {
    /// Where drivers connect: `127.0.0.1:6379`.
    pub address: String,
    /// Its dashboard, which has the Jobs API.
    pub dashboard: Url,
    /// The token it demands, where it demands one.
    pub token: Option<String>,
    /// Variables that a driver must share with the head, for example the one that keeps Ray on loopback.
    pub environment: BTreeMap<String, String>,
    /// Cores that it gives out.
    pub cpus: f64,
    /// Bytes of memory that it gives out.
    pub memory: f64,
}

/// The router. It runs with a file provider that watches `routes`, and with `--ping`.
#[derive(Clone, Debug)]
pub struct Traefik {
    /// Folder of its dynamic configuration; the controllers own every `.yml` in it.
    pub routes: PathBuf,
    /// Where models answer.
    pub entry: Url,
    /// Its own entry point, `traefik`, where ping answers: that a route is in force is asked there.
    pub own: Url,
}
