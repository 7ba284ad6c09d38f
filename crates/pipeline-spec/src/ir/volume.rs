//! Volumes of an executor: what is mounted into its container, and where.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::binding::{InputParameter, ParameterSource};
use super::kubernetes::{PodMetadata, named};

/// A Secret or a ConfigMap as a folder with a file for each of its keys.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectAsVolume {
    /// Name of the Secret or ConfigMap.
    pub name: InputParameter,
    /// Where the container sees it.
    pub mount_path: String,
    /// Where there is no such object, the folder is empty.
    pub optional: bool,
}

/// A volume claim as a folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenClaim")]
pub struct ClaimMount {
    /// Name of the claim.
    pub name: InputParameter,
    /// Where the container sees it.
    pub mount_path: String,
    /// The part of the volume that it sees; empty for all of it.
    pub sub_path: String,
}

/// A volume that lives as long as its task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EphemeralVolume {
    /// Its name.
    pub volume_name: String,
    /// Where the container sees it.
    pub mount_path: String,
    /// How it may be mounted.
    pub access_modes: Vec<String>,
    /// A Kubernetes quantity.
    pub size: String,
    /// Whether the cluster's default class serves.
    pub default_storage_class: bool,
    /// The class.
    pub storage_class_name: String,
    /// Labels and annotations of its claim.
    pub metadata: Option<PodMetadata>,
}

/// An empty folder that lives as long as its task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EmptyDir {
    /// Its name.
    pub volume_name: String,
    /// Where the container sees it.
    pub mount_path: String,
    /// `Memory`, or empty for the disk.
    pub medium: Option<String>,
    /// A Kubernetes quantity.
    pub size_limit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenSecret {
    secret_name: Option<String>,
    secret_name_parameter: Option<InputParameter>,
    #[serde(default)]
    mount_path: String,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenConfigMap {
    config_map_name: Option<String>,
    config_map_name_parameter: Option<InputParameter>,
    #[serde(default)]
    mount_path: String,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenClaim {
    task_output_parameter: Option<Value>,
    constant: Option<String>,
    component_input_parameter: Option<String>,
    #[serde(default)]
    mount_path: String,
    pvc_name_parameter: Option<InputParameter>,
    #[serde(default)]
    sub_path: String,
}

pub(super) fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ObjectAsVolume>, D::Error> {
    let written = Vec::<WrittenSecret>::deserialize(deserializer)?;
    let volumes = written.into_iter().map(|written| {
        Ok(ObjectAsVolume {
            name: named(written.secret_name, written.secret_name_parameter)
                .ok_or("a Secret needs `secretNameParameter` or `secretName`")?,
            mount_path: written.mount_path,
            optional: written.optional,
        })
    });
    volumes
        .collect::<Result<_, &str>>()
        .map_err(serde::de::Error::custom)
}

pub(super) fn config_maps<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ObjectAsVolume>, D::Error> {
    let written = Vec::<WrittenConfigMap>::deserialize(deserializer)?;
    let volumes = written.into_iter().map(|written| {
        Ok(ObjectAsVolume {
            name: named(written.config_map_name, written.config_map_name_parameter)
                .ok_or("a ConfigMap needs `configMapNameParameter` or `configMapName`")?,
            mount_path: written.mount_path,
            optional: written.optional,
        })
    });
    volumes
        .collect::<Result<_, &str>>()
        .map_err(serde::de::Error::custom)
}

impl TryFrom<WrittenClaim> for ClaimMount {
    type Error = String;

    /// The parameter wins over the deprecated references (`makeVolumeMountPatch` in `backend/src/v2/driver/k8s.go` at
    /// 2.17.0).
    fn try_from(written: WrittenClaim) -> Result<Self, String> {
        let constant = || {
            let source = match (
                written.constant.filter(|name| !name.is_empty()),
                written.task_output_parameter,
                written.component_input_parameter,
            ) {
                (Some(name), _, _) => ParameterSource::Constant(name.into()),
                (None, Some(output), _) => {
                    return serde_json::from_value(serde_json::json!({ "taskOutputParameter": output }))
                        .map(Some)
                        .map_err(|error| error.to_string());
                }
                (None, None, Some(name)) => ParameterSource::ComponentInput(name),
                (None, None, None) => return Ok(None),
            };
            Ok(Some(InputParameter {
                source,
                selector: None,
            }))
        };
        let name = match written.pvc_name_parameter {
            Some(name) => Some(name),
            None => constant()?,
        };
        Ok(Self {
            name: name.ok_or("a volume claim needs `pvcNameParameter`")?,
            mount_path: written.mount_path,
            sub_path: written.sub_path,
        })
    }
}
