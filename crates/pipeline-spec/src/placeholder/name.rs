//! What placeholders there are, and how they are written.

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Name {
    /// `{{$}}`: the whole [`ExecutorInput`](crate::ExecutorInput) as JSON.
    ExecutorInput,
    /// `{{$.inputs.parameters['x']}}`.
    InputParameter(String),
    /// `{{$.inputs.artifacts['x'].uri}}` and its kin, of inputs and outputs.
    Artifact {
        /// Of the inputs or of the outputs.
        side: Side,
        /// Name of the artifact.
        name: String,
        /// What of it.
        field: ArtifactField,
    },
    /// `{{$.outputs.parameters['x'].output_file}}`.
    OutputFile(String),
    /// `{{$.outputs.output_file}}` or `{{$.outputMetadataUri}}`.
    ExecutorOutputFile,
    /// `{{$.pipeline_job_name}}`: the display name of the run.
    JobName,
    /// `{{$.pipeline_job_resource_name}}`: the name of the run, unique among runs.
    JobResourceName,
    /// `{{$.pipeline_job_uuid}}`: the id of the run.
    JobUuid,
    /// `{{$.pipeline_job_create_time_utc}}`.
    JobCreateTime,
    /// `{{$.pipeline_job_schedule_time_utc}}`.
    JobScheduleTime,
    /// `{{$.pipeline_task_name}}`.
    TaskName,
    /// `{{$.pipeline_task_uuid}}`.
    TaskUuid,
    /// `{{$.pipeline_root}}`.
    PipelineRoot,
    /// `{{$.workspace_path}}`.
    WorkspacePath,
}

/// Inputs or outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What a task reads.
    Inputs,
    /// What a task writes.
    Outputs,
}

/// What of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactField {
    /// Its URI.
    Uri,
    /// Its path on this machine.
    Path,
    /// All of its properties, as JSON.
    Metadata,
    /// One of its properties.
    Property(String),
}

/// What stands between `{{$` and `}}`, where KFP knows it.
pub(super) fn name(inner: &str) -> Option<Name> {
    if inner.is_empty() {
        return Some(Name::ExecutorInput);
    }
    let inner = inner.strip_prefix('.')?;
    let constant = match inner {
        "outputs.output_file" | "outputMetadataUri" => Some(Name::ExecutorOutputFile),
        "pipeline_job_name" => Some(Name::JobName),
        "pipeline_job_resource_name" => Some(Name::JobResourceName),
        "pipeline_job_uuid" => Some(Name::JobUuid),
        "pipeline_job_create_time_utc" => Some(Name::JobCreateTime),
        "pipeline_job_schedule_time_utc" => Some(Name::JobScheduleTime),
        "pipeline_task_name" => Some(Name::TaskName),
        "pipeline_task_uuid" => Some(Name::TaskUuid),
        "pipeline_root" => Some(Name::PipelineRoot),
        "workspace_path" => Some(Name::WorkspacePath),
        _ => None,
    };
    if constant.is_some() {
        return constant;
    }
    if let Some(rest) = inner.strip_prefix("inputs.parameters") {
        let (key, rest) = key(rest)?;
        return rest.is_empty().then_some(Name::InputParameter(key));
    }
    if let Some(rest) = inner.strip_prefix("outputs.parameters") {
        let (key, rest) = key(rest)?;
        return (rest == ".output_file").then_some(Name::OutputFile(key));
    }
    let (side, rest) = match (
        inner.strip_prefix("inputs.artifacts"),
        inner.strip_prefix("outputs.artifacts"),
    ) {
        (Some(rest), _) => (Side::Inputs, rest),
        (_, Some(rest)) => (Side::Outputs, rest),
        _ => return None,
    };
    let (name, rest) = key(rest)?;
    let field = match rest {
        // What the SDK writes for a list of artifacts, KFP's launcher leaves as it is (`getPlaceholders` in
        // backend/src/v2/component/launcher_v2.go at 2.17.0).
        "" => return None,
        ".uri" => ArtifactField::Uri,
        ".path" => ArtifactField::Path,
        ".metadata" => ArtifactField::Metadata,
        property => {
            let (key, rest) = key(property.strip_prefix(".metadata")?)?;
            if !rest.is_empty() {
                return None;
            }
            ArtifactField::Property(key)
        }
    };
    Some(Name::Artifact { side, name, field })
}

/// `['x']rest` → (`x`, `rest`); double quotes serve as well.
fn key(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix('[')?;
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (key, rest) = text[1..].split_once(quote)?;
    Some((key.to_owned(), rest.strip_prefix(']')?))
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let constant = match self {
            Self::ExecutorInput => "{{$}}",
            Self::ExecutorOutputFile => "{{$.outputs.output_file}}",
            Self::JobName => "{{$.pipeline_job_name}}",
            Self::JobResourceName => "{{$.pipeline_job_resource_name}}",
            Self::JobUuid => "{{$.pipeline_job_uuid}}",
            Self::JobCreateTime => "{{$.pipeline_job_create_time_utc}}",
            Self::JobScheduleTime => "{{$.pipeline_job_schedule_time_utc}}",
            Self::TaskName => "{{$.pipeline_task_name}}",
            Self::TaskUuid => "{{$.pipeline_task_uuid}}",
            Self::PipelineRoot => "{{$.pipeline_root}}",
            Self::WorkspacePath => "{{$.workspace_path}}",
            Self::InputParameter(key) => return write!(f, "{{{{$.inputs.parameters['{key}']}}}}"),
            Self::OutputFile(key) => return write!(f, "{{{{$.outputs.parameters['{key}'].output_file}}}}"),
            Self::Artifact { side, name, field } => {
                let side = match side {
                    Side::Inputs => "inputs",
                    Side::Outputs => "outputs",
                };
                write!(f, "{{{{$.{side}.artifacts['{name}']")?;
                match field {
                    ArtifactField::Uri => f.write_str(".uri")?,
                    ArtifactField::Path => f.write_str(".path")?,
                    ArtifactField::Metadata => f.write_str(".metadata")?,
                    ArtifactField::Property(key) => write!(f, ".metadata['{key}']")?,
                }
                "}}"
            }
        };
        f.write_str(constant)
    }
}
