//! The file of a store: who may have written it, and how it is replaced (DECISION R6).
//!
//! Nobody but the user may have written the file, or somebody else would choose which server the user's
//! credentials are sent to at the next restore. It is opened first and judged by its descriptor then.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{ffi::CString, thread};

use mpr_helper::dirs::{effective_uid, ensure_private, open_private};

use super::problem::StoreError;

/// Biggest file that is read or written, in bytes: some 25,000 entries. Parsing takes up to sixty times as
/// much memory where a file is made up of nothing but brackets, and that in the caller's process.
pub(super) const MAX_BYTES: u64 = 4 << 20;

/// How long a change waits for those of other processes. Each holds the lock for the time of two fsyncs, a few
/// milliseconds on a quiet disk, and nobody queues in order; who waits longer waits for a process that is
/// stopped or a disk that hangs, and its caller must not hang too.
const PATIENCE: Duration = Duration::from_secs(30);

/// Steps of an update, in their order. Tests interrupt it after each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Locked,
    Read,
    Created,
    HalfWritten,
    Written,
    Synced,
    Renamed,
    DirectorySynced,
}

/// Reads the file at `path`; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    // O_NONBLOCK: a FIFO put in place of the file must not hang whoever looks.
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(symbolic_link(path)),
        Err(error) => return Err(failed(path, "cannot be opened", &error)),
    };
    let read = |file: &mut File| {
        let meta = file.metadata()?;
        if let Some(refusal) = judge(path, &meta, effective_uid()) {
            return Ok(Err(refusal));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1);
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(Ok(bytes))
    };
    match read(&mut file) {
        Ok(Ok(bytes)) if bytes.len() as u64 > MAX_BYTES => Err(too_big(path)),
        Ok(Ok(bytes)) => Ok(Some(bytes)),
        Ok(Err(refusal)) => Err(refusal),
        Err(error) => Err(failed(path, "cannot be read", &error)),
    }
}

/// Why a file with `meta` is not one to read for the user `uid`, if it is not.
fn judge(path: &Path, meta: &Metadata, uid: u32) -> Option<StoreError> {
    if !meta.is_file() {
        let what = if meta.is_dir() { "is a directory, not a file" } else { "is not a regular file" };
        return Some(StoreError::cannot_open(path, what, "move it out of the way"));
    }
    if meta.uid() != uid {
        return Some(StoreError::cannot_open(
            path,
            format!("belongs to user {}, not to user {uid}, who is asking", meta.uid()),
            format!("look whether you want what is in it; if so, run: chown {uid} '{}'", path.display()),
        ));
    }
    if meta.mode() & 0o022 != 0 {
        return Some(StoreError::cannot_open(
            path,
            format!("can be written to by other users (mode {:04o})", meta.mode() & 0o7777),
            format!("look whether it is as you left it, then run: chmod go-w '{}'", path.display()),
        ));
    }
    (meta.len() > MAX_BYTES).then(|| too_big(path))
}

/// Whether [`lock`] and [`Locked::replace`] would probably succeed, found out without making anything.
pub(super) fn check_writable(path: &Path) -> Result<(), StoreError> {
    let directory = directory_of(path);
    match open_private(directory) {
        Ok(_) => {
            writable_directory(directory)?;
            let lock = lock_path(path);
            match open_lock(&lock, false) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot_lock(&lock, &error)),
                _ => Ok(()),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut ancestor = directory;
            while let Some(parent) = ancestor.parent() {
                ancestor = parent;
                match fs::metadata(ancestor) {
                    Ok(meta) if meta.is_dir() => return writable_directory(ancestor),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Ok(_) => return Err(no_directory(directory, "a part of its path is not a directory")),
                    Err(error) => return Err(no_directory(directory, error)),
                }
            }
            Err(no_directory(directory, "its path is not absolute"))
        }
        Err(error) => Err(no_directory(directory, error)),
    }
}

fn writable_directory(directory: &Path) -> Result<(), StoreError> {
    let name = CString::new(directory.as_os_str().as_bytes())
        .map_err(|_| no_directory(directory, "its name holds a NUL"))?;
    // The question is about the effective user, whose files are made; that of set-user-ID programs differs.
    // SAFETY: `name` is a string that ends in a zero byte and lives until after the call.
    let answer =
        unsafe { libc::faccessat(libc::AT_FDCWD, name.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS) };
    if answer == 0 {
        Ok(())
    } else {
        Err(failed(directory, "cannot be written to", &io::Error::last_os_error()))
    }
}

/// The right to replace a file. Others wait for it, or go on reading.
pub(super) struct Locked<'a> {
    path: &'a Path,
    directory: File,
    lock: File,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        // Closing would not do: a child that another thread has forked meanwhile has the descriptor too, and
        // would keep the lock for as long as it lives. There is nothing to be done about a failure.
        let _ = self.lock.unlock();
    }
}

/// Locks the file at `path` against changes, and makes its directory if need be.
pub(super) fn lock(path: &Path) -> Result<Locked<'_>, StoreError> {
    lock_within(path, PATIENCE)
}

pub(super) fn lock_within(path: &Path, patience: Duration) -> Result<Locked<'_>, StoreError> {
    let parent = directory_of(path);
    let directory = open_private(parent)
        .or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => ensure_private(parent).and_then(|()| open_private(parent)),
            _ => Err(error),
        })
        .map_err(|error| no_directory(parent, error))?;

    let name = lock_path(path);
    let started = Instant::now();
    // From 1 ms on: about the time a change takes. flock has no time limit of its own.
    let mut pause = Duration::from_millis(1);
    loop {
        let lock = open_lock(&name, true).map_err(|error| cannot_lock(&name, &error))?;
        match lock.try_lock() {
            Ok(()) if is_at(&lock, &name) => return Ok(Locked { path, directory, lock }),
            // Somebody removed the file between our opening and locking it: a lock nobody else will meet.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if started.elapsed() < patience => {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(16));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::cannot_open(
                    &name,
                    format!("another process has been changing the store for {} s", patience.as_secs()),
                    format!("find it with: fuser -v '{}'", name.display()),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(cannot_lock(&name, &error)),
        }
    }
}

fn open_lock(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(create)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// Whether `file` is the one found at `path` now.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |meta: Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(theirs)) => identity(ours) == identity(theirs),
        _ => false,
    }
}

impl Locked<'_> {
    /// Puts `bytes` in place of what the file held. Whatever happens on the way, the file is the old one or
    /// the new one.
    pub(super) fn replace(self, bytes: &[u8], reached: &mut dyn FnMut(Step)) -> Result<(), StoreError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(too_big(self.path));
        }
        // The lock makes one name enough, and so a crash leaves one file behind at most: the next change
        // clears it away.
        let new = beside(self.path, ".new");
        let replaced = self.write(&new, bytes, reached).and_then(|()| fs::rename(&new, self.path));
        if let Err(error) = replaced {
            let _ = fs::remove_file(&new);
            return Err(failed(self.path, "cannot be replaced, and stays as it was", &error));
        }
        reached(Step::Renamed);
        match self.directory.sync_all() {
            // Not every file system can do this for a directory; there, a rename lasts by itself or not at all.
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                return Err(failed(
                    self.path,
                    "was changed, but the change may not survive a power failure",
                    &error,
                ));
            }
            _ => {}
        }
        reached(Step::DirectorySynced);
        Ok(())
    }

    fn write(&self, new: &Path, bytes: &[u8], reached: &mut dyn FnMut(Step)) -> io::Result<()> {
        let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(new);
        let mut file = create().or_else(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => fs::remove_file(new).and_then(|()| create()),
            _ => Err(error),
        })?;
        // An unusual umask may have taken away what the owner needs.
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        reached(Step::Created);
        let (one, other) = bytes.split_at(bytes.len() / 2);
        file.write_all(one)?;
        reached(Step::HalfWritten);
        file.write_all(other)?;
        reached(Step::Written);
        file.sync_all()?;
        reached(Step::Synced);
        Ok(())
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().expect("a store's path ends in the name of its file, which has a parent")
}

fn lock_path(path: &Path) -> PathBuf {
    beside(path, ".lock")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(path: &Path, what: &str, error: &io::Error) -> StoreError {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk and try again",
        io::ErrorKind::FileTooLarge => "raise the limit on file sizes (ulimit -f) and try again",
        io::ErrorKind::ReadOnlyFilesystem => {
            "make that file system writable, or choose another directory with MPR_STATE_DIR"
        }
        io::ErrorKind::PermissionDenied => {
            "correct its owner and mode, or choose another directory with MPR_STATE_DIR"
        }
        io::ErrorKind::NotADirectory => "correct MPR_STATE_DIR or XDG_STATE_HOME: a part of it is a file",
        _ => "look after the disk it is on, or choose another directory with MPR_STATE_DIR",
    };
    StoreError::cannot_open(path, format!("{what}: {error}"), remedy)
}

fn no_directory(directory: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::cannot_open(
        directory,
        format!("cannot keep remembered connections: {why}"),
        "correct that, or choose another directory with MPR_STATE_DIR",
    )
}

fn cannot_lock(path: &Path, error: &io::Error) -> StoreError {
    failed(path, "cannot be locked", error)
}

fn symbolic_link(path: &Path) -> StoreError {
    StoreError::cannot_open(
        path,
        "is a symbolic link, which the next change would replace by a file",
        "put the file itself there, or set MPR_STATE_DIR to the directory the link leads to",
    )
}

fn too_big(path: &Path) -> StoreError {
    StoreError::cannot_open(
        path,
        format!("is, or would become, bigger than {} MiB", MAX_BYTES >> 20),
        "forget connections you no longer need, or move the file out of the way",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_somebody_else_is_refused_with_the_cure() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("connections.toml");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert!(judge(&path, &meta, meta.uid()).is_none());
        let refusal = judge(&path, &meta, meta.uid() + 1).unwrap().to_string();
        assert!(refusal.contains("belongs to user") && refusal.contains("chown"), "{refusal}");
    }

    #[test]
    fn whoever_waits_too_long_for_the_lock_is_told_how_to_find_its_holder() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("connections.toml");
        let held = lock(&path).unwrap();
        let refusal = lock_within(&path, Duration::ZERO).err().unwrap();
        assert_eq!(refusal.status(), mpr_abi::Status::CANNOT_OPEN_PROFILE);
        assert!(refusal.to_string().contains("fuser"), "{refusal}");
        drop(held);
        assert!(lock_within(&path, Duration::ZERO).is_ok());
    }

    #[test]
    fn a_lock_file_that_was_removed_and_made_anew_still_excludes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("connections.toml");
        let stale = open_lock(&lock_path(&path), true).unwrap();
        stale.try_lock().unwrap();
        fs::remove_file(lock_path(&path)).unwrap();
        assert!(!is_at(&stale, &lock_path(&path)));
        let _held = lock_within(&path, Duration::ZERO).unwrap();
        assert!(lock_within(&path, Duration::ZERO).is_err());
    }
}
