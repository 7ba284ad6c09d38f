//! Plays scenarios on a stage.

use std::future::Future;
use std::time::Instant;

use kfp_api::capabilities::Capabilities;
use kfp_api::forecast::Forecast;

use super::change::{Change, Setting};
use super::compare::{ended, foretold, happened, kept, outcome, side_by_side};
use super::demand::judged;
use super::report::ScenarioReport;
use super::table::Scenario;
use crate::report::{Report, Verdict};

/// Where scenarios are played: who carries out what they ask for, on whatever rung.
pub trait Stage {
    /// Says that a scenario begins.
    fn begins(&mut self, scenario: &Scenario);

    /// What the plan for such a run says; none where the server foretells nothing.
    fn foretell(&mut self, setting: &Setting) -> impl Future<Output = Result<Option<Forecast>, Halt>>;

    /// Makes such a run, as `pipeline run` does, to its end and with all state checks.
    fn run(&mut self, setting: &Setting) -> impl Future<Output = Result<Played, Halt>>;

    /// Takes the rung down and brings it up.
    fn restart(&mut self) -> impl Future<Output = Result<(), Halt>>;

    /// Alters one byte of an output of a step, where such a run would take it from.
    fn alter(
        &mut self,
        setting: &Setting,
        step: &str,
        output: &str,
    ) -> impl Future<Output = Result<(), Halt>>;

    /// Why a step of a run ran or did not, where the server can tell.
    fn explain(&mut self, run_id: &str, step: &str) -> impl Future<Output = Option<String>>;

    /// Says what came of a scenario.
    fn ended(&mut self, report: &ScenarioReport);
}

/// A run that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// What came of it.
    pub report: Report,
    /// Exit code of the command.
    pub exit: u8,
    /// What the command told people in the end.
    pub summary: String,
}

/// Why a scenario does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// What it asks for failed: it is red.
    Failed(String),
    /// It asks for something that this rung is not made for: it says nothing here.
    NotHere(String),
    /// Somebody wants an end of it: nothing more is played.
    Interrupted,
}

/// In what place the first run on a basis is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In an empty one: everything runs.
    Empty,
    /// In one where runs were made before: what they left in the cache is no matter.
    Used,
}

/// Plays these scenarios in their order.
///
/// # Errors
/// What came of those that were played, where somebody wanted an end of it.
pub async fn play<S: Stage>(
    stage: &mut S,
    scenarios: &[Scenario],
    server: &Capabilities,
    start: Start,
) -> Result<Vec<ScenarioReport>, Vec<ScenarioReport>> {
    let mut reports: Vec<ScenarioReport> = Vec::new();
    let mut no_basis = None;
    for scenario in scenarios {
        stage.begins(scenario);
        let began = Instant::now();
        let mut report = ScenarioReport::new(scenario);
        let halt = match (no_basis, scenario.needs.lacking(server)) {
            (Some(basis), _) => Err(Halt::Failed(format!(
                "not played: there is nothing to compare it with, since `{basis}` failed"
            ))),
            (None, Some(why)) => Err(Halt::NotHere(why.to_owned())),
            (None, None) => Box::pin(one(stage, scenario, server, start, &mut report)).await,
        };
        match halt {
            Ok(()) => {}
            Err(Halt::Failed(why)) => report.outcomes.push(outcome("played", Verdict::Broken, why)),
            Err(Halt::NotHere(why)) => report
                .outcomes
                .push(outcome("played", Verdict::DoesNotApply, why)),
            Err(Halt::Interrupted) => return Err(reports),
        }
        report.seconds = began.elapsed().as_secs_f64();
        stage.ended(&report);
        if scenario.is_compared_with() && !report.passed() {
            no_basis = Some(scenario.name);
        }
        reports.push(report);
    }
    Ok(reports)
}

async fn one<S: Stage>(
    stage: &mut S,
    scenario: &Scenario,
    server: &Capabilities,
    start: Start,
    report: &mut ScenarioReport,
) -> Result<(), Halt> {
    let setting = scenario.change.setting(scenario.basis);
    match scenario.change {
        Change::Restart => stage.restart().await?,
        Change::Byte(step, output) => stage.alter(&setting, step, output).await?,
        Change::Nothing | Change::Parameter(..) | Change::Files(_) | Change::Commits(_) => {}
    }
    let forecast = stage.foretell(&setting).await?;
    let stated = match start {
        Start::Used if scenario.is_first() => None,
        Start::Empty | Start::Used => Some(&scenario.expects),
    };
    report.steps = side_by_side(stated, server, forecast.as_ref(), None);
    let played = stage.run(&setting).await?;
    report.run_id = Some(played.report.run_id.clone());
    report.steps = side_by_side(stated, server, forecast.as_ref(), Some(&played.report));
    for step in &mut report.steps {
        if step.stated.is_some() && step.stated != step.happened {
            step.why = stage.explain(&played.report.run_id, step.name).await;
        }
    }
    if let Some(expects) = stated {
        report.outcomes.push(foretold(expects, server, &report.steps));
        report.outcomes.push(happened(&report.steps));
    }
    report.outcomes.push(kept(server, &report.steps));
    report.outcomes.push(ended(&scenario.expects, &played));
    report
        .outcomes
        .extend(judged(&played.report.checks, &scenario.expects, server));
    Ok(())
}
