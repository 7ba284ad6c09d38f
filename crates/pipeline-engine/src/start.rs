//! A run from its record: what placeholders say of it, its inputs, its program.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pipeline_spec::placeholder::Facts;
use pipeline_spec::support::WORKSPACE_PATH;
use pipeline_spec::{Limits, Pipeline, bind_parameters};

use crate::bind::Bound;
use crate::config::EngineConfig;
use crate::decide::RunFacts;
use crate::error::EngineError;
use crate::layout;
use crate::model::{BoundParameter, Origin, RunRecord, TaskRecord};
use crate::perform::Stored;
use crate::program::Program;

/// What a machine has to know of a run.
pub(crate) fn facts(
    config: &EngineConfig,
    record: &RunRecord,
    pipeline: &Pipeline,
) -> Result<RunFacts, EngineError> {
    let parameters = bind_parameters(&pipeline.spec().root.inputs, &record.parameters)?;
    let inputs = Bound {
        parameters: parameters
            .into_iter()
            .map(|(name, value)| {
                let given = record.parameters.contains_key(&name);
                BoundParameter {
                    name,
                    value,
                    origin: if given { Origin::Constant } else { Origin::Default },
                }
            })
            .collect(),
        artifacts: Vec::new(),
    };
    let seconds = pipeline
        .kubernetes()
        .map_or(0, |platform| platform.pipeline_config.active_deadline_seconds);
    let root = config
        .artifacts
        .join(layout::segment(pipeline.name()))
        .join(record.id.to_string());
    Ok(RunFacts {
        id: record.id,
        placeholders: Facts {
            job_name: record.display_name.clone(),
            job_resource_name: record.name.clone(),
            job_uuid: record.id.to_string(),
            job_create_time: rfc3339(record.created_at),
            job_schedule_time: rfc3339(record.scheduled_at),
            pipeline_root: root.display().to_string(),
            workspace_path: if layout::has_workspace(pipeline) {
                WORKSPACE_PATH.to_owned()
            } else {
                String::new()
            },
            ..Facts::default()
        },
        inputs,
        rerun: record.rerun.clone(),
        time_limit: (seconds > 0).then(|| Duration::from_secs(seconds.into())),
    })
}

/// To the second, as Argo's workflow variables have it.
fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A run as its rows have it, ready to be restored.
pub(crate) fn stored(
    config: &EngineConfig,
    record: RunRecord,
    package: &str,
    tasks: Vec<TaskRecord>,
) -> Result<Stored, EngineError> {
    let pipeline = Pipeline::parse(package, &Limits::default())?;
    let facts = facts(config, &record, &pipeline)?;
    Ok(Stored {
        facts,
        program: Arc::new(Program::new(pipeline)?),
        record,
        tasks,
    })
}
