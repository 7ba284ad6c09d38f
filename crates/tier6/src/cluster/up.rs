//! Bringing a rung on Kubernetes up.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use endpoints::Endpoints;
use futures::stream::{FuturesUnordered, StreamExt, TryStreamExt};
use kube::Client;
use tokio::time::Instant;
use xshell::cmd;

use super::apply::{apply, delete};
use super::await_ready::{Seen, Wanted, all_ready};
use super::changes::{Action, ChangeSet};
use super::connect::connect;
use super::forward;
use super::inventory::{Applied, Installed, Inventory};
use super::kind::Kind;
use super::kinds::Kinds;
use super::order::{stages, startable};
use super::place::{self, Use};
use super::record::{RungRecord, Target};
use super::secrets;
use crate::component::{Component, Lock, Pinned, Rendered, Renderer};
use crate::daemon::DaemonRecord;
use crate::error::Tier6Error;
use crate::object::{Object, ObjectId};
use crate::state_dir::StateDir;
use crate::tool;

/// Applies that are under way at once: a small API server is not the faster for more.
const AT_ONCE: usize = 8;
/// How long an API server may take to answer, once its node has started.
const API_DEADLINE: Duration = Duration::from_secs(120);
/// What the ConfigMaps that tell steps where everything is are kept under.
pub(super) const ENDPOINTS: &str = "endpoints";

/// What to install, and where.
#[derive(Clone, Debug)]
pub struct Installation<'a> {
    /// The state folder.
    pub state: &'a StateDir,
    /// The components.
    pub pinned: &'a Pinned,
    /// What they render to.
    pub lock: &'a Lock,
    /// Where.
    pub target: Target,
    /// The configuration of the kind cluster, where it is another than `tier6/kind.yaml`.
    pub kind_config: Option<&'a Path>,
    /// The program and its arguments that call [`forward`](super::forward) for this state folder.
    pub forwarder: (&'a Path, &'a [String]),
}

/// What happens on the way up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Something that concerns no one component.
    Said(&'a str),
    /// A component is worked on; what is waited for.
    Component {
        /// Its name.
        name: &'a str,
        /// `applying`, or what is waited for.
        detail: &'a str,
        /// Whether something keeps it that somebody may have to mend.
        is_trouble: bool,
    },
    /// A component is ready.
    Ready {
        /// Its name.
        name: &'a str,
        /// What was changed.
        changes: &'a ChangeSet,
        /// How long it took from its beginning.
        took: Duration,
    },
}

/// The rung is up.
#[derive(Clone, Debug)]
pub struct UpReport {
    /// Where everything is, for this machine.
    pub endpoints: Endpoints,
    /// What was done to which object.
    pub changes: ChangeSet,
    /// Components that are ready.
    pub components: usize,
    /// Until the API server answered.
    pub cluster_took: Duration,
    /// All of it.
    pub took: Duration,
}

/// Installs the components, each as soon as those that it depends on are ready, and returns as soon as all are, or one
/// has failed. May be interrupted and repeated; what is as it should be is not written.
///
/// # Errors
/// [`Tier6Error::OtherRung`] where the state folder has another; [`Tier6Error::Drift`], [`Tier6Error::Tool`],
/// [`Tier6Error::Unfit`] before anything is changed; [`Tier6Error::Foreign`], [`Tier6Error::NotReady`],
/// [`Tier6Error::Kubernetes`].
pub async fn up(
    installation: &Installation<'_>,
    renderer: &Renderer,
    progress: impl FnMut(Progress<'_>),
) -> Result<UpReport, Tier6Error> {
    let start = Instant::now();
    let Installation { state, target, .. } = installation;
    let progress = RefCell::new(progress);
    let tell = |news: Progress<'_>| (progress.borrow_mut())(news);
    let record = claim(state, target)?;
    let chosen: Vec<&Component> = installation
        .pinned
        .components
        .iter()
        .filter(|component| component.is_on(target.rung()))
        .collect();
    let mut rendered = BTreeMap::new();
    for component in &chosen {
        let locked = installation.lock.component(&component.name)?;
        rendered.insert(component.name.clone(), renderer.locked(component, locked)?);
    }
    record.write(state)?;
    reach(installation, &record.ports, &mut |line| {
        tell(Progress::Said(line))
    })?;
    let client = connect(&state.kubeconfig()).await?;
    answers(&client, &installation.pinned.whole.kubernetes).await?;
    let cluster_took = start.elapsed();
    let session = Session {
        kinds: Kinds::new(client.clone()),
        inventory: Inventory::new(client.clone()),
        tell: &tell,
    };
    session.inventory.prepare().await?;
    let installed = session.inventory.read().await?;
    let mut changes = session.all(&chosen, &rendered, &installed).await?;
    for (name, gone) in &installed {
        if name != ENDPOINTS && !rendered.contains_key(name) {
            changes.extend(session.prune(name, gone, &BTreeSet::new()).await?);
            session.inventory.forget(name).await?;
        }
    }
    changes.extend(
        session
            .tell_steps(target.name(), installed.get(ENDPOINTS))
            .await?,
    );
    if let Target::Cluster { .. } = target {
        let (program, arguments) = installation.forwarder;
        forward::ensure(state, program, arguments)?;
    }
    let (namespace, name, key) = place::CATALOG_PASSWORD;
    let password = secrets::read(&client, namespace, name)
        .await?
        .remove(key)
        .unwrap_or_default();
    let endpoints = place::on_this_machine(target.name(), &record.ports, &state.kubeconfig(), &password);
    endpoints.write(&state.endpoints())?;
    Ok(UpReport {
        endpoints,
        changes,
        components: chosen.len(),
        cluster_took,
        took: start.elapsed(),
    })
}

/// The record of this state folder's rung; made where there is none.
fn claim(state: &StateDir, target: &Target) -> Result<RungRecord, Tier6Error> {
    let other = |rung: String| Tier6Error::OtherRung {
        folder: state.root().to_owned(),
        rung,
    };
    if DaemonRecord::of_running(state)?.is_some() {
        return Err(other("embedded".into()));
    }
    match RungRecord::read(state)? {
        Some(record) if record.target == *target => Ok(record),
        Some(record) => Err(other(match record.target {
            Target::Kind => "kind".into(),
            Target::Cluster { context } => format!("cluster, context {context}"),
        })),
        None => Ok(RungRecord {
            target: target.clone(),
            ports: place::free_ports()?,
        }),
    }
}

/// Makes the cluster where it is ours to make, and writes a kubeconfig that leads to it and to nothing else.
fn reach(
    installation: &Installation<'_>,
    ports: &BTreeMap<Use, u16>,
    say: &mut dyn FnMut(&str),
) -> Result<(), Tier6Error> {
    let state = installation.state;
    let kubeconfig = match &installation.target {
        Target::Kind => {
            let own = installation.pinned.folder.join("kind.yaml");
            let kind = Kind::of(state)?;
            kind.ensure(installation.kind_config.unwrap_or(&own), ports, say)?;
            kind.kubeconfig()?
        }
        Target::Cluster { context } => {
            let sh = tool::shell()?;
            tool::read(
                "kubectl",
                cmd!(
                    sh,
                    "kubectl config view --minify --flatten --raw --context {context}"
                ),
            )?
        }
    };
    let path = state.kubeconfig();
    processes::write_durably(&path, kubeconfig.as_bytes(), 0o600).map_err(Tier6Error::file(path))
}

/// Waits until the API server answers, and looks at its version. There is nothing to watch on a server that is not
/// there, so it is asked again.
async fn answers(client: &Client, oldest: &str) -> Result<(), Tier6Error> {
    let deadline = Instant::now() + API_DEADLINE;
    let found = loop {
        match client.apiserver_version().await {
            Ok(found) => break found,
            Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(500)).await,
            Err(error) => return Err(Tier6Error::kubernetes("the API server")(error)),
        }
    };
    let told = format!("{}.{}", found.major, found.minor.trim_end_matches('+'));
    if tool::version(&told) < tool::version(oldest) {
        return Err(Tier6Error::Kubernetes {
            object: "the API server".into(),
            reason: format!("it is Kubernetes {told}; the components need {oldest} or later"),
        });
    }
    Ok(())
}

/// One installation under way.
struct Session<'a> {
    kinds: Kinds,
    inventory: Inventory,
    tell: &'a dyn Fn(Progress<'_>),
}

impl Session<'_> {
    /// Every component, as soon as it can be begun.
    async fn all(
        &self,
        chosen: &[&Component],
        rendered: &BTreeMap<String, Rendered>,
        installed: &BTreeMap<String, Installed>,
    ) -> Result<ChangeSet, Tier6Error> {
        let (mut ready, mut begun) = (BTreeSet::new(), BTreeSet::new());
        let mut under_way = FuturesUnordered::new();
        let mut changes = ChangeSet::default();
        loop {
            for component in startable(chosen, &ready, &begun) {
                begun.insert(component.name.clone());
                let render = &rendered[&component.name];
                let before = installed.get(&component.name);
                under_way.push(async move {
                    let since = Instant::now();
                    let changes = Box::pin(self.component(component, render, before)).await?;
                    Ok::<_, Tier6Error>((component, changes, since.elapsed()))
                });
            }
            let Some((component, done, took)) = under_way.try_next().await? else {
                return Ok(changes);
            };
            (self.tell)(Progress::Ready {
                name: &component.name,
                changes: &done,
                took,
            });
            changes.extend(done);
            ready.insert(component.name.clone());
        }
    }

    /// One component, to the end.
    async fn component(
        &self,
        component: &Component,
        rendered: &Rendered,
        before: Option<&Installed>,
    ) -> Result<ChangeSet, Tier6Error> {
        let name = component.name.as_str();
        let deadline = Instant::now() + Duration::from_secs(component.deadline_seconds);
        let detail = |seen: Seen| {
            (self.tell)(Progress::Component {
                name,
                detail: &seen.text,
                is_trouble: seen.is_trouble,
            });
        };
        detail(Seen {
            text: "applying".into(),
            is_trouble: false,
        });
        let wanted: BTreeSet<ObjectId> = component
            .secrets
            .iter()
            .map(|secret| ObjectId {
                api_version: "v1".into(),
                kind: "Secret".into(),
                namespace: Some(secret.namespace.clone()),
                name: secret.name.clone(),
            })
            .chain(rendered.objects.iter().map(|object| object.id().clone()))
            .collect();
        let none = Installed::default();
        let before = before.unwrap_or(&none);
        if !wanted.iter().all(|id| before.objects.contains_key(id)) {
            let mut begun = before.clone();
            begun.is_whole = false;
            for id in &wanted {
                begun.objects.entry(id.clone()).or_default();
            }
            self.inventory.write(name, &begun).await?;
        }
        let work = Work {
            component: name,
            before,
            deadline,
            after: RefCell::default(),
        };
        let mut changes = ChangeSet::default();
        let stages = stages(&rendered.objects);
        changes.extend(self.apply(&work, &stages.definitions).await?);
        let definitions = stages.definitions.iter().map(|object| wait_for(object.id()));
        // They take a moment, and all of them: nothing to tell.
        let quiet = |_: Seen| ();
        all_ready(
            &self.kinds,
            name,
            &definitions.collect::<Vec<_>>(),
            deadline,
            &quiet,
        )
        .await?;
        for secret in &component.secrets {
            let object = secrets::object(self.kinds.client(), secret).await?;
            changes.extend(self.apply(&work, &[&object]).await?);
        }
        for rank in &stages.ranks {
            changes.extend(self.apply(&work, rank).await?);
        }
        let workloads: Vec<Wanted> = stages
            .ranks
            .iter()
            .flatten()
            .map(|object| wait_for(object.id()))
            .filter(|wanted| {
                matches!(
                    wanted.id.kind.as_str(),
                    "Deployment" | "StatefulSet" | "DaemonSet"
                )
            })
            .collect();
        all_ready(&self.kinds, name, &workloads, deadline, &detail).await?;
        changes.extend(self.apply(&work, &stages.own_kinds).await?);
        let conditions: Vec<Wanted> = component
            .ready
            .iter()
            .map(|condition| Wanted {
                id: ObjectId {
                    api_version: condition.api_version.clone(),
                    kind: condition.kind.clone(),
                    namespace: condition.namespace.clone(),
                    name: condition.name.clone(),
                },
                condition: Some(condition.condition.clone()),
            })
            .collect();
        all_ready(&self.kinds, name, &conditions, deadline, &detail).await?;
        changes.extend(self.prune(name, before, &wanted).await?);
        self.conclude(work).await?;
        Ok(changes)
    }

    /// Applies objects that do not need each other.
    async fn apply(&self, work: &Work<'_>, objects: &[&Object]) -> Result<ChangeSet, Tier6Error> {
        let mut done = futures::stream::iter(objects)
            .map(|object| async move {
                let last = work.before.objects.get(object.id()).and_then(Option::as_ref);
                let (action, applied) =
                    apply(&self.kinds, work.component, object, last, work.deadline).await?;
                Ok::<_, Tier6Error>((object.id(), action, applied))
            })
            .buffered(AT_ONCE);
        let mut changes = ChangeSet::default();
        while let Some((id, action, applied)) = done.try_next().await? {
            changes.add(work.component, id, action);
            work.after.borrow_mut().insert(id.clone(), Some(applied));
        }
        Ok(changes)
    }

    /// Writes down what is installed now, where that is another than before.
    async fn conclude(&self, work: Work<'_>) -> Result<(), Tier6Error> {
        let whole = Installed {
            is_whole: true,
            objects: work.after.into_inner(),
        };
        if *work.before == whole {
            return Ok(());
        }
        self.inventory.write(work.component, &whole).await
    }

    /// Deletes what was installed and is not wanted any more.
    async fn prune(
        &self,
        component: &str,
        before: &Installed,
        wanted: &BTreeSet<ObjectId>,
    ) -> Result<ChangeSet, Tier6Error> {
        let mut changes = ChangeSet::default();
        for id in before.objects.keys().filter(|id| !wanted.contains(id)) {
            if delete(&self.kinds, id).await? {
                changes.add(component, id, Action::Deleted);
            }
        }
        Ok(changes)
    }

    /// The ConfigMaps by which steps find everything.
    async fn tell_steps(&self, rung: &str, before: Option<&Installed>) -> Result<ChangeSet, Tier6Error> {
        let maps = place::config_maps(&place::inside(rung))?;
        let none = Installed::default();
        let work = Work {
            component: ENDPOINTS,
            before: before.unwrap_or(&none),
            deadline: Instant::now(),
            after: RefCell::default(),
        };
        let changes = self.apply(&work, &maps.iter().collect::<Vec<_>>()).await?;
        self.conclude(work).await?;
        Ok(changes)
    }
}

/// One component under way.
struct Work<'a> {
    component: &'a str,
    before: &'a Installed,
    deadline: Instant,
    /// What is applied.
    after: RefCell<BTreeMap<ObjectId, Option<Applied>>>,
}

fn wait_for(id: &ObjectId) -> Wanted {
    Wanted {
        id: id.clone(),
        condition: None,
    }
}
