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

mod attributes;
mod copy;
mod directory;
mod extended;
mod file;
mod handle;
mod holes;
mod locks;
mod names;
mod symlinks;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpr_abi::Status;
use mpr_helper::control::Health;
use mpr_helper::protocol::{Failure, Share};
use mpr_remotefs::{
    Access, Allocation, Attributes, Browse, Changes, Creation, Entry, Lock, Reached, RemoteFs, Result, Seek,
    SetMode, Space,
};
use smb2::msg::create::{CreateDisposition, CreateResponse};
use smb2::msg::query_info::QueryInfoResponse;
use smb2::pack::Pack;
use smb2::types::flags::{FileAccessMask, FileAttributes};
use smb2::types::{Command, FileId};

pub use self::directory::SmbDirectory;
use self::file::OpenFile;
pub use self::file::SmbFile;
use self::handle::Grip;
use crate::link::{Asked, Link, Trouble, parse};
use crate::session::{OnStage, PATIENCE, Target};
use crate::wire::{self, Facts, Identity};

/// Pauses between attempts to make a lost connection again: a server that lost it is often still busy with that.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];
/// After a connection could not be made again, how long every request fails at once instead of trying.
const COOL_DOWN: Duration = Duration::from_secs(2);

/// Whether a failure to connect is one of the way to the server, and not an answer about the user or the share.
fn is_passing(failure: &Failure) -> bool {
    matches!(Status(failure.status), Status::BAD_NETPATH | Status::NET_ERROR | Status::FUNCTION_BUSY)
}

const EXAMINE: u32 = FileAccessMask::FILE_READ_ATTRIBUTES;

/// Asks once more, over a new connection, when the first was lost. Only for what changes nothing.
macro_rules! ask_twice {
    ($question:expr) => {
        match $question {
            Err(Trouble::Lost) => $question,
            answer => answer,
        }
    };
}
use ask_twice;

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
    /// Whether files of a certain form are symbolic links.
    links_in_files: bool,
    /// The server has refused to make a reparse point.
    no_reparse_points: AtomicBool,
    /// There are symbolic links here that are reparse points.
    links_met: AtomicBool,
    before: Before,
}

/// What went over connections that were lost.
#[derive(Debug, Default)]
struct Before {
    requests: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl std::fmt::Debug for SmbFs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmbFs")
            .field("target", &self.target)
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
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
            links_in_files: false,
            no_reparse_points: AtomicBool::new(false),
            links_met: AtomicBool::new(false),
            before: Before::default(),
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

    /// Has files after Minshall and French taken for symbolic links, and such links made where the server has no
    /// reparse points.
    #[must_use]
    pub fn with_links_in_files(mut self, yes: bool) -> SmbFs {
        self.links_in_files = yes;
        self
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
    async fn link(&self) -> Asked<Arc<Link>> {
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
                let figures = link.channel().figures();
                self.before.requests.fetch_add(figures.requests, Ordering::Relaxed);
                self.before.sent.fetch_add(figures.sent, Ordering::Relaxed);
                self.before.received.fetch_add(figures.received, Ordering::Relaxed);
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

    /// Opens `path`, learns which file it is, and leaves it open.
    async fn create_raw(
        &self,
        link: &Arc<Link>,
        path: &str,
        access: u32,
        disposition: CreateDisposition,
        options: u32,
        attributes: u32,
    ) -> Asked<Opened> {
        let create = wire::create(&self.full(path), access, disposition, options, attributes);
        let identity = wire::query_identity(FileId::SENTINEL);
        let answers = link.chain(&[(Command::Create, &create), (Command::QueryInfo, &identity)]).await?;
        let mut answers = answers.into_iter();
        let created: CreateResponse = parse(&answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
        let grip = Grip::on(link, created.file_id);
        let identity = answers.next().and_then(|body| identity_in(&body.ok()?)).unwrap_or(Identity::UNKNOWN);
        Ok(Opened { created, identity, grip })
    }

    /// Opens `path`, does `work` on it in order, closes it: one message. The first failure is the result.
    async fn work(
        &self,
        path: &str,
        access: u32,
        options: u32,
        work: &[(Command, &dyn Pack)],
    ) -> Asked<Vec<Bytes>> {
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
}

/// What has been opened.
struct Opened {
    created: CreateResponse,
    identity: Identity,
    grip: Grip,
}

impl Opened {
    fn attributes(&self) -> Attributes {
        Facts::of_create(&self.created).of(self.identity)
    }
}

impl Browse for SmbFs {
    async fn shares(&self) -> Reached<Vec<Share>> {
        match self.link().await {
            // Over a connection of its own, which ends with this: what is open here is not in its way.
            Ok(_) => crate::browse::list_shares(&self.target, &|_| {}).await,
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
        self.stat_path(path).await
    }

    async fn stat_open(&self, file: &SmbFile) -> Result<Attributes> {
        self.stat_file(file).await
    }

    async fn change(&self, path: &str, changes: Changes) -> Result<Attributes> {
        self.change_path(path, changes).await
    }

    async fn change_open(&self, file: &SmbFile, changes: Changes) -> Result<Attributes> {
        self.change_file(file, changes).await
    }

    async fn open(&self, path: &str, access: Access) -> Result<(SmbFile, Attributes)> {
        self.open_file(path, access).await
    }

    async fn create(&self, path: &str, creation: Creation) -> Result<(SmbFile, Attributes)> {
        self.create_file(path, creation).await
    }

    async fn read(&self, file: &SmbFile, offset: u64, len: usize) -> Result<Bytes> {
        self.read_file(file, offset, len).await
    }

    async fn write(&self, file: &SmbFile, offset: u64, data: Bytes) -> Result<()> {
        self.write_file(file, offset, data).await
    }

    async fn flush(&self, file: &SmbFile) -> Result<()> {
        self.flush_file(file).await
    }

    async fn close(&self, file: &SmbFile) {
        self.close_file(file).await;
    }

    async fn open_directory(&self, path: &str) -> Result<SmbDirectory> {
        self.start_listing(path).await
    }

    async fn next_entries(&self, directory: &SmbDirectory) -> Result<Vec<Entry>> {
        self.go_on_listing(directory).await
    }

    async fn close_directory(&self, directory: &SmbDirectory) {
        self.end_listing(directory).await;
    }

    async fn make_directory(&self, path: &str) -> Result<Attributes> {
        self.add_directory(path).await
    }

    async fn remove_directory(&self, path: &str) -> Result<()> {
        self.drop_directory(path).await
    }

    async fn remove_file(&self, path: &str, open_here: bool) -> Result<()> {
        self.drop_file(path, open_here).await
    }

    async fn rename(&self, from: &str, to: &str, replace: bool) -> Result<()> {
        self.move_name(from, to, replace).await
    }

    async fn read_link(&self, path: &str) -> Result<String> {
        self.link_target(path).await
    }

    async fn make_symlink(&self, path: &str, target: &str) -> Result<Attributes> {
        self.add_link(path, target).await
    }

    async fn link(&self, path: &str, also: &str) -> Result<Attributes> {
        self.add_name(path, also).await
    }

    async fn xattrs(&self, path: &str) -> Result<Vec<String>> {
        self.extended_names(path).await
    }

    async fn xattr(&self, path: &str, name: &str) -> Result<Bytes> {
        self.extended_value(path, name).await
    }

    async fn set_xattr(&self, path: &str, name: &str, value: Bytes, mode: SetMode) -> Result<()> {
        self.set_extended(path, name, value, mode).await
    }

    async fn remove_xattr(&self, path: &str, name: &str) -> Result<()> {
        self.remove_extended(path, name).await
    }

    async fn lock(&self, file: &SmbFile, range: Range<u64>, lock: Lock) -> Result<()> {
        self.take_lock(file, range, lock).await
    }

    async fn unlock(&self, file: &SmbFile, range: Range<u64>) -> Result<()> {
        self.drop_lock(file, range).await
    }

    async fn allocate(&self, file: &SmbFile, range: Range<u64>, allocation: Allocation) -> Result<()> {
        self.set_room(file, range, allocation).await
    }

    async fn seek(&self, file: &SmbFile, offset: u64, seek: Seek) -> Result<u64> {
        self.find(file, offset, seek).await
    }

    async fn copy(&self, from: &SmbFile, offset: u64, to: &SmbFile, to_offset: u64, len: u64) -> Result<u64> {
        self.copy_there(from, offset, to, to_offset, len).await
    }

    async fn space(&self) -> Result<Space> {
        self.room().await
    }

    fn health(&self) -> Health {
        let link = self.now();
        let figures = link.channel().figures();
        Health {
            connected: !link.is_lost(),
            open_files: 0,
            reconnects: self.reconnects.load(Ordering::Relaxed),
            security: link.security.clone(),
            signing: link.signing.to_owned(),
            encryption: link.encryption.to_owned(),
            round_trip: figures.last_round_trip,
            mean_round_trip: figures.mean_round_trip,
            silence: figures.silence,
            credits: figures.credits,
            requests: figures.requests + self.before.requests.load(Ordering::Relaxed),
            bytes_sent: figures.sent + self.before.sent.load(Ordering::Relaxed),
            bytes_received: figures.received + self.before.received.load(Ordering::Relaxed),
        }
    }

    async fn shut_down(&self) {
        let link = self.now();
        if !link.is_lost() {
            link.say_goodbye().await;
        }
    }
}

fn identity_in(body: &[u8]) -> Option<Identity> {
    Identity::parse(&parse::<QueryInfoResponse>(body).ok()?.output_buffer)
}
