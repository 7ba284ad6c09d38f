//! The real resource API in this process, over TLS as anybody's client has it.

use std::net::SocketAddr;
use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use resource_api::ResourceApi;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A server that ends with this value.
pub(crate) struct ApiServer {
    kubeconfig: String,
    stop: CancellationToken,
}

impl ApiServer {
    pub(crate) async fn start(state: &Path) -> Self {
        let api = ResourceApi::open(&state.join("resources")).unwrap();
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let kubeconfig = api
            .kubeconfig(listener.local_addr().unwrap(), "serving")
            .to_yaml();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move { api.serve(listener, stopped).await.unwrap() });
        Self { kubeconfig, stop }
    }

    /// A client of its own, with connections that belong to the runtime it is made in.
    pub(crate) async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let mut config = config.unwrap();
        config.proxy_url = None;
        Client::try_from(config).unwrap()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
