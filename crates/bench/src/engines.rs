//! `bench engines`: what a task costs here and in other engines, and what the engine does at most, side by side in one run.

mod ours;
mod packages;
mod peers;
mod row;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use peers::{Peer, Shape};
use row::Row;

use crate::server::Launcher;

/// No-op Python steps of a chain.
const CHAIN: u32 = 5;
/// Light Python tasks side by side.
const LIGHT: u32 = 40;
/// A no-op Python step, as KFP's decorator makes components: they have pip look for kfp first.
const STEP: &str = "no-op Python step";
/// A no-op Python step that takes kfp to be installed.
const STEP_INSTALLED: &str = "no-op Python step, kfp installed";
/// Components as the decorator makes them.
const TASKS: &str = "light Python tasks";

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Iterations of the largest loop
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    tasks: u32,
    /// Only these of the other engines; `none` for none of them
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    peers: Option<Vec<String>>,
    /// Where the other engines are installed
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// What installs them
    #[arg(long, value_name = "FILE")]
    uv: PathBuf,
    /// The interpreter of their environments
    #[arg(long, value_name = "FILE")]
    python: PathBuf,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// Measures and prints all; `false` where another engine could not be measured.
pub(crate) async fn command(asked: &Asked) -> anyhow::Result<bool> {
    std::fs::create_dir_all(&asked.folder).with_context(|| asked.folder.display().to_string())?;
    let folder = asked.folder.canonicalize()?;
    let kfp = Peer::named("kfp-local")?;
    let environment = kfp.install(&folder, &asked.uv, &asked.python).await?;
    let mut all_measured = true;
    let mut report = Report {
        rows: Vec::new(),
        json: asked.json,
    };
    for shape in [
        Shape::Chain(CHAIN),
        Shape::ChainInstalled(CHAIN),
        Shape::Parallel(LIGHT),
    ] {
        let package = kfp.compile(&environment, shape).await?;
        for launcher in [Launcher::Cold, Launcher::Warm] {
            let row = ours::python(case(shape), shape.count(), &environment, launcher, &package).await?;
            report.add(row);
        }
    }
    for peer in wanted(asked.peers.as_deref())? {
        let environment = peer.install(&folder, &asked.uv, &asked.python).await?;
        for shape in peer.shapes(CHAIN, LIGHT) {
            match peer.measure(&environment, shape, case(shape)).await {
                Ok(row) => report.add(row),
                Err(error) => {
                    all_measured = false;
                    eprintln!("{}: {error:#}", peer.name);
                }
            }
        }
    }
    report.add(ours::bare(200)?);
    report.add(ours::native_chain(40).await?);
    for row in ours::decided(2000).await? {
        report.add(row);
    }
    report.add(ours::cached_chain(20).await?);
    for count in [asked.tasks / 10, asked.tasks] {
        report.add(ours::native_loop(count).await?);
    }
    if asked.json {
        println!("{}", serde_json::to_string_pretty(&report.rows)?);
    }
    Ok(all_measured)
}

/// The other engines that are asked for.
fn wanted(names: Option<&[String]>) -> anyhow::Result<Vec<Peer>> {
    match names {
        None => Peer::all(),
        Some([none]) if none == "none" => Ok(Vec::new()),
        Some(names) => names.iter().map(|name| Peer::named(name)).collect(),
    }
}

fn case(shape: Shape) -> &'static str {
    match shape {
        Shape::Chain(_) => STEP,
        Shape::ChainInstalled(_) => STEP_INSTALLED,
        Shape::Parallel(_) => TASKS,
    }
}

/// Rows as they come: people see each at once.
struct Report {
    rows: Vec<Row>,
    json: bool,
}

impl Report {
    fn add(&mut self, row: Row) {
        if self.json {
            eprintln!("{row}");
        } else {
            println!("{row}");
        }
        self.rows.push(row);
    }
}
