//! Records that could not be written are noted in the run-time directory, which is on another file system as a
//! rule, so that the next record that can be written is one of the gap.

use super::entry::{Gap, utc};
use mpr_helper::dirs;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

/// Name of the file, one line for each record that is missing: when, and which operation it was about.
pub(super) const NAME: &str = "audit.lost";
/// How much of it is read. Whoever has more to tell of has told enough.
const MOST: u64 = 1 << 20;
/// How many operations a record of a gap names.
const NAMED: usize = 100;

/// Notes one. If even that is impossible, there is nothing left to be done.
pub(super) fn add(file: &Path, operation: Option<&str>) {
    let Some(directory) = file.parent() else { return };
    if dirs::ensure_private(directory).is_err() {
        return;
    }
    let options = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(file);
    // Where nothing can ever be written, this must not grow for ever: after so many, more tell nothing new.
    if let Ok(mut file) = options
        && file.metadata().is_ok_and(|meta| meta.len() < MOST)
    {
        // One write: lines of several processes do not mix.
        _ = file.write_all(format!("{} {}\n", utc(SystemTime::now()), operation.unwrap_or("-")).as_bytes());
    }
}

/// Takes what was noted out of the way, under the lock of the trail; what is noted from now on is for the next.
pub(super) fn take(file: &Path) -> Option<Gap> {
    // Left by a process that ended before it had written the record of it.
    let taken = file.with_extension("lost-taken");
    if !taken.exists() && fs::rename(file, &taken).is_err() {
        return None;
    }
    let mut text = Vec::new();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&taken)
        .and_then(|file| file.take(MOST).read_to_end(&mut text))
        .ok()?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    Some(Gap::Unwritten {
        count: lines.clone().count() as u64,
        operations: lines
            .clone()
            .map(|(_, operation)| operation)
            .filter(|name| *name != "-")
            .take(NAMED)
            .map(str::to_owned)
            .collect(),
        since: lines.clone().next().map(|(time, _)| time.to_owned()),
    })
}

/// The gap has been recorded.
pub(super) fn recorded(file: &Path) {
    // Told twice is better than not at all.
    _ = fs::remove_file(file.with_extension("lost-taken"));
}
