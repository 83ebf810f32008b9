//! Putting a file on disk without waiting for as long as that takes: a process of its own does it, which goes on when
//! nobody waits any longer. A thread would be left behind in the program, with descriptors that the program may close.

use super::trail::{TrailError, Unsynced};
use mpr_helper::spawn::{self, MPR_HOST, Syncing};
use std::time::Instant;

/// Puts these on disk; `None` if that took longer than this.
pub(super) fn until(files: &[Unsynced], deadline: Instant) -> Option<Result<(), TrailError>> {
    let program = spawn::find(MPR_HOST);
    // All at once, so that the disk is waited for once.
    let started: Vec<_> = files
        .iter()
        .map(|file| {
            (file, program.as_ref().ok().and_then(|program| Syncing::start(program, file.file()).ok()))
        })
        .collect();
    for (file, syncing) in started {
        let synced = match syncing {
            Some(syncing) => syncing.wait(deadline)?.map_err(|error| file.failed(&error)),
            // Whoever has no helper has no plug-in outside the program either, whose deadline this could be about.
            None => file.sync(),
        };
        if synced.is_err() {
            return Some(synced);
        }
    }
    Some(Ok(()))
}
