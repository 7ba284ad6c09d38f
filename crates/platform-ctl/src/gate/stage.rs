//! Carries out what scenarios ask for, with what `pipeline plan`, `pipeline run`, `down` and `up` do.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use checks::scenarios::{Basis, Halt, Played, Scenario, ScenarioReport, Setting, Stage, line};
use kfp_api::forecast::Forecast;
use kfp_api::{Client, KfpError};
use url::Url;

use super::copies::copy;
use super::histories::Histories;
use super::own_rung::Rung;
use crate::cli::{Common, RunArguments};
use crate::failure::Failure;
use crate::place;
use crate::recipe::{self, Carried, git};

/// The rung that the gate plays on.
pub(super) struct GateStage<'a> {
    common: Common,
    /// The recipe as it was when the gate began: whoever goes on working on it is not in its way.
    recipe: PathBuf,
    rung: &'a Rung,
    /// Where copies of the recipe are made.
    copies: PathBuf,
    histories: Histories,
    commit: String,
    begun: usize,
    of: usize,
}

impl<'a> GateStage<'a> {
    pub(super) fn new(common: &Common, recipe: &Path, rung: &'a Rung, of: usize) -> Result<Self, Failure> {
        let state = place::state_dir(common)?;
        let copies = state.root().join("recipes");
        Ok(Self {
            common: common.clone(),
            recipe: copy(recipe, &copies.join("begun-with"), &[])?,
            rung,
            copies,
            histories: Histories::new(state.root().join("histories")),
            commit: git::commit_of(recipe).unwrap_or_default(),
            begun: 0,
            of,
        })
    }

    fn asked(&self, setting: &Setting) -> Result<RunArguments, Failure> {
        let name = copy(&self.recipe, &self.copies, setting.edits)?;
        let repositories = match setting.basis {
            Basis::Whole => Vec::new(),
            Basis::Small => self.histories.repositories(setting.history)?,
        };
        // A copy is no part of the clone, and of the same commit all the same.
        let commit = format!("git_commit={}", self.commit);
        let parameters = setting.parameters.iter();
        Ok(RunArguments {
            name: name.display().to_string(),
            repositories: repositories.into_iter().map(OsString::from).collect(),
            reference: None,
            parameters: parameters
                .map(|(name, value)| format!("{name}={value}"))
                .chain([commit])
                .collect(),
        })
    }

    fn pipelines(&self) -> Result<Client, Failure> {
        place::pipelines(&place::endpoints(&self.common)?)
    }

    async fn plan(&self, setting: &Setting) -> Result<Option<Forecast>, Failure> {
        let asked = self.asked(setting)?;
        match recipe::foretell(&self.common, &asked).await? {
            Ok(forecast) => Ok(Some(forecast)),
            Err(KfpError::NotSpoken { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn failed(failure: impl Into<Failure>) -> Halt {
    let failure: Failure = failure.into();
    Halt::Failed(failure.told().trim_end().to_owned())
}

impl Stage for GateStage<'_> {
    fn begins(&mut self, scenario: &Scenario) {
        self.begun += 1;
        eprintln!(
            "\n{}/{} {}: {}",
            self.begun, self.of, scenario.name, scenario.changed
        );
    }

    async fn foretell(&mut self, setting: &Setting) -> Result<Option<Forecast>, Halt> {
        self.plan(setting).await.map_err(failed)
    }

    async fn run(&mut self, setting: &Setting) -> Result<Played, Halt> {
        let asked = self.asked(setting).map_err(failed)?;
        let carried = Box::pin(recipe::carry_out(&self.common, &asked)).await;
        match carried.map_err(failed)? {
            Carried::Interrupted => Err(Halt::Interrupted),
            Carried::Ended(concluded) => Ok(Played {
                exit: match &concluded.verdict {
                    Ok(exit) => u8::from(*exit),
                    Err(failure) => u8::from(failure.exit()),
                },
                report: concluded.report,
                summary: concluded.told,
            }),
        }
    }

    async fn restart(&mut self) -> Result<(), Halt> {
        let Rung::Own(own) = self.rung else {
            return Err(Halt::NotHere("what others run is not taken down".to_owned()));
        };
        own.down().await.map_err(failed)?;
        own.up().await.map_err(failed)
    }

    async fn alter(&mut self, setting: &Setting, step: &str, output: &str) -> Result<(), Halt> {
        let forecast = self.plan(setting).await.map_err(failed)?;
        let tasks = forecast.into_iter().flat_map(|forecast| forecast.tasks);
        let hit = tasks.into_iter().find(|task| task.name == step);
        let Some(from) = hit.map(|task| task.from_run).filter(|run| !run.is_empty()) else {
            return Err(Halt::Failed(format!(
                "no run is known that {step} would be taken from"
            )));
        };
        let pipelines = self.pipelines().map_err(failed)?;
        let tasks = pipelines.tasks(&from).await.map_err(failed)?;
        let task = tasks.iter().find(|task| task.name == step);
        let Some(artifact) = task.and_then(|task| task.output_artifact(output)) else {
            return Err(Halt::Failed(format!(
                "run {from} has no artifact {step}.{output}"
            )));
        };
        let path = Url::parse(&artifact.uri)
            .ok()
            .filter(|url| url.scheme() == "file");
        let Some(path) = path.and_then(|url| url.to_file_path().ok()) else {
            return Err(Halt::NotHere(format!("{} is not on this machine", artifact.uri)));
        };
        flip(&path).map_err(|error| Halt::Failed(format!("{}: {error}", path.display())))
    }

    async fn explain(&mut self, run_id: &str, step: &str) -> Option<String> {
        let told = self.pipelines().ok()?.explain_cache(run_id, step).await.ok()?;
        Some(told.reason).filter(|reason| !reason.is_empty())
    }

    fn ended(&mut self, report: &ScenarioReport) {
        eprint!("{}", line(report));
    }
}

/// Alters the byte in the middle of a file.
fn flip(path: &Path) -> std::io::Result<()> {
    let mut bytes = fs::read(path)?;
    let middle = bytes.len() / 2;
    match bytes.get_mut(middle) {
        Some(byte) => *byte ^= 1,
        None => bytes.push(1),
    }
    fs::write(path, bytes)
}
