//! What a task is given and what it hands back, in protobuf's JSON form (`ExecutorInput`, `ExecutorOutput`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ir::ArtifactType;
use crate::parameter::canonical;
use crate::stack::on_own_stack;
use crate::support::WORKSPACE_PATH;
use crate::tree::{self, Misfit};
use crate::{Limits, Path};

/// What a task is given: values, artifacts, and where to write.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorInput {
    /// What it reads.
    pub inputs: Inputs,
    /// Where it writes.
    pub outputs: Outputs,
}

/// What a task reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inputs {
    /// Artifacts by input.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, ArtifactList>,
    /// Values by input.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameter_values: BTreeMap<String, Value>,
}

/// Where a task writes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// Artifacts by output.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub artifacts: BTreeMap<String, ArtifactList>,
    /// The file for the [`ExecutorOutput`].
    pub output_file: String,
    /// Files for parameters, by output.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, OutputParameter>,
}

/// The file a parameter is written to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputParameter {
    /// Path of the file.
    pub output_file: String,
}

/// Artifacts of one input or output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ArtifactList {
    /// The artifacts.
    pub artifacts: Vec<RuntimeArtifact>,
}

/// An artifact at run time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RuntimeArtifact {
    /// Name.
    pub name: String,
    /// Type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<ArtifactType>,
    /// Where its bytes are.
    pub uri: String,
    /// Its properties.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Where its bytes are on this machine, when that is not to be read from the URI. The SDK writes it and, at 2.17,
    /// does not read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_path: Option<String>,
}

impl RuntimeArtifact {
    /// Metadata of an artifact whose bytes lie in the workspace of the run, with the value `true`.
    pub const IN_WORKSPACE: &str = "_kfp_workspace";

    /// Where a task finds the bytes: in the workspace, at its custom path, or where the URI says
    /// (`sdk/python/kfp/dsl/types/artifact_types.py` at 2.17.0).
    pub fn path(&self) -> String {
        let path = self.custom_path.as_deref().unwrap_or(&self.uri);
        if self.metadata.get(Self::IN_WORKSPACE) == Some(&Value::Bool(true)) {
            return Self::in_workspace(path);
        }
        path.to_owned()
    }

    /// Where the bytes of a local path lie in the workspace, as a task sees it.
    pub fn in_workspace(path: &str) -> String {
        format!("{WORKSPACE_PATH}/.artifacts/{}", path.trim_start_matches('/'))
    }
}

impl ExecutorInput {
    /// The JSON text that takes the place of `{{$}}`: whole numbers without a fraction, keys sorted.
    pub fn to_json(&self) -> String {
        let value = serde_json::to_value(self).expect("invariant: string keys only");
        canonical(&value).to_string()
    }
}

/// What a task hands back in its output file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExecutorOutput {
    /// Values, in the field's deprecated form.
    parameters: BTreeMap<String, Value>,
    /// Artifacts by output.
    pub artifacts: BTreeMap<String, ArtifactList>,
    /// Values by output.
    pub parameter_values: BTreeMap<String, Value>,
}

/// An output file that is no [`ExecutorOutput`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidOutput(String);

impl From<Misfit> for InvalidOutput {
    fn from(misfit: Misfit) -> Self {
        Self(format!("{}: {}", misfit.path(), misfit.message))
    }
}

impl ExecutorOutput {
    /// Reads an output file.
    ///
    /// # Errors
    /// [`InvalidOutput`] where it is no JSON, or holds something else.
    pub fn parse(text: &str) -> Result<Self, InvalidOutput> {
        on_own_stack(|| Self::read(text)).unwrap_or_else(|error| Err(InvalidOutput(error.to_string())))
    }

    fn read(text: &str) -> Result<Self, InvalidOutput> {
        let documents =
            tree::documents(text, &Limits::default()).map_err(|error| InvalidOutput(error.to_string()))?;
        let mut output: Self = match documents.as_slice() {
            [] => Self::default(),
            [document] => tree::read(document, &Path::root())?,
            _ => return Err(InvalidOutput("more than one document".to_owned())),
        };
        // The proto's deprecated `Value` has its kind as a field around it.
        for (name, value) in std::mem::take(&mut output.parameters) {
            let plain = value
                .as_object()
                .and_then(|kinds| kinds.values().next())
                .cloned()
                .unwrap_or(value);
            output.parameter_values.entry(name).or_insert(plain);
        }
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn executor_input_has_protobufs_json_form() {
        let mut input = ExecutorInput::default();
        input.inputs.parameter_values.insert("rate".into(), json!(2.0));
        input.inputs.artifacts.insert(
            "data".into(),
            ArtifactList {
                artifacts: vec![RuntimeArtifact {
                    name: "data".into(),
                    uri: "/a/data".into(),
                    ..Default::default()
                }],
            },
        );
        input.outputs.output_file = "/t/out.json".into();
        input.outputs.parameters.insert(
            "sum".into(),
            OutputParameter {
                output_file: "/t/sum".into(),
            },
        );
        assert_eq!(
            input.to_json(),
            r#"{"inputs":{"artifacts":{"data":{"artifacts":[{"name":"data","uri":"/a/data"}]}},"parameterValues":{"rate":2}},"outputs":{"outputFile":"/t/out.json","parameters":{"sum":{"outputFile":"/t/sum"}}}}"#
        );
    }

    #[test]
    fn executor_output_is_read_in_both_spellings() {
        let output = ExecutorOutput::parse(
            r#"{"parameterValues": {"Output": "a"}, "artifacts": {"m": {"artifacts": [
                {"name": "m", "uri": "/x", "metadata": {"k": 1}, "custom_path": "/y"}]}}}"#,
        )
        .unwrap();
        assert_eq!(output.parameter_values["Output"], json!("a"));
        assert_eq!(
            output.artifacts["m"].artifacts[0].custom_path.as_deref(),
            Some("/y")
        );
        assert_eq!(
            ExecutorOutput::parse(r#"{"artifacts": {"m": {"artifacts": [{"path": "/x"}]}}}"#)
                .unwrap_err()
                .to_string(),
            "artifacts.m.artifacts[0].path: unknown field `path`, expected one of `name`, `type`, `uri`, `metadata`, \
             `customPath`"
        );
    }
}
