//! What is wrong with a file the router reads.

use std::fmt;
use std::path::{Path, PathBuf};

/// Something wrong with a file: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or directory.
    pub file: PathBuf,
    /// The line in it, counted from 1, if it is about one.
    pub line: Option<usize>,
    /// What is wrong: a clause, without full stop.
    pub what: String,
    /// What to do about it: an imperative, without full stop.
    pub remedy: String,
}

impl Problem {
    pub(crate) fn new(
        file: &Path,
        line: Option<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Problem { file: file.to_owned(), line, what: what.into(), remedy: remedy.into() }
    }
}

/// One line: `file:line: what; remedy`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.what, self.remedy)
    }
}
