//! What was stated, what was foretold, what happened: compared, each with each.

use kfp_api::StepState;
use kfp_api::capabilities::Capabilities;
use kfp_api::forecast::{Forecast, Outlook};

use super::expectation::{Does, Ending, Expectation, steps};
use super::play::Played;
use super::report::StepCompared;
use crate::report::{Outcome, Report, StepLine, Verdict};

/// The three, step by step. Without an expectation nothing is stated: what is there may have been made before.
pub(super) fn side_by_side(
    expects: Option<&Expectation>,
    server: &Capabilities,
    forecast: Option<&Forecast>,
    report: Option<&Report>,
) -> Vec<StepCompared> {
    let foretold = |step: &str| {
        let tasks = &forecast?.tasks;
        tasks
            .iter()
            .find(|task| task.name == step)
            .map(|task| task.outlook)
    };
    let happened = |step: &str| {
        let steps = &report?.steps;
        steps.iter().find(|line| line.name == step).and_then(does)
    };
    steps()
        .map(|step| StepCompared {
            name: step,
            stated: expects.map(|expects| expects.does(step, server)),
            foretold: foretold(step),
            happened: happened(step),
            why: None,
        })
        .collect()
}

fn does(line: &StepLine) -> Option<Does> {
    match line.state {
        StepState::Succeeded if line.cached => Some(Does::Hits),
        StepState::Succeeded => Some(Does::Runs),
        StepState::Skipped => Some(Does::Skips),
        StepState::Pending | StepState::Running | StepState::Failed | StepState::Canceled => None,
    }
}

/// The plan, against what was stated.
pub(super) fn foretold(expects: &Expectation, server: &Capabilities, steps: &[StepCompared]) -> Outcome {
    const NAME: &str = "foretold";
    if !server.plan {
        return outcome(
            NAME,
            Verdict::DoesNotApply,
            "this server foretells nothing".to_owned(),
        );
    }
    let wrong = steps.iter().filter_map(|step| {
        let stated = expects.foretold(step.name, server);
        (step.foretold != Some(stated)).then(|| {
            format!(
                "{}: the plan says {}, stated was {}",
                step.name,
                said(step.foretold),
                said(Some(stated))
            )
        })
    });
    settled(NAME, wrong, "the plan says what was stated")
}

/// The run, against what was stated.
pub(super) fn happened(steps: &[StepCompared]) -> Outcome {
    let wrong = steps
        .iter()
        .filter(|step| step.stated != step.happened)
        .map(|step| {
            let why = step
                .why
                .as_ref()
                .map(|why| format!(" ({why})"))
                .unwrap_or_default();
            format!(
                "{}: it {}, stated was {}{why}",
                step.name,
                did(step.happened),
                word(step.stated)
            )
        });
    settled("happened", wrong, "every step did what was stated")
}

/// The run, against the plan.
pub(super) fn kept(server: &Capabilities, steps: &[StepCompared]) -> Outcome {
    const NAME: &str = "kept";
    if !server.plan {
        return outcome(
            NAME,
            Verdict::DoesNotApply,
            "this server foretells nothing".to_owned(),
        );
    }
    let wrong = steps
        .iter()
        .filter(|step| !keeps(step.foretold, step.happened))
        .map(|step| {
            format!(
                "{}: it {}, the plan said {}",
                step.name,
                did(step.happened),
                said(step.foretold)
            )
        });
    settled(NAME, wrong, "every step did what the plan said")
}

fn keeps(foretold: Option<Outlook>, happened: Option<Does>) -> bool {
    match (foretold, happened) {
        (Some(Outlook::Hit), Some(does)) => does == Does::Hits,
        (Some(Outlook::Miss | Outlook::Runs), Some(does)) => does == Does::Runs,
        (Some(Outlook::Skips), Some(does)) => does == Does::Skips,
        (Some(Outlook::Depends), Some(_)) => true,
        (None, _) | (_, None) => false,
    }
}

/// How the command ended, and what it told of a closed gate.
pub(super) fn ended(expects: &Expectation, played: &Played) -> Outcome {
    let exit = expects.ending.exit();
    let mut wrong = Vec::new();
    if played.exit != exit {
        wrong.push(format!("exit code {}, stated was {exit}", played.exit));
    }
    let mut right = format!("exit code {exit}");
    if expects.ending == Ending::GateClosed {
        match &played.report.gate {
            Some(gate) if !gate.open => {
                let missed = format!("{:.4} short", gate.threshold - gate.value);
                if played.summary.contains(&missed) {
                    right = format!("{right}, and the summary says: {missed}");
                } else {
                    wrong.push(format!("the summary does not say `{missed}`"));
                }
            }
            _ => wrong.push("the gate is not closed".to_owned()),
        }
    }
    settled("ended", wrong, &right)
}

fn settled(name: &'static str, wrong: impl IntoIterator<Item = String>, right: &str) -> Outcome {
    let wrong: Vec<String> = wrong.into_iter().collect();
    match wrong.is_empty() {
        true => outcome(name, Verdict::Holds, right.to_owned()),
        false => outcome(name, Verdict::Broken, wrong.join("; ")),
    }
}

pub(super) fn outcome(name: &'static str, verdict: Verdict, detail: String) -> Outcome {
    Outcome {
        name,
        verdict,
        detail,
    }
}

fn said(outlook: Option<Outlook>) -> &'static str {
    match outlook {
        Some(Outlook::Hit) => "HIT",
        Some(Outlook::Miss) => "MISS",
        Some(Outlook::Runs) => "RUNS",
        Some(Outlook::Skips) => "SKIPS",
        Some(Outlook::Depends) => "DEPENDS",
        None => "nothing",
    }
}

fn word(does: Option<Does>) -> &'static str {
    does.map_or("nothing", Does::word)
}

fn did(does: Option<Does>) -> &'static str {
    match does {
        Some(Does::Runs) => "ran",
        Some(Does::Hits) => "hit",
        Some(Does::Skips) => "was skipped",
        None => "did not end well",
    }
}
