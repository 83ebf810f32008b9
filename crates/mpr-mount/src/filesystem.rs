//! Any [`RemoteFs`] as a FUSE file system.
//!
//! The kernel's requests arrive on the threads of the FUSE session; each is answered by a task of its own, so
//! that a slow answer of the server delays only whoever waits for it. Nothing is kept back: what a program has
//! written when `write` returns, the server has. The kernel may keep attributes and names for [`TTL`].
//!
//! Ownership and permissions are this side's: everything belongs to the user who connected, with mode 0755,
//! without write permission where the server's read-only attribute is set. Changing the mode sets or clears
//! that attribute; changing the owner is accepted and has no effect.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fuser::{
    FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig,
    LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow,
    WriteFlags,
};
use mpr_remotefs::{Access, Attributes, Changes, Creation, Entry, Errno, Kind, RemoteFs, Result};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::nodes::Nodes;

/// How long the kernel may believe what it was told.
pub const TTL: Duration = Duration::from_secs(1);
/// The most bytes the kernel sends in one request.
const MAX_WRITE: u32 = 1 << 20;
/// The longest name, in the units servers count: UTF-16.
const MAX_NAME: usize = 255;
/// How long removing a directory waits for files in it that were removed and are being closed.
const SETTLE: Duration = Duration::from_millis(500);

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
    uid: u32,
    gid: u32,
    nodes: Mutex<Nodes>,
    files: Mutex<Files<R::File>>,
    directories: Mutex<HashMap<u64, Arc<Listing<R>>>>,
    next_handle: AtomicU64,
    closed: Notify,
}

/// Files that are open, by handle and by node.
#[derive(Debug)]
struct Files<F> {
    by_handle: HashMap<u64, Arc<Open<F>>>,
    by_ino: HashMap<u64, Vec<u64>>,
    /// Files and directories with handles that the kernel has let go and the server has not yet closed.
    closing: HashMap<u64, usize>,
}

#[derive(Debug)]
struct Open<F> {
    file: F,
    ino: u64,
    read: bool,
    write: bool,
}

/// A directory that is being read.
#[derive(Debug)]
struct Listing<R: RemoteFs> {
    ino: u64,
    at: tokio::sync::Mutex<Position<R>>,
}

#[derive(Debug)]
struct Position<R: RemoteFs> {
    directory: Option<R::Directory>,
    /// Position of the first entry of `entries`, counted from the beginning of the directory.
    base: u64,
    entries: Vec<Entry>,
}

/// `.` and `..` come before what the server lists.
const DOTS: u64 = 2;

impl<R: RemoteFs> Mounted<R> {
    /// A file system over `remote`, owned by this user and group, working on `runtime`.
    pub fn new(remote: R, runtime: Handle, uid: u32, gid: u32) -> Self {
        Mounted(Arc::new(Inner {
            remote,
            runtime,
            uid,
            gid,
            nodes: Mutex::default(),
            files: Mutex::new(Files {
                by_handle: HashMap::new(),
                by_ino: HashMap::new(),
                closing: HashMap::new(),
            }),
            directories: Mutex::default(),
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
        locked(&self.0.files).by_handle.len() as u64
    }

    /// Answers a request on a task of its own.
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, answer: impl FnOnce(Arc<Inner<R>>) -> F) {
        self.0.runtime.spawn(answer(Arc::clone(&self.0)));
    }
}

impl<R: RemoteFs> Inner<R> {
    fn attr(&self, ino: u64, now: &Attributes) -> FileAttr {
        let (kind, nlink) = match now.kind {
            Kind::Directory => (FileType::Directory, 1), // 1: not counted
            Kind::File => (FileType::RegularFile, now.links),
            Kind::Symlink => (FileType::Symlink, now.links),
        };
        // Some servers round what a file takes up to a megabyte; nobody wants to see that in `du`.
        let taken = now.allocated.min(now.size.next_multiple_of(4096));
        FileAttr {
            ino: INodeNo(ino),
            size: now.size,
            blocks: taken.div_ceil(512),
            atime: now.accessed,
            mtime: now.modified,
            ctime: now.changed,
            crtime: now.created,
            kind,
            perm: if now.read_only { 0o555 } else { 0o755 },
            nlink,
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    fn path(&self, ino: u64) -> Result<String> {
        locked(&self.nodes).path(ino).ok_or(Errno::STALE)
    }

    fn path_of(&self, parent: u64, name: &str) -> Result<String> {
        locked(&self.nodes).path_of(parent, name).ok_or(Errno::STALE)
    }

    /// An open handle of a node: the one asked for, else any that `suits`.
    fn handle(
        &self,
        ino: u64,
        asked: Option<u64>,
        suits: impl Fn(&Open<R::File>) -> bool,
    ) -> Option<Arc<Open<R::File>>> {
        let files = locked(&self.files);
        let others = files.by_ino.get(&ino).into_iter().flatten().copied();
        asked
            .into_iter()
            .chain(others)
            .filter_map(|handle| files.by_handle.get(&handle))
            .find(|open| open.ino == ino && suits(open))
            .cloned()
    }

    fn keep(&self, ino: u64, file: R::File, access: Access) -> u64 {
        let Access { read, write } = access;
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        let mut files = locked(&self.files);
        files.by_handle.insert(handle, Arc::new(Open { file, ino, read, write }));
        files.by_ino.entry(ino).or_default().push(handle);
        handle
    }

    /// Takes a handle out of the table. If it was the last for its file, that must then be closed, and
    /// [`Inner::has_closed`] told.
    fn let_go(&self, handle: u64) -> Option<Arc<Open<R::File>>> {
        let mut files = locked(&self.files);
        let open = files.by_handle.remove(&handle)?;
        let others = files.by_ino.get_mut(&open.ino).map(|handles| {
            handles.retain(|other| *other != handle);
            handles.clone()
        });
        let others = others.unwrap_or_default();
        if others.is_empty() {
            files.by_ino.remove(&open.ino);
        }
        let shared = |other| files.by_handle.get(other).is_some_and(|other| Arc::ptr_eq(other, &open));
        if others.iter().any(shared) {
            return None;
        }
        *files.closing.entry(open.ino).or_default() += 1;
        Some(open)
    }

    /// Takes a directory that was read out of the table. It must then be closed.
    fn let_go_directory(&self, handle: u64) -> Option<Arc<Listing<R>>> {
        let listing = locked(&self.directories).get(&handle).cloned()?;
        *locked(&self.files).closing.entry(listing.ino).or_default() += 1;
        // Only now: who waits for it must find it in one of the tables.
        locked(&self.directories).remove(&handle);
        Some(listing)
    }

    /// A second handle for a file that is open: for a file without a name, which the server opens no more.
    fn share(&self, ino: u64, access: Access) -> Option<u64> {
        let open =
            self.handle(ino, None, |open| (open.read || !access.read) && (open.write || !access.write))?;
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        let mut files = locked(&self.files);
        files.by_handle.insert(handle, open);
        files.by_ino.entry(ino).or_default().push(handle);
        Some(handle)
    }

    fn has_closed(&self, ino: u64) {
        let mut files = locked(&self.files);
        if let Some(count) = files.closing.get_mut(&ino) {
            *count -= 1;
            if *count == 0 {
                files.closing.remove(&ino);
            }
        }
        drop(files);
        self.closed.notify_waiters();
    }

    fn is_open(&self, ino: u64) -> bool {
        locked(&self.files).by_ino.contains_key(&ino)
    }

    /// Waits until `settled`, asking again whenever a file has been closed.
    async fn wait_until(&self, settled: impl Fn(&Files<R::File>) -> bool) {
        loop {
            let closed = self.closed.notified();
            tokio::pin!(closed);
            closed.as_mut().enable();
            if settled(&locked(&self.files)) {
                return;
            }
            closed.await;
        }
    }

    async fn lookup(&self, parent: u64, name: &str) -> Result<FileAttr> {
        let path = self.path_of(parent, name)?;
        match self.remote.stat(&path).await {
            Ok(now) => Ok(self.attr(locked(&self.nodes).found(parent, name, &now), &now)),
            Err(error) => {
                if error == Errno::NOT_FOUND {
                    locked(&self.nodes).unname(parent, name);
                }
                Err(error)
            }
        }
    }

    async fn stat(&self, ino: u64, handle: Option<u64>) -> Result<FileAttr> {
        if let Some(open) = self.handle(ino, handle, |_| true) {
            match self.remote.stat_open(&open.file).await {
                // Another program's handle that we borrowed, and that was closed before we used it.
                Err(Errno::CLOSED) => {}
                now => return Ok(self.attr(ino, &now?)),
            }
        }
        let now = self.remote.stat(&self.path(ino)?).await?;
        if !locked(&self.nodes).is_same(ino, &now) {
            return Err(Errno::STALE);
        }
        Ok(self.attr(ino, &now))
    }

    async fn change(&self, ino: u64, handle: Option<u64>, changes: Changes) -> Result<FileAttr> {
        if let Some(open) = self.handle(ino, handle, |open| open.write) {
            match self.remote.change_open(&open.file, changes).await {
                Err(Errno::CLOSED) => {}
                now => return Ok(self.attr(ino, &now?)),
            }
        }
        Ok(self.attr(ino, &self.remote.change(&self.path(ino)?, changes).await?))
    }

    async fn open(&self, ino: u64, access: Access) -> Result<u64> {
        if locked(&self.nodes).is_nameless(ino) {
            return self.share(ino, access).ok_or(Errno::STALE);
        }
        let (file, now) = self.remote.open(&self.path(ino)?, access).await?;
        if !locked(&self.nodes).is_same(ino, &now) {
            self.remote.close(&file).await;
            return Err(Errno::STALE);
        }
        Ok(self.keep(ino, file, access))
    }

    async fn create(&self, parent: u64, name: &str, creation: Creation) -> Result<(FileAttr, u64)> {
        let path = self.path_of(parent, name)?;
        let (file, now) = self.remote.create(&path, creation).await?;
        let ino = locked(&self.nodes).found(parent, name, &now);
        Ok((self.attr(ino, &now), self.keep(ino, file, creation.access)))
    }

    async fn unlink(&self, parent: u64, name: &str) -> Result<()> {
        let path = self.path_of(parent, name)?;
        let node = locked(&self.nodes).named(parent, name);
        if let Some(ino) = node {
            // What was closed just before is not open; the server is about to hear of it.
            self.wait_until(|files| !files.closing.contains_key(&ino)).await;
        }
        self.remote.remove_file(&path, node.is_some_and(|ino| self.is_open(ino))).await?;
        locked(&self.nodes).unname(parent, name);
        Ok(())
    }

    async fn rmdir(&self, parent: u64, name: &str) -> Result<()> {
        let path = self.path_of(parent, name)?;
        let node = locked(&self.nodes).named(parent, name);
        if let Some(ino) = node {
            // Who has read it, closed it and now removes it: until the server has heard of all three, it is
            // in the way of removing the directory above.
            self.wait_until(|files| !files.closing.contains_key(&ino)).await;
        }
        let removed = match self.remote.remove_directory(&path).await {
            Err(Errno(libc::ENOTEMPTY)) => {
                // What was removed while open stays in its directory until it is closed, a file under a hidden
                // name; the kernel tells us of a close only after the program has gone on, and another thread
                // may be about to hear of it.
                let inside = |ino: &u64| {
                    let nodes = locked(&self.nodes);
                    nodes.is_nameless(*ino) && nodes.parent(*ino) == node
                };
                let read = || locked(&self.directories).values().any(|listing| inside(&listing.ino));
                let settled = self.wait_until(|files| {
                    files.closing.is_empty() && !files.by_ino.keys().any(inside) && !read()
                });
                let _ = tokio::time::timeout(SETTLE, settled).await;
                self.remote.remove_directory(&path).await
            }
            removed => removed,
        };
        removed?;
        locked(&self.nodes).unname(parent, name);
        Ok(())
    }

    async fn rename(
        &self,
        parent: u64,
        name: &str,
        new_parent: u64,
        new_name: &str,
        replace: bool,
    ) -> Result<()> {
        let from = self.path_of(parent, name)?;
        let to = self.path_of(new_parent, new_name)?;
        let (source, victim) = {
            let nodes = locked(&self.nodes);
            (nodes.named(parent, name), nodes.named(new_parent, new_name))
        };
        if let Some(victim) = victim
            && replace
            && source != Some(victim)
        {
            self.wait_until(|files| !files.closing.contains_key(&victim)).await;
            if self.is_open(victim) {
                // Servers do not rename over what is open. It makes way first, unless the two names are two
                // spellings of one file.
                let (old, new) = (self.remote.stat(&to).await, self.remote.stat(&from).await?);
                if let Ok(old) = old
                    && old.kind == Kind::File
                    && new.kind == Kind::File
                    && (old.id == 0 || old.id != new.id)
                {
                    self.remote.remove_file(&to, true).await?;
                }
            }
        }
        self.remote.rename(&from, &to, replace).await?;
        locked(&self.nodes).renamed(parent, name, new_parent, new_name);
        Ok(())
    }

    async fn make_directory(&self, parent: u64, name: &str) -> Result<FileAttr> {
        let now = self.remote.make_directory(&self.path_of(parent, name)?).await?;
        Ok(self.attr(locked(&self.nodes).found(parent, name, &now), &now))
    }

    fn listing(&self, handle: u64) -> Result<Arc<Listing<R>>> {
        locked(&self.directories).get(&handle).cloned().ok_or(Errno(libc::EBADF))
    }

    /// Gives `put` the entries from `offset` on, with the offset that follows each, until it says "full".
    async fn list(
        &self,
        listing: &Listing<R>,
        offset: u64,
        mut put: impl FnMut(u64, u64, Option<&Entry>) -> bool,
    ) -> Result<()> {
        let mut next = offset;
        while next < DOTS {
            let ino = if next == 0 {
                listing.ino
            } else {
                locked(&self.nodes).parent(listing.ino).unwrap_or(listing.ino)
            };
            if put(ino, next + 1, None) {
                return Ok(());
            }
            next += 1;
        }
        let mut at = listing.at.lock().await;
        if next - DOTS < at.base || at.directory.is_none() {
            // The beginning, or back to a place that was let go: once more from the start.
            if let Some(directory) = at.directory.take() {
                self.remote.close_directory(&directory).await;
            }
            at.directory = Some(self.remote.open_directory(&self.path(listing.ino)?).await?);
            at.base = 0;
            at.entries.clear();
        }
        loop {
            let skip = usize::try_from(next - DOTS - at.base).unwrap_or(usize::MAX);
            for entry in at.entries.iter().skip(skip) {
                if put(0, next + 1, Some(entry)) {
                    return Ok(());
                }
                next += 1;
            }
            at.base += at.entries.len() as u64;
            at.entries.clear();
            let directory = at.directory.as_ref().ok_or(Errno::STALE)?;
            let more = self.remote.next_entries(directory).await?;
            if more.is_empty() {
                return Ok(());
            }
            at.entries = more;
        }
    }
}

/// A name the kernel gave us, as servers can have it.
fn name_of(name: &OsStr) -> Result<&str> {
    let name = name.to_str().ok_or(Errno(libc::EILSEQ))?;
    if name.encode_utf16().count() > MAX_NAME { Err(Errno(libc::ENAMETOOLONG)) } else { Ok(name) }
}

/// Unwraps a name or answers the request with the error.
macro_rules! name_or_reply {
    ($name:expr, $reply:expr) => {
        match name_of($name) {
            Ok(name) => name.to_owned(),
            Err(error) => return $reply.error(said(error)),
        }
    };
}

impl<R: RemoteFs> Filesystem for Mounted<R> {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Each is welcome and none is needed: an older kernel serves the same files more slowly.
        for capability in [
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_AUTO_INVAL_DATA,
        ] {
            let _ = config.add_capabilities(capability);
        }
        let _ = config.set_max_write(MAX_WRITE);
        let _ = config.set_time_granularity(Duration::from_nanos(100));
        let _ = config.set_max_background(64);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let name = name_or_reply!(name, reply);
        self.spawn(|fs| async move {
            match fs.lookup(parent.0, &name).await {
                Ok(attr) => reply.entry(&TTL, &attr, Generation(0)),
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn forget(&self, _request: &Request, ino: INodeNo, times: u64) {
        locked(&self.0.nodes).forget(ino.0, times);
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        self.spawn(|fs| async move {
            match fs.stat(ino.0, handle.map(|handle| handle.0)).await {
                Ok(attr) => reply.attr(&TTL, &attr),
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn setattr(
        &self,
        _request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _changed: Option<SystemTime>,
        handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let moment = |time| match time {
            TimeOrNow::SpecificTime(time) => time,
            TimeOrNow::Now => SystemTime::now(),
        };
        let changes = Changes {
            size,
            accessed: accessed.map(moment),
            modified: modified.map(moment),
            read_only: mode.map(|mode| mode & 0o222 == 0),
        };
        self.spawn(|fs| async move {
            let handle = handle.map(|handle| handle.0);
            let changed = if changes == Changes::default() {
                fs.stat(ino.0, handle).await
            } else {
                fs.change(ino.0, handle, changes).await
            };
            match changed {
                Ok(attr) => reply.attr(&TTL, &attr),
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn mknod(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        if mode & libc::S_IFMT != libc::S_IFREG {
            return reply.error(fuser::Errno::EPERM);
        }
        let name = name_or_reply!(name, reply);
        self.spawn(|fs| async move {
            let creation = Creation {
                access: Access { read: true, write: false },
                exclusive: true,
                truncate: false,
                read_only: mode & 0o222 == 0,
            };
            match fs.create(parent.0, &name, creation).await {
                Ok((attr, handle)) => {
                    fs.release(handle).await;
                    reply.entry(&TTL, &attr, Generation(0));
                }
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn mkdir(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        let name = name_or_reply!(name, reply);
        self.spawn(|fs| async move {
            match fs.make_directory(parent.0, &name).await {
                Ok(attr) => reply.entry(&TTL, &attr, Generation(0)),
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name_or_reply!(name, reply);
        self.spawn(|fs| async move { answer(reply, fs.unlink(parent.0, &name).await) });
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let name = name_or_reply!(name, reply);
        self.spawn(|fs| async move { answer(reply, fs.rmdir(parent.0, &name).await) });
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !RenameFlags::RENAME_NOREPLACE.contains(flags) {
            return reply.error(fuser::Errno::EINVAL);
        }
        let name = name_or_reply!(name, reply);
        let new_name = name_or_reply!(new_name, reply);
        let replace = flags.is_empty();
        self.spawn(|fs| async move {
            answer(reply, fs.rename(parent.0, &name, new_parent.0, &new_name, replace).await);
        });
    }

    fn symlink(
        &self,
        _request: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _target: &std::path::Path,
        reply: ReplyEntry,
    ) {
        reply.error(fuser::Errno::EPERM);
    }

    fn link(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _new_parent: INodeNo,
        _new_name: &OsStr,
        reply: ReplyEntry,
    ) {
        reply.error(fuser::Errno::EPERM);
    }

    fn open(&self, _request: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        self.spawn(|fs| async move {
            match fs.open(ino.0, access_of(flags)).await {
                Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn create(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let name = name_or_reply!(name, reply);
        let creation = Creation {
            access: access_of(OpenFlags(flags)),
            exclusive: flags & libc::O_EXCL != 0,
            truncate: flags & libc::O_TRUNC != 0,
            read_only: mode & 0o222 == 0,
        };
        self.spawn(|fs| async move {
            match fs.create(parent.0, &name, creation).await {
                Ok((attr, handle)) => {
                    reply.created(&TTL, &attr, Generation(0), FileHandle(handle), FopenFlags::empty());
                }
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn read(
        &self,
        _request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.spawn(|fs| async move {
            let Some(open) = fs.handle(ino.0, Some(handle.0), |_| true) else {
                return reply.error(fuser::Errno::EBADF);
            };
            match fs.remote.read(&open.file, offset, size as usize).await {
                Ok(data) => reply.data(&data),
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn write(
        &self,
        _request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let data = Bytes::copy_from_slice(data);
        self.spawn(|fs| async move {
            let Some(open) = fs.handle(ino.0, Some(handle.0), |open| open.write) else {
                return reply.error(fuser::Errno::EBADF);
            };
            let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
            match fs.remote.write(&open.file, offset, data).await {
                Ok(()) => reply.written(len),
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn flush(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        _lock_owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        // Nothing is kept back that could fail now.
        reply.ok();
    }

    fn release(
        &self,
        _request: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        // The table changes before this request is done with, so that what comes next finds the file closed.
        let open = self.0.let_go(handle.0);
        self.spawn(|fs| async move {
            if let Some(open) = open {
                fs.close(&open).await;
            }
            reply.ok();
        });
    }

    fn fsync(
        &self,
        _request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.spawn(|fs| async move {
            let Some(open) = fs.handle(ino.0, Some(handle.0), |_| true) else {
                return reply.error(fuser::Errno::EBADF);
            };
            // What was opened for reading has nothing to bring to safety, and servers refuse to try.
            let flushed = if open.write { fs.remote.flush(&open.file).await } else { Ok(()) };
            answer(reply, flushed);
        });
    }

    fn opendir(&self, _request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        self.spawn(|fs| async move {
            let opened = async {
                let path = fs.path(ino.0)?;
                fs.remote.open_directory(&path).await
            };
            match opened.await {
                Ok(directory) => {
                    let position = Position { directory: Some(directory), base: 0, entries: Vec::new() };
                    let listing = Listing { ino: ino.0, at: tokio::sync::Mutex::new(position) };
                    let handle = fs.next_handle.fetch_add(1, Ordering::Relaxed);
                    locked(&fs.directories).insert(handle, Arc::new(listing));
                    reply.opened(FileHandle(handle), FopenFlags::empty());
                }
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn readdir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        self.spawn(|fs| async move {
            let listed = async {
                let listing = fs.listing(handle.0)?;
                fs.list(&listing, offset, |dot, next, entry| match entry {
                    None => {
                        let name = if next == 1 { "." } else { ".." };
                        reply.add(INodeNo(dot), next, FileType::Directory, name)
                    }
                    Some(entry) => {
                        let kind = match entry.attributes.kind {
                            Kind::Directory => FileType::Directory,
                            Kind::File => FileType::RegularFile,
                            Kind::Symlink => FileType::Symlink,
                        };
                        // The number is for people; the kernel asks for a name before it uses the file.
                        reply.add(INodeNo(entry.attributes.id.max(2)), next, kind, &entry.name)
                    }
                })
                .await
            };
            match listed.await {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn readdirplus(
        &self,
        _request: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        self.spawn(|fs| async move {
            let listed = async {
                let listing = fs.listing(handle.0)?;
                fs.list(&listing, offset, |dot, next, entry| match entry {
                    None => {
                        // Number 0 tells the kernel that nothing more is said of these two than their names.
                        let name = if next == 1 { "." } else { ".." };
                        let mut attr = fs.attr(dot, &nothing_known());
                        attr.kind = FileType::Directory;
                        reply.add(INodeNo(0), next, name, &Duration::ZERO, &attr, Generation(0))
                    }
                    Some(entry) => {
                        let mut nodes = locked(&fs.nodes);
                        let ino = nodes.found(listing.ino, &entry.name, &entry.attributes);
                        let attr = fs.attr(ino, &entry.attributes);
                        let full = reply.add(INodeNo(ino), next, &entry.name, &TTL, &attr, Generation(0));
                        if full {
                            nodes.forget(ino, 1);
                        }
                        full
                    }
                })
                .await
            };
            match listed.await {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(said(error)),
            }
        });
    }

    fn releasedir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        let listing = self.0.let_go_directory(handle.0);
        self.spawn(|fs| async move {
            if let Some(listing) = listing {
                fs.close_directory(&listing).await;
            }
            reply.ok();
        });
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        reply.ok();
    }

    fn statfs(&self, _request: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        self.spawn(|fs| async move {
            match fs.remote.space().await {
                Ok(space) => {
                    let unit = u64::from(space.block);
                    reply.statfs(
                        space.total / unit,
                        space.free / unit,
                        space.available / unit,
                        0,
                        0,
                        space.block,
                        MAX_NAME as u32,
                        space.block,
                    );
                }
                Err(error) => reply.error(said(error)),
            }
        });
    }
}

impl<R: RemoteFs> Inner<R> {
    async fn release(&self, handle: u64) {
        if let Some(open) = self.let_go(handle) {
            self.close(&open).await;
        }
    }

    async fn close(&self, open: &Open<R::File>) {
        self.remote.close(&open.file).await;
        self.has_closed(open.ino);
    }

    async fn close_directory(&self, listing: &Listing<R>) {
        if let Some(directory) = listing.at.lock().await.directory.take() {
            self.remote.close_directory(&directory).await;
        }
        self.has_closed(listing.ino);
    }
}

fn nothing_known() -> Attributes {
    let never = SystemTime::UNIX_EPOCH;
    Attributes {
        kind: Kind::Directory,
        links: 1,
        size: 0,
        allocated: 0,
        accessed: never,
        modified: never,
        changed: never,
        created: never,
        id: 0,
        read_only: false,
    }
}

fn access_of(flags: OpenFlags) -> Access {
    match flags.acc_mode() {
        OpenAccMode::O_RDONLY => Access { read: true, write: false },
        OpenAccMode::O_WRONLY => Access { read: false, write: true },
        OpenAccMode::O_RDWR => Access { read: true, write: true },
    }
}

fn answer(reply: ReplyEmpty, result: Result<()>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(said(error)),
    }
}

fn said(error: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(error.0)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    }

    #[test]
    fn opening_for_writing_asks_for_no_right_to_read() {
        assert_eq!(
            access_of(OpenFlags(libc::O_WRONLY | libc::O_APPEND)),
            Access { read: false, write: true }
        );
        assert_eq!(access_of(OpenFlags(libc::O_RDWR)), Access { read: true, write: true });
    }
}
