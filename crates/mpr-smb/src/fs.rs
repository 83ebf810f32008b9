//! A share as a [`RemoteFs`].
//!
//! **A lost connection** is made again by the next request, with a new session. What only asks (reading,
//! listing, examining, opening what exists) is then asked once more; what changes something and was under way
//! fails with EIO, because it may have happened. An open file is opened again by its name and must have the
//! number it had, else its handle fails with ESTALE.
//!
//! **A directory renamed while files below it are open here** has them closed for the moment; see
//! `SmbFs::park`.
//!
//! **A file removed while it is open here** is first given a hidden name and then removed: the server keeps it
//! until its last handle is closed, and its old name is free at once.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpr_abi::Status;
use mpr_helper::control::Health;
use mpr_helper::protocol::{Failure, Share};
use mpr_remotefs::{
    Access, Attributes, Browse, Changes, Creation, Entry, Errno, Kind, Reached, RemoteFs, Result, Space,
};
use smb2::msg::close::CloseResponse;
use smb2::msg::create::{CreateAction, CreateDisposition, CreateResponse};
use smb2::msg::directory_info::parse_entries;
use smb2::msg::flush::{FlushRequest, FlushResponse};
use smb2::msg::query_directory::{FileInformationClass, QueryDirectoryResponse};
use smb2::msg::query_info::QueryInfoResponse;
use smb2::msg::read::ReadResponse;
use smb2::msg::set_info::{SetInfoRequest, SetInfoResponse};
use smb2::msg::write::WriteResponse;
use smb2::pack::Pack;
use smb2::types::flags::{FileAccessMask, FileAttributes};
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId};

use crate::link::{Link, Trouble, parse};
use crate::session::{OnStage, PATIENCE, Target};
use crate::wire::{self, Facts};

/// Pauses between attempts to make a lost connection again: a server that lost it is often still busy with that.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];
/// After a connection could not be made again, how long every request fails at once instead of trying.
const COOL_DOWN: Duration = Duration::from_secs(2);
/// Bytes of the first part of a listing, which comes with opening the directory.
const FIRST_LISTING: u32 = 65536;

/// Whether a failure to connect is one of the way to the server, and not an answer about the user or the share.
fn is_passing(failure: &Failure) -> bool {
    matches!(Status(failure.status), Status::BAD_NETPATH | Status::NET_ERROR | Status::FUNCTION_BUSY)
}

const EXAMINE: u32 = FileAccessMask::FILE_READ_ATTRIBUTES;
const READ: u32 = FileAccessMask::FILE_READ_DATA | FileAccessMask::FILE_READ_EA | EXAMINE;
const WRITE: u32 = FileAccessMask::FILE_WRITE_DATA
    | FileAccessMask::FILE_APPEND_DATA
    | FileAccessMask::FILE_WRITE_ATTRIBUTES
    | FileAccessMask::FILE_WRITE_EA
    | EXAMINE;

/// Asks once more, over a new connection, when the first was lost. Only for what changes nothing.
macro_rules! ask_twice {
    ($question:expr) => {
        match $question {
            Err(Trouble::Lost) => $question,
            answer => answer,
        }
    };
}

/// A connected share, or a directory of one.
pub struct SmbFs {
    target: Target,
    share: String,
    /// Path of what was connected inside the share.
    base: String,
    current: RwLock<Arc<Link>>,
    /// Held while the connection is made again; when that failed last.
    mending: tokio::sync::Mutex<Option<Instant>>,
    open: Mutex<HashMap<u64, Weak<OpenFile>>>,
    next_file: AtomicU64,
    reconnects: AtomicU64,
}

impl std::fmt::Debug for SmbFs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmbFs")
            .field("target", &self.target)
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}

/// An open file.
#[derive(Debug)]
pub struct SmbFile(Arc<OpenFile>);

#[derive(Debug)]
struct OpenFile {
    key: u64,
    /// Its name now; kept up to date when it is renamed here.
    path: Mutex<String>,
    access: u32,
    /// The server's number for it; 0 if it has none.
    number: u64,
    handle: Mutex<Handle>,
    reopening: tokio::sync::Mutex<()>,
    /// Held for reading by whoever uses the handle, for writing by whoever takes it away.
    using: Arc<tokio::sync::RwLock<()>>,
    /// It has been removed, and lasts only as long as its handle.
    removed: AtomicBool,
}

/// An open file's handle, for as long as it is used.
struct Held<'a> {
    link: Arc<Link>,
    id: FileId,
    _using: tokio::sync::RwLockReadGuard<'a, ()>,
}

/// The generation of a handle that was closed on purpose and is opened again when it is next needed.
const PARKED: u64 = u64::MAX;
/// The generation of a handle that was closed for good.
const CLOSED: u64 = u64::MAX - 1;

#[derive(Debug, Clone, Copy)]
struct Handle {
    id: FileId,
    generation: u64,
}

/// A directory being read.
#[derive(Debug)]
pub struct SmbDirectory {
    handle: Handle,
    /// What came with opening it.
    first: Mutex<Option<Vec<Entry>>>,
    ended: AtomicBool,
}

impl SmbFs {
    /// Connects to a share, and to the directory `base` inside it.
    pub async fn connect(target: Target, share: &str, base: &str, on_stage: OnStage<'_>) -> Reached<SmbFs> {
        let link = Link::to(&target, share, None, on_stage).await?;
        let name = format!("{}/{share}", target.name());
        let fs = SmbFs {
            target,
            share: share.to_owned(),
            base: base.to_owned(),
            current: RwLock::new(Arc::new(link)),
            mending: tokio::sync::Mutex::new(None),
            open: Mutex::default(),
            next_file: AtomicU64::new(1),
            reconnects: AtomicU64::new(0),
        };
        match fs.facts("").await {
            Ok((facts, _)) if FileAttributes(facts.attributes).is_directory() => Ok(fs),
            Ok(_) => Err(Failure::new(
                Status::BAD_NETNAME,
                format!("'{base}' in {name} is a file; only a directory can be connected"),
            )),
            Err(Trouble::Status(status)) => {
                let code = crate::status::wn(status);
                let what = match code {
                    Status::BAD_NETNAME => format!("{name} has no directory '{base}'"),
                    Status::ACCESS_DENIED if base.is_empty() => {
                        format!("this user may connect to {name} but not look into it")
                    }
                    _ => format!("'{base}' in {name} cannot be opened: {status}"),
                };
                Err(Failure::new(code, what))
            }
            Err(_) => Err(Failure::new(
                Status::NET_ERROR,
                format!("the connection to {name} was lost as soon as it was made"),
            )),
        }
    }

    /// Dialect, signing and encryption, for people.
    #[must_use]
    pub fn security(&self) -> String {
        self.now().security.clone()
    }

    fn now(&self) -> Arc<Link> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection that stands, as far as is known.
    async fn link(&self) -> std::result::Result<Arc<Link>, Trouble> {
        let link = self.now();
        if !link.is_lost() {
            return Ok(link);
        }
        let mut failed = self.mending.lock().await;
        let link = self.now();
        if !link.is_lost() {
            return Ok(link);
        }
        if failed.is_some_and(|when| when.elapsed() < COOL_DOWN) {
            return Err(Trouble::Lost);
        }
        match tokio::time::timeout(PATIENCE, self.again(&link)).await {
            Ok(Ok(new)) => {
                debug_assert_ne!(new.session(), link.session());
                let new = Arc::new(new);
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
                self.reconnects.fetch_add(1, Ordering::Relaxed);
                *failed = None;
                Ok(new)
            }
            Ok(Err(_)) | Err(_) => {
                *failed = Some(Instant::now());
                Err(Trouble::Lost)
            }
        }
    }

    /// Makes a lost connection again. A server that refuses to is not asked twice: that could lock the account.
    async fn again(&self, lost: &Link) -> std::result::Result<Link, Failure> {
        for pause in PAUSES {
            match Link::to(&self.target, &self.share, Some(lost), &|_| {}).await {
                Err(failure) if is_passing(&failure) => tokio::time::sleep(pause).await,
                answer => return answer,
            }
        }
        Link::to(&self.target, &self.share, Some(lost), &|_| {}).await
    }

    fn full(&self, path: &str) -> String {
        match (self.base.as_str(), path) {
            ("", path) => path.to_owned(),
            (base, "") => base.to_owned(),
            (base, path) => format!("{base}/{path}"),
        }
    }

    /// Opens `path`, learns its number, and leaves it open.
    async fn create_raw(
        &self,
        link: &Link,
        path: &str,
        access: u32,
        disposition: CreateDisposition,
        options: u32,
        attributes: u32,
    ) -> std::result::Result<(CreateResponse, u64), Trouble> {
        let create = wire::create(&self.full(path), access, disposition, options, attributes);
        let number = wire::query_number(FileId::SENTINEL);
        let answers = link.chain(&[(Command::Create, &create), (Command::QueryInfo, &number)]).await?;
        let mut answers = answers.into_iter();
        let created: CreateResponse = parse(&answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
        let number = answers.next().and_then(|body| number_in(&body.ok()?)).unwrap_or(0);
        Ok((created, number))
    }

    /// What is known of `path`, in one message.
    async fn facts(&self, path: &str) -> std::result::Result<(Facts, u64), Trouble> {
        let link = self.link().await?;
        let create =
            wire::create(&self.full(path), EXAMINE, CreateDisposition::FileOpen, wire::NOT_THROUGH_LINKS, 0);
        let number = wire::query_number(FileId::SENTINEL);
        let close = wire::close(FileId::SENTINEL);
        let answers = link
            .chain(&[(Command::Create, &create), (Command::QueryInfo, &number), (Command::Close, &close)])
            .await?;
        let mut answers = answers.into_iter();
        let created: CreateResponse = parse(&answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
        let number = answers.next().and_then(|body| number_in(&body.ok()?)).unwrap_or(0);
        Ok((Facts::of_create(&created), number))
    }

    /// Opens `path`, does `work` on it in order, closes it: one message. The first failure is the result.
    async fn work(
        &self,
        path: &str,
        access: u32,
        options: u32,
        work: &[(Command, &dyn Pack)],
    ) -> std::result::Result<Vec<Vec<u8>>, Trouble> {
        let link = self.link().await?;
        let create = wire::create(&self.full(path), access, CreateDisposition::FileOpen, options, 0);
        let close = wire::close(FileId::SENTINEL);
        let mut requests: Vec<(Command, &dyn Pack)> = Vec::with_capacity(work.len() + 2);
        requests.push((Command::Create, &create));
        requests.extend_from_slice(work);
        requests.push((Command::Close, &close));
        let answers = link.chain(&requests).await?;
        answers.into_iter().take(work.len() + 1).collect()
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
        });
        locked(&self.open).insert(key, Arc::downgrade(&file));
        SmbFile(file)
    }

    /// The connection and the handle of an open file on it; opened again if the connection is a new one.
    async fn handle<'a>(&self, file: &'a OpenFile) -> Result<Held<'a>> {
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
        let (created, number) = match reopened {
            Ok(reopened) => reopened,
            Err(Trouble::Status(status)) if crate::status::errno(status) == Errno::NOT_FOUND => {
                return Err(Errno::STALE);
            }
            Err(trouble) => return Err(trouble.into()),
        };
        if number != file.number {
            let _ = link.call::<CloseResponse>(Command::Close, &wire::close(created.file_id), 0).await;
            return Err(Errno::STALE);
        }
        *locked(&file.handle) = Handle { id: created.file_id, generation: link.generation };
        Ok(Held { link, id: created.file_id, _using })
    }

    /// Servers rename no directory while a file below it is open. Ours are closed for the moment, to be opened
    /// again, under their new names, when they are next used; until this is dropped nobody uses them.
    async fn park(&self, directory: &str) -> Result<Vec<tokio::sync::OwnedRwLockWriteGuard<()>>> {
        let below = |path: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
        let files: Vec<Arc<OpenFile>> = {
            let open = locked(&self.open);
            open.values().filter_map(Weak::upgrade).filter(|file| below(&locked(&file.path))).collect()
        };
        if files.is_empty() || files.iter().any(|file| file.removed.load(Ordering::Relaxed)) {
            // Nothing of ours is in the way, or something that would be lost by being closed.
            return Err(Errno(libc::EBUSY));
        }
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

    async fn close_handle(&self, handle: Handle) {
        let link = self.now();
        // A handle of a connection that was lost has been closed by the server.
        if handle.generation == link.generation && !link.is_lost() {
            let _ = link.call::<CloseResponse>(Command::Close, &wire::close(handle.id), 0).await;
        }
    }

    /// Files that are open here follow when they, or a directory above them, are renamed.
    fn follow(&self, from: &str, to: &str) {
        locked(&self.open).retain(|_, file| {
            let Some(file) = file.upgrade() else { return false };
            let mut path = locked(&file.path);
            if let Some(rest) = path.strip_prefix(from)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                *path = format!("{to}{rest}");
            }
            true
        });
    }

    async fn try_rename(&self, from: &str, to: &str, replace: bool) -> std::result::Result<(), Trouble> {
        let rename = wire::set_name(&self.full(to), replace, FileId::SENTINEL);
        let access = FileAccessMask::DELETE | EXAMINE;
        self.work(from, access, wire::NOT_THROUGH_LINKS, &[(Command::SetInfo, &rename)]).await.map(drop)
    }

    async fn try_remove(&self, path: &str, options: u32) -> std::result::Result<(), Trouble> {
        let removed = wire::set_removed(FileId::SENTINEL);
        let access = FileAccessMask::DELETE | EXAMINE;
        self.work(path, access, options | wire::NOT_THROUGH_LINKS, &[(Command::SetInfo, &removed)])
            .await
            .map(drop)
    }

    /// Removes a file even if writing to it is forbidden: here that is a matter of the directory.
    async fn remove_anyway(&self, path: &str, options: u32) -> std::result::Result<(), Trouble> {
        match self.try_remove(path, options).await {
            Err(Trouble::Status(NtStatus::CANNOT_DELETE)) => {
                self.allow_writing(path).await?;
                self.try_remove(path, options).await
            }
            done => done,
        }
    }

    async fn allow_writing(&self, path: &str) -> std::result::Result<(), Trouble> {
        let (facts, _) = self.facts(path).await?;
        let basic = wire::set_basic(None, None, attributes_with(facts.attributes, false), FileId::SENTINEL);
        let access = FileAccessMask::FILE_WRITE_ATTRIBUTES | EXAMINE;
        self.work(path, access, wire::NOT_THROUGH_LINKS, &[(Command::SetInfo, &basic)]).await.map(drop)
    }

    /// What has to be sent to make `changes` to a file with these attributes.
    fn requests(changes: Changes, attributes: Option<u32>, id: FileId) -> Vec<SetInfoRequest> {
        let mut requests = Vec::with_capacity(2);
        // The length first: changing it sets the time of modification, which the caller may want otherwise.
        if let Some(size) = changes.size {
            requests.push(wire::set_size(size, id));
        }
        let attributes = match (changes.read_only, attributes) {
            (Some(read_only), Some(now)) if attributes_with(now, read_only) != now => {
                attributes_with(now, read_only)
            }
            _ => 0,
        };
        if changes.accessed.is_some() || changes.modified.is_some() || attributes != 0 {
            requests.push(wire::set_basic(changes.accessed, changes.modified, attributes, id));
        }
        requests
    }

    fn hidden_name(path: &str) -> String {
        let random = || RandomState::new().build_hasher().finish();
        let name = format!("{}{:016x}{:016x}", wire::REMOVED_PREFIX, random(), random());
        match path.rsplit_once('/') {
            Some((directory, _)) => format!("{directory}/{name}"),
            None => name,
        }
    }
}

impl Browse for SmbFs {
    async fn shares(&self) -> Reached<Vec<Share>> {
        match self.link().await {
            Ok(link) => link.shares(&self.target).await,
            Err(_) => Err(Failure::new(
                Status::NET_ERROR,
                format!("the connection to {} is lost and cannot be made again now", self.target.name()),
            )),
        }
    }
}

impl RemoteFs for SmbFs {
    type File = SmbFile;
    type Directory = SmbDirectory;

    async fn stat(&self, path: &str) -> Result<Attributes> {
        let (facts, number) = ask_twice!(self.facts(path).await)?;
        Ok(facts.with_number(number))
    }

    async fn stat_open(&self, file: &SmbFile) -> Result<Attributes> {
        let mut attempts = 0;
        loop {
            let held = self.handle(&file.0).await?;
            let answer: std::result::Result<QueryInfoResponse, Trouble> =
                held.link.call(Command::QueryInfo, &wire::query_attributes(held.id), 0).await;
            attempts += 1;
            match answer {
                Ok(answer) => {
                    let facts = Facts::parse(&answer.output_buffer).ok_or(Trouble::Garbled)?;
                    return Ok(facts.with_number(file.0.number));
                }
                Err(Trouble::Lost) if attempts < 2 => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    async fn change(&self, path: &str, changes: Changes) -> Result<Attributes> {
        let attributes = match changes.read_only {
            Some(_) => {
                let (facts, _) = ask_twice!(self.facts(path).await)?;
                (!FileAttributes(facts.attributes).is_directory()).then_some(facts.attributes)
            }
            None => None,
        };
        let requests = Self::requests(changes, attributes, FileId::SENTINEL);
        if requests.is_empty() {
            return self.stat(path).await;
        }
        let facts = wire::query_attributes(FileId::SENTINEL);
        let number = wire::query_number(FileId::SENTINEL);
        let mut work: Vec<(Command, &dyn Pack)> =
            requests.iter().map(|request| (Command::SetInfo, request as &dyn Pack)).collect();
        work.push((Command::QueryInfo, &facts));
        work.push((Command::QueryInfo, &number));
        let mut access = FileAccessMask::FILE_WRITE_ATTRIBUTES | EXAMINE;
        if changes.size.is_some() {
            access |= FileAccessMask::FILE_WRITE_DATA;
        }
        let mut answers = self.work(path, access, 0, &work).await?;
        let number = answers.pop().as_deref().and_then(number_in).unwrap_or(0);
        let facts: QueryInfoResponse = parse(&answers.pop().unwrap_or_default())?;
        Ok(Facts::parse(&facts.output_buffer).ok_or(Trouble::Garbled)?.with_number(number))
    }

    async fn change_open(&self, file: &SmbFile, changes: Changes) -> Result<Attributes> {
        let held = self.handle(&file.0).await?;
        let attributes = match changes.read_only {
            Some(_) => {
                let answer: QueryInfoResponse =
                    held.link.call(Command::QueryInfo, &wire::query_attributes(held.id), 0).await?;
                Some(Facts::parse(&answer.output_buffer).ok_or(Trouble::Garbled)?.attributes)
            }
            None => None,
        };
        for request in Self::requests(changes, attributes, held.id) {
            let _: SetInfoResponse = held.link.call(Command::SetInfo, &request, 0).await?;
        }
        drop(held);
        self.stat_open(file).await
    }

    async fn open(&self, path: &str, access: Access) -> Result<(SmbFile, Attributes)> {
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
        let (generation, (created, number)) = opened?;
        let handle = Handle { id: created.file_id, generation };
        let attributes = Facts::of_create(&created).with_number(number);
        Ok((self.remember(path, access, number, handle), attributes))
    }

    async fn create(&self, path: &str, creation: Creation) -> Result<(SmbFile, Attributes)> {
        let access = access_mask(creation.access);
        let disposition =
            if creation.exclusive { CreateDisposition::FileCreate } else { CreateDisposition::FileOpenIf };
        let attributes = if creation.read_only { FileAttributes::READONLY } else { FileAttributes::NORMAL };
        let link = self.link().await?;
        let (created, number) =
            self.create_raw(&link, path, access, disposition, wire::NOT_DIRECTORY, attributes).await?;
        let handle = Handle { id: created.file_id, generation: link.generation };
        let file = self.remember(path, access, number, handle);
        if creation.truncate && created.create_action == CreateAction::FileOpened && created.end_of_file > 0 {
            let changes = Changes { size: Some(0), ..Changes::default() };
            return match self.change_open(&file, changes).await {
                Ok(attributes) => Ok((file, attributes)),
                Err(error) => {
                    self.close(&file).await;
                    Err(error)
                }
            };
        }
        Ok((file, Facts::of_create(&created).with_number(number)))
    }

    async fn read(&self, file: &SmbFile, offset: u64, len: usize) -> Result<Bytes> {
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

    async fn write(&self, file: &SmbFile, offset: u64, data: Bytes) -> Result<()> {
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

    async fn flush(&self, file: &SmbFile) -> Result<()> {
        let Held { link, id, _using } = self.handle(&file.0).await?;
        let _: FlushResponse = link.call(Command::Flush, &FlushRequest { file_id: id }, 0).await?;
        Ok(())
    }

    async fn close(&self, file: &SmbFile) {
        locked(&self.open).remove(&file.0.key);
        // Whoever still uses the handle is waited for; whoever comes later finds it closed.
        let _alone = file.0.using.write().await;
        let closed = Handle { id: FileId::SENTINEL, generation: CLOSED };
        let handle = std::mem::replace(&mut *locked(&file.0.handle), closed);
        self.close_handle(handle).await;
    }

    async fn open_directory(&self, path: &str) -> Result<SmbDirectory> {
        let opened = ask_twice!(
            async {
                let link = self.link().await?;
                let access = FileAccessMask::FILE_READ_DATA | EXAMINE;
                let create =
                    wire::create(&self.full(path), access, CreateDisposition::FileOpen, wire::DIRECTORY, 0);
                let list = wire::query_directory(FileId::SENTINEL, FIRST_LISTING);
                let answers =
                    link.chain(&[(Command::Create, &create), (Command::QueryDirectory, &list)]).await?;
                Ok::<_, Trouble>((link.generation, answers))
            }
            .await
        );
        let (generation, answers) = opened?;
        let mut answers = answers.into_iter();
        let created: CreateResponse = parse(&answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
        let directory = SmbDirectory {
            handle: Handle { id: created.file_id, generation },
            first: Mutex::new(None),
            ended: false.into(),
        };
        let listed = answers.next().unwrap_or(Err(Trouble::Garbled)).and_then(|body| entries_in(&body));
        match listed {
            Ok(entries) => {
                *locked(&directory.first) = Some(entries);
                Ok(directory)
            }
            Err(Trouble::Status(NtStatus::NO_MORE_FILES)) => {
                directory.ended.store(true, Ordering::Relaxed);
                Ok(directory)
            }
            Err(trouble) => {
                self.close_directory(&directory).await;
                Err(trouble.into())
            }
        }
    }

    async fn next_entries(&self, directory: &SmbDirectory) -> Result<Vec<Entry>> {
        if let Some(entries) = locked(&directory.first).take()
            && !entries.is_empty()
        {
            return Ok(entries);
        }
        let link = self.now();
        loop {
            if directory.ended.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            if directory.handle.generation != link.generation {
                // Where a listing had come to is known to the old connection alone.
                return Err(Errno::LOST);
            }
            let request = wire::query_directory(directory.handle.id, link.max_listing);
            let listed: std::result::Result<QueryDirectoryResponse, Trouble> =
                link.call(Command::QueryDirectory, &request, link.max_listing).await;
            match listed {
                Ok(answer) => {
                    let entries = visible(&answer)?;
                    // A part in which nothing is visible is not the end.
                    if !entries.is_empty() {
                        return Ok(entries);
                    }
                }
                Err(Trouble::Status(NtStatus::NO_MORE_FILES)) => {
                    directory.ended.store(true, Ordering::Relaxed);
                }
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    async fn close_directory(&self, directory: &SmbDirectory) {
        self.close_handle(directory.handle).await;
    }

    async fn make_directory(&self, path: &str) -> Result<Attributes> {
        let link = self.link().await?;
        let (created, number) = self
            .create_raw(
                &link,
                path,
                EXAMINE,
                CreateDisposition::FileCreate,
                wire::DIRECTORY,
                FileAttributes::DIRECTORY,
            )
            .await?;
        let _ = link.call::<CloseResponse>(Command::Close, &wire::close(created.file_id), 0).await;
        Ok(Facts::of_create(&created).with_number(number))
    }

    async fn remove_directory(&self, path: &str) -> Result<()> {
        Ok(self.remove_anyway(path, wire::DIRECTORY).await?)
    }

    async fn remove_file(&self, path: &str, open_here: bool) -> Result<()> {
        if open_here {
            let hidden = Self::hidden_name(path);
            if self.try_rename(path, &hidden, false).await.is_ok() {
                self.follow(path, &hidden);
                for file in locked(&self.open).values().filter_map(Weak::upgrade) {
                    if *locked(&file.path) == hidden {
                        file.removed.store(true, Ordering::Relaxed);
                    }
                }
                return Ok(self.remove_anyway(&hidden, wire::NOT_DIRECTORY).await?);
            }
            // A server that does not rename what is open still removes it, at the latest when it is closed.
        }
        Ok(self.remove_anyway(path, wire::NOT_DIRECTORY).await?)
    }

    async fn rename(&self, from: &str, to: &str, replace: bool) -> Result<()> {
        let denied = |renamed: &std::result::Result<(), Trouble>| {
            matches!(
                renamed,
                Err(Trouble::Status(
                    NtStatus::ACCESS_DENIED | NtStatus::OBJECT_NAME_COLLISION | NtStatus::SHARING_VIOLATION
                ))
            )
        };
        let mut renamed = self.try_rename(from, to, replace).await;
        if denied(&renamed) && replace && self.make_way(from, to).await? {
            renamed = self.try_rename(from, to, true).await;
        }
        let mut _parked = Vec::new();
        if denied(&renamed)
            && let Ok(parked) = self.park(from).await
        {
            _parked = parked;
            renamed = self.try_rename(from, to, replace).await;
        }
        renamed?;
        self.follow(from, to);
        Ok(())
    }

    async fn space(&self) -> Result<Space> {
        let query = wire::query_space(FileId::SENTINEL);
        let mut answers = ask_twice!(self.work("", EXAMINE, 0, &[(Command::QueryInfo, &query)]).await)?;
        let answer: QueryInfoResponse = parse(&answers.pop().unwrap_or_default())?;
        let (total, available, free, unit) =
            wire::parse_space(&answer.output_buffer).ok_or(Trouble::Garbled)?;
        let bytes = |units: u64| units.saturating_mul(unit);
        Ok(Space {
            total: bytes(total),
            free: bytes(free),
            available: bytes(available),
            block: u32::try_from(unit).unwrap_or(4096).clamp(512, 1 << 20),
        })
    }

    fn health(&self) -> Health {
        let link = self.now();
        Health {
            connected: !link.is_lost(),
            open_files: 0,
            reconnects: self.reconnects.load(Ordering::Relaxed),
            security: link.security.clone(),
        }
    }

    async fn shut_down(&self) {
        let link = self.now();
        if !link.is_lost() {
            link.say_goodbye().await;
        }
    }
}

impl SmbFs {
    /// Servers replace a file, but neither a directory nor a file that forbids writing; a kernel expects both.
    /// Says whether it is worth trying again.
    async fn make_way(&self, from: &str, to: &str) -> Result<bool> {
        let (old, old_number) = match self.facts(to).await {
            Ok(found) => found,
            Err(Trouble::Status(status)) if crate::status::errno(status) == Errno::NOT_FOUND => {
                return Ok(false);
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let (new, new_number) = self.facts(from).await?;
        if old_number == new_number && old_number != 0 {
            // Two spellings of one name, on a server that does not tell upper from lower case.
            return Ok(false);
        }
        let (old, new) = (old.with_number(old_number), new.with_number(new_number));
        match (old.kind, new.kind) {
            (Kind::Directory, Kind::Directory) => self.remove_directory(to).await.map(|()| true),
            (Kind::Directory, _) => Err(Errno(libc::EISDIR)),
            (_, Kind::Directory) => Err(Errno(libc::ENOTDIR)),
            (_, _) if old.read_only => Ok(self.allow_writing(to).await.map(|()| true)?),
            (_, _) => Ok(false),
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

/// These attributes with writing forbidden or allowed. Never zero, which would mean "leave as it is".
fn attributes_with(attributes: u32, read_only: bool) -> u32 {
    let rest = attributes & FileAttributes::SETTABLE & !(FileAttributes::READONLY | FileAttributes::NORMAL);
    match (rest, read_only) {
        (rest, true) => rest | FileAttributes::READONLY,
        (0, false) => FileAttributes::NORMAL,
        (rest, false) => rest,
    }
}

fn number_in(body: &[u8]) -> Option<u64> {
    wire::parse_number(&parse::<QueryInfoResponse>(body).ok()?.output_buffer)
}

fn entries_in(body: &[u8]) -> std::result::Result<Vec<Entry>, Trouble> {
    visible(&parse(body)?)
}

fn visible(answer: &QueryDirectoryResponse) -> std::result::Result<Vec<Entry>, Trouble> {
    let class = FileInformationClass::FileIdBothDirectoryInformation;
    let raw = parse_entries(class, &answer.output_buffer).map_err(|_| Trouble::Garbled)?;
    Ok(raw.iter().filter_map(wire::entry).collect())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidding_writing_keeps_the_other_attributes() {
        let hidden = FileAttributes::HIDDEN;
        assert_eq!(attributes_with(hidden, true), hidden | FileAttributes::READONLY);
        assert_eq!(attributes_with(hidden | FileAttributes::READONLY, false), hidden);
        assert_eq!(attributes_with(FileAttributes::READONLY, false), FileAttributes::NORMAL);
    }

    #[test]
    fn a_removed_file_hides_in_its_own_directory_under_a_name_of_its_own() {
        let one = SmbFs::hidden_name("a/b/c");
        assert!(one.starts_with("a/b/.mpr-deleted-") && one.len() == "a/b/.mpr-deleted-".len() + 32, "{one}");
        assert_ne!(one, SmbFs::hidden_name("a/b/c"));
        assert!(SmbFs::hidden_name("c").starts_with(wire::REMOVED_PREFIX));
    }

    #[test]
    fn the_length_is_set_before_the_times_it_would_disturb() {
        let changes = Changes { size: Some(0), modified: Some(std::time::UNIX_EPOCH), ..Changes::default() };
        let requests = SmbFs::requests(changes, None, FileId::SENTINEL);
        assert_eq!(requests.iter().map(|request| request.file_info_class).collect::<Vec<_>>(), [20, 4]);
    }
}
