//! The file of the trail: who may have written it, and how something is appended.
//!
//! Whoever appends holds a lock, which is also where it says how far the file was written and with which digest
//! (the *head*): so nobody need read what is there, and what is missing at the end shows. A file that is longer than
//! its head was written to by a process that came to its end before it wrote the head; one that is shorter had
//! something taken away, by somebody or by a machine that came to its end before the lines were on disk.
//!
//! The disk is waited for when the lock has been given back: a disk puts the lines of many on it in one go.

use super::chain::Digest;
use super::entry::{Entry, Event, Gap, linked};
use super::{lost, read, rotation};
use mpr_helper::dirs::{effective_uid, ensure_private, open_private};
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Name of the file that is appended to.
pub(super) const FILE: &str = "events.jsonl";
/// Name of the file with the head, which is locked.
const HEAD: &str = "events.head";
/// How long others are waited for. Each holds the lock for as long as it takes to write some lines; who waits longer
/// waits for a process that is stopped, or for a disk that hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a torn end is kept.
const TORN_KEPT: u64 = 1 << 20;

/// Why something could not be recorded.
#[derive(Debug, Clone)]
pub struct TrailError(Arc<str>);

impl TrailError {
    pub(super) fn new(path: &Path, what: &str, error: &dyn fmt::Display) -> Self {
        TrailError(format!("{} {what}: {error}", path.display()).into())
    }

    /// There is no file.
    pub(super) fn nowhere() -> Self {
        TrailError("there is no place for an audit trail; set MPR_STATE_DIR".into())
    }

    /// There was no time.
    pub(super) fn busy() -> Self {
        TrailError("others were writing to the audit trail for as long as there was time".into())
    }
}

impl fmt::Display for TrailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TrailError {}

/// The trail in a directory of its own.
#[derive(Debug)]
pub(super) struct Trail {
    directory: PathBuf,
    file: PathBuf,
    head: PathBuf,
    max_bytes: u64,
    keep: u32,
}

/// How far the trail was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The number of the last record; 0 if there is none.
    pub(super) last: u64,
    /// The digest of its line.
    pub(super) digest: Digest,
    /// How long the file is.
    pub(super) length: u64,
}

impl Head {
    const NONE: Head = Head { last: 0, digest: Digest::NONE, length: 0 };

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let head = Head {
            last: words.next()?.parse().ok()?,
            digest: Digest::parse(words.next()?)?,
            length: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(head)
    }
}

/// As it stands in its file: always as long, so that it is written over in one piece.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:020} {} {:020}", self.last, self.digest, self.length)
    }
}

/// What was written and is not known to be on disk.
#[derive(Debug)]
pub(super) struct Unsynced {
    file: File,
    path: PathBuf,
    /// Where the name of the file is new, and is to last, too.
    directory: Option<File>,
}

impl Unsynced {
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Waits until it is on disk.
    pub(super) fn sync(&self) -> Result<(), TrailError> {
        self.file.sync_data().map_err(|error| self.failed(&error))?;
        // Not every file system can do this for a directory.
        _ = self.directory.as_ref().map(File::sync_all);
        Ok(())
    }

    pub(super) fn failed(&self, error: &io::Error) -> TrailError {
        TrailError::new(&self.path, "cannot be put on disk", error)
    }

    /// Adds it to these, which need be put on disk but once each.
    pub(super) fn join(self, others: &mut Vec<Unsynced>) {
        match others.iter_mut().find(|other| is_same(&other.file, &self.file)) {
            Some(other) => other.directory = self.directory.or(other.directory.take()),
            None => others.push(self),
        }
    }
}

/// The right to append.
pub(super) struct Locked<'a> {
    trail: &'a Trail,
    /// The directory, open.
    directory: File,
    head: File,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Closing would not do: a child that another thread has forked meanwhile has the descriptor too. There is
        // nothing to be done about a failure.
        _ = self.head.unlock();
    }
}

impl Trail {
    pub(super) fn new(directory: PathBuf, max_bytes: u64, keep: u32) -> Self {
        let (file, head) = (directory.join(FILE), directory.join(HEAD));
        Trail { directory, file, head, max_bytes, keep }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Appends these records, waiting so long for others who do. Returns the number of the first, and what is to be
    /// put on disk.
    pub(super) fn append(
        &self,
        bodies: &[&str],
        lost: Option<&Path>,
        patience: Duration,
    ) -> Result<(u64, Unsynced), TrailError> {
        let locked = self.lock_within(patience)?;
        let (mut file, mut head, mut gaps) = locked.position()?;
        gaps.extend(lost.map(lost::take).unwrap_or_default());
        let gaps: Vec<String> = gaps.into_iter().map(|gap| Entry::now(Event::Gap(gap)).body()).collect();
        let first = head.last + gaps.len() as u64 + 1;
        let mut text = String::new();
        let before = head;
        for body in gaps.iter().map(|gap| &**gap).chain(bodies.iter().copied()) {
            let line = linked(body, head.last + 1, head.digest);
            head = Head { last: head.last + 1, digest: Digest::of(line.as_bytes()), length: 0 };
            text.push_str(&line);
            text.push('\n');
        }
        let mut length = before.length;
        if length > 0 && length + text.len() as u64 > self.max_bytes {
            file = locked.rotate(file, before)?;
            length = 0;
        }
        if let Err(error) = file.write_all(text.as_bytes()) {
            // Half a line would be taken for a crash.
            _ = file.set_len(length);
            return Err(TrailError::new(&self.file, "cannot be written to", &error));
        }
        locked.write_head(Head { length: length + text.len() as u64, ..head });
        if !gaps.is_empty() {
            lost.into_iter().for_each(lost::recorded);
        }
        let directory = if length == 0 { locked.directory.try_clone().ok() } else { None };
        Ok((first, Unsynced { file, path: self.file.clone(), directory }))
    }

    /// Waits until nobody else appends, and makes the directory if need be.
    pub(super) fn lock(&self) -> Result<Locked<'_>, TrailError> {
        self.lock_within(PATIENCE)
    }

    fn lock_within(&self, patience: Duration) -> Result<Locked<'_>, TrailError> {
        if !self.directory.is_absolute() {
            return Err(TrailError::nowhere());
        }
        let directory = open_private(&self.directory)
            .or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    ensure_private(&self.directory).and_then(|()| open_private(&self.directory))
                }
                _ => Err(error),
            })
            .map_err(|error| TrailError::new(&self.directory, "cannot be used", &error))?;
        let started = Instant::now();
        let mut pause = Duration::from_micros(50);
        loop {
            let head = open(&self.head, OpenOptions::new().read(true).write(true).create(true))?;
            match head.try_lock() {
                Ok(()) if is_at(&head, &self.head) => return Ok(Locked { trail: self, directory, head }),
                // Somebody removed the file between our opening and locking it: a lock nobody else will meet.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if started.elapsed() < patience => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(4));
                }
                Err(TryLockError::WouldBlock) => {
                    let since = format!("another process has been writing for {:?}", started.elapsed());
                    return Err(TrailError::new(&self.head, "cannot be locked", &since));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(TrailError::new(&self.head, "cannot be locked", &error));
                }
            }
        }
    }
}

impl Locked<'_> {
    /// What the head says; `None` if it says nothing.
    pub(super) fn read_head(&self) -> Option<Head> {
        let mut bytes = [0; 128];
        let length = self.head.read_at(&mut bytes, 0).ok()?;
        Head::parse(std::str::from_utf8(&bytes[..length]).ok()?)
    }

    fn write_head(&self, head: Head) {
        // One that is out of date is found to be so by whoever appends next.
        _ = self.head.write_all_at(head.to_string().as_bytes(), 0);
    }

    /// The file, where to go on in it, and what is missing before that.
    fn position(&self) -> Result<(File, Head, Vec<Gap>), TrailError> {
        let path = &self.trail.file;
        let file = open(path, OpenOptions::new().read(true).append(true).create(true))?;
        let meta = file.metadata().map_err(|error| TrailError::new(path, "cannot be examined", &error))?;
        match self.read_head() {
            Some(head) if head.length == meta.len() => Ok((file, head, Vec::new())),
            head => self.recover(file, meta.len(), head),
        }
    }

    /// Finds out where the trail ends when the head does not tell.
    fn recover(
        &self,
        mut file: File,
        length: u64,
        head: Option<Head>,
    ) -> Result<(File, Head, Vec<Gap>), TrailError> {
        let path = &self.trail.file;
        let failed = |error: io::Error| TrailError::new(path, "cannot be read", &error);
        let known = head.filter(|head| head.length <= length);
        let start = known.map_or(0, |head| head.length);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start)).and_then(|_| file.read_to_end(&mut bytes)).map_err(failed)?;
        let (lines, good) = read::scan(&bytes);
        let mut gaps = Vec::new();
        let mut end = match lines.last() {
            Some(line) => Head { last: line.number, digest: line.digest, length: 0 },
            None if start > 0 => known.unwrap_or(Head::NONE),
            None => rotation::last(&self.trail.directory).unwrap_or(Head::NONE),
        };
        end.length = start + good as u64;
        if let Some(head) = head.filter(|head| head.last > end.last) {
            gaps.push(Gap::Missing { from: end.last + 1, to: head.last });
            end = Head { length: end.length, ..head };
        }
        let torn = &bytes[good..];
        if !torn.is_empty() {
            gaps.push(Gap::Torn { bytes: torn.len() as u64, kept: self.put_aside(torn, end.last + 1) });
            file.set_len(end.length).map_err(failed)?;
        }
        Ok((file, end, gaps))
    }

    /// Keeps the piece of a line that was not written to its end.
    fn put_aside(&self, torn: &[u8], number: u64) -> Option<String> {
        let name = format!("events.torn-{number}");
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.trail.directory.join(&name))
            .ok()?;
        let kept = torn.len().min(usize::try_from(TORN_KEPT).unwrap_or(usize::MAX));
        file.write_all(&torn[..kept]).ok()?;
        Some(name)
    }

    /// Puts the file aside and begins another.
    fn rotate(&self, file: File, head: Head) -> Result<File, TrailError> {
        let Trail { directory, file: path, keep, .. } = self.trail;
        drop(file);
        let failed = |error: &dyn fmt::Display| TrailError::new(path, "cannot be put aside", error);
        rotation::put_aside(directory, path, *keep).map_err(|error| failed(&error))?;
        self.write_head(Head { length: 0, ..head });
        open(path, OpenOptions::new().read(true).append(true).create(true))
    }
}

/// Opens a file of the trail, which nobody but this user may have written.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<File, TrailError> {
    // O_NONBLOCK: a FIFO put in place of the file must not hang whoever writes.
    let file = options
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| TrailError::new(path, "cannot be opened", &error))?;
    let meta = file.metadata().map_err(|error| TrailError::new(path, "cannot be examined", &error))?;
    if !meta.is_file() {
        return Err(TrailError::new(path, "cannot be used", &"it is not a regular file"));
    }
    if meta.uid() != effective_uid() || meta.mode() & 0o022 != 0 {
        let what = format!("it is not one that only user {} can write to", effective_uid());
        return Err(TrailError::new(path, "cannot be used", &what));
    }
    Ok(file)
}

fn is_same(one: &File, other: &File) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// Whether `file` is the one found at `path` now.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}
