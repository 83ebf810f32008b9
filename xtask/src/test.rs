//! All the tests, in one command.

use crate::shell::{self, Result, cargo, heading, unstarted};
use crate::{fuzz, mounts, sanitize, setup};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// What the test runners counted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Summary {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Summary {
    pub(crate) fn is_good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    pub(crate) fn add(&mut self, other: Summary) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// `test result: ok. 12 passed; 0 failed; 1 ignored; …`
    fn take(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for part in counts.split([';', '.']) {
            let Some((count, what)) = part.trim().split_once(' ') else { continue };
            let Ok(count) = count.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => {}
            }
        }
    }
}

/// Runs a test command to its end and counts what it reports.
pub(crate) fn count(command: &mut Command) -> Result<Summary> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| unstarted(command, &error))?;
    let mut summary = Summary::default();
    let output = child.stdout.take().expect("piped above");
    for line in BufReader::new(output).split(b'\n') {
        let line = line.map_err(|error| format!("cannot read the output of the tests: {error}"))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        summary.take(&line);
    }
    let status = child.wait().map_err(|error| format!("cannot wait for the tests: {error}"))?;
    if !status.success() && summary.failed == 0 {
        // A process that was killed, by a sanitizer for one, has counted nothing.
        summary.failed += 1;
        eprintln!("a test run ended badly without saying which test failed: {status}; see above");
    }
    Ok(summary)
}

/// Installs what is needed, builds, and runs every test there is. With arguments, only `cargo test` with
/// those.
fn run_all(passing_over: &[String]) -> Result<Summary> {
    let mut summary = Summary::default();
    heading("cargo test");
    summary.add(count(cargo().args(["test", "--workspace", "--no-fail-fast"]).args(passing_over))?);
    heading("AddressSanitizer");
    summary.add(sanitize::run()?);
    heading("fuzzing");
    let (passed, failed) = fuzz::all(fuzz::SECONDS)?;
    summary.add(Summary { passed, failed, ..Summary::default() });
    Ok(summary)
}

pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    setup::everything()?;
    // Tests drive the programs and the library as they stand in the target directory.
    heading("cargo build");
    run_build()?;
    let obstacle = mounts::obstacle();
    let passing_over = if obstacle.is_some() { mounts::pass_over()?.to_vec() } else { Vec::new() };
    let summary = match arguments {
        [] => run_all(&passing_over)?,
        arguments => count(cargo().arg("test").args(passing_over).args(arguments))?,
    };
    if let Some(obstacle) = obstacle {
        eprintln!("\nxtask: tests that mount were skipped, because {obstacle}");
    }
    println!("\n{} passed, {} failed, {} skipped", summary.passed, summary.failed, summary.skipped);
    Ok(summary.is_good())
}

fn run_build() -> Result<()> {
    shell::run(cargo().args(["build", "--workspace"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_runner_s_own_lines() {
        let mut summary = Summary::default();
        summary.take(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s",
        );
        summary.take("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out");
        summary.take("running 4 tests");
        assert_eq!((summary.passed, summary.failed, summary.skipped), (14, 3, 1));
        assert!(!summary.is_good());
    }
}
