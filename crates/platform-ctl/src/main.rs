//! `platform-ctl`: rungs, recipes, pipelines, runs.
//!
//! Progress and tables for people go to stderr, results to stdout. Exit codes: 0 all is well, 1 it is not, 2 usage,
//! 3 the rung could not be brought up or is not there, 4 the eval gate is closed.

mod cache;
mod cli;
mod components;
mod failure;
mod gate;
mod output;
mod pipeline;
mod place;
mod recipe;
mod rerun;
mod rung;
mod screen;
mod view;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{CacheCommand, Cli, Command, PipelineCommand};
use crate::failure::{Exit, Failure};

fn main() -> ExitCode {
    // Before anything else: this may be the supervisor of the process that leads into a cluster.
    if let Some(code) = processes::run_if_shim() {
        return code;
    }
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("invariant: a process can make one epoll instance");
    match runtime.block_on(Box::pin(carry_out(cli))) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprint!("{}", failure.told());
            failure.exit().into()
        }
    }
}

async fn carry_out(cli: Cli) -> Result<Exit, Failure> {
    let common = &cli.common;
    match &cli.command {
        Command::Up(asked) => rung::up(common, asked).await,
        Command::Status => rung::status(common).await,
        Command::Down => rung::down(common).await,
        Command::Recipe(asked) => {
            rung::ensure_up(common, &asked.up).await?;
            recipe::run(common, &asked.run).await
        }
        Command::Forward => rung::forward(common).await,
        Command::Tier6(command) => components::carry_out(common, command),
        Command::Cache(command) => match command {
            CacheCommand::Ls { limit } => cache::ls(common, *limit).await,
            CacheCommand::Rm(asked) => cache::rm(common, asked).await,
            CacheCommand::Verify => cache::verify(common).await,
        },
        Command::Gate(asked) => Box::pin(gate::gate(common, asked)).await,
        Command::Pipeline(command) => match command {
            PipelineCommand::Run(asked) => recipe::run(common, asked).await,
            PipelineCommand::Plan(asked) => recipe::plan(common, asked).await,
            PipelineCommand::List { limit } => pipeline::list(common, *limit).await,
            PipelineCommand::Watch { run } => pipeline::watch(common, run).await,
            PipelineCommand::Logs { run, task, follow } => {
                let extent = if *follow {
                    pipeline::Extent::Follow
                } else {
                    pipeline::Extent::SoFar
                };
                pipeline::logs(common, run, task.as_deref(), extent).await
            }
            PipelineCommand::ExplainCache { run, task } => {
                pipeline::explain_cache(common, run, task.as_deref()).await
            }
            PipelineCommand::Rerun(asked) => rerun::rerun(common, asked).await,
            PipelineCommand::Diff { run, other } => rerun::diff(common, run, other).await,
            PipelineCommand::Terminate { run } => pipeline::terminate(common, run).await,
        },
    }
}
