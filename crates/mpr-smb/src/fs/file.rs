//! Open files: their handles, what is done with them, and opening them again after a connection was lost.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use bytes::{Bytes, BytesMut};
use mpr_remotefs::{Access, Attributes, Changes, Creation, Errno, Result};
use smb2::msg::create::{CreateAction, CreateDisposition, CreateResponse};
use smb2::msg::flush::{FlushRequest, FlushResponse};
use smb2::msg::write::WriteResponse;
use smb2::pack::FileTime;
use smb2::types::flags::{FileAccessMask, FileAttributes};
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId};

use super::handle::Handle;
use super::lease::Leased;
use super::locks::Locks;
use super::times::Clock;
use super::{EXAMINE, Opened, SmbFs, ask_twice};
use crate::channel::Pending;
use crate::link::{Asked, Link, Trouble, parse};
use crate::locked;
use crate::wire;

const READ: u32 = FileAccessMask::FILE_READ_DATA | FileAccessMask::FILE_READ_EA | EXAMINE;
const WRITE: u32 = FileAccessMask::FILE_WRITE_DATA
    | FileAccessMask::FILE_APPEND_DATA
    | FileAccessMask::FILE_WRITE_ATTRIBUTES
    | FileAccessMask::FILE_WRITE_EA
    | EXAMINE;

/// Parts of one read or write that are under way at once.
const MOST_PARTS: usize = 16;

/// Up to here the beginning of a file, which may be all of it, goes out with a question behind it. Samba does a write
/// that comes alone on another thread, and one that others follow in the same message at once: handing over takes longer
/// than writing so little. Where many follow each other it has enough to do meanwhile, and the question costs more.
const SHORT: usize = 32 << 10;

/// An open file.
#[derive(Debug)]
pub struct SmbFile(pub(super) Arc<OpenFile>);

#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) key: u64,
    /// Its name now; kept up to date when it is renamed here.
    pub(super) path: Mutex<String>,
    pub(super) access: u32,
    /// The server's number for it; 0 if it has none.
    pub(super) number: u64,
    born: Born,
    pub(super) handle: Mutex<Handle>,
    pub(super) reopening: tokio::sync::Mutex<()>,
    /// Held for reading by whoever uses the handle, for writing by whoever takes it away.
    pub(super) using: Arc<tokio::sync::RwLock<()>>,
    /// It has been removed, and lasts only as long as its handle.
    pub(super) removed: AtomicBool,
    pub(super) clock: Clock,
    pub(super) locks: Locks,
    pub(super) lease: Mutex<Option<Arc<Leased>>>,
}

/// When a file was made, by the server's clock.
#[derive(Debug, Clone, Copy)]
struct Born {
    made: FileTime,
    /// The latest anything had happened to it when it was opened.
    before: FileTime,
}

impl Born {
    fn of(created: &CreateResponse) -> Born {
        let times = [created.creation_time, created.last_write_time, created.change_time];
        let before = times.into_iter().max_by_key(|time| time.0).unwrap_or(created.creation_time);
        Born { made: created.creation_time, before }
    }
}

impl OpenFile {
    /// Whether what was opened by its name is this file. Servers give the number of a file that is gone to the next
    /// one; that one is younger than what was opened. Some servers make up when a file was made from its other
    /// times, so that another time alone says nothing.
    fn is_it(&self, opened: &Opened) -> bool {
        let made = opened.created.creation_time;
        let younger = made.0 != self.born.made.0 && made.0 > self.born.before.0;
        opened.identity.number == self.number && !younger
    }
}

/// An open file's handle, for as long as it is used.
pub(super) struct Held<'a> {
    pub(super) link: Arc<Link>,
    pub(super) id: FileId,
    _using: tokio::sync::RwLockReadGuard<'a, ()>,
}

/// A part of a file that is being read.
struct Coming {
    len: u32,
    pending: Pending,
}

impl Held<'_> {
    async fn begin_read(&self, offset: u64, len: u32) -> Asked<Coming> {
        let request = wire::read_request(self.id, offset, len);
        let begun = self.link.channel().begin(&[self.link.request(Command::Read, &request, len)]).await?;
        let pending = begun.into_iter().next().ok_or(Trouble::Garbled)?;
        Ok(Coming { len, pending })
    }

    /// Asks for all parts at once, and puts them together in order.
    async fn read_parts(&self, offset: u64, len: usize, most: u32) -> Asked<Bytes> {
        let mut under_way = VecDeque::new();
        let mut asked = 0;
        let mut whole = BytesMut::with_capacity(len);
        loop {
            while asked < len && under_way.len() < MOST_PARTS {
                let wanted = u32::try_from(len - asked).unwrap_or(u32::MAX).min(most);
                under_way.push_back(self.begin_read(offset + asked as u64, wanted).await?);
                asked += wanted as usize;
            }
            let Some(coming) = under_way.pop_front() else { break };
            let wanted = coming.len as usize;
            let part = coming.answered(&self.link).await?;
            whole.extend_from_slice(&part);
            if part.len() < wanted {
                break;
            }
        }
        Ok(whole.freeze())
    }
}

impl Coming {
    /// What is there; less than was asked for if the file ends with it.
    async fn answered(mut self, link: &Link) -> Asked<Bytes> {
        self.pending.ready().await?;
        match link.judge(self.pending.take()?) {
            Ok(body) => {
                let part = wire::read_answer(&body).filter(|part| part.len() <= self.len as usize);
                part.ok_or(Trouble::Garbled)
            }
            Err(Trouble::Status(NtStatus::END_OF_FILE)) => Ok(Bytes::new()),
            Err(trouble) => Err(trouble),
        }
    }
}

impl SmbFs {
    pub(super) async fn open_file(&self, path: &str, access: Access) -> Result<(SmbFile, Attributes)> {
        let access = access_mask(access);
        let opened = ask_twice!(
            async {
                let link = self.link().await?;
                self.create_raw(&link, path, access, CreateDisposition::FileOpen, wire::NOT_DIRECTORY, 0)
                    .await
            }
            .await
        )?;
        let attributes = opened.attributes();
        Ok((self.remember(path, access, opened), attributes))
    }

    pub(super) async fn create_file(&self, path: &str, creation: Creation) -> Result<(SmbFile, Attributes)> {
        let access = access_mask(creation.access);
        let disposition =
            if creation.exclusive { CreateDisposition::FileCreate } else { CreateDisposition::FileOpenIf };
        let attributes = if creation.read_only { FileAttributes::READONLY } else { FileAttributes::NORMAL };
        let link = self.link().await?;
        self.did_name(path, true);
        let opened =
            self.create_raw(&link, path, access, disposition, wire::NOT_DIRECTORY, attributes).await?;
        let attributes = opened.attributes();
        let existed = opened.created.create_action == CreateAction::FileOpened;
        let file = self.remember(path, access, opened);
        if creation.truncate && existed && attributes.size > 0 {
            let changes = Changes { size: Some(0), ..Changes::default() };
            return match self.change_file(&file, changes).await {
                Ok(attributes) => Ok((file, attributes)),
                Err(error) => {
                    self.close_file(&file).await;
                    Err(error)
                }
            };
        }
        Ok((file, attributes))
    }

    pub(super) async fn read_file(&self, file: &SmbFile, offset: u64, len: usize) -> Result<Bytes> {
        match self.try_read(file, offset, len).await {
            Err(Trouble::Lost) => Ok(Box::pin(self.try_read(file, offset, len)).await?),
            read => Ok(read?),
        }
    }

    async fn try_read(&self, file: &SmbFile, offset: u64, len: usize) -> Asked<Bytes> {
        let held = self.handle(&file.0).await?;
        let most = held.link.channel().affordable(held.link.max_read);
        match u32::try_from(len) {
            Ok(0) => Ok(Bytes::new()),
            Ok(len) if len <= most => held.begin_read(offset, len).await?.answered(&held.link).await,
            _ => Box::pin(held.read_parts(offset, len, most)).await,
        }
    }

    pub(super) async fn write_file(&self, file: &SmbFile, offset: u64, data: Bytes) -> Result<()> {
        let held = self.handle(&file.0).await?;
        self.did_change(&locked(&file.0.path));
        self.write_parts(&held, offset, data).await?;
        file.0.clock.has_written(&held).await;
        Ok(())
    }

    async fn write_parts(&self, held: &Held<'_>, offset: u64, data: Bytes) -> Result<()> {
        let Held { link, id, .. } = held;
        let most = link.channel().affordable(link.max_write) as usize;
        let mut under_way = VecDeque::new();
        let mut sent = 0;
        if offset == 0 && data.len() <= SHORT.min(most) {
            sent = data.len();
            under_way.push_back((0..sent, self.begin_short_write(link, *id, offset, &data).await?));
        }
        loop {
            while sent < data.len() && under_way.len() < MOST_PARTS {
                let part = sent..data.len().min(sent + most);
                under_way.push_back((
                    part.clone(),
                    self.begin_write(link, *id, offset, &data, part.clone()).await?,
                ));
                sent = part.end;
            }
            let Some((part, mut pending)) = under_way.pop_front() else { return Ok(()) };
            pending.ready().await?;
            let answer: WriteResponse = parse(&link.judge(pending.take()?)?)?;
            match answer.count as usize {
                0 => return Err(Errno(libc::ENOSPC)),
                count if count == part.len() => {}
                // Less than it was given goes out again from where it stopped.
                count if count < part.len() => {
                    let rest = part.start + count..part.end;
                    let again = self.begin_write(link, *id, offset, &data, rest.clone()).await?;
                    under_way.push_front((rest, again));
                }
                _ => return Err(Trouble::Garbled.into()),
            }
        }
    }

    async fn begin_short_write(&self, link: &Link, id: FileId, offset: u64, data: &[u8]) -> Asked<Pending> {
        let write = wire::Write { id, offset, data };
        let payload = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let question = wire::query_length(FileId::SENTINEL);
        let requests =
            [link.request(Command::Write, &write, payload), link.request(Command::QueryInfo, &question, 0)];
        let begun = link.channel().begin(&requests).await?;
        // Nobody waits for the other answer.
        begun.into_iter().next().ok_or(Trouble::Garbled)
    }

    async fn begin_write(
        &self,
        link: &Link,
        id: FileId,
        offset: u64,
        data: &[u8],
        part: Range<usize>,
    ) -> Asked<Pending> {
        let request = wire::Write { id, offset: offset + part.start as u64, data: &data[part.clone()] };
        let payload = u32::try_from(part.len()).unwrap_or(u32::MAX);
        let begun = link.channel().begin(&[link.request(Command::Write, &request, payload)]).await?;
        begun.into_iter().next().ok_or(Trouble::Garbled)
    }

    pub(super) async fn flush_file(&self, file: &SmbFile) -> Result<()> {
        let Held { link, id, _using } = self.handle(&file.0).await?;
        let _: FlushResponse = link.call(Command::Flush, &FlushRequest { file_id: id }, 0).await?;
        Ok(())
    }

    pub(super) async fn close_file(&self, file: &SmbFile) {
        locked(&self.open).remove(&file.0.key);
        // Whoever still uses the handle is waited for; whoever comes later finds it closed.
        let _alone = file.0.using.write().await;
        let handle = std::mem::replace(&mut *locked(&file.0.handle), Handle::Closed);
        handle.close().await;
    }

    fn remember(&self, path: &str, access: u32, opened: Opened) -> SmbFile {
        let key = self.next_file.fetch_add(1, Ordering::Relaxed);
        let file = Arc::new(OpenFile {
            key,
            path: Mutex::new(path.to_owned()),
            access,
            number: opened.identity.number,
            born: Born::of(&opened.created),
            handle: Mutex::new(Handle::Open(opened.grip)),
            reopening: tokio::sync::Mutex::new(()),
            using: Arc::default(),
            removed: AtomicBool::new(false),
            clock: Clock::default(),
            locks: Locks::default(),
            lease: Mutex::new(opened.leased),
        });
        locked(&self.open).insert(key, Arc::downgrade(&file));
        SmbFile(file)
    }

    /// The connection and the handle of an open file on it; opened again if the connection is a new one.
    pub(super) async fn handle<'a>(&self, file: &'a OpenFile) -> Asked<Held<'a>> {
        let _using = file.using.read().await;
        let link = self.link().await?;
        let id = match now(file, &link)? {
            Some(id) => id,
            // Apart, so that whatever uses a handle is not as large as what has to be remembered for this.
            None => Box::pin(self.handle_anew(file, &link)).await?,
        };
        Ok(Held { link, id, _using })
    }

    async fn handle_anew(&self, file: &OpenFile, link: &Arc<Link>) -> Asked<FileId> {
        let _one_at_a_time = file.reopening.lock().await;
        if let Some(id) = now(file, link)? {
            return Ok(id);
        }
        let path = locked(&file.path).clone();
        let opened = match self.claim(link, &path, file).await {
            Some(opened) => opened,
            None => {
                let opened = self.open_again(link, &path, file).await?;
                file.locks.take_again(link, opened.grip.id).await.map_err(|trouble| match trouble {
                    Trouble::Status(_) => Trouble::Stale,
                    trouble => trouble,
                })?;
                opened
            }
        };
        let id = opened.grip.id;
        *locked(&file.lease) = opened.leased;
        *locked(&file.handle) = Handle::Open(opened.grip);
        Ok(id)
    }

    /// Gets back a handle that the server has kept, with all its locks.
    async fn claim(&self, link: &Arc<Link>, path: &str, file: &OpenFile) -> Option<Opened> {
        let (id, durable) = locked(&file.handle).kept(link)?;
        let leased = locked(&file.lease).clone()?;
        let opened = self.open_kept(link, path, file.access, id, durable, leased).await.ok()?;
        if opened.identity.number != file.number {
            return None;
        }
        self.resumed.fetch_add(1, Ordering::Relaxed);
        Some(opened)
    }

    /// Opens a file by its name, if it is still the same.
    async fn open_again(&self, link: &Arc<Link>, path: &str, file: &OpenFile) -> Asked<Opened> {
        let opened = self
            .create_raw(link, path, file.access, CreateDisposition::FileOpen, wire::NOT_DIRECTORY, 0)
            .await;
        match opened {
            Ok(opened) if file.is_it(&opened) => Ok(opened),
            Ok(opened) => {
                // What was granted for another file is not ours to use.
                if let Some(leased) = &opened.leased {
                    self.interrupted(leased, link.generation);
                }
                locked(&self.leases).forget(path);
                Err(Trouble::Stale)
            }
            Err(Trouble::Status(status)) if crate::status::errno(status) == Errno::NOT_FOUND => {
                Err(Trouble::Stale)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Servers rename no directory while a file below it is open. Ours are closed for the moment, to be opened
    /// again, under their new names, when they are next used; until this is dropped nobody uses them. None if nothing
    /// of ours is in the way, and EBUSY if there is something that would be lost by being closed.
    pub(super) async fn park(
        &self,
        directory: &str,
    ) -> Result<Option<Vec<tokio::sync::OwnedRwLockWriteGuard<()>>>> {
        let below = |path: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        let mut files: Vec<Arc<OpenFile>> = {
            let open = locked(&self.open);
            open.values().filter_map(Weak::upgrade).filter(|file| below(&locked(&file.path))).collect()
        };
        let lost_if_closed =
            |file: &Arc<OpenFile>| file.removed.load(Ordering::Relaxed) || !file.locks.is_empty();
        if files.is_empty() {
            return Ok(None);
        }
        if files.iter().any(lost_if_closed) {
            return Err(Errno(libc::EBUSY));
        }
        // Who needs several handles takes them in this order, too.
        files.sort_by_key(|file| file.key);
        let mut parked = Vec::with_capacity(files.len());
        for file in files {
            parked.push(Arc::clone(&file.using).write_owned().await);
            let handle = std::mem::replace(&mut *locked(&file.handle), Handle::Parked);
            handle.close().await;
            if let Some(leased) = &*locked(&file.lease) {
                self.interrupted(leased, self.now().generation);
            }
        }
        Ok(Some(parked))
    }
}

/// The handle of a file that is open on this connection; none if it has to be opened there first.
fn now(file: &OpenFile, link: &Link) -> Asked<Option<FileId>> {
    match &*locked(&file.handle) {
        Handle::Closed => Err(Trouble::Closed),
        handle => Ok(handle.on(link)),
    }
}

fn access_mask(access: Access) -> u32 {
    match (access.read, access.write) {
        (true, true) => READ | WRITE,
        (false, true) => WRITE,
        _ => READ,
    }
}
