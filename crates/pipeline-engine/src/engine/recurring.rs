//! Recurring runs.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use pipeline_spec::bind_parameters;

use super::{Engine, parse, supported};
use crate::error::EngineError;
use crate::model::{
    ExperimentId, ListOptions, NewRecurringRun, NewRun, Page, PipelineSource, RecurringFailure,
    RecurringPipeline, RecurringRun, RecurringRunId, RunId, Trigger, VersionReference,
};
use crate::recurring::Pattern;
use crate::store::recurring;

/// How many runs of one recurring run may be under way at once (`toModelJob`,
/// backend/src/apiserver/server/api_converter.go @2.17.0).
const CONCURRENCY: std::ops::RangeInclusive<u32> = 1..=10;

impl Engine {
    /// Makes a recurring run. Once this returns it is durable; its first run is asked for at its first time.
    ///
    /// # Errors
    /// [`EngineError::Spec`], [`EngineError::Unsupported`], [`EngineError::Parameter`], [`EngineError::NotFound`] of
    /// pipeline, version or experiment, [`EngineError::Precondition`] for an experiment that is put away,
    /// [`EngineError::Invalid`] without a name, for a concurrency beyond 1 to 10, and for a schedule that makes no sense.
    pub async fn create_recurring_run(&self, new: NewRecurringRun) -> Result<RecurringRun, EngineError> {
        if new.display_name.is_empty() {
            return Err(EngineError::Invalid("a recurring run needs a name".to_owned()));
        }
        if !CONCURRENCY.contains(&new.max_concurrency) {
            return Err(EngineError::Invalid(format!(
                "Max concurrency of a recurring run must be at least 1 and at most 10. Received {}",
                new.max_concurrency
            )));
        }
        let trigger = whole_seconds(new.trigger)?;
        let named = match &new.source {
            PipelineSource::Inline(_) => None,
            PipelineSource::Version { pipeline, version } => Some(RecurringPipeline {
                pipeline: *pipeline,
                version: *version,
            }),
        };
        let store = self.store();
        let (package, _) = store.source(new.source).await?;
        let pipeline = parse(&package)?;
        supported(&pipeline, &self.inner.shared)?;
        bind_parameters(&pipeline.spec().root.inputs, &new.parameters)?;
        let now = self.config().clock.now();
        let record = RecurringRun {
            id: RecurringRunId::random(),
            display_name: new.display_name,
            description: new.description,
            experiment: store.experiment_for_run(new.experiment).await?,
            pipeline: named,
            package: named.is_none().then(|| pipeline.to_json()),
            parameters: new.parameters,
            pipeline_root: new.pipeline_root,
            service_account: new.service_account,
            max_concurrency: new.max_concurrency,
            catch_up: new.catch_up,
            trigger,
            enabled: new.enabled,
            created_at: now,
            updated_at: now,
            last_scheduled_at: None,
            failure: None,
        };
        let newest_each_time = named.is_some_and(|of| of.version.is_none());
        store
            .insert_recurring_run(record.clone(), (!newest_each_time).then_some(package))
            .await?;
        self.recurring_runs_changed();
        Ok(record)
    }

    /// A recurring run, with its package where that was given with it.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn recurring_run(&self, id: RecurringRunId) -> Result<RecurringRun, EngineError> {
        self.store().recurring_run(id).await
    }

    /// Recurring runs, of one experiment or of all, without packages.
    ///
    /// # Errors
    /// [`EngineError::Invalid`].
    pub async fn recurring_runs(
        &self,
        experiment: Option<ExperimentId>,
        options: ListOptions,
    ) -> Result<Page<RecurringRun>, EngineError> {
        self.store().recurring_runs(experiment, options).await
    }

    /// Lets a recurring run run. What becomes of the times that passed meanwhile, its [`crate::CatchUp`] says.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where its experiment is put away.
    pub async fn enable_recurring_run(&self, id: RecurringRunId) -> Result<(), EngineError> {
        self.turn_recurring_run(id, true).await
    }

    /// Keeps a recurring run from running. Runs that are under way go on.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn disable_recurring_run(&self, id: RecurringRunId) -> Result<(), EngineError> {
        self.turn_recurring_run(id, false).await
    }

    async fn turn_recurring_run(&self, id: RecurringRunId, enabled: bool) -> Result<(), EngineError> {
        let now = self.config().clock.now();
        self.store().enable_recurring_run(id, enabled, now).await?;
        self.recurring_runs_changed();
        Ok(())
    }

    /// Forgets a recurring run. Its runs stay.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn delete_recurring_run(&self, id: RecurringRunId) -> Result<(), EngineError> {
        self.store().delete_recurring_run(id).await?;
        self.recurring_runs_changed();
        Ok(())
    }

    pub(crate) async fn enabled_recurring_runs(&self) -> Result<Vec<RecurringRunId>, EngineError> {
        self.store().enabled_recurring_runs().await
    }

    pub(crate) async fn recurring_run_now(
        &self,
        id: RecurringRunId,
    ) -> Result<Option<(RecurringRun, u64)>, EngineError> {
        self.store().recurring_run_now(id).await
    }

    /// Asks for the run of that time. Where it cannot be made, that is noted with the recurring run.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn run_recurring(
        &self,
        recurring: &RecurringRun,
        scheduled: Timestamp,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        match self.try_recurring(recurring, scheduled, now).await {
            Err(error @ (EngineError::Closed | EngineError::Store(_))) => Err(error),
            Err(error) => {
                tracing::warn!(recurring_run = %recurring.id, %scheduled, "no run could be made: {error}");
                let failure = RecurringFailure {
                    message: error.to_string(),
                    at: now,
                };
                self.store().recurring_run_failed(recurring.id, failure).await
            }
            Ok(()) => Ok(()),
        }
    }

    async fn try_recurring(
        &self,
        recurring: &RecurringRun,
        scheduled: Timestamp,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let id = recurring.id;
        let source: (String, Option<VersionReference>) = self.store().recurring_source(id).await?;
        let new = NewRun {
            id: Some(RunId::scheduled(id, scheduled)),
            description: recurring.description.clone(),
            experiment: Some(recurring.experiment),
            parameters: recurring.parameters.clone(),
            pipeline_root: recurring.pipeline_root.clone(),
            service_account: recurring.service_account.clone(),
            scheduled_at: Some(scheduled),
            ..NewRun::of(
                format!("{} {scheduled}", recurring.display_name),
                PipelineSource::Inline(String::new()),
            )
        };
        let made = self.make_run(new, source, Some(id)).await?;
        self.begin_run(made, move |connection| {
            recurring::asked_for(connection, id, scheduled, now)
        })
        .await?;
        Ok(())
    }
}

/// A trigger that makes sense, its times whole seconds, which is what KFP keeps.
fn whole_seconds(trigger: Trigger) -> Result<Trigger, EngineError> {
    let whole = |time: Option<Timestamp>| {
        let floor = TimestampRound::new()
            .smallest(Unit::Second)
            .mode(RoundMode::Floor);
        time.map(|time| time.round(floor).unwrap_or(time))
    };
    let ordered = |start: Option<Timestamp>, end: Option<Timestamp>| match (start, end) {
        (Some(start), Some(end)) if end < start => Err(EngineError::Invalid(format!(
            "the schedule ends at {end}, before it starts at {start}"
        ))),
        _ => Ok((whole(start), whole(end))),
    };
    match trigger {
        Trigger::Cron { cron, start, end } => {
            Pattern::parse(&cron).map_err(EngineError::Invalid)?;
            let (start, end) = ordered(start, end)?;
            Ok(Trigger::Cron { cron, start, end })
        }
        Trigger::Periodic { seconds, start, end } => {
            let known = i64::try_from(seconds).ok().and_then(Pattern::every);
            if known.is_none() {
                return Err(EngineError::Invalid(format!(
                    "Found invalid period schedule interval {seconds}. Set at interval to least 1 second"
                )));
            }
            let (start, end) = ordered(start, end)?;
            Ok(Trigger::Periodic { seconds, start, end })
        }
    }
}
