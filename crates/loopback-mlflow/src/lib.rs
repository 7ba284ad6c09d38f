//! A real MLflow server on loopback, for tests.
//!
//! The server ends with the [`LoopbackServer`], or with the test process however that ends: it runs under a Python
//! parent that waits for the end of its standard input, which the kernel closes for us.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Names the Python that has MLflow.
pub const PYTHON_VARIABLE: &str = "BASECAMP_PYTHON";

/// Starting Python with MLflow takes seconds on idle cores, and many of them beside other tests.
const DEADLINE: Duration = Duration::from_secs(120);

const KEEPER: &str = "
import os, shutil, signal, subprocess, sys
server = subprocess.Popen(sys.argv[2:], start_new_session=True, stdin=subprocess.DEVNULL)
sys.stdin.read()
os.killpg(server.pid, signal.SIGKILL)
server.wait()
shutil.rmtree(sys.argv[1])
";

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct LoopbackServer {
    keeper: Child,
    /// MLflow's tracking URI.
    pub tracking_uri: String,
    /// Holds the database `mlflow.db`, the artifacts and the log; goes with the server.
    pub folder: PathBuf,
}

impl LoopbackServer {
    /// Starts a server with nothing in it, and waits until it is healthy.
    ///
    /// # Errors
    /// When there is no Python to run it, or the server is not healthy in time: with the end of its log.
    pub async fn start() -> io::Result<Self> {
        let python = python()?;
        // Free a moment ago: MLflow cannot tell which port it took when asked for port 0.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("loopback-mlflow-{}-{port}", std::process::id()));
        std::fs::create_dir(&folder)?;
        let log = folder.join("mlflow.log");
        let output = std::fs::File::create(&log)?;
        let keeper = Command::new(&python)
            .args(["-c", KEEPER])
            .arg(&folder)
            .arg(&python)
            .args(["-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"])
            .args(["--port", &port.to_string()])
            .args([
                "--backend-store-uri",
                &format!("sqlite:///{}/mlflow.db", folder.display()),
            ])
            .args([
                "--default-artifact-root",
                &format!("file://{}/artifacts", folder.display()),
            ])
            .env("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let server = Self {
            keeper,
            tracking_uri: format!("http://127.0.0.1:{port}"),
            folder,
        };
        server.healthy(&log).await?;
        Ok(server)
    }

    async fn healthy(&self, log: &Path) -> io::Result<()> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(io::Error::other)?;
        let url = format!("{}/health", self.tracking_uri);
        let deadline = Instant::now() + DEADLINE;
        loop {
            // MLflow offers nothing to wait on but its health page.
            match http.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                _ if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
                last => {
                    let text = std::fs::read(log)?;
                    return Err(io::Error::other(format!(
                        "mlflow server is not healthy after {DEADLINE:?} (last: {last:?}); its log ends:\n{}",
                        String::from_utf8_lossy(&text[text.len().saturating_sub(2000)..])
                    )));
                }
            }
        }
    }
}

impl Drop for LoopbackServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // The keeper ends by itself; waiting only collects it.
        let _ = self.keeper.wait();
    }
}

fn python() -> io::Result<PathBuf> {
    std::env::var_os(PYTHON_VARIABLE).map(PathBuf::from).ok_or_else(|| {
        io::Error::other(format!(
            "{PYTHON_VARIABLE} is not set: this test runs a real MLflow server. `cargo xtask test` sets it up; \
             by hand: {PYTHON_VARIABLE}=.basecamp/python/current/bin/python"
        ))
    })
}
