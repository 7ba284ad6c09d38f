//! Starting, probing and draining model servers.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use processes::ProcessIdentity;
use resources::InferenceService;
use tokio::time::sleep;

use super::decide::{CONVINCING, Server, State};
use super::desired::Revision;
use super::files::{Home, Mark, Started};
use super::launch::{LaunchError, Place, choose, free_port, launch, pre_stop};
use super::probe::{Answer, Probes};
use super::status::Failure;
use super::storage::fetch as fetch_model;
use super::{Services, lock};
use crate::container::{ContainerError, Referenced};
use crate::error::ReconcileError;
use crate::launches::scratch;
use crate::references::fetch;

/// How long Traefik may take to let go of a server.
const LET_GO: Duration = Duration::from_secs(15);

impl Services {
    /// Starts a server. The inner error is the revision's: told in the status, and tried again later.
    pub(super) async fn start(
        self: &Arc<Self>,
        service: &InferenceService,
        home: &Home,
        revision: &Revision,
        place: usize,
    ) -> Result<Result<(), Failure>, ReconcileError> {
        if let Err(refusal) = Probes::of(&revision.container) {
            return Ok(Err(failed(refusal.reason, refusal.message)));
        }
        std::fs::create_dir_all(home.root()).map_err(ReconcileError::file(home.root()))?;
        let (uri, model) = (revision.storage_uri.clone(), home.model(&revision.id));
        let to = model.clone();
        let fetched = tokio::task::spawn_blocking(move || fetch_model(&uri, &to)).await;
        if let Err(error) = fetched.expect("invariant: copying does not panic") {
            return Ok(Err(failed("ModelLoadFailed", error.to_string())));
        }
        let namespace = service.namespace().unwrap_or_default();
        let objects = fetch(
            &self.context.client,
            &namespace,
            &Referenced::by(&revision.container),
        )
        .await?;
        let number = home.next_number()?;
        let port = free_port()?;
        let images = &self.context.config.images;
        let base = self.context.process_environment();
        let at = Place {
            folder: home.server(number),
            model,
            port,
        };
        let (launch, image) = match launch(service, revision, images, &objects, &base, &at) {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(refused(&error))),
        };
        let started = Started {
            revision: revision.id.clone(),
            place,
            port,
        };
        home.prepare(number, &started)?;
        scratch(&image.workdir, &launch.cwd).map_err(ReconcileError::file(&launch.cwd))?;
        let workers = &self.context.config.workers;
        let chosen = choose(workers, &image, &launch);
        let (launches, pulse) = (&self.context.launches, &self.context.services);
        let Some(identity) = launches.launch(workers, chosen, launch, pulse)? else {
            return Ok(Ok(()));
        };
        let server = Server {
            number,
            revision: revision.id.clone(),
            place,
            port,
            state: State::Starting,
            draining: false,
        };
        self.probe(home, &server, &identity).map(Ok)
    }

    /// Probes a server until it ends; once, however often it is asked for.
    pub(super) fn probe(
        self: &Arc<Self>,
        home: &Home,
        server: &Server,
        identity: &ProcessIdentity,
    ) -> Result<(), ReconcileError> {
        let folder = home.server(server.number);
        let Some(revision) = home.revision(&server.revision)? else {
            return Ok(());
        };
        // A revision whose probes are unknown was refused before it was started.
        let Ok(probes) = Probes::of(&revision.container) else {
            return Ok(());
        };
        if !lock(&self.probed).insert(folder.clone()) {
            return Ok(());
        }
        let known = (server.state == State::Ready).then_some(Answer::Ready);
        let (own, home, identity, port, number) = (
            self.clone(),
            home.clone(),
            identity.clone(),
            server.port,
            server.number,
        );
        let grace = Duration::from_secs(revision.grace_seconds);
        tokio::spawn(async move {
            let telling = own.clone();
            let place = folder.clone();
            let asked = probes.watch(&own.context.http, port, known, move |answer| {
                if answer == Answer::Ready
                    && let Err(error) = home.mark(number, Mark::Ready)
                {
                    tracing::warn!(%error, "cannot note that a server is ready");
                }
                lock(&telling.answers).insert(place.clone(), answer);
                telling.context.services.beat();
            });
            tokio::select! {
                () = asked => {
                    tracing::warn!(folder = %folder.display(), "a server does not answer its probes and is ended");
                    own.end(&identity, grace).await;
                }
                _ = processes::wait(&identity, &folder) => {}
            }
            lock(&own.probed).remove(&folder);
        });
        Ok(())
    }

    /// Ends a server that gets no more requests: when Traefik has let go of it and what it still answers has had the
    /// time that its runtime declares. Once, however often it is asked for.
    pub(super) fn drain(
        self: &Arc<Self>,
        home: &Home,
        server: &Server,
        identity: &ProcessIdentity,
    ) -> Result<(), ReconcileError> {
        let folder = home.server(server.number);
        if !lock(&self.draining).insert(folder.clone()) {
            return Ok(());
        }
        let revision = home.revision(&server.revision)?;
        let grace = revision.as_ref().map_or(Duration::ZERO, |revision| {
            Duration::from_secs(revision.grace_seconds)
        });
        let pre_stop = revision.map_or(Duration::ZERO, |revision| pre_stop(&revision.container));
        let (own, identity, port) = (self.clone(), identity.clone(), server.port);
        tokio::spawn(async move {
            own.context.in_force.left(port, LET_GO).await;
            sleep(pre_stop).await;
            own.end(&identity, grace).await;
            lock(&own.draining).remove(&folder);
        });
        Ok(())
    }

    async fn end(&self, identity: &ProcessIdentity, grace: Duration) {
        if let Err(error) = processes::terminate(identity, grace).await {
            tracing::warn!(%error, "cannot end a server");
        }
    }
}

fn refused(error: &LaunchError) -> Failure {
    let reason = match error {
        LaunchError::Image(_) => "RuntimeUnhealthy",
        LaunchError::Container(ContainerError::MissingObject { .. } | ContainerError::MissingKey { .. }) => {
            "RuntimeUnhealthy"
        }
        LaunchError::Container(_) => "InvalidPredictorSpec",
    };
    failed(reason, error.to_string())
}

/// What a start that cannot even be tried is to a person: no use waiting.
fn failed(reason: &'static str, message: String) -> Failure {
    Failure {
        reason,
        message,
        times: CONVINCING,
    }
}
