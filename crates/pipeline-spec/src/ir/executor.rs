//! Executors: a container, or an import of an artifact.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::ArtifactType;
use super::scalar;

/// What an executor label stands for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub enum Executor {
    /// A command in an image.
    Container(Box<ContainerSpec>),
    /// Names bytes that are already there as an artifact.
    Importer(Box<ImporterSpec>),
    /// A query for artifacts of the past.
    Resolver(Value),
    /// A job of Google's AI Platform.
    CustomJob(Value),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    container: Option<Box<ContainerSpec>>,
    importer: Option<Box<ImporterSpec>>,
    resolver: Option<Value>,
    custom_job: Option<Value>,
}

impl TryFrom<Written> for Executor {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match (
            written.container,
            written.importer,
            written.resolver,
            written.custom_job,
        ) {
            (Some(container), None, None, None) => Ok(Self::Container(container)),
            (None, Some(importer), None, None) => Ok(Self::Importer(importer)),
            (None, None, Some(resolver), None) => Ok(Self::Resolver(resolver)),
            (None, None, None, Some(job)) => Ok(Self::CustomJob(job)),
            _ => Err("an executor needs one of `container`, `importer`, `resolver`, `customJob`"),
        }
    }
}

/// A command in an image. Strings may hold placeholders.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContainerSpec {
    /// Name of the image.
    pub image: String,
    /// The command.
    pub command: Vec<String>,
    /// Arguments after the command.
    pub args: Vec<String>,
    /// Hooks.
    pub lifecycle: Option<Value>,
    /// What it needs of the machine.
    pub resources: Resources,
    /// Environment variables.
    pub env: Vec<EnvVar>,
}

/// An environment variable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Value; `$(NAME)` refers to a variable before it, `$$(NAME)` is the text `$(NAME)`.
    pub value: String,
}

/// What a container needs of the machine. The `resource_*` fields win over the deprecated numbers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Resources {
    /// Cores at most; deprecated.
    pub cpu_limit: f64,
    /// GB at most; deprecated.
    pub memory_limit: f64,
    /// Cores at least; deprecated.
    pub cpu_request: f64,
    /// GB at least; deprecated.
    pub memory_request: f64,
    /// Cores at most, a Kubernetes quantity or a placeholder.
    pub resource_cpu_limit: Option<String>,
    /// Memory at most, a Kubernetes quantity or a placeholder.
    pub resource_memory_limit: Option<String>,
    /// Cores at least, a Kubernetes quantity or a placeholder.
    pub resource_cpu_request: Option<String>,
    /// Memory at least, a Kubernetes quantity or a placeholder.
    pub resource_memory_request: Option<String>,
    /// Accelerators.
    pub accelerator: Option<Accelerator>,
}

impl Resources {
    /// Cores asked for: the request, else the limit. As text, placeholders unresolved.
    pub fn cpu(&self) -> Option<String> {
        text_or(&self.resource_cpu_request, self.cpu_request, "")
            .or_else(|| text_or(&self.resource_cpu_limit, self.cpu_limit, ""))
    }

    /// Memory asked for: the request, else the limit. As text, placeholders unresolved.
    pub fn memory(&self) -> Option<String> {
        text_or(&self.resource_memory_request, self.memory_request, "G")
            .or_else(|| text_or(&self.resource_memory_limit, self.memory_limit, "G"))
    }
}

fn text_or(text: &Option<String>, number: f64, unit: &str) -> Option<String> {
    text.clone()
        .filter(|text| !text.is_empty())
        .or_else(|| (number != 0.0).then(|| format!("{number}{unit}")))
}

/// Accelerators of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Accelerator {
    /// Kind; deprecated.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// How many; deprecated.
    #[serde(deserialize_with = "scalar::integer")]
    pub count: i64,
    /// Kind.
    pub resource_type: Option<String>,
    /// How many.
    pub resource_count: Option<String>,
}

/// Names bytes that are already there as an artifact.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImporterSpec {
    /// Where the bytes are.
    pub artifact_uri: ValueOrParameter,
    /// The type of the artifact.
    #[serde(default)]
    pub type_schema: ArtifactType,
    /// Properties, in the field's deprecated form.
    #[serde(default)]
    pub properties: IndexMap<String, Value>,
    /// Properties, in the field's deprecated form.
    #[serde(default)]
    pub custom_properties: IndexMap<String, Value>,
    /// Make a new artifact though one of that URI is known.
    #[serde(default)]
    pub reimport: bool,
    /// Properties; strings may hold placeholders.
    #[serde(default)]
    pub metadata: serde_json::Map<String, Value>,
    /// Copy the bytes into the run's workspace.
    #[serde(default)]
    pub download_to_workspace: bool,
}

/// A value, or the name of an input parameter that holds it (`ValueOrRuntimeParameter`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenValue")]
pub enum ValueOrParameter {
    /// The value.
    Constant(Value),
    /// An input parameter.
    Parameter(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenValue {
    constant_value: Option<Primitive>,
    runtime_parameter: Option<String>,
    #[serde(default, deserialize_with = "present")]
    constant: Option<Value>,
}

/// The deprecated `Value` message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Primitive {
    #[serde(default, deserialize_with = "scalar::optional_integer")]
    int_value: Option<i64>,
    double_value: Option<f64>,
    string_value: Option<String>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl TryFrom<WrittenValue> for ValueOrParameter {
    type Error = &'static str;

    fn try_from(written: WrittenValue) -> Result<Self, Self::Error> {
        match (
            written.constant_value,
            written.runtime_parameter,
            written.constant,
        ) {
            (None, None, Some(value)) => Ok(Self::Constant(value)),
            (None, Some(name), None) => Ok(Self::Parameter(name)),
            (Some(primitive), None, None) => Ok(Self::Constant(
                primitive
                    .int_value
                    .map(Value::from)
                    .or_else(|| primitive.double_value.map(Value::from))
                    .or_else(|| primitive.string_value.map(Value::from))
                    .unwrap_or(Value::Null),
            )),
            _ => Err("a value needs one of `constant`, `runtimeParameter`, `constantValue`"),
        }
    }
}
