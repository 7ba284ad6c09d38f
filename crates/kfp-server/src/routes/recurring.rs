//! Recurring runs (backend/src/apiserver/server/job_server.go @2.17.0).

use axum::Json;
use axum::extract::{Path, State};
use kfp_api::recurring::{Mode, RecurringRun, RecurringRuns, Trigger as AskedTrigger};
use pipeline_engine::{CatchUp, Engine, NewRecurringRun, RecurringRunId, Trigger};
use serde_json::Value;

use super::experiments::experiment_id;
use super::runs::source;
use super::{empty, split_verb, total};
use crate::error::ApiError;
use crate::list::ListQuery;
use crate::message::{Message, Params};
use crate::operation::Operation;
use crate::tell;

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/v2beta1/recurringruns", list)
            .named("ListRecurringRuns", "List recurring runs.")
            .query::<ListQuery>()
            .answers::<RecurringRuns>(),
        Operation::post("/apis/v2beta1/recurringruns", create)
            .named("CreateRecurringRun", "Make a recurring run.")
            .takes::<RecurringRun>()
            .answers::<RecurringRun>(),
        Operation::get("/apis/v2beta1/recurringruns/{recurring_run_id}", get)
            .named("GetRecurringRun", "Tell of a recurring run.")
            .answers::<RecurringRun>(),
        Operation::delete("/apis/v2beta1/recurringruns/{recurring_run_id}", delete)
            .named("DeleteRecurringRun", "Delete a recurring run; its runs stay."),
        Operation::post("/apis/v2beta1/recurringruns/{recurring_run_id}:enable", act)
            .named("EnableRecurringRun", "Let a recurring run run."),
        Operation::post("/apis/v2beta1/recurringruns/{recurring_run_id}:disable", act).named(
            "DisableRecurringRun",
            "Keep a recurring run from running; runs that are under way go on.",
        ),
    ]
}

pub(super) async fn create(
    State(engine): State<Engine>,
    Message(asked): Message<RecurringRun>,
) -> Result<Json<RecurringRun>, ApiError> {
    let created = async {
        let recurring = engine.create_recurring_run(new_recurring_run(asked)?).await?;
        Ok(Json(tell::recurring_run(recurring)))
    };
    created
        .await
        .map_err(|error: ApiError| error.while_doing("Failed to create a recurring run"))
}

pub(super) async fn list(
    State(engine): State<Engine>,
    Params(query): Params<ListQuery>,
) -> Result<Json<RecurringRuns>, ApiError> {
    let experiment = match query.experiment_id.as_str() {
        "" => None,
        id => Some(experiment_id(id)?),
    };
    let page = engine
        .recurring_runs(experiment, query.options(&[("recurring_run_id", "id")])?)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to list recurring runs"))?;
    Ok(Json(RecurringRuns {
        recurring_runs: page.items.into_iter().map(tell::recurring_run).collect(),
        total_size: total(page.total),
        next_page_token: page.next.unwrap_or_default(),
    }))
}

pub(super) async fn get(
    State(engine): State<Engine>,
    Path(id): Path<String>,
) -> Result<Json<RecurringRun>, ApiError> {
    let told = async {
        let recurring = engine.recurring_run(recurring_run_id(&id)?).await?;
        Ok(Json(tell::recurring_run(recurring)))
    };
    told.await
        .map_err(|error: ApiError| error.while_doing("Failed to get a recurring run"))
}

pub(super) async fn delete(
    State(engine): State<Engine>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let deleted = async { Ok(engine.delete_recurring_run(recurring_run_id(&id)?).await?) };
    deleted
        .await
        .map_err(|error: ApiError| error.while_doing("Failed to delete a recurring run"))?;
    Ok(empty())
}

/// `POST …/ID:VERB`.
pub(super) async fn act(
    State(engine): State<Engine>,
    Path(segment): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (id, verb) = split_verb(&segment)?;
    let done = async {
        let id = recurring_run_id(id)?;
        match verb {
            "enable" => engine.enable_recurring_run(id).await?,
            "disable" => engine.disable_recurring_run(id).await?,
            _ => return Err(ApiError::no_such_method()),
        }
        Ok(empty())
    };
    done.await.map_err(|error: ApiError| match verb {
        "enable" | "disable" => error.while_doing(&format!("Failed to {verb} a recurring run")),
        _ => error,
    })
}

fn new_recurring_run(asked: RecurringRun) -> Result<NewRecurringRun, ApiError> {
    if asked.display_name.is_empty() {
        return Err(ApiError::invalid("Recurring run's name cannot be empty"));
    }
    let trigger = trigger(asked.trigger.unwrap_or_default())?;
    let max_concurrency = u32::try_from(asked.max_concurrency).map_err(|_| {
        ApiError::invalid(format!(
            "Max concurrency of a recurring run must be at least 1 and at most 10. Received {}",
            asked.max_concurrency
        ))
    })?;
    let experiment = match asked.experiment_id.as_str() {
        "" => None,
        text => Some(experiment_id(text)?),
    };
    let config = asked.runtime_config.unwrap_or_default();
    Ok(NewRecurringRun {
        source: source(
            asked.pipeline_spec.as_ref(),
            asked.pipeline_version_reference.as_ref(),
        )?,
        display_name: asked.display_name,
        description: asked.description,
        experiment,
        parameters: config.parameters,
        pipeline_root: Some(config.pipeline_root).filter(|root| !root.is_empty()),
        service_account: asked.service_account,
        max_concurrency,
        catch_up: if asked.no_catchup {
            CatchUp::Latest
        } else {
            CatchUp::Every
        },
        trigger,
        // Not said is no, as KFP has it.
        enabled: asked.mode == Mode::Enable,
    })
}

fn trigger(asked: AskedTrigger) -> Result<Trigger, ApiError> {
    match (asked.cron_schedule, asked.periodic_schedule) {
        (Some(cron), None) => Ok(Trigger::Cron {
            cron: cron.cron,
            start: cron.start_time,
            end: cron.end_time,
        }),
        (None, Some(periodic)) => Ok(Trigger::Periodic {
            seconds: u64::try_from(periodic.interval_second).map_err(|_| {
                ApiError::invalid(format!(
                    "Found invalid period schedule interval {}. Set at interval to least 1 second",
                    periodic.interval_second
                ))
            })?,
            start: periodic.start_time,
            end: periodic.end_time,
        }),
        (None, None) => Err(ApiError::invalid(
            "trigger: a cron_schedule or a periodic_schedule is required",
        )),
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "trigger: cron_schedule and periodic_schedule are two triggers; give one",
        )),
    }
}

fn recurring_run_id(text: &str) -> Result<RecurringRunId, ApiError> {
    text.parse()
        .map_err(|_| ApiError::not_found("RecurringRun", text))
}
