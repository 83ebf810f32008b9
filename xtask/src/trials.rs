//! What is judged by others: `mpr-trials`, built with what it judges, and run.

use crate::setup;
use crate::shell::{self, Result, cargo, root, unstarted};
use std::process::Command;

pub(crate) fn torture(arguments: &[String]) -> Result<bool> {
    setup::everything()?;
    shell::run(cargo().args(["build", "--quiet", "--workspace"]))?;
    let mut trials = Command::new(root().join("target/debug/mpr-trials"));
    trials.arg("torture").args(arguments);
    let status = trials.status().map_err(|error| unstarted(&trials, &error))?;
    Ok(status.success())
}
