//! A share as a [`RemoteFs`].
//!
//! **A lost connection** is made again by the next request, with a new session, and waited for. What only asks
//! (reading, listing, examining, opening what exists) is then asked once more; what changes something and was under
//! way fails with EIO, because it may have happened. An open file is claimed back where the server has kept it, else
//! opened again by its name; it must have the number it had, else its handle fails with ESTALE.
//!
//! **A directory renamed while files below it are open here** has them closed for the moment; see
//! `SmbFs::park`.
//!
//! **A file removed while it is open here** is first given a hidden name and then removed: the server keeps it
//! until its last handle is closed, and its old name is free at once.

mod attributes;
mod copy;
mod directory;
mod echo;
mod extended;
mod file;
mod handle;
mod holes;
mod lease;
mod locks;
mod making;
mod mending;
mod names;
mod symlinks;
mod times;
mod watch;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use mpr_abi::Status;
use mpr_helper::control::Health;
use mpr_helper::protocol::{Failure, Share};
use mpr_remotefs::{
    Access, Allocation, Attributes, Browse, Changes, Creation, Entry, Event, Lease, Lock, Reached, RemoteFs,
    Result, Seek, SetMode, Space,
};
use smb2::msg::create::{CreateAction, CreateDisposition, CreateRequest, CreateResponse};
use smb2::msg::create_context::pack_contexts;
use smb2::msg::query_info::QueryInfoResponse;
use smb2::pack::Pack;
use smb2::types::flags::{FileAccessMask, FileAttributes};
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId, OplockLevel};

pub use self::directory::SmbDirectory;
use self::file::OpenFile;
pub use self::file::SmbFile;
use self::handle::Grip;
use self::lease::{Leased, Leases};
use self::making::Making;
use self::mending::{Before, Mending};
use self::watch::News;
use crate::contexts::{self, Durable};
use crate::dfs::{self, Place};
use crate::link::{Asked, Link, Trouble, parse};
use crate::locked;
use crate::session::{OnStage, Target, new_client};
use crate::wire::{self, Facts, Identity};

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
    /// Held while the connection is made again.
    mending: tokio::sync::Mutex<Mending>,
    open: Mutex<HashMap<u64, Weak<OpenFile>>>,
    next_file: AtomicU64,
    reconnects: AtomicU64,
    resumed: AtomicU64,
    /// Whether files of a certain form are symbolic links.
    links_in_files: bool,
    /// The server has refused to make a reparse point.
    no_reparse_points: AtomicBool,
    /// The directory that was read last was a small one.
    small_directories: AtomicBool,
    /// There are symbolic links here that are reparse points.
    links_met: AtomicBool,
    before: Before,
    leases: Mutex<Leases>,
    making: Making,
    news: News,
}

/// What connecting to a place has come to.
enum Arrived {
    /// A directory.
    Here(Box<SmbFs>),
    /// A link to another place, told over an encrypted connection or not.
    Link(Place, bool),
    /// A share that the server does not have. It may know who has: a domain's controllers know of its namespaces.
    Nowhere(Place, Failure),
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
    /// Connects to a share, and to the directory `base` inside it, or to where it leads.
    pub async fn connect(target: Target, share: &str, base: &str, on_stage: OnStage<'_>) -> Reached<SmbFs> {
        let first = Place { target, share: share.to_owned(), base: base.to_owned() };
        let name = first.name();
        SmbFs::arrive(&name, vec![first], on_stage).await
    }

    /// Connects to where the link `path` leads.
    pub(crate) async fn behind(&self, path: &str) -> Reached<SmbFs> {
        let encrypted = !self.now().encryption.is_empty();
        let (target, share) = (self.target.clone(), self.share.clone());
        let link = Place { target, share, base: self.full(path) };
        let mut places = link.referred(encrypted).await?;
        places.reverse();
        let reached = SmbFs::arrive(&link.name(), places, &|_| {}).await?;
        Ok(reached.with_links_in_files(self.links_in_files))
    }

    /// Connects to the last of these places, or where it leads, or else to those before it.
    async fn arrive(name: &str, mut places: Vec<Place>, on_stage: OnStage<'_>) -> Reached<SmbFs> {
        for _ in 0..dfs::MOST {
            let Some(place) = places.pop() else { break };
            match SmbFs::connect_to(place, on_stage).await {
                Ok(Arrived::Here(fs)) => return Ok(*fs),
                Ok(Arrived::Link(link, encrypted)) => {
                    places.extend(link.referred(encrypted).await?.into_iter().rev());
                }
                Ok(Arrived::Nowhere(place, failure)) => match place.held_elsewhere().await {
                    Ok(elsewhere) => places.extend(elsewhere.into_iter().rev()),
                    Err(_) if places.is_empty() => return Err(failure),
                    Err(_) => {}
                },
                Err(failure) if places.is_empty() || !mending::is_passing(&failure) => return Err(failure),
                // There is another place for the same.
                Err(_) => {}
            }
        }
        Err(Failure::new(
            Status::BAD_NETPATH,
            format!("{name} leads from one place to the next without an end"),
        ))
    }

    /// Connects to one place.
    async fn connect_to(place: Place, on_stage: OnStage<'_>) -> Reached<Arrived> {
        let Place { mut target, share, base } = place;
        let link = match Link::to(&target, &share, None, None, on_stage).await {
            Err(failure) if failure.status == Status::BAD_NETNAME.0 => {
                return Ok(Arrived::Nowhere(Place { target, share, base }, failure));
            }
            link => link?,
        };
        target.stay(link.principal.as_deref());
        let encrypted = !link.encryption.is_empty();
        let name = format!("{}/{share}", target.name());
        let fs = SmbFs {
            target,
            share: share.clone(),
            base: base.clone(),
            current: RwLock::new(Arc::new(link)),
            mending: tokio::sync::Mutex::default(),
            open: Mutex::default(),
            next_file: AtomicU64::new(1),
            reconnects: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            links_in_files: false,
            no_reparse_points: AtomicBool::new(false),
            small_directories: AtomicBool::new(true),
            links_met: AtomicBool::new(false),
            before: Before::default(),
            leases: Mutex::default(),
            making: Making::default(),
            news: News::default(),
        };
        match fs.facts("").await {
            Ok((facts, _)) if FileAttributes(facts.attributes).is_directory() => {
                Ok(Arrived::Here(Box::new(fs)))
            }
            Ok(_) => Err(Failure::new(
                Status::BAD_NETNAME,
                format!("'{base}' in {name} is a file; only a directory can be connected"),
            )),
            Err(Trouble::Status(NtStatus::PATH_NOT_COVERED)) => {
                Ok(Arrived::Link(Place { target: fs.target, share, base }, encrypted))
            }
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

    /// Whose Kerberos ticket has proved the user, if one has: `joe@CORP.EXAMPLE`.
    #[must_use]
    pub fn principal(&self) -> Option<String> {
        self.now().principal.clone()
    }

    fn full(&self, path: &str) -> String {
        match (self.base.as_str(), path) {
            ("", path) => path.to_owned(),
            (base, "") => base.to_owned(),
            (base, path) => format!("{base}/{path}"),
        }
    }

    /// Opens `path`, learns which file it is, and leaves it open. For a file, all that may be kept of it is asked
    /// for, too.
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
        if options & wire::NOT_DIRECTORY == 0 || !self.listens() {
            return self.open_with(link, create, None, None).await;
        }
        let leased = link.leases.map(|_| locked(&self.leases).of(path));
        let durable = link.durable(new_client);
        match self.open_with(link, create.clone(), leased, durable).await {
            // The name stands for another file now than the one the lease is on.
            Err(Trouble::Status(NtStatus(0xC000_000D))) if link.leases.is_some() => {
                let leased = locked(&self.leases).fresh(path);
                self.open_with(link, create, Some(leased), durable).await
            }
            opened => opened,
        }
    }

    /// Gets back a handle the server has kept since the connection it was made on was lost.
    async fn open_kept(
        &self,
        link: &Arc<Link>,
        path: &str,
        access: u32,
        id: FileId,
        durable: Durable,
        leased: Arc<Leased>,
    ) -> Asked<Opened> {
        let second = link.leases.ok_or(Trouble::Stale)?;
        let mut create =
            wire::create(&self.full(path), access, CreateDisposition::FileOpen, wire::NOT_DIRECTORY, 0);
        let all = contexts::LEASE_READ | contexts::LEASE_HANDLE | contexts::LEASE_WRITE;
        create.requested_oplock_level = OplockLevel::Lease;
        create.create_contexts =
            pack_contexts(&[contexts::durable_again(durable, id), contexts::lease(leased.key, all, second)]);
        self.opened_by(link, create, Some(leased), Some(durable)).await.map(|mut opened| {
            opened.grip.durable = Some(durable);
            opened
        })
    }

    /// Opens with a lease and a handle that outlasts the connection, as far as the server grants them.
    async fn open_with(
        &self,
        link: &Arc<Link>,
        mut create: CreateRequest,
        leased: Option<Arc<Leased>>,
        durable: Option<Durable>,
    ) -> Asked<Opened> {
        let mut asked = Vec::with_capacity(2);
        if let (Some(leased), Some(second)) = (&leased, link.leases) {
            let writes = create.desired_access.bits() & FileAccessMask::FILE_WRITE_DATA != 0;
            let state = contexts::LEASE_READ
                | contexts::LEASE_HANDLE
                | if writes { contexts::LEASE_WRITE } else { leased.bits(link.generation) };
            asked.push(contexts::lease(leased.key, state, second));
            // A handle outlasts its connection only under a lease.
            asked.extend(durable.map(contexts::durable));
            create.requested_oplock_level = OplockLevel::Lease;
        }
        if create.create_disposition != CreateDisposition::FileOpen {
            asked.push(contexts::number());
        }
        create.create_contexts = pack_contexts(&asked);
        self.opened_by(link, create, leased, durable).await
    }

    async fn opened_by(
        &self,
        link: &Arc<Link>,
        create: CreateRequest,
        leased: Option<Arc<Leased>>,
        durable: Option<Durable>,
    ) -> Asked<Opened> {
        let breaks = leased.as_ref().map_or(0, |leased| leased.breaks());
        let identity = wire::query_identity(FileId::SENTINEL);
        // What is new is told its number with the answer, and has one name.
        let asked: &[(Command, &dyn Pack)] = match create.create_disposition {
            CreateDisposition::FileOpen => &[(Command::Create, &create), (Command::QueryInfo, &identity)],
            _ => &[(Command::Create, &create)],
        };
        let mut answers = link.chain(asked).await?.into_iter();
        let created: CreateResponse = parse(&answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
        let kept = durable.and_then(|durable| contexts::granted_durable(&created.create_contexts, durable));
        let grip = Grip::on(link, created.file_id, kept);
        let new = (created.create_action == CreateAction::FileCreated)
            .then(|| contexts::told_number(&created.create_contexts))
            .flatten();
        let identity = match (new, answers.next()) {
            (Some(number), _) => Some(Identity { number, links: 1 }),
            (None, Some(answer)) => answer.ok().as_deref().and_then(identity_in),
            (None, None) => {
                let answer = link.ask(Command::QueryInfo, &wire::query_identity(grip.id), 0).await;
                answer.ok().as_deref().and_then(identity_in)
            }
        };
        let identity = identity.unwrap_or(Identity::UNKNOWN);
        if let Some(leased) = &leased {
            let granted = contexts::granted_lease(&created.create_contexts);
            leased.granted(link.generation, identity.number, granted, breaks);
        }
        Ok(Opened { created, identity, grip, leased })
    }

    /// Opens `path`, does `work` on it in order, closes it: one message. The first failure is the result.
    async fn work(
        &self,
        path: &str,
        access: u32,
        options: u32,
        work: &[(Command, &dyn Pack)],
    ) -> Asked<Vec<Bytes>> {
        let create = wire::create(&self.full(path), access, CreateDisposition::FileOpen, options, 0);
        self.work_through(path, create, work).await
    }

    /// The same through an open of one's own kind.
    async fn work_through(
        &self,
        path: &str,
        mut create: CreateRequest,
        work: &[(Command, &dyn Pack)],
    ) -> Asked<Vec<Bytes>> {
        let link = self.link().await?;
        let close = wire::close(FileId::SENTINEL);
        let mut leased = self.under_its_lease(&link, path, &mut create);
        loop {
            let mut requests: Vec<(Command, &dyn Pack)> = Vec::with_capacity(work.len() + 2);
            requests.push((Command::Create, &create));
            requests.extend_from_slice(work);
            requests.push((Command::Close, &close));
            let answers = link.chain(&requests).await?;
            if leased && matches!(answers[..], [Err(Trouble::Status(NtStatus::INVALID_PARAMETER)), ..]) {
                // To the server the lease is on another name: this one stands for another file now, or what is open has
                // been renamed by another of its names.
                without_lease(&mut create);
                leased = false;
                continue;
            }
            return answers.into_iter().take(work.len() + 1).collect();
        }
    }

    /// Has what is done to a file that is open here done under its lease: else it would be taken from us. Says whether
    /// there is one.
    fn under_its_lease(&self, link: &Link, path: &str, create: &mut CreateRequest) -> bool {
        let Some(second) = link.leases else { return false };
        let Some(leased) = locked(&self.leases).known(path) else { return false };
        let held = leased.bits(link.generation);
        if held != 0 {
            create.create_contexts = pack_contexts(&[contexts::lease(leased.key, held, second)]);
            create.requested_oplock_level = OplockLevel::Lease;
        }
        held != 0
    }
}

fn without_lease(create: &mut CreateRequest) {
    create.create_contexts.clear();
    create.requested_oplock_level = OplockLevel::None;
}

/// What has been opened.
struct Opened {
    created: CreateResponse,
    identity: Identity,
    grip: Grip,
    leased: Option<Arc<Leased>>,
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

    async fn made_in(&self, path: &str) -> Option<Attributes> {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        self.ask_made_in(directory).await.ok().flatten()
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

    fn lease(&self, file: &SmbFile) -> Lease {
        self.may_keep(file)
    }

    fn lifetime(&self) -> Duration {
        self.believable()
    }

    async fn next_event(&self) -> Event {
        self.next_news().await
    }

    fn health(&self) -> Health {
        self.how_it_is()
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
