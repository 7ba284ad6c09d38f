//! HTTPRoutes: a dynamic configuration file of Traefik each.

mod render;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use processes::write_durably;
use resources::HttpRoute;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::WatchStream;

use crate::context::{Context, FINALIZER, after_error, api, drained, now, write_status};
use crate::error::ReconcileError;
use render::{Rendered, file_name, ports_of, render, unresolved};
use status::{Acceptance, own_parents, status};

/// Between two looks whether Traefik has taken a file in: it tells nobody.
const LOOK: Duration = Duration::from_millis(50);
/// How long it is looked for at a time.
const PATIENCE: Duration = Duration::from_secs(3);
/// When to look again after that.
const AGAIN: Duration = Duration::from_secs(2);
const ONE_LOOK: Duration = Duration::from_secs(1);

/// Why a route's file cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("route file {path}: {source}")]
pub(crate) struct RouteError {
    path: PathBuf,
    source: std::io::Error,
}

/// Ports that Traefik may send a request to, by route file: of the file in force, and of one that is about to be.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    ports: watch::Sender<BTreeMap<String, BTreeSet<u16>>>,
}

impl InForce {
    /// What the files that are there lead to.
    pub(crate) fn of(folder: &Path) -> std::io::Result<Self> {
        let mut ports = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if let (Some(name), Ok(text)) = (path.file_name(), std::fs::read_to_string(&path)) {
                ports.insert(name.to_string_lossy().into_owned(), ports_of(&text));
            }
        }
        Ok(Self {
            ports: watch::Sender::new(ports),
        })
    }

    /// Waits until no route leads to this port, but no longer than `limit`.
    pub(crate) async fn left(&self, port: u16, limit: Duration) {
        let mut ports = self.ports.subscribe();
        let left = ports.wait_for(|ports| !ports.values().any(|ports| ports.contains(&port)));
        if timeout(limit, left).await.is_err() {
            tracing::warn!(port, "Traefik still leads to a server that is to go");
        }
    }

    fn also(&self, file: &str, more: &BTreeSet<u16>) {
        self.ports
            .send_modify(|ports| ports.entry(file.to_owned()).or_default().extend(more));
    }

    fn only(&self, file: &str, these: &BTreeSet<u16>) {
        self.ports
            .send_modify(|ports| drop(ports.insert(file.to_owned(), these.clone())));
    }

    fn none(&self, file: &str) {
        self.ports.send_modify(|ports| drop(ports.remove(file)));
    }
}

/// Runs until `shutdown`.
pub(crate) async fn run(context: Arc<Context>, shutdown: impl Future<Output = ()> + Send + Sync + 'static) {
    let routes: Api<HttpRoute> = Api::all(context.client.clone());
    let changes = WatchStream::from_changes(context.backends.subscribe()).map(|_| ());
    let results = Controller::new(routes, watcher::Config::default())
        .reconcile_all_on(changes)
        .graceful_shutdown_on(shutdown)
        .run(reconcile, after_error, context);
    drained(results).await;
}

async fn reconcile(route: Arc<HttpRoute>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let routes = api(&context.client, &*route);
    let done = finalizer(&routes, FINALIZER, route, |event| async {
        match event {
            Event::Apply(route) => apply(&route, &context).await,
            Event::Cleanup(route) => withdraw(&route, &context).map(|()| Action::await_change()),
        }
    });
    done.await.map_err(ReconcileError::from_finalizer)
}

async fn apply(route: &HttpRoute, context: &Context) -> Result<Action, ReconcileError> {
    if own_parents(route).is_empty() {
        withdraw(route, context)?;
        return Ok(Action::await_change());
    }
    let table = context.backends.now();
    let acceptance = match render(route, &table) {
        Err(refusal) => {
            withdraw(route, context)?;
            Acceptance::Refused(refusal)
        }
        Ok(rendered) => enforce(route, &rendered, context).await?,
    };
    let told = status(route, &acceptance, unresolved(route, &table).as_ref(), &now());
    if route.status.as_ref() != Some(&told) {
        let mut written = route.clone();
        written.status = Some(told);
        write_status(&api(&context.client, route), &written).await?;
    }
    Ok(match acceptance {
        Acceptance::Pending => Action::requeue(AGAIN),
        _ => Action::await_change(),
    })
}

/// Writes the file where it differs, and waits until Traefik has it.
async fn enforce(
    route: &HttpRoute,
    rendered: &Rendered,
    context: &Context,
) -> Result<Acceptance, ReconcileError> {
    let (file, path) = place(route, context);
    if std::fs::read_to_string(&path).ok().as_ref() != Some(&rendered.text) {
        context.in_force.also(&file, &rendered.ports);
        write_durably(&path, rendered.text.as_bytes(), 0o600)
            .map_err(|source| RouteError { path, source })?;
    }
    let witness = context
        .config
        .traefik
        .own
        .join(&rendered.witness)
        .expect("invariant: a path of plain characters");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let asked = context.http.get(witness.clone()).timeout(ONE_LOOK).send().await;
        if asked.is_ok_and(|answer| answer.status().is_success()) {
            context.in_force.only(&file, &rendered.ports);
            return Ok(Acceptance::Accepted);
        }
        if Instant::now() >= deadline {
            return Ok(Acceptance::Pending);
        }
        sleep(LOOK).await;
    }
}

fn withdraw(route: &HttpRoute, context: &Context) -> Result<(), ReconcileError> {
    let (file, path) = place(route, context);
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(RouteError { path, source }.into())
        }
        _ => {
            context.in_force.none(&file);
            Ok(())
        }
    }
}

fn place(route: &HttpRoute, context: &Context) -> (String, PathBuf) {
    let file = file_name(&route.namespace().unwrap_or_default(), &route.name_any());
    let path = context.config.traefik.routes.join(&file);
    (file, path)
}
