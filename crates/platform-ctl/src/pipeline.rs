//! Looking at runs: list, watch, logs, explain-cache, terminate.

use endpoints::Endpoints;
use futures::TryStreamExt;
use jiff::Timestamp;
use kfp_api::run::RuntimeState;
use kfp_api::{Client, StepKind, StepState, StepView};
use serde::Serialize;

use crate::cli::Common;
use crate::failure::{Exit, Failure};
use crate::output::{self, Reader};
use crate::watch::{self, Watched};
use crate::{place, view};

/// Runs that are looked through for the beginning of an id.
const RUNS: usize = 1000;

/// How much of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What there is.
    SoFar,
    /// What there is, and on until the step ends.
    Follow,
}

pub(crate) async fn list(common: &Common, limit: usize) -> Result<Exit, Failure> {
    let pipelines = client(common)?.1;
    let runs = pipelines.runs(limit).await?;
    if common.json {
        output::json(&serde_json::json!({ "runs": runs }))?;
    } else {
        output::text(&view::runs::list(&runs, Timestamp::now()))?;
    }
    Ok(Exit::Well)
}

pub(crate) async fn watch(common: &Common, run: &str) -> Result<Exit, Failure> {
    let pipelines = client(common)?.1;
    let run_id = find(&pipelines, run).await?;
    match watch::to_the_end(&pipelines, &run_id).await? {
        Watched::Interrupted => Ok(Exit::Interrupted),
        Watched::Ended { run, steps } => {
            if common.json {
                output::json(&run)?;
            } else {
                let listed = view::runs::list(std::slice::from_ref(&*run), Timestamp::now());
                eprint!("{listed}");
            }
            if run.state == RuntimeState::Succeeded {
                Ok(Exit::Well)
            } else {
                Err(watch::failure(&run, &steps))
            }
        }
    }
}

pub(crate) async fn terminate(common: &Common, run: &str) -> Result<Exit, Failure> {
    let pipelines = client(common)?.1;
    let run_id = find(&pipelines, run).await?;
    pipelines.terminate(&run_id).await.map_err(|error| {
        Failure::from(error).next(format!("`cargo platform-ctl pipeline watch {run_id}`"))
    })?;
    eprintln!("run {run_id} is asked to end");
    Ok(Exit::Well)
}

pub(crate) async fn logs(
    common: &Common,
    run: &str,
    task: Option<&str>,
    extent: Extent,
) -> Result<Exit, Failure> {
    let pipelines = client(common)?.1;
    let run_id = find(&pipelines, run).await?;
    let steps = steps(&pipelines, &run_id).await?;
    let Some(name) = task else {
        for step in steps.iter().filter(|step| step.node.is_some()) {
            eprintln!("== {}", step.name);
            let (_, reader) = print_log(&pipelines, &run_id, step, 0, Extent::SoFar).await?;
            if reader == Reader::Gone {
                break;
            }
        }
        return Ok(Exit::Well);
    };
    let mut step = chosen(&steps, &run_id, name)?.clone();
    let mut printed = 0;
    loop {
        let (more, reader) = print_log(&pipelines, &run_id, &step, printed, extent).await?;
        printed += more;
        let over = !matches!(step.state, StepState::Pending | StepState::Running);
        if extent == Extent::SoFar || over || reader == Reader::Gone {
            return Ok(Exit::Well);
        }
        // The step may have ended meanwhile, or be tried again; KFP up to 2.17 does not follow by itself.
        tokio::time::sleep(watch::PERIOD).await;
        let steps = self::steps(&pipelines, &run_id).await?;
        chosen(&steps, &run_id, name)?.clone_into(&mut step);
    }
}

/// Copies a log to stdout from a byte on, and tells how many bytes came and whether they are read.
async fn print_log(
    pipelines: &Client,
    run_id: &str,
    step: &StepView,
    from: u64,
    extent: Extent,
) -> Result<(u64, Reader), Failure> {
    let Some(node) = &step.node else {
        return Ok((0, Reader::Listens));
    };
    let log = pipelines
        .log(run_id, node, from, extent == Extent::Follow)
        .await?;
    futures::pin_mut!(log);
    let mut printed = 0;
    while let Some(chunk) = log.try_next().await? {
        if output::bytes(&chunk)? == Reader::Gone {
            return Ok((printed, Reader::Gone));
        }
        printed += chunk.len() as u64;
    }
    Ok((printed, Reader::Listens))
}

pub(crate) async fn explain_cache(common: &Common, run: &str, task: Option<&str>) -> Result<Exit, Failure> {
    let pipelines = client(common)?.1;
    let run_id = find(&pipelines, run).await?;
    if let Some(task) = task {
        let told = pipelines.explain_cache(&run_id, task).await?;
        return show(common, &told, &view::cache::whole(&told));
    }
    let mut told = Vec::new();
    for step in steps(&pipelines, &run_id).await? {
        // One behind a closed gate, or not reached yet, was never decided on.
        let decided = !matches!(step.state, StepState::Skipped | StepState::Pending);
        if step.kind == StepKind::Step && decided {
            told.push(pipelines.explain_cache(&run_id, &step.path).await?);
        }
    }
    show(common, &told, &view::cache::table(&told))
}

fn show(common: &Common, json: &impl Serialize, text: &str) -> Result<Exit, Failure> {
    if common.json {
        output::json(json)?;
    } else {
        output::text(text)?;
    }
    Ok(Exit::Well)
}

pub(crate) fn client(common: &Common) -> Result<(Endpoints, Client), Failure> {
    let endpoints = place::endpoints(common)?;
    let pipelines = place::pipelines(&endpoints)?;
    Ok((endpoints, pipelines))
}

async fn steps(pipelines: &Client, run_id: &str) -> Result<Vec<StepView>, Failure> {
    let run = pipelines.run(run_id).await?;
    let outline = pipelines.outline(&run).await?;
    Ok(pipelines.steps(&run, &outline).await?)
}

fn chosen<'a>(steps: &'a [StepView], run_id: &str, name: &str) -> Result<&'a StepView, Failure> {
    steps
        .iter()
        .find(|step| step.name == name || step.path == name)
        .ok_or_else(|| {
            let known: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
            Failure::usage(format!(
                "run {run_id} has no task {name}; it has {}",
                known.join(", ")
            ))
        })
}

/// The run whose id that is, or begins so, or the newest, or the one so many before it.
pub(crate) async fn find(pipelines: &Client, text: &str) -> Result<String, Failure> {
    /// A UUID as text.
    const WHOLE: usize = 36;
    if text.len() >= WHOLE {
        return Ok(text.to_owned());
    }
    let limit = match before_latest(text) {
        Some(before) => before + 1,
        None => RUNS,
    };
    let runs = pipelines.runs(limit).await?;
    let ids: Vec<&str> = runs.iter().map(|run| run.run_id.as_str()).collect();
    named(&ids, text).map(str::to_owned)
}

/// How many runs before the newest: `latest` is 0, `latest~1` is 1.
fn before_latest(text: &str) -> Option<usize> {
    match text.strip_prefix("latest")? {
        "" => Some(0),
        rest => rest
            .strip_prefix('~')?
            .parse()
            .ok()
            .filter(|before| *before < RUNS),
    }
}

fn named<'a>(ids: &[&'a str], text: &str) -> Result<&'a str, Failure> {
    let none = || {
        let what = match text {
            "latest" => "there are no runs".to_owned(),
            text => format!("there is no run {text}"),
        };
        Failure::usage(what).next("`cargo platform-ctl pipeline list`")
    };
    if let Some(before) = before_latest(text) {
        return ids.get(before).copied().ok_or_else(none);
    }
    let mut found = ids.iter().filter(|id| id.starts_with(text));
    let first = found.next().ok_or_else(none)?;
    match found.next() {
        Some(second) => Err(Failure::usage(format!(
            "{text} is the beginning of several runs: {first}, {second}"
        ))
        .next("give more of the id")),
        None => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("6f0c", Ok("6f0c8a52"))]
    #[case("latest", Ok("6f0c8a52"))]
    #[case("latest~1", Ok("61aa"))]
    #[case(
        "latest~2",
        Err("error: there is no run latest~2\nnext: `cargo platform-ctl pipeline list`\n")
    )]
    #[case(
        "6",
        Err("error: 6 is the beginning of several runs: 6f0c8a52, 61aa\nnext: give more of the id\n")
    )]
    #[case(
        "7",
        Err("error: there is no run 7\nnext: `cargo platform-ctl pipeline list`\n")
    )]
    fn a_run_is_found_by_the_beginning_of_its_id(#[case] text: &str, #[case] expected: Result<&str, &str>) {
        let found = named(&["6f0c8a52", "61aa"], text).map_err(|failure| failure.told());
        assert_eq!(found, expected.map_err(str::to_owned));
    }
}
