//! Reading: from what was written, from what was read before, from the server; and fetching ahead.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use mpr_remotefs::{RemoteFs, Result};
use tokio::time::Instant;

use crate::body::{Body, Fetch, Handle, State};
use crate::chunks::{Chunk, Found};
use crate::memory::Room;
use crate::pieces::REQUEST;
use crate::{Inner, locked};

/// Reads up to this long are kept under a lease; longer ones are of somebody who reads a file once.
const KEPT: usize = 64 << 10;
/// What is fetched ahead is asked for in parts of this length: short enough to be in a processor's cache while it is
/// decrypted, and for the next to be on its way meanwhile.
const STEP: u64 = 512 << 10;
/// Files up to this long are kept whole once they were read under a lease.
const SMALL_FILE: u64 = 1 << 20;

/// Where a part of an answer comes from.
#[derive(Debug)]
enum Part {
    Ready(Bytes),
    Coming(Arc<Fetch>, Range<u64>),
    Asked(Range<u64>),
}

/// After so many chunks more it is looked for those that went by themselves.
const LOOK: usize = 16;

/// How a read will be answered.
struct Plan {
    parts: Vec<Part>,
    /// What was kept back when it was made, and where the last of that ends.
    kept_back: Vec<(u64, Bytes)>,
    end: u64,
    /// A lease of reading stands.
    leased: bool,
}

/// A fetch that ends, whatever becomes of the one who does it.
struct Fetching<'a, R: RemoteFs> {
    inner: &'a Inner<R>,
    body: &'a Body<R::File>,
    fetch: Arc<Fetch>,
}

impl<R: RemoteFs> Drop for Fetching<'_, R> {
    fn drop(&mut self) {
        self.body.state().end_fetch(&self.fetch, 0);
        self.fetch.answer(None);
    }
}

impl<R: RemoteFs> Inner<R> {
    pub(crate) async fn read(
        self: &Arc<Self>,
        handle: &Arc<Handle<R::File>>,
        offset: u64,
        len: usize,
    ) -> Result<Vec<Bytes>> {
        let end = offset.checked_add(len as u64);
        let (Some(end), false) = (end, handle.body.id == 0 || len == 0 || !handle.access.read) else {
            return Ok(vec![self.lower.read(&handle.lower, offset, len).await?]);
        };
        let range = offset..end;
        let plan = self.plan(handle, &range);
        let pieces = self.gather(handle, plan.parts, plan.leased).await?;
        let read: usize = pieces.iter().map(Bytes::len).sum();
        let (kept_back, end) = handle.body.state().kept_back(&range);
        if plan.kept_back.is_empty() && kept_back.is_empty() && plan.end.max(end) <= offset + read as u64 {
            return Ok(pieces);
        }
        let base = overlay(joined(pieces), &range, plan.kept_back, plan.end);
        Ok(vec![overlay(base, &range, kept_back, end)])
    }

    fn plan(self: &Arc<Self>, handle: &Arc<Handle<R::File>>, range: &Range<u64>) -> Plan {
        let body = &handle.body;
        let mut guard = body.state();
        let state = &mut *guard;
        let leased = self.lease_of(handle, state).read;
        let (kept_back, end) = state.kept_back(range);
        if let [(at, data)] = &kept_back[..]
            && *at == range.start
            && data.len() as u64 == range.end - range.start
        {
            self.counters.hit(data.len());
            return Plan { parts: vec![Part::Ready(data.clone())], kept_back: Vec::new(), end, leased };
        }
        let small = leased && state.end().is_some_and(|end| end <= SMALL_FILE);
        let parts = self.parts(state, range, leased, small);
        let ahead = locked(&handle.streams).note(
            range.start,
            range.end - range.start,
            state.end().unwrap_or(u64::MAX).max(end),
            self.window() as u64,
        );
        drop(guard);
        if let Some(ahead) = ahead {
            self.fetch_ahead(handle, ahead, range.end - range.start, leased);
        }
        Plan { parts, kept_back, end, leased }
    }

    /// How far ahead to fetch at most.
    fn window(&self) -> usize {
        self.limits.read_ahead.min(self.limits.memory / 2)
    }

    fn parts(&self, state: &mut State<R::File>, range: &Range<u64>, leased: bool, keep: bool) -> Vec<Part> {
        let mut parts = Vec::with_capacity(1);
        let mut at = range.start;
        while at < range.end {
            match state.chunks.find(at, range.end, leased, keep) {
                Found::Data(data) => {
                    self.counters.hit(data.len());
                    at += data.len() as u64;
                    parts.push(Part::Ready(data));
                }
                Found::End => {
                    self.counters.hit(0);
                    break;
                }
                Found::Nothing(next) => {
                    let coming = state.fetches.iter().find(|fetch| fetch.range.contains(&at));
                    let end = match coming {
                        Some(fetch) => {
                            let end = fetch.range.end.min(range.end);
                            self.counters.hit((end - at) as usize);
                            parts.push(Part::Coming(Arc::clone(fetch), at..end));
                            end
                        }
                        None => {
                            let fetched = state.fetches.iter().map(|fetch| fetch.range.start);
                            let end = fetched
                                .chain(next)
                                .filter(|start| *start > at)
                                .fold(range.end, std::cmp::Ord::min);
                            self.counters.miss((end - at) as usize);
                            parts.push(Part::Asked(at..end));
                            end
                        }
                    };
                    at = end;
                }
            }
        }
        parts
    }

    /// Waits for the parts of an answer. What ends early ends it.
    async fn gather(
        self: &Arc<Self>,
        handle: &Arc<Handle<R::File>>,
        parts: Vec<Part>,
        leased: bool,
    ) -> Result<Vec<Bytes>> {
        let mut pieces = Vec::with_capacity(parts.len());
        for part in parts {
            let (data, wanted) = match part {
                Part::Ready(data) => {
                    let wanted = data.len();
                    (data, wanted)
                }
                Part::Coming(fetch, range) => {
                    let wanted = (range.end - range.start) as usize;
                    let data = match fetch.answered().await {
                        Some(data) => {
                            let from = (range.start - fetch.range.start) as usize;
                            data.slice(from.min(data.len())..(from + wanted).min(data.len()))
                        }
                        None => Box::pin(self.lower.read(&handle.lower, range.start, wanted)).await?,
                    };
                    (data, wanted)
                }
                Part::Asked(range) => {
                    let wanted = (range.end - range.start) as usize;
                    (self.read_now(handle, range, leased).await?, wanted)
                }
            };
            let short = data.len() < wanted;
            pieces.push(data);
            if short {
                break;
            }
        }
        Ok(pieces)
    }

    /// Reads from the server what somebody waits for, and keeps it under a lease.
    async fn read_now(
        self: &Arc<Self>,
        handle: &Arc<Handle<R::File>>,
        range: Range<u64>,
        leased: bool,
    ) -> Result<Bytes> {
        let len = (range.end - range.start) as usize;
        let room =
            if leased && len <= KEPT && self.may_be_read_again(handle) { self.room(len) } else { None };
        let start = range.start;
        let fetch = room.and_then(|room| {
            let mut state = handle.body.state();
            self.lease_of(handle, &mut state).read.then(|| {
                let fetch = Fetch::new(range);
                state.begin_fetch(&fetch);
                (fetch, room)
            })
        });
        match fetch {
            Some((fetch, room)) => self.fetch(handle, fetch, room, leased, false).await,
            None => self.lower.read(&handle.lower, start, len).await,
        }
    }

    /// Whether what is read here and there of a file is likely to be asked for again while it is kept. Of one that is
    /// longer than all the room there is it is not, and the kernel keeps it, too: keeping it took a fifth of the
    /// processor time of a short read.
    fn may_be_read_again(&self, handle: &Handle<R::File>) -> bool {
        handle.body.state().end().is_none_or(|end| end <= self.limits.memory as u64)
    }

    /// Reads a range that was registered as being fetched.
    async fn fetch(
        self: &Arc<Self>,
        handle: &Arc<Handle<R::File>>,
        fetch: Arc<Fetch>,
        mut room: Room,
        leased: bool,
        ahead: bool,
    ) -> Result<Bytes> {
        let at = Instant::now();
        let body = &handle.body;
        let fetching = Fetching { inner: self, body, fetch };
        let Range { start, end } = fetching.fetch.range;
        let data = fetching.inner.lower.read(&handle.lower, start, (end - start) as usize).await?;
        let kept = {
            let mut state = body.state();
            let leased = self.lease_of(handle, &mut state).read && leased;
            let last = (data.len() as u64) < end - start;
            let good = state.end_fetch(&fetching.fetch, data.len()) && (leased || ahead);
            if good {
                let room = room.split(data.len());
                state.chunks.insert(start, Chunk { data: data.clone(), at, leased, last, ahead, room });
                fetching.fetch.answer(Some(data.clone()));
            }
            self.counters.wasted(std::mem::take(&mut state.chunks.wasted));
            good
        };
        if kept {
            self.remember(body, start);
        }
        Ok(data)
    }

    /// Fetches for somebody who asks for `each` bytes at a time.
    fn fetch_ahead(
        self: &Arc<Self>,
        handle: &Arc<Handle<R::File>>,
        ahead: Range<u64>,
        each: u64,
        leased: bool,
    ) {
        let step = match ahead.end - ahead.start {
            // Asked for so much at a time, the server has less to do.
            _ if each > STEP => REQUEST as u64,
            STEP.. => STEP,
            _ => STEP / 2,
        };
        let mut start = ahead.start;
        while start < ahead.end {
            // Ending where the kernel's requests end, each can be answered out of one.
            let end = ((start + step) / step * step).min(ahead.end);
            let fetch = Fetch::new(start..end);
            start = end;
            let there = |other: &Arc<Fetch>| {
                other.range.start < fetch.range.end && fetch.range.start < other.range.end
            };
            let len = (fetch.range.end - fetch.range.start) as usize;
            // Here, where no file is locked: room may have to be made.
            let Some(room) = self.room(len) else { return };
            {
                let mut state = handle.body.state();
                if state.fetches.iter().any(there) || state.chunks.has(fetch.range.start) {
                    continue;
                }
                state.begin_fetch(&fetch);
            }
            self.counters.ahead(len);
            let (inner, handle) = (Arc::clone(self), Arc::clone(handle));
            self.runtime.spawn(async move {
                // An error is that of whoever reads there; it may be that nobody does.
                let _ = inner.fetch(&handle, fetch, room, leased, true).await;
            });
        }
    }

    fn room(&self, len: usize) -> Option<Room> {
        self.memory.take(len).or_else(|| {
            self.make_room(len);
            self.memory.take(len)
        })
    }

    /// A chunk is there, and may be let go when room is needed.
    fn remember(&self, body: &Arc<Body<R::File>>, offset: u64) {
        let mut kept = locked(&self.kept);
        kept.push_back((Arc::downgrade(body), offset));
        // What went by itself does not pile up.
        if !kept.len().is_multiple_of(LOOK) {
            return;
        }
        for _ in 0..2 * LOOK {
            let gone = match kept.front() {
                Some((body, offset)) => body.upgrade().is_none_or(|body| !body.state().chunks.has(*offset)),
                None => false,
            };
            if !gone {
                break;
            }
            kept.pop_front();
        }
    }

    /// Lets go what was read and not used lately, until there is room for `len` more. Says whether there is.
    pub(crate) fn make_room(&self, len: usize) -> bool {
        let mut looks = locked(&self.kept).len() * 2;
        while self.memory.used() + len > self.limits.memory {
            if looks == 0 {
                return false;
            }
            looks -= 1;
            let Some((body, offset)) = locked(&self.kept).pop_front() else { return false };
            let Some(strong) = body.upgrade() else { continue };
            let mut state = strong.state();
            let stays = state.chunks.make_room(offset);
            self.counters.wasted(std::mem::take(&mut state.chunks.wasted));
            drop(state);
            if stays {
                locked(&self.kept).push_back((body, offset));
            }
        }
        true
    }
}

/// Pieces as one.
pub(crate) fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    match pieces.len() {
        0 | 1 => pieces.pop().unwrap_or_default(),
        _ => pieces.concat().into(),
    }
}

/// What was read with what was written over it. What lies between the end of the file and the end of what was
/// written is zeros.
fn overlay(base: Bytes, range: &Range<u64>, kept_back: Vec<(u64, Bytes)>, end: u64) -> Bytes {
    let len = (end.min(range.end).saturating_sub(range.start) as usize).max(base.len());
    if kept_back.is_empty() && len == base.len() {
        return base;
    }
    let mut whole = BytesMut::from(base);
    whole.resize(len, 0);
    for (at, data) in kept_back {
        let from = (at - range.start) as usize;
        whole[from..from + data.len()].copy_from_slice(&data);
    }
    whole.freeze()
}
