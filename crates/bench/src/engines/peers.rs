//! Other engines, each installed from a lock into an environment of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;

use super::row::Row;

/// Written into an environment once it is whole, with the lock that it was made from.
const COMPLETE: &str = "basecamp-complete";

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// Steps one after the other.
    Chain(u32),
    /// Likewise, with what a component needs taken to be installed.
    ChainInstalled(u32),
    /// Steps that do not wait for one another.
    Parallel(u32),
}

impl Shape {
    /// How many steps.
    pub(super) fn count(self) -> u32 {
        let (Self::Chain(count) | Self::ChainInstalled(count) | Self::Parallel(count)) = self;
        count
    }

    fn words(self) -> [String; 2] {
        let name = match self {
            Self::Chain(_) => "chain",
            Self::ChainInstalled(_) => "chain-installed",
            Self::Parallel(_) => "parallel",
        };
        [name.to_owned(), self.count().to_string()]
    }
}

/// Another engine.
pub(super) struct Peer {
    pub(super) name: String,
    facts: Facts,
    lock: &'static str,
    script: &'static str,
}

/// See `peers/peers.yaml`.
#[derive(Deserialize)]
struct Facts {
    a_task: String,
    #[serde(default)]
    installed: bool,
}

/// What a peer's script tells.
#[derive(Deserialize)]
struct Measured {
    seconds: f64,
    rss_mb: f64,
}

/// Lock and script of a peer.
fn files(name: &str) -> Option<(&'static str, &'static str)> {
    macro_rules! of {
        ($folder:literal) => {
            Some((
                include_str!(concat!("../../peers/", $folder, "/requirements.lock")),
                include_str!(concat!("../../peers/", $folder, "/measure.py")),
            ))
        };
    }
    match name {
        "kfp-local" => of!("kfp-local"),
        "metaflow" => of!("metaflow"),
        "dagster" => of!("dagster"),
        "prefect" => of!("prefect"),
        _ => None,
    }
}

impl Peer {
    /// All of the file.
    pub(super) fn all() -> anyhow::Result<Vec<Self>> {
        let facts: BTreeMap<String, Facts> = serde_yaml::from_str(include_str!("../../peers/peers.yaml"))?;
        facts
            .into_iter()
            .map(|(name, facts)| {
                let (lock, script) = files(&name).with_context(|| format!("no files of `{name}`"))?;
                Ok(Self {
                    name,
                    facts,
                    lock,
                    script,
                })
            })
            .collect()
    }

    /// One of them.
    pub(super) fn named(name: &str) -> anyhow::Result<Self> {
        let all = Self::all()?;
        let known: Vec<_> = all.iter().map(|peer| peer.name.clone()).collect();
        all.into_iter()
            .find(|peer| peer.name == name)
            .with_context(|| format!("there is no peer `{name}`; there are: {}", known.join(", ")))
    }

    /// What it is measured with.
    pub(super) fn shapes(&self, chain: u32, parallel: u32) -> Vec<Shape> {
        let installed = self.facts.installed.then_some(Shape::ChainInstalled(chain));
        [Shape::Chain(chain)]
            .into_iter()
            .chain(installed)
            .chain([Shape::Parallel(parallel)])
            .collect()
    }

    /// Installs it, unless it is, and returns its environment.
    pub(super) async fn install(
        &self,
        folder: &Path,
        uv: &Path,
        python: &Path,
    ) -> anyhow::Result<Environment> {
        let environment = folder.join(&self.name);
        let complete = environment.join(COMPLETE);
        let script = environment.join("measure.py");
        if std::fs::read_to_string(&complete).ok().as_deref() != Some(self.lock) {
            eprintln!("{}: installing …", self.name);
            if environment.exists() {
                std::fs::remove_dir_all(&environment).with_context(|| environment.display().to_string())?;
            }
            run(Command::new(uv)
                .args(["venv", "--quiet", "--python"])
                .arg(python)
                .arg(&environment))
            .await?;
            let lock = environment.join("requirements.lock");
            std::fs::write(&lock, self.lock).with_context(|| lock.display().to_string())?;
            run(Command::new(uv)
                .args(["pip", "sync", "--quiet", "--require-hashes", "--python"])
                .arg(environment.join("bin/python"))
                .arg(&lock))
            .await?;
            std::fs::write(&complete, self.lock).with_context(|| complete.display().to_string())?;
        }
        std::fs::write(&script, self.script).with_context(|| script.display().to_string())?;
        let home = environment.join("home/prefect");
        std::fs::create_dir_all(&home).with_context(|| home.display().to_string())?;
        Ok(Environment(environment))
    }

    /// Compiles a shape to a package; kfp alone can.
    pub(super) async fn compile(&self, environment: &Environment, shape: Shape) -> anyhow::Result<Value> {
        let package = environment.0.join("package.yaml");
        let mut command = environment.measure();
        command.arg("compile").args(shape.words()).arg(&package);
        run(&mut command).await?;
        let text = std::fs::read_to_string(&package).with_context(|| package.display().to_string())?;
        Ok(serde_yaml::from_str(&text)?)
    }

    /// Runs a shape in it.
    pub(super) async fn measure(
        &self,
        environment: &Environment,
        shape: Shape,
        case: &'static str,
    ) -> anyhow::Result<Row> {
        eprintln!(
            "{}: {}, {}",
            self.name,
            shape.words().join(" "),
            self.facts.a_task
        );
        let stdout = run(environment.measure().args(shape.words())).await?;
        let line = stdout.lines().rev().find(|line| line.starts_with('{'));
        let measured: Measured = serde_json::from_str(line.context("a line of JSON")?)?;
        Ok(Row {
            engine: self.name.clone(),
            case,
            tasks: shape.count(),
            seconds: measured.seconds,
            rss_mb: measured.rss_mb,
            api_p99_ms: None,
        })
    }
}

/// The environment of a peer.
pub(super) struct Environment(PathBuf);

impl Environment {
    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Its script, in a clean environment: nothing of the user's steers it, and it keeps its files to itself.
    fn measure(&self) -> Command {
        let bin = self.0.join("bin");
        let home = self.0.join("home");
        let mut command = Command::new(bin.join("python"));
        command
            .args(["-W", "ignore"])
            .arg(self.0.join("measure.py"))
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
            .env("HOME", &home)
            .env("PREFECT_HOME", home.join("prefect"))
            // Its own server takes as long as it takes; the default gives up after 20 s.
            .env("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "300")
            .env("LANG", "C.UTF-8")
            .current_dir(&self.0);
        command
    }
}

/// Runs a program that has to end well; its standard output.
async fn run(command: &mut Command) -> anyhow::Result<String> {
    let program = command.as_std().get_program().to_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .await
        .with_context(|| program.display().to_string())?;
    anyhow::ensure!(
        output.status.success(),
        "{} ended with {}:\n{}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
