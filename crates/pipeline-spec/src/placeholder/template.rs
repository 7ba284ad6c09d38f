//! A text with placeholders in it.

use serde_json::Value;

use super::name::{ArtifactField, Name, Side, name};
use crate::parameter::to_text;
use crate::task_io::{ArtifactList, ExecutorInput};

/// A text with placeholders in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(Name),
}

/// Facts about the run and the task that placeholders name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Display name of the run.
    pub job_name: String,
    /// Name of the run, unique among runs.
    pub job_resource_name: String,
    /// Id of the run.
    pub job_uuid: String,
    /// When the run was created, RFC 3339 in UTC.
    pub job_create_time: String,
    /// When the run was scheduled, RFC 3339 in UTC.
    pub job_schedule_time: String,
    /// Name of the task.
    pub task_name: String,
    /// Id of the task.
    pub task_uuid: String,
    /// Root of the run's artifact URIs.
    pub pipeline_root: String,
    /// Folder that the tasks of the run share.
    pub workspace_path: String,
}

/// A placeholder that nothing can be filled in for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing to put in place of `{placeholder}`: {reason}")]
pub struct Unresolved {
    /// The placeholder.
    pub placeholder: String,
    /// What is missing.
    pub reason: &'static str,
}

impl Template {
    /// Takes a text apart. Every text is a template.
    pub fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{$") {
            plain.push_str(&rest[..start]);
            let inner = &rest[start + 3..];
            let found = inner.find("}}").and_then(|end| Some((name(&inner[..end])?, end)));
            match found {
                Some((name, end)) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Name(name));
                    rest = &inner[end + 2..];
                }
                None => {
                    plain.push_str("{{$");
                    rest = inner;
                }
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self { parts }
    }

    /// The placeholders in it, in order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.parts.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name),
            Part::Text(_) => None,
        })
    }

    /// The text with everything filled in.
    ///
    /// # Errors
    /// [`Unresolved`] where a placeholder names an input or output that the task does not have.
    pub fn fill(&self, input: &ExecutorInput, facts: &Facts) -> Result<String, Unresolved> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Name(name) => text.push_str(&value_of(name, input, facts)?),
            }
        }
        Ok(text)
    }

    /// The text with the input parameters filled in from `parameters` and what `facts` say; a placeholder for
    /// anything else is an error. It is how constants of a task's inputs are read.
    ///
    /// # Errors
    /// [`Unresolved`].
    pub fn fill_constant(
        &self,
        parameter: impl Fn(&str) -> Option<Value>,
        facts: &Facts,
    ) -> Result<String, Unresolved> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Name(name @ Name::InputParameter(input)) => {
                    let value = parameter(input)
                        .ok_or_else(|| unresolved(name, "the task has no such input parameter"))?;
                    text.push_str(&to_text(&value));
                }
                Part::Name(name) => match fact(name, facts) {
                    Some(value) => text.push_str(value),
                    None => {
                        return Err(unresolved(
                            name,
                            "an input cannot refer to the inputs or outputs of its task",
                        ));
                    }
                },
            }
        }
        Ok(text)
    }
}

fn unresolved(name: &Name, reason: &'static str) -> Unresolved {
    Unresolved {
        placeholder: name.to_string(),
        reason,
    }
}

fn value_of(name: &Name, input: &ExecutorInput, facts: &Facts) -> Result<String, Unresolved> {
    match name {
        Name::ExecutorInput => Ok(input.to_json()),
        Name::InputParameter(parameter) => input
            .inputs
            .parameter_values
            .get(parameter)
            .map(to_text)
            .ok_or_else(|| unresolved(name, "the task has no such input parameter, or it has no value")),
        Name::OutputFile(parameter) => input
            .outputs
            .parameters
            .get(parameter)
            .map(|output| output.output_file.clone())
            .ok_or_else(|| unresolved(name, "the task has no such output parameter")),
        Name::ExecutorOutputFile => Ok(input.outputs.output_file.clone()),
        Name::Artifact {
            side,
            name: artifact,
            field,
        } => {
            let artifacts = match side {
                Side::Inputs => &input.inputs.artifacts,
                Side::Outputs => &input.outputs.artifacts,
            };
            let list = artifacts
                .get(artifact)
                .ok_or_else(|| unresolved(name, "the task has no such artifact, or it is absent"))?;
            artifact_field(list, field).ok_or_else(|| unresolved(name, "the artifact has no such field"))
        }
        other => Ok(fact(other, facts).unwrap_or_default().to_owned()),
    }
}

fn fact<'a>(name: &Name, facts: &'a Facts) -> Option<&'a str> {
    Some(match name {
        Name::JobName => &facts.job_name,
        Name::JobResourceName => &facts.job_resource_name,
        Name::JobUuid => &facts.job_uuid,
        Name::JobCreateTime => &facts.job_create_time,
        Name::JobScheduleTime => &facts.job_schedule_time,
        Name::TaskName => &facts.task_name,
        Name::TaskUuid => &facts.task_uuid,
        Name::PipelineRoot => &facts.pipeline_root,
        Name::WorkspacePath => &facts.workspace_path,
        Name::ExecutorInput
        | Name::InputParameter(_)
        | Name::Artifact { .. }
        | Name::OutputFile(_)
        | Name::ExecutorOutputFile => return None,
    })
}

fn artifact_field(list: &ArtifactList, field: &ArtifactField) -> Option<String> {
    // KFP's launcher looks at the first artifact of a list as well.
    let artifact = list.artifacts.first()?;
    Some(match field {
        ArtifactField::Uri => artifact.uri.clone(),
        ArtifactField::Path => artifact.path(),
        ArtifactField::Metadata => to_text(&Value::Object(artifact.metadata.clone())),
        ArtifactField::Property(key) => to_text(artifact.metadata.get(key)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task_io::{OutputParameter, RuntimeArtifact};
    use rstest::rstest;
    use serde_json::json;

    fn input() -> ExecutorInput {
        let mut input = ExecutorInput::default();
        input.inputs.parameter_values.insert("x".into(), json!(2.0));
        input
            .inputs
            .parameter_values
            .insert("trap".into(), json!("{{$.pipeline_job_uuid}}"));
        let artifact = RuntimeArtifact {
            name: "data".into(),
            uri: "s3://bucket/data".into(),
            metadata: json!({"rows": 3.0}).as_object().cloned().unwrap(),
            ..Default::default()
        };
        input.inputs.artifacts.insert(
            "data".into(),
            ArtifactList {
                artifacts: vec![artifact.clone()],
            },
        );
        let written = RuntimeArtifact {
            uri: "/t/model".into(),
            ..artifact
        };
        input.outputs.artifacts.insert(
            "model".into(),
            ArtifactList {
                artifacts: vec![written],
            },
        );
        input.outputs.parameters.insert(
            "sum".into(),
            OutputParameter {
                output_file: "/t/sum".into(),
            },
        );
        input.outputs.output_file = "/t/out.json".into();
        input
    }

    fn facts() -> Facts {
        Facts {
            job_uuid: "u1".into(),
            job_name: "my run".into(),
            task_name: "train".into(),
            ..Default::default()
        }
    }

    #[rstest]
    #[case("plain", "plain")]
    #[case("a-{{$.inputs.parameters['x']}}-b", "a-2-b")]
    #[case("{{$.inputs.parameters[\"x\"]}}", "2")]
    #[case("{{$.inputs.artifacts['data'].uri}}", "s3://bucket/data")]
    #[case("{{$.inputs.artifacts['data'].metadata['rows']}}", "3")]
    #[case("{{$.inputs.artifacts['data'].metadata}}", r#"{"rows":3}"#)]
    #[case("{{$.outputs.artifacts['model'].path}}", "/t/model")]
    #[case("{{$.outputs.parameters['sum'].output_file}}", "/t/sum")]
    #[case(
        "{{$.outputs.output_file}} {{$.outputMetadataUri}}",
        "/t/out.json /t/out.json"
    )]
    #[case("{{$.pipeline_job_name}}/{{$.pipeline_task_name}}", "my run/train")]
    #[case(
        "{{$.pipeline_google_cloud_location}}",
        "{{$.pipeline_google_cloud_location}}"
    )]
    #[case("{{$.inputs.artifacts['data']}}", "{{$.inputs.artifacts['data']}}")]
    #[case("{{$ and {{$.inputs.parameters['x']}}", "{{$ and 2")]
    #[case("${{x}} {{item}}", "${{x}} {{item}}")]
    #[case("{{$.inputs.parameters['trap']}}", "{{$.pipeline_job_uuid}}")]
    fn placeholders_are_filled_in_once(#[case] text: &str, #[case] filled: &str) {
        assert_eq!(Template::parse(text).fill(&input(), &facts()).unwrap(), filled);
    }

    #[test]
    fn the_whole_executor_input_is_json() {
        let filled = Template::parse("{{$}}").fill(&input(), &facts()).unwrap();
        let value: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(value["inputs"]["parameterValues"]["x"], json!(2));
    }

    #[rstest]
    #[case("{{$.inputs.parameters['y']}}")]
    #[case("{{$.outputs.artifacts['y'].uri}}")]
    #[case("{{$.inputs.artifacts['data'].metadata['columns']}}")]
    fn what_is_not_there_is_an_error_that_names_it(#[case] text: &str) {
        let error = Template::parse(text).fill(&input(), &facts()).unwrap_err();
        assert_eq!(error.placeholder, text);
    }

    #[test]
    fn names_print_as_they_were_written() {
        let text =
            "{{$.inputs.artifacts['a'].metadata['k']}}{{$.outputs.artifacts['b'].uri}}{{$.pipeline_root}}";
        let names: String = Template::parse(text).names().map(Name::to_string).collect();
        assert_eq!(names, text);
    }
}
