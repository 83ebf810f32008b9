//! `cargo xtask torture` and `cargo xtask bench-smb`, which build this and what it judges first.

use std::process::ExitCode;

use mpr_trials::stage::Stage;
use mpr_trials::torture::{TRIALS, Trial};
use mpr_trials::verdict::{Case, Form, Outcome};

const HELP: &str = "\
cargo xtask torture [--long] [NAME...]   let others' programs loose on mounted shares; --list names them
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.split_first() {
        Some((&"torture", rest)) => torture(rest),
        _ => wrong_usage(),
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
