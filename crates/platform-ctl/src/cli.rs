//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Rungs, recipes, pipelines, runs.
#[derive(Debug, Parser)]
#[command(
    name = "platform-ctl",
    bin_name = "cargo platform-ctl",
    version,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const COMMON: &str = "Options of every command";

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Endpoints document of a platform that is there [default: the state folder's]
    #[arg(long, value_name = "FILE", global = true, help_heading = COMMON)]
    pub(crate) endpoints: Option<PathBuf>,
    /// State folder [default: .basecamp in the clone]
    #[arg(long, value_name = "DIR", env = tier6::STATE_DIR_VARIABLE, hide_env_values = true, global = true, help_heading = COMMON)]
    pub(crate) state_dir: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long, global = true, help_heading = COMMON)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring the rung up; twice is once
    Up(UpArguments),
    /// Tell what runs
    Status,
    /// Stop everything that runs; data stays, except in a kind cluster
    Down,
    /// Bring the rung up, run a recipe on it, check what came of it
    Recipe(RecipeArguments),
    /// Play every scenario on a rung of its own, from an empty state: the merge gate
    Gate(GateArguments),
    /// Run pipelines and look at runs
    #[command(subcommand)]
    Pipeline(PipelineCommand),
    /// Look at what the cache holds, and forget of it
    #[command(subcommand)]
    Cache(CacheCommand),
    /// What the rungs on Kubernetes install: pins, renders, lock, images
    #[command(subcommand)]
    Tier6(Tier6Command),
    /// Lead ports of this machine into the cluster; `up` starts it
    #[command(hide = true)]
    Forward,
}

/// Which rung to bring up.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct UpArguments {
    /// Where: on this machine, in a kind cluster of its own, on a cluster [default: where it is up, else embedded]
    #[arg(long, visible_alias = "rung", value_name = "RUNG", value_enum)]
    pub(crate) on: Option<On>,
    /// The cluster's context in your kubeconfig
    #[arg(long, value_name = "NAME", required_if_eq("on", "cluster"))]
    pub(crate) context: Option<String>,
    /// Embedded: start a Python process for each component, tuner and model server, until `down`
    #[arg(long)]
    pub(crate) no_warm_workers: bool,
    /// Configuration of the kind cluster [default: tier6/kind.yaml]
    #[arg(long, value_name = "FILE")]
    pub(crate) kind_config: Option<PathBuf>,
}

/// A rung, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    Embedded,
    Kind,
    Cluster,
}

/// What to run, and where.
#[derive(Debug, Args)]
pub(crate) struct RecipeArguments {
    #[command(flatten)]
    pub(crate) up: UpArguments,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tier6Command {
    /// Render every component and write tier6/lock.yaml
    Lock,
    /// Print what components render to, as YAML
    Render {
        /// Only these
        components: Vec<String>,
    },
    /// Tell what `lock` would change
    Diff,
    /// Fetch and render everything anew, and hold it against the lock
    Verify,
    /// List the images that are started, with the digests that registries told
    Images,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List entries, newest first
    Ls {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Forget entries: the next task with that key runs; artifacts stay with their runs
    Rm(ForgetArguments),
    /// Read every byte that the cache holds, and hold it against the digests that were recorded
    Verify,
}

/// What to forget.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("which").args(["keys", "altered", "all"]).required(true)))]
pub(crate) struct ForgetArguments {
    /// Key, or the beginning of one
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Those that `verify` finds altered or missing
    #[arg(long)]
    pub(crate) altered: bool,
    /// Everything
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PipelineCommand {
    /// Run a recipe's pipeline and check what came of it
    Run(RunArguments),
    /// Foretell what a run would do: hits, misses, and why
    Plan(RunArguments),
    /// List runs, newest first
    List {
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Watch a run to its end
    Watch {
        /// Id, the beginning of one, `latest`, or `latest~1` for the one before
        #[arg(default_value = "latest")]
        run: String,
    },
    /// Print what a run's steps have written
    Logs {
        /// Id, the beginning of one, `latest`, or `latest~1` for the one before
        run: String,
        /// Only this task's
        task: Option<String>,
        /// Go on until the step ends
        #[arg(long, short, requires = "task")]
        follow: bool,
    },
    /// Tell why a run's tasks were taken from the cache or not
    ExplainCache {
        /// Id, the beginning of one, `latest`, or `latest~1` for the one before
        run: String,
        /// Only this task
        task: Option<String>,
    },
    /// Do some tasks of a run once more, on what it recorded
    Rerun(RerunArguments),
    /// Tell how two runs differ, the first difference first
    Diff {
        /// Id, the beginning of one, `latest`, or `latest~1` for the one before
        run: String,
        /// The other one
        other: String,
    },
    /// Ask a run to end
    Terminate {
        /// Id, the beginning of one, `latest`, or `latest~1` for the one before
        run: String,
    },
}

/// What to do once more.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("asked").args(["from", "only", "with"]).required(true).multiple(true)))]
pub(crate) struct RerunArguments {
    /// Id, the beginning of one, `latest`, or `latest~1` for the one before
    pub(crate) run: String,
    /// Run this task; what depends on it does what it would in any run
    #[arg(long, value_name = "TASK", conflicts_with = "only")]
    pub(crate) from: Option<String>,
    /// Run this task, and nothing else
    #[arg(long, value_name = "TASK")]
    pub(crate) only: Option<String>,
    /// Parameter that is otherwise, as NAME=VALUE; may be given several times. Without a task, what it reaches runs
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) with: Vec<String>,
}

/// What to play.
#[derive(Debug, Args)]
pub(crate) struct GateArguments {
    /// Recipe: a folder of recipes/, or the path of one
    #[arg(default_value = "train-deploy")]
    pub(crate) name: String,
    /// Write the outcomes as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a summary as Markdown
    #[arg(long, value_name = "FILE")]
    pub(crate) summary: Option<PathBuf>,
    /// Play only this scenario, in what the last gate left; may be given several times
    #[arg(long, value_name = "SCENARIO")]
    pub(crate) only: Vec<String>,
    /// Leave the gate's rung up, to look at
    #[arg(long)]
    pub(crate) keep_up: bool,
}

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Recipe: a folder of recipes/, or the path of one
    pub(crate) name: String,
    /// Repository to learn from, as PATH or NAME=PATH; may be given several times [default: synthetic data]
    #[arg(long = "repo", value_name = "PATH")]
    pub(crate) repositories: Vec<OsString>,
    /// Branch or tag of the repositories to read [default: HEAD]
    #[arg(long = "ref", value_name = "REF", requires = "repositories")]
    pub(crate) reference: Option<String>,
    /// Parameter of the pipeline, as NAME=VALUE; may be given several times
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
}
