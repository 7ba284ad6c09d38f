//! The API over an engine on folders of its own.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use image_store::{Base, ImageManifest, ImageStore, Managed};
use kfp_server::{Admission, router};
use pipeline_engine::{Engine, EngineConfig};
use processes::Shim;
use tempfile::TempDir;

/// A server without a socket; its folder goes with it.
pub(crate) struct Server {
    /// The routes.
    pub(crate) router: Router,
    /// What is behind them.
    pub(crate) engine: Engine,
    /// Images that its tasks can run.
    images: ImageStore,
    /// Holds everything.
    pub(crate) folder: TempDir,
}

impl Server {
    /// On a fresh folder. Attempts run under `shim`.
    pub(crate) async fn new(shim: Shim) -> Self {
        Self::open(shim, |_, images| images).await
    }

    /// Likewise, with a Python environment that stands for the images of lightweight components.
    pub(crate) async fn with_python(shim: Shim, python: &Path) -> Self {
        Self::open(shim, |folder, images| {
            images.with_managed(Managed {
                python: python.to_owned(),
                map: folder.join("images.yaml"),
                folder: folder.join("environments"),
                programs: "/usr/bin:/bin".to_owned(),
                uv: Vec::new(),
            })
        })
        .await
    }

    async fn open(shim: Shim, managed: impl FnOnce(&Path, ImageStore) -> ImageStore) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let images = ImageStore::open(folder.path().join("images")).expect("a fresh image store");
        let images = managed(folder.path(), images);
        let config = EngineConfig::below(folder.path(), Arc::new(images.clone()), shim);
        let engine = Engine::open(config).await.expect("an engine on a fresh folder");
        Self {
            router: router(engine.clone(), Admission::default()),
            engine,
            images,
            folder,
        }
    }

    /// Lets tasks run in an image without files of its own, named `NAME:TAG`.
    pub(crate) fn publish(&self, name: &str, tag: &str, base: &Base) {
        let recipe = self.folder.path().join("recipe");
        std::fs::create_dir_all(&recipe).expect("a folder");
        let manifest = ImageManifest {
            name: name.to_owned(),
            digest: "0".repeat(64),
            files: [].into(),
            tags: [("step".to_owned(), tag.to_owned())].into(),
            modules: [].into(),
            own: Vec::new(),
        };
        self.images.publish(&recipe, &manifest, base).expect("an image");
    }
}
