//! Records that could not be written, or were not on disk when their callers had their results, are noted in the
//! run-time directory, which is on another file system as a rule, so that the next record that can be written is one
//! of the gap.

use super::entry::{Gap, utc};
use mpr_helper::dirs;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

/// Name of the file, one line for each record: when, which operation it was about, and what was the matter.
pub(super) const NAME: &str = "audit.lost";
/// How much of it is read. Whoever has more to tell of has told enough.
const MOST: u64 = 1 << 20;
/// How many operations a record of a gap names.
const NAMED: usize = 100;

/// What is the matter with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// It is not there.
    Unwritten,
    /// It was not on disk when its caller had the result.
    Late,
}

impl Note {
    fn word(self) -> &'static str {
        match self {
            Note::Unwritten => "unwritten",
            Note::Late => "late",
        }
    }
}

/// Notes one. If even that is impossible, there is nothing left to be done.
pub(super) fn add(file: &Path, operation: Option<&str>, note: Note) {
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
        let now = utc(SystemTime::now());
        _ = file.write_all(format!("{now} {} {}\n", operation.unwrap_or("-"), note.word()).as_bytes());
    }
}

/// Takes what was noted out of the way, under the lock of the trail; what is noted from now on is for the next.
pub(super) fn take(file: &Path) -> Vec<Gap> {
    // Left by a process that ended before it had written the record of it.
    let taken = file.with_extension("lost-taken");
    if !taken.exists() && fs::rename(file, &taken).is_err() {
        return Vec::new();
    }
    let mut text = Vec::new();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let read = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&taken)
        .and_then(|file| file.take(MOST).read_to_end(&mut text));
    if read.is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&text);
    [Note::Unwritten, Note::Late].into_iter().filter_map(|note| gap(&text, note)).collect()
}

/// The record of those with which this is the matter.
fn gap(text: &str, note: Note) -> Option<Gap> {
    let words = |line| <[&str; 3]>::try_from(str::split(line, ' ').collect::<Vec<_>>()).ok();
    let noted: Vec<[&str; 3]> =
        text.lines().filter_map(words).filter(|[_, _, word]| *word == note.word()).collect();
    let [since, ..] = noted.first()?;
    let (count, since) = (noted.len() as u64, Some((*since).to_owned()));
    let named = noted.iter().map(|[_, operation, _]| *operation).filter(|name| *name != "-");
    let operations = named.take(NAMED).map(str::to_owned).collect();
    Some(match note {
        Note::Unwritten => Gap::Unwritten { count, operations, since },
        Note::Late => Gap::Late { count, operations, since },
    })
}

/// The gap has been recorded.
pub(super) fn recorded(file: &Path) {
    // Told twice is better than not at all.
    _ = fs::remove_file(file.with_extension("lost-taken"));
}
