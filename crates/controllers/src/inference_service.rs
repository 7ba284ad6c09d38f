//! InferenceServices: model server processes behind Traefik.

mod decide;
mod desired;
mod files;
mod launch;
mod probe;
mod servers;
mod status;
mod storage;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::ListParams;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use processes::Attached;
use resources::{ClusterServingRuntime, InferenceService};

use crate::backends::{Owners, Table};
use crate::context::{Context, FINALIZER, after_error, api, drained, now, write_status};
use crate::error::ReconcileError;
use crate::launches::tail;
use decide::{Assignments, Plan, Server, State, decide, failures};
use desired::{Workload, workloads};
pub(crate) use files::ServeError;
use files::{Home, Mark, entries, identity};
use probe::Answer;
use status::{Failure, Seen, status};

/// When a model that cannot be fetched, or a program that cannot be resolved, is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// Its route may stay, and then leads nowhere: a deleted service waits only as long as a route takes.
const LET_GO_OF_DELETED: Duration = Duration::from_secs(2);
const DELETED_GRACE: Duration = Duration::from_secs(10);

/// What the controller of InferenceServices has for itself.
struct Services {
    context: Arc<Context>,
    /// What probes say of running servers, by launch folder.
    answers: Mutex<HashMap<PathBuf, Answer>>,
    /// Launch folders whose server is being probed, and those whose server is being drained.
    probed: Mutex<BTreeSet<PathBuf>>,
    draining: Mutex<BTreeSet<PathBuf>>,
    /// Why a revision cannot even be started, by home and revision.
    refused: Mutex<HashMap<(PathBuf, String), Failure>>,
}

/// What was being served when the last daemon ended: servers that live and were ready answer at once.
///
/// # Errors
/// [`ServeError`], where a folder cannot be read.
pub(crate) fn serving_before(serving: &Path) -> Result<Owners, ServeError> {
    let mut owners = Owners::new();
    for namespace in entries(serving)? {
        let namespace_name = namespace
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for root in entries(&namespace)? {
            let home = Home::at(root);
            let mut servers = Vec::new();
            for number in home.numbers()? {
                // A folder that cannot be read now is told when its object is reconciled.
                let attached = processes::attach(&home.server(number)).unwrap_or(Attached::Lost);
                servers.extend(home.seen(number, &attached, None)?);
            }
            let mut table = Table::new();
            for (service, who) in home.assigned()? {
                let ports = servers
                    .iter()
                    .filter(|server| {
                        server.revision == who.revision && server.state == State::Ready && !server.draining
                    })
                    .map(|server| server.port)
                    .collect();
                table.insert((namespace_name.clone(), service), ports);
            }
            owners.insert(home.root().to_owned(), table);
        }
    }
    Ok(owners)
}

/// Runs until `shutdown`.
pub(crate) async fn run(context: Arc<Context>, shutdown: impl Future<Output = ()> + Send + Sync + 'static) {
    let client = context.client.clone();
    let pulse = context.services.clone();
    let services = Arc::new(Services {
        context,
        answers: Mutex::default(),
        probed: Mutex::default(),
        draining: Mutex::default(),
        refused: Mutex::default(),
    });
    let all: Api<InferenceService> = Api::all(client.clone());
    let controller = Controller::new(all, watcher::Config::default());
    let (by_runtime, by_map, by_secret) = (controller.store(), controller.store(), controller.store());
    let results = controller
        .watches(
            Api::<ClusterServingRuntime>::all(client.clone()),
            watcher::Config::default(),
            move |_| within(&by_runtime, None),
        )
        // A server waits for an object that it refers to, as a pod does.
        .watches(
            Api::<ConfigMap>::all(client.clone()),
            watcher::Config::default(),
            move |map| within(&by_map, map.namespace().as_deref()),
        )
        .watches(
            Api::<Secret>::all(client),
            watcher::Config::default(),
            move |secret| within(&by_secret, secret.namespace().as_deref()),
        )
        .reconcile_all_on(pulse.beats())
        .graceful_shutdown_on(shutdown)
        .run(
            reconcile,
            |object, error, own: Arc<Services>| after_error(object, error, own.context.clone()),
            services,
        );
    drained(results).await;
}

/// The InferenceServices of a namespace, or all.
fn within(store: &Store<InferenceService>, namespace: Option<&str>) -> Vec<ObjectRef<InferenceService>> {
    let all = store.state();
    let chosen = all
        .iter()
        .filter(|service| namespace.is_none() || service.namespace().as_deref() == namespace);
    chosen.map(|service| ObjectRef::from_obj(&**service)).collect()
}

async fn reconcile(service: Arc<InferenceService>, own: Arc<Services>) -> Result<Action, ReconcileError> {
    let services = api(&own.context.client, &*service);
    let done = finalizer(&services, FINALIZER, service, |event| async {
        match event {
            Event::Apply(service) => own.apply(&service).await,
            Event::Cleanup(service) => own.remove(&service).await.map(|()| Action::await_change()),
        }
    });
    done.await.map_err(ReconcileError::from_finalizer)
}

impl Services {
    async fn apply(self: &Arc<Self>, service: &InferenceService) -> Result<Action, ReconcileError> {
        let home = self.home(service);
        let runtimes: Api<ClusterServingRuntime> = Api::all(self.context.client.clone());
        let runtimes = runtimes.list(&ListParams::default()).await?.items;
        let all = workloads(service, &runtimes);
        let existing: BTreeSet<String> = all.iter().map(|(name, _)| name.clone()).collect();
        let desired: Vec<Workload> = all
            .iter()
            .filter_map(|(_, workload)| workload.clone().ok())
            .collect();
        for workload in &desired {
            home.keep(&workload.revision)?;
        }
        let found = self.servers(&home)?;
        let servers: Vec<Server> = found.iter().map(|(server, _)| server.clone()).collect();
        let before = home.assigned()?;
        let plan = decide(&desired, &existing, &before, &servers);

        if plan.assigned != before {
            home.assign(&plan.assigned)?;
            self.tell_changes(service, &before, &plan).await;
        }
        self.publish(service, &home, &plan);
        let mut again = plan.pause;
        for (id, place) in &plan.start {
            let Some(revision) = home.revision(id)? else {
                continue;
            };
            let key = (home.root().to_owned(), id.clone());
            match self.start(service, &home, &revision, *place).await? {
                Ok(()) => drop(lock(&self.refused).remove(&key)),
                Err(failure) => {
                    let known = lock(&self.refused).insert(key, failure.clone());
                    if known.as_ref() != Some(&failure) {
                        self.context
                            .tell(service, EventType::Warning, failure.reason, &failure.message)
                            .await;
                    }
                    again = Some(again.map_or(AGAIN, |other| other.min(AGAIN)));
                }
            }
        }
        for (server, attached) in &found {
            let Some(identity) = identity(attached) else {
                continue;
            };
            if plan.drain.contains(&server.number) || server.draining {
                home.mark(server.number, Mark::Draining)?;
                self.drain(&home, server, identity)?;
            } else {
                self.probe(&home, server, identity)?;
            }
        }
        for number in &plan.forget {
            home.forget_server(*number)?;
        }
        home.forget_revisions(|id| plan.keep.contains(id))?;

        let told = status(&Seen {
            service,
            workloads: &all,
            plan: &plan,
            failure: &|revision| self.failure(&home, &servers, revision),
            entry: self.context.config.traefik.entry.as_str().trim_end_matches('/'),
            now: &now(),
        });
        if service.status.as_ref() != Some(&told) {
            let mut written = service.clone();
            written.status = Some(told);
            write_status(&api(&self.context.client, service), &written).await?;
        }
        Ok(again.map_or_else(Action::await_change, Action::requeue))
    }

    /// Every start that was kept, as it is now.
    fn servers(&self, home: &Home) -> Result<Vec<(Server, Attached)>, ReconcileError> {
        let mut found = Vec::new();
        for number in home.numbers()? {
            let folder = home.server(number);
            let attached = self.context.launches.look(&folder, &self.context.services)?;
            if identity(&attached).is_none() {
                lock(&self.answers).remove(&folder);
            }
            let answer = lock(&self.answers).get(&folder).copied();
            if let Some(server) = home.seen(number, &attached, answer)? {
                found.push((server, attached));
            }
        }
        Ok(found)
    }

    fn publish(&self, service: &InferenceService, home: &Home, plan: &Plan) {
        let namespace = service.namespace().unwrap_or_default();
        let table = plan
            .ports
            .iter()
            .map(|(service, ports)| ((namespace.clone(), service.clone()), ports.clone()));
        self.context.backends.replace(home.root(), table.collect());
    }

    /// An Event for each Service that is answered for by another revision from now on.
    async fn tell_changes(&self, service: &InferenceService, before: &Assignments, plan: &Plan) {
        for (name, who) in &plan.assigned {
            if before.get(name).map(|before| &before.revision) != Some(&who.revision) {
                let note = format!("{name} is answered for by revision {}", who.revision);
                self.context
                    .tell(service, EventType::Normal, "RevisionServes", &note)
                    .await;
            }
        }
    }

    /// Why a revision does not get ready, if it has failed.
    fn failure(&self, home: &Home, servers: &[Server], revision: &str) -> Option<Failure> {
        let refused = lock(&self.refused)
            .get(&(home.root().to_owned(), revision.to_owned()))
            .cloned();
        if refused.is_some() {
            return refused;
        }
        let mut own: Vec<&Server> = servers
            .iter()
            .filter(|server| server.revision == revision && !server.state.runs())
            .collect();
        own.sort_by_key(|server| std::cmp::Reverse(server.number));
        let failed = failures(&own);
        let last = failed.first()?;
        let State::Ended { how, .. } = &last.state else {
            return None;
        };
        let log = home.server(last.number).join("log");
        let said = match tail(&log) {
            said if said.is_empty() => String::new(),
            said => format!(", its last lines: {said}"),
        };
        Some(Failure {
            reason: "RuntimeUnhealthy",
            message: format!("the server ended, {how}{said} (log {})", log.display()),
            times: failed
                .iter()
                .filter(|server| matches!(&server.state, State::Ended { was_ready: false, .. }))
                .count(),
        })
    }

    async fn remove(self: &Arc<Self>, service: &InferenceService) -> Result<(), ReconcileError> {
        let home = self.home(service);
        self.context.backends.remove(home.root());
        for (server, attached) in self.servers(&home)? {
            if let Some(identity) = identity(&attached) {
                self.context.in_force.left(server.port, LET_GO_OF_DELETED).await;
                processes::terminate(identity, DELETED_GRACE).await?;
            }
        }
        lock(&self.refused).retain(|(root, _), _| root != home.root());
        Ok(home.remove()?)
    }

    fn home(&self, service: &InferenceService) -> Home {
        let namespace = service.namespace().unwrap_or_default();
        let uid = service.uid().unwrap_or_default();
        Home::of(
            &self.context.config.serving,
            &namespace,
            &service.name_any(),
            &uid,
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("invariant: nobody panics with the lock")
}
