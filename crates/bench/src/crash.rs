//! `bench crash`: SIGKILL at every instant around a durable write in turn, again while recovering, at random instants, and
//! at random instants of the real daemon, whose tasks make objects of its resource API and runs of its MLflow.

mod campaign;
mod findings;
mod place;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use fastrand::Rng;
use serde_json::json;

use campaign::Campaign;
use findings::Findings;
use place::{Place, Rung};

/// Runs that are asked for together while kills are at random.
const AT_ONCE: usize = 3;
/// The longest that a bare server lives when it is killed at random.
const LIFE_OF_BARE: Duration = Duration::from_millis(600);
/// Likewise a daemon, which takes longer to start.
const LIFE_OF_DAEMON: Duration = Duration::from_millis(2500);
/// Instants of a recovery that are killed at in turn.
const OF_RECOVERY: u64 = 8;

/// So many runs in a row that end before their instant comes: there are no more instants.
const SURVIVALS: u32 = 3;

/// What to kill, how often.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    /// Kills of the bare server at random instants
    #[arg(long, default_value_t = 100, value_name = "N")]
    kills: u32,
    /// Kills of the real daemon at random instants
    #[arg(long, default_value_t = 40, value_name = "N")]
    daemon_kills: u32,
    /// What the random instants follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the state folders lie meanwhile, and the witness afterwards; emptied first
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// Folder of Python environments, for the real daemon
    #[arg(long, value_name = "DIR")]
    python: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// All campaigns; `false` where something does not hold.
pub(crate) async fn command(asked: &Asked) -> anyhow::Result<bool> {
    let folder = &asked.folder;
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let folder = folder.canonicalize()?;
    let witness = folder.join("witness");
    std::fs::write(&witness, "").with_context(|| witness.display().to_string())?;

    let mut parts = Vec::new();
    let bare = |name: &str| Place::bare(&folder.join(name));
    let campaign = Campaign::new("every", &witness, bare("every")?)?;
    parts.push(("at every durable write", every_instant(campaign).await?));
    let campaign = Campaign::new("random", &witness, bare("random")?)?;
    let rng = &mut Rng::with_seed(asked.seed);
    let found = random(campaign, asked.kills, LIFE_OF_BARE, rng).await?;
    parts.push(("at random instants", found));
    if asked.daemon_kills > 0 {
        let rung = Rung::up(&folder.join("rung"), &asked.python).await?;
        let place = Place::Rung(rung.clone());
        let found = match Campaign::new("rung", &witness, place) {
            Ok(campaign) => random(campaign, asked.daemon_kills, LIFE_OF_DAEMON, rng).await,
            Err(error) => Err(error),
        };
        rung.down().await?;
        parts.push(("the real daemon, at random instants", found?));
    }
    for state in ["every", "random", "rung"] {
        let _ = std::fs::remove_dir_all(folder.join(state));
    }

    let total = parts
        .iter()
        .fold(Findings::default(), |total, (_, part)| total + *part);
    if asked.json {
        let campaigns: Vec<_> = parts
            .iter()
            .map(|(name, part)| json!({"campaign": name, "found": part}))
            .collect();
        let mut report = serde_json::to_value(total)?;
        report["witness"] = json!(witness);
        report["seed"] = json!(asked.seed);
        report["campaigns"] = json!(campaigns);
        println!("{report}");
    } else {
        for (name, part) in &parts {
            println!("{name}: {part}");
        }
        println!("all: {total}\nwitness: {}", witness.display());
    }
    Ok(total.holds())
}

/// A run for each instant that a run takes: killed at the nth, then again while that is recovered from.
async fn every_instant(mut campaign: Campaign) -> anyhow::Result<Findings> {
    // How many instants a run has is not the same each time: what is ready together shares a commit.
    let mut survivals = 0;
    for nth in 1.. {
        let mut server = campaign.server(Some(nth)).await?;
        if let Some(client) = server.client.clone() {
            campaign.submit(&client).await;
        }
        let survived = campaign.ended_or_killed(&mut server).await?;
        server.kill().await?;
        if survived {
            survivals += 1;
            if survivals == SURVIVALS {
                break;
            }
            continue;
        }
        survivals = 0;
        campaign.killed();
        let mut recovering = campaign.server(Some(1 + nth % OF_RECOVERY)).await?;
        let survived = campaign.ended_or_killed(&mut recovering).await?;
        recovering.kill().await?;
        if !survived {
            campaign.killed();
            // Nothing is left over that the next one would have its instants from.
            let mut resting = campaign.server(None).await?;
            campaign.ended_or_killed(&mut resting).await?;
            resting.kill().await?;
        }
    }
    campaign.judge().await
}

/// Kills after a random time, again and again, while runs keep coming.
async fn random(
    mut campaign: Campaign,
    kills: u32,
    longest: Duration,
    rng: &mut Rng,
) -> anyhow::Result<Findings> {
    for _ in 0..kills {
        let life = longest.mul_f64(rng.f64());
        let asks = rng.u8(0..4) == 0;
        let mut server = campaign.starting(None)?;
        let living = async {
            let client = server.serving().await?;
            for _ in 0..AT_ONCE {
                if let (true, Some(client)) = (asks, &client) {
                    campaign.submit(client).await;
                }
            }
            std::future::pending::<anyhow::Result<()>>().await
        };
        if let Ok(ended) = tokio::time::timeout(life, living).await {
            ended?;
        }
        server.kill().await?;
        campaign.killed();
    }
    campaign.judge().await
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is no text", path.display()))
}
