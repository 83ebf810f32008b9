//! The right to use a slot: one helper serves it at a time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use mpr_helper::record::{Records, Slot};
use mpr_remotefs::Reached;

use crate::place::internal;

/// How long a helper whose connection has ended may take to be gone.
const LEAVING: Duration = Duration::from_millis(300);
/// How long a killed helper may take to be gone.
const DYING: Duration = Duration::from_secs(2);

/// The right to use a slot, held by the helper that serves it for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still held while its file goes: whoever has it open already finds, once it gets the lock, that the
        // file is no longer there, and takes a new one.
        let _ = fs::remove_file(&self.path);
    }
}

impl Lock {
    /// Takes the lock; `None` if another helper holds it.
    pub(crate) fn take(records: &Records, slot: &Slot) -> Reached<Option<Lock>> {
        let path = records.directory().join(format!("{}.lock", slot.stem()));
        let wrong = |error: io::Error| internal("taking the lock of the connection", &error);
        let begun = Instant::now();
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path)
                .map_err(wrong)?;
            // SAFETY: takes a valid descriptor and integers.
            if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::WouldBlock {
                    return Err(wrong(error));
                }
                // A process that was killed still holds what it held until the last of its threads is gone.
                // One whose connection has ended takes its record away shortly before it lets go.
                let patience = match records.read(slot) {
                    Ok(Some(record)) if !record.helper.is_alive() => DYING,
                    Ok(None) => LEAVING,
                    _ => Duration::ZERO,
                };
                if begun.elapsed() >= patience {
                    return Ok(None);
                }
                thread::sleep(Duration::from_millis(5));
                continue;
            }
            // Its last holder removes it; then this is the lock of a file that is no longer there.
            let ours = file.metadata().map_err(wrong)?;
            match fs::symlink_metadata(&path) {
                Ok(now) if (now.dev(), now.ino()) == (ours.dev(), ours.ino()) => {
                    return Ok(Some(Lock { path, _file: file }));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_helper_holds_a_slot_until_it_ends() {
        let base = tempfile::tempdir().unwrap();
        let records = Records::of(base.path());
        records.ensure().unwrap();
        let slot = Slot::of_local("Z:").unwrap();
        let held = Lock::take(&records, &slot).unwrap().unwrap();
        assert!(Lock::take(&records, &slot).unwrap().is_none());
        drop(held);
        assert!(Lock::take(&records, &slot).unwrap().is_some());
    }
}
