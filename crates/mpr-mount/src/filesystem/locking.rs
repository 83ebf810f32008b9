//! Locks: between programs here by a table of our own, and against other machines by the server's.
//!
//! A server's locks are not advice: it refuses reading and writing through every other handle. Programs of this
//! mount that were not asked for locks are not to feel that; what they read and write where one of them has a
//! lock goes through the handle that has it.
//!
//! One handle of each file has all of them. Locks of several handles of one connection confuse Samba (4.17, where it
//! passes them on to its own system): it keeps what one handle has unlocked while another one has it locked.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mpr_fuse::{FileLock, LockRequest, Notice, Reply};
use mpr_remotefs::{Errno, Lock, RemoteFs, Result};
use tokio::sync::Notify;

use crate::locks::{Held, Owner, Segment, Table, steps};

use super::handles::Open;
use super::{Inner, locked};

/// How soon a lock somebody else has is asked for again at first, and at last.
const AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// How long whoever has got a lock waits for the kernel to forget what it has read before.
const FORGETTING: Duration = Duration::from_secs(1);

/// The locks of all files, by node.
#[derive(Debug)]
pub(super) struct Locks<F>(Mutex<HashMap<u64, Arc<FileLocks<F>>>>);

impl<F> Default for Locks<F> {
    fn default() -> Self {
        Locks(Mutex::default())
    }
}

#[derive(Debug)]
struct FileLocks<F> {
    /// Held while something is changed, at the server, too.
    table: tokio::sync::Mutex<Table>,
    /// What is locked at the server, and through which handle.
    beneath: Mutex<Option<Beneath<F>>>,
    /// Told when something was unlocked.
    unlocked: Notify,
}

#[derive(Debug)]
struct Beneath<F> {
    handle: u64,
    open: Arc<Open<F>>,
    segments: Vec<Segment>,
}

impl<F> FileLocks<F> {
    /// The handle that has the locks, and which.
    fn carried(&self) -> Option<(Carrier<F>, Vec<Segment>)> {
        let beneath = locked(&self.beneath);
        let held = beneath.as_ref()?;
        Some((Carrier { handle: held.handle, open: Arc::clone(&held.open) }, held.segments.clone()))
    }

    fn has_locked(&self, carrier: &Carrier<F>, segment: Segment) {
        let mut beneath = locked(&self.beneath);
        match beneath.as_mut().filter(|held| held.handle == carrier.handle) {
            Some(held) => held.segments.push(segment),
            None => {
                let open = Arc::clone(&carrier.open);
                *beneath = Some(Beneath { handle: carrier.handle, open, segments: vec![segment] });
            }
        }
    }

    fn has_unlocked(&self, segment: &Segment) {
        let mut beneath = locked(&self.beneath);
        if let Some(held) = beneath.as_mut() {
            held.segments.retain(|other| other != segment);
            if held.segments.is_empty() {
                *beneath = None;
            }
        }
    }
}

/// A handle that has, or is to have, the locks of a file.
#[derive(Debug)]
struct Carrier<F> {
    handle: u64,
    open: Arc<Open<F>>,
}

impl<F> Carrier<F> {
    /// How much of what others want to do can be done through it.
    fn rank(&self) -> u8 {
        2 * u8::from(self.open.access.write) + u8::from(self.open.access.read)
    }
}

impl<F> Locks<F> {
    fn of(&self, ino: u64) -> Arc<FileLocks<F>> {
        let new = || {
            Arc::new(FileLocks {
                table: tokio::sync::Mutex::default(),
                beneath: Mutex::default(),
                unlocked: Notify::new(),
            })
        };
        Arc::clone(locked(&self.0).entry(ino).or_insert_with(new))
    }

    fn known(&self, ino: u64) -> Option<Arc<FileLocks<F>>> {
        locked(&self.0).get(&ino).cloned()
    }

    /// Lets go of a file's table if nobody needs it any more.
    fn tidy(&self, ino: u64) {
        let mut all = locked(&self.0);
        let unused = |file: &Arc<FileLocks<F>>| {
            // Nobody can get at it meanwhile.
            Arc::strong_count(file) == 1
                && file.table.try_lock().is_ok_and(|table| table.is_empty())
                && locked(&file.beneath).is_none()
        };
        if all.get(&ino).is_some_and(unused) {
            all.remove(&ino);
        }
    }
}

impl<R: RemoteFs> Inner<R> {
    /// Whether something in this part of a file is locked at the server by somebody in this mount.
    pub(super) fn is_locked_here(&self, ino: u64, offset: u64, len: u64) -> bool {
        self.holder(ino, offset, len).is_some()
    }

    /// The handle that has something in this part of a file locked.
    pub(super) fn holder(&self, ino: u64, offset: u64, len: u64) -> Option<Arc<Open<R::File>>> {
        let file = self.locks.known(ino)?;
        let part = offset..offset.saturating_add(len);
        let beneath = locked(&file.beneath);
        let holds = |held: &&Beneath<R::File>| {
            held.segments.iter().any(|(range, _)| range.start < part.end && part.start < range.end)
        };
        beneath.as_ref().filter(holds).map(|held| Arc::clone(&held.open))
    }

    pub(super) async fn answer_get_lock(&self, ino: u64, request: LockRequest, reply: Reply) {
        match self.who_locks(ino, &request).await {
            Ok(Some(lock)) => _ = reply.lock(&lock),
            Ok(None) => _ = reply.lock(&FileLock { kind: libc::F_UNLCK, ..request.lock }),
            Err(error) => _ = reply.error(error.0),
        }
    }

    /// A lock that is in the way of one that is asked about.
    async fn who_locks(&self, ino: u64, request: &LockRequest) -> Result<Option<FileLock>> {
        let Some(lock) = lock_of(request.lock.kind)? else { return Ok(None) };
        let (range, owner) = (range_of(&request.lock), owner_of(request));
        let file = self.locks.of(ino);
        let table = file.table.lock().await;
        let here = table.conflict(owner, &range, lock).map(|held| FileLock {
            start: held.range.start,
            end: held.range.end - 1,
            kind: if held.lock == Lock::Exclusive { libc::F_WRLCK } else { libc::F_RDLCK },
            pid: held.pid,
        });
        let elsewhere = if here.is_some() || self.is_locked_here(ino, range.start, range.end - range.start) {
            None
        } else {
            // The server does not say who; whether, it says only to who tries.
            let carried = file.carried().map(|(carrier, _)| carrier.open);
            let open = carried.map_or_else(|| self.exactly(ino, request.handle), Ok)?;
            match self.remote.lock(&open.file, range.clone(), lock).await {
                Ok(()) => {
                    self.remote.unlock(&open.file, range).await?;
                    None
                }
                Err(Errno::LOCKED) => Some(FileLock { kind: libc::F_WRLCK, pid: 0, ..request.lock }),
                Err(Errno::UNSUPPORTED) => None,
                Err(error) => return Err(error),
            }
        };
        drop(table);
        drop(file);
        self.locks.tidy(ino);
        Ok(here.or(elsewhere))
    }

    pub(super) async fn answer_set_lock(&self, ino: u64, request: LockRequest, wait: bool, reply: Reply) {
        self.lock_and_say(ino, request, wait, reply).await;
        self.locks.tidy(ino);
    }

    async fn lock_and_say(&self, ino: u64, request: LockRequest, wait: bool, reply: Reply) {
        let mut pause = AGAIN.0;
        loop {
            let file = self.locks.of(ino);
            let unlocked = file.unlocked.notified();
            tokio::pin!(unlocked);
            unlocked.as_mut().enable();
            let set = self.set_lock(ino, &file, &request).await;
            match set {
                Err(Errno::LOCKED) if wait => {
                    let _ = tokio::time::timeout(pause, unlocked).await;
                    pause = (pause * 2).min(AGAIN.1);
                    if reply.is_abandoned() {
                        return;
                    }
                }
                set => {
                    let heard = match set {
                        Ok(()) => reply.done(),
                        Err(error) => reply.error(error.0),
                    };
                    if !heard && set.is_ok() && request.lock.kind != libc::F_UNLCK {
                        let lock = FileLock { kind: libc::F_UNLCK, ..request.lock };
                        let _ = self.set_lock(ino, &file, &LockRequest { lock, ..request }).await;
                    }
                    return;
                }
            }
        }
    }

    async fn set_lock(&self, ino: u64, file: &FileLocks<R::File>, request: &LockRequest) -> Result<()> {
        let lock = lock_of(request.lock.kind)?;
        let (range, owner) = (range_of(&request.lock), owner_of(request));
        let mut table = file.table.lock().await;
        let mut next = table.clone();
        match lock {
            None => next.unlock(owner, &range),
            Some(lock) => {
                if table.conflict(owner, &range, lock).is_some() {
                    return Err(Errno::LOCKED);
                }
                next.lock(Held { owner, range, lock, handle: request.handle, pid: request.lock.pid });
            }
        }
        let open = self.exactly(ino, request.handle)?;
        if lock != Some(Lock::Exclusive) {
            // Who gets the lock next is to see what was written under it.
            if open.access.write {
                self.remote.settle(&open.file).await?;
            }
        }
        self.bring_about(ino, file, &next, None).await?;
        *table = next;
        file.unlocked.notify_waiters();
        drop(table);
        if lock.is_some() && !self.remote.lease(&open.file).write {
            // Whoever had it before may have written, and a lease of reading does not wait until that is told.
            self.have_contents_forgotten(ino).await;
        }
        Ok(())
    }

    /// Has the kernel read anew what it has read of a file.
    async fn have_contents_forgotten(&self, ino: u64) {
        if let Some(notifier) = self.notifier.get() {
            let (tell, told) = tokio::sync::oneshot::channel();
            notifier.tell(Notice::Inode { node: ino, contents: true });
            notifier.mark(move || _ = tell.send(()));
            let _ = tokio::time::timeout(FORGETTING, told).await;
        }
    }

    /// The handle that is to have the locks of a file: the one that has them, unless another one can do more or it is
    /// about to be closed.
    fn carrier(
        &self,
        ino: u64,
        table: &Table,
        now: Option<Carrier<R::File>>,
        leaving: Option<u64>,
    ) -> Option<Carrier<R::File>> {
        let of = |handle| Some(Carrier { handle, open: self.exactly(ino, handle).ok()? });
        let others = table.handles().into_iter().filter_map(of);
        let candidates = now.into_iter().chain(others).filter(|carrier| Some(carrier.handle) != leaving);
        candidates.reduce(|best, other| if other.rank() > best.rank() { other } else { best })
    }

    /// Locks and unlocks at the server what has to be for this table, when the handle that is `leaving` has left. If
    /// that fails, all is as it was before, as far as the server lets us.
    async fn bring_about(
        &self,
        ino: u64,
        file: &FileLocks<R::File>,
        table: &Table,
        leaving: Option<u64>,
    ) -> Result<()> {
        let wanted = table.beneath();
        let carried = file.carried();
        let now =
            carried.as_ref().map(|(now, _)| Carrier { handle: now.handle, open: Arc::clone(&now.open) });
        let carrier = self.carrier(ino, table, now, leaving);
        let (back, take) = match (&carried, &carrier) {
            (Some((now, held)), Some(carrier)) if now.handle == carrier.handle => steps(held, &wanted),
            (Some((_, held)), _) => (held.clone(), wanted),
            (None, _) => (Vec::new(), wanted),
        };
        let mut given_back = Vec::new();
        if let Some((now, _)) = carried {
            for segment in back {
                // What cannot be given back was lost with its connection.
                let _ = self.remote.unlock(&now.open.file, segment.0.clone()).await;
                file.has_unlocked(&segment);
                given_back.push(segment);
            }
            let taken = match &carrier {
                Some(carrier) => self.take(file, carrier, take).await,
                None => Ok(()),
            };
            if let Err(error) = taken {
                for segment in given_back {
                    if self.remote.lock(&now.open.file, segment.0.clone(), segment.1).await.is_ok() {
                        file.has_locked(&now, segment);
                    }
                }
                return Err(error);
            }
            return Ok(());
        }
        match &carrier {
            Some(carrier) => self.take(file, carrier, take).await,
            None => Ok(()),
        }
    }

    /// Locks all of this through a handle, or nothing.
    async fn take(
        &self,
        file: &FileLocks<R::File>,
        carrier: &Carrier<R::File>,
        segments: Vec<Segment>,
    ) -> Result<()> {
        let mut taken = Vec::new();
        for segment in segments {
            match self.remote.lock(&carrier.open.file, segment.0.clone(), segment.1).await {
                Ok(()) => {
                    file.has_locked(carrier, segment.clone());
                    taken.push(segment);
                }
                // Then locks hold on this machine.
                Err(Errno::UNSUPPORTED) => {}
                Err(error) => {
                    for segment in taken {
                        let _ = self.remote.unlock(&carrier.open.file, segment.0.clone()).await;
                        file.has_unlocked(&segment);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// A process closes one of its descriptors of a file: its locks there are gone, says POSIX.
    pub(super) async fn unlock_owner(&self, ino: u64, owner: u64) {
        self.drop_locks(ino, None, |table| table.unlock_owner(Owner { id: owner, flock: false })).await;
    }

    /// An open file is closed: what was locked through it is unlocked.
    pub(super) async fn unlock_handle(&self, ino: u64, handle: u64) {
        self.drop_locks(ino, Some(handle), |table| table.unlock_handle(handle)).await;
    }

    async fn drop_locks(&self, ino: u64, leaving: Option<u64>, drop_them: impl FnOnce(&mut Table)) {
        let Some(file) = self.locks.known(ino) else { return };
        let mut table = file.table.lock().await;
        drop_them(&mut table);
        let _ = self.bring_about(ino, &file, &table, leaving).await;
        file.unlocked.notify_waiters();
        drop(table);
        drop(file);
        self.locks.tidy(ino);
    }
}

fn lock_of(kind: i32) -> Result<Option<Lock>> {
    match kind {
        libc::F_RDLCK => Ok(Some(Lock::Shared)),
        libc::F_WRLCK => Ok(Some(Lock::Exclusive)),
        libc::F_UNLCK => Ok(None),
        _ => Err(Errno(libc::EINVAL)),
    }
}

fn range_of(lock: &FileLock) -> Range<u64> {
    lock.start..lock.end.saturating_add(1)
}

fn owner_of(request: &LockRequest) -> Owner {
    Owner { id: request.owner, flock: request.flock }
}
