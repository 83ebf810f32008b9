//! Finding and reading the files of the configuration directories.

use super::{Problem, Variables};
use crate::trust::{Judge, open_regular};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Biggest file read.
const BIGGEST: u64 = 1 << 20;
/// Most `.toml` files taken from one directory.
const MOST_ENTRIES: usize = 256;
/// Most names looked at in one directory.
const MOST_NAMES: usize = 8192;

/// Reads files as far as they are to be trusted, and notes what is not.
pub(crate) struct Reader {
    pub(crate) judge: Judge,
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    fn note(&mut self, file: &Path, what: String, remedy: impl Into<String>) {
        self.problems.push(Problem { file: file.to_owned(), line: None, what, remedy: remedy.into() });
    }

    /// Whether `path` is a directory to be read. One that is missing is not, and is no problem.
    pub(super) fn admits(&mut self, path: &Path) -> bool {
        let canonical = match path.canonicalize() {
            Ok(canonical) => canonical,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            Err(error) => {
                self.note(path, format!("it cannot be reached: {error}"), "make it readable, or remove it");
                return false;
            }
        };
        let judged = canonical.metadata().map(|meta| {
            self.judge.configuration(&canonical, &meta)?;
            self.judge.configuration_above(&canonical)
        });
        match judged {
            Ok(Ok(())) => true,
            Ok(Err(doubt)) => {
                self.note(path, format!("{}, so nothing in it is read", doubt.what), doubt.remedy);
                false
            }
            Err(error) => {
                self.note(path, format!("it cannot be examined: {error}"), "make it readable, or remove it");
                false
            }
        }
    }

    /// The text of `path`, if there is such a file and it is fit to be read. `cost` says what goes without it.
    pub(crate) fn text(&mut self, path: &Path, cost: &str) -> Option<String> {
        match self.read(path) {
            Ok(text) => Some(text),
            Err(Unread::Missing) => None,
            Err(Unread::Unfit { line, what, remedy }) => {
                let what = format!("{what}, {cost}");
                self.problems.push(Problem { file: path.to_owned(), line, what, remedy });
                None
            }
        }
    }

    /// What registers a plug-in: the text, and whether root wrote it.
    fn registration(&mut self, path: &Path) -> Option<(String, bool)> {
        let judged = open_regular(path).map(|(_, meta)| self.judge.registration(path, &meta));
        match judged {
            Ok(Err(doubt)) => {
                self.note(path, format!("{}, so the entry is left out", doubt.what), doubt.remedy);
                None
            }
            // What cannot be opened is told by whoever reads it.
            Err(_) => self.text(path, "so the entry is left out").map(|text| (text, false)),
            Ok(Ok(root)) => self.text(path, "so the entry is left out").map(|text| (text, root)),
        }
    }

    fn read(&self, path: &Path) -> Result<String, Unread> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Unread::Missing,
            io::ErrorKind::InvalidInput => Unread::unfit(error.to_string(), "put a file there, or remove it"),
            _ => Unread::unfit(format!("it cannot be read: {error}"), "make it readable, or remove it"),
        };
        let (file, meta) = open_regular(path).map_err(failed)?;
        self.judge.configuration(path, &meta).map_err(|doubt| Unread::unfit(doubt.what, doubt.remedy))?;
        let mut bytes = Vec::new();
        file.take(BIGGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > BIGGEST {
            return Err(Unread::unfit("it is larger than 1 MiB", "is this the file that is meant?"));
        }
        String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count();
            Unread::Unfit {
                line: Some(line),
                what: "it is not UTF-8".into(),
                remedy: "save it in the encoding UTF-8".into(),
            }
        })
    }

    /// Adds the entries of `directory` to `found`, by stem, in the place of those already there.
    pub(crate) fn entries(&mut self, directory: &Path, found: &mut BTreeMap<String, PathBuf>) {
        if !self.admits(directory) {
            return;
        }
        let names = fs::read_dir(directory).and_then(|names| {
            names
                .take(MOST_NAMES)
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
        });
        let mut names = match names {
            Ok(names) => names,
            Err(error) => {
                let what = format!("it cannot be listed: {error}");
                return self.note(directory, what, "put a directory of .toml files there, or remove it");
            }
        };
        if names.len() == MOST_NAMES {
            let what = format!("it holds so much that only {MOST_NAMES} names are looked at");
            self.note(directory, what, "remove what does not belong there");
        }
        names.sort_unstable();
        let mut taken = 0;
        for name in names {
            // Editors and package managers leave files with other names beside the real ones.
            let bytes = name.as_encoded_bytes();
            if bytes.starts_with(b".") || !bytes.ends_with(b".toml") {
                continue;
            }
            let file = directory.join(&name);
            let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".toml")) else {
                self.note(&file, "its name is not UTF-8, so the entry is left out".into(), "rename it");
                continue;
            };
            if taken == MOST_ENTRIES {
                let what =
                    format!("only the first {MOST_ENTRIES} entries are read, and this is the next one");
                return self.note(&file, what, "remove entries that are not needed");
            }
            taken += 1;
            found.insert(stem.to_owned(), file);
        }
    }

    /// What the files found by [`entries`](Self::entries) say, ascending by stem.
    pub(super) fn parsed<T>(
        &mut self,
        found: BTreeMap<String, PathBuf>,
        variables: &Variables<'_>,
        parse: impl Fn(&str, &Path, &str, &Variables<'_>) -> (Option<T>, Vec<Problem>),
        by_root: impl Fn(&mut T, bool),
    ) -> Vec<T> {
        let mut parsed = Vec::with_capacity(found.len());
        for (stem, file) in found {
            if !file.exists() {
                let what = "it is a link that leads nowhere, so the entry is left out".into();
                self.note(&file, what, "remove it, or put back what it leads to");
            } else if let Some((text, root)) = self.registration(&file) {
                let (mut entry, problems) = parse(&stem, &file, &text, variables);
                self.problems.extend(problems);
                if let Some(entry) = &mut entry {
                    by_root(entry, root);
                }
                parsed.extend(entry);
            }
        }
        parsed
    }
}

/// Why there is no text.
enum Unread {
    Missing,
    Unfit { line: Option<usize>, what: String, remedy: String },
}

impl Unread {
    fn unfit(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Unread::Unfit { line: None, what: what.into(), remedy: remedy.into() }
    }
}
