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

#![forbid(unsafe_code)]

use std::fmt;
use std::future::Future;
use std::time::SystemTime;

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
}

/// What is known of a file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// What it is.
    pub kind: Kind,
    /// Length in bytes; 0 for a directory.
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

    /// Up to `len` bytes from `offset`; fewer only at the end of the file.
    fn read(
        &self,
        file: &Self::File,
        offset: u64,
        len: usize,
    ) -> impl Future<Output = Result<Vec<u8>>> + Send;

    /// Writes all of `data` at `offset`.
    fn write(&self, file: &Self::File, offset: u64, data: Vec<u8>)
    -> impl Future<Output = Result<()>> + Send;

    /// Has the server put everything written on stable storage.
    fn flush(&self, file: &Self::File) -> impl Future<Output = Result<()>> + Send;

    /// Closes a file. Everything written before has reached the server already.
    fn close(&self, file: &Self::File) -> impl Future<Output = ()> + Send;

    /// Starts reading a directory.
    fn open_directory(&self, path: &str) -> impl Future<Output = Result<Self::Directory>> + Send;

    /// The next entries, without `.` and `..`; none means the end.
    fn next_entries(&self, directory: &Self::Directory) -> impl Future<Output = Result<Vec<Entry>>> + Send;

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
