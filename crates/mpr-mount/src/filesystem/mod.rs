//! Any [`RemoteFs`] as a FUSE file system.
//!
//! The kernel's requests arrive on the threads of the FUSE session; each is begun there and, if it has to wait,
//! goes on as a task of its own, so that a slow answer of the server delays only whoever waits for it. Nothing is
//! kept back here: what a program has written when `write` returns, the remote file system has. The kernel may
//! keep attributes and names for as long as [`RemoteFs::lifetime`] says.
//!
//! A request whose asker was killed goes on, too. What it brings and nobody takes any more, an open file, a lock,
//! is given back.
//!
//! * `attributes` — what a file looks like to programs: owner, mode, times;
//! * `handles` — files that are open; `contents` — reading, writing, room;
//! * `names` — making, finding, removing, renaming; `absent` — names in another case; `listing` — reading directories;
//! * `xattrs` — extended attributes; `locking` — locks, over the table in [`crate::locks`];
//! * `events` — what others do, told to the kernel.

mod absent;
mod attributes;
mod contents;
mod events;
mod handles;
mod listing;
mod locking;
mod names;
mod xattrs;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mpr_fuse::{Filesystem, Header, Notifier, Operation, Reply, Tasks, Write};
use mpr_remotefs::{Errno, RemoteFs, Result};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::nodes::Nodes;

use absent::Absent;
pub use attributes::Look;
use attributes::name_of;
use handles::Files;
use listing::Reading;
use locking::Locks;

/// A mounted file system.
#[derive(Debug)]
pub struct Mounted<R: RemoteFs>(Arc<Inner<R>>);

impl<R: RemoteFs> Clone for Mounted<R> {
    fn clone(&self) -> Self {
        Mounted(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Inner<R: RemoteFs> {
    remote: R,
    runtime: Handle,
    tasks: Tasks,
    look: Look,
    nodes: Mutex<Nodes>,
    absent: Mutex<Absent>,
    files: Mutex<Files<R::File>>,
    directories: Mutex<HashMap<u64, Arc<Reading<R>>>>,
    locks: Locks<R::File>,
    notifier: OnceLock<Notifier>,
    next_handle: AtomicU64,
    closed: Notify,
}

impl<R: RemoteFs> Mounted<R> {
    /// A file system over `remote` that looks like this, working in `runtime`.
    pub fn new(remote: R, runtime: Handle, look: Look) -> Self {
        Mounted(Arc::new(Inner {
            remote,
            tasks: Tasks::new(&runtime),
            runtime,
            look,
            nodes: Mutex::default(),
            absent: Mutex::default(),
            files: Mutex::default(),
            directories: Mutex::default(),
            locks: Locks::default(),
            notifier: OnceLock::new(),
            next_handle: AtomicU64::new(1),
            closed: Notify::new(),
        }))
    }

    /// What is mounted.
    #[must_use]
    pub fn remote(&self) -> &R {
        &self.0.remote
    }

    /// How many files are open.
    #[must_use]
    pub fn open_files(&self) -> u64 {
        locked(&self.0.files).len()
    }

    /// Begins to answer a request.
    fn start<F: Future<Output = ()> + Send + 'static>(&self, answer: impl FnOnce(Arc<Inner<R>>) -> F) {
        self.0.tasks.start(answer(Arc::clone(&self.0)));
    }
}

impl<R: RemoteFs> Inner<R> {
    fn path(&self, ino: u64) -> Result<String> {
        locked(&self.nodes).path(ino).ok_or(Errno::STALE)
    }

    fn path_of(&self, parent: u64, name: &str) -> Result<String> {
        let nodes = locked(&self.nodes);
        // In a directory that was removed there is nothing, and nothing can be made.
        let why = if nodes.is_removed(parent) { Errno::NOT_FOUND } else { Errno::STALE };
        nodes.path_of(parent, name).ok_or(why)
    }

    fn new_handle(&self) -> u64 {
        self.next_handle.fetch_add(1, Ordering::Relaxed)
    }

    /// How long the kernel may believe what it is told.
    fn lifetime(&self) -> Duration {
        // A day is as good as for ever, and no clock overflows.
        self.remote.lifetime().min(Duration::from_secs(86_400))
    }
}

/// Unwraps a name or answers the request with the error.
macro_rules! name_or_reply {
    ($name:expr, $reply:expr) => {
        match name_of($name) {
            Ok(name) => name.to_owned(),
            Err(error) => return say($reply, Err::<(), _>(error)),
        }
    };
}

impl<R: RemoteFs> Filesystem for Mounted<R> {
    fn answer(&self, header: &Header, operation: Operation<'_>, reply: Reply) {
        let node = header.node;
        match operation {
            Operation::Lookup { name } => {
                let name = name_or_reply!(name, reply);
                self.start(|fs| async move { fs.answer_lookup(node, &name, reply).await });
            }
            Operation::GetAttr { handle } => self.start(|fs| async move {
                let now = fs.stat(node, handle).await;
                fs.tell_attr(node, now, reply);
            }),
            Operation::SetAttr(set) => self.start(|fs| async move {
                let now = fs.set_attr(node, &set).await;
                fs.tell_attr(node, now, reply);
            }),
            Operation::ReadLink => self.start(|fs| async move {
                match fs.read_link(node).await {
                    Ok(target) => _ = reply.data(target.as_bytes()),
                    Err(error) => _ = reply.error(error.0),
                }
            }),
            Operation::Symlink { name, target } => {
                let name = name_or_reply!(name, reply);
                let Some(target) = target.to_str().map(str::to_owned) else {
                    return say(reply, Err(Errno(libc::EILSEQ)));
                };
                self.start(|fs| async move {
                    let made = fs.make_symlink(node, &name, &target).await;
                    fs.tell_entry(made, reply);
                });
            }
            Operation::MakeNode { name, mode } => {
                if !matches!(mode & libc::S_IFMT, 0 | libc::S_IFREG) {
                    return say(reply, Err(Errno(libc::EPERM)));
                }
                let name = name_or_reply!(name, reply);
                self.start(|fs| async move {
                    let made = fs.make_file(node, &name, mode).await;
                    fs.tell_entry(made, reply);
                });
            }
            Operation::MakeDirectory { name, .. } => {
                let name = name_or_reply!(name, reply);
                self.start(|fs| async move {
                    let made = fs.make_directory(node, &name).await;
                    fs.tell_entry(made, reply);
                });
            }
            Operation::Unlink { name } => {
                let name = name_or_reply!(name, reply);
                self.start(|fs| async move { say(reply, fs.unlink(node, &name).await) });
            }
            Operation::RemoveDirectory { name } => {
                let name = name_or_reply!(name, reply);
                self.start(|fs| async move { say(reply, fs.rmdir(node, &name).await) });
            }
            Operation::Rename { name, new_parent, new_name, flags } => {
                // Exchanging two names is nothing servers do.
                if flags & !libc::RENAME_NOREPLACE != 0 {
                    return say(reply, Err(Errno(libc::EINVAL)));
                }
                let name = name_or_reply!(name, reply);
                let new_name = name_or_reply!(new_name, reply);
                let replace = flags == 0;
                self.start(|fs| async move {
                    say(reply, fs.rename(node, &name, new_parent, &new_name, replace).await);
                });
            }
            Operation::Link { node: file, name } => {
                let name = name_or_reply!(name, reply);
                self.start(|fs| async move {
                    let made = fs.link(file, node, &name).await;
                    fs.tell_entry(made, reply);
                });
            }
            Operation::Open { flags } => {
                self.start(|fs| async move { fs.answer_open(node, flags, reply).await })
            }
            Operation::Create { name, mode, flags } => {
                let name = name_or_reply!(name, reply);
                self.start(|fs| async move { fs.answer_create(node, &name, mode, flags, reply).await });
            }
            Operation::Read { handle, offset, size } => self.start(|fs| async move {
                match fs.read(node, handle, offset, size as usize).await {
                    Ok(pieces) => _ = reply.pieces(&pieces),
                    Err(error) => _ = reply.error(error.0),
                }
            }),
            Operation::Flush { handle, owner } => {
                self.start(|fs| async move { fs.answer_flush(node, handle, owner, reply).await });
            }
            Operation::Release { handle, .. } => {
                // The table changes before this request is done with, so that what comes next finds the file
                // closed.
                let open = self.0.let_go(handle);
                self.start(|fs| async move {
                    fs.unlock_handle(node, handle).await;
                    if let Some(open) = open {
                        fs.close(&open).await;
                    }
                    reply.done();
                });
            }
            Operation::Sync { handle, .. } => {
                self.start(|fs| async move { say(reply, fs.sync(node, handle).await) });
            }
            Operation::Allocate { handle, offset, len, mode } => self.start(|fs| async move {
                say(reply, fs.allocate(node, handle, offset, len, mode).await);
            }),
            Operation::Seek { handle, offset, whence } => self.start(|fs| async move {
                match fs.seek(node, handle, offset, whence).await {
                    Ok(place) => _ = reply.place(place),
                    Err(error) => _ = reply.error(error.0),
                }
            }),
            Operation::CopyRange { handle, offset, to_node, to_handle, to_offset, len } => {
                self.start(|fs| async move {
                    match fs.copy((node, handle, offset), (to_node, to_handle, to_offset), len).await {
                        Ok(copied) => _ = reply.written(copied),
                        Err(error) => _ = reply.error(error.0),
                    }
                });
            }
            Operation::OpenDirectory => {
                self.start(|fs| async move { fs.answer_open_directory(node, reply).await });
            }
            Operation::ReadDirectory { handle, offset, size, plus } => {
                self.start(
                    |fs| async move { fs.answer_read_directory(handle, offset, size, plus, reply).await },
                );
            }
            Operation::ReleaseDirectory { handle } => {
                let reading = self.0.let_go_directory(handle);
                self.start(|fs| async move {
                    if let Some(reading) = reading {
                        fs.close_directory(&reading).await;
                    }
                    reply.done();
                });
            }
            // A server has made a name when it says so.
            Operation::SyncDirectory { .. } => _ = reply.done(),
            Operation::StatFs => self.start(|fs| async move { fs.answer_room(reply).await }),
            Operation::SetXattr { name, value, flags } => {
                let value = Bytes::copy_from_slice(value);
                self.with_xattr(name, reply, move |fs, name, reply| async move {
                    say(reply, fs.set_xattr(node, &name, value, flags).await);
                });
            }
            Operation::GetXattr { name, size } => {
                self.with_xattr(name, reply, move |fs, name, reply| async move {
                    xattrs::sized(reply, size, fs.xattr(node, &name).await);
                });
            }
            Operation::ListXattr { size } => self.start(|fs| async move {
                xattrs::sized(reply, size, fs.xattrs(node).await);
            }),
            Operation::RemoveXattr { name } => {
                self.with_xattr(name, reply, move |fs, name, reply| async move {
                    say(reply, fs.remove_xattr(node, &name).await);
                });
            }
            Operation::GetLock(request) => {
                self.start(|fs| async move { fs.answer_get_lock(node, request, reply).await });
            }
            Operation::SetLock { request, wait } => {
                self.start(|fs| async move { fs.answer_set_lock(node, request, wait, reply).await });
            }
            // The kernel checks permissions itself; told that there is nobody to ask, it asks no more.
            Operation::Access { .. } => _ = reply.error(libc::ENOSYS),
            Operation::Ioctl => _ = reply.error(libc::ENOTTY),
            _ => _ = reply.error(libc::ENOSYS),
        }
    }

    fn write(&self, header: &Header, write: Write, data: Bytes, reply: Reply) {
        let node = header.node;
        self.start(|fs| async move {
            let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
            match fs.write(node, write, data).await {
                Ok(()) => _ = reply.written(len),
                Err(error) => _ = reply.error(error.0),
            }
        });
    }

    fn forget(&self, node: u64, times: u64) {
        locked(&self.0.nodes).forget(node, times);
    }
}

impl<R: RemoteFs> Mounted<R> {
    /// Begins to answer a request about an extended attribute, if its name is one servers can have.
    fn with_xattr<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: &OsStr,
        reply: Reply,
        answer: impl FnOnce(Arc<Inner<R>>, String, Reply) -> F,
    ) {
        match xattrs::name_of(name) {
            Ok(name) => self.start(|fs| answer(fs, name.to_owned(), reply)),
            Err(error) => _ = reply.error(error.0),
        }
    }
}

/// Why something could not be asked of a node by the path it has. If nothing is there any more, the node is stale:
/// told so, the kernel looks the name up once more before it tells the program, which may be about to make it anew.
fn gone(error: Errno) -> Errno {
    if error == Errno::NOT_FOUND { Errno::STALE } else { error }
}

/// Answers a request that brings nothing but its outcome.
fn say(reply: Reply, outcome: Result<()>) {
    match outcome {
        Ok(()) => _ = reply.done(),
        Err(error) => _ = reply.error(error.0),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
