//! The fuzz targets of `fuzz/`, built and run with libFuzzer.

use crate::shell::{Result, cargo, root, unstarted};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// How long each target runs in the test command.
pub(crate) const SECONDS: u32 = 60;
/// How many run at a time.
const AT_ONCE: usize = 2;
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// What makes rustc instrument code for libFuzzer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
                     -Cdebug-assertions -Ccodegen-units=1 -Zsanitizer=address";

pub(crate) fn run(arguments: &[String]) -> Result<bool> {
    let mut arguments = arguments.iter();
    let mut seconds = SECONDS;
    let mut names: Vec<String> = Vec::new();
    if let Some(first) = arguments.next() {
        match first.parse() {
            Ok(number) => seconds = number,
            Err(_) => names.push(first.clone()),
        }
    }
    names.extend(arguments.cloned());
    if names.is_empty() {
        names = targets()?;
    }
    Ok(run_targets(&names, seconds)?.1 == 0)
}

/// Runs every target; how many ended well, and how many did not.
pub(crate) fn all(seconds: u32) -> Result<(u64, u64)> {
    run_targets(&targets()?, seconds)
}

/// The names of the files in `fuzz/targets`.
fn targets() -> Result<Vec<String>> {
    let directory = root().join("fuzz/targets");
    let entries = fs::read_dir(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn build() -> Result<PathBuf> {
    let directory = root().join("target/fuzz");
    let mut build = cargo();
    build.current_dir(root().join("fuzz"));
    build.args(["build", "--release", "--bins", "--target", TARGET]);
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &directory);
    crate::shell::run(&mut build)?;
    Ok(directory.join(TARGET).join("release"))
}

fn run_targets(names: &[String], seconds: u32) -> Result<(u64, u64)> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        eprintln!("fuzzing is done on x86-64 Linux only; passed over");
        return Ok((0, 0));
    }
    let programs = build()?;
    let (mut passed, mut failed) = (0, 0);
    for batch in names.chunks(AT_ONCE) {
        let mut running: Vec<(&String, Child, PathBuf)> = Vec::new();
        for name in batch {
            running.push(start(&programs, name, seconds)?);
        }
        for (name, mut child, log) in running {
            let status = child.wait().map_err(|error| format!("cannot wait for {name}: {error}"))?;
            if status.success() {
                passed += 1;
                println!("fuzz {name} ... ok ({seconds} s)");
            } else {
                failed += 1;
                let log = fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = log.lines().rev().take(40).collect();
                tail.iter().rev().for_each(|line| println!("{line}"));
                println!("fuzz {name} ... FAILED ({status}); the input is in fuzz/artifacts/{name}");
            }
        }
    }
    Ok((passed, failed))
}

fn start<'a>(
    programs: &std::path::Path,
    name: &'a String,
    seconds: u32,
) -> Result<(&'a String, Child, PathBuf)> {
    let fuzz = root().join("fuzz");
    // What is found is kept between runs; the seeds are what the repository holds.
    let (corpus, seeds) = (fuzz.join("corpus").join(name), fuzz.join("seeds").join(name));
    let artifacts = fuzz.join("artifacts").join(name);
    for directory in [&corpus, &artifacts] {
        fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let log = artifacts.join("log");
    let file = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut target = Command::new(programs.join(name));
    target.arg(&corpus).args(seeds.is_dir().then_some(&seeds));
    target.args([
        format!("-max_total_time={seconds}"),
        "-rss_limit_mb=2048".into(),
        "-timeout=10".into(),
        format!("-artifact_prefix={}/", artifacts.display()),
    ]);
    target.env("ASAN_OPTIONS", "detect_leaks=0").stdout(Stdio::null()).stderr(file);
    let child = target.spawn().map_err(|error| unstarted(&target, &error))?;
    Ok((name, child, log))
}
