//! The file by which every Kubernetes client finds the server.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::Error;
use crate::identity::write_secret;

/// Name of the cluster, the user and the context.
const NAME: &str = "basecamp";

/// A kubeconfig.
#[derive(Clone)]
pub struct Kubeconfig {
    server: String,
    authority: String,
    token: String,
    namespace: String,
}

/// Without the token.
impl fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubeconfig")
            .field("server", &self.server)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Kubeconfig {
    pub(crate) fn new(address: SocketAddr, authority: &str, token: &str, namespace: &str) -> Self {
        Self {
            server: format!("https://{address}"),
            authority: authority.to_owned(),
            token: token.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// The server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The file's text. It holds the token.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": NAME,
                "cluster": {
                    "server": self.server,
                    "certificate-authority-data": BASE64_STANDARD.encode(&self.authority),
                },
            }],
            "users": [{ "name": NAME, "user": { "token": self.token } }],
            "contexts": [{
                "name": NAME,
                "context": { "cluster": NAME, "user": NAME, "namespace": self.namespace },
            }],
            "current-context": NAME,
        });
        serde_yaml::to_string(&config).expect("invariant: plain data serialises")
    }

    /// Writes the file, whole or not at all, for its owner alone.
    ///
    /// # Errors
    ///
    /// [`Error::Kubeconfig`] when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_secret(path, &self.to_yaml()).map_err(|source| Error::Kubeconfig {
            path: path.to_owned(),
            source,
        })
    }
}
