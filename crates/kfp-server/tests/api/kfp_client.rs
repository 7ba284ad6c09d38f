//! KFP's own clients, unmodified, over a socket. Budget: 90 s on two cores.

use std::path::PathBuf;
use std::process::Stdio;

use crate::server::Server;
use image_store::Base;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Names the Python that has kfp.
const PYTHON: &str = "BASECAMP_PYTHON";
/// The programs of the conformance suite.
const CONFORMANCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance");

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_the_kfp_client() {
    session("session.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_the_kubeflow_sdk_s_client() {
    session("pipelines_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_feature_of_the_ir() {
    let features = format!("{CONFORMANCE}/features");
    let server = with_python().await;
    let check = format!("{CONFORMANCE}/features.py");
    runs(&server, &[&check, "--check", &features]).await;
    let state = server.folder.path().to_str().unwrap().to_owned();
    conformance(&server, "conformance.py", &[&features, "--state", &state]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_pipelines_end_as_with_kfp_local() {
    conformance(&with_python().await, "differential.py", &[]).await;
}

/// A server whose lightweight components run by the Python that has kfp.
async fn with_python() -> Server {
    let python = python();
    Server::with_python(crate::shim(), python.parent().unwrap().parent().unwrap()).await
}

/// Runs a program of the conformance suite against a server.
async fn conformance(server: &Server, program: &str, arguments: &[&str]) {
    let endpoints = server.folder.path().join("endpoints.yaml");
    let text = format!("pipelines: {{url: {}}}\n", serve(server).await);
    std::fs::write(&endpoints, text).unwrap();
    let program = format!("{CONFORMANCE}/{program}");
    let rung = ["--endpoints", endpoints.to_str().unwrap()];
    runs(server, &[&[program.as_str()], arguments, &rung].concat()).await;
}

/// Runs a script of this folder against a server of its own.
async fn session(script: &str) {
    let server = Server::new(crate::shim()).await;
    // The image that the session's components name: this machine's Python, and no files.
    let base = Base {
        path: vec![python().parent().unwrap().to_owned()],
        ..Base::default()
    };
    server.publish("tests/steps", "v1", &base);
    let url = serve(&server).await;
    let script = format!("{}/tests/api/{script}", env!("CARGO_MANIFEST_DIR"));
    runs(&server, &[&script, &url]).await;
}

/// The Python that has kfp.
fn python() -> PathBuf {
    std::env::var_os(PYTHON).map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "{PYTHON} is not set: this test runs kfp's own client. `cargo xtask test` sets it; by hand: \
             {PYTHON}=.basecamp/python/current/bin/python"
        )
    })
}

async fn serve(server: &Server) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = server.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Runs Python, which has to end well.
async fn runs(server: &Server, words: &[&str]) {
    let output = Command::new(python())
        .args(["-W", "ignore"])
        .args(words)
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
