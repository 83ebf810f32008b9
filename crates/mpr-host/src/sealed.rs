//! A program that must have certain contents, run from a copy that nobody can change.
//!
//! To read a script, find it in order and then run it by its path would run whatever is there by then, and an
//! interpreter opens it a third time. So what was read is put into a file in memory, sealed, and that is run: `$0` of
//! a script is then a name below `/proc/self/fd`.

use mpr::Pin;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Bigger programs are not copied for every notification.
const BIGGEST: u64 = 64 << 20;

/// A sealed copy, open for reading.
pub(crate) struct Sealed(File);

impl Sealed {
    /// Copies the program `path`, which must have these contents.
    pub(crate) fn copy(path: &str, wanted: Pin) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let mut bytes = Vec::new();
        file.take(BIGGEST + 1).read_to_end(&mut bytes)?;
        let found = Pin::of(&bytes);
        if bytes.len() as u64 > BIGGEST || found != wanted {
            let what = format!("its contents are not those it was registered with: its sha256 is {found}");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
        let mut copy = File::from(in_memory()?);
        copy.write_all(&bytes)?;
        let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
        // SAFETY: takes integers.
        if unsafe { libc::fcntl(copy.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // What is open for writing is not run.
        File::open(format!("/proc/self/fd/{}", copy.as_raw_fd())).map(Sealed)
    }

    /// The command that runs it. It must not outlive the copy.
    pub(crate) fn command(&self) -> Command {
        let descriptor = self.0.as_raw_fd();
        let mut command = Command::new(PathBuf::from(format!("/proc/self/fd/{descriptor}")));
        let keep_open = move || {
            // SAFETY: takes integers; async-signal-safe.
            match unsafe { libc::fcntl(descriptor, libc::F_SETFD, 0) } {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        };
        // An interpreter opens the script by the name of the descriptor, which must be there in its process.
        // SAFETY: between fork and exec one system call is made.
        unsafe { command.pre_exec(keep_open) };
        command
    }
}

fn in_memory() -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // Kernels before 6.3 do not know that it is to be run, and do not mind either.
    for flags in [flags | libc::MFD_EXEC, flags] {
        // SAFETY: the name is terminated; the descriptor gets its one owner.
        unsafe {
            match libc::memfd_create(c"program".as_ptr(), flags) {
                -1 if io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) => {}
                -1 => return Err(io::Error::last_os_error()),
                descriptor => return Ok(OwnedFd::from_raw_fd(descriptor)),
            }
        }
    }
    Err(io::ErrorKind::Unsupported.into())
}
