//! The inputs of a task, bound: each from where the package says it comes.
//!
//! It serves the run, where all that a task waits for has ended, and the plan, where some of it is not known yet. As
//! `resolveInputs` of KFP's driver (`backend/src/v2/driver/resolve.go` at 2.17.0).

mod items;
pub(crate) mod variables;
pub(crate) mod volumes;

use std::collections::BTreeMap;

use pipeline_spec::ir::{ArtifactSource, ComponentSpec, Implementation, ParameterSource, ParameterType};
use pipeline_spec::placeholder::{Facts, Name, Template};
use pipeline_spec::{ArtifactList, Inputs, RuntimeArtifact, admit, coerce};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{ArtifactRecord, BoundArtifact, BoundParameter, Origin};
use crate::program::{ParameterBinding, Step};

pub(crate) use items::{Items, items, iteration};
pub(crate) use variables::{References, Variable, VariableSource, references};
pub(crate) use volumes::VolumeSource;

/// Parameters and artifacts of one side of a task.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) parameters: Vec<BoundParameter>,
    pub(crate) artifacts: Vec<BoundArtifact>,
}

impl Bound {
    pub(crate) fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters
            .iter()
            .find(|parameter| parameter.name == name)
            .map(|parameter| &parameter.value)
    }

    pub(crate) fn artifacts(&self, name: &str) -> Option<&[ArtifactRecord]> {
        self.artifacts
            .iter()
            .find(|artifact| artifact.name == name)
            .map(|artifact| artifact.artifacts.as_slice())
    }

    fn give(&mut self, name: &str, value: Value, origin: Origin) {
        self.parameters.push(BoundParameter {
            name: name.to_owned(),
            value,
            origin,
        });
    }

    /// As expressions and executors see it.
    pub(crate) fn to_inputs(&self) -> Inputs {
        Inputs {
            parameter_values: self
                .parameters
                .iter()
                .map(|parameter| (parameter.name.clone(), parameter.value.clone()))
                .collect(),
            artifacts: self
                .artifacts
                .iter()
                .map(|bound| {
                    let artifacts = bound.artifacts.iter().map(runtime).collect();
                    (bound.name.clone(), ArtifactList { artifacts })
                })
                .collect(),
        }
    }
}

/// An artifact as a step sees it. The SDK takes a URI of no object store for the path and does not read
/// `custom_path` of its input (`sdk/python/kfp/dsl/executor.py` at 2.17.0), so a local artifact's URI is its path.
fn runtime(artifact: &ArtifactRecord) -> RuntimeArtifact {
    RuntimeArtifact {
        name: artifact.name.clone(),
        artifact_type: Some(artifact.artifact_type.clone()),
        uri: match &artifact.path {
            Some(path) => path.display().to_string(),
            None => artifact.uri.clone(),
        },
        metadata: artifact.metadata.clone(),
        custom_path: None,
    }
}

/// Something that is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// What it depends on, for people: `output x of task train`.
    pub(crate) on: String,
}

/// What surrounds a task: the inputs of its DAG, and the tasks beside it. An absent value is `None`.
pub(crate) trait Surroundings {
    fn component_parameter(&self, name: &str) -> Result<Option<Value>, Unknown>;
    fn component_artifacts(&self, name: &str) -> Result<Option<Vec<ArtifactRecord>>, Unknown>;
    fn output_parameter(&self, task: &str, output: &str) -> Result<Option<Value>, Unknown>;
    fn output_artifacts(&self, task: &str, output: &str) -> Result<Option<Vec<ArtifactRecord>>, Unknown>;
    /// A `PipelineTaskFinalStatus`, as JSON.
    fn final_status(&self, task: &str) -> Result<Value, Unknown>;
    /// What placeholders say about the run and the task.
    fn facts(&self) -> &Facts;
}

/// Why a task's inputs are not bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unbound {
    /// They never will be: the task fails.
    Wrong(String),
    /// Not yet.
    Unknown(Unknown),
}

impl From<Unknown> for Unbound {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

fn wrong(name: &str, reason: impl std::fmt::Display) -> String {
    format!("input `{name}`: {reason}")
}

/// Binds the inputs of a task. Of a loop these are the inputs of the loop as a whole, without the item.
pub(crate) fn inputs(
    step: &Step,
    component: &ComponentSpec,
    around: &impl Surroundings,
) -> Result<Bound, Unbound> {
    let (bound, unknown) = known_inputs(step, component, around).map_err(Unbound::Wrong)?;
    match unknown.into_values().next() {
        Some(unknown) => Err(Unbound::Unknown(unknown)),
        None => Ok(bound),
    }
}

/// Inputs that are not known yet, by name, and what they depend on.
pub(crate) type UnknownInputs = BTreeMap<String, Unknown>;

/// Binds those inputs of a task that are known.
pub(crate) fn known_inputs(
    step: &Step,
    component: &ComponentSpec,
    around: &impl Surroundings,
) -> Result<(Bound, UnknownInputs), String> {
    let mut bound = Bound::default();
    let mut unknown = UnknownInputs::new();
    let (constants, sourced): (Vec<_>, Vec<_>) = step
        .parameters
        .iter()
        .partition(|binding| matches!(binding.source, ParameterSource::Constant(_)));
    for binding in sourced {
        match sourced_parameter(binding, around) {
            Ok(Some((value, origin))) => take(&mut bound, binding, component, value, origin)?,
            Ok(None) if may_be_absent(component, &binding.name) => {}
            Ok(None) => return Err(wrong(&binding.name, absence(&binding.source))),
            Err(on) => {
                unknown.insert(binding.name.clone(), on);
            }
        }
    }
    for binding in constants {
        let ParameterSource::Constant(written) = &binding.source else {
            continue;
        };
        if let Some(on) = unknown_in(written, &unknown) {
            unknown.insert(binding.name.clone(), on);
            continue;
        }
        let value = filled(written, &bound, around.facts()).map_err(|error| wrong(&binding.name, error))?;
        take(&mut bound, binding, component, value, Origin::Constant)?;
    }
    defaults(&mut bound, &unknown, step, component)?;
    for binding in &step.artifacts {
        let (found, origin) = match &binding.source {
            ArtifactSource::ComponentInput(name) => (around.component_artifacts(name), Origin::Component),
            ArtifactSource::TaskOutput { task, output } => {
                (around.output_artifacts(task, output), Origin::Task(task.clone()))
            }
        };
        let optional = component
            .inputs
            .artifacts
            .get(&binding.name)
            .is_some_and(|input| input.is_optional);
        match found {
            Ok(Some(artifacts)) => {
                bound.artifacts.push(BoundArtifact {
                    name: binding.name.clone(),
                    artifacts,
                    origin,
                });
            }
            Ok(None) if optional => {}
            Ok(None) => {
                let reason = match &binding.source {
                    ArtifactSource::TaskOutput { task, output } => no_output(task, output),
                    ArtifactSource::ComponentInput(name) => format!("`{name}` was given no artifact"),
                };
                return Err(wrong(&binding.name, reason));
            }
            Err(on) => {
                unknown.insert(binding.name.clone(), on);
            }
        }
    }
    Ok((bound, unknown))
}

/// What a constant depends on that is not known: the inputs that its placeholders name.
fn unknown_in(value: &Value, unknown: &UnknownInputs) -> Option<Unknown> {
    match value {
        Value::String(text) => Template::parse(text).names().find_map(|name| match name {
            Name::InputParameter(name) => unknown.get(name).cloned(),
            _ => None,
        }),
        Value::Array(items) => items.iter().find_map(|item| unknown_in(item, unknown)),
        Value::Object(fields) => fields.values().find_map(|value| unknown_in(value, unknown)),
        _ => None,
    }
}

fn sourced_parameter(
    binding: &ParameterBinding,
    around: &impl Surroundings,
) -> Result<Option<(Value, Origin)>, Unknown> {
    let (value, origin) = match &binding.source {
        ParameterSource::ComponentInput(name) => (around.component_parameter(name)?, Origin::Component),
        ParameterSource::TaskOutput { task, output } => {
            (around.output_parameter(task, output)?, Origin::Task(task.clone()))
        }
        ParameterSource::FinalStatus { task } => (
            Some(around.final_status(task)?),
            Origin::FinalStatus(task.clone()),
        ),
        ParameterSource::Constant(_) => (None, Origin::Constant),
    };
    // Null stands for an optional parameter of the pipeline that was given no value.
    Ok(value
        .filter(|value| !value.is_null())
        .map(|value| (value, origin)))
}

/// Whether the component does with no value: it has a default, or is content without.
fn may_be_absent(component: &ComponentSpec, name: &str) -> bool {
    component
        .inputs
        .parameters
        .get(name)
        .is_some_and(|input| input.is_optional || input.default_value.is_some())
}

fn absence(source: &ParameterSource) -> String {
    match source {
        ParameterSource::TaskOutput { task, output } => no_output(task, output),
        ParameterSource::ComponentInput(name) => format!("`{name}` was given no value"),
        ParameterSource::FinalStatus { task } => format!("task `{task}` has no final status"),
        ParameterSource::Constant(_) => "there is no value".to_owned(),
    }
}

fn no_output(task: &str, output: &str) -> String {
    format!("task `{task}` handed back no `{output}`")
}

/// Puts a value where it belongs, as the component takes it.
fn take(
    bound: &mut Bound,
    binding: &ParameterBinding,
    component: &ComponentSpec,
    value: Value,
    origin: Origin,
) -> Result<(), String> {
    let name = &binding.name;
    let mut value = match &binding.selector {
        Some(selector) => selector.select(&value).map_err(|error| wrong(name, error))?,
        None => value,
    };
    if let Some(input) = component.inputs.parameters.get(name) {
        value = coerce(name, value, input.parameter_type).map_err(|error| error.to_string())?;
        admit(name, &value, input).map_err(|error| error.to_string())?;
    }
    bound.give(name, value, origin);
    Ok(())
}

/// The placeholders in a constant, filled in wherever they stand in it.
fn filled(value: &Value, bound: &Bound, facts: &Facts) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) if text.contains("{{$") => {
            let template = Template::parse(text);
            let text = template
                .fill_constant(|name| bound.parameter(name).cloned(), facts)
                .map_err(|error| error.to_string())?;
            Value::String(text)
        }
        Value::Array(items) => items
            .iter()
            .map(|item| filled(item, bound, facts))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| Ok((key.clone(), filled(value, bound, facts)?)))
            .collect::<Result<serde_json::Map<_, _>, String>>()?
            .into(),
        other => other.clone(),
    })
}

fn defaults(
    bound: &mut Bound,
    unknown: &UnknownInputs,
    step: &Step,
    component: &ComponentSpec,
) -> Result<(), String> {
    let is_dag = matches!(component.implementation, Implementation::Dag(_));
    for (name, input) in &component.inputs.parameters {
        let is_item = step
            .iterator
            .as_ref()
            .is_some_and(|iterator| iterator.item == *name);
        if bound.parameter(name).is_some()
            || unknown.contains_key(name)
            || is_item
            || input.parameter_type == ParameterType::TaskConfig
        {
            continue;
        }
        match &input.default_value {
            Some(default) => bound.give(name, default.clone(), Origin::Default),
            // A pipeline hands its optional parameters on; a component does without.
            None if input.is_optional && is_dag => bound.give(name, Value::Null, Origin::Default),
            None if input.is_optional => {}
            None => return Err(wrong(name, "it has neither a value nor a default")),
        }
    }
    Ok(())
}
