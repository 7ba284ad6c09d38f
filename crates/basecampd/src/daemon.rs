//! The daemon: takes the lock, lays out the state folder, runs servers and supervisors.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use image_store::{ImageStore, Managed};
use pipeline_engine::{Engine, EngineConfig};
use processes::{ProcessIdentity, Shim, Workers};
use resource_api::ResourceApi;
use tier6::{DaemonLock, DaemonRecord, StateDir};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::ports::Ports;
use crate::services::{self, PORTS};
use crate::supervisor::{self, Board};
use crate::{admin, documents, kubernetes};

/// How long servers may take to answer what is under way.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// Ray gives out what its object store (30 %) does not take.
const RAY_SHARE_OF_MEMORY: f64 = 0.7;

/// Runs until SIGTERM or SIGINT. Says one line on standard output: `serving` once the API answers, `held` where
/// another daemon has the lock; see [`tell_failure`] for the third.
pub(crate) fn run(state_dir: &Path, warm_workers: bool) -> anyhow::Result<()> {
    // Fails only where the caller has made this a leader already.
    let _ = rustix::process::setsid();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // That the log has no room is told by nobody: the attempt would end the thread.
        .log_internal_errors(false)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info")),
        )
        .init();
    let state = StateDir::open(state_dir)?;
    let Some(_lock) = DaemonLock::take(&state)? else {
        say("held");
        return Ok(());
    };
    lay_out(&state)?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("runtime")?
        .block_on(serve(&state, warm_workers))
}

/// Who reads it may be gone; that is no reason to stop.
fn say(line: &str) {
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Says why the daemon ends: in its log, and on standard output to whoever started it, as `failed: ` and the reason on
/// one line. The log may have no room for it.
pub(crate) fn tell_failure(error: &anyhow::Error) {
    let reason = format!("{error:#}");
    let _ = writeln!(std::io::stderr(), "{reason}");
    say(&format!("failed: {}", reason.replace('\n', " ")));
}

async fn serve(state: &StateDir, warm_workers: bool) -> anyhow::Result<()> {
    let mut ports = Ports::open(state)?;
    for (service, uses) in PORTS {
        // What still runs keeps its ports; of the rest, those that others have taken are chosen again.
        if !supervisor::is_running(state, service) {
            for name in uses {
                ports.settle(name)?;
            }
        }
    }
    ports.settle("pipelines")?;
    ports.settle("resources")?;
    let board = Board::new();
    // First what takes longest.
    let mut supervisors = JoinSet::new();
    for service in services::services(state, &mut ports)? {
        supervisors.spawn(supervisor::supervise(state.clone(), service, board.clone()));
    }
    let endpoints = documents::endpoints(state, &mut ports)?;
    endpoints.write(&state.endpoints())?;

    let stop = CancellationToken::new();
    let mut servers: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let resources = ResourceApi::open(&state.resources())?;
    let listener = listen(ports.of("resources")?).await?;
    let kubeconfig = resources.kubeconfig(listener.local_addr()?, &endpoints.resources.namespaces.pipelines);
    kubeconfig.write(&state.kubeconfig())?;
    let stopped = stop.clone();
    servers.spawn(async move { resources.serve(listener, stopped).await.context("resource API") });
    let client = kubernetes::client(&state.kubeconfig()).await?;
    documents::apply(&client, &endpoints).await?;

    let images = Arc::new(ImageStore::open(state.images())?.with_managed(managed(state)?));
    let workers = match warm_workers {
        true => Workers::new(state.root().join("workers")),
        false => Workers::off(),
    };
    let config = controllers_config(state, &mut ports, ImageStore::clone(&images), workers.clone())?;
    let stopped = stop.clone();
    servers.spawn(controllers_until(config, client.clone(), stopped));
    let engine = Engine::open(engine_config(
        state,
        images,
        workers,
        kubernetes::Environment::new(client, &endpoints.resources.namespaces.pipelines),
    )?)
    .await?;
    let listener = listen(ports.of("pipelines")?).await?;
    let app = kfp_server::router(engine.clone(), kfp_server::Admission::default())
        .merge(admin::router(board).layer(axum::middleware::from_fn(admin::loopback_names_only)));
    servers.spawn(async move { axum::serve(listener, app).await.context("KFP API") });

    let record = DaemonRecord {
        identity: ProcessIdentity::own(),
        build: tier6::build_id(Path::new("/proc/self/exe"))?,
        url: endpoints.pipelines.url,
        warm_workers,
    };
    record.write(state)?;
    tracing::info!(url = record.url, build = record.build, "serving");
    say("serving");
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        Some(ended) = servers.join_next() => Err(anyhow::anyhow!("a server ended: {ended:?}")),
        Some(ended) = supervisors.join_next() => Err(anyhow::anyhow!("a supervisor ended: {ended:?}")),
    };
    stop.cancel();
    supervisors.shutdown().await;
    engine.close().await;
    // Watches of clients would keep the KFP API open for ever; the others end by themselves.
    let rest = async { while servers.len() > 1 && servers.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_DEADLINE, rest).await.is_err() {
        tracing::warn!("servers did not end in time");
    }
    tracing::info!("stopped; services go on");
    ended
}

async fn controllers_until(
    config: controllers::Config,
    client: kube::Client,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    controllers::run(config, client, async move { stop.cancelled().await })
        .await
        .context("controllers")
}

/// What stands for images that were never published.
fn managed(state: &StateDir) -> anyhow::Result<Managed> {
    let programs = system_path();
    Ok(Managed {
        python: state.python()?,
        map: state.root().join("images.yaml"),
        folder: state.root().join("environments"),
        uv: std::env::split_paths(&programs)
            .map(|folder| folder.join("uv"))
            .chain([state.root().join("uv/bin/uv")])
            .collect(),
        programs,
    })
}

/// Where this machine's programs are.
fn system_path() -> String {
    std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into())
}

fn engine_config(
    state: &StateDir,
    images: Arc<ImageStore>,
    workers: Workers,
    environment: kubernetes::Environment,
) -> anyhow::Result<EngineConfig> {
    let mut env = tier6::child_environment(state)?;
    // The engine gives each attempt its own of these.
    for own in ["PATH", "HOME", "TMPDIR"] {
        env.remove(own);
    }
    Ok(EngineConfig {
        database: state.engine().join("engine.db"),
        tasks: state.tasks(),
        artifacts: state.artifacts(),
        scratch: state.short_dir()?.join("tmp"),
        environment: Arc::new(environment),
        env,
        system_path: system_path(),
        workers,
        ..EngineConfig::below(state.root(), images, Shim::this_program())
    })
}

fn controllers_config(
    state: &StateDir,
    ports: &mut Ports,
    images: ImageStore,
    workers: Workers,
) -> anyhow::Result<controllers::Config> {
    let mut url = |name: &str| anyhow::Ok(Url::parse(&format!("http://127.0.0.1:{}", ports.of(name)?))?);
    let (dashboard, entry, own) = (url("ray-dashboard")?, url("serving")?, url("traefik")?);
    let environment = tier6::child_environment(state)?;
    let machine = pipeline_engine::Capacity::of_machine();
    let token = state.ray_token();
    Ok(controllers::Config {
        experiments: state.root().join("experiments"),
        ray_jobs: state.root().join("ray-jobs"),
        serving: state.serving(),
        images,
        python: state.python()?.join("bin/python"),
        shim: Shim::this_program(),
        workers,
        ray: controllers::Ray {
            address: format!("127.0.0.1:{}", ports.of("ray-gcs")?),
            dashboard,
            token: Some(
                std::fs::read_to_string(&token)
                    .with_context(|| token.display().to_string())?
                    .trim()
                    .to_owned(),
            ),
            environment: environment
                .iter()
                .filter(|(key, _)| key.starts_with("RAY_"))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            #[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes")]
            cpus: machine.cpu_millis as f64 / 1000.0,
            #[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes")]
            memory: machine.memory as f64 * RAY_SHARE_OF_MEMORY,
        },
        traefik: controllers::Traefik {
            routes: state.routes(),
            entry,
            own,
        },
        environment,
    })
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .await
        .with_context(|| address.to_string())
}

/// Makes the folders, the short folder outside and the token.
fn lay_out(state: &StateDir) -> anyhow::Result<()> {
    for folder in [
        state.logs(),
        state.services(),
        state.engine(),
        state.artifacts(),
        state.tasks(),
        state.resources(),
        state.images(),
        state.mlflow(),
        state.lakehouse(),
        state.routes(),
        state.serving(),
        state.home(),
    ] {
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let short = state.short_dir()?;
    private_folder(&short)?;
    let scratch = short.join("tmp");
    std::fs::create_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
    let link = state.short_link();
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(&short, &link).with_context(|| link.display().to_string())?;
    // A head node that does not find this file asks the metadata services of three clouds where it is
    // (`get_cluster_config_to_report`, ray/_common/usage/usage_lib.py@2.60.0).
    let bootstrap = state.home().join("ray_bootstrap_config.yaml");
    std::fs::write(&bootstrap, "provider: {type: local}\n")
        .with_context(|| bootstrap.display().to_string())?;
    let token = state.ray_token();
    if !token.exists() {
        let text = random_token()?;
        processes::write_durably(&token, text.as_bytes(), 0o600)
            .with_context(|| token.display().to_string())?;
    }
    Ok(())
}

/// A folder under `/tmp` that is ours alone: its name can be guessed, so who made it is looked at.
fn private_folder(path: &Path) -> anyhow::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let found = std::fs::symlink_metadata(path).with_context(|| path.display().to_string())?;
            anyhow::ensure!(
                found.is_dir() && found.uid() == rustix::process::geteuid().as_raw(),
                "{} is there, but is not a folder of this user: remove it",
                path.display()
            );
            Ok(())
        }
        made => made.with_context(|| path.display().to_string()),
    }
}

/// 256 bits from the kernel, in hex.
fn random_token() -> anyhow::Result<String> {
    use std::io::Read;
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    Ok(hex::encode(bytes))
}
