//! Reading `policy.d`.
//!
//! A plug-in that is registered wrongly is left out. Rules are not: what cannot be read is taken to deny, so that
//! a mistake, a full disk or a careless mode opens no door. Where there is nothing, nothing is denied.

use super::{Policies, Tier};
use crate::Problem;
use crate::config::files::Reader;
use crate::config::policy::{PolicyFile, instead_of, policy};
use crate::trust::Judge;
use mpr_core::policy::Policy;
use mpr_helper::dirs::{Level, SYSTEM_CONFIG_DIRS, levels};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file of `policy.d` that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyEntry {
    /// File name without `.toml`.
    pub stem: String,
    /// The file.
    pub file: PathBuf,
    /// `priority`: lower comes first.
    pub priority: i64,
    /// How many rules it has.
    pub rules: usize,
}

impl Policies {
    /// Reads the rules of the configuration directories `dirs`, weakest first, and always those of the system.
    #[must_use]
    pub fn read(dirs: &[PathBuf], elevated: bool) -> (Policies, Vec<Problem>) {
        let system = SYSTEM_CONFIG_DIRS.iter().map(|directory| (PathBuf::from(directory), Level::System));
        let others = dirs.iter().cloned().zip(levels(dirs)).filter(|(_, level)| *level != Level::System);
        let directories: Vec<(PathBuf, Level)> = system.chain(others).collect();
        let mut problems = Vec::new();
        let tiers = [Level::System, Level::Environment, Level::User].map(|level| {
            let of_level = directories.iter().filter(|(_, its)| *its == level);
            let (tier, noted) = tier(level, of_level.map(|(directory, _)| directory.as_path()), elevated);
            problems.extend(noted);
            tier
        });
        (Policies::new(tiers.into()), problems)
    }
}

/// The rules of one level. A file of a later directory takes the place of one of the same stem.
fn tier<'a>(
    level: Level,
    directories: impl Iterator<Item = &'a Path>,
    elevated: bool,
) -> (Tier, Vec<Problem>) {
    let mut reader = Reader { judge: Judge::of_this_process(elevated), problems: Vec::new() };
    let mut found = BTreeMap::new();
    // What stands for rules that nobody could read comes before all that could be read.
    let mut instead = Vec::new();
    for directory in directories {
        let before = reader.problems.len();
        reader.entries(&directory.join("policy.d"), &mut found);
        instead.extend(reader.problems[before..].iter().map(|problem| {
            instead_of(&problem.file, problem.line, &format!("the policy cannot be read: {}", problem.what))
        }));
    }
    let mut files: Vec<(PolicyEntry, PolicyFile)> = Vec::new();
    for (stem, file) in found {
        let before = reader.problems.len();
        let Some(text) = reader.text(&file, "so every connect is denied") else {
            if let Some(problem) = reader.problems.get(before) {
                let what = format!("the policy cannot be read: {}", problem.what);
                instead.push(instead_of(&file, problem.line, &what));
            } else if file.symlink_metadata().is_ok() {
                reader.problems.push(Problem::new(
                    &file,
                    None,
                    "it is a link that leads nowhere, so every connect is denied",
                    "remove it, or put back what it leads to",
                ));
                instead.push(instead_of(&file, None, "the policy is a link that leads nowhere"));
            }
            continue;
        };
        let (read, problems) = policy(&file, &text);
        reader.problems.extend(problems);
        if read.enabled {
            let (priority, rules) = (read.priority, read.rules.len());
            files.push((PolicyEntry { stem, file, priority, rules }, read));
        }
    }
    // The map gave them up ascending by stem, and sorting keeps that order among equals.
    files.sort_by_key(|(entry, _)| entry.priority);
    let default = files.iter().find_map(|(_, read)| read.default.clone());
    let mut rules = instead;
    let mut entries = Vec::with_capacity(files.len());
    for (entry, read) in files {
        rules.extend(read.rules);
        entries.push(entry);
    }
    (Tier { level, files: entries, policy: Policy::new(rules, default) }, reader.problems)
}
