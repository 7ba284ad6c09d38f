//! The one thing that a scenario changes, as data.

/// What a scenario's run starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The recipe with the parameters it has by default.
    Whole,
    /// The recipe on small repositories of the gate's own: [`SMALL`].
    Small,
}

/// Parameters that keep a run small. Any skill is good enough: what a model learns from so little is no matter here.
pub(super) const SMALL: [(&str, f64); 2] = [("max_trials", 3.0), (crate::recipe::THRESHOLD, -1e6)];

/// The one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// The rung goes down and comes up again.
    Restart,
    /// A parameter of the run.
    Parameter(&'static str, f64),
    /// Files of the recipe.
    Files(&'static [Edit]),
    /// Commits that were made meanwhile.
    Commits(History),
    /// One byte of an artifact that a step has made: step, output.
    Byte(&'static str, &'static str),
}

/// A change of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The file, below the recipe's folder.
    pub file: &'static str,
    /// Text that is there exactly once, and gives way; empty for the end of the file.
    pub instead_of: &'static str,
    /// Text that comes in.
    pub put: &'static str,
}

impl Edit {
    /// The file's text with the change in it.
    ///
    /// # Errors
    /// Where the text that gives way is not there exactly once: the recipe has gone on, and the scenario has to.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        if self.instead_of.is_empty() {
            return Ok(format!("{text}{}", self.put));
        }
        match text.matches(self.instead_of).count() {
            1 => Ok(text.replacen(self.instead_of, self.put, 1)),
            count => Err(format!(
                "{} has {count} times `{}`, the scenario expects it once",
                self.file, self.instead_of
            )),
        }
    }
}

/// How far the histories of the gate's own repositories go. Each has what the one before it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum History {
    /// Up to the middle of a week.
    OpenWeek,
    /// Further commits in that week.
    MoreInOpenWeek,
    /// A commit in the week after.
    ClosedWeek,
}

/// What a run is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// What it starts from.
    pub basis: Basis,
    /// How far the repositories go, for [`Basis::Small`].
    pub history: History,
    /// What of the recipe's files is different.
    pub edits: &'static [Edit],
    /// Parameters, beside those that the recipe has by default.
    pub parameters: Vec<(&'static str, f64)>,
}

impl Change {
    /// What a run is made with, with this and nothing else changed.
    pub fn setting(&self, basis: Basis) -> Setting {
        let mut setting = Setting {
            basis,
            history: History::OpenWeek,
            edits: &[],
            parameters: match basis {
                Basis::Whole => Vec::new(),
                Basis::Small => SMALL.into(),
            },
        };
        match *self {
            Self::Nothing | Self::Restart | Self::Byte(..) => {}
            Self::Parameter(name, value) => {
                setting.parameters.retain(|(known, _)| *known != name);
                setting.parameters.push((name, value));
            }
            Self::Files(edits) => setting.edits = edits,
            Self::Commits(history) => setting.history = history,
        }
        setting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_that_does_not_fit_the_recipe_any_more_is_told() {
        let edit = Edit {
            file: "a.py",
            instead_of: "one",
            put: "two",
        };
        assert_eq!(edit.apply("it is one\n").unwrap(), "it is two\n");
        assert_eq!(
            edit.apply("one, one").unwrap_err(),
            "a.py has 2 times `one`, the scenario expects it once"
        );
        let last = Edit {
            instead_of: "",
            ..edit
        };
        assert_eq!(last.apply("one\n").unwrap(), "one\ntwo");
    }

    #[test]
    fn one_thing_differs_from_the_basis() {
        let basis = Change::Nothing.setting(Basis::Small);
        assert_eq!(Change::Restart.setting(Basis::Small), basis);
        let threshold = Change::Parameter("threshold", 1.0).setting(Basis::Small);
        assert_eq!(threshold.parameters, [("max_trials", 3.0), ("threshold", 1.0)]);
        assert_eq!(
            Setting {
                parameters: basis.parameters.clone(),
                ..threshold
            },
            basis
        );
    }
}
