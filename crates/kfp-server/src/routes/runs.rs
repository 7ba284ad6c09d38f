//! Runs.

use axum::Json;
use axum::extract::{Path, State};
use kfp_api::run::{PipelineVersionReference, Run, Runs};
use pipeline_engine::{
    Comparison, Engine, ListOptions, NewRun, PipelineSource, Predicate, PredicateValue, RunId,
};
use serde_json::Value;

use super::experiments::experiment_id;
use super::pipelines::pipeline_id;
use super::versions::version_id;
use super::{empty, split_verb, total};
use crate::error::ApiError;
use crate::list::ListQuery;
use crate::message::{Message, Params};
use crate::operation::Operation;
use crate::tell;

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/apis/v2beta1/runs", list)
            .named("ListRuns", "List runs.")
            .query::<ListQuery>()
            .answers::<Runs>(),
        Operation::post("/apis/v2beta1/runs", create)
            .named("CreateRun", "Make a run and start it.")
            .takes::<Run>()
            .answers::<Run>(),
        Operation::get("/apis/v2beta1/runs/{run_id}", get)
            .named("GetRun", "Tell of a run and its nodes.")
            .answers::<Run>(),
        Operation::delete("/apis/v2beta1/runs/{run_id}", delete)
            .named("DeleteRun", "Forget a run that has ended, its logs with it."),
        Operation::post("/apis/v2beta1/runs/{run_id}:archive", act).named("ArchiveRun", "Put a run away."),
        Operation::post("/apis/v2beta1/runs/{run_id}:unarchive", act)
            .named("UnarchiveRun", "Take a run out again."),
        Operation::post("/apis/v2beta1/runs/{run_id}:terminate", act)
            .named("TerminateRun", "Ask a run to end."),
        Operation::post("/apis/v2beta1/runs/{run_id}:retry", act).named(
            "RetryRun",
            "Run what failed or was stopped once more; what succeeded stays.",
        ),
    ]
}

pub(super) async fn create(
    State(engine): State<Engine>,
    Message(asked): Message<Run>,
) -> Result<Json<Run>, ApiError> {
    let created = async {
        let run = engine.create_run(new_run(asked)?).await?;
        Ok(Json(tell::run(run, None)))
    };
    created
        .await
        .map_err(|error: ApiError| error.while_doing("Failed to create a new run"))
}

pub(super) async fn list(
    State(engine): State<Engine>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Runs>, ApiError> {
    let experiment = match query.experiment_id.as_str() {
        "" => None,
        id => Some(experiment_id(id)?),
    };
    let mut options = query.options(&[("run_id", "id"), ("name", "display_name"), ("status", "state")])?;
    failed_includes_canceled(&mut options);
    let page = engine.runs(experiment, options).await?;
    Ok(Json(Runs {
        runs: page.items.into_iter().map(|run| tell::run(run, None)).collect(),
        total_size: total(page.total),
        next_page_token: page.next.unwrap_or_default(),
    }))
}

pub(super) async fn get(State(engine): State<Engine>, Path(id): Path<String>) -> Result<Json<Run>, ApiError> {
    let told = async {
        let id = run_id(&id)?;
        // In this order: a run that is told to have ended is told with the ends of all its tasks.
        let run = engine.run(id).await?;
        let tasks = engine.tasks(id).await?;
        Ok(Json(tell::run(run, Some(&tasks))))
    };
    told.await
        .map_err(|error: ApiError| error.while_doing("Failed to get a run"))
}

pub(super) async fn delete(
    State(engine): State<Engine>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    engine.delete_run(run_id(&id)?).await?;
    Ok(empty())
}

/// `POST …/ID:VERB`.
pub(super) async fn act(
    State(engine): State<Engine>,
    Path(segment): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (id, verb) = split_verb(&segment)?;
    let id = run_id(id)?;
    let done = match verb {
        "terminate" => engine.terminate_run(id).await,
        "retry" => engine.retry_run(id).await,
        "archive" => engine.archive_run(id).await,
        "unarchive" => engine.unarchive_run(id).await,
        _ => return Err(ApiError::no_such_method()),
    };
    done.map_err(|error| ApiError::from(error).while_doing(&format!("Failed to {verb} a run")))?;
    Ok(empty())
}

/// What is asked for, in the engine's words.
pub(super) fn new_run(asked: Run) -> Result<NewRun, ApiError> {
    if asked.display_name.is_empty() {
        return Err(ApiError::invalid(
            "The run name is empty. Please specify a valid name",
        ));
    }
    if !asked.plugins_output.is_empty() {
        return Err(ApiError::invalid(
            "plugins_output is server-owned and populated exclusively via plugin lifecycle hooks",
        ));
    }
    let source = source(
        asked.pipeline_spec.as_ref(),
        asked.pipeline_version_reference.as_ref(),
    )?;
    let id = match asked.run_id.as_str() {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|error| ApiError::invalid(format!("run_id: {error}")))?,
        ),
    };
    let experiment = match asked.experiment_id.as_str() {
        "" => None,
        text => Some(experiment_id(text)?),
    };
    let config = asked.runtime_config.unwrap_or_default();
    Ok(NewRun {
        id,
        display_name: asked.display_name,
        description: asked.description,
        experiment,
        source,
        parameters: config.parameters,
        pipeline_root: Some(config.pipeline_root).filter(|root| !root.is_empty()),
        service_account: asked.service_account,
        scheduled_at: None,
    })
}

/// The one source of a run, or of a recurring run.
pub(super) fn source(
    spec: Option<&Value>,
    reference: Option<&PipelineVersionReference>,
) -> Result<PipelineSource, ApiError> {
    match (spec, reference) {
        (Some(spec), None) => Ok(PipelineSource::Inline(spec.to_string())),
        (None, Some(reference)) => Ok(PipelineSource::Version {
            pipeline: pipeline_id(&reference.pipeline_id)?,
            version: match reference.pipeline_version_id.as_str() {
                "" => None,
                text => Some(version_id(text)?),
            },
        }),
        (None, None) => Err(ApiError::invalid(
            "Failed to fetch a template with an empty pipeline spec manifest",
        )),
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "body: pipeline_spec and pipeline_version_reference are two sources; give one",
        )),
    }
}

/// A stopped run is told as FAILED (see [`tell::run_state`]), so it is found as one.
fn failed_includes_canceled(options: &mut ListOptions) {
    let mut more = Vec::new();
    for predicate in options.filter.iter_mut().filter(|it| it.field == "state") {
        match (&predicate.comparison, &mut predicate.value) {
            (Comparison::Equals, PredicateValue::Text(text)) if text == "FAILED" => {
                predicate.comparison = Comparison::In;
                predicate.value = PredicateValue::Texts(vec!["FAILED".to_owned(), "CANCELED".to_owned()]);
            }
            (Comparison::NotEquals, PredicateValue::Text(text)) if text == "FAILED" => {
                more.push(Predicate {
                    field: "state".to_owned(),
                    comparison: Comparison::NotEquals,
                    value: PredicateValue::Text("CANCELED".to_owned()),
                });
            }
            (Comparison::In, PredicateValue::Texts(texts)) if texts.iter().any(|text| text == "FAILED") => {
                texts.push("CANCELED".to_owned());
            }
            _ => {}
        }
    }
    options.filter.extend(more);
}

pub(super) fn run_id(text: &str) -> Result<RunId, ApiError> {
    text.parse().map_err(|_| ApiError::not_found("Run", text))
}
