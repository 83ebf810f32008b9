//! The server as its clients see it.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use mpr_helper::control::Health;
use mpr_remotefs::{
    Access, Allocation, Attributes, Changes, Creation, Entry, Errno, Event, Kind, Lease, Lock, RemoteFs,
    Result, Seek, SetMode, Space,
};

use super::leases::Recalls;
use super::tree::NO_DATA;
use super::{Call, MemoryDirectory, MemoryFile, MemoryFs, Server, locked};

/// Entries in one part of a listing.
const PART: usize = 256;

const NOTHING: Lease = Lease { read: false, write: false, handle: false };
const ALL: Lease = Lease { read: true, write: true, handle: true };

impl MemoryFs {
    /// Opens a node, after others have given back what stands in the way of it.
    async fn open_node(
        &self,
        find: impl FnOnce(&mut Server) -> Result<u64>,
        access: Access,
    ) -> Result<MemoryFile> {
        let (file, recalls) = {
            let mut server = self.server();
            let id = find(&mut server)?;
            server.tree.node_mut(id)?.opens += 1;
            server.next_handle += 1;
            server.leases.opening(self.client.number, id);
            let file = MemoryFile {
                id,
                handle: server.next_handle,
                read: access.read,
                write: access.write,
                closed: AtomicBool::new(false),
                fs: self.clone(),
            };
            (file, server.recall(self.client.number, id, Lease { write: false, ..ALL }))
        };
        recalls.returned().await;
        self.server().leases.opened(self.client.number, file.id, &self.client.mailbox);
        Ok(file)
    }

    /// The server, once nobody else has more than `keep` of these files, or of those of these names.
    async fn once_given_back(&self, files: &[u64], names: &[&str], keep: Lease) -> MutexGuard<'_, Server> {
        loop {
            let recalls = {
                let mut server = self.server();
                let named = names.iter().filter_map(|name| server.tree.find(name).ok());
                let files: Vec<u64> = files.iter().copied().chain(named).collect();
                let mut recalls = Recalls::default();
                for id in files {
                    recalls.and(server.recall(self.client.number, id, keep));
                }
                if recalls.is_empty() {
                    return server;
                }
                recalls
            };
            recalls.returned().await;
        }
    }

    /// The server, once all others will read what is about to be written.
    async fn to_change(&self, id: u64) -> MutexGuard<'_, Server> {
        self.once_given_back(&[id], &[], Lease { handle: true, ..NOTHING }).await
    }

    /// The server, once nobody else keeps handles of what has these names.
    async fn to_rename(&self, names: &[&str]) -> MutexGuard<'_, Server> {
        self.once_given_back(&[], names, Lease { handle: false, ..ALL }).await
    }

    async fn change_node(&self, id: u64, changes: Changes) -> Result<Attributes> {
        let mut server = self.to_change(id).await;
        let now = server.tree.change(id, changes)?;
        server.changed(self.client.number, id);
        Ok(now)
    }
}

impl RemoteFs for MemoryFs {
    type File = MemoryFile;
    type Directory = MemoryDirectory;

    async fn stat(&self, path: &str) -> Result<Attributes> {
        self.client.faults.arrive(Call::Stat).await?;
        let server = self.server();
        server.tree.attributes(server.tree.find(path)?)
    }

    async fn stat_open(&self, file: &MemoryFile) -> Result<Attributes> {
        self.client.faults.arrive(Call::StatOpen).await?;
        self.server().tree.attributes(file.open()?)
    }

    async fn change(&self, path: &str, changes: Changes) -> Result<Attributes> {
        self.client.faults.arrive(Call::Change).await?;
        let id = self.server().tree.find(path)?;
        let now = self.change_node(id, changes).await?;
        self.client.faults.leave(Call::Change)?;
        Ok(now)
    }

    async fn change_open(&self, file: &MemoryFile, changes: Changes) -> Result<Attributes> {
        self.client.faults.arrive(Call::ChangeOpen).await?;
        let id = if changes.size.is_some() { file.to_write()? } else { file.open()? };
        let now = self.change_node(id, changes).await?;
        self.client.faults.leave(Call::ChangeOpen)?;
        Ok(now)
    }

    async fn open(&self, path: &str, access: Access) -> Result<(MemoryFile, Attributes)> {
        self.client.faults.arrive(Call::Open).await?;
        let find = |server: &mut Server| {
            let id = server.tree.find_file(path)?;
            let refused = access.write && server.tree.node(id)?.read_only;
            if refused { Err(Errno(libc::EACCES)) } else { Ok(id) }
        };
        let file = self.open_node(find, access).await?;
        let now = self.server().tree.attributes(file.id)?;
        Ok((file, now))
    }

    async fn create(&self, path: &str, creation: Creation) -> Result<(MemoryFile, Attributes)> {
        self.client.faults.arrive(Call::Create).await?;
        let mut existed = true;
        let find = |server: &mut Server| match server.tree.find_file(path) {
            Ok(_) if creation.exclusive => Err(Errno::EXISTS),
            Ok(id) if creation.access.write && server.tree.node(id)?.read_only => Err(Errno(libc::EACCES)),
            Err(Errno::NOT_FOUND) => {
                existed = false;
                let id = server.tree.make(path, Kind::File, "")?;
                server.tree.node_mut(id)?.read_only = creation.read_only;
                server.renamed(self.client.number, path);
                Ok(id)
            }
            found => found,
        };
        let file = self.open_node(find, creation.access).await?;
        if existed && creation.truncate {
            self.change_node(file.id, Changes { size: Some(0), ..Changes::default() }).await?;
        }
        self.client.faults.leave(Call::Create)?;
        let now = self.server().tree.attributes(file.id)?;
        Ok((file, now))
    }

    async fn read(&self, file: &MemoryFile, offset: u64, len: usize) -> Result<Bytes> {
        self.client.faults.arrive(Call::Read).await?;
        let id = file.to_read()?;
        Ok(self.server().tree.node(id)?.contents.read(offset, len).into())
    }

    async fn write(&self, file: &MemoryFile, offset: u64, data: Bytes) -> Result<()> {
        self.client.faults.arrive(Call::Write).await?;
        let id = file.to_write()?;
        {
            let mut server = self.to_change(id).await;
            server.tree.node_mut(file.to_write()?)?.contents.write(offset, &data);
            server.tree.touch(id)?;
            server.changed(self.client.number, id);
        }
        self.client.faults.leave(Call::Write)
    }

    async fn flush(&self, file: &MemoryFile) -> Result<()> {
        self.client.faults.arrive(Call::Flush).await?;
        file.to_write().map(drop)
    }

    async fn close(&self, file: &MemoryFile) {
        let _ = self.client.faults.arrive(Call::Close).await;
        file.close();
    }

    async fn open_directory(&self, path: &str) -> Result<MemoryDirectory> {
        self.client.faults.arrive(Call::OpenDirectory).await?;
        let entries = self.server().tree.entries(path)?;
        Ok(MemoryDirectory(Mutex::new(entries.into_iter())))
    }

    async fn next_entries(&self, directory: &MemoryDirectory) -> Result<Vec<Entry>> {
        self.client.faults.arrive(Call::NextEntries).await?;
        Ok(locked(&directory.0).by_ref().take(PART).collect())
    }

    async fn close_directory(&self, _directory: &MemoryDirectory) {
        let _ = self.client.faults.arrive(Call::CloseDirectory).await;
    }

    async fn make_directory(&self, path: &str) -> Result<Attributes> {
        self.client.faults.arrive(Call::MakeDirectory).await?;
        let mut server = self.server();
        let id = server.tree.make(path, Kind::Directory, "")?;
        server.renamed(self.client.number, path);
        self.client.faults.leave(Call::MakeDirectory)?;
        server.tree.attributes(id)
    }

    async fn remove_directory(&self, path: &str) -> Result<()> {
        self.client.faults.arrive(Call::RemoveDirectory).await?;
        let mut server = self.server();
        server.tree.remove_directory(path)?;
        server.renamed(self.client.number, path);
        self.client.faults.leave(Call::RemoveDirectory)
    }

    async fn remove_file(&self, path: &str, _open_here: bool) -> Result<()> {
        self.client.faults.arrive(Call::RemoveFile).await?;
        let mut server = self.to_rename(&[path]).await;
        server.tree.remove_file(path)?;
        server.renamed(self.client.number, path);
        self.client.faults.leave(Call::RemoveFile)
    }

    async fn rename(&self, from: &str, to: &str, replace: bool) -> Result<()> {
        self.client.faults.arrive(Call::Rename).await?;
        let mut server = self.to_rename(&[from, to]).await;
        server.tree.rename(from, to, replace)?;
        server.renamed(self.client.number, from);
        server.renamed(self.client.number, to);
        self.client.faults.leave(Call::Rename)
    }

    async fn read_link(&self, path: &str) -> Result<String> {
        self.client.faults.arrive(Call::ReadLink).await?;
        self.server().tree.target(path)
    }

    async fn make_symlink(&self, path: &str, target: &str) -> Result<Attributes> {
        self.client.faults.arrive(Call::MakeSymlink).await?;
        let mut server = self.server();
        let id = server.tree.make(path, Kind::Symlink, target)?;
        server.renamed(self.client.number, path);
        server.tree.attributes(id)
    }

    async fn link(&self, path: &str, also: &str) -> Result<Attributes> {
        self.client.faults.arrive(Call::Link).await?;
        let mut server = self.server();
        let id = server.tree.link(path, also)?;
        server.renamed(self.client.number, also);
        server.tree.attributes(id)
    }

    async fn xattrs(&self, path: &str) -> Result<Vec<String>> {
        self.client.faults.arrive(Call::Xattrs).await?;
        Ok(self.server().tree.xattrs(path)?.keys().cloned().collect())
    }

    async fn xattr(&self, path: &str, name: &str) -> Result<Bytes> {
        self.client.faults.arrive(Call::Xattr).await?;
        self.server().tree.xattrs(path)?.get(name).cloned().ok_or(NO_DATA)
    }

    async fn set_xattr(&self, path: &str, name: &str, value: Bytes, mode: SetMode) -> Result<()> {
        self.client.faults.arrive(Call::SetXattr).await?;
        self.server().tree.set_xattr(path, name, value, mode)
    }

    async fn remove_xattr(&self, path: &str, name: &str) -> Result<()> {
        self.client.faults.arrive(Call::RemoveXattr).await?;
        self.server().tree.xattrs(path)?.remove(name).map(drop).ok_or(NO_DATA)
    }

    async fn lock(&self, file: &MemoryFile, range: Range<u64>, lock: Lock) -> Result<()> {
        self.client.faults.arrive(Call::Lock).await?;
        let id = file.open()?;
        let mut server = self.server();
        let locks = server.locks.entry(id).or_default();
        let in_the_way = |(handle, other, how): &(usize, Range<u64>, Lock)| {
            let meet = other.start < range.end && range.start < other.end;
            meet && *handle != file.handle && (*how == Lock::Exclusive || lock == Lock::Exclusive)
        };
        if locks.iter().any(in_the_way) {
            return Err(Errno::LOCKED);
        }
        locks.push((file.handle, range, lock));
        Ok(())
    }

    async fn unlock(&self, file: &MemoryFile, range: Range<u64>) -> Result<()> {
        self.client.faults.arrive(Call::Unlock).await?;
        let id = file.open()?;
        let mut server = self.server();
        let locks = server.locks.entry(id).or_default();
        let held = |(handle, held, _): &(usize, Range<u64>, Lock)| *handle == file.handle && *held == range;
        let index = locks.iter().position(held).ok_or(Errno(libc::EINVAL))?;
        locks.remove(index);
        Ok(())
    }

    async fn allocate(&self, file: &MemoryFile, range: Range<u64>, allocation: Allocation) -> Result<()> {
        self.client.faults.arrive(Call::Allocate).await?;
        let id = file.to_write()?;
        let mut server = self.to_change(id).await;
        let contents = &mut server.tree.node_mut(id)?.contents;
        match allocation {
            Allocation::Extend | Allocation::Keep => contents.set_aside(range.clone()),
            Allocation::Punch | Allocation::Zero => contents.zero(range.clone()),
        }
        let longer = matches!(allocation, Allocation::Extend | Allocation::Zero);
        if longer && contents.size() < range.end {
            contents.resize(range.end);
        }
        server.tree.touch(id)?;
        server.changed(self.client.number, id);
        self.client.faults.leave(Call::Allocate)
    }

    async fn seek(&self, file: &MemoryFile, offset: u64, seek: Seek) -> Result<u64> {
        self.client.faults.arrive(Call::Seek).await?;
        let id = file.open()?;
        let server = self.server();
        let contents = &server.tree.node(id)?.contents;
        let found = match seek {
            _ if offset >= contents.size() => None,
            Seek::Data => contents.data_from(offset),
            Seek::Hole => Some(contents.hole_from(offset)),
        };
        found.ok_or(Errno(libc::ENXIO))
    }

    async fn copy(
        &self,
        from: &MemoryFile,
        offset: u64,
        to: &MemoryFile,
        to_offset: u64,
        len: u64,
    ) -> Result<u64> {
        self.client.faults.arrive(Call::Copy).await?;
        let (source, target) = (from.to_read()?, to.to_write()?);
        let mut server = self.to_change(target).await;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        let data = server.tree.node(source)?.contents.read(offset, len);
        server.tree.node_mut(target)?.contents.write(to_offset, &data);
        server.tree.touch(target)?;
        server.changed(self.client.number, target);
        self.client.faults.leave(Call::Copy)?;
        Ok(data.len() as u64)
    }

    fn lease(&self, file: &MemoryFile) -> Lease {
        self.server().leases.of(self.client.number, file.id)
    }

    fn lifetime(&self) -> Duration {
        *locked(&self.client.lifetime)
    }

    async fn next_event(&self) -> Event {
        self.client.mailbox.next().await
    }

    async fn space(&self) -> Result<Space> {
        self.client.faults.arrive(Call::Space).await?;
        Ok(Space { total: 1 << 40, free: 1 << 39, available: 1 << 39, block: 4096 })
    }

    fn health(&self) -> Health {
        Health { connected: true, security: "memory".to_owned(), ..Health::default() }
    }

    async fn shut_down(&self) {}
}
