//! Telling the kernel of what it has not asked for.
//!
//! On a thread of its own, because the kernel makes whoever tells it of a change wait until nobody works on what
//! has changed; those who do may wait for an answer of ours.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::abi::notice;
use crate::reply::{self, Out};

/// Something the kernel is to forget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Notice {
    /// What it keeps of a node: attributes, and contents if they are meant, too.
    Inode {
        /// The node.
        node: u64,
        /// Whether its contents are meant.
        contents: bool,
    },
    /// What it believes of a name: it asks again, and whoever is in the directory stays there.
    Entry {
        /// The directory.
        parent: u64,
        /// The name in it.
        name: String,
    },
}

/// Tells the kernel of changes, one after the other. What it is to be told twice, it is told once.
#[derive(Debug, Clone)]
pub struct Notifier(Arc<Speaker>);

/// The last of them ends the thread.
#[derive(Debug)]
struct Speaker(Arc<Shared>);

impl Drop for Speaker {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.more.notify_one();
    }
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    order: VecDeque<Step>,
    pending: HashSet<Notice>,
    closed: bool,
}

enum Step {
    Tell(Notice),
    /// Everything before it was told.
    Mark(Box<dyn FnOnce() + Send>),
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("pending", &self.pending.len()).finish_non_exhaustive()
    }
}

impl Notifier {
    pub(crate) fn start(device: File) -> io::Result<Notifier> {
        let shared = Arc::new(Shared { queue: Mutex::default(), more: Condvar::new() });
        let listener = Arc::clone(&shared);
        thread::Builder::new().name("notifier".into()).spawn(move || listener.tell_all(&device))?;
        Ok(Notifier(Arc::new(Speaker(shared))))
    }

    /// Has the kernel told.
    pub fn tell(&self, notice: Notice) {
        let shared = &self.0.0;
        let mut queue = shared.lock();
        if queue.pending.insert(notice.clone()) {
            queue.order.push_back(Step::Tell(notice));
            drop(queue);
            shared.more.notify_one();
        }
    }

    /// Calls `told` when the kernel has been told all of before.
    pub fn mark(&self, told: impl FnOnce() + Send + 'static) {
        self.0.0.lock().order.push_back(Step::Mark(Box::new(told)));
        self.0.0.more.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_all(&self, device: &File) {
        loop {
            let mut queue = self.lock();
            let step = loop {
                if let Some(step) = queue.order.pop_front() {
                    break step;
                }
                if queue.closed {
                    return;
                }
                queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
            };
            if let Step::Tell(notice) = &step {
                // From now on it can happen again.
                queue.pending.remove(notice);
            }
            drop(queue);
            match step {
                // What the kernel does not know it need not forget.
                Step::Tell(notice) => _ = tell(device, &notice),
                Step::Mark(told) => told(),
            }
        }
    }
}

fn tell(device: &File, notice: &Notice) -> io::Result<()> {
    let mut out = Out::default();
    let kind = match notice {
        Notice::Inode { node, contents } => {
            out.u64(*node);
            // A negative offset means that only attributes are; length 0 means to the end.
            out.u64(if *contents { 0 } else { u64::MAX });
            out.u64(0);
            notice::INVAL_INODE
        }
        Notice::Entry { parent, name } => {
            out.u64(*parent);
            out.u32(u32::try_from(name.len()).unwrap_or(u32::MAX));
            out.u32(notice::EXPIRE_ONLY);
            out.bytes.extend_from_slice(name.as_bytes());
            out.bytes.push(0);
            notice::INVAL_ENTRY
        }
    };
    reply::send(device, 0, kind, &[&out.bytes])
}
