//! Our side: each case on an engine and an API of its own, in a process of their own.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use kfp_api::Client;
use kfp_api::run::{Run, RuntimeState};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::packages;
use super::peers::Environment;
use super::row::Row;
use crate::server::{Launcher, Server};

/// Between looks at a run that ends soon.
const SOON: Duration = Duration::from_millis(2);
/// Between looks at one that takes long, and between calls that are made meanwhile.
const BY_AND_BY: Duration = Duration::from_millis(20);

/// How long a worker may take to import.
const WARM: Duration = Duration::from_secs(60);

/// What starting a program costs by itself.
pub(super) fn bare(count: u32) -> anyhow::Result<Row> {
    let started = Instant::now();
    for _ in 0..count {
        std::process::Command::new("true").status()?;
    }
    Ok(Row {
        engine: "none".to_owned(),
        case: "native command, fork and exec",
        tasks: count,
        seconds: started.elapsed().as_secs_f64(),
        rss_mb: 0.0,
        api_p99_ms: None,
    })
}

/// A package of Python components.
pub(super) async fn python(
    case: &'static str,
    tasks: u32,
    environment: &Environment,
    launcher: Launcher,
    package: &Value,
) -> anyhow::Result<Row> {
    let bench = Bench::start(Some((environment.folder(), launcher))).await?;
    // Whatever is done once for an environment is done before: a worker imports beside the first runs.
    let started = Instant::now();
    loop {
        bench.run(package, SOON).await?;
        if launcher == Launcher::Cold || bench.is_forked()? {
            break;
        }
        anyhow::ensure!(
            started.elapsed() < WARM,
            "no worker forks every task within {WARM:?}"
        );
    }
    let seconds = bench.run(package, SOON).await?;
    anyhow::ensure!(
        launcher == Launcher::Cold || bench.is_forked()?,
        "a task that was measured was not forked"
    );
    let mut row = bench.row(case, tasks, seconds, None).await?;
    row.engine = format!("basecamp {}", launcher.name());
    Ok(row)
}

/// Native steps one after the other.
pub(super) async fn native_chain(count: u32) -> anyhow::Result<Row> {
    let bench = Bench::start(None).await?;
    let seconds = bench.run(&packages::chain(count), SOON).await?;
    bench.row("native command", count, seconds, None).await
}

/// A chain that is all in the cache.
pub(super) async fn cached_chain(count: u32) -> anyhow::Result<Row> {
    let bench = Bench::start(None).await?;
    let package = packages::chain(count);
    bench.run(&package, SOON).await?;
    let seconds = bench.run(&package, SOON).await?;
    bench.row("cached chain", count, seconds, None).await
}

/// Tasks that take no process.
pub(super) async fn decided(count: u32) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let bench = Bench::start(None).await?;
    let package = packages::cached_loop(count);
    bench.run(&package, BY_AND_BY).await?;
    let seconds = bench.run(&package, SOON).await?;
    rows.push(bench.row("no process: cached", count, seconds, None).await?);
    let bench = Bench::start(None).await?;
    let seconds = bench.run(&packages::condition_loop(count), SOON).await?;
    rows.push(bench.row("no process: condition", count, seconds, None).await?);
    let bench = Bench::start(None).await?;
    let imported = bench.folder.path().join("imported");
    std::fs::write(&imported, "imported")?;
    let package = packages::importer_loop(count, &format!("file://{}", imported.display()));
    let seconds = bench.run(&package, SOON).await?;
    rows.push(bench.row("no process: importer", count, seconds, None).await?);
    Ok(rows)
}

/// Native steps side by side, with calls meanwhile.
pub(super) async fn native_loop(count: u32) -> anyhow::Result<Row> {
    let bench = Bench::start(None).await?;
    // What calls ask for.
    bench.run(&packages::chain(20), BY_AND_BY).await?;
    let started = Instant::now();
    let id = bench.begin(&packages::native_loop(count)).await?;
    let calls = calls(&bench.client, &id).await?;
    let seconds = started.elapsed().as_secs_f64();
    bench
        .row("ParallelFor, native", count, seconds, Some(p99(calls)))
        .await
}

/// An engine that is measured.
struct Bench {
    folder: tempfile::TempDir,
    server: Server,
    client: Client,
}

impl Bench {
    async fn start(python: Option<(&Path, Launcher)>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("bench").tempdir()?;
        let (server, client) = Server::start(&folder.path().join("state"), python).await?;
        Ok(Self {
            folder,
            server,
            client,
        })
    }

    /// Whether a worker forked every task of the latest run. The API does not tell; the rows do.
    fn is_forked(&self) -> anyhow::Result<bool> {
        let path = self.folder.path().join("state/engine/engine.db");
        let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut launchers = database.prepare(
            "SELECT COALESCE(launcher, 'null') FROM attempts JOIN tasks ON tasks.id = task_id \
             WHERE run_id = (SELECT id FROM runs ORDER BY created_at DESC LIMIT 1)",
        )?;
        let launchers = launchers.query_map([], |row| row.get::<_, String>(0))?;
        for launcher in launchers {
            let launcher: Option<processes::Launcher> = serde_json::from_str(&launcher?)?;
            if !matches!(launcher, Some(processes::Launcher::Worker { .. })) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn begin(&self, package: &Value) -> anyhow::Result<String> {
        let run = Run {
            display_name: "bench".into(),
            pipeline_spec: Some(package.clone()),
            ..Run::default()
        };
        Ok(self.client.create_run(&run).await?.run_id)
    }

    /// Seconds from asking for a run to knowing that it has ended well.
    async fn run(&self, package: &Value, look: Duration) -> anyhow::Result<f64> {
        let started = Instant::now();
        let id = self.begin(package).await?;
        while !has_ended(&self.client, &id).await? {
            tokio::time::sleep(look).await;
        }
        Ok(started.elapsed().as_secs_f64())
    }

    /// The end of it.
    async fn row(
        self,
        case: &'static str,
        tasks: u32,
        seconds: f64,
        api_p99_ms: Option<f64>,
    ) -> anyhow::Result<Row> {
        let row = Row {
            engine: "basecamp".to_owned(),
            case,
            tasks,
            seconds,
            rss_mb: peak_rss_mb(self.server.pid())?,
            api_p99_ms,
        };
        self.server.kill().await?;
        Ok(row)
    }
}

/// Whether a run has ended well, from a list of runs: a run by itself comes with all of its tasks.
async fn has_ended(client: &Client, id: &str) -> anyhow::Result<bool> {
    let runs = client.runs(10).await?;
    let run = runs.iter().find(|run| run.run_id == id).context("the run")?;
    match run.state {
        RuntimeState::Succeeded => Ok(true),
        _ if run.finished_at.is_some() => anyhow::bail!("the run ended as {:?}", run.state),
        _ => Ok(false),
    }
}

/// Calls that people and clients make while a run goes on, until it has ended: the seconds that each took.
async fn calls(client: &Client, id: &str) -> anyhow::Result<Vec<f64>> {
    let mut seconds = Vec::new();
    let other = client.runs(10).await?;
    let other = other.iter().find(|run| run.run_id != id).context("another run")?;
    loop {
        let started = Instant::now();
        let ended = has_ended(client, id).await?;
        seconds.push(started.elapsed().as_secs_f64());
        if ended {
            return Ok(seconds);
        }
        let started = Instant::now();
        client.run(&other.run_id).await?;
        seconds.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        client.tasks(&other.run_id).await?;
        seconds.push(started.elapsed().as_secs_f64());
        tokio::time::sleep(BY_AND_BY).await;
    }
}

/// What 99 of 100 take at most, in milliseconds.
fn p99(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds
        .get(seconds.len() * 99 / 100)
        .map_or(0.0, |seconds| seconds * 1000.0)
}

fn peak_rss_mb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("VmHWM")?
        .parse()?;
    Ok(kib / 1024.0)
}
