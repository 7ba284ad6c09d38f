//! Tasks with inputs and outputs, as KFP's API after 2.17 lists them.

use axum::Json;
use axum::extract::{Path, State};
use kfp_api::task::{PipelineTask, Tasks};
use pipeline_engine::{Engine, TaskId, TaskRecord};
use schemars::JsonSchema;
use serde::Deserialize;

use super::runs::run_id;
use super::total;
use crate::error::ApiError;
use crate::message::Params;
use crate::operation::Operation;
use crate::tell;

/// KFP pages tasks, too; here a run's are one page.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct TasksQuery {
    /// Only those within this task.
    parent_id: String,
}

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/v2beta1/runs/{run_id}/tasks", list)
            .named("ListTasks", "List a run's tasks with their inputs and outputs.")
            .query::<TasksQuery>()
            .answers::<Tasks>(),
        Operation::get("/apis/v2beta1/runs/{run_id}/tasks/{task_id}", get)
            .named("GetTask", "Tell of a task.")
            .answers::<PipelineTask>(),
    ]
}

pub(super) async fn list(
    State(engine): State<Engine>,
    Path(run): Path<String>,
    Params(query): Params<TasksQuery>,
) -> Result<Json<Tasks>, ApiError> {
    let records = engine
        .tasks(run_id(&run)?)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to list tasks"))?;
    let within = |record: &&TaskRecord| {
        query.parent_id.is_empty()
            || record
                .parent
                .is_some_and(|parent| parent.to_string() == query.parent_id)
    };
    let tasks: Vec<PipelineTask> = records
        .iter()
        .filter(within)
        .map(|record| tell::task(record, &records))
        .collect();
    Ok(Json(Tasks {
        total_size: total(tasks.len() as u64),
        tasks,
        next_page_token: String::new(),
    }))
}

pub(super) async fn get(
    State(engine): State<Engine>,
    Path((run, task)): Path<(String, String)>,
) -> Result<Json<PipelineTask>, ApiError> {
    let records = engine.tasks(run_id(&run)?).await?;
    let record = find(&records, &task)?;
    Ok(Json(tell::task(record, &records)))
}

fn find<'a>(records: &'a [TaskRecord], id: &str) -> Result<&'a TaskRecord, ApiError> {
    let missing = || ApiError::not_found("Task", id);
    let wanted: TaskId = id.parse().map_err(|_| missing())?;
    records
        .iter()
        .find(|record| record.id == wanted)
        .ok_or_else(missing)
}
