//! What a campaign found.

use std::fmt;
use std::ops::Add;

use serde::Serialize;

/// What a campaign found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Findings {
    /// SIGKILLs.
    pub(crate) kills: u32,
    /// Runs.
    pub(crate) runs: u32,
    /// Runs that were promised and are not there, did not end well, or whose steps did not all witness.
    pub(crate) lost: u32,
    /// Steps that ended more than once.
    pub(crate) repeated: u32,
    /// Artifacts that are not whole.
    pub(crate) torn: u32,
    /// Steps that began more than once, and steps with more or fewer objects in the outside world than one.
    pub(crate) doubled: u32,
    /// Steps that were not cached when the same was run again.
    pub(crate) uncached: u32,
}

impl Findings {
    /// Whether nothing is wrong.
    pub(crate) fn holds(&self) -> bool {
        [self.lost, self.repeated, self.torn, self.doubled, self.uncached] == [0; 5]
    }
}

impl Add for Findings {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            kills: self.kills + other.kills,
            runs: self.runs + other.runs,
            lost: self.lost + other.lost,
            repeated: self.repeated + other.repeated,
            torn: self.torn + other.torn,
            doubled: self.doubled + other.doubled,
            uncached: self.uncached + other.uncached,
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} runs: {} lost, {} repeated, {} torn, {} doubled, {} uncached",
            self.kills, self.runs, self.lost, self.repeated, self.torn, self.doubled, self.uncached
        )
    }
}
