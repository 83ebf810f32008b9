//! The cache over a server in memory.

mod coherence;
mod crowd;
mod names;
mod parked;
mod reading;
mod walking;
mod writing;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mpr_remotefs::{Access, Creation, Event, Lease, RemoteFs, Result};
use mpr_testkit::MemoryFs;

use crate::{Cached, Limits, LostWrite, Options, locked};

const BOTH: Access = Access { read: true, write: true };
const READ: Access = Access { read: true, write: false };
const ALL: Lease = Lease { read: true, write: true, handle: true };
const NONE: Lease = Lease { read: false, write: false, handle: false };
const K: usize = 1 << 10;
const M: usize = 1 << 20;

type File = <Cached<MemoryFs> as RemoteFs>::File;

/// A cache, what it stands on, and another client of the same server.
#[derive(Debug)]
struct World {
    cached: Arc<Cached<MemoryFs>>,
    /// The client the cache uses.
    here: MemoryFs,
    there: MemoryFs,
    losses: Arc<Mutex<Vec<LostWrite>>>,
    /// Events that were passed on, as they are called.
    events: Arc<Mutex<Vec<String>>>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl World {
    async fn new(lease: Lease) -> World {
        World::with(lease, Limits::default()).await
    }

    async fn with(lease: Lease, limits: Limits) -> World {
        let here = MemoryFs::new();
        let there = here.another_client();
        here.grant(lease);
        let losses: Arc<Mutex<Vec<LostWrite>>> = Arc::default();
        let told = Arc::clone(&losses);
        let on_loss = move |loss: &LostWrite| locked(&told).push(loss.clone());
        let options = Options { limits, on_loss: Some(Arc::new(on_loss)) };
        let cached = Arc::new(Cached::with(here.clone(), options));
        let events: Arc<Mutex<Vec<String>>> = Arc::default();
        let listening = tokio::spawn({
            let (cached, events) = (Arc::clone(&cached), Arc::clone(&events));
            async move {
                loop {
                    let event = cached.next_event().await;
                    locked(&events).push(called(&event));
                }
            }
        });
        until(|| here.listens()).await;
        World { cached, here, there, losses, events, listening }
    }

    /// A new file, made by the other client and closed again.
    async fn file(&self, path: &str, contents: &[u8]) {
        let (file, _) = self.there.create(path, new(false)).await.unwrap();
        self.there.write(&file, 0, Bytes::copy_from_slice(contents)).await.unwrap();
        self.there.close(&file).await;
        self.there.forget_counts();
    }

    async fn open(&self, path: &str) -> File {
        self.cached.open(path, BOTH).await.unwrap().0
    }

    async fn made(&self, path: &str) -> File {
        self.cached.create(path, new(true)).await.unwrap().0
    }

    async fn write(&self, file: &File, offset: usize, data: &[u8]) -> Result<()> {
        self.cached.write(file, offset as u64, Bytes::copy_from_slice(data)).await
    }

    async fn read(&self, file: &File, offset: usize, len: usize) -> Bytes {
        self.cached.read(file, offset as u64, len).await.unwrap()
    }

    /// What the server has. Nobody loses a lease for it.
    async fn at_server(&self, path: &str) -> Vec<u8> {
        let (file, now) = self.here.open(path, READ).await.unwrap();
        self.here.read(&file, 0, now.size as usize).await.unwrap().to_vec()
    }
}

fn new(exclusive: bool) -> Creation {
    Creation { access: BOTH, exclusive, truncate: false, read_only: false }
}

fn called(event: &Event) -> String {
    match event {
        Event::Changed { path } => format!("changed {path}"),
        Event::Renamed { path } => format!("renamed {path}"),
        Event::Recalled(_) => "recalled".to_owned(),
        _ => "missed".to_owned(),
    }
}

/// Lets others go on until something is so.
async fn until(condition: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed().as_secs() < 60, "what is waited for does not happen");
        tokio::task::yield_now().await;
    }
}

/// Bytes that differ from place to place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| ((at / 7) ^ (at >> 11)) as u8).collect()
}
