//! Why a document is refused.

use std::fmt;

#[cfg(doc)]
use crate::limits::Limits;
use crate::position::{Path, Position};

/// Why a text is no pipeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The text is longer than [`Limits::bytes`].
    #[error("the document has {bytes} bytes, more than the {limit} allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The text is no YAML, or exceeds one of the other [`Limits`].
    #[error("{}not readable as YAML: {message}", .at.map(|at| format!("{at}: ")).unwrap_or_default())]
    Yaml {
        /// Where.
        at: Option<Position>,
        /// What the parser says.
        message: String,
    },
    /// No document of the text is a pipeline spec, or two are.
    #[error("{0}")]
    Documents(&'static str),
    /// What the documents say does not hold together. Never empty.
    #[error("{}", Listing(.0))]
    Invalid(Vec<Problem>),
}

impl SpecError {
    /// The problems by place, where the text could be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid(problems) => problems,
            _ => &[],
        }
    }
}

/// One thing wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field.
    pub path: Path,
    /// Where it stands.
    pub at: Position,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.at, self.path, self.message)
    }
}

/// The first problems, a line each.
struct Listing<'a>(&'a [Problem]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A document that went wrong once often went wrong everywhere.
        const SHOWN: usize = 10;
        for (nth, problem) in self.0.iter().take(SHOWN).enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        if self.0.len() > SHOWN {
            write!(f, "\n… and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}
