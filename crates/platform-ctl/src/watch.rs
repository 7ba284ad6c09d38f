//! Watching a run to its end.

use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::Timestamp;
use kfp_api::run::Run;
use kfp_api::{Client, KfpError, Outline, StepState, StepView};

use crate::failure::{Exit, Failure};
use crate::screen::{Row, Screen};
use crate::view;

/// KFP has no watch on runs.
pub(crate) const PERIOD: Duration = Duration::from_millis(250);
/// How long a server may be away before that is told.
const SILENCE: Duration = Duration::from_secs(2);
/// How long a server may be away: one that is started again comes back within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// How watching ended.
#[derive(Debug)]
pub(crate) enum Watched {
    /// The run has ended.
    Ended {
        /// As it is now.
        run: Box<Run>,
        /// Its steps.
        steps: Vec<StepView>,
    },
    /// The user had seen enough; the run goes on.
    Interrupted,
}

/// One look at a run.
struct Look {
    run: Run,
    steps: Vec<StepView>,
    progress: Vec<Option<String>>,
}

/// Shows the run's steps until it has ended, or until Ctrl-C.
pub(crate) async fn to_the_end(pipelines: &Client, run_id: &str) -> Result<Watched, Failure> {
    let mut screen = Screen::new();
    let watched = tokio::select! {
        watched = follow(pipelines, run_id, &mut screen) => watched,
        _ = tokio::signal::ctrl_c() => Ok(Watched::Interrupted),
    };
    screen.close();
    if matches!(watched, Ok(Watched::Interrupted)) {
        eprint!("{}", view::steps::interrupted(run_id));
    }
    watched
}

async fn follow(pipelines: &Client, run_id: &str, screen: &mut Screen) -> Result<Watched, Failure> {
    let mut outline = None;
    let mut last_answer = Instant::now();
    let mut silence_told = false;
    let mut beats = tokio::time::interval(PERIOD);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        match look(pipelines, run_id, &mut outline).await {
            Ok(look) => {
                last_answer = Instant::now();
                silence_told = false;
                screen.show(rows(&look));
                if look.run.state.is_final() {
                    return Ok(Watched::Ended {
                        run: Box::new(look.run),
                        steps: look.steps,
                    });
                }
            }
            Err(KfpError::Unreachable { .. }) if last_answer.elapsed() < PATIENCE => {
                if last_answer.elapsed() > SILENCE && !silence_told {
                    silence_told = true;
                    screen.say(view::steps::SILENCE);
                }
            }
            Err(error @ KfpError::Unreachable { .. }) => {
                return Err(Failure::new(error)
                    .next("`cargo xtask up`: the run goes on from where it was")
                    .next(format!("`cargo platform-ctl pipeline watch {run_id}`"))
                    .ending(Exit::NoRung));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn look(pipelines: &Client, run_id: &str, outline: &mut Option<Outline>) -> Result<Look, KfpError> {
    let run = pipelines.run(run_id).await?;
    let outline = match outline {
        Some(outline) => outline,
        None => outline.insert(pipelines.outline(&run).await?),
    };
    let steps = pipelines.steps(&run, outline).await?;
    let progress = join_all(steps.iter().map(|step| progress(pipelines, run_id, step))).await;
    Ok(Look { run, steps, progress })
}

/// How far a step that runs says it is. No log is no reason to stop watching.
async fn progress(pipelines: &Client, run_id: &str, step: &StepView) -> Option<String> {
    let node = step
        .node
        .as_deref()
        .filter(|_| step.state == StepState::Running)?;
    pipelines.progress(run_id, node).await.ok().flatten()
}

fn rows(look: &Look) -> Vec<Row> {
    let now = Timestamp::now();
    let width = view::steps::width(&look.steps);
    look.steps
        .iter()
        .zip(&look.progress)
        .map(|(step, progress)| Row {
            key: step.path.clone(),
            line: view::steps::line(step, progress.as_deref(), width, now),
            news: view::steps::news(step, progress.as_deref(), width, now),
        })
        .collect()
}

/// Why a run that has ended did not end well, and where to read on.
pub(crate) fn failure(run: &Run, steps: &[StepView]) -> Failure {
    let id = &run.run_id;
    let failed = steps
        .iter()
        .find(|step| step.state == StepState::Failed && step.node.is_some());
    let reason = failed.and_then(|step| step.error.clone());
    let reason = reason.or_else(|| run.error.as_ref().map(|error| error.for_people().to_owned()));
    let at = failed
        .map(|step| format!(": step {}", step.name))
        .unwrap_or_default();
    let why = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let failure = Failure::new(format!("run {id} {}{at}{why}", view::runs::state(run)));
    match failed {
        Some(step) => failure.next(format!("`cargo platform-ctl pipeline logs {id} {}`", step.name)),
        None => failure.next(format!("`cargo platform-ctl pipeline logs {id}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kfp_api::run::RuntimeState;

    #[test]
    fn a_failed_run_names_the_step_and_where_to_read_on() {
        let outline =
            kfp_api::Outline::of(&serde_json::json!({"root": {"dag": {"tasks": {"train": {}}}}})).unwrap();
        let tasks = serde_json::from_value::<Vec<_>>(serde_json::json!([{
            "name": "train", "scope_path": "root.train", "state": "FAILED",
            "status_metadata": {"message": "exit code 1"}, "pods": [{"name": "n", "type": "EXECUTOR"}],
        }]))
        .unwrap();
        let run = Run {
            run_id: "6f0c".to_owned(),
            state: RuntimeState::Failed,
            ..Run::default()
        };
        let steps = kfp_api::steps::steps_of_tasks(&outline, &run, &tasks);
        assert_eq!(
            failure(&run, &steps).told(),
            "error: run 6f0c FAILED: step train: exit code 1\nnext: `cargo platform-ctl pipeline logs 6f0c train`\n"
        );
    }
}
