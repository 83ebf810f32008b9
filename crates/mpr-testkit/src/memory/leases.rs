//! What each client may keep, and how the server takes it back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mpr_remotefs::{Event, Lease, Recall};
use tokio::sync::{mpsc, oneshot};

/// How long a client may take to give a lease back.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where events for one client go.
#[derive(Debug)]
pub(super) struct Mailbox {
    sender: mpsc::UnboundedSender<Event>,
    receiver: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    /// Whether the client has asked for events; before that, it is given no leases.
    pub(super) read: AtomicBool,
    /// Whether it is told what others change.
    pub(super) watching: AtomicBool,
}

impl Mailbox {
    pub(super) fn new() -> Mailbox {
        let (sender, receiver) = mpsc::unbounded_channel();
        Mailbox {
            sender,
            receiver: tokio::sync::Mutex::new(receiver),
            read: AtomicBool::new(false),
            watching: AtomicBool::new(false),
        }
    }

    pub(super) fn put(&self, event: Event) {
        let _ = self.sender.send(event);
    }

    pub(super) async fn next(&self) -> Event {
        self.read.store(true, Ordering::Relaxed);
        match self.receiver.lock().await.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

/// A client and a file.
type Holder = (usize, u64);

/// Who has which lease, and who has what open.
#[derive(Debug, Default)]
pub(super) struct Leases {
    granted: HashMap<Holder, Lease>,
    opens: HashMap<Holder, usize>,
    /// The most that is granted to anybody.
    pub(super) most: Lease,
}

/// Recalls that a request waits for.
#[derive(Debug, Default)]
pub(super) struct Recalls(Vec<oneshot::Receiver<()>>);

impl Recalls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn and(&mut self, others: Recalls) {
        self.0.extend(others.0);
    }

    /// Ends when everybody has given back what they had.
    pub(super) async fn returned(self) {
        for returned in self.0 {
            let _ = tokio::time::timeout(PATIENCE, returned).await;
        }
    }
}

pub(super) fn both(one: Lease, other: Lease) -> Lease {
    Lease {
        read: one.read && other.read,
        write: one.write && other.write,
        handle: one.handle && other.handle,
    }
}

impl Leases {
    pub(super) fn of(&self, client: usize, id: u64) -> Lease {
        self.granted.get(&(client, id)).copied().unwrap_or_default()
    }

    /// A client opens a file.
    pub(super) fn opening(&mut self, client: usize, id: u64) {
        *self.opens.entry((client, id)).or_default() += 1;
    }

    /// It has opened it, after others have given back what stood in the way.
    pub(super) fn opened(&mut self, client: usize, id: u64, mailbox: &Mailbox) {
        let shared = self.opens.keys().any(|(other, file)| *other != client && *file == id);
        let now = Lease { write: !shared, read: true, handle: true };
        if mailbox.read.load(Ordering::Relaxed) {
            self.granted.insert((client, id), both(now, self.most));
        }
    }

    pub(super) fn closed(&mut self, client: usize, id: u64) {
        let Some(count) = self.opens.get_mut(&(client, id)) else { return };
        *count -= 1;
        if *count == 0 {
            self.opens.remove(&(client, id));
            self.granted.remove(&(client, id));
        }
    }

    pub(super) fn open_handles(&self) -> usize {
        self.opens.values().sum()
    }

    /// A client has lost its connection, and with it what it had.
    pub(super) fn lost(&mut self, client: usize) {
        self.granted.retain(|(holder, _), _| *holder != client);
    }

    /// Takes back from everybody but `client` what goes beyond `keep`.
    pub(super) fn recall(&mut self, client: usize, id: u64, keep: Lease, mailboxes: &[&Mailbox]) -> Recalls {
        let mut recalls = Recalls::default();
        for (holder, mailbox) in mailboxes.iter().enumerate() {
            let Some(lease) = self.granted.get_mut(&(holder, id)) else { continue };
            let left = both(*lease, keep);
            if holder == client || left == *lease {
                continue;
            }
            *lease = left;
            let (done, returned) = oneshot::channel();
            let done: Box<dyn FnOnce() + Send> = Box::new(move || {
                let _ = done.send(());
            });
            mailbox.put(Event::Recalled(Recall { id, keep: left, done: Some(done) }));
            recalls.0.push(returned);
        }
        recalls
    }
}
