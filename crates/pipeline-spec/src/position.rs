//! Where in a document something stands, and the path that leads there.

use std::fmt;

/// A place in the text of a document. Line and column count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One step of a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A key of a mapping.
    Key(String),
    /// An index into a list, from 0.
    Index(usize),
}

/// A path from the root of a document: `root.dag.tasks.train.inputs.parameters.x`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Path(pub(crate) Vec<Step>);

impl Path {
    /// The path of the document itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// This path and one key more.
    pub fn key(&self, key: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Key(key.to_owned()));
        Self(steps)
    }

    /// This path and one list index more.
    pub fn index(&self, index: usize) -> Self {
        let mut steps = self.0.clone();
        steps.push(Step::Index(index));
        Self(steps)
    }

    /// The steps from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("document");
        }
        for (nth, step) in self.0.iter().enumerate() {
            match step {
                // A key with a dot or a space in it would be read as two.
                Step::Key(key) if key.is_empty() || key.contains(['.', ' ', '[', ']', '\'']) => {
                    write!(f, "['{key}']")?;
                }
                Step::Key(key) if nth == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn a_path_reads_as_one_types_it() {
        let path = Path::root().key("root").key("a.b").key("args").index(2);
        assert_eq!(path.to_string(), "root['a.b'].args[2]");
        assert_eq!(Path::root().to_string(), "document");
    }
}
