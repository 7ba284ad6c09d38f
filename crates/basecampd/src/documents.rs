//! The endpoints document, as a file for clients and as a ConfigMap and a Secret for steps.

use std::collections::BTreeMap;

use anyhow::Context;
use endpoints::{Artifacts, Endpoints, Lakehouse, Namespaces, Pipelines, Registry, Resources, Serving};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client};
use tier6::StateDir;

use crate::ports::Ports;

/// Field manager of what the daemon applies.
const MANAGER: &str = "basecampd";

/// Where everything is.
pub(crate) fn endpoints(state: &StateDir, ports: &mut Ports) -> anyhow::Result<Endpoints> {
    let mut url = |name: &str| anyhow::Ok(format!("http://127.0.0.1:{}", ports.of(name)?));
    let mlflow = url("mlflow")?;
    Ok(Endpoints {
        api_version: endpoints::API_VERSION.into(),
        rung: "embedded".into(),
        pipelines: Pipelines {
            url: url("pipelines")?,
            token: None,
        },
        resources: Resources {
            kubeconfig: Some(state.kubeconfig()),
            context: None,
            namespaces: Namespaces::default(),
        },
        registry: Registry {
            tracking_uri: mlflow.clone(),
        },
        artifacts: Artifacts {
            root: format!("file://{}", state.artifacts().display()),
            s3_endpoint: None,
        },
        lakehouse: Lakehouse {
            kind: "sql".into(),
            uri: format!("sqlite:///{}", state.lakehouse().join("catalog.db").display()),
            warehouse: format!("file://{}", state.lakehouse().display()),
        },
        serving: Serving { url: url("serving")? },
        dashboards: [
            ("MLflow".to_owned(), mlflow),
            ("Ray".to_owned(), url("ray-dashboard")?),
        ]
        .into(),
    })
}

/// Applies the ConfigMap and the Secret to each of the rung's namespaces. This rung's services ask for no credentials
/// that a step would have to carry, so the Secret is empty.
pub(crate) async fn apply(client: &Client, endpoints: &Endpoints) -> anyhow::Result<()> {
    let data: BTreeMap<String, String> = endpoints
        .to_env()
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let metadata = |name: &str| ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    let config_map = ConfigMap {
        metadata: metadata(endpoints::CONFIG_MAP),
        data: Some(data),
        ..ConfigMap::default()
    };
    let secret = Secret {
        metadata: metadata(endpoints::SECRET),
        ..Secret::default()
    };
    let params = PatchParams::apply(MANAGER).force();
    let names = &endpoints.resources.namespaces;
    for namespace in [&names.pipelines, &names.trials, &names.training, &names.serving] {
        Api::<ConfigMap>::namespaced(client.clone(), namespace)
            .patch(endpoints::CONFIG_MAP, &params, &Patch::Apply(&config_map))
            .await
            .with_context(|| format!("ConfigMap {namespace}/{}", endpoints::CONFIG_MAP))?;
        Api::<Secret>::namespaced(client.clone(), namespace)
            .patch(endpoints::SECRET, &params, &Patch::Apply(&secret))
            .await
            .with_context(|| format!("Secret {namespace}/{}", endpoints::SECRET))?;
    }
    Ok(())
}
