//! A share together with what its DFS links lead to.
//!
//! What was connected is the trunk. A link that something is asked about beyond is followed then, by the same rules as
//! when connecting (`dfs`), and what it leads to is a branch from then on: a share of its own, with a connection of its
//! own. A link that nobody looks behind is a directory, and costs nothing.
//!
//! * Files of different branches may have the same number at their servers; here each branch changes its numbers in its
//!   own way. A link has none, since nobody but its server knows it.
//! * Nothing is renamed, linked or copied from one branch to another: `EXDEV`, as between two mounts. A link itself
//!   is neither renamed nor removed: `EBUSY`.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mpr_abi::Status;
use mpr_helper::control::Health;
use mpr_helper::protocol::{Failure, Share};
use mpr_remotefs::{
    Access, Allocation, Attributes, Browse, Changes, Creation, Entry, Errno, Event, Kind, Lease, Lock,
    Reached, RemoteFs, Result, Seek, SetMode, Space,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::fs::{SmbDirectory, SmbFile, SmbFs};
use crate::locked;

/// What servers answer about what lies behind a link.
const REMOTE: Errno = Errno(libc::EREMOTE);
const BUSY: Errno = Errno(libc::EBUSY);
const OTHER_BRANCH: Errno = Errno(libc::EXDEV);
/// How many branches there may be, and how many links behind each other.
const MOST: usize = 256;
const DEEPEST: usize = 8;
/// How long following a link may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one that led nowhere is not tried again.
const COOL_DOWN: Duration = Duration::from_secs(5);

/// A share, and what its links lead to.
pub struct Namespace {
    trunk: Arc<Branch>,
    /// By the path of the link.
    branches: RwLock<BTreeMap<String, Arc<Branch>>>,
    /// Held while a link is followed: those that led nowhere, when, and why.
    growing: tokio::sync::Mutex<HashMap<String, (Instant, Errno)>>,
    events: tokio::sync::Mutex<Events>,
    tell: mpsc::Sender<Event>,
    /// What listens to the branches; ends with this.
    listeners: Mutex<JoinSet<()>>,
}

struct Events {
    /// What the trunk will tell next.
    trunk: Option<Pin<Box<dyn Future<Output = Event> + Send>>>,
    branches: mpsc::Receiver<Event>,
}

/// A share of the namespace.
struct Branch {
    fs: SmbFs,
    /// The path of its link; empty for the trunk. Changes when a directory above it is renamed.
    at: Mutex<String>,
    /// What its files' numbers are mixed with.
    salt: u64,
    depth: usize,
}

/// An open file of some branch.
#[derive(Debug)]
pub struct NamespaceFile {
    branch: Arc<Branch>,
    file: SmbFile,
}

/// A directory of some branch that is being read.
#[derive(Debug)]
pub struct NamespaceDirectory {
    branch: Arc<Branch>,
    directory: SmbDirectory,
}

/// What a path turned out to hold.
enum Met {
    /// A link above it, which has been followed.
    Followed,
    /// It is a link.
    Itself,
}

impl Branch {
    fn id(&self, id: u64) -> u64 {
        // As each changes its numbers by a fixed mask, no two of a branch become the same, and none becomes "none".
        if id == 0 || id == self.salt { id } else { id ^ self.salt }
    }

    /// What is known of `inner`, as it is told outside.
    fn told(&self, inner: &str, attributes: Attributes) -> Attributes {
        let is_link = inner.is_empty() && self.depth > 0;
        Attributes { id: if is_link { 0 } else { self.id(attributes.id) }, ..attributes }
    }

    fn event(&self, event: Event) -> Event {
        let outside = |inner: String| {
            let at = locked(&self.at);
            if at.is_empty() { inner } else { join(&at, &inner) }
        };
        match event {
            Event::Recalled(mut recall) => {
                recall.id = self.id(recall.id);
                Event::Recalled(recall)
            }
            Event::Changed { path } => Event::Changed { path: outside(path) },
            Event::Renamed { path } => Event::Renamed { path: outside(path) },
            other => other,
        }
    }
}

impl std::fmt::Debug for Branch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Branch").field("fs", &self.fs).field("at", &self.at).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespace").field("trunk", &self.trunk).finish_non_exhaustive()
    }
}

/// Does something about a path in the branch it is in, over links as need be.
macro_rules! there {
    ($self:ident, $path:ident, |$branch:ident, $inner:ident| $work:expr) => {{
        let mut left = DEEPEST;
        loop {
            let ($branch, $inner) = $self.place_of($path);
            match $work {
                Err(REMOTE) if left > 0 => {
                    left -= 1;
                    $self.follow(&$branch, $path, &$inner).await?;
                }
                done => break done,
            }
        }
    }};
}

/// As `there`, for what is done to the name itself, which must be no link.
macro_rules! to_name {
    ($self:ident, $path:ident, |$branch:ident, $inner:ident| $work:expr) => {{
        if $self.is_branch($path) {
            return Err(BUSY);
        }
        let mut left = DEEPEST;
        loop {
            let ($branch, $inner) = $self.place_of($path);
            match $work {
                Err(REMOTE) if left > 0 => {
                    left -= 1;
                    if let Met::Itself = $self.meet(&$branch, $path, &$inner, false).await? {
                        break Err(BUSY);
                    }
                }
                done => break done,
            }
        }
    }};
}

impl Namespace {
    /// A share and whatever it leads to.
    #[must_use]
    pub fn of(fs: SmbFs) -> Namespace {
        let (tell, told) = mpsc::channel(1);
        Namespace {
            trunk: Arc::new(Branch { fs, at: Mutex::default(), salt: 0, depth: 0 }),
            branches: RwLock::default(),
            growing: tokio::sync::Mutex::default(),
            events: Events { trunk: None, branches: told }.into(),
            tell,
            listeners: Mutex::default(),
        }
    }

    /// The branch a path is in, as far as is known, and the path inside it.
    fn place_of(&self, path: &str) -> (Arc<Branch>, String) {
        let branches = self.branches.read().unwrap_or_else(PoisonError::into_inner);
        if !branches.is_empty() {
            let mut above = Some(path).filter(|path| !path.is_empty());
            while let Some(link) = above {
                if let Some(branch) = branches.get(link) {
                    return (Arc::clone(branch), path[link.len()..].trim_start_matches('/').to_owned());
                }
                above = parent(link);
            }
        }
        (Arc::clone(&self.trunk), path.to_owned())
    }

    fn is_branch(&self, path: &str) -> bool {
        self.branches.read().unwrap_or_else(PoisonError::into_inner).contains_key(path)
    }

    fn all(&self) -> Vec<Arc<Branch>> {
        let branches = self.branches.read().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.trunk).chain(branches.values()).cloned().collect()
    }

    /// Follows the link that `inner` of a branch is or is behind.
    async fn follow(&self, branch: &Arc<Branch>, path: &str, inner: &str) -> Result<()> {
        self.meet(branch, path, inner, true).await.map(drop)
    }

    /// Finds the link that `inner` of a branch is or is behind. It is followed if it is behind it, or is to be entered.
    async fn meet(&self, branch: &Arc<Branch>, path: &str, inner: &str, enter: bool) -> Result<Met> {
        let link = link_in(&branch.fs, inner).await?;
        if link == inner && !enter {
            return Ok(Met::Itself);
        }
        let full = &path[..path.len() - inner.len() + link.len()];
        let mut growing = self.growing.lock().await;
        if self.is_branch(full) {
            return Ok(Met::Followed);
        }
        growing.retain(|_, (when, _)| when.elapsed() < COOL_DOWN);
        if let Some((_, why)) = growing.get(full) {
            return Err(*why);
        }
        let depth = branch.depth + 1;
        if depth > DEEPEST {
            return Err(Errno(libc::ELOOP));
        }
        let number = self.branches.read().unwrap_or_else(PoisonError::into_inner).len() + 1;
        if number > MOST {
            return Err(REMOTE);
        }
        let reached = match tokio::time::timeout(PATIENCE, branch.fs.behind(link)).await {
            Ok(Ok(fs)) => fs,
            Ok(Err(failure)) => {
                let why = errno(&failure);
                growing.insert(full.to_owned(), (Instant::now(), why));
                return Err(why);
            }
            Err(_) => {
                growing.insert(full.to_owned(), (Instant::now(), Errno::TIMED_OUT));
                return Err(Errno::TIMED_OUT);
            }
        };
        self.grow(full, reached, number, depth);
        Ok(Met::Followed)
    }

    fn grow(&self, at: &str, fs: SmbFs, number: usize, depth: usize) {
        /// Spreads the numbers of branches over all bits: the golden ratio.
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        // The highest bit is left alone: numbers with it are the mount's own.
        let salt = (number as u64).wrapping_mul(SPREAD) >> 1;
        let branch = Arc::new(Branch { fs, at: Mutex::new(at.to_owned()), salt, depth });
        let (listened, tell) = (Arc::clone(&branch), self.tell.clone());
        locked(&self.listeners).spawn(async move {
            loop {
                let event = listened.fs.next_event().await;
                if tell.send(listened.event(event)).await.is_err() {
                    return;
                }
            }
        });
        let mut branches = self.branches.write().unwrap_or_else(PoisonError::into_inner);
        branches.insert(at.to_owned(), branch);
    }

    /// Branches below a directory that has another name now are below that.
    fn moved(&self, from: &str, to: &str) {
        let mut branches = self.branches.write().unwrap_or_else(PoisonError::into_inner);
        let below: Vec<String> = branches
            .keys()
            .filter(|at| at.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')))
            .cloned()
            .collect();
        for at in below {
            if let Some(branch) = branches.remove(&at) {
                let now = format!("{to}{}", &at[from.len()..]);
                locked(&branch.at).clone_from(&now);
                branches.insert(now, branch);
            }
        }
    }

    /// Both paths in the one branch they are in.
    async fn both(&self, one: &str, other: &str) -> Result<(Arc<Branch>, String, String)> {
        let ((branch, one), (second, other)) = (self.place_of(one), self.place_of(other));
        if Arc::ptr_eq(&branch, &second) { Ok((branch, one, other)) } else { Err(OTHER_BRANCH) }
    }

    /// Follows the links above two names one of which is behind a link.
    async fn follow_both(&self, names: [&str; 2]) -> Result<()> {
        let mut any = false;
        for name in names {
            let (branch, inner) = self.place_of(name);
            match self.meet(&branch, name, &inner, false).await {
                Ok(Met::Followed) => any = true,
                Ok(Met::Itself) => return Err(BUSY),
                // It is behind no link.
                Err(Errno::NOT_FOUND) => {}
                Err(why) => return Err(why),
            }
        }
        if any { Ok(()) } else { Err(REMOTE) }
    }
}

/// The part of a path that is a link.
async fn link_in<'a>(fs: &SmbFs, path: &'a str) -> Result<&'a str> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain(std::iter::once(path.len()));
    for end in ends {
        match fs.stat(&path[..end]).await {
            Err(REMOTE) => return Ok(&path[..end]),
            Ok(_) => {}
            Err(why) => return Err(why),
        }
    }
    Err(Errno::NOT_FOUND)
}

fn parent(path: &str) -> Option<&str> {
    path.rfind('/').map(|at| &path[..at])
}

fn join(above: &str, below: &str) -> String {
    match below {
        "" => above.to_owned(),
        below => format!("{above}/{below}"),
    }
}

/// What programs are told of a link that leads nowhere.
fn errno(failure: &Failure) -> Errno {
    Errno(match Status(failure.status) {
        Status::ACCESS_DENIED | Status::LOGON_FAILURE | Status::BAD_PASSWORD => libc::EACCES,
        // Not that there is no such name: there is one, and what is behind it is missing.
        Status::BAD_NETNAME => libc::ENXIO,
        Status::BAD_NETPATH => libc::EHOSTUNREACH,
        _ => libc::EREMOTE,
    })
}

impl Browse for Namespace {
    async fn shares(&self) -> Reached<Vec<Share>> {
        self.trunk.fs.shares().await
    }
}

impl RemoteFs for Namespace {
    type File = NamespaceFile;
    type Directory = NamespaceDirectory;

    async fn stat(&self, path: &str) -> Result<Attributes> {
        let mut left = DEEPEST;
        loop {
            let (branch, inner) = self.place_of(path);
            match branch.fs.stat(&inner).await {
                Err(REMOTE) if left > 0 => {
                    left -= 1;
                    if let Met::Itself = self.meet(&branch, path, &inner, false).await? {
                        // Nobody has looked behind it yet: a directory like the one it is in.
                        let above = branch.fs.stat(parent(&inner).unwrap_or_default()).await?;
                        return Ok(Attributes { kind: Kind::Directory, id: 0, ..above });
                    }
                }
                done => return done.map(|attributes| branch.told(&inner, attributes)),
            }
        }
    }

    async fn stat_open(&self, file: &NamespaceFile) -> Result<Attributes> {
        let attributes = file.branch.fs.stat_open(&file.file).await?;
        Ok(file.branch.told("file", attributes))
    }

    async fn change(&self, path: &str, changes: Changes) -> Result<Attributes> {
        there!(self, path, |branch, inner| {
            branch.fs.change(&inner, changes).await.map(|now| branch.told(&inner, now))
        })
    }

    async fn change_open(&self, file: &NamespaceFile, changes: Changes) -> Result<Attributes> {
        let attributes = file.branch.fs.change_open(&file.file, changes).await?;
        Ok(file.branch.told("file", attributes))
    }

    async fn open(&self, path: &str, access: Access) -> Result<(NamespaceFile, Attributes)> {
        there!(self, path, |branch, inner| {
            branch.fs.open(&inner, access).await.map(|(file, now)| {
                let now = branch.told(&inner, now);
                (NamespaceFile { branch: Arc::clone(&branch), file }, now)
            })
        })
    }

    async fn create(&self, path: &str, creation: Creation) -> Result<(NamespaceFile, Attributes)> {
        there!(self, path, |branch, inner| {
            branch.fs.create(&inner, creation).await.map(|(file, now)| {
                let now = branch.told(&inner, now);
                (NamespaceFile { branch: Arc::clone(&branch), file }, now)
            })
        })
    }

    async fn made_in(&self, path: &str) -> Option<Attributes> {
        // Behind a link that is only being followed now it is not known.
        let (branch, inner) = self.place_of(path);
        let above = inner.rsplit_once('/').map_or("", |(above, _)| above);
        branch.fs.made_in(&inner).await.map(|directory| branch.told(above, directory))
    }

    async fn read(&self, file: &NamespaceFile, offset: u64, len: usize) -> Result<Bytes> {
        file.branch.fs.read(&file.file, offset, len).await
    }

    async fn write(&self, file: &NamespaceFile, offset: u64, data: Bytes) -> Result<()> {
        file.branch.fs.write(&file.file, offset, data).await
    }

    async fn settle(&self, file: &NamespaceFile) -> Result<()> {
        file.branch.fs.settle(&file.file).await
    }

    async fn flush(&self, file: &NamespaceFile) -> Result<()> {
        file.branch.fs.flush(&file.file).await
    }

    async fn close(&self, file: &NamespaceFile) {
        file.branch.fs.close(&file.file).await;
    }

    async fn open_directory(&self, path: &str) -> Result<NamespaceDirectory> {
        there!(self, path, |branch, inner| {
            let opened = branch.fs.open_directory(&inner).await;
            opened.map(|directory| NamespaceDirectory { branch: Arc::clone(&branch), directory })
        })
    }

    async fn look_into_directory(&self, path: &str) -> Result<NamespaceDirectory> {
        // A link is followed only for somebody who wants what is behind it.
        let (branch, inner) = self.place_of(path);
        let directory = branch.fs.open_directory(&inner).await?;
        Ok(NamespaceDirectory { branch, directory })
    }

    async fn next_entries(&self, directory: &NamespaceDirectory) -> Result<Vec<Entry>> {
        let mut entries = directory.branch.fs.next_entries(&directory.directory).await?;
        for entry in &mut entries {
            entry.attributes.id = directory.branch.id(entry.attributes.id);
        }
        Ok(entries)
    }

    async fn close_directory(&self, directory: &NamespaceDirectory) {
        directory.branch.fs.close_directory(&directory.directory).await;
    }

    async fn make_directory(&self, path: &str) -> Result<Attributes> {
        if self.is_branch(path) {
            return Err(Errno::EXISTS);
        }
        there!(self, path, |branch, inner| {
            branch.fs.make_directory(&inner).await.map(|now| branch.told(&inner, now))
        })
    }

    async fn remove_directory(&self, path: &str) -> Result<()> {
        to_name!(self, path, |branch, inner| branch.fs.remove_directory(&inner).await)
    }

    async fn remove_file(&self, path: &str, open_here: bool) -> Result<()> {
        to_name!(self, path, |branch, inner| branch.fs.remove_file(&inner, open_here).await)
    }

    async fn rename(&self, from: &str, to: &str, replace: bool) -> Result<()> {
        if self.is_branch(from) || self.is_branch(to) {
            return Err(BUSY);
        }
        let mut left = DEEPEST;
        loop {
            let (branch, old, new) = self.both(from, to).await?;
            match branch.fs.rename(&old, &new, replace).await {
                Err(REMOTE) if left > 0 => {
                    left -= 1;
                    self.follow_both([from, to]).await?;
                }
                done => {
                    if done.is_ok() {
                        self.moved(from, to);
                    }
                    return done;
                }
            }
        }
    }

    async fn read_link(&self, path: &str) -> Result<String> {
        there!(self, path, |branch, inner| branch.fs.read_link(&inner).await)
    }

    async fn make_symlink(&self, path: &str, target: &str) -> Result<Attributes> {
        there!(self, path, |branch, inner| {
            branch.fs.make_symlink(&inner, target).await.map(|now| branch.told(&inner, now))
        })
    }

    async fn link(&self, path: &str, also: &str) -> Result<Attributes> {
        let mut left = DEEPEST;
        loop {
            let (branch, old, new) = self.both(path, also).await?;
            match branch.fs.link(&old, &new).await {
                Err(REMOTE) if left > 0 => {
                    left -= 1;
                    self.follow_both([path, also]).await?;
                }
                done => return done.map(|now| branch.told(&new, now)),
            }
        }
    }

    async fn xattrs(&self, path: &str) -> Result<Vec<String>> {
        there!(self, path, |branch, inner| branch.fs.xattrs(&inner).await)
    }

    async fn xattr(&self, path: &str, name: &str) -> Result<Bytes> {
        there!(self, path, |branch, inner| branch.fs.xattr(&inner, name).await)
    }

    async fn set_xattr(&self, path: &str, name: &str, value: Bytes, mode: SetMode) -> Result<()> {
        there!(self, path, |branch, inner| branch.fs.set_xattr(&inner, name, value.clone(), mode).await)
    }

    async fn remove_xattr(&self, path: &str, name: &str) -> Result<()> {
        there!(self, path, |branch, inner| branch.fs.remove_xattr(&inner, name).await)
    }

    async fn lock(&self, file: &NamespaceFile, range: Range<u64>, lock: Lock) -> Result<()> {
        file.branch.fs.lock(&file.file, range, lock).await
    }

    async fn unlock(&self, file: &NamespaceFile, range: Range<u64>) -> Result<()> {
        file.branch.fs.unlock(&file.file, range).await
    }

    async fn allocate(&self, file: &NamespaceFile, range: Range<u64>, allocation: Allocation) -> Result<()> {
        file.branch.fs.allocate(&file.file, range, allocation).await
    }

    async fn seek(&self, file: &NamespaceFile, offset: u64, seek: Seek) -> Result<u64> {
        file.branch.fs.seek(&file.file, offset, seek).await
    }

    async fn copy(
        &self,
        from: &NamespaceFile,
        offset: u64,
        to: &NamespaceFile,
        to_offset: u64,
        len: u64,
    ) -> Result<u64> {
        if !Arc::ptr_eq(&from.branch, &to.branch) {
            return Err(OTHER_BRANCH);
        }
        from.branch.fs.copy(&from.file, offset, &to.file, to_offset, len).await
    }

    fn lease(&self, file: &NamespaceFile) -> Lease {
        file.branch.fs.lease(&file.file)
    }

    fn lifetime(&self) -> Duration {
        let branches = self.branches.read().unwrap_or_else(PoisonError::into_inner);
        let of_branches = branches.values().map(|branch| branch.fs.lifetime()).min();
        let of_trunk = self.trunk.fs.lifetime();
        of_branches.map_or(of_trunk, |least| least.min(of_trunk))
    }

    async fn next_event(&self) -> Event {
        let mut events = self.events.lock().await;
        let Events { trunk, branches } = &mut *events;
        // What the trunk has begun to tell is not lost when a branch is faster.
        let next = trunk.get_or_insert_with(|| {
            let trunk = Arc::clone(&self.trunk);
            Box::pin(async move { trunk.fs.next_event().await })
        });
        tokio::select! {
            event = next.as_mut() => {
                *trunk = None;
                event
            }
            Some(event) = branches.recv() => event,
        }
    }

    async fn space(&self) -> Result<Space> {
        self.trunk.fs.space().await
    }

    fn health(&self) -> Health {
        let mut health = self.trunk.fs.health();
        for branch in self.all().iter().skip(1) {
            let more = branch.fs.health();
            health.reconnects += more.reconnects;
            health.resumed += more.resumed;
            health.requests += more.requests;
            health.bytes_sent += more.bytes_sent;
            health.bytes_received += more.bytes_received;
        }
        health
    }

    async fn shut_down(&self) {
        let mut partings = JoinSet::new();
        for branch in self.all() {
            partings.spawn(async move { branch.fs.shut_down().await });
        }
        while partings.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_at_links() {
        assert_eq!((parent("a/b/c"), parent("a")), (Some("a/b"), None));
        assert_eq!((join("a", "b/c"), join("a", "")), ("a/b/c".to_owned(), "a".to_owned()));
    }
}
