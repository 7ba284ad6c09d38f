//! A server of its own for each test, and clients for it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses a part of it

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use resource_api::ResourceApi;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take here before the test says what it last saw.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A server on a port of its own.
pub struct Served {
    pub address: SocketAddr,
    pub kubeconfig: PathBuf,
    pub store: resource_api::Store,
    pub stop: CancellationToken,
    pub serving: JoinHandle<Result<(), resource_api::Error>>,
    pub folder: TempDir,
}

impl Served {
    /// Starts on an empty folder.
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap()).await
    }

    /// Starts on a folder that was served before.
    pub async fn start_in(folder: TempDir) -> Self {
        let api = ResourceApi::open(&folder.path().join("resources")).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        api.kubeconfig(address, "default").write(&kubeconfig).unwrap();
        let stop = CancellationToken::new();
        let store = api.store().clone();
        let serving = tokio::spawn({
            let stop = stop.clone();
            async move { api.serve(listener, stop).await }
        });
        Self {
            address,
            kubeconfig,
            store,
            stop,
            serving,
            folder,
        }
    }

    /// A kube-rs client, by the kubeconfig.
    pub async fn client(&self) -> kube::Client {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
        kube::Client::try_from(config).unwrap()
    }

    /// The token in the kubeconfig.
    pub fn token(&self) -> String {
        let text = std::fs::read_to_string(&self.kubeconfig).unwrap();
        text.lines()
            .find_map(|line| line.trim().strip_prefix("token: "))
            .unwrap()
            .to_owned()
    }

    /// A connection that speaks plain HTTP over TLS, for requests that no client would send.
    pub async fn connect(&self) -> Connection {
        let authority = std::fs::read(self.folder.path().join("resources/tls/ca.crt")).unwrap();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(tls_client(&authority)));
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        Connection {
            sender,
            token: self.token(),
        }
    }

    /// Ends the server and waits for it.
    pub async fn end(self) -> TempDir {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.serving)
            .await
            .expect("the server ends")
            .unwrap()
            .unwrap();
        self.folder
    }
}

/// A connection that speaks plain HTTP over TLS.
pub struct Connection {
    sender: hyper::client::conn::http1::SendRequest<axum::body::Body>,
    token: String,
}

impl Connection {
    /// Sends a request with the token and the right Host; answers code and body.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        media_type: &str,
        body: impl Into<axum::body::Body>,
    ) -> (u16, Value) {
        let token = format!("Bearer {}", self.token);
        let headers = [
            ("host", "127.0.0.1"),
            ("authorization", token.as_str()),
            ("content-type", media_type),
        ];
        self.send_with(method, path, &headers, body).await
    }

    /// Sends a request with these headers alone.
    pub async fn send_with(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<axum::body::Body>,
    ) -> (u16, Value) {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await.unwrap();
        let response = self
            .sender
            .send_request(request.body(body.into()).unwrap())
            .await
            .unwrap();
        let code = response.status().as_u16();
        let bytes = axum::body::to_bytes(axum::body::Body::new(response.into_body()), usize::MAX)
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&bytes);
        (
            code,
            serde_json::from_slice(&bytes).unwrap_or_else(|_| json!(text)),
        )
    }
}

fn tls_client(authority: &[u8]) -> rustls::ClientConfig {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_slice(authority).unwrap())
        .unwrap();
    rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// An Experiment that keeps every rule.
pub fn experiment(name: &str) -> Value {
    json!({
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "mae"},
            "algorithm": {"algorithmName": "tpe"},
            "maxTrialCount": 20,
            "parallelTrialCount": 2,
            "parameters": [
                {"name": "rate", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.3"}}
            ],
            "trialTemplate": {
                "primaryContainerName": "trial",
                "trialParameters": [{"name": "rate", "reference": "rate"}],
                "trialSpec": {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
                        {"name": "trial", "image": "x", "command": ["trial", "--rate=${trialParameters.rate}"]}
                    ]}}}
                }
            }
        }
    })
}

/// A ConfigMap with one key.
pub fn config_map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": {"value": value}
    })
}
