//! What judges found.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How thoroughly to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the test command: a few seconds each.
    Short,
    /// By hand: minutes.
    Long,
}

impl Form {
    /// One number or the other.
    #[must_use]
    pub fn of<T>(self, short: T, long: T) -> T {
        match self {
            Form::Short => short,
            Form::Long => long,
        }
    }

    /// How long one program of a judge may run on a busy machine before it counts as hanging.
    #[must_use]
    pub fn patience(self) -> Duration {
        self.of(Duration::from_secs(120), Duration::from_secs(1800))
    }
}

/// What fails today and is known to, with the reason. When one of them passes, the run fails, so that the
/// list is true. `trial/case`.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub case: &'static str,
    pub because: &'static str,
}

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Failed(String),
    /// Fails, as it is known to.
    KnownToFail(&'static str),
    /// Is known to fail, and does not.
    PassedUnexpectedly(&'static str),
    /// Cannot be judged here.
    Skipped(String),
}

/// One thing that was judged.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub outcome: Outcome,
    pub took: Duration,
}

impl Case {
    /// Whether it is as it should be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !matches!(self.outcome, Outcome::Failed(_) | Outcome::PassedUnexpectedly(_))
    }
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:<46} ", self.name)?;
        match &self.outcome {
            Outcome::Passed => write!(out, "ok"),
            Outcome::Failed(why) => write!(out, "FAILED: {why}"),
            Outcome::KnownToFail(why) => write!(out, "known failure: {why}"),
            Outcome::PassedUnexpectedly(why) => {
                write!(out, "FAILED: it passes, but is marked as a known failure ({why}); take the mark away")
            }
            Outcome::Skipped(why) => write!(out, "skipped: {why}"),
        }?;
        write!(out, " ({:.1} s)", self.took.as_secs_f64())
    }
}

/// What a judge says when it cannot judge here.
#[derive(Debug)]
pub enum Trouble {
    Failed(String),
    Skipped(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Trouble {
        Trouble::Failed(why)
    }
}

impl From<&str> for Trouble {
    fn from(why: &str) -> Trouble {
        Trouble::Failed(why.to_owned())
    }
}

/// Writes down what is judged in one trial.
#[derive(Debug)]
pub struct Judge {
    trial: &'static str,
    known: &'static [Known],
    pub form: Form,
    cases: Vec<Case>,
}

impl Judge {
    #[must_use]
    pub fn new(trial: &'static str, known: &'static [Known], form: Form) -> Judge {
        Judge { trial, known, form, cases: Vec::new() }
    }

    /// Judges one case, and prints what came of it.
    pub fn case(&mut self, name: &str, judge: impl FnOnce() -> Result<(), Trouble>) {
        let name = format!("{}/{name}", self.trial);
        let known = self.known.iter().find(|known| known.case == name).map(|known| known.because);
        let begun = Instant::now();
        // Who waits for minutes sees for what.
        if io::stdout().is_terminal() {
            print!("{name:<46} ...\r");
            let _ = io::stdout().flush();
        }
        let outcome = match (judge(), known) {
            (Ok(()), None) => Outcome::Passed,
            (Ok(()), Some(because)) => Outcome::PassedUnexpectedly(because),
            (Err(Trouble::Skipped(why)), _) => Outcome::Skipped(why),
            (Err(Trouble::Failed(_)), Some(because)) => Outcome::KnownToFail(because),
            (Err(Trouble::Failed(why)), None) => Outcome::Failed(why),
        };
        let case = Case { name, outcome, took: begun.elapsed() };
        println!("{case}");
        self.cases.push(case);
    }

    /// Everything that was judged.
    #[must_use]
    pub fn cases(self) -> Vec<Case> {
        self.cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Known] = &[Known { case: "t/a", because: "of this" }];

    fn outcome(name: &str, result: Result<(), Trouble>) -> Outcome {
        let mut judge = Judge::new("t", KNOWN, Form::Short);
        judge.case(name, || result);
        judge.cases().remove(0).outcome
    }

    #[test]
    fn a_known_failure_that_passes_is_a_failure() {
        assert_eq!(outcome("a", Err("x".into())), Outcome::KnownToFail("of this"));
        assert_eq!(outcome("a", Ok(())), Outcome::PassedUnexpectedly("of this"));
        assert_eq!(outcome("b", Ok(())), Outcome::Passed);
        assert_eq!(outcome("b", Err("x".into())), Outcome::Failed("x".into()));
        assert_eq!(outcome("a", Err(Trouble::Skipped("here".into()))), Outcome::Skipped("here".into()));
    }
}
