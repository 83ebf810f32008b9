//! Notification libraries, network providers and credential managers in shared objects.

pub mod credentials;
pub mod notifyee;
pub mod provider;

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a shared object was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// One line: `file: what; remedy`.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.file.display(), self.what, self.remedy)
    }
}

impl std::error::Error for LoadError {}

/// The file itself, behind links: entries that lead to the same file are one library
/// (`spec/notification.md` DECISION 3). `path` as it is when there is no such file.
#[must_use]
pub fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
