//! The cache as a [`RemoteFs`].

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mpr_helper::control::Health;
use mpr_helper::protocol::Share;
use mpr_remotefs::{
    Access, Allocation, Attributes, Browse, Changes, Creation, Entry, Errno, Event, Lease, Lock, Reached,
    RemoteFs, Result, Seek, SetMode, Space,
};

use crate::body::Handle;
use crate::listing::CachedDirectory;
use crate::names::{Asked, is_at_or_below, split};
use crate::reading::joined;
use crate::{Cached, Inner, locked};

/// How long saying goodbye may wait for what was kept back; then it is told as lost. Only a file that is still open
/// has any, and whoever ends a connection by force gives it a second.
const GOODBYE: Duration = Duration::from_millis(700);

/// An open file.
#[derive(Debug)]
pub struct CachedFile<F> {
    handle: Arc<Handle<F>>,
    closed: AtomicBool,
}

impl<F> CachedFile<F> {
    fn new(handle: Arc<Handle<F>>) -> CachedFile<F> {
        CachedFile { handle, closed: AtomicBool::new(false) }
    }

    fn open(&self) -> Result<&Arc<Handle<F>>> {
        if self.closed.load(Ordering::Relaxed) { Err(Errno::CLOSED) } else { Ok(&self.handle) }
    }
}

impl<R: RemoteFs> Inner<R> {
    /// What is known of `path`, asked for if need be.
    pub(crate) async fn stat(self: &Arc<Self>, path: &str) -> Result<Attributes> {
        let known = locked(&self.names).find(path, self.lifetime());
        if let Some(known) = known {
            self.counters.known();
            return known.ok_or(Errno::NOT_FOUND);
        }
        if let Some(known) = self.about_to_be_told(path).await {
            self.counters.known();
            return known.ok_or(Errno::NOT_FOUND);
        }
        self.counters.asked();
        let worth_listing = locked(&self.names).worth_listing(path);
        if let Some(most) = worth_listing {
            self.list_all(split(path).0, most).await;
            if let Some(known) = locked(&self.names).find(path, self.lifetime()) {
                return known.ok_or(Errno::NOT_FOUND);
            }
        }
        let now = self.ask_name(path).await?;
        match self.body(now.id) {
            Some(body) if body.state().is_dirty() => {
                drop(self.quiet(&body).await);
                self.ask_name(path).await
            }
            _ => Ok(now),
        }
    }

    /// The server has said what `path` stands for.
    fn learn(&self, path: &str, now: Attributes, asked: Asked) {
        // What has kept-back writes is not what the server says it is.
        let dirty = self.observe(now, asked);
        let mut names = locked(&self.names);
        names.counted(&now);
        if !dirty {
            names.learn(path, Some(now), asked);
        }
    }

    async fn ask_name(&self, path: &str) -> Result<Attributes> {
        let asked = self.ask();
        match self.lower.stat(path).await {
            Ok(now) => {
                self.learn(path, now, asked);
                locked(&self.names).asked_alone(path, self.lifetime());
                Ok(now)
            }
            Err(error) => {
                if error == Errno::NOT_FOUND {
                    locked(&self.names).missed(path, asked);
                }
                Err(error)
            }
        }
    }

    /// Does what gives `path` to something new, and answers what that is.
    async fn make(
        self: &Arc<Self>,
        path: &str,
        work: impl Future<Output = Result<Attributes>>,
    ) -> Result<Attributes> {
        let before = locked(&self.names).making(path);
        let done = work.await;
        let mut names = locked(&self.names);
        match &done {
            Ok(now) => drop(names.made(path, *now, before)),
            // It may have happened.
            Err(_) => drop(names.touch(path)),
        }
        done
    }

    /// Does what changes an open file otherwise than by writing, with everything written before at the server.
    async fn alter<T>(
        self: &Arc<Self>,
        handle: &Arc<Handle<R::File>>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let _quiet = self.quiet(&handle.body).await;
        handle.mark_plain();
        self.touch(handle);
        let done = work.await;
        self.altered(handle);
        done
    }

    fn altered(&self, handle: &Arc<Handle<R::File>>) {
        handle.body.state().spoil_all();
        self.touch(handle);
    }

    /// Files that are open here follow when they, or a directory above them, are renamed.
    fn follow(&self, from: &str, to: &str) {
        for handle in locked(&self.bodies).handles() {
            let mut path = locked(&handle.path);
            if let Some(rest) = path.strip_prefix(from)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                *path = format!("{to}{rest}");
            }
        }
    }

    /// What is open under this name has lost it.
    fn nameless(&self, path: &str) {
        let open: Vec<_> = locked(&self.bodies).handles().collect();
        for handle in open.iter().filter(|handle| *locked(&handle.path) == path) {
            handle.mark_plain();
            // It has one name less.
            self.touch(handle);
        }
    }
}

impl<R: RemoteFs + Browse> Browse for Cached<R> {
    async fn shares(&self) -> Reached<Vec<Share>> {
        self.inner.lower.shares().await
    }
}

impl<R: RemoteFs> RemoteFs for Cached<R> {
    type File = CachedFile<R::File>;
    type Directory = CachedDirectory<R::Directory>;

    async fn stat(&self, path: &str) -> Result<Attributes> {
        self.inner.stat(path).await
    }

    async fn stat_open(&self, file: &Self::File) -> Result<Attributes> {
        let (inner, handle) = (&self.inner, file.open()?);
        if let Some(known) = inner.attributes_of(handle) {
            inner.counters.known();
            return Ok(known);
        }
        inner.counters.asked();
        if handle.body.state().is_dirty() {
            drop(inner.quiet(&handle.body).await);
        }
        inner.ask_open(handle).await
    }

    async fn change(&self, path: &str, changes: Changes) -> Result<Attributes> {
        let inner = &self.inner;
        let _quiet = inner.all_quiet(inner.dirty_at(path)).await;
        let known = locked(&inner.names).last_known(path).map_or(0, |known| known.id);
        let before = {
            let mut names = locked(&inner.names);
            names.touch_file(known);
            names.touch(path)
        };
        let changed = inner.lower.change(path, changes).await;
        let id = changed.as_ref().map_or(known, |now| now.id);
        if let Some(body) = inner.body(id) {
            body.state().spoil_all();
        }
        let mut names = locked(&inner.names);
        names.changed(path, changed.as_ref().ok().copied(), before);
        if changed.is_err() {
            // It may have happened; nor is it known that there is nothing of that name.
            names.touch(path);
            names.touch_file(known);
        }
        changed
    }

    async fn change_open(&self, file: &Self::File, changes: Changes) -> Result<Attributes> {
        let (inner, handle) = (&self.inner, file.open()?);
        let _quiet = inner.quiet(&handle.body).await;
        handle.mark_plain();
        inner.touch(handle);
        let changed = inner.lower.change_open(&handle.lower, changes).await;
        if changes.size.is_some() || changed.is_err() {
            handle.body.state().spoil_all();
        }
        inner.touch(handle);
        changed
    }

    async fn open(&self, path: &str, access: Access) -> Result<(Self::File, Attributes)> {
        let inner = &self.inner;
        if let Some((handle, now)) = inner.unpark(path, access) {
            inner.counters.reopened();
            return Ok((CachedFile::new(handle), now));
        }
        let asked = inner.ask();
        match inner.lower.open(path, access).await {
            Ok((lower, mut now)) => {
                let handle = inner.opened(lower, path, access, now, asked);
                if handle.body.state().is_dirty() {
                    // Written through another handle: the server does not know of it yet.
                    drop(inner.quiet(&handle.body).await);
                    now = inner.ask_open(&handle).await?;
                } else {
                    inner.learn(path, now, asked);
                }
                Ok((CachedFile::new(handle), now))
            }
            Err(error) => {
                if error == Errno::NOT_FOUND {
                    locked(&inner.names).learn(path, None, asked);
                }
                Err(error)
            }
        }
    }

    async fn create(&self, path: &str, creation: Creation) -> Result<(Self::File, Attributes)> {
        let inner = &self.inner;
        let mut _quiet = Vec::new();
        if !creation.exclusive {
            _quiet = inner.all_quiet(inner.dirty_at(path)).await;
        }
        let asked = inner.ask();
        let (lower, now) = inner.make_file(path, creation).await?;
        // What is new cannot have been changed meanwhile.
        let asked = if creation.exclusive { inner.ask() } else { asked };
        let handle = inner.opened(lower, path, creation.access, now, asked);
        if !creation.exclusive {
            // It may have been there, been read, and now be empty.
            handle.body.state().spoil_all();
        }
        Ok((CachedFile::new(handle), now))
    }

    async fn read(&self, file: &Self::File, offset: u64, len: usize) -> Result<Bytes> {
        Ok(joined(self.inner.read(file.open()?, offset, len).await?))
    }

    async fn read_pieces(&self, file: &Self::File, offset: u64, len: usize) -> Result<Vec<Bytes>> {
        self.inner.read(file.open()?, offset, len).await
    }

    async fn write(&self, file: &Self::File, offset: u64, data: Bytes) -> Result<()> {
        self.inner.write(file.open()?, offset, data).await
    }

    async fn settle(&self, file: &Self::File) -> Result<()> {
        let (inner, handle) = (&self.inner, file.open()?);
        drop(inner.quiet(&handle.body).await);
        handle.report().and(inner.lower.settle(&handle.lower).await)
    }

    async fn flush(&self, file: &Self::File) -> Result<()> {
        let (inner, handle) = (&self.inner, file.open()?);
        drop(inner.quiet(&handle.body).await);
        let flushed = inner.lower.flush(&handle.lower).await;
        handle.report().and(flushed)
    }

    async fn close(&self, file: &Self::File) {
        if file.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let (inner, handle) = (&self.inner, &file.handle);
        if handle.is_plain() {
            drop(inner.quiet(&handle.body).await);
        }
        // Whatever failed and was asked for by nobody has been told to `on_loss`.
        let _ = handle.report();
        if !inner.park(handle) {
            inner.close_now(handle).await;
        }
    }

    async fn open_directory(&self, path: &str) -> Result<Self::Directory> {
        self.begin_listing(path).await
    }

    async fn next_entries(&self, directory: &Self::Directory) -> Result<Vec<Entry>> {
        self.go_on_listing(directory).await
    }

    fn is_still(&self, directory: &Self::Directory, entry: &Entry) -> bool {
        self.is_still_listed(directory, entry)
    }

    async fn close_directory(&self, directory: &Self::Directory) {
        self.end_listing(directory).await;
    }

    async fn make_directory(&self, path: &str) -> Result<Attributes> {
        self.inner.make(path, self.inner.lower.make_directory(path)).await
    }

    async fn remove_directory(&self, path: &str) -> Result<()> {
        let inner = &self.inner;
        inner.unpark_all(|handle| is_at_or_below(&locked(&handle.path), path)).await;
        inner.nobody_ahead(path).await;
        let before = locked(&inner.names).touch(path);
        let removed = inner.lower.remove_directory(path).await;
        let mut names = locked(&inner.names);
        match removed {
            Ok(()) => {
                names.changed(path, None, before);
                names.removed_directory(path);
            }
            Err(_) => drop(names.touch(path)),
        }
        removed
    }

    async fn remove_file(&self, path: &str, open_here: bool) -> Result<()> {
        let inner = &self.inner;
        inner.unpark_all(|handle| is_at_or_below(&locked(&handle.path), path)).await;
        let known = locked(&inner.names).last_known(path);
        let before = locked(&inner.names).touch(path);
        let removed = inner.lower.remove_file(path, open_here).await;
        let mut names = locked(&inner.names);
        // Another name of it has one companion less.
        names.touch_file(known.map_or(0, |known| known.id));
        match removed {
            Ok(()) => names.changed(path, None, before),
            Err(_) => drop(names.touch(path)),
        }
        drop(names);
        if removed.is_ok() {
            inner.nameless(path);
        }
        removed
    }

    async fn rename(&self, from: &str, to: &str, replace: bool) -> Result<()> {
        let inner = &self.inner;
        let concerned = |path: &str| is_at_or_below(path, from) || is_at_or_below(path, to);
        // Servers do not rename over what is open, by whatever name it was opened.
        let replaced = locked(&inner.names).last_known(to).map_or(0, |known| known.id);
        let in_the_way = |handle: &Arc<Handle<R::File>>| {
            concerned(&locked(&handle.path)) || replaced != 0 && handle.body.id == replaced
        };
        inner.unpark_all(in_the_way).await;
        inner.nobody_ahead(from).await;
        inner.nobody_ahead(to).await;
        let open = locked(&inner.bodies).named(concerned);
        let dirty: Vec<_> = open.into_iter().filter(|body| body.state().is_dirty()).collect();
        // Servers may take leases away with the old name.
        let quiet = inner.all_quiet(dirty).await;
        {
            let mut names = locked(&inner.names);
            names.touch(from);
            names.touch(to);
        }
        let renamed = inner.lower.rename(from, to, replace).await;
        {
            let mut names = locked(&inner.names);
            for path in [from, to] {
                let id = names.last_known(path).map_or(0, |known| known.id);
                names.touch_file(id);
                names.moved(path);
            }
        }
        if renamed.is_ok() && from != to {
            inner.nameless(to);
            inner.follow(from, to);
        }
        drop(quiet);
        renamed
    }

    async fn read_link(&self, path: &str) -> Result<String> {
        self.inner.lower.read_link(path).await
    }

    async fn make_symlink(&self, path: &str, target: &str) -> Result<Attributes> {
        self.inner.make(path, self.inner.lower.make_symlink(path, target)).await
    }

    async fn link(&self, path: &str, also: &str) -> Result<Attributes> {
        let inner = &self.inner;
        let _quiet = inner.all_quiet(inner.dirty_at(path)).await;
        let before = {
            let mut names = locked(&inner.names);
            names.touch(path);
            names.touch(also)
        };
        let linked = inner.lower.link(path, also).await;
        let mut names = locked(&inner.names);
        match &linked {
            Ok(now) => {
                names.counted(now);
                names.changed(also, Some(*now), before);
                names.touch(path);
                names.touch_file(now.id);
            }
            // It may have happened.
            Err(_) => {
                names.touch(also);
                names.touch(path);
            }
        }
        linked
    }

    async fn xattrs(&self, path: &str) -> Result<Vec<String>> {
        self.inner.lower.xattrs(path).await
    }

    async fn xattr(&self, path: &str, name: &str) -> Result<Bytes> {
        self.inner.lower.xattr(path, name).await
    }

    async fn set_xattr(&self, path: &str, name: &str, value: Bytes, mode: SetMode) -> Result<()> {
        let set = self.inner.lower.set_xattr(path, name, value, mode).await;
        self.inner.touch_name_and_file(path);
        set
    }

    async fn remove_xattr(&self, path: &str, name: &str) -> Result<()> {
        let removed = self.inner.lower.remove_xattr(path, name).await;
        self.inner.touch_name_and_file(path);
        removed
    }

    async fn lock(&self, file: &Self::File, range: Range<u64>, lock: Lock) -> Result<()> {
        let (inner, handle) = (&self.inner, file.open()?);
        let _quiet = inner.quiet(&handle.body).await;
        handle.mark_plain();
        inner.lower.lock(&handle.lower, range, lock).await?;
        // Who locks wants to see what was there when the lock was had. A lease of reading does not say that: it is taken
        // back from its holder without waiting, so that the news of what was written under the lock before may be on its
        // way. One of writing is not given away without us.
        let mut state = handle.body.state();
        if !inner.lease_of(handle, &mut state).write {
            state.spoil_all();
        }
        Ok(())
    }

    async fn unlock(&self, file: &Self::File, range: Range<u64>) -> Result<()> {
        let (inner, handle) = (&self.inner, file.open()?);
        let _quiet = inner.quiet(&handle.body).await;
        inner.lower.unlock(&handle.lower, range).await
    }

    async fn allocate(&self, file: &Self::File, range: Range<u64>, allocation: Allocation) -> Result<()> {
        let (inner, handle) = (&self.inner, file.open()?);
        inner.alter(handle, inner.lower.allocate(&handle.lower, range, allocation)).await
    }

    async fn seek(&self, file: &Self::File, offset: u64, seek: Seek) -> Result<u64> {
        let (inner, handle) = (&self.inner, file.open()?);
        let _quiet = inner.quiet(&handle.body).await;
        inner.lower.seek(&handle.lower, offset, seek).await
    }

    async fn copy(
        &self,
        from: &Self::File,
        offset: u64,
        to: &Self::File,
        to_offset: u64,
        len: u64,
    ) -> Result<u64> {
        let (inner, from, to) = (&self.inner, from.open()?, to.open()?);
        let _quiet = inner.all_quiet(vec![Arc::clone(&from.body), Arc::clone(&to.body)]).await;
        to.mark_plain();
        inner.touch(to);
        let copied = inner.lower.copy(&from.lower, offset, &to.lower, to_offset, len).await;
        inner.altered(to);
        copied
    }

    fn lease(&self, file: &Self::File) -> Lease {
        match file.open() {
            Ok(handle) => self.inner.lease_of(handle, &mut handle.body.state()),
            Err(_) => Lease::default(),
        }
    }

    fn lifetime(&self) -> Duration {
        self.inner.lifetime()
    }

    async fn next_event(&self) -> Event {
        self.listening.get_or_init(|| {
            let inner = Arc::clone(&self.inner);
            self.inner.runtime.spawn(inner.listen()).abort_handle()
        });
        match self.happened.lock().await.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    async fn space(&self) -> Result<Space> {
        self.inner.lower.space().await
    }

    fn health(&self) -> Health {
        let stats = self.stats();
        Health {
            cache_hits: stats.known + stats.read_hits,
            cache_misses: stats.asked + stats.read_misses,
            bytes_kept: stats.bytes_kept,
            bytes_dirty: stats.bytes_dirty,
            bytes_lost: stats.bytes_lost,
            ..self.inner.lower.health()
        }
    }

    async fn shut_down(&self) {
        let inner = &self.inner;
        let all_away = async {
            let bodies = locked(&inner.bodies).all();
            for body in bodies {
                inner.drain(&body).await;
            }
            inner.park_no_more().await;
        };
        if tokio::time::timeout(GOODBYE, all_away).await.is_err() {
            inner.give_up();
        }
        inner.lower.shut_down().await;
    }
}
