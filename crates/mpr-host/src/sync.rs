//! Puts the file that is standard input on disk, and says on standard output that it is.

use crate::keeper;
use std::fs::{self, File};
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;
use std::process::ExitCode;

/// Leaves the caller, who waits for this process and then for the answer, if not for long.
pub(crate) fn run() -> ExitCode {
    match keeper::fork() {
        Ok(None) => {}
        Ok(Some(_)) => return ExitCode::SUCCESS,
        Err(_) => return ExitCode::FAILURE,
    }
    // SAFETY: takes nothing. What ends the caller's terminal or group is not to end this.
    unsafe { libc::setsid() };
    let code = match sync() {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    };
    // Nobody may be waiting any more.
    _ = io::stdout().write_all(&i32::to_ne_bytes(code)).and_then(|()| io::stdout().flush());
    ExitCode::SUCCESS
}

fn sync() -> io::Result<()> {
    // SAFETY: standard input is open and stays so.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(0) });
    file.sync_data()?;
    // And its name; not every file system can do this for a directory.
    if let Some(directory) = fs::read_link("/proc/self/fd/0")?.parent() {
        _ = File::open(directory)?.sync_all();
    }
    Ok(())
}
