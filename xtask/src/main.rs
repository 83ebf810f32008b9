//! Chores of the people who work on mpr. `cargo xtask help` lists them.

mod demo;
#[cfg(test)]
mod documents;
mod fuzz;
mod install;
mod mounts;
mod sanitize;
mod setup;
mod shell;
mod test;
mod trials;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test [CARGO-TEST-ARGUMENT...]   install what the tests need, then run them all
cargo xtask setup                           only install what the tests need (as root; else say what is missing)
cargo xtask fuzz [SECONDS] [TARGET...]      run the fuzz targets, 60 seconds each unless said otherwise
cargo xtask sanitize                        run the tests of the C boundary under AddressSanitizer
cargo xtask torture [--long] [NAME...]      let others' programs loose on mounted shares; --list names them
cargo xtask bench-smb [--peers] [--quick] [--rounds N] [--write]
                                            measure mounted shares, beside peers; --write: into docs/benchmarks
cargo xtask install [--destdir DIRECTORY]   build, and put everything where programs look for it (as root)
cargo demo                                  connect, watch, list, use and cancel, with nothing set up
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let chore = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match &*chore {
        "test" => test::run(&rest),
        "setup" => setup::everything().map(|()| true),
        "fuzz" => fuzz::run(&rest),
        "sanitize" => sanitize::run().map(|summary| summary.is_good()),
        "torture" => trials::torture(&rest),
        "bench-smb" => trials::bench(&rest),
        "install" => install::install(&rest),
        "demo" => demo::run(),
        // Not for people: what `cargo test` runs test programs through where nothing can be mounted.
        "run-unless-it-mounts" => mounts::run_unless_it_mounts(&rest),
        "help" | "-h" | "--help" => {
            print!("{HELP}");
            Ok(true)
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
