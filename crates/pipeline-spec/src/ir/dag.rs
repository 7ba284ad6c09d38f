//! DAGs: tasks, and which of their outputs are the DAG's own.

use indexmap::IndexMap;
use serde::Deserialize;

use super::TaskSpec;

/// A DAG of tasks.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DagSpec {
    /// Tasks by name.
    pub tasks: IndexMap<String, TaskSpec>,
    /// Outputs of the DAG.
    pub outputs: DagOutputs,
}

/// Where the outputs of a DAG come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DagOutputs {
    /// Artifacts by name. Of several selectors (`dsl.OneOf`) the one whose task ran counts.
    #[serde(deserialize_with = "selectors")]
    pub artifacts: IndexMap<String, Vec<ArtifactSelector>>,
    /// Parameters by name.
    pub parameters: IndexMap<String, DagOutputParameter>,
}

fn selectors<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<IndexMap<String, Vec<ArtifactSelector>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Written {
        #[serde(default)]
        artifact_selectors: Vec<ArtifactSelector>,
    }
    let written = IndexMap::<String, Written>::deserialize(deserializer)?;
    Ok(written
        .into_iter()
        .map(|(name, output)| (name, output.artifact_selectors))
        .collect())
}

/// An output artifact of a task inside.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArtifactSelector {
    /// The task inside.
    pub producer_subtask: String,
    /// Its output.
    pub output_artifact_key: String,
}

/// An output parameter of a task inside.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParameterSelector {
    /// The task inside.
    pub producer_subtask: String,
    /// Its output.
    pub output_parameter_key: String,
}

/// Where an output parameter of a DAG comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub enum DagOutputParameter {
    /// An output of one task.
    From(ParameterSelector),
    /// The output of the one task among these that ran (`dsl.OneOf`).
    OneOf(Vec<ParameterSelector>),
}

impl DagOutputParameter {
    /// Every selector, in order.
    pub fn selectors(&self) -> &[ParameterSelector] {
        match self {
            Self::From(selector) => std::slice::from_ref(selector),
            Self::OneOf(selectors) => selectors,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    value_from_parameter: Option<ParameterSelector>,
    value_from_oneof: Option<Selectors>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Selectors {
    #[serde(default)]
    parameter_selectors: Vec<ParameterSelector>,
}

impl TryFrom<Written> for DagOutputParameter {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match (written.value_from_parameter, written.value_from_oneof) {
            (Some(selector), None) => Ok(Self::From(selector)),
            (None, Some(selectors)) => Ok(Self::OneOf(selectors.parameter_selectors)),
            _ => Err("an output parameter needs one of `valueFromParameter`, `valueFromOneof`"),
        }
    }
}
