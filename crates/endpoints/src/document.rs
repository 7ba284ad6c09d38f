//! The document as a file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The version this crate reads and writes.
pub const API_VERSION: &str = "basecamp.dev/v1";

/// Where a rung's services are, and how to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoints {
    /// [`API_VERSION`].
    pub api_version: String,
    /// Name of the rung, for people: `embedded`, `kind`, `cluster`. Nothing may branch on it.
    pub rung: String,
    /// KFP's REST API, v2beta1.
    pub pipelines: Pipelines,
    /// The Kubernetes API.
    pub resources: Resources,
    /// MLflow's REST API.
    pub registry: Registry,
    /// Where artifacts live.
    pub artifacts: Artifacts,
    /// The Iceberg catalog.
    pub lakehouse: Lakehouse,
    /// The Open Inference Protocol entry.
    pub serving: Serving,
    /// Pages for people, by title.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dashboards: BTreeMap<String, String>,
}

/// KFP's REST API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pipelines {
    /// Base URL without a path, for example `http://127.0.0.1:8888`.
    pub url: String,
    /// Bearer token, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// The Kubernetes API, by the means every Kubernetes client has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Absolute path of a kubeconfig. Absent: the client's own inference (in-cluster service account).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<PathBuf>,
    /// Context in that kubeconfig; absent: its current context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Which namespace serves which purpose.
    #[serde(default)]
    pub namespaces: Namespaces,
}

/// Namespaces by purpose. Trials live apart because Katib's pod webhook selects namespaces by label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Namespaces {
    /// Steps of pipelines.
    pub pipelines: String,
    /// Experiments and their trials.
    pub trials: String,
    /// RayJobs.
    pub training: String,
    /// InferenceServices and HTTPRoutes.
    pub serving: String,
}

impl Default for Namespaces {
    fn default() -> Self {
        Self {
            pipelines: "kubeflow".into(),
            trials: "trials".into(),
            training: "training".into(),
            serving: "serving".into(),
        }
    }
}

/// MLflow's tracking and registry API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registry {
    /// MLflow's own name for it: `MLFLOW_TRACKING_URI`.
    pub tracking_uri: String,
}

/// The root under which artifacts are written, opened by fsspec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Artifacts {
    /// `file:///…` or `s3://bucket/prefix`, without a trailing slash.
    pub root: String,
    /// S3 endpoint, where the root is `s3://` and not Amazon's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_endpoint: Option<String>,
}

/// The Iceberg catalog `abukix`, in PyIceberg's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lakehouse {
    /// Catalog type: `sql` or `rest`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Catalog URI: `sqlite:///…`, `postgresql+psycopg2://…`, `http://…`.
    pub uri: String,
    /// Warehouse URI: `file:///…` or `s3://…`.
    pub warehouse: String,
}

/// The entry behind which InferenceServices answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Serving {
    /// Base URL; a model answers at `{url}/v2/models/{name}/infer`.
    pub url: String,
}

/// Why there are no endpoints.
#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    /// The file could not be read or written.
    #[error("endpoints document {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a document of this shape.
    #[error("endpoints document {path}: {source}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: serde_yaml::Error,
    },
    /// Written for another version.
    #[error("endpoints document {path}: apiVersion is {found}, this program reads {API_VERSION}")]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version it names.
        found: String,
    },
    /// A variable of the environment projection is not set.
    #[error("environment variable {0} is not set: this program runs inside a step, or with --endpoints FILE")]
    MissingVariable(&'static str),
}

impl Endpoints {
    /// Reads the document.
    ///
    /// # Errors
    /// [`EndpointsError::Io`], [`EndpointsError::Malformed`], [`EndpointsError::Version`].
    pub fn read(path: &Path) -> Result<Self, EndpointsError> {
        let text = std::fs::read_to_string(path).map_err(|source| EndpointsError::Io {
            path: path.to_owned(),
            source,
        })?;
        let document: Self = serde_yaml::from_str(&text).map_err(|source| EndpointsError::Malformed {
            path: path.to_owned(),
            source,
        })?;
        if document.api_version != API_VERSION {
            return Err(EndpointsError::Version {
                path: path.to_owned(),
                found: document.api_version,
            });
        }
        Ok(document)
    }

    /// Writes the document in one step: a reader sees the old one or this one. It may hold passwords: its owner alone
    /// reads it.
    ///
    /// # Errors
    /// [`EndpointsError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), EndpointsError> {
        let io = |source| EndpointsError::Io {
            path: path.to_owned(),
            source,
        };
        let text = serde_yaml::to_string(self).expect("plain strings and maps serialise");
        let unfinished = path.with_extension("yaml.unfinished");
        let mut file = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(io)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(io)?;
        std::fs::rename(&unfinished, path).map_err(io)
    }
}
