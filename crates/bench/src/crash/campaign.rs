//! Runs on a server that is killed, a file that their tasks witness to, and what must hold between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use kfp_api::Client;
use kfp_api::run::{Run, RuntimeConfig, RuntimeState};
use kfp_api::task::TaskState;
use serde_json::Value;

use super::findings::Findings;
use super::place::Place;
use super::text;
use crate::server::Server;

/// Steps of one run that witness.
const STEPS: [&str; 8] = ["first", "read", "flaky", "one", "two", "three", "inner", "last"];
/// How long the runs that are left over may take once nobody kills.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between looks at runs: KFP's API has nothing to wait on.
const LOOK: Duration = Duration::from_millis(20);
/// Bytes of an artifact.
const WHOLE: usize = 65536;

/// A campaign.
pub(crate) struct Campaign {
    name: &'static str,
    witness: PathBuf,
    place: Place,
    package: Value,
    kills: u32,
    asked: usize,
    /// Ids of the runs that a server said it has.
    promised: BTreeSet<String>,
}

impl Campaign {
    pub(crate) fn new(name: &'static str, witness: &Path, place: Place) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            witness: witness.to_owned(),
            place,
            package: serde_yaml::from_str(include_str!("../../packages/mixed.yaml"))?,
            kills: 0,
            asked: 0,
            promised: BTreeSet::new(),
        })
    }

    /// A server that is on its way.
    pub(crate) fn starting(&self, kill_at: Option<u64>) -> anyhow::Result<Server> {
        self.place.starting(kill_at)
    }

    /// A server that serves, or has been killed before it did.
    pub(crate) async fn server(&self, kill_at: Option<u64>) -> anyhow::Result<Server> {
        let mut server = self.starting(kill_at)?;
        server.serving().await?;
        Ok(server)
    }

    /// Counts a kill.
    pub(crate) fn killed(&mut self) {
        self.kills += 1;
    }

    /// Asks for another run. A server that is killed before it answers has promised nothing.
    pub(crate) async fn submit(&mut self, client: &Client) {
        self.asked += 1;
        let run = self.run(&format!("{}-{}", self.name, self.asked));
        if let Ok(run) = client.create_run(&run).await {
            self.promised.insert(run.run_id);
        }
    }

    fn run(&self, name: &str) -> Run {
        let parameters = [
            ("run", name.to_owned()),
            ("witness", self.witness.display().to_string()),
            ("effect", self.place.effect().display().to_string()),
        ];
        Run {
            display_name: name.to_owned(),
            pipeline_spec: Some(self.package.clone()),
            runtime_config: Some(RuntimeConfig {
                parameters: parameters
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), Value::from(value)))
                    .collect(),
                ..RuntimeConfig::default()
            }),
            ..Run::default()
        }
    }

    /// Waits until all runs have ended (`true`) or the server has.
    pub(crate) async fn ended_or_killed(&self, server: &mut Server) -> anyhow::Result<bool> {
        let client = server.client.clone();
        let all_ended = async {
            let Some(client) = client else {
                return std::future::pending().await;
            };
            let started = Instant::now();
            loop {
                match client.runs(usize::MAX).await {
                    Ok(runs) if runs.iter().all(|run| run.finished_at.is_some()) => return Ok(true),
                    Ok(runs) => {
                        let waits = runs.iter().filter(|run| run.finished_at.is_none()).count();
                        anyhow::ensure!(
                            started.elapsed() < PATIENCE,
                            "{waits} runs do not end within {PATIENCE:?}"
                        );
                        tokio::time::sleep(LOOK).await;
                    }
                    // It is being killed.
                    Err(_) => return std::future::pending().await,
                }
            }
        };
        tokio::select! {
            ended = server.ended() => ended.map(|()| false),
            ended = all_ended => ended,
        }
    }

    /// Lets everything end, and judges.
    pub(crate) async fn judge(self) -> anyhow::Result<Findings> {
        let mut server = self.server(None).await?;
        let client = server
            .client
            .clone()
            .context("a server that nobody kills serves")?;
        anyhow::ensure!(self.ended_or_killed(&mut server).await?, "the server has ended");
        let runs = client.runs(usize::MAX).await?;
        let there: BTreeSet<&str> = runs.iter().map(|run| run.run_id.as_str()).collect();
        let gone = self.promised.iter().filter(|id| !there.contains(id.as_str()));
        let mut findings = Findings {
            kills: self.kills,
            runs: u32::try_from(runs.len())?,
            lost: u32::try_from(gone.count())?,
            ..Findings::default()
        };
        let witness = std::fs::read_to_string(&self.witness)?;
        let told = counted(witness.lines());
        let worlds = self.worlds().await?;
        for run in &runs {
            let name = &run.display_name;
            let mut missing = false;
            for step in STEPS {
                let times = |what: &str| told.get(&*format!("{what} {name} {step}")).copied();
                let ended = times("ended").unwrap_or(0);
                missing |= ended == 0;
                findings.repeated += u32::from(ended > 1);
                findings.doubled += u32::from(times("begun").is_some_and(|begun| begun > 1));
                let object = format!("{name} {step}");
                for world in &worlds {
                    let made = counted(world.lines()).get(&*object).copied();
                    findings.doubled += u32::from(made.is_some_and(|made| made > 1));
                    missing |= made.is_none();
                }
            }
            findings.lost += u32::from(run.state != RuntimeState::Succeeded || missing);
            findings.torn += self.torn(&client, &run.run_id).await?;
        }
        findings.uncached = self.uncached(&client, &mut server, &runs).await?;
        server.kill().await?;
        Ok(findings)
    }

    /// Objects of each outside world, a line `RUN STEP` each.
    async fn worlds(&self) -> anyhow::Result<Vec<String>> {
        let mut list = Command::new(self.place.effect());
        list.arg("list");
        let listed = tokio::task::spawn_blocking(move || list.output()).await??;
        anyhow::ensure!(
            listed.status.success(),
            "{}: {}",
            text(self.place.effect())?,
            String::from_utf8_lossy(&listed.stderr)
        );
        let text = String::from_utf8(listed.stdout)?;
        Ok(text.split("\n--\n").map(str::to_owned).collect())
    }

    /// Artifacts of a run that are not whole.
    async fn torn(&self, client: &Client, run: &str) -> anyhow::Result<u32> {
        let mut torn = 0;
        for task in client.tasks(run).await? {
            let Some(artifact) = task.output_artifact("data") else {
                continue;
            };
            let path = artifact.uri.trim_start_matches("file://").to_owned();
            let whole = std::fs::read(&path).is_ok_and(|bytes| bytes == [b'x'; WHOLE]);
            torn += u32::from(!whole);
        }
        Ok(torn)
    }

    /// What was tried again, and killed in between, is cached as if nothing had happened: runs everything once more and
    /// counts the steps that were not.
    async fn uncached(&self, client: &Client, server: &mut Server, runs: &[Run]) -> anyhow::Result<u32> {
        let mut again = Vec::new();
        for run in runs {
            again.push(client.create_run(&self.run(&run.display_name)).await?.run_id);
        }
        anyhow::ensure!(self.ended_or_killed(server).await?, "the server has ended");
        let mut uncached = 0;
        for id in again {
            let tasks = client.tasks(&id).await?;
            let keyed = tasks.iter().filter(|task| !task.cache_fingerprint.is_empty());
            uncached += keyed.filter(|task| task.state != TaskState::Cached).count();
        }
        Ok(u32::try_from(uncached)?)
    }
}

fn counted<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, u32> {
    let mut counted = BTreeMap::new();
    lines.for_each(|line| *counted.entry(line).or_default() += 1);
    counted
}
