//! What is kept of one file, for all handles this mount has of it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use bytes::Bytes;
use mpr_remotefs::{Access, Attributes, Errno, Lease, RemoteFs, Result};
use tokio::sync::{Notify, OwnedRwLockWriteGuard, RwLock};
use tokio::time::Instant;

use crate::chunks::Chunks;
use crate::memory::{Memory, Room};
use crate::names::Asked;
use crate::pieces::{Batch, Pieces};
use crate::streams::Streams;
use crate::{Inner, locked};

/// One file. Files of servers that give them no numbers have one for each handle, and nothing is kept of them.
#[derive(Debug)]
pub(crate) struct Body<F> {
    pub(crate) id: u64,
    state: Mutex<State<F>>,
    /// Held for reading by who writes, for writing by who needs everything written before to have arrived and
    /// nothing to be written meanwhile.
    order: Arc<RwLock<()>>,
    /// Told when a request of a kept-back write is answered.
    pub(crate) progress: Notify,
}

#[derive(Debug)]
pub(crate) struct State<F> {
    /// What recalls that are under way leave.
    pub(crate) recalls: Vec<Lease>,
    pub(crate) pieces: Pieces<Handle<F>>,
    /// The room they and what is under way take.
    pub(crate) room: Room,
    /// Requests under way.
    pub(crate) flying: Vec<Flight>,
    /// Everything is to go, not only full requests.
    pub(crate) hurry: bool,
    /// Some full request could not go yet.
    pub(crate) backlog: bool,
    /// A task sees to it that nothing is kept back for long.
    pub(crate) timed: bool,
    pub(crate) chunks: Chunks,
    pub(crate) fetches: Vec<Arc<Fetch>>,
    /// A lease of reading has stood ever since it was last looked at.
    leased: bool,
    known: Option<Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    attributes: Attributes,
    asked: Asked,
    leased: bool,
}

/// A request of kept-back writes that is under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) offset: u64,
    pub(crate) data: Bytes,
}

impl Flight {
    pub(crate) fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.data.len() as u64
    }
}

/// A part of a file that is being read.
#[derive(Debug)]
pub(crate) struct Fetch {
    pub(crate) range: Range<u64>,
    /// The file may have become longer meanwhile: if it seemed to end in here, that is not to be believed.
    doubtful: AtomicBool,
    /// `Some(None)`: read it yourself.
    answer: Mutex<Option<Option<Bytes>>>,
    is_answered: Notify,
}

impl Fetch {
    pub(crate) fn new(range: Range<u64>) -> Arc<Fetch> {
        Arc::new(Fetch {
            range,
            doubtful: AtomicBool::new(false),
            answer: Mutex::new(None),
            is_answered: Notify::new(),
        })
    }

    /// What was read; `None` if it is not to be believed.
    pub(crate) async fn answered(&self) -> Option<Bytes> {
        loop {
            let is_answered = self.is_answered.notified();
            if let Some(answer) = &*locked(&self.answer) {
                return answer.clone();
            }
            is_answered.await;
        }
    }

    /// Answers all who wait. Only the first answer counts.
    pub(crate) fn answer(&self, data: Option<Bytes>) {
        locked(&self.answer).get_or_insert(data);
        self.is_answered.notify_waiters();
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Handle<F> {
    pub(crate) lower: F,
    pub(crate) body: Arc<Body<F>>,
    /// Its name now; kept up to date when it is renamed here.
    pub(crate) path: Mutex<String>,
    pub(crate) access: Access,
    pub(crate) streams: Mutex<Streams>,
    /// The first failure of a kept-back write that nobody was told of.
    failed: Mutex<Option<Errno>>,
    /// Something was written, locked or removed: it is closed when the program closes it.
    pub(crate) plain: AtomicBool,
    /// Until when it may stay open though programs have closed it; since the first of them has.
    pub(crate) stays: OnceLock<Instant>,
}

impl<F> Handle<F> {
    /// What nobody was told of yet.
    pub(crate) fn report(&self) -> Result<()> {
        locked(&self.failed).take().map_or(Ok(()), Err)
    }

    pub(crate) fn fail(&self, error: Errno) {
        locked(&self.failed).get_or_insert(error);
    }

    pub(crate) fn mark_plain(&self) {
        self.plain.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.plain.load(Ordering::Relaxed)
    }
}

impl<F> Body<F> {
    fn new(id: u64, memory: &Arc<Memory>) -> Arc<Body<F>> {
        let state = State {
            recalls: Vec::new(),
            pieces: Pieces::default(),
            room: Room::none(memory),
            flying: Vec::new(),
            hurry: false,
            backlog: false,
            timed: false,
            chunks: Chunks::default(),
            fetches: Vec::new(),
            leased: false,
            known: None,
        };
        Arc::new(Body { id, state: Mutex::new(state), order: Arc::default(), progress: Notify::new() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State<F>> {
        locked(&self.state)
    }

    /// For who writes.
    pub(crate) async fn in_order(&self) -> tokio::sync::RwLockReadGuard<'_, ()> {
        self.order.read().await
    }

    /// For who needs to be alone.
    pub(crate) async fn alone(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.order).write_owned().await
    }
}

impl<F> State<F> {
    /// Whether something written was not answered yet.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.pieces.is_empty() || !self.flying.is_empty()
    }

    pub(crate) fn is_flying(&self, range: &Range<u64>) -> bool {
        self.flying.iter().any(|flight| meet(&flight.range(), range))
    }

    pub(crate) fn is_leased(&self) -> bool {
        self.leased
    }

    pub(crate) fn dirty_bytes(&self) -> u64 {
        let flying: usize = self.flying.iter().map(|flight| flight.data.len()).sum();
        (self.pieces.bytes() + flying) as u64
    }

    /// What was written in this range and kept back, older first, and where the last of it ends.
    pub(crate) fn kept_back(&self, range: &Range<u64>) -> (Vec<(u64, Bytes)>, u64) {
        let mut kept = Vec::new();
        let mut end = self.pieces.end();
        for flight in &self.flying {
            let there = flight.range();
            end = end.max(there.end);
            if meet(&there, range) {
                let (from, to) = (there.start.max(range.start), there.end.min(range.end));
                let data = flight.data.slice((from - there.start) as usize..(to - there.start) as usize);
                kept.push((from, data));
            }
        }
        kept.extend(self.pieces.within(range));
        (kept, end)
    }

    /// A range was or is being written here: what was read there is false.
    pub(crate) fn spoil(&mut self, range: &Range<u64>) {
        self.chunks.cut(range);
        self.fetches.retain(|fetch| {
            if fetch.range.end <= range.start {
                fetch.doubtful.store(true, Ordering::Relaxed);
            }
            !meet(&fetch.range, range)
        });
    }

    /// Nothing that was read may be believed.
    pub(crate) fn spoil_all(&mut self) {
        self.chunks.clear();
        self.fetches.clear();
        self.known = None;
    }

    pub(crate) fn begin_fetch(&mut self, fetch: &Arc<Fetch>) {
        self.fetches.push(Arc::clone(fetch));
    }

    /// Whether what a fetch brought, this much, may be believed.
    pub(crate) fn end_fetch(&mut self, fetch: &Arc<Fetch>, len: usize) -> bool {
        let place = self.fetches.iter().position(|other| Arc::ptr_eq(other, fetch));
        let whole = len as u64 == fetch.range.end - fetch.range.start;
        place.map(|place| self.fetches.swap_remove(place)).is_some()
            && (whole || !fetch.doubtful.load(Ordering::Relaxed))
    }

    /// Where the file ends, as far as is known without asking.
    pub(crate) fn end(&self) -> Option<u64> {
        self.known.map(|known| known.attributes.size)
    }

    fn masked(&mut self, lease: Lease) -> Lease {
        let both = |one: Lease, other: &Lease| Lease {
            read: one.read && other.read,
            write: one.write && other.write,
            handle: one.handle && other.handle,
        };
        let lease = self.recalls.iter().fold(lease, both);
        if self.leased && !lease.read {
            // One that comes later does not cover what was kept under this one.
            self.chunks.unlease();
            if let Some(known) = &mut self.known {
                known.leased = false;
            }
        }
        self.leased = lease.read;
        lease
    }
}

fn meet(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Files that are open, by their numbers.
#[derive(Debug)]
pub(crate) struct Bodies<F>(HashMap<u64, Shared<F>>);

#[derive(Debug)]
struct Shared<F> {
    body: Arc<Body<F>>,
    handles: Vec<Weak<Handle<F>>>,
}

impl<F> Default for Bodies<F> {
    fn default() -> Self {
        Bodies(HashMap::new())
    }
}

impl<F> Bodies<F> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, id: u64) -> Option<Arc<Body<F>>> {
        self.0.get(&id).map(|shared| Arc::clone(&shared.body))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Body<F>>> {
        self.0.values().map(|shared| Arc::clone(&shared.body)).collect()
    }

    /// Open files with a name that `suits`.
    pub(crate) fn named(&self, suits: impl Fn(&str) -> bool) -> Vec<Arc<Body<F>>> {
        let named =
            |handle: &Weak<Handle<F>>| handle.upgrade().is_some_and(|handle| suits(&locked(&handle.path)));
        let bodies = self.0.values().filter(|shared| shared.handles.iter().any(named));
        bodies.map(|shared| Arc::clone(&shared.body)).collect()
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = Arc<Handle<F>>> {
        self.0.values().flat_map(|shared| &shared.handles).filter_map(Weak::upgrade)
    }

    pub(crate) fn remove(&mut self, handle: &Arc<Handle<F>>) {
        let Some(shared) = self.0.get_mut(&handle.body.id) else { return };
        shared.handles.retain(|other| other.as_ptr() != Arc::as_ptr(handle));
        if shared.handles.is_empty() {
            self.0.remove(&handle.body.id);
        }
    }
}

impl<R: RemoteFs> Inner<R> {
    /// A file was opened.
    pub(crate) fn opened(
        &self,
        lower: R::File,
        path: &str,
        access: Access,
        now: Attributes,
        asked: Asked,
    ) -> Arc<Handle<R::File>> {
        let handle = |body| {
            Arc::new(Handle {
                lower,
                body,
                path: Mutex::new(path.to_owned()),
                access,
                streams: Mutex::default(),
                failed: Mutex::new(None),
                plain: AtomicBool::new(false),
                stays: OnceLock::new(),
            })
        };
        let handle = if now.id == 0 {
            handle(Body::new(0, &self.memory))
        } else {
            let mut bodies = locked(&self.bodies);
            let shared = bodies
                .0
                .entry(now.id)
                .or_insert_with(|| Shared { body: Body::new(now.id, &self.memory), handles: Vec::new() });
            let handle = handle(Arc::clone(&shared.body));
            shared.handles.push(Arc::downgrade(&handle));
            handle
        };
        let lease = self.lease_of(&handle, &mut handle.body.state());
        self.observe_open(&handle.body, now, asked, lease.read);
        handle
    }

    /// What is kept of an open file of this number.
    pub(crate) fn body(&self, id: u64) -> Option<Arc<Body<R::File>>> {
        locked(&self.bodies).find(id)
    }

    /// What may be kept of a file now.
    pub(crate) fn lease_of(&self, handle: &Handle<R::File>, state: &mut State<R::File>) -> Lease {
        if handle.body.id == 0 {
            return Lease::default();
        }
        state.masked(self.lower.lease(&handle.lower))
    }

    /// The server has said what a file is. `leased` says that a lease of reading has stood since it was asked.
    fn observe_open(&self, body: &Body<R::File>, now: Attributes, asked: Asked, leased: bool) {
        if body.id == 0 {
            return;
        }
        let mut state = body.state();
        let names = locked(&self.names);
        if names.is_touched(body.id, asked) {
            return;
        }
        if let Some(known) = state.known
            && !names.is_touched(body.id, known.asked)
        {
            if known.asked.moment > asked.moment {
                return;
            }
            let same = |one: &Attributes| (one.size, one.modified);
            if same(&known.attributes) != same(&now) {
                // Somebody else has written.
                state.chunks.clear();
                state.fetches.clear();
            } else if known.leased && state.leased {
                // Nothing new, and the lease says more.
                return;
            }
        }
        state.known = Some(Known { attributes: now, asked, leased });
    }

    /// The same, if nobody knows of a lease. Says whether it has kept-back writes the server knows nothing of.
    pub(crate) fn observe(&self, now: Attributes, asked: Asked) -> bool {
        self.body(now.id).is_some_and(|body| {
            self.observe_open(&body, now, asked, false);
            body.state().is_dirty()
        })
    }

    /// What is known of an open file, if it may be believed.
    pub(crate) fn attributes_of(&self, handle: &Handle<R::File>) -> Option<Attributes> {
        let mut state = handle.body.state();
        let lease = self.lease_of(handle, &mut state);
        let known = state.known?;
        // Who writes may be about to append: without a lease, only the server knows where the file ends now.
        let young = !handle.access.write && known.asked.at.elapsed() < self.lifetime();
        let good = !state.is_dirty()
            && (known.leased && lease.read || young)
            && !locked(&self.names).is_touched(handle.body.id, known.asked);
        good.then_some(known.attributes)
    }

    /// Asks the server what an open file is.
    pub(crate) async fn ask_open(&self, handle: &Handle<R::File>) -> Result<Attributes> {
        let asked = self.ask();
        let before = self.lease_of(handle, &mut handle.body.state());
        let now = self.lower.stat_open(&handle.lower).await?;
        let after = self.lease_of(handle, &mut handle.body.state());
        self.observe_open(&handle.body, now, asked, before.read && after.read);
        Ok(now)
    }

    /// A file changes here, or has changed.
    pub(crate) fn touch(&self, handle: &Handle<R::File>) {
        let mut names = locked(&self.names);
        if handle.body.id == 0 {
            names.touch_attributes(&locked(&handle.path));
        } else {
            names.touch_file(handle.body.id);
        }
    }

    /// The same, for what is known by its name only.
    pub(crate) fn touch_name_and_file(&self, path: &str) {
        let mut names = locked(&self.names);
        let id = names.last_known(path).map_or(0, |known| known.id);
        names.touch_file(id);
        names.touch_attributes(path);
    }

    pub(crate) fn ask(&self) -> Asked {
        locked(&self.names).ask()
    }
}

/// A batch as what it is while it is under way.
impl<O> From<&Batch<O>> for Flight {
    fn from(batch: &Batch<O>) -> Flight {
        Flight { offset: batch.offset, data: batch.data.clone() }
    }
}
