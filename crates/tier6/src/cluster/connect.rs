//! A client of the cluster.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::error::Tier6Error;

/// A client by the kubeconfig of the state folder. No request is sent.
///
/// # Errors
/// [`Tier6Error::Kubernetes`].
pub(super) async fn connect(kubeconfig: &Path) -> Result<Client, Tier6Error> {
    let refused = |reason: String| Tier6Error::Kubernetes {
        object: kubeconfig.display().to_string(),
        reason,
    };
    let document = Kubeconfig::read_from(kubeconfig).map_err(|error| refused(error.to_string()))?;
    let mut config = Config::from_custom_kubeconfig(document, &KubeConfigOptions::default())
        .await
        .map_err(|error| refused(error.to_string()))?;
    let is_loopback = config
        .cluster_url
        .host()
        .is_some_and(|host| host == "localhost" || host.starts_with("127.") || host == "[::1]");
    if is_loopback {
        // HTTPS_PROXY of the user has no way to this machine's loopback.
        config.proxy_url = None;
    }
    Client::try_from(config).map_err(|error| refused(error.to_string()))
}
