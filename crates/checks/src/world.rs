//! What the checks look at, as plain data.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kfp_api::forecast::Forecast;
use kfp_api::run::RuntimeState;
use kfp_api::{StepKind, StepState, StepView};
use model_registry::ModelVersion;
use serde_json::Value;
use serving::Observed;

/// Something that was looked at, or why it could not be.
pub type Seen<T> = Result<T, Unseen>;

/// Why something could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unseen {
    /// It should be there to be seen: the check that needs it fails.
    Failed(String),
    /// This rung does not have such a thing: the check that needs it does not apply.
    NotHere(String),
}

/// Everything a run touched, at one moment.
#[derive(Clone, Debug)]
pub struct World {
    /// Name of the rung, for people.
    pub rung: String,
    /// Base URL of the serving entry.
    pub serving_url: String,
    /// The run that is judged.
    pub run: RunFacts,
    /// Runs of the same pipeline that began before it, newest first, and the run that made its version.
    pub earlier: Vec<RunFacts>,
    /// A run of the same pipeline that began later and has deployed.
    pub followed_by: Option<String>,
    /// What its steps recorded of their artifacts, and what is there now.
    pub artifacts: Seen<Vec<Kept>>,
    /// The registry's side.
    pub registered: Seen<Registered>,
    /// The serving side.
    pub served: Seen<Served>,
    /// Objects that are named after this run, for example `Experiment trials/tune-0123456789ab`.
    pub own_objects: Seen<Vec<String>>,
    /// What the same run would do now.
    pub forecast: Seen<Forecast>,
}

/// One run, as far as checks look at it.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: RuntimeState,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// The compiled pipeline.
    pub spec: Value,
    /// Its parameters, defaults of the pipeline included.
    pub parameters: BTreeMap<String, Value>,
    /// Its tasks in running order.
    pub steps: Vec<StepView>,
    /// Output parameters, by task.
    pub outputs: Seen<BTreeMap<String, BTreeMap<String, Value>>>,
}

/// An artifact whose step recorded a digest of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The step that made it.
    pub step: String,
    /// Which of its outputs.
    pub name: String,
    /// Where it is.
    pub uri: String,
    /// SHA-256 in hexadecimal, as the step recorded it.
    pub recorded: String,
    /// SHA-256 of what is there.
    pub found: Seen<String>,
}

/// The registry's side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// All versions of the model, lowest first.
    pub versions: Vec<ModelVersion>,
    /// Where the files of this run's version are; absent when it has none.
    pub artifact_uri: Option<String>,
}

/// The serving side.
#[derive(Clone, Debug)]
pub struct Served {
    /// The two objects.
    pub observed: Observed,
    /// How many golden requests of this run's version were answered as recorded, or the first that was not.
    pub golden: Result<usize, String>,
}

impl RunFacts {
    /// The task of that name.
    pub fn step(&self, name: &str) -> Option<&StepView> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// Whether the task is there and ended well.
    pub fn succeeded(&self, name: &str) -> bool {
        self.step(name)
            .is_some_and(|step| step.state == StepState::Succeeded)
    }

    /// Names of the steps whose own code ran to a good end.
    pub fn executed(&self) -> Vec<&str> {
        let ran = |step: &&StepView| {
            step.kind == StepKind::Step && step.state == StepState::Succeeded && !step.cached
        };
        self.steps
            .iter()
            .filter(ran)
            .map(|step| step.name.as_str())
            .collect()
    }

    /// An output parameter as text: numbers as JSON writes them.
    ///
    /// # Errors
    /// [`Unseen`] when outputs could not be read, or the step gave none of that name.
    pub fn output(&self, step: &str, key: &str) -> Seen<String> {
        let outputs = self.outputs.as_ref().map_err(Clone::clone)?;
        match outputs.get(step).and_then(|outputs| outputs.get(key)) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Null) | None => Err(Unseen::Failed(format!("{step} gave no {key}"))),
            Some(value) => Ok(value.to_string()),
        }
    }

    /// An output parameter as a number.
    ///
    /// # Errors
    /// As [`RunFacts::output`], and when it is none.
    pub fn number(&self, step: &str, key: &str) -> Seen<f64> {
        let text = self.output(step, key)?;
        text.parse()
            .map_err(|_| Unseen::Failed(format!("{step} gave {key} {text}, which is no number")))
    }

    /// The version that its register step gave.
    ///
    /// # Errors
    /// As [`RunFacts::output`], and when it is no version number.
    pub fn version(&self) -> Seen<u32> {
        let number = self.number(crate::recipe::REGISTER, crate::recipe::VERSION)?;
        // KFP's parameters are doubles on the wire.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "compared back"
        )]
        let version = number as u32;
        match f64::from(version) == number && version > 0 {
            true => Ok(version),
            false => Err(Unseen::Failed(format!("register gave version {number}"))),
        }
    }

    /// Whether the other run ran the same compiled pipeline on the same parameters. The commit is left out: it is a tag
    /// of the version and determines nothing.
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let asked = |run: &Self| {
            let mut parameters = run.parameters.clone();
            parameters.remove(crate::recipe::GIT_COMMIT);
            parameters
        };
        self.spec == other.spec && asked(self) == asked(other)
    }
}
