//! The document as environment variables of a step.

use std::collections::BTreeMap;

use crate::document::{
    API_VERSION, Artifacts, Endpoints, EndpointsError, Lakehouse, Namespaces, Pipelines, Registry, Resources,
    Serving,
};

/// Name of the ConfigMap that carries [`ENV_KEYS`] in each of the rung's namespaces.
pub const CONFIG_MAP: &str = "basecamp-endpoints";
/// Name of the Secret that carries [`CREDENTIAL_KEYS`] in each of the rung's namespaces.
pub const SECRET: &str = "basecamp-credentials";

/// Keys of the ConfigMap. Where a library has a variable of its own, that one is used, so that it needs no code of ours.
pub const ENV_KEYS: [&str; 15] = [
    "BASECAMP_RUNG",
    "BASECAMP_PIPELINES_URL",
    "BASECAMP_ARTIFACTS_ROOT",
    "BASECAMP_SERVING_URL",
    "BASECAMP_NAMESPACE_PIPELINES",
    "BASECAMP_NAMESPACE_TRIALS",
    "BASECAMP_NAMESPACE_TRAINING",
    "BASECAMP_NAMESPACE_SERVING",
    "KUBECONFIG",
    "MLFLOW_TRACKING_URI",
    "AWS_ENDPOINT_URL",
    "PYICEBERG_CATALOG__ABUKIX__TYPE",
    "PYICEBERG_CATALOG__ABUKIX__URI",
    "PYICEBERG_CATALOG__ABUKIX__WAREHOUSE",
    "PYICEBERG_CATALOG__ABUKIX__S3__ENDPOINT",
];

/// Keys of the Secret, read by the libraries themselves; all optional.
pub const CREDENTIAL_KEYS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"];

impl Endpoints {
    /// The variables a step gets; keys are a subset of [`ENV_KEYS`].
    pub fn to_env(&self) -> BTreeMap<&'static str, String> {
        let mut env = BTreeMap::from([
            ("BASECAMP_RUNG", self.rung.clone()),
            ("BASECAMP_PIPELINES_URL", self.pipelines.url.clone()),
            ("BASECAMP_ARTIFACTS_ROOT", self.artifacts.root.clone()),
            ("BASECAMP_SERVING_URL", self.serving.url.clone()),
            (
                "BASECAMP_NAMESPACE_PIPELINES",
                self.resources.namespaces.pipelines.clone(),
            ),
            (
                "BASECAMP_NAMESPACE_TRIALS",
                self.resources.namespaces.trials.clone(),
            ),
            (
                "BASECAMP_NAMESPACE_TRAINING",
                self.resources.namespaces.training.clone(),
            ),
            (
                "BASECAMP_NAMESPACE_SERVING",
                self.resources.namespaces.serving.clone(),
            ),
            ("MLFLOW_TRACKING_URI", self.registry.tracking_uri.clone()),
            ("PYICEBERG_CATALOG__ABUKIX__TYPE", self.lakehouse.kind.clone()),
            ("PYICEBERG_CATALOG__ABUKIX__URI", self.lakehouse.uri.clone()),
            (
                "PYICEBERG_CATALOG__ABUKIX__WAREHOUSE",
                self.lakehouse.warehouse.clone(),
            ),
        ]);
        if let Some(kubeconfig) = &self.resources.kubeconfig {
            env.insert("KUBECONFIG", kubeconfig.display().to_string());
        }
        if let Some(endpoint) = &self.artifacts.s3_endpoint {
            env.insert("AWS_ENDPOINT_URL", endpoint.clone());
            // PyIceberg reads through Arrow, which does not know that variable.
            env.insert("PYICEBERG_CATALOG__ABUKIX__S3__ENDPOINT", endpoint.clone());
        }
        env
    }

    /// Reads back what [`Endpoints::to_env`] wrote; `variable` looks one up. Tokens and dashboards do not travel.
    ///
    /// # Errors
    /// [`EndpointsError::MissingVariable`] names the first one that is not set.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EndpointsError> {
        let required = |key: &'static str| variable(key).ok_or(EndpointsError::MissingVariable(key));
        Ok(Self {
            api_version: API_VERSION.into(),
            rung: required("BASECAMP_RUNG")?,
            pipelines: Pipelines {
                url: required("BASECAMP_PIPELINES_URL")?,
                token: None,
            },
            resources: Resources {
                kubeconfig: variable("KUBECONFIG").map(Into::into),
                context: None,
                namespaces: Namespaces {
                    pipelines: required("BASECAMP_NAMESPACE_PIPELINES")?,
                    trials: required("BASECAMP_NAMESPACE_TRIALS")?,
                    training: required("BASECAMP_NAMESPACE_TRAINING")?,
                    serving: required("BASECAMP_NAMESPACE_SERVING")?,
                },
            },
            registry: Registry {
                tracking_uri: required("MLFLOW_TRACKING_URI")?,
            },
            artifacts: Artifacts {
                root: required("BASECAMP_ARTIFACTS_ROOT")?,
                s3_endpoint: variable("AWS_ENDPOINT_URL"),
            },
            lakehouse: Lakehouse {
                kind: required("PYICEBERG_CATALOG__ABUKIX__TYPE")?,
                uri: required("PYICEBERG_CATALOG__ABUKIX__URI")?,
                warehouse: required("PYICEBERG_CATALOG__ABUKIX__WAREHOUSE")?,
            },
            serving: Serving {
                url: required("BASECAMP_SERVING_URL")?,
            },
            dashboards: BTreeMap::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use rstest::rstest;

    fn embedded() -> Endpoints {
        serde_yaml::from_str(
            "
apiVersion: basecamp.dev/v1
rung: embedded
pipelines: {url: 'http://127.0.0.1:8888'}
resources: {kubeconfig: /clone/.basecamp/kubeconfig}
registry: {trackingUri: 'http://127.0.0.1:5000'}
artifacts: {root: 'file:///clone/.basecamp/artifacts'}
lakehouse: {type: sql, uri: 'sqlite:////clone/.basecamp/lakehouse/catalog.db', warehouse: 'file:///clone/.basecamp/lakehouse'}
serving: {url: 'http://127.0.0.1:8080'}
",
        )
        .unwrap()
    }

    #[test]
    fn environment_round_trips() {
        let endpoints = embedded();
        let env = endpoints.to_env();
        assert_eq!(
            Endpoints::from_env(|key| env.get(key).cloned()).unwrap(),
            endpoints
        );
    }

    #[test]
    fn every_variable_is_a_declared_key() {
        let mut endpoints = embedded();
        endpoints.artifacts.s3_endpoint = Some("http://seaweedfs:8333".into());
        let written: Vec<_> = endpoints.to_env().into_keys().collect();
        let mut declared = ENV_KEYS.to_vec();
        declared.sort_unstable();
        assert_eq!(written, declared);
    }

    #[test]
    fn a_missing_variable_is_named() {
        let mut env = embedded().to_env();
        env.remove("MLFLOW_TRACKING_URI");
        let error = Endpoints::from_env(|key| env.get(key).cloned()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable MLFLOW_TRACKING_URI is not set: this program runs inside a step, or with --endpoints FILE"
        );
    }

    #[rstest]
    #[case::other_version(
        "apiVersion: basecamp.dev/v9",
        "apiVersion is basecamp.dev/v9, this program reads basecamp.dev/v1"
    )]
    #[case::unknown_field("apiVersion: basecamp.dev/v1\ncolour: red", "unknown field `colour`")]
    fn a_wrong_document_says_why(#[case] head: &str, #[case] expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("endpoints.yaml");
        embedded().write(&path).unwrap();
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .replace("apiVersion: basecamp.dev/v1", head);
        std::fs::write(&path, text).unwrap();
        let message = Endpoints::read(&path).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }

    #[test]
    fn a_written_document_reads_the_same_and_to_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("endpoints.yaml");
        embedded().write(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Endpoints::read(&path).unwrap(), embedded());
    }
}
