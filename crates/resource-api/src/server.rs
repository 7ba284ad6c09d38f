//! The server as a whole.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::collector::collect;
use crate::http::{Served, TlsListener, router};
use crate::identity::Identity;
use crate::{Error, Kubeconfig, Store};

/// The resource API of one state folder.
pub struct ResourceApi {
    store: Store,
    identity: Identity,
}

impl ResourceApi {
    /// Opens the store and the certificates in this folder (`resources.db`, `tls/`), or makes them. The folder is for
    /// its owner alone: it holds Secrets.
    ///
    /// # Errors
    ///
    /// [`Error::Folder`], [`Error::Identity`], [`Error::Store`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Folder {
            path: folder.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        // Somebody may have made it before, for everyone.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let identity = Identity::open(&folder.join("tls"))?;
        Ok(Self {
            store: Store::open(&folder.join("resources.db"))?,
            identity,
        })
    }

    /// The objects, for whoever shares the process.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The kubeconfig for a server at this address, with a namespace for clients that name none.
    #[must_use]
    pub fn kubeconfig(&self, address: SocketAddr, namespace: &str) -> Kubeconfig {
        Kubeconfig::new(address, &self.identity.authority, &self.identity.token, namespace)
    }

    /// Serves until told to stop. Watches then end, requests under way are answered, and dependents that are still to
    /// be collected wait for the next start.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`].
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> Result<(), Error> {
        let listener = TlsListener::new(listener, self.identity.tls.clone()).map_err(Error::Listen)?;
        let served = Served::new(self.store.clone(), &self.identity.token, stop.clone());
        let collecting = tokio::spawn(collect(self.store.clone(), stop.clone()));
        let result = axum::serve(listener, router(served))
            .with_graceful_shutdown(async move { stop.cancelled().await })
            .await;
        collecting.abort();
        result.map_err(Error::Listen)
    }
}
