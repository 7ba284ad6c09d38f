//! Experiments: a tuner process each, and their status from the records that it leaves.

mod decide;
mod description;
mod record;
mod status;
mod template;
mod tuner;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use inotify::{Inotify, WatchMask, Watches};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::Controller;
use kube::runtime::controller::{self, Action as Requeue};
use kube::runtime::events::EventType;
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use processes::{Attached, write_durably};
use resources::Experiment;
use resources::experiment::{ExperimentStatus, ObjectiveType};

use crate::container::Referenced;
use crate::context::{Context, FINALIZER, after_error, api, drained, now, write_status};
use crate::error::ReconcileError;
use crate::references::fetch;
use decide::{Action, Description as Freshness, LAUNCHES, Observed, decide};
use description::{DescriptionError, describe};
pub(crate) use record::RecordError;
use record::{Record, State, trials, verdict};
use status::status;
use template::{Template, program};
pub(crate) use tuner::install;
use tuner::{GRACE, Tuners};

/// Several trials that end at once are one look.
const DEBOUNCE: Duration = Duration::from_millis(20);

/// Watches the folders of experiments that run: a record that is written or a verdict is a reason to look.
pub(crate) struct RecordWatch {
    watches: Mutex<Watches>,
}

impl RecordWatch {
    fn add(&self, folder: &std::path::Path) -> Result<(), ReconcileError> {
        std::fs::create_dir_all(folder).map_err(ReconcileError::file(folder))?;
        let mut watches = self
            .watches
            .lock()
            .expect("invariant: nobody panics with the lock");
        // The same folder again is the same watch; a removed folder takes its watch with it.
        watches
            .add(folder, WatchMask::MOVED_TO)
            .map(drop)
            .map_err(ReconcileError::file(folder))
    }
}

/// What the controller of experiments has for itself.
pub(crate) struct Experiments {
    context: Arc<Context>,
    records: RecordWatch,
    /// The tuner's entry point.
    program: PathBuf,
}

/// Runs until `shutdown`.
pub(crate) async fn run(
    context: Arc<Context>,
    program: PathBuf,
    inotify: Inotify,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let pulse = context.experiments.clone();
    let experiments = Arc::new(Experiments {
        records: RecordWatch {
            watches: Mutex::new(inotify.watches()),
        },
        program,
        context: context.clone(),
    });
    let listening = tokio::spawn(listen(inotify, pulse.clone()));
    let api: Api<Experiment> = Api::all(context.client.clone());
    let results = Controller::new(api, watcher::Config::default())
        .with_config(controller::Config::default().debounce(DEBOUNCE))
        .reconcile_all_on(pulse.beats())
        .graceful_shutdown_on(shutdown)
        .run(
            reconcile,
            |object, error, own: Arc<Experiments>| after_error(object, error, own.context.clone()),
            experiments,
        );
    drained(results).await;
    listening.abort();
}

async fn listen(inotify: Inotify, pulse: crate::launches::Pulse) {
    let mut events = match inotify.into_event_stream(vec![0; 16 * 1024]) {
        Ok(events) => events,
        Err(error) => return tracing::error!(%error, "cannot listen for trial records"),
    };
    while let Some(event) = events.next().await {
        if let Err(error) = event {
            tracing::warn!(%error, "cannot hear of trial records");
        }
        pulse.beat();
    }
}

async fn reconcile(experiment: Arc<Experiment>, own: Arc<Experiments>) -> Result<Requeue, ReconcileError> {
    let experiments = api(&own.context.client, &*experiment);
    let done = finalizer(&experiments, FINALIZER, experiment, |event| async {
        match event {
            Event::Apply(experiment) => apply(&experiment, &own).await,
            Event::Cleanup(experiment) => remove(&experiment, &own).await.map(|()| Requeue::await_change()),
        }
    });
    done.await.map_err(ReconcileError::from_finalizer)
}

async fn apply(experiment: &Experiment, own: &Experiments) -> Result<Requeue, ReconcileError> {
    let before = experiment.status.clone().unwrap_or_default();
    if before.is_completed() {
        return Ok(Requeue::await_change());
    }
    let directory = directory(experiment, own);
    own.records.add(&directory.join("trials"))?;
    own.records.add(&directory)?;

    // What cannot be described matters to a launch; a tuner that runs has its description.
    let described = description_of(experiment, own).await?.map(|(description, env)| {
        let text = serde_json::to_vec_pretty(&description).expect("invariant: string keys");
        (text, env)
    });
    let records = trials(&directory)?;
    let verdict = verdict(&directory)?;
    let path = directory.join("experiment.json");
    let freshness = match (&described, std::fs::read(&path)) {
        (Ok((description, _)), Ok(written)) if written != *description => Freshness::Outdated,
        _ => Freshness::Current,
    };
    let tuners = Tuners::of(&directory);
    let last = tuners.last(&own.context.launches, &own.context.experiments)?;
    let over = records.iter().filter(|record| !record.state.is_open()).count();
    let observed = Observed {
        completed: false,
        verdict: verdict.is_some(),
        open: records.len() - over,
        tuner: tuners.seen(last.as_ref(), over, freshness)?,
    };
    let mut again = Requeue::await_change();
    match decide(&observed) {
        Action::Launch => {
            let (description, trial_env) = match described {
                Ok(described) => described,
                Err(error) => return give_up(experiment, own, &before, &records, &error.to_string()).await,
            };
            write_durably(&path, &description, 0o600).map_err(ReconcileError::file(&path))?;
            let config = &own.context.config;
            tuners.launch(
                config,
                &own.program,
                &trial_env,
                over,
                &own.context.launches,
                &own.context.experiments,
            )?;
            if let Some(last) = &last {
                let note = format!(
                    "launch {} of the tuner ended before a verdict; it continues\n{}",
                    last.number,
                    tuners.said()
                );
                own.context
                    .tell(experiment, EventType::Warning, "TunerRestarted", &note)
                    .await;
            }
        }
        Action::Stop => {
            if let Some(Attached::Running(identity)) = last.map(|last| last.attached) {
                processes::terminate(&identity, GRACE).await?;
            }
        }
        Action::Pause(left) => again = Requeue::requeue(left),
        Action::GiveUp => {
            let message = format!(
                "the tuner ended {LAUNCHES} times in a row without a trial: {}",
                tuners.said()
            );
            return give_up(experiment, own, &before, &records, &message).await;
        }
        Action::Await | Action::Rest => {}
        Action::Conclude => {
            let told = status(&before, direction(experiment), &records, verdict.as_ref(), &now());
            tell_trials(experiment, own, &before, &records).await;
            let verdict = verdict.expect("invariant: concluded only with a verdict");
            let type_ = match verdict.kind {
                record::Kind::Succeeded => EventType::Normal,
                record::Kind::Failed => EventType::Warning,
            };
            own.context
                .tell(experiment, type_, &verdict.reason, &verdict.message)
                .await;
            return write(experiment, own, &before, told)
                .await
                .map(|()| Requeue::await_change());
        }
    }
    let told = status(&before, direction(experiment), &records, None, &now());
    tell_trials(experiment, own, &before, &records).await;
    write(experiment, own, &before, told).await?;
    Ok(again)
}

/// The Experiment for the tuner; the inner error is one that waiting does not mend.
async fn description_of(
    experiment: &Experiment,
    own: &Experiments,
) -> Result<
    Result<
        (
            description::Description,
            std::collections::BTreeMap<String, String>,
        ),
        DescriptionError,
    >,
    ReconcileError,
> {
    let client = &own.context.client;
    let source = experiment
        .spec
        .trial_template
        .as_ref()
        .and_then(|template| template.config_map.as_ref());
    let text = match source {
        Some(source) => {
            let namespace = source
                .config_map_namespace
                .clone()
                .or_else(|| experiment.namespace());
            let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace.unwrap_or_default());
            let map = maps
                .get_opt(source.config_map_name.as_deref().unwrap_or_default())
                .await?;
            let key = source.template_path.as_deref().unwrap_or_default();
            map.and_then(|map| map.data.unwrap_or_default().remove(key))
        }
        None => None,
    };
    let template = match Template::of(experiment, text.as_deref()) {
        Ok(template) => template,
        Err(error) => return Ok(Err(error)),
    };
    let referenced = Referenced::by(&template.container);
    let objects = fetch(client, &experiment.namespace().unwrap_or_default(), &referenced).await?;
    let base = own.context.process_environment();
    let mark = own.context.mark();
    let images = &own.context.config.images;
    let described = program(experiment, &template, images, &objects, &base, &mark)
        .and_then(|program| describe(experiment, &template, program));
    Ok(described)
}

/// Ends an Experiment that nobody can carry out.
async fn give_up(
    experiment: &Experiment,
    own: &Experiments,
    before: &ExperimentStatus,
    records: &[Record],
    message: &str,
) -> Result<Requeue, ReconcileError> {
    let tuners = Tuners::of(&directory(experiment, own));
    tuners.end(&own.context.config, &own.program, None).await?;
    let mut told = status(before, direction(experiment), records, None, &now());
    told.mark_failed(message, &now());
    own.context
        .tell(experiment, EventType::Warning, "ExperimentFailed", message)
        .await;
    write(experiment, own, before, told).await?;
    Ok(Requeue::await_change())
}

async fn write(
    experiment: &Experiment,
    own: &Experiments,
    before: &ExperimentStatus,
    mut told: ExperimentStatus,
) -> Result<(), ReconcileError> {
    if told == *before {
        return Ok(());
    }
    told.last_reconcile_time = Some(now());
    let mut written = experiment.clone();
    written.status = Some(told);
    write_status(&api(&own.context.client, experiment), &written).await?;
    Ok(())
}

/// An Event for each trial that has failed since the status was written.
async fn tell_trials(
    experiment: &Experiment,
    own: &Experiments,
    before: &ExperimentStatus,
    records: &[Record],
) {
    for record in records {
        let (told, reason) = match record.state {
            State::Failed => (&before.failed_trial_list, "TrialFailed"),
            State::MetricsUnavailable => (&before.metrics_unavailable_trial_list, "TrialMetricsUnavailable"),
            _ => continue,
        };
        if !told.contains(&record.name) {
            let note = format!("{}: {}", record.name, record.message);
            own.context
                .tell(experiment, EventType::Warning, reason, &note)
                .await;
        }
    }
}

async fn remove(experiment: &Experiment, own: &Experiments) -> Result<(), ReconcileError> {
    let directory = directory(experiment, own);
    let tuners = Tuners::of(&directory);
    let last = tuners.last(&own.context.launches, &own.context.experiments)?;
    let running = match last.as_ref().map(|last| &last.attached) {
        Some(Attached::Running(identity)) => Some(identity),
        _ => None,
    };
    tuners.end(&own.context.config, &own.program, running).await?;
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ReconcileError::file(&directory)(error))
        }
        _ => Ok(()),
    }
}

fn direction(experiment: &Experiment) -> Option<&ObjectiveType> {
    experiment.spec.objective.as_ref()?.type_.as_ref()
}

/// Of this object: one that takes its name later has another.
fn directory(experiment: &Experiment, own: &Experiments) -> PathBuf {
    let uid = experiment.uid().unwrap_or_default();
    let name = format!("{}-{}", experiment.name_any(), uid.get(..8).unwrap_or(&uid));
    own.context
        .config
        .experiments
        .join(experiment.namespace().unwrap_or_default())
        .join(name)
}
