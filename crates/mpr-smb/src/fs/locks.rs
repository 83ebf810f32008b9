//! Locks on parts of files, held by the server against every other handle, here and elsewhere.
//!
//! A server does not only remember these locks, it keeps to them: what another handle reads or writes where an
//! exclusive one is held is refused. They end with their handle, so that those of a file that had to be opened
//! again are taken again, and the file is given up ([`Errno::STALE`]) if one cannot be had: somebody else may
//! have changed what it protected.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mpr_remotefs::{Errno, Lock, Result};
use smb2::msg::lock::{
    LockElement, LockRequest, LockResponse, SMB2_LOCKFLAG_EXCLUSIVE_LOCK, SMB2_LOCKFLAG_FAIL_IMMEDIATELY,
    SMB2_LOCKFLAG_SHARED_LOCK, SMB2_LOCKFLAG_UNLOCK,
};
use smb2::types::{Command, FileId};

use super::{SmbFile, SmbFs};
use crate::link::{Asked, Link, Trouble};

/// The most locks one handle holds.
const MOST: usize = 65536;

/// How often a lock is asked for again that was held before, and the pause before each time.
const PAUSES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// The locks one handle holds.
#[derive(Debug, Default)]
pub(super) struct Locks(Mutex<Vec<(Range<u64>, Lock)>>);

impl Locks {
    pub(super) fn is_empty(&self) -> bool {
        self.now().is_empty()
    }

    /// Takes all of them for a new handle on the same file. If one is refused, none counts as held any more.
    pub(super) async fn take_again(&self, link: &Link, id: FileId) -> Asked<()> {
        let held = self.now().clone();
        for (range, lock) in &held {
            let mut pauses = 0;
            loop {
                let taken: Asked<LockResponse> =
                    link.call(Command::Lock, &request(id, range, flags(*lock)), 0).await;
                match taken {
                    Ok(_) => break,
                    // A server may take a moment to give up what it holds for a connection that is gone.
                    Err(Trouble::Status(_)) if pauses < PAUSES => {
                        pauses += 1;
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(trouble) => {
                        if matches!(trouble, Trouble::Status(_)) {
                            self.now().clear();
                        }
                        return Err(trouble);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes one lock of this range from those held: a server counts shared ones that a handle has taken twice.
    fn forget(&self, range: &Range<u64>) {
        let mut locks = self.now();
        if let Some(at) = locks.iter().position(|(of, _)| of == range) {
            locks.swap_remove(at);
        }
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Vec<(Range<u64>, Lock)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SmbFs {
    pub(super) async fn take_lock(&self, file: &SmbFile, range: Range<u64>, lock: Lock) -> Result<()> {
        // The protocol locks no bytes, too, but with rules of its own that nobody here would expect.
        if range.is_empty() {
            return Err(Errno(libc::EINVAL));
        }
        if file.0.locks.now().len() >= MOST {
            return Err(Errno(libc::ENOLCK));
        }
        let held = self.handle(&file.0).await?;
        let asked = request(held.id, &range, flags(lock));
        let abandoned = Abandoned { link: &held.link, id: held.id, range: &range };
        let taken: Asked<LockResponse> = held.link.call(Command::Lock, &asked, 0).await;
        abandoned.answered();
        taken?;
        file.0.locks.now().push((range, lock));
        Ok(())
    }

    pub(super) async fn drop_lock(&self, file: &SmbFile, range: Range<u64>) -> Result<()> {
        let held = self.handle(&file.0).await?;
        // Whatever the server says, we count on it no longer.
        file.0.locks.forget(&range);
        let asked = request(held.id, &range, SMB2_LOCKFLAG_UNLOCK);
        let abandoned = Abandoned { link: &held.link, id: held.id, range: &range };
        let dropped: Asked<LockResponse> = held.link.call(Command::Lock, &asked, 0).await;
        abandoned.answered();
        dropped?;
        Ok(())
    }
}

/// A lock that nobody knows of whether the server has it, because whoever asked has gone meanwhile. It is given back
/// behind whatever was sent: if it was not had, nothing comes of that.
struct Abandoned<'a> {
    link: &'a Link,
    id: FileId,
    range: &'a Range<u64>,
}

impl Abandoned<'_> {
    /// There was an answer.
    fn answered(self) {
        std::mem::forget(self);
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        self.link.post(Command::Lock, request(self.id, self.range, SMB2_LOCKFLAG_UNLOCK));
    }
}

fn flags(lock: Lock) -> u32 {
    let kind = match lock {
        Lock::Shared => SMB2_LOCKFLAG_SHARED_LOCK,
        Lock::Exclusive => SMB2_LOCKFLAG_EXCLUSIVE_LOCK,
    };
    kind | SMB2_LOCKFLAG_FAIL_IMMEDIATELY
}

fn request(file_id: FileId, range: &Range<u64>, flags: u32) -> LockRequest {
    let length = range.end - range.start;
    // Numbers protect a request that is sent twice, over another channel or after a new connection. None is.
    LockRequest { lock_sequence: 0, file_id, locks: vec![LockElement { offset: range.start, length, flags }] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_asked_for_without_waiting_and_the_end_of_its_range_is_not_in_it() {
        let asked = request(FileId::SENTINEL, &(10..30), flags(Lock::Shared));
        assert_eq!(asked.locks, [LockElement { offset: 10, length: 20, flags: 0x11 }]);
        assert_eq!(flags(Lock::Exclusive), 0x12);
    }
}
