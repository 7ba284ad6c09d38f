//! Running a recipe: compile, publish, bundle, upload, run, watch, check, tell.

mod bundle;
mod compile;
pub(crate) mod git;
mod parameters;
mod publish;
mod submit;

use checks::{Conclusion, Report};
use endpoints::Endpoints;
use jiff::Timestamp;
use kfp_api::forecast::Forecast;
use kfp_api::run::{Run, RuntimeConfig, RuntimeState};
use kfp_api::{Client, KfpError, StepView};
use model_registry::{Registry, provenance};
use pipeline_spec::Pipeline;

use self::compile::Compiled;
pub(crate) use self::compile::{locate, sources};
use crate::cli::{Common, RunArguments};
use crate::failure::{Exit, Failure};
use crate::view::summary::{Summary, curl, summary};
use crate::watch::{self, Watched};
use crate::{output, place, view};

/// What a run learns from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// A seeded generator's commits.
    Synthetic,
    /// Histories of these repositories.
    Repositories(Vec<String>),
}

/// A recipe that is ready to run.
struct Prepared {
    endpoints: Endpoints,
    pipelines: Client,
    compiled: Compiled,
    pipeline: Pipeline,
    data: Data,
    config: RuntimeConfig,
}

/// How far a run was carried out.
pub(crate) enum Carried {
    /// To its end.
    Ended(Box<Concluded>),
    /// Until the user had seen enough; it goes on.
    Interrupted,
}

/// What came of a run.
pub(crate) struct Concluded {
    /// What the checks found.
    pub(crate) report: Report,
    /// The same for people, with a summary.
    pub(crate) told: String,
    /// How to end.
    pub(crate) verdict: Result<Exit, Failure>,
}

pub(crate) async fn run(common: &Common, asked: &RunArguments) -> Result<Exit, Failure> {
    let Carried::Ended(concluded) = carry_out(common, asked).await? else {
        return Ok(Exit::Interrupted);
    };
    if common.json {
        eprint!("{}", concluded.told);
        output::json(&concluded.report)?;
    } else {
        output::text(&concluded.told)?;
    }
    concluded.verdict
}

/// Makes a run, shows it to its end, and checks what came of it.
pub(crate) async fn carry_out(common: &Common, asked: &RunArguments) -> Result<Carried, Failure> {
    let prepared = prepare(common, asked)?;
    let Prepared {
        endpoints,
        pipelines,
        compiled,
        ..
    } = &prepared;
    publish::image(&place::state_dir(common)?, compiled)?;
    publish::runtime(endpoints, compiled).await?;
    let version = submit::version(pipelines, compiled).await?;
    let experiment = pipelines.ensure_experiment(&compiled.name).await?;
    let created = pipelines
        .create_run(&Run {
            display_name: format!(
                "{} {}",
                compiled.name,
                Timestamp::now().strftime("%Y-%m-%d %H:%M:%S")
            ),
            experiment_id: experiment.experiment_id,
            pipeline_version_reference: Some(version),
            runtime_config: Some(prepared.config.clone()),
            ..Run::default()
        })
        .await?;
    eprintln!("{}: run {} on {}", compiled.name, created.run_id, endpoints.rung);
    match Box::pin(watch::to_the_end(pipelines, &created.run_id)).await? {
        Watched::Interrupted => Ok(Carried::Interrupted),
        Watched::Ended { run, steps } => tokio::select! {
            concluded = Box::pin(conclude(common, &prepared, &run, &steps)) => concluded,
            _ = tokio::signal::ctrl_c() => Ok(Carried::Interrupted),
        },
    }
}

pub(crate) async fn plan(common: &Common, asked: &RunArguments) -> Result<Exit, Failure> {
    let forecast = foretell(common, asked).await??;
    if common.json {
        output::json(&forecast)?;
    } else {
        output::text(&view::plan::table(&forecast))?;
    }
    Ok(Exit::Well)
}

/// What such a run would do, or what the server had to say to that.
pub(crate) async fn foretell(
    common: &Common,
    asked: &RunArguments,
) -> Result<Result<Forecast, KfpError>, Failure> {
    let prepared = prepare(common, asked)?;
    Ok(prepared
        .pipelines
        .plan(&Run {
            display_name: prepared.compiled.name.clone(),
            pipeline_spec: Some(prepared.pipeline.to_json()),
            runtime_config: Some(prepared.config),
            ..Run::default()
        })
        .await)
}

fn prepare(common: &Common, asked: &RunArguments) -> Result<Prepared, Failure> {
    let cwd = std::env::current_dir().map_err(|error| Failure::new(format!("working folder: {error}")))?;
    let recipe = compile::locate(&asked.name, &cwd)?;
    let endpoints = place::endpoints(common)?;
    let pipelines = place::pipelines(&endpoints)?;
    let compiled = compile::compile(&recipe, &place::state_dir(common)?)?;
    let pipeline = Pipeline::parse(&compiled.package, &pipeline_spec::Limits::default())
        .map_err(|error| Failure::new(format!("recipe {}: {error}", compiled.name)))?;
    let bundles = bundle::bundles(
        &asked.repositories,
        asked.reference.as_deref(),
        &endpoints.artifacts.root,
    )?;
    let data = match bundles.as_slice() {
        [] => Data::Synthetic,
        bundles => Data::Repositories(bundles.iter().map(|bundle| bundle.name.clone()).collect()),
    };
    let own = parameters::Own {
        repositories: &bundles,
        runtime: compiled.runtime_name(),
        git_commit: git::commit_of(&recipe),
    };
    let parameters = parameters::bind(&pipeline, &asked.parameters, &own)?;
    Ok(Prepared {
        endpoints,
        pipelines,
        compiled,
        pipeline,
        data,
        config: RuntimeConfig {
            parameters,
            pipeline_root: String::new(),
        },
    })
}

/// Checks what came of the run, and says how to tell it and how to end.
async fn conclude(
    common: &Common,
    prepared: &Prepared,
    run: &Run,
    steps: &[StepView],
) -> Result<Carried, Failure> {
    let endpoints = &prepared.endpoints;
    let report = Box::pin(checks::run(endpoints, &run.run_id))
        .await
        .map_err(Failure::new)?;
    let curl = example(endpoints, &report).await;
    let told = Summary {
        recipe: &prepared.compiled.name,
        state: view::runs::state(run),
        steps,
        data: &prepared.data,
        report: &report,
        curl: curl.as_deref(),
        held: held(common).await,
        dashboards: &endpoints.dashboards,
    };
    let told = format!("\n{}{}", checks::table(&report.checks), summary(&told));
    let verdict = verdict(run, steps, &report);
    Ok(Carried::Ended(Box::new(Concluded {
        report,
        told,
        verdict,
    })))
}

fn verdict(run: &Run, steps: &[StepView], report: &Report) -> Result<Exit, Failure> {
    if run.state != RuntimeState::Succeeded {
        return Err(watch::failure(run, steps));
    }
    match report.conclusion() {
        Conclusion::Holds => Ok(Exit::Well),
        Conclusion::GateClosed => Ok(Exit::GateClosed),
        Conclusion::Broken => {
            let broken: Vec<&str> = report
                .checks
                .iter()
                .filter(|check| !check.passed())
                .map(|check| check.name)
                .collect();
            Err(Failure::new(format!(
                "run {}: {} of {} checks do not hold: {}",
                run.run_id,
                broken.len(),
                report.checks.len(),
                broken.join(", ")
            )))
        }
    }
}

/// A request that the endpoint answers: the first golden one of the version that is served.
async fn example(endpoints: &Endpoints, report: &Report) -> Option<String> {
    let model = report.model.as_ref().filter(|_| report.endpoint.is_some())?;
    let registry = Registry::new(&endpoints.registry.tracking_uri).ok()?;
    let recorded = registry
        .read_file(&model.name, model.version, provenance::GOLDEN_REQUESTS)
        .await
        .ok()?;
    let requests: Vec<serde_json::Value> = serde_json::from_slice(&recorded).ok()?;
    let url = serving::infer_url(&endpoints.serving.url, &model.name);
    requests.first().map(|request| curl(&url, request))
}

/// Bytes that the services hold; none where the rung is somebody else's.
async fn held(common: &Common) -> Option<u64> {
    if common.endpoints.is_some() {
        return None;
    }
    let state = place::state_dir(common).ok()?;
    let status = tier6::embedded::status(&state).await.ok()?;
    Some(view::rung::held(&status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_check_is_named() {
        let report = Report {
            rung: "embedded".into(),
            run_id: "6f0c".into(),
            steps: Vec::new(),
            checks: vec![checks::Outcome {
                name: "version",
                verdict: checks::Verdict::Broken,
                detail: "two".into(),
            }],
            gate: None,
            model: None,
            endpoint: None,
            seconds: 1.0,
        };
        let run = Run {
            run_id: "6f0c".to_owned(),
            state: RuntimeState::Succeeded,
            ..Run::default()
        };
        let failure = verdict(&run, &[], &report).unwrap_err();
        assert_eq!(
            failure.told(),
            "error: run 6f0c: 1 of 1 checks do not hold: version\n"
        );
        assert_eq!(failure.exit(), Exit::Broken);
    }
}
