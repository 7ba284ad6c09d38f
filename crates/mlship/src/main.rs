//! `mlship`: deploys a registered model version and tells what is served.
//!
//! Progress goes to stderr, the outcome to stdout. Exit codes: 0 it serves as asked, 1 it does not, 2 usage.

mod cli;
mod deploy;
mod failure;
mod place;
mod status;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("invariant: a process can make one epoll instance");
    let outcome = runtime.block_on(async {
        match cli.command {
            cli::Command::Deploy(arguments) => deploy::run(arguments).await,
            cli::Command::Status(arguments) => status::run(arguments).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", failure::told(&error));
            ExitCode::FAILURE
        }
    }
}
