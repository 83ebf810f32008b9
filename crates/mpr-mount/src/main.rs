//! `mpr-mount`: started by `mpr` and by `libmpr.so`, never by hand. See the library of the same name.

use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use mpr_mount::keeper::Keeper;
use mpr_mount::{conversation, process};

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 || process::is_terminal(0) {
        eprintln!(
            "mpr-mount {} serves one connection for mpr and is started by it.\nTo connect something, run: mpr connect //server/share Z:",
            env!("CARGO_PKG_VERSION")
        );
        return ExitCode::from(2);
    }
    if process::leave_the_caller().and_then(|()| process::harden()).is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(keeper) = Keeper::part() else { return ExitCode::FAILURE };
    if process::give_up_privileges().is_err() {
        return ExitCode::FAILURE;
    }
    process::tune_allocator();
    // Standard input is the conversation. Standard output is its other half and the same socket; it goes where
    // nothing is lost, so that no stray print can end up in it.
    // SAFETY: these are integers, and /dev/null exists or nothing changes; descriptor 0 is open, since
    // `is_terminal` and the fork left it alone, and it is given its one owner here.
    let stream = unsafe {
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let conversation = libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3);
        if null < 0 || conversation < 0 {
            return ExitCode::FAILURE;
        }
        for standard in 0..=2 {
            libc::dup2(null, standard);
        }
        libc::close(null);
        UnixStream::from(OwnedFd::from_raw_fd(conversation))
    };
    match conversation::converse(stream, keeper) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
