//! What the mounting helper asks of a network protocol.
//!
//! A protocol crate turns a server's share, export or collection into a [`RemoteFs`]; the helper `mpr-mount`
//! turns any `RemoteFs` into a mounted file system. The line between them: a `RemoteFs` knows names, handles
//! and the server's manners (reconnecting, deleting what is open); it knows no inode, no kernel and no cache
//! of the kernel's.
//!
//! * Paths are relative to what was connected, `/`-separated, empty for its root. They hold no `.` or `..`
//!   and no empty component; the helper sees to that.
//! * Every operation ends within a bounded time, whatever the server does.
//! * An operation whose effect is unknown after a lost connection fails; it is never sent a second time.
//! * A future may be dropped before it is ready. What it had sent may take effect all the same; what the server
//!   opened for it is closed.
//! * What a protocol or a server does not have is answered with [`Errno::UNSUPPORTED`], and nothing in its place.
//!
//! A `RemoteFs` may stand on another one and keep things for it: what may be kept, and for how long, is told by
//! [`RemoteFs::lease`], [`RemoteFs::lifetime`] and [`RemoteFs::next_event`].

#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mpr_helper::control::Health;
use mpr_helper::protocol::{Failure, Share};

/// Why an operation failed, as the kernel says it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// There is no such file or directory.
    pub const NOT_FOUND: Errno = Errno(libc::ENOENT);
    /// It exists already.
    pub const EXISTS: Errno = Errno(libc::EEXIST);
    /// The connection was lost; what was under way may or may not have happened.
    pub const LOST: Errno = Errno(libc::EIO);
    /// The server did not answer in time.
    pub const TIMED_OUT: Errno = Errno(libc::ETIMEDOUT);
    /// The handle was closed meanwhile.
    pub const CLOSED: Errno = Errno(libc::EBADF);
    /// The file is not the one that was opened.
    pub const STALE: Errno = Errno(libc::ESTALE);
    /// The protocol or the server does not have it.
    pub const UNSUPPORTED: Errno = Errno(libc::EOPNOTSUPP);
    /// Somebody else has a lock there.
    pub const LOCKED: Errno = Errno(libc::EAGAIN);
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {})", self.0, std::io::Error::from_raw_os_error(self.0))
    }
}

/// Outcome of an operation on files.
pub type Result<T> = std::result::Result<T, Errno>;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

/// What is known of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub kind: Kind,
    /// Length in bytes; 0 for a directory; that of its target for a symbolic link, or 0 if it is not known.
    pub size: u64,
    /// Bytes it takes up at the server.
    pub allocated: u64,
    /// Last read.
    pub accessed: SystemTime,
    /// Last change of the contents.
    pub modified: SystemTime,
    /// Last change of contents or attributes.
    pub changed: SystemTime,
    /// Creation.
    pub created: SystemTime,
    /// The server's number for it, the same under every name and after a new connection; 0 if it has none.
    pub id: u64,
    /// Whether its owner has forbidden writing.
    pub read_only: bool,
    /// How many names it has, if that is known; 1 else.
    pub links: u32,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: never `.`, `..`, empty, or with a slash or zero in it.
    pub name: String,
    /// What is known of it.
    pub attributes: Attributes,
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Reading.
    pub read: bool,
    /// Writing.
    pub write: bool,
}

/// How a file is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Creation {
    /// What it is opened for.
    pub access: Access,
    /// Fail if it exists.
    pub exclusive: bool,
    /// Empty it if it exists.
    pub truncate: bool,
    /// Forbid writing once this handle is closed.
    pub read_only: bool,
}

/// Attributes to set; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Length in bytes.
    pub size: Option<u64>,
    /// Last read.
    pub accessed: Option<SystemTime>,
    /// Last change of the contents.
    pub modified: Option<SystemTime>,
    /// Whether writing is forbidden.
    pub read_only: Option<bool>,
}

/// What may be kept of an open file without asking the server again, until it is recalled.
///
/// Without any, what others write is seen by the next request, and what is written here must not be kept back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lease {
    /// Contents and attributes that were read: nobody else writes meanwhile.
    pub read: bool,
    /// Contents that were written, and the length and times that follow from them: nobody else looks meanwhile.
    pub write: bool,
    /// The handle, after the program has closed the file: nobody else wants to have it to themselves.
    pub handle: bool,
}

/// A lease that is taken back. Dropping it tells the server that nothing is kept any more beyond `keep`.
pub struct Recall {
    /// The file's number, as in [`Attributes::id`].
    pub id: u64,
    /// What may still be kept afterwards.
    pub keep: Lease,
    /// Called when this is dropped.
    pub done: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for Recall {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done();
        }
    }
}

impl fmt::Debug for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recall").field("id", &self.id).field("keep", &self.keep).finish_non_exhaustive()
    }
}

/// What happened without having been asked for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The server takes a lease back. What was written and kept back has to reach it before this is dropped.
    Recalled(Recall),
    /// Somebody else changed what this name stands for: its contents or attributes.
    Changed {
        /// The name, as everywhere.
        path: String,
    },
    /// Somebody else gave or took this name: the directory it is in lists something else now.
    Renamed {
        /// The name, as everywhere.
        path: String,
    },
    /// Changes may have been missed: nothing that was kept without a lease may be believed.
    Missed,
}

/// Whether a lock excludes all others, or only those that exclude.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Only exclusive ones are kept out.
    Shared,
    /// All others are kept out.
    Exclusive,
}

/// What is searched for in a file with holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// What was written.
    Data,
    /// What was not, the end of the file included.
    Hole,
}

/// What is done about the room of a part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// Set aside, and the file is made longer if need be.
    Extend,
    /// Set aside, and the length stays.
    Keep,
    /// Given back: it reads as zeros. The length stays.
    Punch,
    /// Made to read as zeros, and the file is made longer if need be.
    Zero,
}

/// Whether an extended attribute may or must exist when it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetMode {
    /// Either.
    Any,
    /// It must not.
    Create,
    /// It must.
    Replace,
}

/// Room on the server, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All there is.
    pub total: u64,
    /// What is unused.
    pub free: u64,
    /// What this user may still use.
    pub available: u64,
    /// The unit in which it is given out.
    pub block: u32,
}

/// A connected share, export or collection.
pub trait RemoteFs: fmt::Debug + Send + Sync + 'static {
    /// An open file.
    type File: fmt::Debug + Send + Sync + 'static;
    /// A directory being read.
    type Directory: fmt::Debug + Send + Sync + 'static;

    /// What is known of `path`.
    fn stat(&self, path: &str) -> impl Future<Output = Result<Attributes>> + Send;

    /// What is known of an open file, whatever has become of its name.
    fn stat_open(&self, file: &Self::File) -> impl Future<Output = Result<Attributes>> + Send;

    /// Sets attributes of `path` and says what they are now.
    fn change(&self, path: &str, changes: Changes) -> impl Future<Output = Result<Attributes>> + Send;

    /// Sets attributes of an open file and says what they are now.
    fn change_open(
        &self,
        file: &Self::File,
        changes: Changes,
    ) -> impl Future<Output = Result<Attributes>> + Send;

    /// Opens a file that exists.
    fn open(
        &self,
        path: &str,
        access: Access,
    ) -> impl Future<Output = Result<(Self::File, Attributes)>> + Send;

    /// Creates a file, or opens it if it exists and `creation` allows that.
    fn create(
        &self,
        path: &str,
        creation: Creation,
    ) -> impl Future<Output = Result<(Self::File, Attributes)>> + Send;

    /// What the directory is in which `path` is being made, if that is worth a question. Asked right behind what makes it,
    /// it is answered after that.
    fn made_in(&self, path: &str) -> impl Future<Output = Option<Attributes>> + Send {
        let _ = path;
        async { None }
    }

    /// Up to `len` bytes from `offset`; fewer only at the end of the file.
    fn read(&self, file: &Self::File, offset: u64, len: usize) -> impl Future<Output = Result<Bytes>> + Send;

    /// The same in the pieces in which it lies, for whoever can pass it on so.
    fn read_pieces(
        &self,
        file: &Self::File,
        offset: u64,
        len: usize,
    ) -> impl Future<Output = Result<Vec<Bytes>>> + Send {
        async move { Ok(vec![self.read(file, offset, len).await?]) }
    }

    /// Writes all of `data` at `offset`.
    fn write(&self, file: &Self::File, offset: u64, data: Bytes) -> impl Future<Output = Result<()>> + Send;

    /// Passes on what was written to this file and kept back. Says what has become of everything written since
    /// it was last asked.
    fn settle(&self, file: &Self::File) -> impl Future<Output = Result<()>> + Send {
        let _ = file;
        async { Ok(()) }
    }

    /// Has the server put everything written on stable storage.
    fn flush(&self, file: &Self::File) -> impl Future<Output = Result<()>> + Send;

    /// Closes a file. Everything written before has reached the server already.
    fn close(&self, file: &Self::File) -> impl Future<Output = ()> + Send;

    /// Starts reading a directory.
    fn open_directory(&self, path: &str) -> impl Future<Output = Result<Self::Directory>> + Send;

    /// The same for somebody who may never come to it: nothing is done for that which others would notice.
    fn look_into_directory(&self, path: &str) -> impl Future<Output = Result<Self::Directory>> + Send {
        self.open_directory(path)
    }

    /// The next entries, without `.` and `..`; none means the end.
    fn next_entries(&self, directory: &Self::Directory) -> impl Future<Output = Result<Vec<Entry>>> + Send;

    /// Whether nothing has been done here since a directory was read that makes this entry of it false.
    fn is_still(&self, directory: &Self::Directory, entry: &Entry) -> bool {
        let _ = (directory, entry);
        true
    }

    /// Ends reading a directory.
    fn close_directory(&self, directory: &Self::Directory) -> impl Future<Output = ()> + Send;

    /// Makes a directory.
    fn make_directory(&self, path: &str) -> impl Future<Output = Result<Attributes>> + Send;

    /// Removes an empty directory.
    fn remove_directory(&self, path: &str) -> impl Future<Output = Result<()>> + Send;

    /// Removes a file. `open_here` says that this mount has it open: its name must be free afterwards all the
    /// same, and the open handles must go on working.
    fn remove_file(&self, path: &str, open_here: bool) -> impl Future<Output = Result<()>> + Send;

    /// Gives `from` the name `to`. With `replace`, a file or an empty directory of that name makes way.
    fn rename(&self, from: &str, to: &str, replace: bool) -> impl Future<Output = Result<()>> + Send;

    /// Reads a symbolic link: its target, as `/`-separated path.
    fn read_link(&self, path: &str) -> impl Future<Output = Result<String>> + Send {
        let _ = path;
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Makes a symbolic link to `target`.
    fn make_symlink(&self, path: &str, target: &str) -> impl Future<Output = Result<Attributes>> + Send {
        let _ = (path, target);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Gives the file `path` another name beside the one it has.
    fn link(&self, path: &str, also: &str) -> impl Future<Output = Result<Attributes>> + Send {
        let _ = (path, also);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Names of extended attributes.
    fn xattrs(&self, path: &str) -> impl Future<Output = Result<Vec<String>>> + Send {
        let _ = path;
        async { Err(Errno::UNSUPPORTED) }
    }

    /// An extended attribute; `ENODATA` if there is none of that name.
    fn xattr(&self, path: &str, name: &str) -> impl Future<Output = Result<Bytes>> + Send {
        let _ = (path, name);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Sets an extended attribute.
    fn set_xattr(
        &self,
        path: &str,
        name: &str,
        value: Bytes,
        mode: SetMode,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (path, name, value, mode);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Removes an extended attribute; `ENODATA` if there is none of that name.
    fn remove_xattr(&self, path: &str, name: &str) -> impl Future<Output = Result<()>> + Send {
        let _ = (path, name);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Locks a part of a file against other handles, here and elsewhere; [`Errno::LOCKED`] at once if that cannot
    /// be. Ranges of one handle do not overlap: the caller sees to that.
    fn lock(
        &self,
        file: &Self::File,
        range: Range<u64>,
        lock: Lock,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (file, range, lock);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Unlocks a part of a file: exactly one that was locked.
    fn unlock(&self, file: &Self::File, range: Range<u64>) -> impl Future<Output = Result<()>> + Send {
        let _ = (file, range);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Sets room aside, or gives it back.
    fn allocate(
        &self,
        file: &Self::File,
        range: Range<u64>,
        allocation: Allocation,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (file, range, allocation);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Where, from `offset` on, data or a hole begins; `ENXIO` behind the end or, for data, the last of it.
    fn seek(&self, file: &Self::File, offset: u64, seek: Seek) -> impl Future<Output = Result<u64>> + Send {
        let _ = (file, offset, seek);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// Has the server copy up to `len` bytes from one open file into another. Says how many it copied; fewer only
    /// at the end of the source.
    fn copy(
        &self,
        from: &Self::File,
        offset: u64,
        to: &Self::File,
        to_offset: u64,
        len: u64,
    ) -> impl Future<Output = Result<u64>> + Send {
        let _ = (from, offset, to, to_offset, len);
        async { Err(Errno::UNSUPPORTED) }
    }

    /// What may be kept of an open file now. Changes by itself: see [`Event::Recalled`].
    fn lease(&self, file: &Self::File) -> Lease {
        let _ = file;
        Lease::default()
    }

    /// How long may be believed what was said of names and attributes, where no lease says more. It is longer
    /// while changes by others are told as events.
    fn lifetime(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// What happened next without having been asked for. Called by one task, again and again; until the first
    /// call, no lease is given.
    fn next_event(&self) -> impl Future<Output = Event> + Send {
        std::future::pending()
    }

    /// Room on the server.
    fn space(&self) -> impl Future<Output = Result<Space>> + Send;

    /// How the connection is doing, without asking the server. `open_files` is filled in by the caller.
    fn health(&self) -> Health;

    /// Says goodbye to the server, if that can be done quickly.
    fn shut_down(&self) -> impl Future<Output = ()> + Send;
}

/// A server that can say what else it offers.
pub trait Browse {
    /// Its shares, as the user of this connection sees them.
    fn shares(&self) -> impl Future<Output = Reached<Vec<Share>>> + Send;
}

/// Outcome of connecting or browsing: a status and a sentence for people.
pub type Reached<T> = std::result::Result<T, Failure>;
