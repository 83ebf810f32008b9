//! The pages for people: what they link to must be there, and the examples they name must compile.

use crate::shell::root;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories without pages of ours.
const PASSED_OVER: &[&str] = &["target", "corpus", "artifacts"];

/// Every Markdown page below `directory`.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && !PASSED_OVER.contains(&&*name) {
            found.extend(pages(&path));
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found
}

/// The targets of the links of a page that lead to files, without what is shown as code.
fn links(page: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut links = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Outside of code spans, which are every other piece between backquotes; a link may have one as its text.
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("](") {
            let Some((target, behind)) = after.split_once(')') else { break };
            let in_code = before.matches('`').count() % 2 == 1;
            let elsewhere = target.contains("://") || target.starts_with(['#', '<']);
            if !in_code && !elsewhere {
                links.push(target.split('#').next().unwrap_or_default());
            }
            rest = behind;
        }
    }
    links
}

#[test]
fn every_link_leads_to_a_file_that_is_there() {
    let pages = pages(&root());
    assert!(
        pages.iter().any(|page| page.ends_with("README.md")),
        "the pages are looked for in the wrong place"
    );
    let mut dead = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
        let directory = page.parent().expect("a page is a file");
        for link in links(&text).into_iter().filter(|link| !directory.join(link).exists()) {
            dead.push(format!("{} links to {link}", page.display()));
        }
    }
    assert_eq!(dead, Vec::<String>::new());
}

#[test]
fn links_are_found_in_text_and_not_in_code() {
    let page = "[a](docs/a.md) and [`b`](b.c#main), `[c](c.md)`, [d](https://example.org/d)\n\
                ```\n[e](e.md)\n```\n[f](#f) [g](g/)";
    assert_eq!(links(page), ["docs/a.md", "b.c", "g/"]);
}

#[test]
fn the_examples_in_c_compile_without_a_warning() {
    let examples = fs::read_dir(root().join("examples/c")).expect("the examples are in the repository");
    let include = root().join("include/mpr");
    for example in examples.flatten() {
        let compiled = std::process::Command::new("gcc")
            .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-fshort-wchar", "-I"])
            .arg(&include)
            .arg(example.path())
            .output()
            .expect("this test needs gcc (Debian packages gcc and libc6-dev)");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    }
}

#[test]
fn every_test_that_keeps_a_threat_out_is_there() {
    let threats = fs::read_to_string(root().join("docs/threats.md")).expect("the page is in the repository");
    let sources: String =
        sources(&root().join("crates")).iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    // Names of tests and fuzz targets; other names on the page have a dot, a dash or a capital in them.
    let named =
        threats.split('`').skip(1).step_by(2).filter(|name| {
            name.contains('_') && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'))
        });
    let missing: Vec<&str> = named
        .filter(|name| {
            // Those of the zoo stand in the table of a macro.
            !sources.contains(&format!("fn {name}("))
                && !sources.contains(&format!("\n    {name}: \""))
                && !root().join(format!("fuzz/targets/{name}.rs")).exists()
        })
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// Every Rust source below `directory`.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_dependency_has_its_row() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect("it is in the repository");
    let (manifest, page) = (read("Cargo.toml"), read("docs/dependencies.md"));
    let list = manifest.split_once("[workspace.dependencies]\n").expect("the workspace names them").1;
    let list = list.split("\n[").next().unwrap_or_default();
    let names = list.lines().filter_map(|line| Some(line.split_once(" = ")?.0));
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let in_rows = |name: &str| rows.iter().any(|row| row.contains(&format!("`{name}`")));
    let missing: Vec<&str> = names.filter(|name| !name.starts_with("mpr") && !in_rows(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
