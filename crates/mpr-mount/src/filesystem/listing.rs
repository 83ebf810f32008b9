//! Reading directories.

use std::sync::Arc;

use mpr_fuse::{Listing, OpenMode, Reply};
use mpr_remotefs::{Entry, Errno, RemoteFs, Result};

use super::attributes::nothing_known;
use super::{Inner, gone, locked};

/// A directory that is being read.
#[derive(Debug)]
pub(super) struct Reading<R: RemoteFs> {
    pub(super) ino: u64,
    at: tokio::sync::Mutex<Position<R>>,
}

#[derive(Debug)]
struct Position<R: RemoteFs> {
    directory: Option<R::Directory>,
    /// Position of the first entry of `entries`, counted from the beginning of the directory.
    base: u64,
    entries: Vec<Entry>,
}

/// With more nodes than this a listing makes no further ones. The kernel is given them by what asks for each name.
const MOST_NODES: usize = 1 << 20;
/// `.` and `..` come before what the server lists.
const DOTS: u64 = 2;

impl<R: RemoteFs> Inner<R> {
    pub(super) async fn answer_open_directory(&self, ino: u64, reply: Reply) {
        let opened = async {
            if locked(&self.nodes).is_removed(ino) {
                return Ok(None);
            }
            self.remote.open_directory(&self.path(ino)?).await.map(Some).map_err(gone)
        };
        match opened.await {
            Ok(directory) => {
                let position = Position { directory, base: 0, entries: Vec::new() };
                let reading = Arc::new(Reading { ino, at: tokio::sync::Mutex::new(position) });
                let handle = self.new_handle();
                locked(&self.directories).insert(handle, reading);
                if !reply.opened(handle, OpenMode::default())
                    && let Some(reading) = self.let_go_directory(handle)
                {
                    self.close_directory(&reading).await;
                }
            }
            Err(error) => _ = reply.error(error.0),
        }
    }

    pub(super) async fn answer_read_directory(
        &self,
        handle: u64,
        offset: u64,
        size: u32,
        plus: bool,
        reply: Reply,
    ) {
        let reading = locked(&self.directories).get(&handle).cloned();
        let Some(reading) = reading else {
            _ = reply.error(libc::EBADF);
            return;
        };
        let mut listing = Listing::with_room(size);
        if locked(&self.nodes).is_removed(reading.ino) {
            // Not even itself and its parent.
            _ = reply.listing(&listing);
            return;
        }
        let mut told = Vec::new();
        let listed = if plus {
            self.list(&reading, offset, |dot, next, entry| match entry {
                None => {
                    let attr = self.attr_as(dot, &nothing_known());
                    listing.add_name_only(&attr, next, dot_name(next))
                }
                // Of what was changed, removed or renamed since it was listed the kernel knows better: it would believe
                // what was before. What is done from now on it does not take for older than this answer. And of a
                // listing that does not end it is not to be given nodes without end.
                Some((directory, entry))
                    if !self.remote.is_still(directory, entry) || locked(&self.nodes).len() > MOST_NODES =>
                {
                    let attr = self.attr_as(entry.attributes.id.max(2), &entry.attributes);
                    listing.add_name_only(&attr, next, &entry.name)
                }
                Some((_, entry)) => {
                    listing.has_room_for(&entry.name) && {
                        let node = locked(&self.nodes).found(reading.ino, &entry.name, &entry.attributes);
                        told.push(node);
                        listing.add_entry(&self.entry(node, &entry.attributes), next, &entry.name)
                    }
                }
            })
            .await
        } else {
            self.list(&reading, offset, |dot, next, entry| match entry {
                None => listing.add(dot, next, libc::S_IFDIR, dot_name(next)),
                // The number is for people; the kernel asks for a name before it uses the file.
                Some((_, Entry { name, attributes })) => {
                    listing.add(attributes.id.max(2), next, self.look.mode(attributes), name)
                }
            })
            .await
        };
        let heard = match listed {
            Ok(()) => reply.listing(&listing),
            Err(error) => {
                reply.error(error.0);
                false
            }
        };
        if !heard {
            let mut nodes = locked(&self.nodes);
            told.into_iter().for_each(|node| nodes.forget(node, 1));
        }
    }

    /// Gives `put` the entries from `offset` on, with the offset that follows each, while there is room.
    async fn list(
        &self,
        reading: &Reading<R>,
        offset: u64,
        mut put: impl FnMut(u64, u64, Option<(&R::Directory, &Entry)>) -> bool,
    ) -> Result<()> {
        let mut next = offset;
        while next < DOTS {
            let ino = if next == 0 {
                reading.ino
            } else {
                locked(&self.nodes).parent(reading.ino).unwrap_or(reading.ino)
            };
            if !put(ino, next + 1, None) {
                return Ok(());
            }
            next += 1;
        }
        let mut at = reading.at.lock().await;
        if next - DOTS < at.base || at.directory.is_none() {
            // The beginning, or back to a place that was let go: once more from the start.
            if let Some(directory) = at.directory.take() {
                self.remote.close_directory(&directory).await;
            }
            at.directory = Some(self.remote.open_directory(&self.path(reading.ino)?).await?);
            at.base = 0;
            at.entries.clear();
        }
        loop {
            let skip = usize::try_from(next - DOTS - at.base).unwrap_or(usize::MAX);
            let directory = at.directory.as_ref().ok_or(Errno::STALE)?;
            for entry in at.entries.iter().skip(skip) {
                if !put(0, next + 1, Some((directory, entry))) {
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

    /// Takes a directory that was read out of the table. It must then be closed.
    pub(super) fn let_go_directory(&self, handle: u64) -> Option<Arc<Reading<R>>> {
        let reading = locked(&self.directories).get(&handle).cloned()?;
        locked(&self.files).is_to_close(reading.ino);
        // Only now: who waits for it must find it in one of the tables.
        locked(&self.directories).remove(&handle);
        Some(reading)
    }

    pub(super) async fn close_directory(&self, reading: &Reading<R>) {
        if let Some(directory) = reading.at.lock().await.directory.take() {
            self.remote.close_directory(&directory).await;
        }
        self.has_closed(reading.ino);
    }
}

fn dot_name(next: u64) -> &'static str {
    if next == 1 { "." } else { ".." }
}
