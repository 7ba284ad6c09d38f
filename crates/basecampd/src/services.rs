//! The services of the embedded rung, as data.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tier6::StateDir;

use crate::ports::Ports;

/// One service: what to run, how to tell that it works.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    /// Name, also of its log.
    pub(crate) name: &'static str,
    /// What to run. A running process with another command is replaced, not adopted.
    pub(crate) command: ServiceCommand,
    /// Base URL for people and clients.
    pub(crate) url: String,
    /// Answers 200 to GET once the service works.
    pub(crate) health: String,
    /// File with a bearer token for the health check.
    pub(crate) token: Option<PathBuf>,
    /// Folder emptied before each start.
    pub(crate) scratch: Option<PathBuf>,
    /// From SIGTERM to SIGKILL.
    pub(crate) grace: Duration,
    /// What to try when it fails.
    pub(crate) hint: String,
}

/// Program, arguments and the whole environment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ServiceCommand {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
}

impl ServiceCommand {
    /// Tells one command from another.
    pub(crate) fn digest(&self) -> String {
        let text = serde_json::to_vec(self).expect("invariant: string keys");
        hex::encode(&Sha256::digest(text)[..8])
    }
}

/// Names of the services and the uses of their ports, all of them: Ray's defaults would collide between two clones.
pub(crate) const PORTS: [(&str, &[&str]); 3] = [
    ("mlflow", &["mlflow"]),
    (
        "ray",
        &[
            "ray-gcs",
            "ray-dashboard",
            "ray-client",
            "ray-object-manager",
            "ray-node-manager",
            "ray-agent",
            "ray-agent-grpc",
            "ray-runtime-env",
            "ray-metrics",
            "ray-autoscaler-metrics",
            "ray-dashboard-metrics",
        ],
    ),
    ("traefik", &["serving", "traefik"]),
];

/// The three services of this state folder.
pub(crate) fn services(state: &StateDir, ports: &mut Ports) -> anyhow::Result<Vec<Service>> {
    let env = tier6::child_environment(state)?;
    let python = state.python()?.join("bin/python");
    Ok(vec![
        mlflow(state, ports, &env, &python)?,
        ray(state, ports, &env, &python)?,
        traefik(state, ports, &env)?,
    ])
}

fn mlflow(
    state: &StateDir,
    ports: &mut Ports,
    env: &BTreeMap<String, String>,
    python: &std::path::Path,
) -> anyhow::Result<Service> {
    let port = ports.of("mlflow")?;
    let folder = state.mlflow();
    std::fs::create_dir_all(&folder).context("folder of mlflow")?;
    let mut env = env.clone();
    // Job execution is for GenAI evaluation; with it the server takes four times the memory.
    env.insert("MLFLOW_SERVER_ENABLE_JOB_EXECUTION".into(), "false".into());
    let args = [
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--workers",
        "1",
        "--backend-store-uri",
        &format!("sqlite:///{}", folder.join("mlflow.db").display()),
        "--default-artifact-root",
        &format!("file://{}", folder.join("artifacts").display()),
        // Clients open artifacts by their URI, as on every rung.
        "--no-serve-artifacts",
    ];
    let url = format!("http://127.0.0.1:{port}");
    Ok(Service {
        name: "mlflow",
        command: ServiceCommand {
            program: python.to_owned(),
            args: args.map(str::to_owned).to_vec(),
            env,
        },
        health: format!("{url}/health"),
        url,
        token: None,
        scratch: None,
        grace: Duration::from_secs(10),
        hint: format!(
            "Its database is {}; the Python environment is checked by `cargo xtask doctor`.",
            folder.join("mlflow.db").display()
        ),
    })
}

fn ray(
    state: &StateDir,
    ports: &mut Ports,
    env: &BTreeMap<String, String>,
    python: &std::path::Path,
) -> anyhow::Result<Service> {
    let session = state.short_dir()?.join("ray");
    let mut env = env.clone();
    for (variable, port) in [
        ("AUTOSCALER_METRIC_PORT", "ray-autoscaler-metrics"),
        ("DASHBOARD_METRIC_PORT", "ray-dashboard-metrics"),
    ] {
        env.insert(variable.into(), ports.of(port)?.to_string());
    }
    let mut args: Vec<String> = [
        "-m",
        "ray.scripts.scripts",
        "start",
        "--head",
        "--block",
        "--disable-usage-stats",
        "--node-ip-address",
        "127.0.0.1",
        "--include-dashboard",
        "true",
        "--dashboard-host",
        "127.0.0.1",
        // Lent, not taken: shared memory is used as objects come. The default is 30 % of the machine.
        "--object-store-memory",
        "268435456",
        "--temp-dir",
        &session.display().to_string(),
        // Workers take whatever port is free, on the node's address.
        "--min-worker-port",
        "0",
        "--max-worker-port",
        "0",
    ]
    .map(str::to_owned)
    .to_vec();
    for (flag, port) in [
        ("--port", "ray-gcs"),
        ("--dashboard-port", "ray-dashboard"),
        ("--ray-client-server-port", "ray-client"),
        ("--object-manager-port", "ray-object-manager"),
        ("--node-manager-port", "ray-node-manager"),
        ("--dashboard-agent-listen-port", "ray-agent"),
        ("--dashboard-agent-grpc-port", "ray-agent-grpc"),
        ("--runtime-env-agent-port", "ray-runtime-env"),
        ("--metrics-export-port", "ray-metrics"),
    ] {
        args.extend([flag.to_owned(), ports.of(port)?.to_string()]);
    }
    let url = format!("http://127.0.0.1:{}", ports.of("ray-dashboard")?);
    Ok(Service {
        name: "ray",
        command: ServiceCommand {
            program: python.to_owned(),
            args,
            env,
        },
        health: format!("{url}/api/jobs/"),
        url,
        token: Some(state.ray_token()),
        hint: format!(
            "Ray's own logs are in {}; it needs about 1 GiB of memory.",
            session.join("session_latest/logs").display()
        ),
        scratch: Some(session),
        grace: Duration::from_secs(15),
    })
}

fn traefik(state: &StateDir, ports: &mut Ports, env: &BTreeMap<String, String>) -> anyhow::Result<Service> {
    let routes = state.routes();
    std::fs::create_dir_all(&routes).context("folder of routes")?;
    let url = format!("http://127.0.0.1:{}", ports.of("serving")?);
    let own = format!("127.0.0.1:{}", ports.of("traefik")?);
    let args = [
        format!(
            "--entrypoints.serving.address={}",
            url.trim_start_matches("http://")
        ),
        // Traefik's own name for the entry point of ping.
        format!("--entrypoints.traefik.address={own}"),
        "--ping=true".into(),
        format!("--providers.file.directory={}", routes.display()),
        "--providers.file.watch=true".into(),
        // A route takes effect as soon as its file is there; the default waits two seconds between reloads.
        "--providers.providersthrottleduration=100ms".into(),
        // Shorter than what model servers keep alive (65 s), so that no request goes to a closed connection.
        "--serverstransport.forwardingtimeouts.idleconntimeout=30s".into(),
        "--global.checknewversion=false".into(),
        "--global.sendanonymoususage=false".into(),
    ];
    Ok(Service {
        name: "traefik",
        command: ServiceCommand {
            program: state.python()?.join("bin/traefik"),
            args: args.to_vec(),
            env: env.clone(),
        },
        url,
        health: format!("http://{own}/ping"),
        token: None,
        scratch: None,
        grace: Duration::from_secs(5),
        hint: format!("Its routes are the files in {}.", routes.display()),
    })
}
