//! Volumes that are mounted into a task's container: of what, by name, and where.

use std::path::PathBuf;

use pipeline_spec::ir::KubernetesExecutorConfig;

use super::variables::object_name;
use super::{Surroundings, Unbound};

/// A volume that an attempt sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Volume {
    /// Where the attempt sees it: an absolute path.
    pub(crate) target: PathBuf,
    pub(crate) source: VolumeSource,
}

/// What a volume is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VolumeSource {
    /// A file for each key of a ConfigMap.
    ConfigMap { name: String, optional: bool },
    /// A file for each key of a Secret.
    Secret { name: String, optional: bool },
    /// A volume claim, or the part of it below a path.
    Claim { name: String, sub_path: String },
    /// A folder that is empty when an attempt begins, and gone when it has ended.
    Scratch {
        /// Whether it is in memory.
        memory: bool,
        /// How much it may hold, as a Kubernetes quantity; honoured in memory.
        size: Option<String>,
    },
}

impl std::fmt::Display for VolumeSource {
    /// As it enters a cache key: the reference, never the content.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ConfigMap { name, .. } => write!(f, "configMap {name}"),
            Self::Secret { name, .. } => write!(f, "secret {name}"),
            Self::Claim { name, sub_path } => write!(f, "claim {name} {sub_path}"),
            Self::Scratch { .. } => f.write_str("scratch"),
        }
    }
}

/// The volumes of a task, in the order in which they are mounted.
pub(crate) fn volumes(
    config: Option<&KubernetesExecutorConfig>,
    around: &impl Surroundings,
) -> Result<Vec<Volume>, Unbound> {
    let mut volumes = Vec::new();
    let Some(config) = config else {
        return Ok(volumes);
    };
    let mut mount = |target: &str, source| {
        volumes.push(Volume {
            target: target.into(),
            source,
        });
    };
    for volume in &config.pvc_mount {
        if let Some(name) = object_name("volume claim", &volume.name, false, around)? {
            let sub_path = volume.sub_path.clone();
            mount(&volume.mount_path, VolumeSource::Claim { name, sub_path });
        }
    }
    for volume in &config.secret_as_volume {
        let optional = volume.optional;
        if let Some(name) = object_name("Secret", &volume.name, optional, around)? {
            mount(&volume.mount_path, VolumeSource::Secret { name, optional });
        }
    }
    for volume in &config.config_map_as_volume {
        let optional = volume.optional;
        if let Some(name) = object_name("ConfigMap", &volume.name, optional, around)? {
            mount(&volume.mount_path, VolumeSource::ConfigMap { name, optional });
        }
    }
    for volume in &config.generic_ephemeral_volume {
        let source = VolumeSource::Scratch {
            memory: false,
            size: None,
        };
        mount(&volume.mount_path, source);
    }
    for volume in &config.empty_dir_mounts {
        let source = VolumeSource::Scratch {
            memory: volume.medium.as_deref() == Some("Memory"),
            size: volume.size_limit.clone().filter(|size| !size.is_empty()),
        };
        mount(&volume.mount_path, source);
    }
    // One that lies within another is mounted behind it.
    volumes.sort_by_key(|volume| volume.target.components().count());
    Ok(volumes)
}
