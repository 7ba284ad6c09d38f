//! Tasks as the nodes that 2.17 tells: each container task with a child `executor`, skipped on a cache hit.

use kfp_api::run::{ChildTask, PipelineTaskDetail, RuntimeState, RuntimeStatus};
use kfp_api::status::{Code, Status};
use pipeline_engine::{TaskId, TaskKind, TaskRecord, TaskState};

const EXECUTOR: &str = "executor";

/// The node of what a container task runs.
pub(crate) fn executor_id(task: &TaskRecord) -> TaskId {
    TaskId::of(task.run, &format!("{}.{EXECUTOR}", task.scope_path))
}

pub(super) fn details(run_id: &str, tasks: &[TaskRecord]) -> Vec<PipelineTaskDetail> {
    tasks
        .iter()
        .flat_map(|task| {
            let executor = runs_something(task).then(|| executor(run_id, task));
            [Some(detail(run_id, task)), executor]
        })
        .flatten()
        .collect()
}

fn runs_something(task: &TaskRecord) -> bool {
    // One that is skipped or waits has no executor yet, as on Argo.
    matches!(task.kind, TaskKind::Container | TaskKind::Importer)
        && !matches!(task.state, TaskState::Pending | TaskState::Skipped)
}

fn detail(run_id: &str, task: &TaskRecord) -> PipelineTaskDetail {
    let children = if runs_something(task) {
        vec![executor_id(task)]
    } else {
        task.children.clone()
    };
    PipelineTaskDetail {
        run_id: run_id.to_owned(),
        task_id: task.id.to_string(),
        display_name: task.name.clone(),
        create_time: Some(task.created_at),
        start_time: task.started_at,
        end_time: task.finished_at,
        state: state(task.state),
        error: failure(task),
        parent_task_id: task.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        state_history: task
            .history
            .iter()
            .map(|transition| RuntimeStatus {
                update_time: Some(transition.at),
                state: state(transition.state),
                error: None,
            })
            .collect(),
        pod_name: task.id.to_string(),
        child_tasks: children
            .iter()
            .map(|child| ChildTask {
                task_id: String::new(),
                pod_name: child.to_string(),
            })
            .collect(),
    }
}

fn executor(run_id: &str, task: &TaskRecord) -> PipelineTaskDetail {
    let id = executor_id(task).to_string();
    PipelineTaskDetail {
        run_id: run_id.to_owned(),
        task_id: id.clone(),
        display_name: EXECUTOR.to_owned(),
        create_time: Some(task.created_at),
        start_time: task.started_at.or(task.finished_at),
        end_time: task.finished_at,
        state: match task.state {
            TaskState::Cached => RuntimeState::Skipped,
            other => state(other),
        },
        error: failure(task),
        parent_task_id: task.id.to_string(),
        pod_name: id,
        ..PipelineTaskDetail::default()
    }
}

fn failure(task: &TaskRecord) -> Option<Status> {
    match task.state {
        TaskState::Failed | TaskState::Canceled => task
            .message
            .as_ref()
            .map(|message| Status::new(Code::Aborted, message.clone())),
        _ => None,
    }
}

fn state(state: TaskState) -> RuntimeState {
    match state {
        TaskState::Pending => RuntimeState::Pending,
        TaskState::Running | TaskState::Retrying => RuntimeState::Running,
        TaskState::Succeeded | TaskState::Cached => RuntimeState::Succeeded,
        TaskState::Skipped => RuntimeState::Skipped,
        TaskState::Failed => RuntimeState::Failed,
        TaskState::Canceled => RuntimeState::Canceled,
    }
}
