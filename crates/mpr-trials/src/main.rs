//! `cargo xtask torture` and `cargo xtask bench-smb`, which build this and what it judges first.

use std::process::ExitCode;

use mpr_trials::bench::{self, Options};
use mpr_trials::diary;
use mpr_trials::stage::Stage;
use mpr_trials::torture::{TRIALS, Trial};
use mpr_trials::verdict::{Case, Form, Outcome};

const HELP: &str = "\
cargo xtask torture [--long] [NAME...]   let others' programs loose on mounted shares; --list names them
cargo xtask bench-smb [--peers] [--quick] [--rounds N] [--write]
                                         measure mounted shares; --write: into docs/benchmarks
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.split_first() {
        Some((&"torture", rest)) => torture(rest),
        Some((&"bench-smb", rest)) => measure(rest),
        // Not for people: what is watched and timed, in processes of their own.
        Some((&"diary", [file])) => ended(diary::write(file.as_ref()).map_err(|error| error.to_string())),
        Some((&"work", rest)) => ended(bench::work(rest).map_err(|error| error.to_string())),
        _ => wrong_usage(),
    }
}

fn measure(words: &[&str]) -> ExitCode {
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--peers" => options.peers = true,
            "--quick" => options.quick = true,
            "--rounds" => options.rounds = words.next().and_then(|number| number.parse().ok()),
            "--write" => options.pages = Some("docs/benchmarks".into()),
            _ => return wrong_usage(),
        }
    }
    ended(bench::run(&options))
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn wrong_usage() -> ExitCode {
    eprint!("{HELP}");
    ExitCode::from(2)
}

fn torture(words: &[&str]) -> ExitCode {
    let mut form = Form::Short;
    let mut trials: Vec<&Trial> = Vec::new();
    for word in words {
        match (*word, Trial::named(word)) {
            ("--long", _) => form = Form::Long,
            ("--list", _) => {
                TRIALS.iter().for_each(|trial| println!("{:<12} {}", trial.name, trial.about));
                return ExitCode::SUCCESS;
            }
            (_, Some(trial)) => trials.push(trial),
            (name, None) => {
                eprintln!("there is no trial {name}; --list names them");
                return wrong_usage();
            }
        }
    }
    if trials.is_empty() {
        trials.extend(TRIALS);
    }
    let stage = Stage::shared();
    let cases: Vec<Case> = trials.iter().flat_map(|trial| trial.run(&stage, form)).collect();
    let count = |is: fn(&Outcome) -> bool| cases.iter().filter(|case| is(&case.outcome)).count();
    println!(
        "\n{} passed, {} failed, {} known failures, {} skipped",
        count(|outcome| matches!(outcome, Outcome::Passed)),
        cases.iter().filter(|case| !case.is_good()).count(),
        count(|outcome| matches!(outcome, Outcome::KnownToFail(_))),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
    );
    if cases.iter().all(Case::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
