//! `up`, `status`, `down`.

mod kubernetes;

use std::path::PathBuf;

use tier6::cluster::{RungRecord, Target};
use tier6::embedded::{self, Progress};
use tier6::{ServiceStatus, StateDir, Tier6Error};

use crate::cli::{Common, On, UpArguments};
use crate::failure::{Exit, Failure};
use crate::output;
use crate::place;
use crate::screen::{Row, Screen};
use crate::view;

pub(crate) async fn up(common: &Common, asked: &UpArguments) -> Result<Exit, Failure> {
    not_for_others(common, "brings up")?;
    let state = place::state_dir(common)?;
    if let Some(target) = target(&state, asked)? {
        let report = Box::pin(kubernetes::bring_up(&state, target, asked.kind_config.as_deref())).await?;
        if common.json {
            output::json(&serde_json::json!({"endpoints": report.endpoints, "changes": report.changes}))?;
        } else {
            eprint!("{}", view::kubernetes::up(&report));
        }
        return Ok(Exit::Well);
    }
    let report = bring_up(&state, warm_workers(asked)).await?;
    if common.json {
        output::json(&report.endpoints)?;
    } else {
        eprint!("{}", view::rung::up(&report));
    }
    Ok(Exit::Well)
}

/// Brings the rung up where none was named and none is up.
pub(crate) async fn ensure_up(common: &Common, asked: &UpArguments) -> Result<(), Failure> {
    if common.endpoints.is_none() {
        let state = place::state_dir(common)?;
        match target(&state, asked)? {
            Some(target) => {
                Box::pin(kubernetes::bring_up(&state, target, asked.kind_config.as_deref())).await?;
            }
            None => {
                bring_up(&state, warm_workers(asked)).await?;
            }
        }
    }
    Ok(())
}

/// The cluster to bring the rung up on; `None`: on this machine. What is not asked for is as it was.
fn target(state: &StateDir, asked: &UpArguments) -> Result<Option<Target>, Failure> {
    let record = RungRecord::read(state)?;
    match (asked.on, record) {
        (None, record) => Ok(record.map(|record| record.target)),
        (Some(On::Embedded), None) => Ok(None),
        (Some(On::Embedded), Some(record)) => Err(Failure::from(Tier6Error::OtherRung {
            folder: state.root().to_owned(),
            rung: record.target.name().into(),
        })),
        (Some(On::Kind), _) => Ok(Some(Target::Kind)),
        (Some(On::Cluster), _) => Ok(Some(Target::Cluster {
            context: asked.context.clone().unwrap_or_default(),
        })),
    }
}

/// What is not asked for stays as it is.
fn warm_workers(asked: &UpArguments) -> Option<bool> {
    asked.no_warm_workers.then_some(false)
}

pub(crate) async fn bring_up(
    state: &StateDir,
    warm_workers: Option<bool>,
) -> Result<embedded::UpReport, Failure> {
    let mut screen = Screen::new();
    let mut services: Vec<ServiceStatus> = Vec::new();
    let up = embedded::up(
        state,
        &beside_this("basecampd")?,
        warm_workers,
        |progress| match progress {
            Progress::DaemonStarted => screen.say("the daemon is started"),
            Progress::DaemonJoined => {}
            Progress::DaemonReplaced => {
                screen.say("the daemon of another build or other options is replaced")
            }
            Progress::Service(status) => {
                match services.iter_mut().find(|known| known.name == status.name) {
                    Some(known) => known.clone_from(status),
                    None => services.push(status.clone()),
                }
                screen.show(services.iter().map(service_row).collect());
            }
        },
    )
    .await;
    screen.close();
    Ok(up?)
}

fn service_row(status: &ServiceStatus) -> Row {
    let line = view::rung::service(status);
    Row {
        key: status.name.clone(),
        news: line.clone(),
        line,
    }
}

pub(crate) async fn status(common: &Common) -> Result<Exit, Failure> {
    not_for_others(common, "looks at")?;
    let state = place::state_dir(common)?;
    if let Some(record) = RungRecord::read(&state)? {
        return Box::pin(kubernetes::status(common, &state, &record)).await;
    }
    let status = embedded::status(&state).await?;
    if common.json {
        output::json(&status)?;
    } else {
        output::text(&view::rung::status(&status))?;
    }
    Ok(if status.is_up() { Exit::Well } else { Exit::NoRung })
}

pub(crate) async fn down(common: &Common) -> Result<Exit, Failure> {
    not_for_others(common, "takes down")?;
    let state = place::state_dir(common)?;
    if let Some(record) = RungRecord::read(&state)? {
        return Box::pin(kubernetes::down(common, &state, &record)).await;
    }
    let report = embedded::down(&state).await?;
    if common.json {
        output::json(&serde_json::json!({ "processes": report.processes, "killed": report.killed }))?;
    } else {
        eprint!("{}", view::rung::down(&report));
    }
    Ok(Exit::Well)
}

/// Carries connections into the cluster until it is told to stop.
pub(crate) async fn forward(common: &Common) -> Result<Exit, Failure> {
    tier6::cluster::forward(&place::state_dir(common)?).await?;
    Ok(Exit::Well)
}

/// What somebody else runs is theirs.
fn not_for_others(common: &Common, does: &str) -> Result<(), Failure> {
    match common.endpoints {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!(
            "this {does} what the state folder holds; --endpoints names what others run"
        ))),
    }
}

fn beside_this(program: &str) -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(Failure::new)?;
    Ok(own.with_file_name(program))
}
