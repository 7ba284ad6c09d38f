//! A rung on Kubernetes: the same three verbs.

use std::path::Path;

use tier6::StateDir;
use tier6::cluster::{self, Installation, Progress, RungRecord, Target, UpReport};
use tier6::component::{Lock, Renderer};

use crate::cli::Common;
use crate::failure::{Exit, Failure};
use crate::screen::{Row, Screen};
use crate::{output, place, view};

pub(super) async fn bring_up(
    state: &StateDir,
    target: Target,
    kind_config: Option<&Path>,
) -> Result<UpReport, Failure> {
    let pinned = place::pinned()?;
    let lock = Lock::read(&pinned.lock())?;
    let renderer = Renderer::new(state.sources(), state.renders(), Some(lock.kustomize.clone()));
    let this = std::env::current_exe().map_err(Failure::new)?;
    let arguments = [
        "--state-dir".to_owned(),
        state.root().display().to_string(),
        "forward".to_owned(),
    ];
    let installation = Installation {
        state,
        pinned: &pinned,
        lock: &lock,
        target,
        kind_config,
        forwarder: (&this, &arguments),
    };
    let mut screen = Screen::new();
    let up = Box::pin(cluster::up(&installation, &renderer, |progress| match progress {
        Progress::Said(line) => screen.say(line),
        Progress::Component {
            name,
            detail,
            is_trouble,
        } => {
            let line = view::kubernetes::component(name, detail);
            screen.show(vec![Row {
                key: name.to_owned(),
                // Where nothing is redrawn, only what somebody may have to mend is worth a line.
                news: if is_trouble { line.clone() } else { String::new() },
                line,
            }]);
        }
        Progress::Ready { name, changes, took } => {
            let line = view::kubernetes::ready(name, changes, took);
            screen.show(vec![Row {
                key: name.to_owned(),
                news: line.clone(),
                line,
            }]);
        }
    }))
    .await;
    screen.close();
    Ok(up?)
}

pub(super) async fn status(common: &Common, state: &StateDir, record: &RungRecord) -> Result<Exit, Failure> {
    let status = cluster::status(state, record).await?;
    if common.json {
        output::json(&status)?;
    } else {
        output::text(&view::kubernetes::status(&status))?;
    }
    Ok(if status.is_up() { Exit::Well } else { Exit::NoRung })
}

pub(super) async fn down(common: &Common, state: &StateDir, record: &RungRecord) -> Result<Exit, Failure> {
    let pinned = place::pinned()?;
    let removed = cluster::down(state, &pinned, record, |line| eprintln!("{line}")).await?;
    let told = view::kubernetes::down(&removed);
    if common.json {
        output::json(&serde_json::json!({ "removed": told.trim_end() }))?;
    } else {
        eprint!("{told}");
    }
    Ok(Exit::Well)
}
