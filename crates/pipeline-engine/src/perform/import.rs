//! Imports: bytes that are there already, named as an artifact.

use std::collections::BTreeMap;

use pipeline_spec::ExecutorInput;
use pipeline_spec::ir::{Executor, ImporterSpec, ValueOrParameter};
use pipeline_spec::placeholder::{Facts, Template};
use serde_json::{Map, Value};

use crate::bind::Bound;
use crate::cache;
use crate::decide::{AttemptEnd, Order, Outputs};
use crate::layout;
use crate::model::{ArtifactId, ArtifactRecord};
use crate::program::{Program, Step, Work};

/// Carries an import out.
pub(super) async fn import(order: Order) -> AttemptEnd {
    let read = tokio::task::spawn_blocking(move || {
        outputs(&order.program, order.step(), &order.inputs, &order.facts)
    })
    .await;
    match read {
        Ok(Ok(outputs)) => AttemptEnd::Succeeded(outputs),
        Ok(Err(message)) => AttemptEnd::Failed {
            message,
            again: false,
        },
        Err(_) => AttemptEnd::NeverStarted,
    }
}

/// The output of an importer.
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
