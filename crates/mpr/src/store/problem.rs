//! Why the store could not be read or changed.

use std::error::Error;
use std::fmt;
use std::path::Path;

use mpr_abi::Status;

use crate::Problem;

/// Why the store could not be read or changed. It turns into its [`Status`] where only that is wanted.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreError(Box<(Status, Problem)>);

impl StoreError {
    pub(super) fn new(status: Status, problem: Problem) -> StoreError {
        StoreError(Box::new((status, problem)))
    }

    /// [`Status::CANNOT_OPEN_PROFILE`].
    pub(super) fn cannot_open(file: &Path, what: impl Into<String>, remedy: impl Into<String>) -> StoreError {
        StoreError::new(Status::CANNOT_OPEN_PROFILE, Problem::new(file, None, what, remedy))
    }

    /// The code a program gets.
    pub fn status(&self) -> Status {
        self.0.0
    }

    /// The reason a person gets.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.0.1
    }

    /// The reason a person gets.
    #[must_use]
    pub fn into_problem(self) -> Problem {
        self.0.1
    }
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Status {
        error.status()
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.status(), self.problem())
    }
}

impl Error for StoreError {}
