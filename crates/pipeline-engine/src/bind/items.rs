//! Loops: what they iterate over, and the inputs of each iteration.

use pipeline_spec::coerce;
use pipeline_spec::ir::{ComponentSpec, IteratorItems};
use serde_json::Value;

use super::Bound;
use crate::model::{ArtifactRecord, BoundArtifact, Origin};
use crate::program::Step;

/// What a loop iterates over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Items {
    Values(Vec<Value>),
    Artifacts(Vec<ArtifactRecord>),
}

impl Items {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Artifacts(artifacts) => artifacts.len(),
        }
    }
}

/// The items of a loop, from its bound inputs.
pub(crate) fn items(source: &IteratorItems, bound: &Bound) -> Result<Items, String> {
    let list = |text: &str| match serde_json::from_str(text) {
        Ok(Value::Array(values)) => Ok(Items::Values(values)),
        Ok(_) => Err("a JSON list is expected".to_owned()),
        Err(error) => Err(format!("not readable as a JSON list: {error}")),
    };
    match source {
        IteratorItems::Raw(text) => list(text),
        IteratorItems::Parameter(name) => match bound.parameter(name) {
            Some(Value::Array(values)) => Ok(Items::Values(values.clone())),
            Some(Value::String(text)) => list(text).map_err(|error| format!("`{name}`: {error}")),
            _ => Err(format!("`{name}` is no list to iterate over")),
        },
        IteratorItems::Artifact(name) => match bound.artifacts(name) {
            Some(artifacts) => Ok(Items::Artifacts(artifacts.to_vec())),
            None => Err(format!("`{name}` was given no artifacts to iterate over")),
        },
    }
}

/// The inputs of one iteration: those of the loop, with the item in place of the list.
pub(crate) fn iteration(
    step: &Step,
    component: &ComponentSpec,
    bound: &Bound,
    items: &Items,
    nth: usize,
) -> Result<Bound, String> {
    let mut inner = bound.clone();
    let Some(iterator) = &step.iterator else {
        return Ok(inner);
    };
    match &iterator.items {
        IteratorItems::Parameter(list) => inner.parameters.retain(|parameter| parameter.name != *list),
        IteratorItems::Artifact(list) => inner.artifacts.retain(|artifact| artifact.name != *list),
        IteratorItems::Raw(_) => {}
    }
    let name = &iterator.item;
    match items {
        Items::Values(values) => {
            let value = values[nth].clone();
            let value = match component.inputs.parameters.get(name) {
                Some(input) => {
                    coerce(name, value, input.parameter_type).map_err(|error| error.to_string())?
                }
                None => value,
            };
            inner.parameters.retain(|parameter| parameter.name != *name);
            inner.give(name, value, Origin::Item);
        }
        Items::Artifacts(artifacts) => {
            inner.artifacts.push(BoundArtifact {
                name: name.clone(),
                artifacts: vec![artifacts[nth].clone()],
                origin: Origin::Item,
            });
        }
    }
    Ok(inner)
}
