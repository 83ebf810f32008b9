//! `mpr-host`: started by `mpr` and by `libmpr.so`, never by hand. Runs one notification library, one
//! network provider or one command outside the process that connects (`docs/isolation.md`).
//!
//! It is two processes. The *keeper* runs nothing of the library's: it waits for the caller to hang up, or for
//! the other process to end, and takes everything the library started along. The *worker* loads the library
//! and talks to the caller. Neither is a child of the caller, who has nobody to wait for.

extern crate mpr_capi as _;

mod answer;
mod command;
mod inbox;
mod keeper;
mod library;
mod provider;
mod sandbox;
mod sealed;
mod serve;
mod sync;

use mpr_helper::spawn::SYNC;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().skip(1).eq([SYNC]) {
        return sync::run();
    }
    // SAFETY: takes an integer.
    if std::env::args_os().len() > 1 || unsafe { libc::isatty(0) } == 1 {
        eprintln!(
            "mpr-host {} runs one plug-in for mpr and is started by it.\n\
             To see them, run: mpr notifyee list, or: mpr provider list",
            env!("CARGO_PKG_VERSION")
        );
        return ExitCode::from(2);
    }
    match keeper::split() {
        Ok(conversation) => match serve::converse(conversation) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(_) => ExitCode::FAILURE,
    }
}
