//! Where the inputs of a task come from.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::executor::ValueOrParameter;

/// Inputs of a task, by the name the component gives them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TaskInputs {
    /// Parameters by name.
    pub parameters: IndexMap<String, InputParameter>,
    /// Artifacts by name.
    pub artifacts: IndexMap<String, InputArtifact>,
}

/// An input parameter of a task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenParameter")]
pub struct InputParameter {
    /// Where the value comes from.
    pub source: ParameterSource,
    /// A CEL expression that picks a part of it.
    pub selector: Option<String>,
}

/// Where an input parameter comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum ParameterSource {
    /// An output of another task of the DAG.
    TaskOutput {
        /// The other task.
        task: String,
        /// Its output.
        output: String,
    },
    /// A value written in the package; strings may hold placeholders.
    Constant(Value),
    /// An input of the component that holds the DAG.
    ComponentInput(String),
    /// How another task of the DAG ended.
    FinalStatus {
        /// The other task.
        task: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenParameter {
    task_output_parameter: Option<TaskOutputParameter>,
    runtime_value: Option<ValueOrParameter>,
    component_input_parameter: Option<String>,
    task_final_status: Option<FinalStatus>,
    parameter_expression_selector: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TaskOutputParameter {
    producer_task: String,
    output_parameter_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FinalStatus {
    producer_task: String,
}

impl TryFrom<WrittenParameter> for InputParameter {
    type Error = &'static str;

    fn try_from(written: WrittenParameter) -> Result<Self, Self::Error> {
        let mut sources = Vec::with_capacity(1);
        sources.extend(
            written
                .task_output_parameter
                .map(|output| ParameterSource::TaskOutput {
                    task: output.producer_task,
                    output: output.output_parameter_key,
                }),
        );
        sources.extend(written.runtime_value.map(|value| match value {
            ValueOrParameter::Constant(value) => ParameterSource::Constant(value),
            ValueOrParameter::Parameter(name) => ParameterSource::ComponentInput(name),
        }));
        sources.extend(
            written
                .component_input_parameter
                .map(ParameterSource::ComponentInput),
        );
        sources.extend(
            written
                .task_final_status
                .map(|status| ParameterSource::FinalStatus {
                    task: status.producer_task,
                }),
        );
        match (sources.pop(), sources.pop()) {
            (Some(source), None) => Ok(Self {
                source,
                selector: written.parameter_expression_selector,
            }),
            _ => Err(
                "an input parameter needs one of `taskOutputParameter`, `runtimeValue`, \
                      `componentInputParameter`, `taskFinalStatus`",
            ),
        }
    }
}

/// An input artifact of a task.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenArtifact")]
pub struct InputArtifact {
    /// Where the artifact comes from.
    pub source: ArtifactSource,
}

/// Where an input artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactSource {
    /// An output of another task of the DAG.
    TaskOutput {
        /// The other task.
        task: String,
        /// Its output.
        output: String,
    },
    /// An input of the component that holds the DAG.
    ComponentInput(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenArtifact {
    task_output_artifact: Option<TaskOutputArtifact>,
    component_input_artifact: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TaskOutputArtifact {
    producer_task: String,
    output_artifact_key: String,
}

impl TryFrom<WrittenArtifact> for InputArtifact {
    type Error = &'static str;

    fn try_from(written: WrittenArtifact) -> Result<Self, Self::Error> {
        let source = match (written.task_output_artifact, written.component_input_artifact) {
            (Some(output), None) => ArtifactSource::TaskOutput {
                task: output.producer_task,
                output: output.output_artifact_key,
            },
            (None, Some(name)) => ArtifactSource::ComponentInput(name),
            _ => return Err("an input artifact needs one of `taskOutputArtifact`, `componentInputArtifact`"),
        };
        Ok(Self { source })
    }
}
