//! What the cache was good for.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a cache has done since it was made, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Questions about names, attributes and listings that were answered without asking the server.
    pub known: u64,
    /// Those it had to be asked.
    pub asked: u64,
    /// Reads, or parts of one, that were answered from what was there or on its way.
    pub read_hits: u64,
    /// Those that had to be sent.
    pub read_misses: u64,
    /// Bytes of contents that were answered so.
    pub bytes_hit: u64,
    /// Bytes of contents that had to be asked for.
    pub bytes_missed: u64,
    /// Bytes fetched ahead.
    pub bytes_ahead: u64,
    /// Bytes fetched ahead that nobody came for.
    pub bytes_wasted: u64,
    /// Bytes written that were kept back at first.
    pub bytes_kept_back: u64,
    /// Bytes written that were passed on at once.
    pub bytes_passed_on: u64,
    /// Bytes of kept-back writes that failed.
    pub bytes_lost: u64,
    /// Files that were opened without asking the server.
    pub reopened: u64,
    /// Leases that were taken back.
    pub recalls: u64,
    /// Bytes kept now: read, being read, written and not yet sent.
    pub bytes_kept: u64,
    /// Of these, written and not yet answered.
    pub bytes_dirty: u64,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    known: AtomicU64,
    asked: AtomicU64,
    read_hits: AtomicU64,
    read_misses: AtomicU64,
    bytes_hit: AtomicU64,
    bytes_missed: AtomicU64,
    bytes_ahead: AtomicU64,
    bytes_wasted: AtomicU64,
    bytes_kept_back: AtomicU64,
    bytes_passed_on: AtomicU64,
    bytes_lost: AtomicU64,
    reopened: AtomicU64,
    recalls: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn known(&self) {
        add(&self.known, 1);
    }

    pub(crate) fn asked(&self) {
        add(&self.asked, 1);
    }

    pub(crate) fn hit(&self, bytes: usize) {
        add(&self.read_hits, 1);
        add(&self.bytes_hit, bytes as u64);
    }

    pub(crate) fn miss(&self, bytes: usize) {
        add(&self.read_misses, 1);
        add(&self.bytes_missed, bytes as u64);
    }

    pub(crate) fn ahead(&self, bytes: usize) {
        add(&self.bytes_ahead, bytes as u64);
    }

    pub(crate) fn wasted(&self, bytes: u64) {
        add(&self.bytes_wasted, bytes);
    }

    pub(crate) fn kept_back(&self, bytes: usize) {
        add(&self.bytes_kept_back, bytes as u64);
    }

    pub(crate) fn passed_on(&self, bytes: usize) {
        add(&self.bytes_passed_on, bytes as u64);
    }

    pub(crate) fn lost(&self, bytes: usize) {
        add(&self.bytes_lost, bytes as u64);
    }

    pub(crate) fn reopened(&self) {
        add(&self.reopened, 1);
    }

    pub(crate) fn recalled(&self) {
        add(&self.recalls, 1);
    }

    /// All of them, with what is kept now.
    pub(crate) fn stats(&self, bytes_kept: u64, bytes_dirty: u64) -> Stats {
        let now = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            known: now(&self.known),
            asked: now(&self.asked),
            read_hits: now(&self.read_hits),
            read_misses: now(&self.read_misses),
            bytes_hit: now(&self.bytes_hit),
            bytes_missed: now(&self.bytes_missed),
            bytes_ahead: now(&self.bytes_ahead),
            bytes_wasted: now(&self.bytes_wasted),
            bytes_kept_back: now(&self.bytes_kept_back),
            bytes_passed_on: now(&self.bytes_passed_on),
            bytes_lost: now(&self.bytes_lost),
            reopened: now(&self.reopened),
            recalls: now(&self.recalls),
            bytes_kept,
            bytes_dirty,
        }
    }
}
