//! Runs made of runs, and runs compared. Not part of KFP's API.

use axum::Json;
use axum::extract::{Path, State};
use kfp_api::difference::RunDifferences;
use kfp_api::rerun::Rerun;
use kfp_api::run::Run;
use pipeline_engine::{Begin, Engine};

use super::runs::run_id;
use super::split_verb;
use crate::error::ApiError;
use crate::message::Message;
use crate::operation::Operation;
use crate::tell;

/// What can be asked.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/apis/basecamp/v1/runs/{run_id}:rerun", rerun)
            .named(
                "RerunRun",
                "Make a run that does some tasks of a run once more, on what it recorded.",
            )
            .takes::<Rerun>()
            .answers::<Run>(),
        Operation::get(
            "/apis/basecamp/v1/runs/{run_id}/differences/{other_run_id}",
            compare,
        )
        .named(
            "CompareRuns",
            "Tell how two runs differ, the first where they part.",
        )
        .answers::<RunDifferences>(),
    ]
}

async fn rerun(
    State(engine): State<Engine>,
    Path(segment): Path<String>,
    Message(asked): Message<Rerun>,
) -> Result<Json<Run>, ApiError> {
    let (id, "rerun") = split_verb(&segment)? else {
        return Err(ApiError::no_such_method());
    };
    let begin = match (asked.from, asked.only) {
        (from, only) if from.is_empty() && only.is_empty() => Begin::Changed,
        (from, only) if only.is_empty() => Begin::From(from),
        (from, only) if from.is_empty() => Begin::Only(only),
        (_, _) => return Err(ApiError::invalid("from and only: give one of the two")),
    };
    let run = engine
        .rerun(run_id(id)?, begin, asked.parameters)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to rerun a run"))?;
    Ok(Json(tell::run(run, None)))
}

async fn compare(
    State(engine): State<Engine>,
    Path((one, other)): Path<(String, String)>,
) -> Result<Json<RunDifferences>, ApiError> {
    let differences = engine
        .compare_runs(run_id(&one)?, run_id(&other)?)
        .await
        .map_err(|error| ApiError::from(error).while_doing("Failed to compare runs"))?;
    Ok(Json(tell::differences(differences)))
}
