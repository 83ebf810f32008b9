//! What a file looks like to programs.
//!
//! Ownership and permissions are this side's: everything belongs to one user and group and has one mode, without
//! permission to write where the server's read-only attribute is set. Changing the mode sets or clears that
//! attribute; changing the owner is accepted and has no effect.

use std::ffi::OsStr;
use std::ptr;
use std::sync::Arc;
use std::time::SystemTime;

use mpr_fuse::{Attr, Entry, Reply, SetAttr, Stamp};
use mpr_remotefs::{Access, Attributes, Changes, Errno, Kind, RemoteFs, Result};

use super::handles::Open;
use super::{Inner, gone, locked};

/// The longest name, in the units servers count: UTF-16.
pub(super) const MAX_NAME: usize = 255;

/// Whom everything belongs to, and who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Owner of everything.
    pub uid: u32,
    /// Group of everything.
    pub gid: u32,
    /// Permissions of files.
    pub file_mode: u32,
    /// Permissions of directories.
    pub dir_mode: u32,
}

impl Look {
    /// Everything belongs to this user and group; others may look.
    #[must_use]
    pub fn of(uid: u32, gid: u32) -> Look {
        Look { uid, gid, file_mode: 0o755, dir_mode: 0o755 }
    }

    /// With other permissions, where they are given.
    #[must_use]
    pub fn with_modes(self, file_mode: Option<u32>, dir_mode: Option<u32>) -> Look {
        let file_mode = file_mode.unwrap_or(self.file_mode);
        Look { file_mode, dir_mode: dir_mode.unwrap_or(self.dir_mode), ..self }
    }

    /// Type and permissions.
    pub(super) fn mode(&self, now: &Attributes) -> u32 {
        let writable = |mode: u32| if now.read_only { mode & 0o555 } else { mode & 0o777 };
        match now.kind {
            Kind::Directory => libc::S_IFDIR | writable(self.dir_mode),
            Kind::File => libc::S_IFREG | writable(self.file_mode),
            Kind::Symlink => libc::S_IFLNK | 0o777,
        }
    }
}

impl<R: RemoteFs> Inner<R> {
    /// What the kernel is told of a node.
    pub(super) fn attr(&self, node: u64, now: &Attributes) -> Attr {
        let ino = locked(&self.nodes).tell(node, now);
        self.attr_as(ino, now)
    }

    /// What is told of something with this number.
    pub(super) fn attr_as(&self, ino: u64, now: &Attributes) -> Attr {
        // Some servers round what a file takes up to a megabyte; nobody wants to see that in `du`.
        let taken = now.allocated.min(now.size.next_multiple_of(4096));
        Attr {
            ino,
            size: now.size,
            blocks: taken.div_ceil(512),
            accessed: now.accessed,
            modified: now.modified,
            changed: now.changed,
            mode: self.look.mode(now),
            // Of a directory 1: not counted.
            links: if now.kind == Kind::Directory { now.links.min(1) } else { now.links },
            uid: self.look.uid,
            gid: self.look.gid,
            block_size: 4096,
        }
    }

    pub(super) fn entry(&self, node: u64, now: &Attributes) -> Entry {
        let valid = self.lifetime();
        Entry { node, name_valid: valid, attr_valid: valid, attr: self.attr(node, now) }
    }

    /// Answers what a name stands for. If nobody hears of it, it was not said.
    pub(super) fn tell_entry(&self, found: Result<Entry>, reply: Reply) {
        match found {
            Ok(entry) => {
                if !reply.entry(&entry) {
                    locked(&self.nodes).forget(entry.node, 1);
                }
            }
            Err(error) => _ = reply.error(error.0),
        }
    }

    pub(super) fn tell_attr(&self, node: u64, now: Result<Attributes>, reply: Reply) {
        match now {
            Ok(now) => _ = reply.attr(&self.attr(node, &now), self.lifetime()),
            Err(error) => _ = reply.error(error.0),
        }
    }

    pub(super) async fn stat(&self, ino: u64, handle: Option<u64>) -> Result<Attributes> {
        let mut closed = Vec::new();
        while let Some(open) = self.handle(ino, handle, |open| is_new(&closed, open)) {
            match self.remote.stat_open(&open.file).await {
                // Another program's handle that we borrowed, and that was closed before we used it. A file without a
                // name can be asked about through the others only.
                Err(Errno::CLOSED) => closed.push(open),
                now => return now,
            }
        }
        if let Some(remains) = locked(&self.nodes).remains(ino) {
            return Ok(remains);
        }
        let now = self.remote.stat(&self.path(ino)?).await.map_err(gone)?;
        if locked(&self.nodes).is_same(ino, &now) { Ok(now) } else { Err(Errno::STALE) }
    }

    pub(super) async fn set_attr(&self, ino: u64, set: &SetAttr) -> Result<Attributes> {
        let moment = |stamp| match stamp {
            Stamp::At(time) => time,
            Stamp::Now => SystemTime::now(),
        };
        let changes = Changes {
            size: set.size,
            accessed: set.accessed.map(moment),
            modified: set.modified.map(moment),
            read_only: set.mode.map(|mode| mode & 0o222 == 0),
        };
        if changes == Changes::default() {
            return self.stat(ino, set.handle).await;
        }
        // Servers set the time of the last write when the handle that wrote is closed. The kernel tells of a close
        // only after the program has gone on; a time the program sets then is to be the last word.
        self.wait_until(|files| !files.is_closing(ino)).await;
        let mut closed = Vec::new();
        let suits = |closed: &[_], open: &Open<_>| open.access.write && is_new(closed, open);
        while let Some(open) = self.handle(ino, set.handle, |open| suits(&closed, open)) {
            match self.remote.change_open(&open.file, changes).await {
                Err(Errno::CLOSED) => closed.push(open),
                now => return now,
            }
            self.wait_until(|files| !files.is_closing(ino)).await;
        }
        self.remote.change(&self.path(ino)?, changes).await.map_err(gone)
    }
}

/// Whether this is none of those that were found closed.
fn is_new<F>(closed: &[Arc<Open<F>>], open: &Open<F>) -> bool {
    !closed.iter().any(|was| ptr::eq(&raw const **was, open))
}

/// A directory of which nothing is known.
pub(super) fn nothing_known() -> Attributes {
    let never = SystemTime::UNIX_EPOCH;
    Attributes {
        kind: Kind::Directory,
        size: 0,
        allocated: 0,
        accessed: never,
        modified: never,
        changed: never,
        created: never,
        id: 0,
        read_only: false,
        links: 1,
    }
}

/// A name the kernel gave us, as servers can have it.
pub(super) fn name_of(name: &OsStr) -> Result<&str> {
    let name = name.to_str().ok_or(Errno(libc::EILSEQ))?;
    // A name has no more units than bytes, and at least a third as many.
    if name.len() > MAX_NAME && (name.len() > 3 * MAX_NAME || name.encode_utf16().count() > MAX_NAME) {
        Err(Errno(libc::ENAMETOOLONG))
    } else {
        Ok(name)
    }
}

/// What a file is opened for.
pub(super) fn access_of(flags: i32) -> Access {
    match flags & libc::O_ACCMODE {
        libc::O_WRONLY => Access { read: false, write: true },
        libc::O_RDWR => Access { read: true, write: true },
        _ => Access { read: true, write: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn names_no_server_can_have_are_refused_before_they_are_sent() {
        assert_eq!(name_of(OsStr::from_bytes(b"\xff")), Err(Errno(libc::EILSEQ)));
        assert_eq!(name_of(OsStr::new(&"x".repeat(256))), Err(Errno(libc::ENAMETOOLONG)));
        // Counted in UTF-16: 128 of these are 256 units.
        assert_eq!(name_of(OsStr::new(&"\u{1F600}".repeat(128))), Err(Errno(libc::ENAMETOOLONG)));
        assert!(name_of(OsStr::new(&"\u{e4}".repeat(255))).is_ok());
        assert!(name_of(OsStr::new(&"\u{20ac}".repeat(255))).is_ok());
    }

    #[test]
    fn opening_for_writing_asks_for_no_right_to_read() {
        assert_eq!(access_of(libc::O_WRONLY | libc::O_APPEND), Access { read: false, write: true });
        assert_eq!(access_of(libc::O_RDWR), Access { read: true, write: true });
    }
}
