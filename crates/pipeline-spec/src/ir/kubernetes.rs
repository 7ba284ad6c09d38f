//! The Kubernetes configuration of an executor (`kubernetes_platform/proto/kubernetes_executor_config.proto`).
//!
//! What this machine can honour, or what has to be looked at, is typed; the rest is kept as written, and
//! [`crate::support`] says what becomes of it.

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use super::binding::{InputParameter, ParameterSource};
use super::scalar;
use super::volume::{ClaimMount, EmptyDir, EphemeralVolume, ObjectAsVolume};

/// The Kubernetes configuration of an executor.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KubernetesExecutorConfig {
    /// Secrets as files.
    #[serde(deserialize_with = "super::volume::secrets")]
    pub secret_as_volume: Vec<ObjectAsVolume>,
    /// Secrets as environment.
    pub secret_as_env: Vec<SecretAsEnv>,
    /// Volume claims as folders.
    pub pvc_mount: Vec<ClaimMount>,
    /// On which nodes.
    pub node_selector: Option<Value>,
    /// Labels and annotations.
    pub pod_metadata: Option<PodMetadata>,
    /// Credentials of a registry.
    pub image_pull_secret: Vec<Value>,
    /// When images are pulled.
    pub image_pull_policy: Option<String>,
    /// ConfigMaps as files.
    #[serde(deserialize_with = "super::volume::config_maps")]
    pub config_map_as_volume: Vec<ObjectAsVolume>,
    /// ConfigMaps as environment.
    pub config_map_as_env: Vec<ConfigMapAsEnv>,
    /// Seconds a task may take; 0 for no bound.
    #[serde(deserialize_with = "scalar::integer")]
    pub active_deadline_seconds: i64,
    /// Facts about the task as environment.
    pub field_path_as_env: Vec<FieldPathAsEnv>,
    /// Which taints are tolerated.
    pub tolerations: Vec<Value>,
    /// Scratch volumes.
    pub generic_ephemeral_volume: Vec<EphemeralVolume>,
    /// On which nodes.
    pub node_affinity: Vec<Value>,
    /// Beside which pods.
    pub pod_affinity: Vec<Value>,
    /// Shared memory.
    pub enabled_shared_memory: Option<Value>,
    /// Scratch folders.
    pub empty_dir_mounts: Vec<EmptyDir>,
    /// Which user.
    pub security_context: Option<Value>,
}

/// Keys of a Secret as environment variables.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenSecret")]
pub struct SecretAsEnv {
    /// Name of the Secret.
    pub name: InputParameter,
    /// Which keys.
    pub keys: Vec<KeyToEnv>,
    /// A Secret or a key that is not there leaves its variables unset.
    pub optional: bool,
}

/// Keys of a ConfigMap as environment variables.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "WrittenConfigMap")]
pub struct ConfigMapAsEnv {
    /// Name of the ConfigMap.
    pub name: InputParameter,
    /// Which keys.
    pub keys: Vec<KeyToEnv>,
    /// A ConfigMap or a key that is not there leaves its variables unset.
    pub optional: bool,
}

/// A key and the variable it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyToEnv {
    /// Key of the Secret or ConfigMap.
    pub key: String,
    /// Name of the variable.
    pub variable: String,
}

/// A fact about the task as an environment variable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FieldPathAsEnv {
    /// Name of the variable.
    pub name: String,
    /// A field of the pod, `metadata.labels['pipeline/runid']`.
    pub field_path: String,
}

/// Labels and annotations of the pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodMetadata {
    /// Labels.
    pub labels: IndexMap<String, String>,
    /// Annotations.
    pub annotations: IndexMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenSecret {
    secret_name: Option<String>,
    secret_name_parameter: Option<InputParameter>,
    #[serde(default)]
    key_to_env: Vec<WrittenSecretKey>,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenSecretKey {
    secret_key: String,
    env_var: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenConfigMap {
    config_map_name: Option<String>,
    config_map_name_parameter: Option<InputParameter>,
    #[serde(default)]
    key_to_env: Vec<WrittenConfigMapKey>,
    #[serde(default)]
    optional: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenConfigMapKey {
    config_map_key: String,
    env_var: String,
}

/// The parameter wins over the deprecated name, as in KFP's driver.
pub(super) fn named(name: Option<String>, parameter: Option<InputParameter>) -> Option<InputParameter> {
    parameter.or_else(|| {
        name.map(|name| InputParameter {
            source: ParameterSource::Constant(name.into()),
            selector: None,
        })
    })
}

impl TryFrom<WrittenSecret> for SecretAsEnv {
    type Error = &'static str;

    fn try_from(written: WrittenSecret) -> Result<Self, Self::Error> {
        Ok(Self {
            name: named(written.secret_name, written.secret_name_parameter)
                .ok_or("a Secret needs `secretNameParameter` or `secretName`")?,
            keys: written
                .key_to_env
                .into_iter()
                .map(|key| KeyToEnv {
                    key: key.secret_key,
                    variable: key.env_var,
                })
                .collect(),
            optional: written.optional,
        })
    }
}

impl TryFrom<WrittenConfigMap> for ConfigMapAsEnv {
    type Error = &'static str;

    fn try_from(written: WrittenConfigMap) -> Result<Self, Self::Error> {
        Ok(Self {
            name: named(written.config_map_name, written.config_map_name_parameter)
                .ok_or("a ConfigMap needs `configMapNameParameter` or `configMapName`")?,
            keys: written
                .key_to_env
                .into_iter()
                .map(|key| KeyToEnv {
                    key: key.config_map_key,
                    variable: key.env_var,
                })
                .collect(),
            optional: written.optional,
        })
    }
}
