//! Writing: kept back under a lease, passed on without one.

use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use mpr_remotefs::{Errno, RemoteFs, Result};

use crate::body::{Body, Flight, Handle, State};
use crate::pieces::{Batch, REQUEST};
use crate::{Inner, LostWrite, locked};

/// Requests of one file that are under way at once.
const FLIGHTS: usize = 8;
/// How long a write is kept back at most before it goes on its way.
const KEPT_BACK: Duration = Duration::from_secs(1);
/// Pieces of one file that are kept back at most.
const PIECES: usize = 1024;

impl<R: RemoteFs> Inner<R> {
    pub(crate) async fn write(
        self: &Arc<Self>,
        handle: &Arc<Handle<R::File>>,
        offset: u64,
        data: Bytes,
    ) -> Result<()> {
        handle.report()?;
        let sensible = handle.access.write && !data.is_empty();
        if !sensible || offset.checked_add(data.len() as u64).is_none() {
            return self.lower.write(&handle.lower, offset, data).await;
        }
        let _in_order = handle.body.in_order().await;
        handle.mark_plain();
        if self.keep_back(handle, offset, &data).await {
            return Ok(());
        }
        self.write_through(handle, offset, data).await
    }

    /// Keeps a write back, if that may be and there is room. Waits while the file has its share.
    async fn keep_back(self: &Arc<Self>, handle: &Arc<Handle<R::File>>, offset: u64, data: &Bytes) -> bool {
        let body = &handle.body;
        if body.id == 0 {
            return false;
        }
        let range = offset..offset + data.len() as u64;
        let share = self.limits.memory / 2;
        loop {
            let progress = body.progress.notified();
            {
                let mut state = body.state();
                if !self.lease_of(handle, &mut state).write {
                    return false;
                }
                let kept =
                    state.pieces.bytes() + state.flying.iter().map(|flight| flight.data.len()).sum::<usize>();
                if kept == 0 || kept + data.len() <= share && state.pieces.count() < PIECES {
                    let Some(room) = self.memory.take(data.len()) else {
                        drop(state);
                        if self.make_room(data.len()) {
                            continue;
                        }
                        return false;
                    };
                    state.room.add(room);
                    let replaced = state.pieces.insert(handle, offset, data.clone());
                    drop(state.room.split(replaced));
                    state.spoil(&range);
                    locked(&self.names).touch_file(body.id);
                    self.counters.kept_back(data.len());
                    if data.len() >= REQUEST || state.pieces.bytes() >= REQUEST {
                        self.launch_full(body, &mut state, offset);
                    }
                    self.see_to(body, &mut state);
                    return true;
                }
                state.hurry = true;
                self.launch(body, &mut state);
            }
            progress.await;
        }
    }

    /// Sees to it that nothing is kept back for long.
    fn see_to(self: &Arc<Self>, body: &Arc<Body<R::File>>, state: &mut State<R::File>) {
        if state.timed || state.pieces.is_empty() {
            return;
        }
        state.timed = true;
        // What is kept back holds its file; this need not.
        let (inner, body) = (Arc::clone(self), Arc::downgrade(body));
        self.runtime.spawn(async move {
            tokio::time::sleep(KEPT_BACK).await;
            let Some(body) = body.upgrade() else { return };
            let mut state = body.state();
            state.timed = false;
            state.hurry = true;
            inner.launch(&body, &mut state);
        });
    }

    /// Sends the full request `at` has become part of.
    fn launch_full(self: &Arc<Self>, body: &Arc<Body<R::File>>, state: &mut State<R::File>, at: u64) {
        if state.hurry {
            return self.launch(body, state);
        }
        if state.flying.len() >= FLIGHTS {
            state.backlog = true;
            return;
        }
        let flying = &state.flying;
        let busy = |range: &Range<u64>| is_flying(flying, range);
        if let Some(batch) = state.pieces.take_full(at, busy) {
            self.fly(body, state, batch);
        }
    }

    /// Sends what can go now.
    pub(crate) fn launch(self: &Arc<Self>, body: &Arc<Body<R::File>>, state: &mut State<R::File>) {
        while state.flying.len() < FLIGHTS {
            let flying = &state.flying;
            let busy = |range: &Range<u64>| is_flying(flying, range);
            let batch = if state.hurry {
                state.pieces.take_first(busy)
            } else if state.backlog {
                state.pieces.take_any_full(busy)
            } else {
                None
            };
            match batch {
                Some(batch) => self.fly(body, state, batch),
                None => {
                    state.backlog = false;
                    state.hurry &= !state.pieces.is_empty();
                    return;
                }
            }
        }
        state.backlog = true;
    }

    fn fly(
        self: &Arc<Self>,
        body: &Arc<Body<R::File>>,
        state: &mut State<R::File>,
        batch: Batch<Handle<R::File>>,
    ) {
        self.runtime.spawn(self.flight(body, state, batch));
    }

    /// The way of a batch, from now on under way. To be gone to its end, whoever waits for it.
    fn flight(
        self: &Arc<Self>,
        body: &Arc<Body<R::File>>,
        state: &mut State<R::File>,
        batch: Batch<Handle<R::File>>,
    ) -> impl Future<Output = ()> + Send + use<R> {
        state.flying.push(Flight::from(&batch));
        let (inner, body) = (Arc::clone(self), Arc::clone(body));
        async move {
            let written = inner.send(&batch).await;
            inner.landed(&body, &batch, written);
        }
    }

    /// Sends kept-back writes. If the answer is lost, they may have happened or not. Sending them again does
    /// no harm as long as the lease stands: nobody else has looked or written since.
    async fn send(&self, batch: &Batch<Handle<R::File>>) -> Result<()> {
        let file = &batch.owner.lower;
        let written = self.lower.write(file, batch.offset, batch.data.clone()).await;
        // What was not answered in time is not tried again: whoever waits has waited as long as it was promised.
        let Err(Errno::LOST) = written else { return written };
        // Asking makes the connection again, and shows whether file and lease are still the same.
        if self.lower.stat_open(file).await.is_ok()
            && self.lease_of(&batch.owner, &mut batch.owner.body.state()).write
        {
            return self.lower.write(file, batch.offset, batch.data.clone()).await;
        }
        written
    }

    /// Kept-back writes were answered.
    fn landed(
        self: &Arc<Self>,
        body: &Arc<Body<R::File>>,
        batch: &Batch<Handle<R::File>>,
        written: Result<()>,
    ) {
        let mut state = body.state();
        let range = batch.range();
        state.flying.retain(|flight| flight.range() != range);
        drop(state.room.split(batch.data.len()));
        state.spoil(&range);
        locked(&self.names).touch_file(body.id);
        if let Err(error) = written {
            batch.owner.fail(error);
        }
        self.launch(body, &mut state);
        drop(state);
        if let Err(error) = written {
            let path = locked(&batch.owner.path).clone();
            self.counters.lost(batch.data.len());
            (self.on_loss)(&LostWrite { path, range, error });
        }
        body.progress.notify_waiters();
    }

    /// Writes at once, after everything kept back that it touches.
    async fn write_through(
        self: &Arc<Self>,
        handle: &Arc<Handle<R::File>>,
        offset: u64,
        data: Bytes,
    ) -> Result<()> {
        let body = &handle.body;
        let range = offset..offset + data.len() as u64;
        loop {
            let progress = body.progress.notified();
            {
                let mut state = body.state();
                if !state.is_flying(&range) && !state.pieces.overlaps(&range) {
                    state.spoil(&range);
                    break;
                }
                state.hurry = true;
                self.launch(body, &mut state);
            }
            progress.await;
        }
        self.touch(handle);
        self.counters.passed_on(data.len());
        let written = self.lower.write(&handle.lower, offset, data).await;
        // What was read meanwhile is of before or of after.
        body.state().spoil(&range);
        self.touch(handle);
        written
    }

    /// Waits until everything that was kept back of a file has been answered.
    pub(crate) async fn drain(self: &Arc<Self>, body: &Arc<Body<R::File>>) {
        loop {
            let progress = body.progress.notified();
            let first = {
                let mut state = body.state();
                if !state.is_dirty() {
                    return;
                }
                state.hurry = true;
                let first = self.take_alone(body, &mut state);
                self.launch(body, &mut state);
                first
            };
            if let Some(first) = first {
                self.begin(first).await;
            }
            progress.await;
        }
    }

    /// What goes first, if nothing is under way. For a small file it is all there is.
    fn take_alone(
        self: &Arc<Self>,
        body: &Arc<Body<R::File>>,
        state: &mut State<R::File>,
    ) -> Option<impl Future<Output = ()> + Send + use<R>> {
        let batch = if state.flying.is_empty() { state.pieces.take_first(|_| false) } else { None };
        batch.map(|batch| self.flight(body, state, batch))
    }

    /// Sends here what somebody waits for, where another thread would have to wake first, and has its answer awaited
    /// elsewhere: that must happen even if nobody waits any more.
    pub(crate) async fn begin(&self, flight: impl Future<Output = ()> + Send + 'static) {
        let mut flight = Box::pin(flight);
        if poll_fn(|context| Poll::Ready(flight.as_mut().poll(context))).await.is_pending() {
            self.runtime.spawn(flight);
        }
    }

    /// The same, and nothing is written until what is returned is dropped.
    pub(crate) async fn quiet(
        self: &Arc<Self>,
        body: &Arc<Body<R::File>>,
    ) -> tokio::sync::OwnedRwLockWriteGuard<()> {
        let alone = body.alone().await;
        self.drain(body).await;
        alone
    }

    /// The same for several files.
    pub(crate) async fn all_quiet(
        self: &Arc<Self>,
        mut bodies: Vec<Arc<Body<R::File>>>,
    ) -> Vec<tokio::sync::OwnedRwLockWriteGuard<()>> {
        // In one order, so that two who need the same do not wait for each other.
        bodies.sort_by_key(|body| body.id);
        bodies.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let mut guards = Vec::with_capacity(bodies.len());
        for body in bodies {
            guards.push(self.quiet(&body).await);
        }
        guards
    }

    /// Tells of everything that will not reach the server any more.
    pub(crate) fn give_up(&self) {
        let handles: Vec<_> = locked(&self.bodies).handles().collect();
        for handle in handles {
            let mut lost: Vec<Range<u64>> = Vec::new();
            {
                let mut state = handle.body.state();
                lost.extend(state.flying.drain(..).map(|flight| flight.range()));
                while let Some(batch) = state.pieces.take_first(|_| false) {
                    batch.owner.fail(Errno::LOST);
                    lost.push(batch.range());
                }
            }
            let path = locked(&handle.path).clone();
            for range in lost {
                self.counters.lost((range.end - range.start) as usize);
                (self.on_loss)(&LostWrite { path: path.clone(), range, error: Errno::LOST });
            }
        }
    }

    /// Files that may have something kept back and may be what `path` stands for.
    pub(crate) fn dirty_at(&self, path: &str) -> Vec<Arc<Body<R::File>>> {
        let id = locked(&self.names).last_known(path).map(|known| known.id);
        let mut dirty: Vec<_> =
            locked(&self.bodies).all().into_iter().filter(|body| body.state().is_dirty()).collect();
        // A name that is not known may be another one of any of them.
        if let Some(id) = id
            && dirty.iter().any(|body| body.id == id)
        {
            dirty.retain(|body| body.id == id);
        }
        dirty
    }
}

fn is_flying(flying: &[Flight], range: &Range<u64>) -> bool {
    flying.iter().any(|flight| flight.range().start < range.end && range.start < flight.range().end)
}
