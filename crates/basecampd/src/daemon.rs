//! The daemon: takes the lock, lays out the state folder, runs servers and supervisors.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use anyhow::Context;
use endpoints::{Artifacts, Endpoints, Lakehouse, Pipelines, Registry, Resources, Serving};
use processes::ProcessIdentity;
use tier6::{DaemonLock, DaemonRecord, StateDir};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::admin;
use crate::ports::Ports;
use crate::services::{self, PORTS};
use crate::supervisor::{self, Board};

/// Runs until SIGTERM or SIGINT. Says one line on standard output: `serving` once the API answers, `held` where
/// another daemon has the lock.
pub(crate) fn run(state_dir: &Path) -> anyhow::Result<()> {
    // Fails only where the caller has made this a leader already.
    let _ = rustix::process::setsid();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
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
        .block_on(serve(&state))
}

/// Who reads it may be gone; that is no reason to stop.
fn say(line: &str) {
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

async fn serve(state: &StateDir) -> anyhow::Result<()> {
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
    let services = services::services(state, &mut ports)?;
    let listener = listen(ports.of("pipelines")?).await?;
    let board = Board::new();
    let mut tasks = JoinSet::new();
    for service in services {
        tasks.spawn(supervisor::supervise(state.clone(), service, board.clone()));
    }
    document(state, &mut ports)?.write(&state.endpoints())?;
    let app = admin::router(board).layer(axum::middleware::from_fn(admin::loopback_names_only));
    let own = DaemonRecord {
        identity: ProcessIdentity::own(),
        build: tier6::build_id(Path::new("/proc/self/exe"))?,
        url: format!("http://127.0.0.1:{}", ports.of("pipelines")?),
    };
    own.write(state)?;
    tracing::info!(url = own.url, build = own.build, "serving");
    say("serving");
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    tokio::select! {
        served = axum::serve(listener, app) => served.context("API server"),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        Some(ended) = tasks.join_next() => Err(anyhow::anyhow!("a supervisor ended: {ended:?}")),
    }?;
    tracing::info!("stopped; services go on");
    Ok(())
}

async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address)
        .await
        .with_context(|| address.to_string())
}

/// Where everything is.
fn document(state: &StateDir, ports: &mut Ports) -> anyhow::Result<Endpoints> {
    let mut url = |name: &str| anyhow::Ok(format!("http://127.0.0.1:{}", ports.of(name)?));
    let mlflow = url("mlflow")?;
    Ok(Endpoints {
        api_version: endpoints::API_VERSION.into(),
        rung: "embedded".into(),
        pipelines: Pipelines {
            url: url("pipelines")?,
            token: None,
        },
        resources: Resources {
            kubeconfig: Some(state.kubeconfig()),
            context: None,
            namespaces: endpoints::Namespaces::default(),
        },
        registry: Registry {
            tracking_uri: mlflow.clone(),
        },
        artifacts: Artifacts {
            root: format!("file://{}", state.artifacts().display()),
            s3_endpoint: None,
        },
        lakehouse: Lakehouse {
            kind: "sql".into(),
            uri: format!("sqlite:///{}", state.lakehouse().join("catalog.db").display()),
            warehouse: format!("file://{}", state.lakehouse().display()),
        },
        serving: Serving { url: url("serving")? },
        dashboards: [
            ("MLflow".to_owned(), mlflow),
            ("Ray".to_owned(), url("ray-dashboard")?),
        ]
        .into(),
    })
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
