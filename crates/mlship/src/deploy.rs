//! `mlship deploy`.

use std::time::{Duration, Instant};

use anyhow::Context;
use model_registry::{ModelVersion, Registry, VersionStatus, provenance};
use serde::Serialize;
use serving::{Action, Deployment, Golden, connect};
use sha2::{Digest, Sha256};

use crate::cli::{DeployArguments, Which};
use crate::failure::{Next, after_registry, after_serving};
use crate::place::endpoints;

/// The outcome, as `--json` prints it.
#[derive(Serialize)]
struct Outcome<'a> {
    model: &'a str,
    version: u32,
    stage: String,
    namespace: &'a str,
    runtime: &'a str,
    storage_uri: &'a str,
    endpoint: &'a str,
    golden_requests: usize,
    changes: Vec<OutcomeChange>,
    seconds: f64,
}

#[derive(Serialize)]
struct OutcomeChange {
    object: String,
    action: Action,
}

pub(crate) async fn run(arguments: DeployArguments) -> anyhow::Result<()> {
    let begun = Instant::now();
    let endpoints = endpoints(&arguments.place)?;
    let tracking_uri = &endpoints.registry.tracking_uri;
    let registry_failed = |error| after_registry(error, tracking_uri);
    let registry = Registry::new(tracking_uri).map_err(registry_failed)?;
    let version = chosen(&registry, &arguments.model, &arguments.which)
        .await
        .map_err(registry_failed)?;
    if version.status != VersionStatus::Ready {
        let message = format!(
            "version {} of model {}: its registration is {:?}",
            version.version, version.name, version.status
        );
        return Err(anyhow::anyhow!(message).context(Next::new("register it again")));
    }
    let storage_uri = registry
        .artifact_uri(&version.name, version.version)
        .await
        .map_err(registry_failed)?;
    let golden = recorded(&registry, &version, tracking_uri).await?;
    is_as_registered(&registry, &version).await?;

    let deployment = Deployment {
        name: version.name.clone(),
        namespace: endpoints.resources.namespaces.serving.clone(),
        version: version.version,
        storage_uri,
        runtime: arguments.runtime,
    };
    eprintln!(
        "{} version {} ({}) with runtime {}",
        deployment.name, deployment.version, version.stage, deployment.runtime
    );
    let serving_failed = |error| after_serving(error, &version.name);
    let resources = &endpoints.resources;
    let client = connect(resources.kubeconfig.as_deref(), resources.context.as_deref())
        .await
        .map_err(serving_failed)?;
    let timeout = Duration::from_secs(arguments.timeout);
    let tell = |progress| eprintln!("{progress}");
    // The future holds Kubernetes objects by value: too large for a stack frame.
    let deployed = Box::pin(serving::deploy(
        &client,
        &deployment,
        &endpoints.serving.url,
        &golden,
        timeout,
        tell,
    ))
    .await
    .map_err(serving_failed)?;

    let untouched = deployed
        .changes
        .iter()
        .all(|change| change.action == Action::Unchanged);
    if arguments.json {
        let outcome = Outcome {
            model: &deployment.name,
            version: deployment.version,
            stage: version.stage.to_string(),
            namespace: &deployment.namespace,
            runtime: &deployment.runtime,
            storage_uri: &deployment.storage_uri,
            endpoint: &deployed.endpoint,
            golden_requests: deployed.golden_requests,
            changes: deployed
                .changes
                .iter()
                .map(|change| OutcomeChange {
                    object: change.object.to_string(),
                    action: change.action,
                })
                .collect(),
            seconds: begun.elapsed().as_secs_f64(),
        };
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        let word = match untouched {
            true => "was served already, nothing was written",
            false => "is served",
        };
        println!("version {} {word}: {}", deployment.version, deployed.endpoint);
    }
    Ok(())
}

async fn chosen(
    registry: &Registry,
    model: &str,
    which: &Which,
) -> Result<ModelVersion, model_registry::RegistryError> {
    match (which.version, &which.alias) {
        (Some(version), _) => registry.version(model, version).await,
        (None, Some(alias)) => registry.version_by_alias(model, alias).await,
        (None, None) => unreachable!("invariant: the argument group is required"),
    }
}

/// A version that names its parameters' digest must have parameters of that digest: a server finds out too late.
async fn is_as_registered(registry: &Registry, version: &ModelVersion) -> anyhow::Result<()> {
    let Some(registered) = version.tags.get(provenance::MODEL_DIGEST) else {
        return Ok(());
    };
    let mend = || Next::new("`cargo xtask recipe train-deploy` writes it anew");
    let bytes = registry
        .read_file(&version.name, version.version, provenance::MODEL_FILE)
        .await
        .context(mend())?;
    let found = hex::encode(Sha256::digest(bytes));
    if found != *registered {
        let message = format!(
            "version {} of model {}: {} has SHA-256 {found}, registered was {registered}: it was altered since",
            version.version,
            version.name,
            provenance::MODEL_FILE
        );
        return Err(anyhow::anyhow!(message).context(mend()));
    }
    Ok(())
}

async fn recorded(registry: &Registry, version: &ModelVersion, tracking_uri: &str) -> anyhow::Result<Golden> {
    let read = async |path| {
        registry
            .read_file(&version.name, version.version, path)
            .await
            .map_err(|error| after_registry(error, tracking_uri))
    };
    let requests = read(provenance::GOLDEN_REQUESTS).await?;
    let predictions = read(provenance::GOLDEN_PREDICTIONS).await?;
    Golden::parse(&requests, &predictions)
        .with_context(|| format!("version {} of model {}", version.version, version.name))
        .context(Next::new(
            "deploy a version that `cargo xtask recipe train-deploy` registered",
        ))
}
