use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

fn container(text: &str) -> Container {
    serde_yaml::from_str(&format!("name: c\n{text}")).unwrap()
}

#[rstest]
#[case(
    "readinessProbe: {exec: {command: [x]}}",
    "readinessProbe must be httpGet or tcpSocket on this rung"
)]
#[case(
    "livenessProbe: {grpc: {port: 1}}",
    "livenessProbe must be httpGet or tcpSocket on this rung"
)]
#[case(
    "startupProbe: {httpGet: {port: 1, scheme: HTTPS}}",
    "startupProbe.httpGet.scheme must be HTTP on this rung"
)]
fn unknown_probes_are_refused(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(Probes::of(&container(text)).unwrap_err().message, expected);
}

/// Answers every request with 200 or 503, as told at the moment.
async fn server(healthy: Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let status = if healthy.load(Ordering::SeqCst) {
                "200 OK"
            } else {
                "503 No"
            };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    port
}

fn watched(text: &str, port: u16) -> mpsc::UnboundedReceiver<Answer> {
    let probes = Probes::of(&container(text)).unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        probes
            .watch(&client, port, None, move |answer| {
                tell.send(answer).unwrap_or_default()
            })
            .await;
    });
    told
}

#[tokio::test]
async fn readiness_comes_and_goes() {
    let healthy = Arc::new(AtomicBool::new(false));
    let port = server(healthy.clone()).await;
    let mut told = watched(
        "readinessProbe: {httpGet: {path: ready, port: http}, periodSeconds: 1, failureThreshold: 1}",
        port,
    );
    assert!(
        timeout(Duration::from_millis(300), told.recv()).await.is_err(),
        "not ready before it answers 200"
    );
    for (now, expected) in [
        (true, Answer::Ready),
        (false, Answer::Unready),
        (true, Answer::Ready),
    ] {
        healthy.store(now, Ordering::SeqCst);
        let answer = timeout(Duration::from_secs(5), told.recv()).await.unwrap();
        assert_eq!(answer, Some(expected));
    }
}

#[rstest]
#[case::never_starts("startupProbe: {httpGet: {port: 1}, periodSeconds: 1, failureThreshold: 1}", &[Answer::Dead])]
#[case::stops_living(
    "readinessProbe: {tcpSocket: {port: 1}}\nlivenessProbe: {httpGet: {port: 1}, periodSeconds: 1, failureThreshold: 1}",
    &[Answer::Ready, Answer::Dead]
)]
#[tokio::test]
async fn the_dead_are_told(#[case] text: &str, #[case] expected: &[Answer]) {
    let port = server(Arc::new(AtomicBool::new(false))).await;
    let mut told = watched(text, port);
    for answer in expected {
        assert_eq!(
            timeout(Duration::from_secs(5), told.recv()).await.unwrap(),
            Some(*answer)
        );
    }
    assert_eq!(told.recv().await, None, "nothing after the end");
}
