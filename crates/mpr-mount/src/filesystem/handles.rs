//! Files that are open, by handle and by node.

use std::collections::HashMap;
use std::sync::Arc;

use mpr_fuse::{OpenMode, Reply};
use mpr_remotefs::{Access, Changes, Creation, Errno, RemoteFs, Result};

use super::attributes::access_of;
use super::{Inner, gone, locked};

/// The table.
#[derive(Debug)]
pub(super) struct Files<F> {
    by_handle: HashMap<u64, Arc<Open<F>>>,
    by_ino: HashMap<u64, Vec<u64>>,
    /// Files and directories with handles that the kernel has let go and the server has not yet closed.
    closing: HashMap<u64, usize>,
}

impl<F> Default for Files<F> {
    fn default() -> Self {
        Files { by_handle: HashMap::new(), by_ino: HashMap::new(), closing: HashMap::new() }
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Open<F> {
    pub(super) file: F,
    pub(super) ino: u64,
    pub(super) access: Access,
}

impl<F> Files<F> {
    pub(super) fn len(&self) -> u64 {
        self.by_handle.len() as u64
    }

    pub(super) fn is_open(&self, ino: u64) -> bool {
        self.by_ino.contains_key(&ino)
    }

    pub(super) fn open_nodes(&self) -> impl Iterator<Item = &u64> {
        self.by_ino.keys()
    }

    pub(super) fn is_closing(&self, ino: u64) -> bool {
        self.closing.contains_key(&ino)
    }

    pub(super) fn is_any_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    /// Notes that something is being closed. [`Inner::has_closed`] must follow.
    pub(super) fn is_to_close(&mut self, ino: u64) {
        *self.closing.entry(ino).or_default() += 1;
    }

    fn insert(&mut self, handle: u64, open: Arc<Open<F>>) {
        self.by_ino.entry(open.ino).or_default().push(handle);
        self.by_handle.insert(handle, open);
    }
}

impl<R: RemoteFs> Inner<R> {
    /// An open handle of a node: the one asked for, else any that `suits`.
    pub(super) fn handle(
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

    /// This handle, and no other.
    pub(super) fn exactly(&self, ino: u64, handle: u64) -> Result<Arc<Open<R::File>>> {
        let files = locked(&self.files);
        files.by_handle.get(&handle).filter(|open| open.ino == ino).cloned().ok_or(Errno::CLOSED)
    }

    fn keep(&self, ino: u64, file: R::File, access: Access) -> u64 {
        let handle = self.new_handle();
        locked(&self.files).insert(handle, Arc::new(Open { file, ino, access }));
        handle
    }

    /// Takes a handle out of the table. If it was the last for its file, that must then be closed.
    pub(super) fn let_go(&self, handle: u64) -> Option<Arc<Open<R::File>>> {
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
        files.is_to_close(open.ino);
        Some(open)
    }

    /// Closes what was taken out of the table.
    pub(super) async fn close(&self, open: &Open<R::File>) {
        self.remote.close(&open.file).await;
        self.has_closed(open.ino);
    }

    async fn release(&self, handle: u64) {
        if let Some(open) = self.let_go(handle) {
            self.close(&open).await;
        }
    }

    pub(super) fn has_closed(&self, ino: u64) {
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

    pub(super) fn is_open(&self, ino: u64) -> bool {
        locked(&self.files).is_open(ino)
    }

    /// Waits until `settled`, asking again whenever a file has been closed.
    pub(super) async fn wait_until(&self, settled: impl Fn(&Files<R::File>) -> bool) {
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

    /// A second handle for a file that is open: for a file without a name, which the server opens no more.
    fn share(&self, ino: u64, access: Access) -> Option<u64> {
        let suits =
            |open: &Open<R::File>| (open.access.read || !access.read) && (open.access.write || !access.write);
        let open = self.handle(ino, None, suits)?;
        let handle = self.new_handle();
        locked(&self.files).insert(handle, open);
        Some(handle)
    }

    async fn open(&self, ino: u64, flags: i32) -> Result<(u64, OpenMode)> {
        let truncate = flags & libc::O_TRUNC != 0;
        let mut access = access_of(flags);
        access.write |= truncate;
        if locked(&self.nodes).is_nameless(ino) {
            let handle = self.share(ino, access).ok_or(Errno::STALE)?;
            if truncate {
                self.empty(&*self.exactly(ino, handle)?).await?;
            }
            return Ok((handle, OpenMode::default()));
        }
        let (file, now) = self.remote.open(&self.path(ino)?, access).await.map_err(gone)?;
        let (same, as_told) = {
            let nodes = locked(&self.nodes);
            (nodes.is_same(ino, &now), nodes.is_as_told(ino, &now))
        };
        let open = Open { file, ino, access };
        let opened = match same {
            true if truncate => self.empty(&open).await,
            true => Ok(()),
            false => Err(Errno::STALE),
        };
        if let Err(error) = opened {
            self.remote.close(&open.file).await;
            return Err(error);
        }
        // What the kernel has read of it is still so if it has not changed since.
        let mode = OpenMode { keep_cache: as_told && !truncate, ..OpenMode::default() };
        Ok((self.keep(ino, open.file, access), mode))
    }

    async fn empty(&self, open: &Open<R::File>) -> Result<()> {
        self.remote.change_open(&open.file, Changes { size: Some(0), ..Changes::default() }).await.map(|_| ())
    }

    pub(super) async fn answer_open(&self, ino: u64, flags: i32, reply: Reply) {
        match self.open(ino, flags).await {
            Ok((handle, mode)) => {
                if !reply.opened(handle, mode) {
                    self.release(handle).await;
                }
            }
            Err(error) => _ = reply.error(error.0),
        }
    }

    pub(super) async fn answer_create(&self, parent: u64, name: &str, mode: u32, flags: i32, reply: Reply) {
        let creation = Creation {
            access: access_of(flags),
            exclusive: flags & libc::O_EXCL != 0,
            truncate: flags & libc::O_TRUNC != 0,
            read_only: mode & 0o222 == 0,
        };
        let created = async {
            let path = self.path_of(parent, name)?;
            self.remote.create(&path, creation).await
        };
        match created.await {
            Ok((file, now)) => {
                self.is_given(parent, name);
                let ino = locked(&self.nodes).found(parent, name, &now);
                let entry = self.entry(ino, &now);
                let handle = self.keep(ino, file, creation.access);
                if !reply.created(&entry, handle, OpenMode::default()) {
                    locked(&self.nodes).forget(ino, 1);
                    self.release(handle).await;
                }
            }
            Err(error) => _ = reply.error(error.0),
        }
    }
}
