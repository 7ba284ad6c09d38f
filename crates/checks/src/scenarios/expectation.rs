//! What a scenario states in advance, step by step.

use kfp_api::capabilities::{ArtifactIdentity, Capabilities};
use kfp_api::forecast::Outlook;
use serde::Serialize;

use crate::recipe;

/// What is stated of a run before it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Steps that run, beside those that are never cached. All others hit.
    pub runs: &'static [&'static str],
    /// The same on a server whose cache knows artifacts by their ids only, where that differs.
    pub runs_by_id: Option<&'static [&'static str]>,
    /// The first step whose outputs nobody can know before it has run; what comes after it depends on it.
    pub unforeseen_from: Option<&'static str>,
    /// How the run ends.
    pub ending: Ending,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A version is registered and served.
    Served,
    /// As [`Ending::Served`]; and an earlier run asked for the same, so that nothing is added to the world.
    ServedAsBefore,
    /// As [`Ending::Served`]; and the check `rerun` objects, because something ran again that an earlier run had made.
    ServedAndNoticed,
    /// The gate lets nothing through.
    GateClosed,
}

impl Ending {
    /// Exit code of the command that makes the run.
    pub fn exit(self) -> u8 {
        match self {
            Self::Served | Self::ServedAsBefore => 0,
            Self::ServedAndNoticed => 1,
            Self::GateClosed => 4,
        }
    }
}

/// What a step does in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// Its own code runs.
    Runs,
    /// Its outputs come from the cache.
    Hits,
    /// It is skipped.
    Skips,
}

impl Does {
    /// In a word, for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Hits => "hits",
            Self::Skips => "skips",
        }
    }
}

/// Tasks that run code: all but the gate, which is asked in every run.
pub(super) fn steps() -> impl Iterator<Item = &'static str> {
    recipe::TASKS.into_iter().filter(|task| *task != recipe::GATE)
}

impl Expectation {
    /// What a step does.
    pub fn does(&self, step: &str, server: &Capabilities) -> Does {
        if self.ending == Ending::GateClosed && recipe::BEHIND_GATE.contains(&step) {
            return Does::Skips;
        }
        let runs = match (server.artifact_identity, self.runs_by_id) {
            (ArtifactIdentity::Id, Some(runs)) => runs,
            _ => self.runs,
        };
        match recipe::NEVER_CACHED.contains(&step) || runs.contains(&step) {
            true => Does::Runs,
            false => Does::Hits,
        }
    }

    /// What the plan says of a step.
    pub fn foretold(&self, step: &str, server: &Capabilities) -> Outlook {
        let position = |step: &str| recipe::TASKS.iter().position(|task| *task == step);
        // The recipe's steps are a chain: what comes after is what depends.
        let depends = self
            .unforeseen_from
            .is_some_and(|first| position(step) > position(first));
        match (depends, self.does(step, server)) {
            (true, _) => Outlook::Depends,
            (false, Does::Skips) => Outlook::Skips,
            (false, Does::Hits) => Outlook::Hit,
            (false, Does::Runs) if recipe::NEVER_CACHED.contains(&step) => Outlook::Runs,
            (false, Does::Runs) => Outlook::Miss,
        }
    }
}
