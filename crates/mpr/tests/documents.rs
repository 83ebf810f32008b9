//! The files shown in `docs/` are read without a complaint.

use mpr::config::{Variables, parse, policy};
use std::fs;
use std::path::{Path, PathBuf};

/// The blocks of TOML on every page of `docs/`, each with the file its first line says it is.
fn files() -> Vec<(PathBuf, String)> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut files = Vec::new();
    for page in fs::read_dir(docs).expect("the pages are in the repository").flatten() {
        let text = fs::read_to_string(page.path()).unwrap_or_default();
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let name = block.lines().next().and_then(|line| line.strip_prefix("# "));
            let name = name.unwrap_or_else(|| panic!("{}: a block without a name", page.path().display()));
            files.push((PathBuf::from(name), block.to_owned()));
        }
    }
    files
}

#[test]
fn every_file_that_is_shown_is_read_as_it_stands() {
    let variables = Variables { elevated: false, lookup: &|_| Some("/somewhere".into()) };
    let files = files();
    let mut kinds = [0; 5];
    for (file, text) in &files {
        let within = |directory: &str| file.parent().is_some_and(|parent| parent.ends_with(directory));
        let (kind, problems) = match () {
            () if file.ends_with("mpr.toml") => (0, parse::settings(file, text, &variables).1),
            () if within("notifyees.d") => (1, parse::notifyee("example", file, text, &variables).1),
            () if within("providers.d") => (2, parse::provider("example", file, text, &variables).1),
            () if within("policy.d") => (4, policy::policy(file, text).1),
            () if file.ends_with("connections.toml") => {
                let contents = mpr::store::parse(text.as_bytes());
                assert!(!contents.entries.is_empty() && contents.flaws.is_empty(), "{contents:?}");
                (3, Vec::new())
            }
            () => panic!("{} is no file of ours", file.display()),
        };
        kinds[kind] += 1;
        assert_eq!(problems, [], "{text}");
    }
    assert!(kinds.iter().all(|count| *count > 0), "every kind of file is shown: {kinds:?}");
}
