//! The table.

use kfp_api::capabilities::Capabilities;

use super::change::{Basis, Change, Edit, History};
use super::expectation::{Ending, Expectation};
use crate::recipe;

/// A change, and what follows from it.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name, to type.
    pub name: &'static str,
    /// What is changed, for people.
    pub changed: &'static str,
    /// What its run starts from.
    pub basis: Basis,
    /// The one thing.
    pub change: Change,
    /// What follows.
    pub expects: Expectation,
    /// What the server has to do for this to be so.
    pub needs: Needs,
}

/// What a server has to do for a scenario to say something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// What every KFP does.
    Nothing,
    /// [`Capabilities::env_in_cache_key`].
    EnvInCacheKey,
    /// [`Capabilities::cached_bytes_checked`].
    CachedBytesChecked,
}

impl Needs {
    /// Why a scenario that needs this says nothing about such a server; none where it does.
    pub fn lacking(self, server: &Capabilities) -> Option<&'static str> {
        match self {
            Self::EnvInCacheKey if !server.env_in_cache_key => {
                Some("this server's cache key has no environment in it")
            }
            Self::CachedBytesChecked if !server.cached_bytes_checked => {
                Some("this server takes cached results whatever became of their bytes")
            }
            _ => None,
        }
    }
}

const EXTRACT_ON: &[&str] = &["extract", "tune", recipe::TRAIN, recipe::EVALUATE];
const TUNE_ON: &[&str] = &["tune", recipe::TRAIN, recipe::EVALUATE];
const TRAIN_ON: &[&str] = &[recipe::TRAIN, recipe::EVALUATE];
const EVALUATE_ON: &[&str] = &[recipe::EVALUATE];

/// Nothing but what is never cached runs; all of it can be known before.
const NOTHING: Expectation = Expectation {
    runs: &[],
    runs_by_id: None,
    unforeseen_from: None,
    ending: Ending::Served,
};

/// These run, and from the first of them on nobody can know before.
const fn on(runs: &'static [&'static str]) -> Expectation {
    Expectation {
        runs,
        unforeseen_from: runs.first().copied(),
        ..NOTHING
    }
}

/// What is first run in an empty place: all of it.
const ALL_NEW: Expectation = Expectation {
    unforeseen_from: Some(recipe::INGEST),
    ..on(EXTRACT_ON)
};

const AS_BEFORE: Expectation = Expectation {
    ending: Ending::ServedAsBefore,
    ..NOTHING
};

const fn small(name: &'static str, changed: &'static str, change: Change, expects: Expectation) -> Scenario {
    Scenario {
        name,
        changed,
        basis: Basis::Small,
        change,
        expects,
        needs: Needs::Nothing,
    }
}

/// Every scenario, in the order they are played. The two that add commits are last: a history that went on cannot be
/// taken back.
pub const ALL: [Scenario; 16] = [
    Scenario {
        basis: Basis::Whole,
        ..small("recipe", "an empty state", Change::Nothing, ALL_NEW)
    },
    small(
        FIRST_SMALL,
        "repositories seen for the first time",
        Change::Nothing,
        ALL_NEW,
    ),
    small("nothing", "nothing", Change::Nothing, AS_BEFORE),
    small("restart", "down and up", Change::Restart, AS_BEFORE),
    small(
        "threshold",
        "the gate's threshold",
        Change::Parameter(recipe::THRESHOLD, -2e6),
        NOTHING,
    ),
    small(
        "closed-gate",
        "the gate's threshold, to what no skill reaches",
        Change::Parameter(recipe::THRESHOLD, 1.0),
        Expectation {
            ending: Ending::GateClosed,
            ..NOTHING
        },
    ),
    small(
        "golden-set",
        "the golden set",
        Change::Files(&[Edit {
            file: "golden/golden.yaml",
            instead_of: "\nrequests: 4\n",
            put: "\nrequests: 3\n",
        }]),
        on(EVALUATE_ON),
    ),
    small(
        "train-module",
        "train's module",
        Change::Files(&[Edit {
            file: "training/job.py",
            instead_of: "for seed in range(members)]",
            put: "for seed in range(1, members + 1)]",
        }]),
        on(TRAIN_ON),
    ),
    small(
        "search-space",
        "the search space",
        Change::Files(&[Edit {
            file: "experiment.yaml",
            instead_of: "max: \"0.03\"",
            put: "max: \"0.02\"",
        }]),
        on(TUNE_ON),
    ),
    small(
        "feature",
        "a feature added",
        Change::Files(&[
            Edit {
                file: "features/days.py",
                instead_of: "for days in (7, 14,",
                put: "for days in (3, 7, 14,",
            },
            Edit {
                file: "features/views.py",
                instead_of: "FEATURES = (\n",
                put: "FEATURES = (\n    \"commits_3d\",\n",
            },
        ]),
        on(EXTRACT_ON),
    ),
    small(
        "comment",
        "a comment in a module that no step imports",
        Change::Files(&[Edit {
            file: "pipeline.py",
            instead_of: "",
            put: "# The gate was here.\n",
        }]),
        AS_BEFORE,
    ),
    small(
        "lock",
        "the lock",
        Change::Files(&[Edit {
            file: "requirements.lock",
            instead_of: "",
            put: "# The gate was here.\n",
        }]),
        // Every step's tag has the lock in it; what they then make is what they made.
        Expectation {
            unforeseen_from: Some(recipe::INGEST),
            ..on(EXTRACT_ON)
        },
    ),
    Scenario {
        needs: Needs::EnvInCacheKey,
        ..small(
            "environment",
            "a variable of evaluate's environment",
            Change::Files(&[Edit {
                file: "pipeline.py",
                instead_of: "golden=extracted.outputs[\"golden\"])\n",
                put: "golden=extracted.outputs[\"golden\"]).set_env_variable(\"GATE\", \"1\")\n",
            }]),
            on(EVALUATE_ON),
        )
    },
    Scenario {
        needs: Needs::CachedBytesChecked,
        ..small(
            "byte",
            "a byte of what evaluate made",
            Change::Byte(recipe::EVALUATE, "golden_answers"),
            Expectation {
                ending: Ending::ServedAndNoticed,
                ..on(EVALUATE_ON)
            },
        )
    },
    small(
        "open-week",
        "commits inside the open week",
        Change::Commits(History::MoreInOpenWeek),
        Expectation {
            // Equal bytes stop the wave; on a server that knows artifacts by their ids nothing does.
            runs: &["extract"],
            runs_by_id: Some(EXTRACT_ON),
            unforeseen_from: Some(recipe::INGEST),
            ..NOTHING
        },
    ),
    small(
        "closed-week",
        "a commit that closes a week",
        Change::Commits(History::ClosedWeek),
        ALL_NEW,
    ),
];

/// The scenario that the small ones are compared with.
const FIRST_SMALL: &str = "small";

impl Scenario {
    /// Whether it is the first run on its basis: in a place that is not empty it may find anything in the cache.
    pub fn is_first(&self) -> bool {
        self.basis == Basis::Whole || self.is_compared_with()
    }

    /// Whether it is the one that the small ones are compared with.
    pub fn is_compared_with(&self) -> bool {
        self.name == FIRST_SMALL
    }
}
