//! A remote file system in memory: one server, and any number of clients, each a [`RemoteFs`].
//!
//! ```
//! use mpr_remotefs::{Access, Creation, Errno, RemoteFs};
//! use mpr_testkit::{Call, MemoryFs};
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! runtime.block_on(async {
//!     let here = MemoryFs::new();
//!     let there = here.another_client();
//!     let both = Access { read: true, write: true };
//!     let new = Creation { access: both, exclusive: true, truncate: false, read_only: false };
//!     let (file, _) = here.create("a", new).await.unwrap();
//!     here.write(&file, 0, "text".into()).await.unwrap();
//!     assert_eq!(there.stat("a").await.unwrap().size, 4);
//!
//!     there.fail(Call::Stat, Errno::LOST);
//!     assert_eq!(there.stat("a").await.unwrap_err(), Errno::LOST);
//!     assert_eq!(there.count(Call::Stat), 2);
//! });
//! ```
//!
//! Without [`MemoryFs::grant`] no lease is given, and without [`MemoryFs::watch`] no change is told. A lease is
//! taken back as SMB servers do it: of writing when another client opens the file, of reading when it writes,
//! of the handle when it renames or removes; the other waits until it was given back.

mod contents;
mod faults;
mod leases;
mod remote;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mpr_remotefs::{Entry, Errno, Event, Lease, Lock, Result};

pub use faults::{Call, Held};

use faults::Faults;
use leases::{Leases, Mailbox, Recalls};
use tree::Tree;

/// A client of a server in memory. A clone is the same client.
#[derive(Debug, Clone)]
pub struct MemoryFs {
    server: Arc<Mutex<Server>>,
    client: Arc<Client>,
}

#[derive(Debug)]
struct Server {
    tree: Tree,
    leases: Leases,
    /// By file: the handle, the range, and how.
    locks: HashMap<u64, Vec<(usize, Range<u64>, Lock)>>,
    next_handle: usize,
    mailboxes: Vec<Arc<Mailbox>>,
}

#[derive(Debug)]
struct Client {
    number: usize,
    mailbox: Arc<Mailbox>,
    faults: Arc<Faults>,
    lifetime: Mutex<Duration>,
}

/// An open file.
#[derive(Debug)]
pub struct MemoryFile {
    id: u64,
    handle: usize,
    read: bool,
    write: bool,
    closed: AtomicBool,
    fs: MemoryFs,
}

/// A directory being read.
#[derive(Debug)]
pub struct MemoryDirectory(Mutex<std::vec::IntoIter<Entry>>);

impl Default for MemoryFs {
    fn default() -> Self {
        MemoryFs::new()
    }
}

impl MemoryFs {
    /// The first client of a new server, which holds nothing.
    #[must_use]
    pub fn new() -> MemoryFs {
        let server = Server {
            tree: Tree::new(),
            leases: Leases::default(),
            locks: HashMap::new(),
            next_handle: 0,
            mailboxes: Vec::new(),
        };
        MemoryFs::client_of(Arc::new(Mutex::new(server)))
    }

    /// Another client of the same server.
    #[must_use]
    pub fn another_client(&self) -> MemoryFs {
        MemoryFs::client_of(Arc::clone(&self.server))
    }

    fn client_of(server: Arc<Mutex<Server>>) -> MemoryFs {
        let mailbox = Arc::new(Mailbox::new());
        let mailboxes = &mut locked(&server).mailboxes;
        let client = Client {
            number: mailboxes.len(),
            mailbox: Arc::clone(&mailbox),
            faults: Arc::default(),
            lifetime: Mutex::new(Duration::from_secs(1)),
        };
        mailboxes.push(mailbox);
        MemoryFs { server: Arc::clone(&server), client: Arc::new(client) }
    }

    /// From now on, files that are opened get up to this lease, if their client asks for events.
    pub fn grant(&self, most: Lease) {
        locked(&self.server).leases.most = most;
    }

    /// From now on, this client is told what others change, and says that it may be believed for this long.
    pub fn watch(&self, lifetime: Duration) {
        self.client.mailbox.watching.store(true, Ordering::Relaxed);
        self.set_lifetime(lifetime);
    }

    /// What [`mpr_remotefs::RemoteFs::lifetime`] says from now on.
    pub fn set_lifetime(&self, lifetime: Duration) {
        *self.client.lifetime.lock().unwrap_or_else(PoisonError::into_inner) = lifetime;
    }

    /// Whether this client has asked what happens; before that, it is given no leases.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.client.mailbox.read.load(Ordering::Relaxed)
    }

    /// Makes this happen to this client.
    pub fn tell(&self, event: Event) {
        self.client.mailbox.put(event);
    }

    /// This client's leases are lost, and it is told that changes may have been missed. Its files stay open.
    pub fn lose_connection(&self) {
        locked(&self.server).leases.lost(self.client.number);
        self.tell(Event::Missed);
    }

    /// Gives a name to another file as servers do that take back no lease for it. Who watches is told.
    ///
    /// # Panics
    ///
    /// If there is nothing to rename.
    pub fn rename_over(&self, from: &str, to: &str) {
        let mut server = self.server();
        server.tree.rename(from, to, true).expect("both are files");
        server.renamed(self.client.number, from);
        server.renamed(self.client.number, to);
    }

    /// How often this client has called this. [`mpr_remotefs::RemoteFs::settle`], `lease` and what never goes to
    /// a server are not counted.
    #[must_use]
    pub fn count(&self, call: Call) -> usize {
        self.client.faults.count(call)
    }

    /// How often this client has called anything.
    #[must_use]
    pub fn count_all(&self) -> usize {
        self.client.faults.count_all()
    }

    /// Begins counting again.
    pub fn forget_counts(&self) {
        self.client.faults.forget_counts();
    }

    /// Every call of this client takes this much longer from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.client.faults.set_latency(latency);
    }

    /// The next such call of this client fails, and has no effect. Twice said is the next two.
    pub fn fail(&self, call: Call, error: Errno) {
        self.client.faults.fail(call, error);
    }

    /// The next such call of this client does what it is to, and fails all the same.
    pub fn fail_after(&self, call: Call, error: Errno) {
        self.client.faults.fail_after(call, error);
    }

    /// Such calls of this client wait, before they do anything, until what is returned is dropped.
    #[must_use]
    pub fn hold(&self, call: Call) -> Held {
        self.client.faults.hold(call)
    }

    /// How many handles all clients together have open at the server.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        locked(&self.server).leases.open_handles()
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        locked(&self.server)
    }
}

impl Server {
    /// Takes back what others have of a file beyond `keep`.
    fn recall(&mut self, client: usize, id: u64, keep: Lease) -> Recalls {
        let mailboxes: Vec<&Mailbox> = self.mailboxes.iter().map(AsRef::as_ref).collect();
        self.leases.recall(client, id, keep, &mailboxes)
    }

    /// Tells the other clients that watch.
    fn tell_others(&self, client: usize, event: impl Fn() -> Event) {
        for (other, mailbox) in self.mailboxes.iter().enumerate() {
            if other != client && mailbox.watching.load(Ordering::Relaxed) {
                mailbox.put(event());
            }
        }
    }

    fn changed(&self, client: usize, id: u64) {
        let watched = |(other, mailbox): (usize, &Arc<Mailbox>)| {
            other != client && mailbox.watching.load(Ordering::Relaxed)
        };
        if !self.mailboxes.iter().enumerate().any(watched) {
            return;
        }
        for path in self.tree.names_of(id) {
            self.tell_others(client, || Event::Changed { path: path.clone() });
        }
    }

    fn renamed(&self, client: usize, path: &str) {
        self.tell_others(client, || Event::Renamed { path: path.to_owned() });
    }
}

impl MemoryFile {
    /// Its number, if it is open.
    fn open(&self) -> Result<u64> {
        if self.closed.load(Ordering::Relaxed) { Err(Errno::CLOSED) } else { Ok(self.id) }
    }

    fn to_read(&self) -> Result<u64> {
        if self.read { self.open() } else { Err(Errno(libc::EBADF)) }
    }

    fn to_write(&self) -> Result<u64> {
        if self.write { self.open() } else { Err(Errno(libc::EBADF)) }
    }

    fn close(&self) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut server = self.fs.server();
        server.leases.closed(self.fs.client.number, self.id);
        if let Some(locks) = server.locks.get_mut(&self.id) {
            locks.retain(|(handle, ..)| *handle != self.handle);
        }
        if let Ok(node) = server.tree.node_mut(self.id) {
            node.opens -= 1;
        }
        server.tree.sweep(self.id);
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.close();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
