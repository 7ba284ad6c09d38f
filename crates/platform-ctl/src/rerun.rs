//! Some of a run's tasks once more, and how two runs differ.

use indexmap::IndexMap;
use kfp_api::rerun::Rerun;
use kfp_api::run::{Run, RuntimeState};
use kfp_api::{Client, KfpError};
use pipeline_spec::{Limits, Pipeline, from_text};
use serde_json::Value;

use crate::cli::{Common, RerunArguments};
use crate::failure::{Exit, Failure};
use crate::pipeline::{client, find};
use crate::watch::{self, Watched};
use crate::{output, view};

pub(crate) async fn rerun(common: &Common, asked: &RerunArguments) -> Result<Exit, Failure> {
    let pipelines = client(common)?.1;
    let earlier = find(&pipelines, &asked.run).await?;
    let rerun = Rerun {
        from: asked.from.clone().unwrap_or_default(),
        only: asked.only.clone().unwrap_or_default(),
        parameters: parameters(&pipelines, &earlier, &asked.with).await?,
    };
    let made = pipelines.rerun(&earlier, &rerun).await.map_err(refused)?;
    let run_id = made.run_id;
    eprintln!("run {run_id}: {}", made.description);
    match watch::to_the_end(&pipelines, &run_id).await? {
        Watched::Interrupted => Ok(Exit::Interrupted),
        Watched::Ended { run, steps } => {
            tell(common, &run)?;
            eprintln!("next: `cargo platform-ctl pipeline diff {earlier} {run_id}`");
            match run.state {
                RuntimeState::Succeeded => Ok(Exit::Well),
                _ => Err(watch::failure(&run, &steps)),
            }
        }
    }
}

fn tell(common: &Common, run: &Run) -> Result<(), Failure> {
    if common.json {
        return output::json(run);
    }
    eprintln!("run {} {}", run.run_id, view::runs::state(run));
    Ok(())
}

pub(crate) async fn diff(common: &Common, one: &str, other: &str) -> Result<Exit, Failure> {
    let pipelines = client(common)?.1;
    let (one, other) = (find(&pipelines, one).await?, find(&pipelines, other).await?);
    let told = pipelines.differences(&one, &other).await.map_err(refused)?;
    if common.json {
        output::json(&told)?;
    } else {
        output::text(&view::differences::table(&told))?;
    }
    Ok(Exit::Well)
}

/// What was typed, by the types of the earlier run's pipeline.
async fn parameters(
    pipelines: &Client,
    run_id: &str,
    typed: &[String],
) -> Result<IndexMap<String, Value>, Failure> {
    if typed.is_empty() {
        return Ok(IndexMap::new());
    }
    let run = pipelines.run(run_id).await?;
    let spec = pipelines.pipeline_spec(&run).await?;
    let pipeline = Pipeline::parse(&spec.to_string(), &Limits::default())
        .map_err(|error| Failure::new(format!("run {run_id}: {error}")))?;
    let known = &pipeline.spec().root.inputs.parameters;
    let each = typed.iter().map(|text| {
        let (name, text) = text
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--with {text}: give it as NAME=VALUE")))?;
        let parameter = known.get(name).ok_or_else(|| {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            Failure::usage(format!(
                "--with {name}: the pipeline of run {run_id} has no such parameter; it has {}",
                names.join(", ")
            ))
        })?;
        let value = from_text(text, parameter.parameter_type)
            .map_err(|error| Failure::usage(format!("--with {name}: {error}")))?;
        Ok((name.to_owned(), value))
    });
    each.collect()
}

fn refused(error: KfpError) -> Failure {
    let not_spoken = matches!(error, KfpError::NotSpoken { .. });
    let failure = Failure::from(error);
    match not_spoken {
        true => failure.next("`cargo xtask up`: the embedded rung does this, KFP's own server does not"),
        false => failure,
    }
}
