//! The engine and its API in a process of their own, to be measured and to be killed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context;
use image_store::{Base, ImageManifest, ImageStore, Managed};
use kfp_api::Client;
use pipeline_engine::{Engine, EngineConfig};
use processes::{Shim, Workers};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};

/// The image of every step: this machine's shell, and a Python where one is given.
pub(crate) const IMAGE: &str = "bench:step";

/// What starts Python components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Launcher {
    /// A fresh interpreter each.
    Cold,
    /// A fork of one that has imported what is heavy.
    Warm,
}

impl Launcher {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
        }
    }
}

/// Serves until it is killed.
pub(crate) async fn serve(
    folder: &Path,
    python: Option<PathBuf>,
    launcher: Launcher,
    kill_at: Option<u64>,
) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut images = ImageStore::open(folder.join("images"))?;
    if let Some(python) = &python {
        images = images.with_managed(Managed {
            python: python.clone(),
            map: folder.join("images.yaml"),
            folder: folder.join("environments"),
            programs: "/usr/local/bin:/usr/bin:/bin".to_owned(),
            uv: Vec::new(),
        });
    }
    publish_image(&images, folder, python)?;
    let mut config = EngineConfig::below(folder, Arc::new(images), Shim::this_program());
    config.scratch = folder.join("tmp");
    if launcher == Launcher::Warm {
        config.workers = Workers::new(folder.join("workers"));
    }
    if let Some(last) = kill_at {
        config.at_instant = Some(Arc::new(move |nth| {
            if nth >= last {
                end_by_sigkill();
            }
        }));
    }
    let engine = Engine::open(config).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{url}").and_then(|()| stdout.flush())?;
    axum::serve(
        listener,
        kfp_server::router(engine, kfp_server::Admission::default()),
    )
    .await?;
    Ok(())
}

/// Makes [`IMAGE`] stand for this machine.
pub(crate) fn publish_image(
    images: &ImageStore,
    folder: &Path,
    python: Option<PathBuf>,
) -> anyhow::Result<()> {
    let files = folder.join("files");
    std::fs::create_dir_all(&files).with_context(|| files.display().to_string())?;
    let manifest = ImageManifest {
        name: "bench".into(),
        digest: "0".repeat(64),
        files: [].into(),
        modules: [].into(),
        own: Vec::new(),
        tags: [("step".to_owned(), "step".to_owned())].into(),
    };
    let base = Base {
        path: python.into_iter().map(|python| python.join("bin")).collect(),
        ..Base::default()
    };
    images.publish(&files, &manifest, &base)?;
    Ok(())
}

/// As if somebody had sent it: nothing of this process gets a turn any more.
fn end_by_sigkill() {
    let killed = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    killed.expect("invariant: a process may signal itself");
}

/// The URL of a server, from the line that it says.
type UrlOf = Box<dyn Fn(&str) -> anyhow::Result<String> + Send>;

/// A server in a process of its own; killed when it goes out of scope.
pub(crate) struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    /// Its URL, from the line that it says once it serves.
    url: UrlOf,
    /// Its client; `None` as long as it does not serve, and where it was killed before it did.
    pub(crate) client: Option<Client>,
}

impl Server {
    /// A bare server of a folder, on its way.
    pub(crate) fn starting(
        folder: &Path,
        python: Option<(&Path, Launcher)>,
        kill_at: Option<u64>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("serve").arg(folder);
        if let Some((python, launcher)) = python {
            command.arg("--python").arg(python);
            command.args(["--launcher", launcher.name()]);
        }
        if let Some(instant) = kill_at {
            command.arg("--kill-at").arg(instant.to_string());
        }
        Self::of(command, |line| Ok(line.to_owned()))
    }

    /// Likewise any that says one line on its standard output once it serves.
    pub(crate) fn of(
        mut command: Command,
        url: impl Fn(&str) -> anyhow::Result<String> + Send + 'static,
    ) -> anyhow::Result<Self> {
        command.stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("a server")?;
        let stdout = process.stdout.take().context("its standard output")?;
        Ok(Self {
            process,
            stdout: BufReader::new(stdout),
            url: Box::new(url),
            client: None,
        })
    }

    /// One that serves.
    pub(crate) async fn start(
        folder: &Path,
        python: Option<(&Path, Launcher)>,
    ) -> anyhow::Result<(Self, Client)> {
        let mut server = Self::starting(folder, python, None)?;
        let client = server.serving().await?.context("a server that serves")?;
        Ok((server, client))
    }

    /// Waits until it serves, or has ended.
    pub(crate) async fn serving(&mut self) -> anyhow::Result<Option<Client>> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).await?;
        if let Some(line) = line.strip_suffix('\n') {
            self.client = Some(Client::new(&(self.url)(line)?, None)?);
        }
        Ok(self.client.clone())
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id().unwrap_or_default()
    }

    /// Kills it, if it has not ended by itself.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        // It has ended: there is nothing to kill.
        let _ = self.process.start_kill();
        self.process.wait().await?;
        Ok(())
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        self.process.wait().await?;
        Ok(())
    }
}
