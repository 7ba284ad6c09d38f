//! Environment variables that are read from somewhere: from where, by name.
//!
//! With the volumes they are all that a task's pod refers to on a cluster.

use pipeline_spec::ir::{InputParameter, KubernetesExecutorConfig, ParameterSource};
use serde_json::Value;

use super::volumes::{Volume, volumes};
use super::{Surroundings, Unbound};

/// An environment variable that is read from somewhere when an attempt begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Name of the variable.
    pub(crate) name: String,
    pub(crate) source: VariableSource,
}

/// Where a variable is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VariableSource {
    ConfigMap {
        name: String,
        key: String,
        optional: bool,
    },
    Secret {
        name: String,
        key: String,
        optional: bool,
    },
    Field {
        path: String,
    },
}

impl std::fmt::Display for VariableSource {
    /// As it enters a cache key: the reference, never the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ConfigMap { name, key, .. } => write!(f, "configMap {name} {key}"),
            Self::Secret { name, key, .. } => write!(f, "secret {name} {key}"),
            Self::Field { path } => write!(f, "field {path}"),
        }
    }
}

/// What a task refers to beside its inputs: bound by name, read when an attempt begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct References {
    /// In the order in which a later one wins.
    pub(crate) variables: Vec<Variable>,
    /// In the order in which they are mounted.
    pub(crate) volumes: Vec<Volume>,
}

/// What a task refers to.
pub(crate) fn references(
    config: Option<&KubernetesExecutorConfig>,
    around: &impl Surroundings,
) -> Result<References, Unbound> {
    Ok(References {
        variables: variables(config, around)?,
        volumes: volumes(config, around)?,
    })
}

/// The variables of a task that are read from somewhere, in the order in which a later one wins.
fn variables(
    config: Option<&KubernetesExecutorConfig>,
    around: &impl Surroundings,
) -> Result<Vec<Variable>, Unbound> {
    let mut variables = Vec::new();
    let Some(config) = config else {
        return Ok(variables);
    };
    for source in &config.secret_as_env {
        let Some(name) = object_name("Secret", &source.name, source.optional, around)? else {
            continue;
        };
        variables.extend(source.keys.iter().map(|key| Variable {
            name: key.variable.clone(),
            source: VariableSource::Secret {
                name: name.clone(),
                key: key.key.clone(),
                optional: source.optional,
            },
        }));
    }
    for source in &config.config_map_as_env {
        let Some(name) = object_name("ConfigMap", &source.name, source.optional, around)? else {
            continue;
        };
        variables.extend(source.keys.iter().map(|key| Variable {
            name: key.variable.clone(),
            source: VariableSource::ConfigMap {
                name: name.clone(),
                key: key.key.clone(),
                optional: source.optional,
            },
        }));
    }
    variables.extend(config.field_path_as_env.iter().map(|source| Variable {
        name: source.name.clone(),
        source: VariableSource::Field {
            path: source.field_path.clone(),
        },
    }));
    Ok(variables)
}

/// The name of a Secret, ConfigMap or volume claim; `None` where it may be absent and is.
pub(super) fn object_name(
    kind: &str,
    parameter: &InputParameter,
    optional: bool,
    around: &impl Surroundings,
) -> Result<Option<String>, Unbound> {
    let value = match &parameter.source {
        ParameterSource::Constant(value) => Some(value.clone()),
        ParameterSource::ComponentInput(name) => around.component_parameter(name)?,
        ParameterSource::TaskOutput { task, output } => around.output_parameter(task, output)?,
        ParameterSource::FinalStatus { .. } => None,
    };
    match value {
        Some(Value::String(name)) if !name.is_empty() => Ok(Some(name)),
        _ if optional => Ok(None),
        _ => Err(Unbound::Wrong(format!("the name of a {kind} was given no value"))),
    }
}
