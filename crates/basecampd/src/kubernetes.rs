//! The daemon as a client of its own resource API.

use std::path::Path;

use anyhow::Context;
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use pipeline_engine::{Data, EnvironmentError, EnvironmentSource};

/// A client by the kubeconfig, as everybody's.
pub(crate) async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).with_context(|| kubeconfig.display().to_string())?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// ConfigMaps and Secrets of one namespace, for the environment of steps.
pub(crate) struct Environment {
    config_maps: Api<ConfigMap>,
    secrets: Api<Secret>,
}

impl Environment {
    pub(crate) fn new(client: Client, namespace: &str) -> Self {
        Self {
            config_maps: Api::namespaced(client.clone(), namespace),
            secrets: Api::namespaced(client, namespace),
        }
    }
}

impl EnvironmentSource for Environment {
    fn config_map<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Data>, EnvironmentError>> {
        async move {
            let found = self.config_maps.get_opt(name).await;
            let found = found.map_err(|error| EnvironmentError(format!("ConfigMap {name}: {error}")))?;
            Ok(found.map(|config_map| config_map.data.unwrap_or_default()))
        }
        .boxed()
    }

    fn secret<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Data>, EnvironmentError>> {
        async move {
            let found = self.secrets.get_opt(name).await;
            let found = found.map_err(|error| EnvironmentError(format!("Secret {name}: {error}")))?;
            let Some(secret) = found else { return Ok(None) };
            secret
                .data
                .unwrap_or_default()
                .into_iter()
                .map(|(key, value)| match String::from_utf8(value.0) {
                    Ok(text) => Ok((key, text)),
                    Err(_) => Err(EnvironmentError(format!(
                        "Secret {name}: the value of {key} is no text, which a variable must be"
                    ))),
                })
                .collect::<Result<Data, _>>()
                .map(Some)
        }
        .boxed()
    }
}
