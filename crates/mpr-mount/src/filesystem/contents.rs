//! Reading, writing, and the room files take.

use std::sync::Arc;

use bytes::Bytes;
use mpr_fuse::{Notice, Reply, Room, Write};
use mpr_remotefs::{Allocation, Errno, RemoteFs, Result, Seek};

use super::attributes::MAX_NAME;
use super::{Inner, say};

/// The most bytes a server is asked to copy at once: a request is not to take longer than others do.
const COPIED_AT_ONCE: u64 = 64 << 20;

/// From here on it is asked whether the server has so much at all.
const LARGE: u64 = 1 << 40;

impl<R: RemoteFs> Inner<R> {
    pub(super) async fn read(&self, ino: u64, handle: u64, offset: u64, len: usize) -> Result<Vec<Bytes>> {
        let open = self.handle(ino, Some(handle), |_| true).ok_or(Errno::CLOSED)?;
        match self.remote.read_pieces(&open.file, offset, len).await {
            // Servers hold locks against every handle but the one that has them, even one of the same program.
            Err(refused) if self.is_locked_here(ino, offset, len as u64) => {
                let holder = self.holder(ino, offset, len as u64).filter(|open| open.access.read);
                Box::pin(self.remote.read_pieces(&holder.ok_or(refused)?.file, offset, len)).await
            }
            read => read,
        }
    }

    pub(super) async fn write(&self, ino: u64, write: Write, data: Bytes) -> Result<()> {
        let Write { handle, mut offset, append, .. } = write;
        let open = self.handle(ino, Some(handle), |open| open.access.write).ok_or(Errno::CLOSED)?;
        let mut moved = false;
        if append && !self.remote.lease(&open.file).write {
            // The kernel knows the end of the file of a moment ago. Whoever else appends is not to lose it.
            let end = self.remote.stat_open(&open.file).await?.size;
            moved = end > offset;
            offset = offset.max(end);
        }
        let len = data.len() as u64;
        let holder = self.holder(ino, offset, len).filter(|open| open.access.write).unwrap_or(open);
        self.remote.write(&holder.file, offset, data).await?;
        if moved && let Some(notifier) = self.notifier.get() {
            // It believes these bytes to be where it wanted them.
            notifier.tell(Notice::Inode { node: ino, contents: true });
        }
        Ok(())
    }

    /// A program closes one of its descriptors.
    pub(super) async fn answer_flush(&self, ino: u64, handle: u64, owner: u64, reply: Reply) {
        self.unlock_owner(ino, owner).await;
        let Ok(open) = self.exactly(ino, handle) else { return say(reply, Err(Errno::CLOSED)) };
        // What was only read has nothing to report.
        if !open.access.write {
            return say(reply, Ok(()));
        }
        say(reply, self.remote.settle(&open.file).await);
    }

    pub(super) async fn sync(&self, ino: u64, handle: u64) -> Result<()> {
        let open = self.handle(ino, Some(handle), |_| true).ok_or(Errno::CLOSED)?;
        // What was opened for reading has nothing to bring to safety, and servers refuse to try. What was
        // written through another handle has.
        let open =
            if open.access.write { Some(open) } else { self.handle(ino, None, |open| open.access.write) };
        match open {
            Some(open) => match self.remote.flush(&open.file).await {
                Err(Errno::CLOSED) if open.ino == ino => Ok(()),
                flushed => flushed,
            },
            None => Ok(()),
        }
    }

    pub(super) async fn allocate(
        &self,
        ino: u64,
        handle: u64,
        offset: u64,
        len: u64,
        mode: i32,
    ) -> Result<()> {
        let allocation = allocation_of(mode).ok_or(Errno::UNSUPPORTED)?;
        let end = offset.checked_add(len).ok_or(Errno(libc::EFBIG))?;
        let open = self.writable(ino, handle)?;
        // Some servers set aside what they do not have.
        if allocation != Allocation::Punch
            && len > LARGE
            && self.remote.space().await.is_ok_and(|space| space.total < len)
        {
            return Err(Errno(libc::EFBIG));
        }
        self.remote.allocate(&open.file, offset..end, allocation).await
    }

    pub(super) async fn seek(&self, ino: u64, handle: u64, offset: u64, whence: i32) -> Result<u64> {
        let seek = match whence {
            libc::SEEK_DATA => Seek::Data,
            libc::SEEK_HOLE => Seek::Hole,
            _ => return Err(Errno(libc::EINVAL)),
        };
        let open = self.handle(ino, Some(handle), |_| true).ok_or(Errno::CLOSED)?;
        match self.remote.seek(&open.file, offset, seek).await {
            // Told so, the kernel takes the whole file for data from now on.
            Err(Errno::UNSUPPORTED) => Err(Errno(libc::ENOSYS)),
            found => found,
        }
    }

    /// Copies on the server. Each place is a node, a handle and an offset.
    pub(super) async fn copy(
        &self,
        (ino, handle, offset): (u64, u64, u64),
        (to_ino, to_handle, to_offset): (u64, u64, u64),
        len: u64,
    ) -> Result<u32> {
        let from = self.handle(ino, Some(handle), |open| open.access.read).ok_or(Errno::CLOSED)?;
        let to = self.writable(to_ino, to_handle)?;
        let len = len.min(COPIED_AT_ONCE);
        let copied = self.remote.copy(&from.file, offset, &to.file, to_offset, len).await?;
        Ok(u32::try_from(copied).unwrap_or(u32::MAX))
    }

    fn writable(&self, ino: u64, handle: u64) -> Result<Arc<super::handles::Open<R::File>>> {
        self.handle(ino, Some(handle), |open| open.access.write).ok_or(Errno::CLOSED)
    }

    pub(super) async fn answer_room(&self, reply: Reply) {
        match self.remote.space().await {
            Ok(space) => {
                let unit = u64::from(space.block.max(1));
                _ = reply.room(&Room {
                    blocks: space.total / unit,
                    free: space.free / unit,
                    available: space.available / unit,
                    block_size: space.block,
                    name_max: MAX_NAME as u32,
                });
            }
            Err(error) => _ = reply.error(error.0),
        }
    }
}

fn allocation_of(mode: i32) -> Option<Allocation> {
    const KEEP: i32 = libc::FALLOC_FL_KEEP_SIZE;
    const PUNCH: i32 = libc::FALLOC_FL_PUNCH_HOLE | KEEP;
    const ZERO: i32 = libc::FALLOC_FL_ZERO_RANGE;
    match mode {
        0 => Some(Allocation::Extend),
        KEEP => Some(Allocation::Keep),
        PUNCH => Some(Allocation::Punch),
        ZERO => Some(Allocation::Zero),
        // Zeros that leave the length as it is would be this, cut at the end of the file; nobody asks for it.
        _ => None,
    }
}
