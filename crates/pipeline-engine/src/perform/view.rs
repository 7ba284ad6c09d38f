//! What an attempt sees of the file system: the volumes of its task, the workspace of its run.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image_store::Reach;
use pipeline_spec::support::WORKSPACE_PATH;
use processes::{Mount, Rest, Shim, View};

use super::Shared;
use crate::bind::VolumeSource;
use crate::config::EngineConfig;
use crate::decide::Order;
use crate::layout;
use crate::quantity;

/// What containers have for files that nobody keeps.
const TEMPORARY: &str = "/tmp";

/// Whether attempts can be given a view of the file system of their own: asked of the kernel once, when it matters.
#[derive(Debug)]
pub(crate) struct Views {
    shim: Shim,
    folder: PathBuf,
    asked: OnceLock<Option<String>>,
}

impl Views {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self {
            shim: config.shim.clone(),
            folder: config.scratch.join("view"),
            asked: OnceLock::new(),
        }
    }

    /// Why not, where not.
    pub(crate) fn refusal(&self) -> Option<&str> {
        let ask = || {
            let tried = self.shim.try_view(&self.folder);
            tried.err().map(|error| error.to_string())
        };
        self.asked.get_or_init(ask).as_deref()
    }
}

/// The view of an attempt, its folders made; `None` where it sees what is there. The error is for people.
pub(super) async fn of(
    shared: &Shared,
    order: &Order,
    folder: &Path,
    reach: Reach,
) -> Result<Option<View>, String> {
    let config = &shared.config;
    let mut mounts = Vec::new();
    if layout::has_workspace(order.program.pipeline()) {
        let source = layout::workspace(&config.tasks, order.run);
        fs::create_dir_all(&source).map_err(said(&source))?;
        mounts.push(folder_at(source, WORKSPACE_PATH.into()));
    }
    for (nth, volume) in order.references.volumes.iter().enumerate() {
        let target = volume.target.clone();
        mounts.push(match &volume.source {
            VolumeSource::Secret { name, optional } => {
                let read = config.environment.secret(name).await;
                let read = read.map_err(|error| format!("Secret `{name}`: {error}"))?;
                files(read, ("Secret", name), *optional, target)?
            }
            VolumeSource::ConfigMap { name, optional } => {
                let read = config.environment.config_map(name).await;
                let read = read.map_err(|error| format!("ConfigMap `{name}`: {error}"))?;
                files(read, ("ConfigMap", name), *optional, target)?
            }
            VolumeSource::Claim { name, sub_path } => folder_at(claimed(config, name, sub_path)?, target),
            VolumeSource::Scratch { memory: true, size } => Mount::Memory {
                target,
                size: size.as_deref().and_then(quantity::bytes),
            },
            VolumeSource::Scratch { memory: false, .. } => {
                let source = layout::scratch_volume(folder, nth);
                fs::create_dir_all(&source).map_err(said(&source))?;
                folder_at(source, target)
            }
        });
    }
    // Where the kernel allows it; the programs in reach are few in any case.
    let rest = match reach {
        Reach::OwnFolders if shared.views.refusal().is_none() => {
            let scratch = layout::scratch(&config.scratch, order.task, order.attempt);
            // A container's commands write to /tmp without asking for TMPDIR. What lies there of our own must be seen.
            if ![&config.tasks, &config.artifacts]
                .iter()
                .any(|path| path.starts_with(TEMPORARY))
            {
                mounts.push(folder_at(scratch.clone(), TEMPORARY.into()));
            }
            Rest::ReadOnly {
                writable: vec![folder.to_owned(), scratch],
            }
        }
        _ => Rest::AsItIs,
    };
    Ok((!mounts.is_empty() || rest != Rest::AsItIs).then_some(View { mounts, rest }))
}

fn folder_at(source: PathBuf, target: PathBuf) -> Mount {
    Mount::Folder {
        source,
        target,
        read_only: false,
    }
}

fn files(
    read: Option<BTreeMap<String, String>>,
    (kind, name): (&str, &str),
    optional: bool,
    target: PathBuf,
) -> Result<Mount, String> {
    let data = match read {
        Some(data) => data,
        None if optional => BTreeMap::new(),
        None => {
            return Err(format!(
                "there is no {kind} `{name}`, which is mounted at {}",
                target.display()
            ));
        }
    };
    let files = data
        .into_iter()
        .map(|(key, value)| (key, value.into_bytes()))
        .collect();
    Ok(Mount::Files { target, files })
}

/// The folder of a claim, or the part of it below a path that has been checked with the package.
fn claimed(config: &EngineConfig, name: &str, sub_path: &str) -> Result<PathBuf, String> {
    let claim = layout::claim(&config.volumes, name);
    if !claim.is_dir() {
        return Err(format!(
            "there is no volume claim `{name}`: a task of the pipeline makes it, or you do, as the folder {}",
            claim.display()
        ));
    }
    let folder = claim.join(sub_path);
    fs::create_dir_all(&folder).map_err(said(&folder))?;
    // A link in the volume must not lead out of it.
    let (real, root) = (
        folder.canonicalize().map_err(said(&folder))?,
        claim.canonicalize().map_err(said(&claim))?,
    );
    match real.starts_with(&root) {
        true => Ok(real),
        false => Err(format!("`{sub_path}` leads out of volume claim `{name}`")),
    }
}

fn said(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}
