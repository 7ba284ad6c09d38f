//! What came of the scenarios.

use kfp_api::forecast::Outlook;
use serde::Serialize;

use super::expectation::Does;
use super::table::Scenario;
use crate::report::{Outcome, Verdict};

/// One step of a scenario's run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepCompared {
    /// Its name.
    pub name: &'static str,
    /// What was stated in advance.
    pub stated: Option<Does>,
    /// What the plan said.
    pub foretold: Option<Outlook>,
    /// What it did; none where it did not end well.
    pub happened: Option<Does>,
    /// Why, in the server's words, where it is not as stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScenarioReport {
    /// Its name.
    pub name: &'static str,
    /// What was changed.
    pub changed: &'static str,
    /// Its run.
    pub run_id: Option<String>,
    /// The run's steps.
    pub steps: Vec<StepCompared>,
    /// What was compared, then the state checks.
    pub outcomes: Vec<Outcome>,
    /// How long it took.
    pub seconds: f64,
}

/// What a scenario comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summed {
    /// All is as stated.
    Green,
    /// Something is not.
    Red,
    /// It says nothing about this rung.
    Silent,
}

impl ScenarioReport {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name,
            changed: scenario.changed,
            run_id: None,
            steps: Vec::new(),
            outcomes: Vec::new(),
            seconds: 0.0,
        }
    }

    /// What it comes down to.
    pub fn summed(&self) -> Summed {
        let verdicts = || self.outcomes.iter().map(|outcome| outcome.verdict);
        if verdicts().any(|verdict| verdict == Verdict::Broken) || self.outcomes.is_empty() {
            Summed::Red
        } else if verdicts().all(|verdict| verdict == Verdict::DoesNotApply) {
            Summed::Silent
        } else {
            Summed::Green
        }
    }

    /// Whether it stands in nobody's way.
    pub fn passed(&self) -> bool {
        self.summed() != Summed::Red
    }

    /// Steps that did this.
    pub(super) fn that(&self, does: Does) -> Vec<&'static str> {
        let steps = self.steps.iter().filter(|step| step.happened == Some(does));
        steps.map(|step| step.name).collect()
    }
}

/// The merge gate: the scenarios that were asked for, and one verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct GateReport {
    /// Name of the rung.
    pub rung: String,
    /// The scenarios, in the order they were played.
    pub scenarios: Vec<ScenarioReport>,
    /// How many there are; some may not have been asked for.
    pub of: usize,
    /// How long all took, the rung's start and end included.
    pub seconds: f64,
    /// How long it may take on two cores.
    pub budget: f64,
}

impl GateReport {
    /// Whether everything that was played is as stated, and something was.
    pub fn passed(&self) -> bool {
        !self.scenarios.is_empty() && self.scenarios.iter().all(ScenarioReport::passed)
    }

    /// Whether all of the gate was played: only then its verdict is the gate's.
    pub fn is_whole(&self) -> bool {
        self.scenarios.len() == self.of
    }

    /// Scenarios that come down to this.
    pub(super) fn count(&self, summed: Summed) -> usize {
        let scenarios = self.scenarios.iter();
        scenarios.filter(|scenario| scenario.summed() == summed).count()
    }
}

impl Serialize for GateReport {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            rung: &'a str,
            passed: bool,
            whole: bool,
            seconds: f64,
            budget_seconds: f64,
            scenarios: &'a [ScenarioReport],
        }
        Line {
            rung: &self.rung,
            passed: self.passed(),
            whole: self.is_whole(),
            seconds: self.seconds,
            budget_seconds: self.budget,
            scenarios: &self.scenarios,
        }
        .serialize(serializer)
    }
}
