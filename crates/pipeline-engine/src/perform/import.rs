//! Imports: bytes that are there already, named as an artifact.

use std::collections::BTreeMap;

use pipeline_spec::ir::{Executor, ImporterSpec, ValueOrParameter};
use pipeline_spec::placeholder::{Facts, Template};
use pipeline_spec::support::WORKSPACE_PATH;
use pipeline_spec::{ExecutorInput, RuntimeArtifact};
use serde_json::{Map, Value};

use super::outputs::copy_anew;
use crate::bind::Bound;
use crate::cache;
use crate::config::EngineConfig;
use crate::decide::{Order, Outputs};
use crate::layout;
use crate::model::{ArtifactId, ArtifactRecord};
use crate::program::{Program, Step, Work};

/// Copies what an importer that says so has imported into the workspace of the run, where tasks then find it.
pub(super) fn bring_into_workspace(
    config: &EngineConfig,
    order: &Order,
    outputs: &mut Outputs,
) -> Result<(), String> {
    let Work::Executor(label) = &order.step().work else {
        return Ok(());
    };
    match order.program.executor(label) {
        Executor::Importer(importer) if importer.download_to_workspace => {}
        _ => return Ok(()),
    }
    if !layout::has_workspace(order.program.pipeline()) {
        return Err("it imports into a workspace, and the pipeline has none".to_owned());
    }
    let workspace = layout::workspace(&config.tasks, order.run);
    for artifact in outputs.artifacts.values_mut().flatten() {
        let Some(path) = &artifact.path else {
            return Err(format!(
                "`{}` cannot be copied into the workspace: it is not on this machine",
                artifact.uri
            ));
        };
        let seen = RuntimeArtifact::in_workspace(&path.display().to_string());
        let target = workspace.join(seen.trim_start_matches(WORKSPACE_PATH).trim_start_matches('/'));
        let folder = target.parent().unwrap_or(&workspace);
        std::fs::create_dir_all(folder)
            .and_then(|()| copy_anew(path, &target))
            .map_err(|error| format!("{}: {error}", target.display()))?;
        artifact
            .metadata
            .insert(RuntimeArtifact::IN_WORKSPACE.to_owned(), Value::Bool(true));
    }
    Ok(())
}

/// The output of an importer, before it is brought into a workspace.
pub(crate) fn outputs(
    program: &Program,
    step: &Step,
    inputs: &Bound,
    facts: &Facts,
) -> Result<Outputs, String> {
    let Work::Executor(label) = &step.work else {
        return Err("it is a DAG".to_owned());
    };
    let Executor::Importer(importer) = program.executor(label) else {
        return Err("its executor is no importer".to_owned());
    };
    let component = program.component(step);
    let name = component
        .outputs
        .artifacts
        .keys()
        .next()
        .cloned()
        .unwrap_or_else(|| "artifact".to_owned());
    let record = artifact(inputs, facts, importer, &name)?;
    Ok(Outputs {
        parameters: BTreeMap::new(),
        artifacts: BTreeMap::from([(name, vec![record])]),
    })
}

fn artifact(
    inputs: &Bound,
    facts: &Facts,
    importer: &ImporterSpec,
    name: &str,
) -> Result<ArtifactRecord, String> {
    let input = ExecutorInput {
        inputs: inputs.to_inputs(),
        ..ExecutorInput::default()
    };
    let uri = match &importer.artifact_uri {
        ValueOrParameter::Constant(Value::String(uri)) => filled(uri, &input, facts)?,
        ValueOrParameter::Constant(other) => return Err(format!("`{other}` is no URI")),
        ValueOrParameter::Parameter(name) => match inputs.parameter(name) {
            Some(Value::String(uri)) => uri.clone(),
            _ => return Err(format!("parameter `{name}` holds no URI")),
        },
    };
    if uri.is_empty() {
        return Err("the URI to import is empty".to_owned());
    }
    let written = Value::Object(importer.metadata.clone());
    let Value::Object(metadata) = filled_value(&written, &input, facts)? else {
        return Err("its metadata is no object".to_owned());
    };
    let mut record = ArtifactRecord {
        id: ArtifactId::of(&uri),
        name: name.to_owned(),
        artifact_type: importer.type_schema.clone(),
        uri,
        path: None,
        digest: None,
        size: 0,
        modified_ns: 0,
        metadata,
    };
    if let Some(path) = layout::local_path(&record.uri) {
        let content = cache::content(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        record.uri = layout::file_uri(&path);
        record.id = ArtifactId::of(&record.uri);
        record.path = Some(path);
        record.digest = Some(content.digest);
        record.size = content.size;
        record.modified_ns = content.modified_ns;
    }
    Ok(record)
}

fn filled(text: &str, input: &ExecutorInput, facts: &Facts) -> Result<String, String> {
    Template::parse(text)
        .fill(input, facts)
        .map_err(|error| error.to_string())
}

fn filled_value(value: &Value, input: &ExecutorInput, facts: &Facts) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(filled(text, input, facts)?),
        Value::Array(items) => items
            .iter()
            .map(|item| filled_value(item, input, facts))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        // The SDK puts placeholders into keys as well.
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| Ok((filled(key, input, facts)?, filled_value(value, input, facts)?)))
            .collect::<Result<Map<_, _>, String>>()?
            .into(),
        other => other.clone(),
    })
}
