//! What is killed, and the world outside of it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use image_store::ImageStore;
use tier6::StateDir;
use tokio::process::Command;

use super::text;
use crate::server::{self, Server};

/// How long a daemon may take to stop.
const GRACE: Duration = Duration::from_secs(10);

/// A place where runs are made.
pub(super) enum Place {
    /// An engine and its API, in a process of its own. The world outside is a folder.
    Bare {
        state: PathBuf,
        effect: PathBuf,
    },
    Rung(Rung),
}

impl Place {
    pub(super) fn bare(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let effect = folder.join("effect");
        write_program(&effect, include_str!("../../effects/folder.sh"))?;
        Ok(Self::Bare {
            state: folder.join("state"),
            effect,
        })
    }

    /// A server that is on its way.
    pub(super) fn starting(&self, kill_at: Option<u64>) -> anyhow::Result<Server> {
        match self {
            Self::Bare { state, .. } => Server::starting(state, None, kill_at),
            Self::Rung(rung) => rung.starting(),
        }
    }

    /// The program by which tasks reach the outside world: `create RUN STEP`, and `list`.
    pub(super) fn effect(&self) -> &Path {
        match self {
            Self::Bare { effect, .. } => effect,
            Self::Rung(rung) => &rung.effect,
        }
    }
}

/// The real daemon with its services, in a state folder of its own. Its tasks make a ConfigMap in its resource API and a
/// run in its MLflow.
#[derive(Clone)]
pub(super) struct Rung {
    state: StateDir,
    effect: PathBuf,
}

impl Rung {
    /// Brings services and daemon up, and ends the daemon: from here on daemons are the campaign's.
    pub(super) async fn up(folder: &Path, environments: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let state = StateDir::open(folder.join("state"))?;
        let python = state.root().join("python");
        std::os::unix::fs::symlink(environments.canonicalize()?, &python)
            .with_context(|| python.display().to_string())?;
        let script = folder.join("effect.py");
        std::fs::write(&script, include_str!("../../effects/rung.py"))?;
        let effect = folder.join("effect");
        let words = [python.join("current/bin/python"), script, state.endpoints()];
        let words: Vec<&str> = words.iter().map(|path| text(path)).collect::<Result<_, _>>()?;
        write_program(
            &effect,
            &format!("#!/bin/sh -e\nexec {} \"$@\"\n", words.join(" ")),
        )?;
        let rung = Self { state, effect };
        rung.platform_ctl("up").await?;
        server::publish_image(&ImageStore::open(rung.state.images())?, folder, None)?;
        let daemon = tier6::DaemonRecord::of_running(&rung.state)?.context("a daemon that is up")?;
        processes::terminate(&daemon.identity, GRACE).await?;
        Ok(rung)
    }

    fn starting(&self) -> anyhow::Result<Server> {
        let mut command = Command::new(beside("basecampd")?);
        command
            .arg("run")
            .arg("--state-dir")
            .arg(self.state.root())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env(processes::MARK_VARIABLE, self.state.mark()?)
            .stderr(Stdio::null());
        let endpoints = self.state.endpoints();
        Server::of(command, move |_| {
            Ok(endpoints::Endpoints::read(&endpoints)?.pipelines.url)
        })
    }

    /// Takes everything down.
    pub(super) async fn down(&self) -> anyhow::Result<()> {
        self.platform_ctl("down").await
    }

    async fn platform_ctl(&self, verb: &str) -> anyhow::Result<()> {
        let status = Command::new(beside("platform-ctl")?)
            .arg("--state-dir")
            .arg(self.state.root())
            .arg(verb)
            .stdout(Stdio::null())
            .status()
            .await?;
        anyhow::ensure!(status.success(), "platform-ctl {verb} ended with {status}");
        Ok(())
    }
}

/// Another program of the same build.
fn beside(name: &str) -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

fn write_program(path: &Path, program: &str) -> anyhow::Result<()> {
    std::fs::write(path, program).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}
