//! What the checks found.

use kfp_api::{StepState, StepView};
use model_registry::provenance;
use serde::{Serialize, Serializer};

use crate::judge::{Arithmetic, judge};
use crate::recipe;
use crate::world::World;

/// Whether a check holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Holds,
    /// It does not.
    Broken,
    /// It says nothing about such a run; the detail says why.
    DoesNotApply,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// Whether it holds.
    pub verdict: Verdict,
    /// What was seen; for a broken one, on which object.
    pub detail: String,
}

impl Outcome {
    /// Whether it stands in nobody's way.
    pub fn passed(&self) -> bool {
        self.verdict != Verdict::Broken
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            name: &'a str,
            passed: bool,
            detail: &'a str,
        }
        let detail = match self.verdict {
            Verdict::DoesNotApply => &format!("does not apply: {}", self.detail),
            Verdict::Holds | Verdict::Broken => &self.detail,
        };
        Line {
            name: self.name,
            passed: self.passed(),
            detail,
        }
        .serialize(serializer)
    }
}

/// One task of the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepLine {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: StepState,
    /// Whether its outputs came from the cache.
    pub cached: bool,
    /// How long it took.
    pub seconds: f64,
}

/// The gate's arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// Which metric.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// What it must exceed.
    pub threshold: f64,
    /// Whether it does.
    pub open: bool,
}

/// The version that belongs to the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Model {
    /// The registered model.
    pub name: String,
    /// The version's number.
    pub version: u32,
    /// Its stage.
    pub stage: String,
    /// Digest of the fitted parameters.
    pub digest: Option<String>,
}

/// What became of a run; serialises to the one object that `--json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Name of the rung.
    pub rung: String,
    /// The run.
    pub run_id: String,
    /// Its tasks in running order.
    pub steps: Vec<StepLine>,
    /// The checks, always all of them, in a fixed order.
    pub checks: Vec<Outcome>,
    /// The gate; absent when the run did not come that far.
    pub gate: Option<Gate>,
    /// The version; absent when the run registered none.
    pub model: Option<Model>,
    /// Where it answers; absent when the run deployed none.
    pub endpoint: Option<String>,
    /// Seconds from the run's creation to its end.
    pub seconds: f64,
}

/// What a report comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// All checks hold, and the model serves.
    Holds,
    /// A check does not hold.
    Broken,
    /// All checks hold, and the gate let nothing through.
    GateClosed,
}

impl Report {
    /// Judges the world.
    pub fn of(world: &World) -> Self {
        let run = &world.run;
        let version = run.version().ok();
        let registered = world.registered.as_ref().ok();
        let found = registered
            .into_iter()
            .flat_map(|registered| &registered.versions)
            .find(|found| Some(found.version) == version);
        Self {
            rung: world.rung.clone(),
            run_id: run.id.clone(),
            steps: run.steps.iter().map(line).collect(),
            checks: judge(world),
            gate: Arithmetic::of(run).ok().map(|arithmetic| Gate {
                metric: recipe::SKILL.to_owned(),
                value: arithmetic.value,
                threshold: arithmetic.threshold,
                open: arithmetic.opens(),
            }),
            model: found.map(|found| Model {
                name: found.name.clone(),
                version: found.version,
                stage: found.stage.to_string(),
                digest: found.tags.get(provenance::MODEL_DIGEST).cloned(),
            }),
            endpoint: run.output(recipe::DEPLOY, recipe::ENDPOINT).ok(),
            seconds: match (run.created, run.finished) {
                (Some(created), Some(finished)) => finished.duration_since(created).as_secs_f64(),
                _ => 0.0,
            },
        }
    }

    /// What it comes down to. A broken check outweighs a closed gate.
    pub fn conclusion(&self) -> Conclusion {
        if !self.checks.iter().all(Outcome::passed) {
            return Conclusion::Broken;
        }
        match &self.gate {
            Some(gate) if !gate.open => Conclusion::GateClosed,
            _ => Conclusion::Holds,
        }
    }
}

fn line(step: &StepView) -> StepLine {
    StepLine {
        name: step.name.clone(),
        state: step.state,
        cached: step.cached,
        // A finished run has no step whose end is open; one that is has not begun.
        seconds: step.ended_at.map_or(0.0, |end| step.seconds(end)),
    }
}
