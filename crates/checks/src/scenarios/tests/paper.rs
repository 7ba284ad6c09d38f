//! A server on paper: steps whose outputs follow from their code and inputs, and a cache that is a map.

use std::collections::{BTreeMap, HashMap};

use kfp_api::StepState;
use kfp_api::capabilities::{ArtifactIdentity, Capabilities};
use kfp_api::forecast::{Forecast, ForecastTask, Outlook};

use crate::recipe;
use crate::report::{Gate, Outcome, Report, StepLine, Verdict};
use crate::scenarios::demand::CHECKS;
use crate::scenarios::{Basis, Halt, History, Played, Scenario, ScenarioReport, Setting, Stage};

pub(super) const OURS: Capabilities = Capabilities {
    artifact_identity: ArtifactIdentity::Content,
    env_in_cache_key: true,
    cached_bytes_checked: true,
    plan: true,
    rerun: true,
    diff: true,
};
pub(super) const KFP: Capabilities = Capabilities {
    artifact_identity: ArtifactIdentity::Id,
    env_in_cache_key: false,
    cached_bytes_checked: false,
    plan: false,
    rerun: false,
    diff: false,
};

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Nothing,
    KeyForgetsLock,
    KeyForgetsEnv,
    HitsAlteredBytes,
    KnowsIdsOnly,
    PlanSaysHit,
    SummaryIsSilent,
    GateIsOpen,
    SkipsProduction,
    PromotesToProduction,
    ServesAnother,
}

/// What a step made: what is in it, and which making it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Made {
    content: String,
    id: usize,
    altered: bool,
}

pub(super) struct Paper {
    pub(super) server: Capabilities,
    pub(super) interrupted_after: Option<usize>,
    wrong: Wrong,
    cache: HashMap<String, Made>,
    made: usize,
    runs: usize,
    ingested: Vec<String>,
    asked: Vec<String>,
}

const CACHED: [&str; 4] = ["extract", "tune", "train", "evaluate"];

impl Paper {
    pub(super) fn new(server: Capabilities, wrong: Wrong) -> Self {
        Self {
            server,
            interrupted_after: None,
            wrong,
            cache: HashMap::new(),
            made: 0,
            runs: 0,
            ingested: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// What a step's code says, and what its image's tag says of it.
    fn code(&self, step: &str, setting: &Setting) -> (String, String) {
        let (mut says, mut tag) = (String::new(), String::new());
        for edit in setting.edits {
            let reaches: &[&str] = match edit.file {
                "golden/golden.yaml" => &["evaluate"],
                "training/job.py" => &["train"],
                "experiment.yaml" => &["tune"],
                "features/days.py" | "features/views.py" => &CACHED,
                "requirements.lock" if self.wrong == Wrong::KeyForgetsLock => &[],
                "requirements.lock" => &["ingest", "extract", "tune", "train", "evaluate"],
                "pipeline.py" => &[],
                other => panic!("{other} is in no step"),
            };
            if reaches.contains(&step) {
                tag += edit.put;
                if edit.file != "requirements.lock" {
                    says += edit.put;
                }
            }
        }
        (says, tag)
    }

    fn env(&self, step: &str, setting: &Setting) -> String {
        let edits = setting
            .edits
            .iter()
            .filter(|edit| edit.put.contains("set_env_variable"));
        let is_keyed = self.server.env_in_cache_key && self.wrong != Wrong::KeyForgetsEnv;
        match step == recipe::EVALUATE && is_keyed {
            true => edits.map(|edit| edit.put).collect(),
            false => String::new(),
        }
    }

    fn content_of_ingest(setting: &Setting) -> String {
        format!("{:?} {:?}", setting.basis, setting.history)
    }

    /// Key and content of a cached step, of what is made before it.
    fn step(&self, step: &str, setting: &Setting, made: &BTreeMap<&str, Made>) -> (String, String) {
        let identity = |input: &str| match self.server.artifact_identity {
            ArtifactIdentity::Content if self.wrong != Wrong::KnowsIdsOnly => made[input].content.clone(),
            _ => made[input].id.to_string(),
        };
        let (says, tag) = self.code(step, setting);
        let (inputs, follows): (String, String) = match step {
            "extract" => {
                // What is inside the open week is in no row.
                let closed = match setting.history {
                    History::OpenWeek | History::MoreInOpenWeek => "open",
                    History::ClosedWeek => "closed",
                };
                (
                    made["ingest"].content.clone(),
                    format!("{:?} {closed}", setting.basis),
                )
            }
            "tune" => (identity("extract"), made["extract"].content.clone()),
            // What tune gives are parameters.
            "train" => (
                identity("extract") + &made["tune"].content,
                made["extract"].content.clone() + &made["tune"].content,
            ),
            _ => (
                identity("train") + &identity("extract"),
                made["train"].content.clone() + &made["extract"].content,
            ),
        };
        let env = self.env(step, setting);
        (
            format!("{step} {tag} {env} {inputs}"),
            format!("{step}({says} {follows})"),
        )
    }

    fn hit(&self, key: &str) -> Option<&Made> {
        let made = self.cache.get(key)?;
        (!made.altered || self.wrong == Wrong::HitsAlteredBytes).then_some(made)
    }

    fn threshold(setting: &Setting) -> f64 {
        let given = setting
            .parameters
            .iter()
            .find(|(name, _)| *name == recipe::THRESHOLD);
        given.map_or(0.1, |(_, value)| *value)
    }

    fn opens(&self, setting: &Setting) -> bool {
        SKILL > Self::threshold(setting) || self.wrong == Wrong::GateIsOpen
    }

    fn make(&mut self, content: String) -> Made {
        self.made += 1;
        Made {
            content,
            id: self.made,
            altered: false,
        }
    }
}

const SKILL: f64 = 0.25;

impl Stage for Paper {
    fn begins(&mut self, _: &Scenario) {}

    async fn foretell(&mut self, setting: &Setting) -> Result<Option<Forecast>, Halt> {
        if !self.server.plan {
            return Ok(None);
        }
        let ingest = Self::content_of_ingest(setting) + &self.code("ingest", setting).1;
        let mut unknown = !self.ingested.contains(&ingest);
        let content = Self::content_of_ingest(setting);
        let mut made = BTreeMap::from([(
            "ingest",
            Made {
                content,
                id: 0,
                altered: false,
            },
        )]);
        let mut told = vec![("ingest", Outlook::Runs)];
        for step in CACHED {
            if unknown {
                told.push((step, Outlook::Depends));
                continue;
            }
            let (key, _) = self.step(step, setting, &made);
            match self.hit(&key) {
                Some(hit) => {
                    made.insert(step, hit.clone());
                    told.push((step, Outlook::Hit));
                }
                None => {
                    unknown = true;
                    told.push((step, Outlook::Miss));
                }
            }
        }
        let behind = match (unknown, self.opens(setting)) {
            (true, _) => Outlook::Depends,
            (false, true) => Outlook::Runs,
            (false, false) => Outlook::Skips,
        };
        told.extend(recipe::BEHIND_GATE.map(|step| (step, behind)));
        let task = |(name, outlook): (&str, Outlook)| ForecastTask {
            name: name.to_owned(),
            outlook: match self.wrong {
                Wrong::PlanSaysHit if name == "extract" => Outlook::Hit,
                _ => outlook,
            },
            ..ForecastTask::default()
        };
        Ok(Some(Forecast {
            tasks: told.into_iter().map(task).collect(),
        }))
    }

    async fn run(&mut self, setting: &Setting) -> Result<Played, Halt> {
        if self.interrupted_after == Some(self.runs) {
            return Err(Halt::Interrupted);
        }
        self.runs += 1;
        let content = Self::content_of_ingest(setting);
        self.ingested
            .push(content.clone() + &self.code("ingest", setting).1);
        let ingest = self.make(content);
        let mut made = BTreeMap::from([("ingest", ingest)]);
        let mut steps = vec![("ingest", StepState::Succeeded, false)];
        let mut executed = false;
        for step in CACHED {
            let (key, content) = self.step(step, setting, &made);
            let hit = self.hit(&key).cloned();
            executed |= hit.is_none();
            steps.push((step, StepState::Succeeded, hit.is_some()));
            let result = match hit {
                Some(hit) => hit,
                None => self.make(content),
            };
            self.cache.insert(key, result.clone());
            made.insert(step, result);
        }
        let open = self.opens(setting);
        let behind = match open {
            true => StepState::Succeeded,
            false => StepState::Skipped,
        };
        steps.extend(recipe::BEHIND_GATE.map(|step| (step, behind, false)));

        // A comment compiles to what was there before.
        let edits: Vec<_> = setting
            .edits
            .iter()
            .filter(|edit| !edit.put.starts_with('#') || edit.file != "pipeline.py")
            .collect();
        let asked = format!("{edits:?} {:?} {}", setting.parameters, made["ingest"].content);
        let rerun = match (self.asked.contains(&asked), executed) {
            (false, _) => Verdict::DoesNotApply,
            (true, false) => Verdict::Holds,
            (true, true) => Verdict::Broken,
        };
        self.asked.push(asked);
        let silent = |name: &str| match name {
            "endpoint" => !open,
            "forecast" | "artifacts" => !self.server.plan,
            _ => false,
        };
        let check = |name| Outcome {
            name,
            verdict: match name {
                "rerun" => rerun,
                "production" if self.wrong == Wrong::PromotesToProduction => Verdict::Broken,
                "endpoint" if self.wrong == Wrong::ServesAnother && open => Verdict::Broken,
                name if silent(name) => Verdict::DoesNotApply,
                _ => Verdict::Holds,
            },
            detail: "seen".to_owned(),
        };
        let left_out = |name: &&str| self.wrong == Wrong::SkipsProduction && *name == "production";
        let threshold = Self::threshold(setting);
        let report = Report {
            rung: "paper".to_owned(),
            run_id: format!("r{}", self.runs),
            steps: steps
                .into_iter()
                .map(|(name, state, cached)| StepLine {
                    name: name.to_owned(),
                    state,
                    cached,
                    seconds: 0.0,
                })
                .collect(),
            checks: CHECKS
                .into_iter()
                .filter(|name| !left_out(name))
                .map(check)
                .collect(),
            gate: Some(Gate {
                metric: "skill".to_owned(),
                value: SKILL,
                threshold,
                open,
            }),
            model: None,
            endpoint: None,
            seconds: 0.0,
        };
        let breaks = matches!(self.wrong, Wrong::PromotesToProduction | Wrong::ServesAnother);
        let exit = match (rerun, open) {
            (Verdict::Broken, _) => 1,
            (_, true) if breaks => 1,
            (_, false) => 4,
            (_, true) => 0,
        };
        let summary = match self.wrong {
            Wrong::SummaryIsSilent => String::new(),
            _ => format!("{:.4} short of threshold {threshold:.4}", threshold - SKILL),
        };
        Ok(Played {
            report,
            exit,
            summary,
        })
    }

    async fn restart(&mut self) -> Result<(), Halt> {
        Ok(())
    }

    async fn alter(&mut self, _: &Setting, step: &str, _: &str) -> Result<(), Halt> {
        let small = format!("{:?}", Basis::Small);
        let of_step = self.cache.iter_mut().filter(|(key, _)| key.starts_with(step));
        // The one whose inputs are unchanged: the shortest key.
        let plain = of_step
            .filter(|(_, made)| made.content.contains(&small))
            .min_by_key(|(key, _)| key.len());
        plain.unwrap().1.altered = true;
        Ok(())
    }

    async fn explain(&mut self, _: &str, _: &str) -> Option<String> {
        Some("the key is as it was".to_owned())
    }

    fn ended(&mut self, _: &ScenarioReport) {}
}
