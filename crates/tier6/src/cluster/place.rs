//! Where the services are: inside the cluster for steps, on this machine for people and clients.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;

use endpoints::{
    API_VERSION, Artifacts, CONFIG_MAP, Endpoints, Lakehouse, Namespaces, Pipelines, Registry, Resources,
    Serving,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Tier6Error;
use crate::object::Object;

/// What a service is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Use {
    /// KFP's API.
    Pipelines,
    /// The object store.
    Artifacts,
    /// MLflow.
    Registry,
    /// The Iceberg catalog's database.
    Lakehouse,
    /// The entry to models.
    Serving,
}

/// Every use.
pub(super) const USES: [Use; 5] = [
    Use::Pipelines,
    Use::Artifacts,
    Use::Registry,
    Use::Lakehouse,
    Use::Serving,
];

/// Ports of the kind node, as component host-ports opens them.
pub(super) const NODE_PORTS: [(Use, u16); 5] = [
    (Use::Pipelines, 30_888),
    (Use::Artifacts, 30_833),
    (Use::Registry, 30_500),
    (Use::Lakehouse, 30_432),
    (Use::Serving, 30_800),
];

/// The database user of the catalog, and the Secret and key with its password.
pub(super) const CATALOG_PASSWORD: (&str, &str, &str) = ("mlflow", "postgres", "ICEBERG_PASSWORD");

impl Use {
    /// Namespace, Service and port.
    pub(super) fn service(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::Pipelines => ("kubeflow", "ml-pipeline", 8888),
            Self::Artifacts => ("kubeflow", "seaweedfs", 8333),
            Self::Registry => ("mlflow", "mlflow", 5000),
            Self::Lakehouse => ("mlflow", "postgres", 5432),
            Self::Serving => ("traefik", "traefik", 80),
        }
    }

    fn inside(self) -> String {
        let (namespace, service, port) = self.service();
        format!("{service}.{namespace}.svc:{port}")
    }
}

/// A free port of loopback for each use. They are all held until all are chosen, so no two are the same.
///
/// # Errors
/// [`Tier6Error::File`] where the system has none.
pub(super) fn free_ports() -> Result<BTreeMap<Use, u16>, Tier6Error> {
    let mut held = Vec::new();
    let mut ports = BTreeMap::new();
    for purpose in USES {
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(Tier6Error::file("127.0.0.1:0"))?;
        let address = listener.local_addr().map_err(Tier6Error::file("127.0.0.1:0"))?;
        ports.insert(purpose, address.port());
        held.push(listener);
    }
    Ok(ports)
}

/// As steps see it. Passwords are in the Secret that they get, not in the document.
pub(super) fn inside(rung: &str) -> Endpoints {
    document(rung, Use::inside, "iceberg")
}

/// As this machine sees it.
pub(super) fn on_this_machine(
    rung: &str,
    ports: &BTreeMap<Use, u16>,
    kubeconfig: &Path,
    catalog_password: &str,
) -> Endpoints {
    let address = |purpose: Use| format!("127.0.0.1:{}", ports.get(&purpose).copied().unwrap_or_default());
    let mut document = document(rung, address, &format!("iceberg:{catalog_password}"));
    document.resources.kubeconfig = Some(kubeconfig.to_owned());
    document
        .dashboards
        .insert("mlflow".into(), document.registry.tracking_uri.clone());
    document
}

fn document(rung: &str, address: impl Fn(Use) -> String, catalog_user: &str) -> Endpoints {
    Endpoints {
        api_version: API_VERSION.into(),
        rung: rung.to_owned(),
        pipelines: Pipelines {
            url: format!("http://{}", address(Use::Pipelines)),
            token: None,
        },
        resources: Resources {
            kubeconfig: None,
            context: None,
            namespaces: Namespaces::default(),
        },
        registry: Registry {
            tracking_uri: format!("http://{}", address(Use::Registry)),
        },
        artifacts: Artifacts {
            root: "s3://mlpipeline/recipes".into(),
            s3_endpoint: Some(format!("http://{}", address(Use::Artifacts))),
        },
        lakehouse: Lakehouse {
            kind: "sql".into(),
            uri: format!(
                "postgresql+psycopg2://{catalog_user}@{}/iceberg",
                address(Use::Lakehouse)
            ),
            warehouse: "s3://mlpipeline/lakehouse".into(),
        },
        serving: Serving {
            url: format!("http://{}", address(Use::Serving).trim_end_matches(":80")),
        },
        dashboards: BTreeMap::new(),
    }
}

/// The ConfigMap that tells steps, in each namespace where they or what they start runs.
///
/// # Errors
/// [`Tier6Error::Component`].
pub(super) fn config_maps(inside: &Endpoints) -> Result<Vec<Object>, Tier6Error> {
    let Namespaces {
        pipelines,
        trials,
        training,
        serving,
    } = &inside.resources.namespaces;
    [pipelines, trials, training, serving]
        .into_iter()
        .map(|namespace| {
            Object::new(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"namespace": namespace, "name": CONFIG_MAP}, "data": inside.to_env()}))
            .map_err(|reason| Tier6Error::Component {
                name: CONFIG_MAP.into(),
                reason,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Pinned;

    #[test]
    fn steps_are_told_names_of_the_cluster_and_no_password() {
        let inside = inside("kind");
        let maps = config_maps(&inside).unwrap();
        let ids: Vec<String> = maps.iter().map(|map| map.id().short()).collect();
        assert_eq!(
            ids,
            [
                "ConfigMap kubeflow/basecamp-endpoints",
                "ConfigMap trials/basecamp-endpoints",
                "ConfigMap training/basecamp-endpoints",
                "ConfigMap serving/basecamp-endpoints",
            ]
        );
        let data = maps[0].body()["data"].as_object().unwrap();
        assert_eq!(
            data["BASECAMP_PIPELINES_URL"],
            "http://ml-pipeline.kubeflow.svc:8888"
        );
        assert_eq!(data["BASECAMP_SERVING_URL"], "http://traefik.traefik.svc");
        assert_eq!(
            data["PYICEBERG_CATALOG__ABUKIX__URI"],
            "postgresql+psycopg2://iceberg@postgres.mlflow.svc:5432/iceberg"
        );
        assert_eq!(data.get("KUBECONFIG"), None);
    }

    #[test]
    fn this_machine_is_told_ports_of_loopback() {
        let ports = free_ports().unwrap();
        let document = on_this_machine("kind", &ports, Path::new("/s/kubeconfig"), "secret");
        assert_eq!(
            document.pipelines.url,
            format!("http://127.0.0.1:{}", ports[&Use::Pipelines])
        );
        assert_eq!(
            document.lakehouse.uri,
            format!(
                "postgresql+psycopg2://iceberg:secret@127.0.0.1:{}/iceberg",
                ports[&Use::Lakehouse]
            )
        );
        let distinct: std::collections::BTreeSet<u16> = ports.values().copied().collect();
        assert_eq!(distinct.len(), USES.len());
    }

    #[test]
    fn the_nodes_ports_are_those_of_component_host_ports() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tier6");
        let component = Pinned::read(&folder)
            .unwrap()
            .component("host-ports")
            .unwrap()
            .clone();
        let text = std::fs::read_to_string(component.folder.join("host-ports.yaml")).unwrap();
        for (purpose, port) in NODE_PORTS {
            assert!(text.contains(&format!("nodePort: {port}")), "{purpose:?}");
        }
    }
}
