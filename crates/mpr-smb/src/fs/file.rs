//! Open files: their handles, what is done with them, and opening them again after a connection was lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use bytes::Bytes;
use mpr_remotefs::{Access, Attributes, Changes, Creation, Errno, Result};
use smb2::msg::close::CloseResponse;
use smb2::msg::create::{CreateAction, CreateDisposition};
use smb2::msg::flush::{FlushRequest, FlushResponse};
use smb2::msg::read::ReadResponse;
use smb2::msg::write::WriteResponse;
use smb2::types::flags::{FileAccessMask, FileAttributes};
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId};

use super::locks::Locks;
use super::{EXAMINE, SmbFs, ask_twice, locked};
use crate::link::{Link, Trouble};
use crate::wire::{self, Facts};

const READ: u32 = FileAccessMask::FILE_READ_DATA | FileAccessMask::FILE_READ_EA | EXAMINE;
const WRITE: u32 = FileAccessMask::FILE_WRITE_DATA
    | FileAccessMask::FILE_APPEND_DATA
    | FileAccessMask::FILE_WRITE_ATTRIBUTES
    | FileAccessMask::FILE_WRITE_EA
    | EXAMINE;

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
    pub(super) handle: Mutex<Handle>,
    pub(super) reopening: tokio::sync::Mutex<()>,
    /// Held for reading by whoever uses the handle, for writing by whoever takes it away.
    pub(super) using: Arc<tokio::sync::RwLock<()>>,
    /// It has been removed, and lasts only as long as its handle.
    pub(super) removed: AtomicBool,
    pub(super) locks: Locks,
}

/// An open file's handle, for as long as it is used.
pub(super) struct Held<'a> {
    pub(super) link: Arc<Link>,
    pub(super) id: FileId,
    _using: tokio::sync::RwLockReadGuard<'a, ()>,
}

/// The generation of a handle that was closed on purpose and is opened again when it is next needed.
const PARKED: u64 = u64::MAX;
/// The generation of a handle that was closed for good.
const CLOSED: u64 = u64::MAX - 1;

#[derive(Debug, Clone, Copy)]
pub(super) struct Handle {
    pub(super) id: FileId,
    pub(super) generation: u64,
}

impl SmbFs {
    pub(super) async fn open_file(&self, path: &str, access: Access) -> Result<(SmbFile, Attributes)> {
        let access = access_mask(access);
        let opened = ask_twice!(
            async {
                let link = self.link().await?;
                let opened = self
                    .create_raw(&link, path, access, CreateDisposition::FileOpen, wire::NOT_DIRECTORY, 0)
                    .await?;
                Ok((link.generation, opened))
            }
            .await
        );
        let (generation, (created, identity)) = opened?;
        let handle = Handle { id: created.file_id, generation };
        let attributes = Facts::of_create(&created).of(identity);
        Ok((self.remember(path, access, identity.number, handle), attributes))
    }

    pub(super) async fn create_file(&self, path: &str, creation: Creation) -> Result<(SmbFile, Attributes)> {
        let access = access_mask(creation.access);
        let disposition =
            if creation.exclusive { CreateDisposition::FileCreate } else { CreateDisposition::FileOpenIf };
        let attributes = if creation.read_only { FileAttributes::READONLY } else { FileAttributes::NORMAL };
        let link = self.link().await?;
        let (created, identity) =
            self.create_raw(&link, path, access, disposition, wire::NOT_DIRECTORY, attributes).await?;
        let handle = Handle { id: created.file_id, generation: link.generation };
        let file = self.remember(path, access, identity.number, handle);
        if creation.truncate && created.create_action == CreateAction::FileOpened && created.end_of_file > 0 {
            let changes = Changes { size: Some(0), ..Changes::default() };
            return match self.change_file(&file, changes).await {
                Ok(attributes) => Ok((file, attributes)),
                Err(error) => {
                    self.close_file(&file).await;
                    Err(error)
                }
            };
        }
        Ok((file, Facts::of_create(&created).of(identity)))
    }

    pub(super) async fn read_file(&self, file: &SmbFile, offset: u64, len: usize) -> Result<Bytes> {
        let mut data = Vec::new();
        let mut attempts = 0;
        while data.len() < len {
            let held = self.handle(&file.0).await?;
            let wanted = u32::try_from(len - data.len()).unwrap_or(u32::MAX).min(held.link.max_read);
            let request = wire::read_request(held.id, offset + data.len() as u64, wanted);
            match held.link.call::<ReadResponse>(Command::Read, &request, wanted).await {
                Ok(answer) => {
                    let got = answer.data.len();
                    if got > wanted as usize {
                        return Err(Trouble::Garbled.into());
                    }
                    if data.is_empty() {
                        data = answer.data;
                    } else {
                        data.extend_from_slice(&answer.data);
                    }
                    if got < wanted as usize {
                        break;
                    }
                }
                Err(Trouble::Status(NtStatus::END_OF_FILE)) => break,
                Err(Trouble::Lost) if attempts == 0 => attempts += 1,
                Err(trouble) => return Err(trouble.into()),
            }
        }
        Ok(data.into())
    }

    pub(super) async fn write_file(&self, file: &SmbFile, offset: u64, data: Bytes) -> Result<()> {
        let Held { link, id, _using } = self.handle(&file.0).await?;
        let mut done = 0;
        while done < data.len() {
            let rest = &data[done..];
            let part = &rest[..rest.len().min(link.max_write as usize)];
            let request = wire::write_request(id, offset + done as u64, part.to_vec());
            let payload = u32::try_from(part.len()).unwrap_or(u32::MAX);
            let answer: WriteResponse = link.call(Command::Write, &request, payload).await?;
            match answer.count as usize {
                0 => return Err(Errno(libc::ENOSPC)),
                // Less than it was given goes out again from where it stopped.
                count if count <= part.len() => done += count,
                _ => return Err(Trouble::Garbled.into()),
            }
        }
        Ok(())
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
        let closed = Handle { id: FileId::SENTINEL, generation: CLOSED };
        let handle = std::mem::replace(&mut *locked(&file.0.handle), closed);
        self.close_handle(handle).await;
    }

    fn remember(&self, path: &str, access: u32, number: u64, handle: Handle) -> SmbFile {
        let key = self.next_file.fetch_add(1, Ordering::Relaxed);
        let file = Arc::new(OpenFile {
            key,
            path: Mutex::new(path.to_owned()),
            access,
            number,
            handle: Mutex::new(handle),
            reopening: tokio::sync::Mutex::new(()),
            using: Arc::default(),
            removed: AtomicBool::new(false),
            locks: Locks::default(),
        });
        locked(&self.open).insert(key, Arc::downgrade(&file));
        SmbFile(file)
    }

    /// The connection and the handle of an open file on it; opened again if the connection is a new one.
    pub(super) async fn handle<'a>(&self, file: &'a OpenFile) -> Result<Held<'a>> {
        let _using = file.using.read().await;
        let link = self.link().await?;
        let handle = *locked(&file.handle);
        if handle.generation == CLOSED {
            return Err(Errno::CLOSED);
        }
        if handle.generation == link.generation {
            return Ok(Held { link, id: handle.id, _using });
        }
        let _one_at_a_time = file.reopening.lock().await;
        let handle = *locked(&file.handle);
        if handle.generation == link.generation {
            return Ok(Held { link, id: handle.id, _using });
        }
        let path = locked(&file.path).clone();
        let reopened = self
            .create_raw(&link, &path, file.access, CreateDisposition::FileOpen, wire::NOT_DIRECTORY, 0)
            .await;
        let (created, identity) = match reopened {
            Ok(reopened) => reopened,
            Err(Trouble::Status(status)) if crate::status::errno(status) == Errno::NOT_FOUND => {
                return Err(Errno::STALE);
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let same =
            identity.number == file.number && file.locks.take_again(&link, created.file_id).await.is_ok();
        if !same {
            let _ = link.call::<CloseResponse>(Command::Close, &wire::close(created.file_id), 0).await;
            return Err(Errno::STALE);
        }
        *locked(&file.handle) = Handle { id: created.file_id, generation: link.generation };
        Ok(Held { link, id: created.file_id, _using })
    }

    /// Servers rename no directory while a file below it is open. Ours are closed for the moment, to be opened
    /// again, under their new names, when they are next used; until this is dropped nobody uses them.
    pub(super) async fn park(&self, directory: &str) -> Result<Vec<tokio::sync::OwnedRwLockWriteGuard<()>>> {
        let below = |path: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        let mut files: Vec<Arc<OpenFile>> = {
            let open = locked(&self.open);
            open.values().filter_map(Weak::upgrade).filter(|file| below(&locked(&file.path))).collect()
        };
        let lost_if_closed =
            |file: &Arc<OpenFile>| file.removed.load(Ordering::Relaxed) || !file.locks.is_empty();
        if files.is_empty() || files.iter().any(lost_if_closed) {
            // Nothing of ours is in the way, or something that would be lost by being closed.
            return Err(Errno(libc::EBUSY));
        }
        // Who needs several handles takes them in this order, too.
        files.sort_by_key(|file| file.key);
        let mut parked = Vec::with_capacity(files.len());
        for file in files {
            parked.push(Arc::clone(&file.using).write_owned().await);
            let handle = std::mem::replace(
                &mut *locked(&file.handle),
                Handle { id: FileId::SENTINEL, generation: PARKED },
            );
            self.close_handle(handle).await;
        }
        Ok(parked)
    }

    pub(super) async fn close_handle(&self, handle: Handle) {
        let link = self.now();
        // A handle of a connection that was lost has been closed by the server.
        if handle.generation == link.generation && !link.is_lost() {
            let _ = link.call::<CloseResponse>(Command::Close, &wire::close(handle.id), 0).await;
        }
    }
}

fn access_mask(access: Access) -> u32 {
    match (access.read, access.write) {
        (true, true) => READ | WRITE,
        (false, true) => WRITE,
        _ => READ,
    }
}
