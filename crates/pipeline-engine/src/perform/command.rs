//! What an attempt is launched with: its executor input, its command, its folders.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pipeline_spec::ir::{ComponentSpec, ContainerSpec, Executor};
use pipeline_spec::placeholder::{Argument, Template};
use pipeline_spec::{ArtifactList, ExecutorInput, OutputParameter, Outputs, RuntimeArtifact};
use processes::{Chosen, Launch, LogLimit, Stragglers};

use super::{Shared, component, environment, view, worker};
use crate::config::EngineConfig;
use crate::decide::Order;
use crate::layout;
use crate::program::Work;

/// How long a task that is told to stop may take before it is killed (Kubernetes' default grace is 30 s; a laptop's
/// user waits for `terminate`).
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// Name of the file for the executor's output.
const EXECUTOR_OUTPUT: &str = "executor_output.json";

/// Where an attempt writes its outputs, and where they are moved.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The attempt's folder.
    pub(super) folder: PathBuf,
    /// Where the task's artifacts go.
    pub(super) artifacts: PathBuf,
}

impl Places {
    pub(super) fn of(config: &EngineConfig, order: &Order) -> Self {
        let pipeline = order.program.pipeline().name();
        Self {
            folder: layout::attempt(&config.tasks, order.run, order.task, order.attempt),
            artifacts: layout::artifacts(&config.artifacts, pipeline, order.run, &order.scope_path),
        }
    }

    /// Where the step writes an artifact.
    pub(super) fn written_artifact(&self, name: &str) -> PathBuf {
        layout::outputs(&self.folder)
            .join("artifacts")
            .join(layout::segment(name))
    }

    /// Where an artifact is once the attempt has ended well.
    pub(super) fn artifact(&self, name: &str) -> PathBuf {
        self.artifacts.join(layout::segment(name))
    }

    fn written_parameter(&self, name: &str) -> PathBuf {
        layout::outputs(&self.folder)
            .join("parameters")
            .join(layout::segment(name))
    }

    /// Where a parameter's file is once the attempt has ended well.
    pub(super) fn parameter(&self, name: &str) -> PathBuf {
        layout::result(&self.folder)
            .join("parameters")
            .join(layout::segment(name))
    }

    /// Where the executor's output is once the attempt has ended well.
    pub(super) fn executor_output(&self) -> PathBuf {
        layout::result(&self.folder).join(EXECUTOR_OUTPUT)
    }
}

/// The container of an order's step.
pub(super) fn container(order: &Order) -> Option<(&ContainerSpec, &str)> {
    let Work::Executor(label) = &order.step().work else {
        return None;
    };
    match order.program.executor(label) {
        Executor::Container(container) => Some((container, label)),
        _ => None,
    }
}

/// Everything that an attempt is launched with, and the worker that is to fork it. The error is for people, and trying
/// again would not help.
pub(super) async fn prepare(shared: &Shared, order: &Order) -> Result<(Launch, Chosen), String> {
    let config = &shared.config;
    let (container, label) = container(order).ok_or("its executor is no container")?;
    let places = Places::of(config, order);
    let component = order.program.component(order.step());
    let input = executor_input(order, component, &places);
    let filled = |text: &str| {
        Template::parse(text)
            .fill(&input, &order.facts)
            .map_err(|error| error.to_string())
    };
    let image = filled(&container.image)?;
    let mut words = Vec::new();
    for word in container.command.iter().chain(&container.args) {
        let argument = Argument::parse(word).map_err(|error| error.to_string())?;
        let filled = argument
            .fill(&input, &order.facts)
            .map_err(|error| error.to_string())?;
        words.extend(filled);
    }
    let start = config
        .images
        .start(&image, &words)
        .map_err(|error| error.to_string())?;
    let kubernetes = order.program.pipeline().kubernetes_executor(label);
    let metadata = kubernetes.and_then(|kubernetes| kubernetes.pod_metadata.as_ref());
    let mut env = environment::of(config, order, &start, container, metadata, &places.folder).await?;
    let prepared = component::prepare(&start, &mut env, &places.folder)?;
    let mut words = prepared.words;
    if words.is_empty() {
        return Err(
            "its container has no command, and an image of this machine has none of its own".to_owned(),
        );
    }
    let program = words.remove(0);
    let mut launch = Launch::new(&places.folder, program);
    launch.args = words;
    launch.env = env;
    launch.cwd = layout::work(&places.folder);
    launch.stdout = layout::log(&places.folder);
    launch.stderr = layout::log(&places.folder);
    launch.log_limit = Some(LogLimit::Truncate(config.log_limit));
    launch.deadline = kubernetes
        .and_then(|kubernetes| u64::try_from(kubernetes.active_deadline_seconds).ok())
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs);
    launch.grace = GRACE;
    launch.stragglers = Stragglers::Kill;
    launch.publish = publications(component, &places);
    launch.view = view::of(shared, order, &places.folder, start.reach).await?;
    let chosen = worker::choose(&config.workers, &start, &order.references.variables, &launch);

    let scratch = layout::scratch(&config.scratch, order.task, order.attempt);
    let folders = folders(component, &places, scratch, &prepared.files);
    let made = tokio::task::spawn_blocking(move || {
        make_folders(&folders, &places, &start.environment.workdir)?;
        write(prepared.files)
    })
    .await;
    match made {
        Ok(made) => made.map_err(|(path, error)| format!("{}: {error}", path.display()))?,
        Err(_) => return Err("the engine is closing".to_owned()),
    }
    Ok((launch, chosen))
}

fn executor_input(order: &Order, component: &ComponentSpec, places: &Places) -> ExecutorInput {
    let text = |path: PathBuf| path.display().to_string();
    let parameters = component.outputs.parameters.keys();
    let artifacts = component.outputs.artifacts.iter();
    ExecutorInput {
        inputs: order.inputs.to_inputs(),
        outputs: Outputs {
            parameters: parameters
                .map(|name| {
                    (
                        name.clone(),
                        OutputParameter {
                            output_file: text(places.written_parameter(name)),
                        },
                    )
                })
                .collect(),
            artifacts: artifacts
                .map(|(name, output)| {
                    let artifact = RuntimeArtifact {
                        name: name.clone(),
                        artifact_type: Some(output.artifact_type.clone()),
                        uri: text(places.written_artifact(name)),
                        metadata: output.metadata.clone(),
                        custom_path: None,
                    };
                    (
                        name.clone(),
                        ArtifactList {
                            artifacts: vec![artifact],
                        },
                    )
                })
                .collect(),
            output_file: text(layout::outputs(&places.folder).join(EXECUTOR_OUTPUT)),
        },
    }
}

/// What is moved into place, whole and on disk, when the command has ended with code 0.
fn publications(component: &ComponentSpec, places: &Places) -> Vec<(PathBuf, PathBuf)> {
    let artifacts = component
        .outputs
        .artifacts
        .keys()
        .map(|name| (places.written_artifact(name), places.artifact(name)));
    let parameters = component
        .outputs
        .parameters
        .keys()
        .map(|name| (places.written_parameter(name), places.parameter(name)));
    let output = layout::outputs(&places.folder).join(EXECUTOR_OUTPUT);
    parameters
        .chain(artifacts)
        .chain([(output, places.executor_output())])
        .collect()
}

fn write(files: Vec<(PathBuf, String)>) -> Result<(), (PathBuf, io::Error)> {
    for (path, text) in files {
        fs::write(&path, text).map_err(|error| (path, error))?;
    }
    Ok(())
}

/// Folders that an attempt finds. Those that nothing can be in are left out: making and deleting them is a good part of
/// what a task costs that does little.
fn folders(
    component: &ComponentSpec,
    places: &Places,
    scratch: PathBuf,
    files: &[(PathBuf, String)],
) -> Vec<PathBuf> {
    let outputs = layout::outputs(&places.folder);
    let of_parameters = (!component.outputs.parameters.is_empty()).then(|| outputs.join("parameters"));
    let of_artifacts = (!component.outputs.artifacts.is_empty()).then(|| outputs.join("artifacts"));
    let of_component = (!files.is_empty()).then(|| layout::component(&places.folder));
    let always = [
        outputs,
        layout::home(&places.folder),
        layout::work(&places.folder),
        scratch,
    ];
    let sometimes = [of_parameters, of_artifacts, of_component];
    always
        .into_iter()
        .chain(sometimes.into_iter().flatten())
        .collect()
}

fn make_folders(folders: &[PathBuf], places: &Places, workdir: &Path) -> Result<(), (PathBuf, io::Error)> {
    let work = layout::work(&places.folder);
    for folder in folders {
        fs::create_dir_all(folder).map_err(|error| (folder.clone(), error))?;
    }
    // What an earlier attempt published before it turned out to have failed is nobody's.
    match fs::remove_dir_all(&places.artifacts) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err((places.artifacts.clone(), error));
        }
        _ => {}
    }
    // Files of the image are found in the working folder (kfp_config.ini is), which may be written to.
    let entries = fs::read_dir(workdir).map_err(|error| (workdir.to_owned(), error))?;
    for entry in entries {
        let entry = entry.map_err(|error| (workdir.to_owned(), error))?;
        let link = work.join(entry.file_name());
        match symlink(entry.path(), &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err((link, error)),
            _ => {}
        }
    }
    Ok(())
}
