//! The engine's records as KFP's messages (backend/src/apiserver/server/api_converter.go @2.17.0).

mod cache;
mod differences;
mod nodes;
mod recurring;
mod tasks;

use kfp_api::experiment::Experiment;
use kfp_api::pipeline::{Pipeline, PipelineVersion};
use kfp_api::run::{
    PipelineVersionReference, Run, RunDetails, RuntimeConfig, RuntimeState, RuntimeStatus, StorageState,
};
use kfp_api::status::{Code, Status};
use pipeline_engine::{PipelineRecord, RunRecord, RunState, TaskRecord, VersionRecord};

pub(crate) use cache::{cache_entry, explanation, forecast, verified_entry};
pub(crate) use differences::differences;
pub(crate) use nodes::executor_id;
pub(crate) use recurring::recurring_run;
pub(crate) use tasks::task;

pub(crate) fn pipeline(record: PipelineRecord) -> Pipeline {
    Pipeline {
        pipeline_id: record.id.to_string(),
        display_name: record.display_name,
        name: record.name,
        description: record.description,
        created_at: Some(record.created_at),
        tags: record.tags.into_iter().collect(),
        ..Pipeline::default()
    }
}

pub(crate) fn version(record: VersionRecord) -> PipelineVersion {
    PipelineVersion {
        pipeline_id: record.pipeline.to_string(),
        pipeline_version_id: record.id.to_string(),
        display_name: record.display_name,
        name: record.name,
        description: record.description,
        created_at: Some(record.created_at),
        code_source_url: record.code_source_url,
        pipeline_spec: Some(record.package),
        tags: record.tags.into_iter().collect(),
        ..PipelineVersion::default()
    }
}

pub(crate) fn experiment(record: pipeline_engine::Experiment) -> Experiment {
    Experiment {
        experiment_id: record.id.to_string(),
        display_name: record.display_name,
        description: record.description,
        created_at: Some(record.created_at),
        storage_state: storage_state(record.storage_state),
        last_run_created_at: record.last_run_created_at,
        ..Experiment::default()
    }
}

/// With its nodes where its tasks are given.
pub(crate) fn run(record: RunRecord, tasks: Option<&[TaskRecord]>) -> Run {
    let run_id = record.id.to_string();
    let config = RuntimeConfig {
        parameters: record.parameters,
        pipeline_root: record.pipeline_root.unwrap_or_default(),
    };
    Run {
        experiment_id: record.experiment.to_string(),
        recurring_run_id: record.recurring_run.map(|id| id.to_string()).unwrap_or_default(),
        display_name: record.display_name,
        storage_state: storage_state(record.storage_state),
        description: record.description,
        // One source, as it was asked for.
        pipeline_spec: if record.version.is_some() {
            None
        } else {
            record.package
        },
        pipeline_version_reference: record.version.map(|version| PipelineVersionReference {
            pipeline_id: version.pipeline.to_string(),
            pipeline_version_id: version.version.to_string(),
        }),
        runtime_config: Some(config).filter(|config| *config != RuntimeConfig::default()),
        service_account: record.service_account,
        created_at: Some(record.created_at),
        scheduled_at: Some(record.scheduled_at),
        finished_at: record.finished_at,
        state: run_state(record.state),
        error: error(record.state, record.error),
        run_details: tasks.filter(|tasks| !tasks.is_empty()).map(|tasks| RunDetails {
            task_details: nodes::details(&run_id, tasks),
        }),
        state_history: record
            .history
            .iter()
            .map(|transition| RuntimeStatus {
                update_time: Some(transition.at),
                state: run_state(transition.state),
                error: None,
            })
            .collect(),
        run_id,
        ..Run::default()
    }
}

fn error(state: RunState, message: Option<String>) -> Option<Status> {
    match state {
        RunState::Canceled => Some(Status::new(
            Code::Cancelled,
            message.unwrap_or_else(|| "the run was terminated".to_owned()),
        )),
        _ => message.map(|message| Status::new(Code::Aborted, message)),
    }
}

/// A stopped run is told as FAILED, as KFP 2.17 tells it (Argo fails a terminated workflow): `kfp.Client` waits for
/// ever on CANCELED (`finish_states`, sdk/python/kfp/client/client.py). Its history has CANCELING, its error says why.
fn run_state(state: RunState) -> RuntimeState {
    match state {
        RunState::Pending => RuntimeState::Pending,
        RunState::Running => RuntimeState::Running,
        RunState::Canceling => RuntimeState::Canceling,
        RunState::Succeeded => RuntimeState::Succeeded,
        RunState::Failed | RunState::Canceled => RuntimeState::Failed,
    }
}

fn storage_state(state: pipeline_engine::StorageState) -> StorageState {
    match state {
        pipeline_engine::StorageState::Available => StorageState::Available,
        pipeline_engine::StorageState::Archived => StorageState::Archived,
    }
}
