//! KFP's own clients, unmodified, over a socket. Budget: 90 s on two cores.

use std::path::PathBuf;
use std::process::Stdio;

use crate::server::Server;
use image_store::Base;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Names the Python that has kfp.
const PYTHON: &str = "BASECAMP_PYTHON";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_the_kfp_client() {
    session("session.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_the_kubeflow_sdk_s_client() {
    session("pipelines_client.py").await;
}

/// Runs a script of this folder against a server of its own.
async fn session(script: &str) {
    let python = std::env::var_os(PYTHON).map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "{PYTHON} is not set: this test runs kfp's own client. `cargo xtask test` sets it; by hand: \
             {PYTHON}=.basecamp/python/current/bin/python"
        )
    });
    let server = Server::new(crate::shim()).await;
    // The image that the session's components name: this machine's Python, and no files.
    let base = Base {
        path: vec![python.parent().unwrap().to_owned()],
        ..Base::default()
    };
    server.publish("tests/steps", "v1", &base);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = server.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });

    let script = format!("{}/tests/api/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python)
        .args(["-W", "ignore", &script, &url])
        .env("HOME", server.folder.path())
        // A proxy of the user's machine has no way to this one's loopback.
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
