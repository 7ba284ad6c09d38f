//! `bench`: a bare server of the engine and its API, and what is measured on it.

mod crash;
mod engines;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the KFP API over an engine in a folder; print its URL
    Serve {
        folder: PathBuf,
        /// Image of Python steps, run by this environment
        #[arg(long)]
        python: Option<PathBuf>,
        /// What starts Python components
        #[arg(long, default_value = "cold")]
        launcher: server::Launcher,
        /// End by SIGKILL at that instant: two for each commit of the database, one before it and one after
        #[arg(long)]
        kill_at: Option<u64>,
    },
    /// Kill the engine at every durable write of a mixed pipeline in turn, then at random instants, then the daemon
    Crash(crash::Asked),
    /// Time what a task costs here and in other engines, side by side
    Engines(engines::Asked),
}

fn main() -> ExitCode {
    if let Some(code) = processes::run_if_shim() {
        return code;
    }
    let ended = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                match Arguments::parse().command {
                    Command::Serve {
                        folder,
                        python,
                        launcher,
                        kill_at,
                    } => server::serve(&folder, python, launcher, kill_at)
                        .await
                        .map(|()| true),
                    Command::Crash(asked) => crash::command(&asked).await,
                    Command::Engines(asked) => engines::command(&asked).await,
                }
            })
        });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
