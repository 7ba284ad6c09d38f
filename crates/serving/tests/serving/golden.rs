//! Golden requests against a real kserve server on loopback. Budget: 30 s, of which the server's start is most.
use std::io::{Read, Seek};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rstest::rstest;
use serving::{Golden, GoldenError, infer_url};
use tokio::sync::OnceCell;

/// Answers a third of each row's sum; ends with its standard input, so with the test process however that ends.
const SERVER: &str = "
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
import kserve
class Thirds(kserve.Model):
    def __init__(self):
        super().__init__('thirds')
        self.ready = True
    def predict(self, payload, headers=None, response_headers=None):
        import uuid
        rows = payload.inputs[0].as_numpy()
        tensor = kserve.InferOutput(name='predictions', shape=[len(rows)], datatype='FP64', data=[float(sum(r)) / 3 for r in rows])
        return kserve.InferResponse(model_name=self.name, response_id=payload.id or str(uuid.uuid4()), infer_outputs=[tensor])
kserve.ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1).start([Thirds()])
";

struct Server {
    _process: Child,
    url: String,
}

async fn endpoint() -> String {
    static SERVER_CELL: OnceCell<Server> = OnceCell::const_new();
    let server = SERVER_CELL.get_or_init(async || start().await).await;
    infer_url(&server.url, "thirds")
}

#[expect(
    clippy::zombie_processes,
    reason = "the server ends with this process, which has nobody left to wait"
)]
async fn start() -> Server {
    let python = PathBuf::from(std::env::var_os("BASECAMP_PYTHON").expect(
        "BASECAMP_PYTHON is not set: this test runs a real kserve server. `cargo xtask test` sets it up; \
         by hand: BASECAMP_PYTHON=.basecamp/python/current/bin/python",
    ));
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut log = tempfile::tempfile().unwrap();
    let output = log.try_clone().unwrap();
    let process = Command::new(python)
        .args(["-c", SERVER, &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = format!("{url}/v2/models/thirds/ready");
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let answer = http.get(&ready).send().await;
        if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) {
            return Server {
                _process: process,
                url,
            };
        }
        if Instant::now() > deadline {
            let mut text = String::new();
            log.rewind().unwrap();
            log.read_to_string(&mut text).unwrap();
            panic!("{ready}: last seen {answer:?}; the server's log:\n{text}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn golden(predictions: &str) -> Golden {
    let rows = |rows: &str, count: u32| {
        format!(r#"{{"inputs":[{{"name":"features","shape":[{count},2],"datatype":"FP64","data":{rows}}}]}}"#)
    };
    let requests = format!(
        "[{}, {}]",
        rows("[0.1, 0.2]", 1),
        rows("[1.0, 0.0, 20.0, 0.7]", 2)
    );
    Golden::parse(requests.as_bytes(), predictions.as_bytes()).unwrap()
}

/// Recorded by Python: `[(0.1 + 0.2) / 3]`, `[1.0 / 3, 20.7 / 3]`.
const RECORDED: &str = "[[0.10000000000000002], [0.3333333333333333, 6.8999999999999995]]";

#[tokio::test]
async fn answers_as_recorded_pass() {
    golden(RECORDED).verify(&endpoint().await).await.unwrap();
}

#[rstest]
#[case::last_bit(
    "[[0.1], [0.3333333333333333, 6.8999999999999995]]",
    "golden request 1 of 2 at URL: value 1: recorded 0.1, answered 0.10000000000000002"
)]
#[case::second_request(
    "[[0.10000000000000002], [0.3333333333333333, 6.9]]",
    "golden request 2 of 2 at URL: value 2: recorded 6.9, answered 6.8999999999999995"
)]
#[case::fewer(
    "[[0.10000000000000002], [0.3333333333333333]]",
    "golden request 2 of 2 at URL: 1 values recorded, 2 answered"
)]
#[tokio::test]
async fn another_answer_is_shown(#[case] predictions: &str, #[case] expected: &str) {
    let url = endpoint().await;
    let error = golden(predictions).verify(&url).await.unwrap_err();
    assert!(matches!(error, GoldenError::Differs { .. }));
    assert_eq!(error.to_string(), expected.replace("URL", &url));
}

#[tokio::test]
async fn no_answer_is_told() {
    let url = endpoint().await.replace("thirds", "quarters");
    let error = golden(RECORDED).verify(&url).await.unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("golden request 1 of 2 at {url}: HTTP 404: ")),
        "{error}"
    );
    let error = golden(RECORDED).verify("http://127.0.0.1:9/").await.unwrap_err();
    assert!(
        matches!(error, GoldenError::Unanswered { request: 1, .. }),
        "{error}"
    );
}
