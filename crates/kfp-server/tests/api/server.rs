//! The API over an engine on folders of its own.

use std::sync::Arc;

use axum::Router;
use image_store::ImageStore;
use kfp_server::{Admission, router};
use pipeline_engine::{Engine, EngineConfig};
use processes::Shim;
use tempfile::TempDir;

/// A server without a socket; its folder goes with it.
pub(crate) struct Server {
    /// The routes.
    pub(crate) router: Router,
    /// Images that its tasks can run.
    pub(crate) images: ImageStore,
    /// Holds everything.
    pub(crate) folder: TempDir,
}

impl Server {
    /// On a fresh folder. Attempts run under `shim`.
    pub(crate) async fn new(shim: Shim) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let images = ImageStore::open(folder.path().join("images")).expect("a fresh image store");
        let config = EngineConfig::below(folder.path(), Arc::new(images.clone()), shim);
        let engine = Engine::open(config).await.expect("an engine on a fresh folder");
        Self {
            router: router(engine, Admission::default()),
            images,
            folder,
        }
    }
}
