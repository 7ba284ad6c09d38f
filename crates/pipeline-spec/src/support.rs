//! What becomes of each field on one machine: honoured, accepted with a notice, or refused before a run starts.
//!
//! A field that is in neither list below is honoured. Nothing is ever ignored in silence.

use std::fmt;

use serde::Serialize;

use crate::ir::{Executor, PipelineSpec, PlatformSpec};
use crate::position::{Path, Position};
use crate::tree::Node;

/// A field that a package uses and that one machine does not do as a cluster does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What becomes of it.
    pub standing: Standing,
    /// The field.
    pub path: Path,
    /// Where it stands.
    pub at: Position,
    /// What is done about it, or why nothing can be.
    pub message: &'static str,
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It makes no difference here, or is done otherwise; said once.
    Notice,
    /// It is honoured where the machine can mount folders for single tasks, and refused where it cannot.
    Mounts,
    /// A run that needs it does not start.
    Refused,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.at, self.path, self.message)
    }
}

/// Fields of an executor's Kubernetes configuration.
const KUBERNETES: &[(&str, Standing, &str)] = &[
    ("nodeSelector", Standing::Notice, "one machine is one node"),
    ("nodeAffinity", Standing::Notice, "one machine is one node"),
    ("podAffinity", Standing::Notice, "one machine is one node"),
    ("tolerations", Standing::Notice, "one machine has no taints"),
    (
        "imagePullSecret",
        Standing::Notice,
        "images are environments of this machine and are not pulled",
    ),
    (
        "imagePullPolicy",
        Standing::Notice,
        "images are environments of this machine and are not pulled",
    ),
    (
        "enabledSharedMemory",
        Standing::Notice,
        "tasks see the shared memory of the machine",
    ),
    (
        "securityContext",
        Standing::Notice,
        "tasks run as the user who runs the engine",
    ),
    (
        "secretAsVolume",
        Standing::Mounts,
        "a folder in memory, for the task alone",
    ),
    (
        "configMapAsVolume",
        Standing::Mounts,
        "a folder in memory, for the task alone",
    ),
    (
        "pvcMount",
        Standing::Mounts,
        "a folder of the state folder, for the task alone",
    ),
    (
        "genericEphemeralVolume",
        Standing::Mounts,
        "a scratch folder, for the task alone",
    ),
    (
        "emptyDirMounts",
        Standing::Mounts,
        "a scratch folder, for the task alone",
    ),
];

/// Fields of the pipeline's Kubernetes configuration.
const PIPELINE: &[(&str, Standing, &str)] = &[
    (
        "resourceTtlOnCompletion",
        Standing::Notice,
        "there is no workflow object to delete; runs are deleted by name",
    ),
    (
        "resourceTtlOnSuccess",
        Standing::Notice,
        "there is no workflow object to delete; runs are deleted by name",
    ),
    (
        "resourceTtlOnFailure",
        Standing::Notice,
        "there is no workflow object to delete; runs are deleted by name",
    ),
    (
        "workspace",
        Standing::Mounts,
        "a folder of the state folder, for the tasks of the run",
    ),
];

/// Image of a task that makes a volume claim: KFP's driver answers it instead of running it
/// (`backend/src/v2/driver/k8s.go` at 2.17.0).
pub const CREATE_CLAIM: &str = "argostub/createpvc";

/// Image of a task that deletes a volume claim; see [`CREATE_CLAIM`].
pub const DELETE_CLAIM: &str = "argostub/deletepvc";

/// Where the tasks of a run see its workspace (`backend/src/v2/component/constants.go` at 2.17.0).
pub const WORKSPACE_PATH: &str = "/kfp-workspace";

/// Whether an image stands for what is done with a volume claim, and not for a program.
pub fn is_of_a_claim(image: &str) -> bool {
    [CREATE_CLAIM, DELETE_CLAIM].contains(&image)
}

/// What a package uses that is not simply honoured, in the order of its documents.
pub(crate) fn findings(
    spec: &PipelineSpec,
    platform: &PlatformSpec,
    document: &Node,
    platform_document: Option<&Node>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut report = |document: &Node, path: Path, standing, message| {
        found.push(Finding {
            standing,
            at: document.locate(&path),
            path,
            message,
        });
    };
    if spec
        .default_pipeline_root
        .as_deref()
        .is_some_and(|root| !root.is_empty())
    {
        report(
            document,
            Path::root().key("defaultPipelineRoot"),
            Standing::Notice,
            "artifacts are kept below the engine's own root",
        );
    }
    for (name, component) in &spec.components {
        let path = Path::root().key("components").key(name);
        if component.has_platform_specs {
            report(
                document,
                path.key("singlePlatformSpecs"),
                Standing::Refused,
                "platform features of a component are read from the second document only",
            );
        }
        if !component.task_config_passthroughs.is_empty() {
            report(
                document,
                path.key("taskConfigPassthroughs"),
                Standing::Refused,
                "a task has no pod whose configuration could be handed on",
            );
        }
    }
    for (label, executor) in &spec.deployment_spec.executors {
        let path = Path::root().key("deploymentSpec").key("executors").key(label);
        match executor {
            Executor::Container(container) => {
                let path = path.key("container");
                if container.lifecycle.is_some() {
                    report(
                        document,
                        path.key("lifecycle"),
                        Standing::Refused,
                        "hooks are not run, as in KFP",
                    );
                }
                if container.resources.accelerator.is_some() {
                    report(
                        document,
                        path.key("resources").key("accelerator"),
                        Standing::Notice,
                        "tasks see the accelerators of the machine",
                    );
                }
            }
            Executor::Importer(_) => {}
            Executor::Resolver(_) => {
                report(
                    document,
                    path.key("resolver"),
                    Standing::Refused,
                    "resolvers are not run, as in KFP",
                );
            }
            Executor::CustomJob(_) => {
                report(
                    document,
                    path.key("customJob"),
                    Standing::Refused,
                    "a job of Google's AI Platform",
                );
            }
        }
    }
    if let Some(document) = platform_document {
        let platforms = Path::root().key("platforms");
        for name in &platform.others {
            report(
                document,
                platforms.key(name),
                Standing::Notice,
                "only the platform `kubernetes` is read",
            );
        }
        if let Some(kubernetes) = &platform.kubernetes {
            let base = platforms.key("kubernetes");
            if kubernetes.config.is_some() {
                report(
                    document,
                    base.key("config"),
                    Standing::Refused,
                    "free configuration that nobody reads",
                );
            }
            for (field, standing, message) in PIPELINE {
                let path = base.key("pipelineConfig").key(field);
                if document.has(&path) {
                    report(document, path, *standing, message);
                }
            }
            for label in kubernetes.deployment_spec.executors.keys() {
                let executor = base.key("deploymentSpec").key("executors").key(label);
                for (field, standing, message) in KUBERNETES {
                    let path = executor.key(field);
                    if document.has(&path) {
                        report(document, path, *standing, message);
                    }
                }
            }
        }
    }
    found
}
