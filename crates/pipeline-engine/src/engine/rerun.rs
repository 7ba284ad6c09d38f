//! Runs made of runs, and runs compared.

use std::collections::HashMap;

use indexmap::IndexMap;
use pipeline_spec::bind_parameters;
use rusqlite::Connection;
use serde_json::Value;

use super::{Engine, parse};
use crate::cache::unchanged;
use crate::difference::{Side, compare};
use crate::error::EngineError;
use crate::model::{
    Begin, NewRun, PipelineSource, Rerun, RunDifferences, RunId, RunRecord, TaskKind, TaskRecord,
};
use crate::program::Program;
use crate::rerun::{self, Does, Selection};
use crate::store::cache;

impl Engine {
    /// Makes a run of what an earlier one recorded, with some parameters otherwise: its package, its parameters, and of
    /// the tasks that do not run, their outputs.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Precondition`] where the run has not ended, or its task was never
    /// given inputs, or only that one is to run and what it needs is not as it was recorded;
    /// [`EngineError::Parameter`]; [`EngineError::Invalid`] without a task of that name, or where nothing is asked for.
    pub async fn rerun(
        &self,
        of: RunId,
        begin: Begin,
        parameters: IndexMap<String, Value>,
    ) -> Result<RunRecord, EngineError> {
        let (record, package, tasks) = self.store().whole_run(of).await?;
        if !record.state.is_final() {
            return Err(EngineError::Precondition(format!(
                "run `{of}` has not ended: wait for it, or terminate it first"
            )));
        }
        let program = Program::new(parse(&package)?)?;
        let begin = match begin {
            Begin::From(task) => Begin::From(rerun::find(&program, &task)?),
            Begin::Only(task) => Begin::Only(rerun::find(&program, &task)?),
            Begin::Changed if parameters.is_empty() => {
                return Err(EngineError::Invalid(
                    "a rerun needs a task to begin at, or a parameter that is otherwise".to_owned(),
                ));
            }
            Begin::Changed => Begin::Changed,
        };
        let inputs = &program.pipeline().spec().root.inputs;
        let before = bind_parameters(inputs, &record.parameters)?;
        let mut given = record.parameters.clone();
        given.extend(parameters);
        let now = bind_parameters(inputs, &given)?;
        let changed = now
            .iter()
            .filter(|(name, value)| before.get(*name) != Some(*value));
        let rerun = Rerun {
            of,
            begin,
            changed: changed.map(|(name, _)| name.clone()).collect(),
        };
        check(&rerun, &program, tasks).await?;
        let new = NewRun {
            description: told(&rerun),
            experiment: Some(record.experiment),
            parameters: given,
            pipeline_root: record.pipeline_root.clone(),
            service_account: record.service_account.clone(),
            ..NewRun::of(
                format!("{} again", record.display_name),
                PipelineSource::Inline(String::new()),
            )
        };
        let made = self.make_run(new, (package, record.version), None).await?;
        self.started(made.again(rerun)).await
    }

    /// How two runs differ.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn compare_runs(&self, run: RunId, other: RunId) -> Result<RunDifferences, EngineError> {
        let (one, two) = (self.side(run).await?, self.side(other).await?);
        Ok(RunDifferences {
            run,
            other,
            differences: compare(&one, &two),
        })
    }

    async fn side(&self, run: RunId) -> Result<Side, EngineError> {
        let record = self.run(run).await?;
        let tasks = self.tasks(run).await?;
        let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
        let keys = self
            .store()
            .read(move |connection: &Connection| {
                let mut keys = HashMap::new();
                for id in ids {
                    if let Some(decided) = cache::decided(connection, id)? {
                        keys.insert(id, decided.key);
                    }
                }
                Ok(keys)
            })
            .await?;
        Ok(Side { record, tasks, keys })
    }
}

/// Whether what was recorded is enough for the task that it begins at.
async fn check(rerun: &Rerun, program: &Program, tasks: Vec<TaskRecord>) -> Result<(), EngineError> {
    let (Begin::From(place) | Begin::Only(place)) = &rerun.begin else {
        return Ok(());
    };
    let of = rerun.of;
    let recorded: Vec<&TaskRecord> = tasks
        .iter()
        .filter(|task| rerun::place(&task.scope_path) == *place)
        .collect();
    let begun = |task: &&TaskRecord| task.started_at.is_some() || task.state.is_success();
    if !recorded.iter().any(begun) {
        let name = place.strip_prefix("root.").unwrap_or(place);
        return Err(EngineError::Precondition(format!(
            "task `{name}` of run `{of}` was given no inputs: begin at one that was"
        )));
    }
    if !matches!(rerun.begin, Begin::Only(_)) {
        return Ok(());
    }
    let selection = Selection::of(rerun, program);
    let taken = tasks.into_iter().filter(move |task| {
        task.kind == TaskKind::Container && matches!(selection.does(&task.scope_path), Does::Takes(_))
    });
    let taken: Vec<TaskRecord> = taken.collect();
    let altered = tokio::task::spawn_blocking(move || {
        taken.iter().find_map(|task| {
            let artifacts = task.output_artifacts.iter().flat_map(|bound| &bound.artifacts);
            let why = artifacts.map(unchanged).find_map(Result::err)?;
            Some(format!("task `{}`: {why}: begin there with --from", task.name))
        })
    });
    match altered.await.map_err(|_| EngineError::Closed)? {
        Some(why) => Err(EngineError::Precondition(format!("run `{of}`, {why}"))),
        None => Ok(()),
    }
}

/// What a run is, for people.
fn told(rerun: &Rerun) -> String {
    let of = rerun.of;
    let name = |place: &str| place.strip_prefix("root.").unwrap_or(place).to_owned();
    match &rerun.begin {
        Begin::From(place) => format!("run {of} again, from {}", name(place)),
        Begin::Only(place) => format!("run {of} again, only {}", name(place)),
        Begin::Changed => format!("run {of} again, with other {}", rerun.changed.join(", ")),
    }
}
