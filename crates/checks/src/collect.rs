//! Looks at everything a run touched. Nothing is changed.

use std::collections::BTreeMap;

use endpoints::{Endpoints, Namespaces};
use futures::stream::{self, StreamExt, TryStreamExt};
use kfp_api::forecast::Forecast;
use kfp_api::run::Run;
use kfp_api::steps::{steps_of_nodes, steps_of_tasks};
use kfp_api::task::PipelineTask;
use kfp_api::{Client, KfpError, Outline};
use kube::Api;
use model_registry::{Registry, VersionFilter, provenance};
use resources::{Experiment, RayJob};
use serde_json::Value;
use serving::{Golden, ServingError, connect, infer_url, observe};

use crate::artifacts::kept;
use crate::error::ChecksError;
use crate::recipe;
use crate::world::{Registered, RunFacts, Seen, Served, Unseen, World};

/// Most runs that are looked through for earlier ones.
const RUNS: usize = 400;
/// Most earlier runs of the same pipeline whose steps are read.
const EARLIER: usize = 20;
/// Requests under way at once.
const AT_ONCE: usize = 8;

/// Looks at the run, the registry, what is served, and what a rerun would do.
///
/// # Errors
/// [`ChecksError::Pipelines`] when the runs cannot be read. What else cannot be is [`Unseen`] in the world.
pub async fn collect(endpoints: &Endpoints, run_id: &str) -> Result<World, ChecksError> {
    let pipelines = Client::new(&endpoints.pipelines.url, endpoints.pipelines.token.clone())?;
    let asked = pipelines.run(run_id).await?;
    let run = facts(&pipelines, &asked).await?;
    let (neighbours, artifacts, registered, served, own_objects, forecast) = futures::join!(
        Box::pin(neighbours(&pipelines, &asked, &run)),
        Box::pin(kept(&pipelines, &run.id)),
        Box::pin(registered(endpoints, &run)),
        Box::pin(served(endpoints, &run)),
        Box::pin(own_objects(endpoints, &run.id)),
        Box::pin(forecast(&pipelines, &asked)),
    );
    let Neighbours {
        mut earlier,
        followed_by,
    } = neighbours?;
    if let Some(maker) = unknown_maker(&run, &earlier, &registered) {
        match pipelines.run(&maker).await {
            Ok(found) => earlier.push(facts(&pipelines, &found).await?),
            // That there is no such run is for the check to judge.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(World {
        rung: endpoints.rung.clone(),
        serving_url: endpoints.serving.url.clone(),
        run,
        earlier,
        followed_by,
        artifacts,
        registered,
        served,
        own_objects,
        forecast,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "handed to `map_err`")]
fn failed(error: impl ToString) -> Unseen {
    Unseen::Failed(error.to_string())
}

async fn facts(pipelines: &Client, run: &Run) -> Result<RunFacts, KfpError> {
    let spec = pipelines.pipeline_spec(run).await?;
    let outline = Outline::of(&spec).map_err(|error| KfpError::Malformed {
        call: kfp_api::error::Call {
            operation: "GetRun",
            object: format!("run {}", run.run_id),
        },
        http_status: 200,
        reason: error.to_string(),
    })?;
    let (steps, outputs) = match pipelines.tasks(&run.run_id).await {
        Ok(tasks) => (steps_of_tasks(&outline, run, &tasks), Ok(outputs(&tasks))),
        Err(error @ KfpError::NotSpoken { .. }) => (steps_of_nodes(&outline, run), Err(failed(error))),
        Err(error) => return Err(error),
    };
    let given = run.runtime_config.iter().flat_map(|config| &config.parameters);
    let mut parameters = defaults(&spec);
    parameters.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    Ok(RunFacts {
        id: run.run_id.clone(),
        state: run.state,
        created: run.created_at,
        finished: run.finished_at,
        spec,
        parameters,
        steps,
        outputs,
    })
}

/// The pipeline alone, without its platform spec.
fn alone(spec: &Value) -> &Value {
    spec.get("pipeline_spec").unwrap_or(spec)
}

fn pipeline_name(spec: &Value) -> Option<&str> {
    alone(spec).pointer("/pipelineInfo/name").and_then(Value::as_str)
}

fn defaults(spec: &Value) -> BTreeMap<String, Value> {
    let definitions = alone(spec).pointer("/root/inputDefinitions/parameters");
    let definitions = definitions.and_then(Value::as_object).into_iter().flatten();
    definitions
        .filter_map(|(name, definition)| Some((name.clone(), definition.get("defaultValue")?.clone())))
        .collect()
}

fn outputs(tasks: &[PipelineTask]) -> BTreeMap<String, BTreeMap<String, Value>> {
    let parameters = |task: &PipelineTask| {
        let outputs = task.outputs.parameters.iter();
        outputs
            .map(|output| (output.parameter_key.clone(), output.value.clone()))
            .collect()
    };
    tasks
        .iter()
        .map(|task| (task.name.clone(), parameters(task)))
        .collect()
}

/// The runs around this one.
struct Neighbours {
    earlier: Vec<RunFacts>,
    followed_by: Option<String>,
}

async fn neighbours(pipelines: &Client, asked: &Run, run: &RunFacts) -> Result<Neighbours, KfpError> {
    let all = pipelines.runs(RUNS).await?;
    let related = |other: &&Run| other.run_id != run.id && may_share_pipeline(asked, other);
    let others: Vec<&Run> = all.iter().filter(related).collect();
    let (before, after): (Vec<&Run>, Vec<&Run>) = others
        .into_iter()
        .partition(|other| other.created_at <= run.created);
    let same_pipeline = |facts: &RunFacts| pipeline_name(&facts.spec) == pipeline_name(&run.spec);
    let read = |some: Vec<Run>| {
        stream::iter(some)
            .map(async |other| facts(pipelines, &other).await)
            .buffered(AT_ONCE)
    };
    let earlier: Vec<RunFacts> = read(before.into_iter().cloned().collect())
        .try_filter(|facts| futures::future::ready(same_pipeline(facts)))
        .take(EARLIER)
        .try_collect()
        .await?;
    let mut later = std::pin::pin!(read(after.into_iter().cloned().collect()).try_filter(|facts| {
        futures::future::ready(same_pipeline(facts) && facts.succeeded(recipe::DEPLOY))
    }));
    let followed_by = later.try_next().await?.map(|facts| facts.id);
    Ok(Neighbours { earlier, followed_by })
}

/// Whether it is worth a request to learn if two runs are of one pipeline.
fn may_share_pipeline(run: &Run, other: &Run) -> bool {
    let inline = |run: &Run| {
        run.pipeline_spec
            .as_ref()
            .map(|spec| pipeline_name(spec).map(str::to_owned))
    };
    match (inline(run), inline(other)) {
        (Some(name), Some(other)) => name == other,
        (None, None) => {
            let id = |run: &Run| {
                run.pipeline_version_reference
                    .as_ref()
                    .map(|version| version.pipeline_id.clone())
            };
            id(run) == id(other)
        }
        (Some(_), None) | (None, Some(_)) => true,
    }
}

async fn registered(endpoints: &Endpoints, run: &RunFacts) -> Seen<Registered> {
    let registry = Registry::new(&endpoints.registry.tracking_uri).map_err(failed)?;
    let filter = VersionFilter::of_model(recipe::MODEL);
    let versions = registry.versions(&filter).await.map_err(failed)?;
    let own = run.version().ok();
    let own = own.filter(|number| versions.iter().any(|version| version.version == *number));
    let artifact_uri = match own {
        Some(number) => Some(
            registry
                .artifact_uri(recipe::MODEL, number)
                .await
                .map_err(failed)?,
        ),
        None => None,
    };
    Ok(Registered {
        versions,
        artifact_uri,
    })
}

/// The maker that the run's version names, when it is none of the runs that are known.
fn unknown_maker(run: &RunFacts, earlier: &[RunFacts], registered: &Seen<Registered>) -> Option<String> {
    let number = run.version().ok()?;
    let versions = &registered.as_ref().ok()?.versions;
    let version = versions.iter().find(|version| version.version == number)?;
    let maker = version.tags.get(provenance::RUN_ID)?;
    let known = *maker == run.id || earlier.iter().any(|earlier| earlier.id == *maker);
    (!known).then(|| maker.clone())
}

async fn client(endpoints: &Endpoints) -> Result<kube::Client, ServingError> {
    let resources = &endpoints.resources;
    connect(resources.kubeconfig.as_deref(), resources.context.as_deref()).await
}

async fn served(endpoints: &Endpoints, run: &RunFacts) -> Seen<Served> {
    let client = client(endpoints).await.map_err(failed)?;
    let namespace = &endpoints.resources.namespaces.serving;
    let observed = observe(&client, namespace, recipe::MODEL).await.map_err(failed)?;
    let golden = match run.version() {
        Ok(version) => golden(endpoints, version).await,
        Err(Unseen::Failed(why) | Unseen::NotHere(why)) => Err(why),
    };
    Ok(Served { observed, golden })
}

async fn golden(endpoints: &Endpoints, version: u32) -> Result<usize, String> {
    let registry = Registry::new(&endpoints.registry.tracking_uri).map_err(|error| error.to_string())?;
    let read = async |path| {
        let bytes = registry.read_file(recipe::MODEL, version, path).await;
        bytes.map_err(|error| error.to_string())
    };
    let requests = read(provenance::GOLDEN_REQUESTS).await?;
    let predictions = read(provenance::GOLDEN_PREDICTIONS).await?;
    let golden = Golden::parse(&requests, &predictions).map_err(|error| error.to_string())?;
    let url = infer_url(&endpoints.serving.url, recipe::MODEL);
    golden.verify(&url).await.map_err(|error| error.to_string())?;
    Ok(golden.requests())
}

async fn own_objects(endpoints: &Endpoints, run_id: &str) -> Seen<Vec<String>> {
    let client = client(endpoints).await.map_err(failed)?;
    let Namespaces { trials, training, .. } = &endpoints.resources.namespaces;
    let mut found = Vec::new();
    let name = recipe::experiment(run_id);
    let experiments: Api<Experiment> = Api::namespaced(client.clone(), trials);
    if experiments.get_opt(&name).await.map_err(failed)?.is_some() {
        found.push(format!("Experiment {trials}/{name}"));
    }
    let name = recipe::ray_job(run_id);
    let jobs: Api<RayJob> = Api::namespaced(client, training);
    if jobs.get_opt(&name).await.map_err(failed)?.is_some() {
        found.push(format!("RayJob {training}/{name}"));
    }
    Ok(found)
}

async fn forecast(pipelines: &Client, run: &Run) -> Seen<Forecast> {
    let again = Run {
        display_name: format!("rerun of {}", run.run_id),
        pipeline_spec: run.pipeline_spec.clone(),
        pipeline_version_reference: run.pipeline_version_reference.clone(),
        runtime_config: run.runtime_config.clone(),
        ..Run::default()
    };
    pipelines.plan(&again).await.map_err(|error| match error {
        KfpError::NotSpoken { .. } => Unseen::NotHere(format!("{error}: KFP itself foretells nothing")),
        error => failed(error),
    })
}
