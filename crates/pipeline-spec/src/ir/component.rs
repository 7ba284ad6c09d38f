//! Components: their inputs, their outputs, and what they are made of.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::DagSpec;

/// A component: typed inputs and outputs over a DAG or an executor.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub struct ComponentSpec {
    /// Inputs by name.
    pub inputs: InputDefinitions,
    /// Outputs by name.
    pub outputs: OutputDefinitions,
    /// A DAG of tasks, or the label of an executor.
    pub implementation: Implementation,
    /// Fields of the task's Kubernetes configuration that the component asks to be given as a parameter.
    pub task_config_passthroughs: Vec<Value>,
    /// Whether the component brings platform features of its own.
    pub has_platform_specs: bool,
}

/// What a component is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Implementation {
    /// A DAG of tasks.
    Dag(DagSpec),
    /// An executor of the deployment spec, by label.
    Executor(String),
}

impl ComponentSpec {
    /// The DAG, where the component is one.
    pub fn dag(&self) -> Option<&DagSpec> {
        match &self.implementation {
            Implementation::Dag(dag) => Some(dag),
            Implementation::Executor(_) => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(default)]
    input_definitions: InputDefinitions,
    #[serde(default)]
    output_definitions: OutputDefinitions,
    dag: Option<DagSpec>,
    executor_label: Option<String>,
    #[serde(default)]
    single_platform_specs: Vec<Value>,
    #[serde(default)]
    task_config_passthroughs: Vec<Value>,
}

impl TryFrom<Written> for ComponentSpec {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let implementation = match (written.dag, written.executor_label) {
            (Some(dag), None) => Implementation::Dag(dag),
            (None, Some(label)) => Implementation::Executor(label),
            (None, None) => return Err("a component needs a `dag` or an `executorLabel`"),
            (Some(_), Some(_)) => {
                return Err("a component is either a `dag` or an `executorLabel`, not both");
            }
        };
        Ok(Self {
            inputs: written.input_definitions,
            outputs: written.output_definitions,
            implementation,
            task_config_passthroughs: written.task_config_passthroughs,
            has_platform_specs: !written.single_platform_specs.is_empty(),
        })
    }
}

/// Inputs of a component, by name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InputDefinitions {
    /// Artifacts by name.
    pub artifacts: IndexMap<String, ArtifactInput>,
    /// Parameters by name.
    pub parameters: IndexMap<String, ParameterInput>,
}

/// An input artifact of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ArtifactInput {
    /// Its type.
    pub artifact_type: ArtifactType,
    /// A list of artifacts rather than one.
    pub is_artifact_list: bool,
    /// May be absent.
    pub is_optional: bool,
    /// What it is.
    pub description: Option<String>,
}

/// An input parameter of a component.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "WrittenParameter")]
pub struct ParameterInput {
    /// Its type.
    pub parameter_type: ParameterType,
    /// The value where none is given.
    pub default_value: Option<Value>,
    /// May be absent.
    pub is_optional: bool,
    /// What it is.
    pub description: Option<String>,
    /// The only values it takes; any where empty.
    pub literals: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenParameter {
    #[serde(rename = "type")]
    primitive: Option<Primitive>,
    #[serde(default)]
    parameter_type: ParameterType,
    default_value: Option<Value>,
    #[serde(default)]
    is_optional: bool,
    description: Option<String>,
    #[serde(default)]
    literals: Vec<Value>,
}

impl From<WrittenParameter> for ParameterInput {
    fn from(written: WrittenParameter) -> Self {
        Self {
            parameter_type: typed(written.parameter_type, written.primitive),
            default_value: written.default_value,
            is_optional: written.is_optional,
            description: written.description,
            literals: written.literals,
        }
    }
}

/// Outputs of a component, by name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutputDefinitions {
    /// Artifacts by name.
    pub artifacts: IndexMap<String, ArtifactOutput>,
    /// Parameters by name.
    pub parameters: IndexMap<String, ParameterOutput>,
}

/// An output artifact of a component.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ArtifactOutput {
    /// Its type.
    pub artifact_type: ArtifactType,
    /// Properties it starts with.
    pub metadata: serde_json::Map<String, Value>,
    /// Properties, in the field's deprecated form.
    pub properties: IndexMap<String, Value>,
    /// Properties, in the field's deprecated form.
    pub custom_properties: IndexMap<String, Value>,
    /// A list of artifacts rather than one.
    pub is_artifact_list: bool,
    /// What it is.
    pub description: Option<String>,
}

/// An output parameter of a component.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenOutput")]
pub struct ParameterOutput {
    /// Its type.
    pub parameter_type: ParameterType,
    /// What it is.
    pub description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenOutput {
    #[serde(rename = "type")]
    primitive: Option<Primitive>,
    #[serde(default)]
    parameter_type: ParameterType,
    description: Option<String>,
}

impl From<WrittenOutput> for ParameterOutput {
    fn from(written: WrittenOutput) -> Self {
        Self {
            parameter_type: typed(written.parameter_type, written.primitive),
            description: written.description,
        }
    }
}

/// The type of a parameter (`ParameterType.ParameterTypeEnum`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ParameterType {
    /// Not given.
    #[default]
    #[serde(rename = "PARAMETER_TYPE_ENUM_UNSPECIFIED")]
    Unspecified,
    /// A number.
    NumberDouble,
    /// A number without a fraction.
    NumberInteger,
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A JSON list.
    List,
    /// A JSON object.
    Struct,
    /// The final status of a task.
    TaskFinalStatus,
    /// The Kubernetes configuration of the task itself.
    TaskConfig,
}

impl ParameterType {
    /// The name of the enum value, as it enters a cache key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "PARAMETER_TYPE_ENUM_UNSPECIFIED",
            Self::NumberDouble => "NUMBER_DOUBLE",
            Self::NumberInteger => "NUMBER_INTEGER",
            Self::String => "STRING",
            Self::Boolean => "BOOLEAN",
            Self::List => "LIST",
            Self::Struct => "STRUCT",
            Self::TaskFinalStatus => "TASK_FINAL_STATUS",
            Self::TaskConfig => "TASK_CONFIG",
        }
    }
}

/// The deprecated `PrimitiveType`.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Primitive {
    #[serde(rename = "PRIMITIVE_TYPE_UNSPECIFIED")]
    Unspecified,
    Int,
    Double,
    String,
}

fn typed(parameter_type: ParameterType, primitive: Option<Primitive>) -> ParameterType {
    match (parameter_type, primitive) {
        (ParameterType::Unspecified, Some(Primitive::Int)) => ParameterType::NumberInteger,
        (ParameterType::Unspecified, Some(Primitive::Double)) => ParameterType::NumberDouble,
        (ParameterType::Unspecified, Some(Primitive::String)) => ParameterType::String,
        (given, _) => given,
    }
}

/// The type of an artifact (`ArtifactTypeSchema`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ArtifactType {
    /// `system.Model`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_title: Option<String>,
    /// Where a schema is kept; deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_uri: Option<String>,
    /// The schema itself, as YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_schema: Option<String>,
    /// `0.0.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
}

impl ArtifactType {
    /// Whether artifacts of this type live in their metadata, so that no file has to be written
    /// (`sdk/python/kfp/dsl/types/artifact_types.py`).
    pub fn is_metadata_only(&self) -> bool {
        matches!(
            self.schema_title.as_deref(),
            Some("system.Metrics" | "system.ClassificationMetrics" | "system.SlicedClassificationMetrics")
        )
    }
}
