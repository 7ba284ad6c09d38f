//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Deploys registered model versions.
#[derive(Debug, Parser)]
#[command(name = "mlship", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a version, and end when the endpoint answers its golden requests as recorded
    Deploy(DeployArguments),
    /// Tell what is served
    Status(StatusArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DeployArguments {
    /// Registered model; also the name of the InferenceService
    #[arg(long, value_name = "NAME")]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) which: Which,
    /// ClusterServingRuntime that serves it
    #[arg(long, value_name = "NAME")]
    pub(crate) runtime: String,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// Version number
    #[arg(long, value_name = "N")]
    pub(crate) version: Option<u32>,
    /// Alias that points to the version
    #[arg(long, value_name = "ALIAS")]
    pub(crate) alias: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct StatusArguments {
    /// Registered model
    #[arg(long, value_name = "NAME", default_value = "next-week-commits")]
    pub(crate) model: String,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print one JSON object on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the services are.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Namespace of the InferenceService [default: the endpoints document's]
    #[arg(long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Endpoints document [default: a step's environment, else the state folder's]
    #[arg(long, value_name = "FILE")]
    pub(crate) endpoints: Option<PathBuf>,
    /// State folder [default: .basecamp in the clone]
    #[arg(long, value_name = "DIR", env = "BASECAMP_STATE_DIR", hide_env_values = true)]
    pub(crate) state_dir: Option<PathBuf>,
}
