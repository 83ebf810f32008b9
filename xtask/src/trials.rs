//! What is judged by others: `mpr-trials`, built with what it judges, and run.

use crate::setup;
use crate::shell::{self, Result, cargo, root, unstarted};
use std::path::Path;
use std::process::Command;

pub(crate) fn torture(arguments: &[String]) -> Result<bool> {
    setup::everything()?;
    shell::run(cargo().args(["build", "--quiet", "--workspace"]))?;
    let mut trials = Command::new(root().join("target/debug/mpr-trials"));
    trials.arg("torture").args(arguments);
    let status = trials.status().map_err(|error| unstarted(&trials, &error))?;
    Ok(status.success())
}

/// Everything measured is built with the release profile; data is kept in memory if there is room for it.
pub(crate) fn bench(arguments: &[String]) -> Result<bool> {
    setup::everything()?;
    if arguments.iter().any(|argument| argument == "--peers") {
        setup::peers()?;
    }
    let packages = ["mpr-cli", "mpr-mount", "mpr-trials"].map(|package| ["--package", package]).concat();
    shell::run(cargo().args(["build", "--quiet", "--release"]).args(packages))?;
    let mut trials = Command::new(root().join("target/release/mpr-trials"));
    trials.current_dir(root()).arg("bench-smb").args(arguments);
    if Path::new("/dev/shm").is_dir() {
        trials.env("TMPDIR", "/dev/shm");
    }
    let status = trials.status().map_err(|error| unstarted(&trials, &error))?;
    Ok(status.success())
}
