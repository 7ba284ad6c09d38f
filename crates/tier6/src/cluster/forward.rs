//! Ports of this machine that lead into a cluster that stays: one process for all of them.
//!
//! On kind the node's ports are mapped to loopback when the cluster is made. A cluster that is there has no such
//! mapping, and Services of it are not opened to the world for this: connections go through its API server, each to a
//! pod that is ready when it is made.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use processes::{Attached, Launch, LogLimit, Shim};
use tokio::net::{TcpListener, TcpStream};

use super::connect::connect;
use super::place::Use;
use super::record::RungRecord;
use crate::error::Tier6Error;
use crate::state_dir::StateDir;

/// Most bytes that its log keeps.
const LOG: u64 = 1 << 20;

/// Starts the process where none runs. `program` calls [`forward`] when it is started with `arguments`, and
/// [`processes::run_if_shim`] first of all.
///
/// # Errors
/// [`Tier6Error::Process`], [`Tier6Error::File`].
pub(super) fn ensure(state: &StateDir, program: &Path, arguments: &[String]) -> Result<(), Tier6Error> {
    let all = state.forwards();
    let last = launches(&all)?.into_iter().max();
    if let Some(number) = last
        && let Attached::Running(_) = processes::attach(&all.join(number.to_string()))?
    {
        return Ok(());
    }
    let dir = all.join(last.map_or(0, |number| number + 1).to_string());
    let mut launch = Launch::new(dir, program);
    launch.args = arguments.to_vec();
    launch.env = [
        (processes::MARK_VARIABLE.to_owned(), state.mark()?),
        ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
        ("HOME".to_owned(), std::env::var("HOME").unwrap_or_default()),
    ]
    .into();
    launch.stdout = state.log("forward");
    launch.stderr = state.log("forward");
    launch.log_limit = Some(LogLimit::Rotate(LOG));
    std::fs::create_dir_all(state.logs()).map_err(Tier6Error::file(state.logs()))?;
    Shim::at(program).launch(&launch)?;
    Ok(())
}

/// Stops it. Nothing to stop is fine.
///
/// # Errors
/// [`Tier6Error::Process`], [`Tier6Error::File`].
pub(super) async fn stop(state: &StateDir) -> Result<(), Tier6Error> {
    let all = state.forwards();
    for number in launches(&all)? {
        if let Attached::Running(identity) = processes::attach(&all.join(number.to_string()))? {
            processes::terminate(&identity, std::time::Duration::from_secs(5)).await?;
        }
    }
    match std::fs::remove_dir_all(&all) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Tier6Error::file(all)(error)),
        _ => Ok(()),
    }
}

/// Numbers of the launch folders: a folder runs once.
fn launches(all: &Path) -> Result<Vec<u32>, Tier6Error> {
    match std::fs::read_dir(all) {
        Ok(entries) => Ok(entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Tier6Error::file(all)(error)),
    }
}

/// Carries connections until it is told to stop.
///
/// # Errors
/// [`Tier6Error::File`] where a port is taken; [`Tier6Error::Kubernetes`] where there is no kubeconfig. What fails for
/// one connection ends that connection and is written to standard error.
pub async fn forward(state: &StateDir) -> Result<(), Tier6Error> {
    let Some(record) = RungRecord::read(state)? else {
        return Ok(());
    };
    let client = connect(&state.kubeconfig()).await?;
    let mut doors = Vec::new();
    for (purpose, port) in &record.ports {
        let listener = TcpListener::bind(("127.0.0.1", *port))
            .await
            .map_err(Tier6Error::file(format!("127.0.0.1:{port}")))?;
        doors.push(door(client.clone(), *purpose, listener));
    }
    futures::future::join_all(doors).await;
    Ok(())
}

/// Takes connections of one port for ever.
async fn door(client: Client, purpose: Use, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                let client = client.clone();
                tokio::spawn(async move {
                    if let Err(reason) = carry(client, purpose, connection).await {
                        eprintln!("{purpose:?}: {reason}");
                    }
                });
            }
            // Too many open files: those that are open end some time.
            Err(error) => {
                eprintln!("{purpose:?}: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
    }
}

async fn carry(client: Client, purpose: Use, mut connection: TcpStream) -> Result<(), String> {
    let told = |error: kube::Error| error.to_string();
    let (namespace, name, port) = purpose.service();
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let spec = services.get(name).await.map_err(told)?.spec.unwrap_or_default();
    let selector = terms(&spec.selector.unwrap_or_default());
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let list = pods
        .list(&ListParams::default().labels(&selector))
        .await
        .map_err(told)?;
    let pod = list
        .items
        .into_iter()
        .find(is_ready)
        .ok_or_else(|| format!("no pod of Service {namespace}/{name} is ready"))?;
    let wanted = spec
        .ports
        .unwrap_or_default()
        .into_iter()
        .find(|one| one.port == i32::from(port))
        .and_then(|one| one.target_port)
        .unwrap_or(IntOrString::Int(port.into()));
    let target =
        target(&pod, &wanted).ok_or_else(|| format!("Service {namespace}/{name} has no port {port}"))?;
    let mut forwarder = pods.portforward(&pod.name_any(), &[target]).await.map_err(told)?;
    let mut stream = forwarder
        .take_stream(target)
        .expect("invariant: the stream of a port is there once");
    // That either side hangs up is how a connection ends.
    let _ = tokio::io::copy_bidirectional(&mut connection, &mut stream).await;
    drop(stream);
    forwarder.join().await.map_err(|error| error.to_string())
}

fn terms(labels: &BTreeMap<String, String>) -> String {
    let terms: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    terms.join(",")
}

fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_ref())
            .is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// The container's port that a Service's port leads to.
fn target(pod: &Pod, wanted: &IntOrString) -> Option<u16> {
    let number = match wanted {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            pod.spec
                .as_ref()?
                .containers
                .iter()
                .flat_map(|container| container.ports.iter().flatten())
                .find(|port| port.name.as_ref() == Some(name))?
                .container_port
        }
    };
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_named_port_is_the_containers() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {"containers": [
            {"name": "c", "ports": [{"name": "ping", "containerPort": 8082}, {"name": "http", "containerPort": 8000}]}]}}))
        .unwrap();
        assert_eq!(target(&pod, &IntOrString::String("http".into())), Some(8000));
        assert_eq!(target(&pod, &IntOrString::Int(9)), Some(9));
        assert_eq!(target(&pod, &IntOrString::String("grpc".into())), None);
    }

    #[test]
    fn a_folder_without_launches_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(launches(&folder.path().join("none")).unwrap(), Vec::<u32>::new());
        std::fs::create_dir(folder.path().join("3")).unwrap();
        assert_eq!(launches(folder.path()).unwrap(), [3]);
    }
}
