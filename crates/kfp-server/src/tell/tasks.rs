//! Tasks as KFP's API after 2.17 lists them.

use kfp_api::task::{
    Artifact, InputOutputs, IoArtifact, IoParameter, IoProducer, PipelineTask, StatusMetadata, TaskPod,
    TaskPodType, TaskState as WireState, TaskStatus, TaskType, TypeAttributes,
};
use pipeline_engine::{
    ArtifactRecord, BoundArtifact, BoundParameter, Origin, TaskKind, TaskRecord, TaskState,
};

/// One task; `all` are those of its run.
pub(crate) fn task(record: &TaskRecord, all: &[TaskRecord]) -> PipelineTask {
    PipelineTask {
        name: record.name.clone(),
        display_name: record.display_name.clone(),
        task_id: record.id.to_string(),
        run_id: record.run.to_string(),
        pods: pods(record),
        cache_fingerprint: record.cache_fingerprint.clone().unwrap_or_default(),
        create_time: Some(record.created_at),
        end_time: record.finished_at,
        state: state(record.state),
        status_metadata: record.message.clone().map(|message| StatusMetadata { message }),
        state_history: record
            .history
            .iter()
            .map(|transition| TaskStatus {
                update_time: Some(transition.at),
                state: state(transition.state),
                error: None,
            })
            .collect(),
        kind: kind(record.kind),
        type_attributes: record.iteration.map(|iteration| TypeAttributes {
            iteration_index: iteration.to_string(),
        }),
        parent_task_id: record.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        inputs: InputOutputs {
            parameters: record.input_parameters.iter().map(parameter).collect(),
            artifacts: record.input_artifacts.iter().map(artifacts).collect(),
        },
        outputs: InputOutputs {
            parameters: record.output_parameters.iter().map(parameter).collect(),
            artifacts: record.output_artifacts.iter().map(artifacts).collect(),
        },
        scope_path: scope(record, all),
    }
}

/// The place in the pipeline: of iterations there is none in it.
fn scope(record: &TaskRecord, all: &[TaskRecord]) -> String {
    let mut names = Vec::new();
    let mut next = Some(record);
    while let Some(task) = next {
        if task.kind != TaskKind::Iteration {
            names.push(task.name.as_str());
        }
        next = task
            .parent
            .and_then(|parent| all.iter().find(|other| other.id == parent));
    }
    names.reverse();
    names.join(".")
}

/// Its log is found by this name; a task that was never tried has none.
fn pods(record: &TaskRecord) -> Vec<TaskPod> {
    if record.attempts.is_empty() {
        return Vec::new();
    }
    vec![TaskPod {
        name: record.id.to_string(),
        uid: record.id.to_string(),
        kind: TaskPodType::Executor,
    }]
}

/// The wire has no word for what waits, and none for what was stopped.
fn state(state: TaskState) -> WireState {
    match state {
        TaskState::Pending => WireState::Unspecified,
        TaskState::Running | TaskState::Retrying => WireState::Running,
        TaskState::Succeeded => WireState::Succeeded,
        TaskState::Cached => WireState::Cached,
        TaskState::Skipped => WireState::Skipped,
        TaskState::Failed | TaskState::Canceled => WireState::Failed,
    }
}

fn kind(kind: TaskKind) -> TaskType {
    match kind {
        TaskKind::Root => TaskType::Root,
        TaskKind::Container => TaskType::Runtime,
        TaskKind::Importer => TaskType::Importer,
        TaskKind::Dag | TaskKind::Iteration => TaskType::Dag,
        TaskKind::ConditionBranch => TaskType::ConditionBranch,
        TaskKind::Condition => TaskType::Condition,
        TaskKind::Loop => TaskType::Loop,
        TaskKind::ExitHandler => TaskType::ExitHandler,
    }
}

fn parameter(bound: &BoundParameter) -> IoParameter {
    let (kind, producer) = origin(&bound.origin);
    IoParameter {
        value: bound.value.clone(),
        kind,
        parameter_key: bound.name.clone(),
        producer,
    }
}

fn artifacts(bound: &BoundArtifact) -> IoArtifact {
    let (kind, producer) = origin(&bound.origin);
    IoArtifact {
        artifacts: bound.artifacts.iter().map(artifact).collect(),
        kind,
        artifact_key: bound.name.clone(),
        producer,
    }
}

fn origin(origin: &Origin) -> (String, Option<IoProducer>) {
    let by = |task: &String| {
        Some(IoProducer {
            task_name: task.clone(),
        })
    };
    let (word, producer) = match origin {
        Origin::Output => ("OUTPUT", None),
        Origin::Task(task) => ("TASK_OUTPUT_INPUT", by(task)),
        Origin::Component => ("COMPONENT_INPUT", None),
        Origin::Constant => ("RUNTIME_VALUE_INPUT", None),
        Origin::Default => ("COMPONENT_DEFAULT_INPUT", None),
        Origin::Item => ("ITERATOR_INPUT", None),
        Origin::FinalStatus(task) => ("TASK_FINAL_STATUS_OUTPUT", by(task)),
    };
    (word.to_owned(), producer)
}

fn artifact(record: &ArtifactRecord) -> Artifact {
    Artifact {
        artifact_id: record.id.to_string(),
        name: record.name.clone(),
        kind: artifact_type(record.artifact_type.schema_title.as_deref()).to_owned(),
        uri: record.uri.clone(),
        metadata: record.metadata.clone().into_iter().collect(),
        ..Artifact::default()
    }
}

/// `ArtifactType` of artifact.proto, by the schema's title.
fn artifact_type(title: Option<&str>) -> &str {
    match title {
        Some("system.Metrics") => "Metric",
        Some("system.ClassificationMetrics") => "ClassificationMetric",
        Some("system.SlicedClassificationMetrics") => "SlicedClassificationMetric",
        Some("system.Model") => "Model",
        Some("system.Dataset") => "Dataset",
        Some("system.HTML") => "HTML",
        Some("system.Markdown") => "Markdown",
        _ => "Artifact",
    }
}
