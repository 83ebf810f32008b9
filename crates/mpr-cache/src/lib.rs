//! Speed without lies: [`Cached`] stands on a [`RemoteFs`], is one itself, and keeps what may be kept.
//!
//! # What is promised
//!
//! * **Nothing is older than it may be.** Under a lease of reading, contents and attributes of an open file are
//!   kept until it is taken back. Without one, names, attributes and listings are believed for half of the
//!   [`RemoteFs::lifetime`] of what is below, and [`Cached::lifetime`] leaves the other half to whoever stands on
//!   this, so that both together keep to it; contents are believed for one second, and not even that once the
//!   file is seen to have changed. Whatever changes here is seen here at once, through every handle and name.
//! * **What was written is kept back only under a lease of writing**, for at most a second. Without one, `write`
//!   returns when the server has it.
//! * **Every failure is told.** `settle`, `flush` and `close` wait for everything kept back. A kept-back write that
//!   failed is told once: to the next `write`, `settle` or `flush` through the handle that wrote it; and to
//!   [`Options::on_loss`], whether anybody asks or not. The write that is told of another's failure has not happened.
//! * **After a lost connection** a kept-back write that had been sent is sent again only if the same file and its
//!   lease of writing stand again: then nobody has looked or written since, and writing the same bytes to the same
//!   place a second time changes nothing. Otherwise its failure is told. What had not been sent is sent.
//! * **A recall** stops keeping at once, has everything kept back reach the server, and only then lets the lease go.
//! * **Memory is bounded**: [`Limits`].
//!
//! A question about a file with kept-back writes (its length, its times) has these sent first, so that what is
//! answered is what the server says, and stays so. So have truncating, copying, allocating, locking, renaming, linking.
//!
//! # Where what is
//!
//! * `names` — attributes, names, listings; `listed` — one listing, in little room; `moments` — which answer is older
//!   than which change;
//! * `body` — what is kept of one file, for all its handles; `chunks` what was read, `pieces` what was written;
//! * `reading`, `streams` — reading, and fetching ahead of who reads in sequence;
//! * `writing` — keeping back, sending, passing on; `parked` — files that stay open for a while;
//! * `events` — recalls and changes by others; `listing` — directories;
//!   `ahead` — listing ahead of who walks through a tree; `remote` — [`RemoteFs`] itself.

#![forbid(unsafe_code)]

mod ahead;
mod body;
mod chunks;
mod counters;
mod events;
mod listed;
mod listing;
mod making;
mod memory;
mod moments;
mod names;
mod parked;
mod pieces;
mod reading;
mod remote;
mod spelling;
mod streams;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use mpr_remotefs::{Errno, Event, RemoteFs};
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use counters::Stats;
pub use listing::CachedDirectory;
pub use remote::CachedFile;

use ahead::Walks;
use body::{Bodies, Body};
use counters::Counters;
use making::ToldOf;
use memory::Memory;
use names::Names;
use parked::Parking;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of contents, of all files together: read, being read ahead, written and not yet sent.
    pub memory: usize,
    /// Bytes that are fetched ahead of one reader.
    pub read_ahead: usize,
    /// Names with their attributes, and directories. One that was listed takes about 120 bytes, one that was asked for by
    /// itself 250.
    pub names: usize,
    /// Files that stay open after they were closed.
    pub parked: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory: 32 << 20, read_ahead: 8 << 20, names: 100_000, parked: 128 }
    }
}

/// A kept-back write that did not reach the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostWrite {
    /// The file's name now.
    pub path: String,
    /// Where in the file.
    pub range: Range<u64>,
    /// Why.
    pub error: Errno,
}

/// Told of every kept-back write that failed.
pub type OnLoss = dyn Fn(&LostWrite) + Send + Sync;

/// How a cache is made.
#[derive(Default)]
pub struct Options {
    /// How much is kept.
    pub limits: Limits,
    /// Told of every kept-back write that failed, as it fails.
    pub on_loss: Option<Arc<OnLoss>>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A remote file system that keeps what it may of the one it stands on.
pub struct Cached<R: RemoteFs> {
    inner: Arc<Inner<R>>,
    /// Hears of what happens below; begun when somebody first asks what has happened.
    listening: OnceLock<AbortHandle>,
    happened: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
}

impl<R: RemoteFs> fmt::Debug for Cached<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").field("lower", &self.inner.lower).finish_non_exhaustive()
    }
}

/// A file, and where in it a chunk begins.
type Kept<F> = (Weak<Body<F>>, u64);

struct Inner<R: RemoteFs> {
    this: Weak<Inner<R>>,
    lower: R,
    runtime: Runtime,
    limits: Limits,
    memory: Arc<Memory>,
    names: Mutex<Names>,
    /// Where something was made last, while what is said of that directory is on its way.
    told_of: Mutex<Option<ToldOf>>,
    /// Locked before `names`.
    walks: Mutex<Walks>,
    bodies: Mutex<Bodies<R::File>>,
    /// Chunks in the order they came, to be let go in this order.
    kept: Mutex<VecDeque<Kept<R::File>>>,
    parking: Parking<R::File>,
    counters: Counters,
    told: mpsc::UnboundedSender<Event>,
    on_loss: Arc<OnLoss>,
}

impl<R: RemoteFs> Cached<R> {
    /// Stands on `lower`, with the usual limits.
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio.
    pub fn new(lower: R) -> Cached<R> {
        Cached::with(lower, Options::default())
    }

    /// Stands on `lower`.
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio.
    pub fn with(lower: R, options: Options) -> Cached<R> {
        let (told, happened) = mpsc::unbounded_channel();
        let inner = Arc::new_cyclic(|this| Inner {
            this: Weak::clone(this),
            lower,
            runtime: Runtime::current(),
            limits: options.limits,
            memory: Memory::new(options.limits.memory),
            names: Mutex::new(Names::new(options.limits.names)),
            told_of: Mutex::default(),
            walks: Mutex::default(),
            bodies: Mutex::default(),
            kept: Mutex::default(),
            parking: Parking::default(),
            counters: Counters::default(),
            told,
            on_loss: options.on_loss.unwrap_or_else(|| Arc::new(|_| {})),
        });
        Cached { inner, listening: OnceLock::new(), happened: tokio::sync::Mutex::new(happened) }
    }

    /// What this stands on.
    #[must_use]
    pub fn lower(&self) -> &R {
        &self.inner.lower
    }

    /// What this was good for.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let bodies = locked(&self.inner.bodies).all();
        let dirty = bodies.iter().map(|body| body.state().dirty_bytes()).sum();
        self.inner.counters.stats(self.inner.memory.used() as u64, dirty)
    }
}

impl<R: RemoteFs> Drop for Cached<R> {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.get() {
            listening.abort();
        }
    }
}

impl<R: RemoteFs> Inner<R> {
    /// How long is believed what no lease covers. The other half is that of whoever stands on this.
    fn lifetime(&self) -> Duration {
        self.lower.lifetime() / 2
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
