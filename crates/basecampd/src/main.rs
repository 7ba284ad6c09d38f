//! The daemon of the embedded rung.

mod admin;
mod daemon;
mod documents;
mod kubernetes;
mod lifecycle;
mod ports;
mod services;
mod supervisor;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// The daemon of the embedded rung. `cargo xtask up` starts it.
#[derive(Parser)]
#[command(version)]
enum Command {
    /// Runs the daemon until it is told to stop (SIGTERM). Its services go on without it.
    Run {
        /// The state folder.
        #[arg(long)]
        state_dir: PathBuf,
        /// Starts a Python process for each component, tuner and model server.
        #[arg(long)]
        no_warm_workers: bool,
    },
}

fn main() -> ExitCode {
    // Before anything else: this may be the supervisor of one process, which has no time to lose.
    if let Some(code) = processes::run_if_shim() {
        return code;
    }
    let Command::Run {
        state_dir,
        no_warm_workers,
    } = Command::parse();
    match daemon::run(&state_dir, !no_warm_workers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            daemon::tell_failure(&error);
            ExitCode::FAILURE
        }
    }
}
