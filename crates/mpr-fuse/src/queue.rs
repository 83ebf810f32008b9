//! One queue of the kernel's: where requests are read, and where their answers must be written.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::reply;
use crate::request::Header;

/// A descriptor of the device, and the requests read from it that wait for their answers.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) device: File,
    waiting: Mutex<HashMap<u64, Arc<Waiting>>>,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) header: Header,
    answered: AtomicBool,
    looks: AtomicU32,
    nobodys: AtomicBool,
}

impl Waiting {
    pub(crate) fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    /// Notes that nobody is to be let go: no program waits for this.
    pub(crate) fn is_nobodys(&self) {
        self.nobodys.store(true, Ordering::Release);
    }

    /// Whether a program waits for it.
    pub(crate) fn is_somebodys(&self) -> bool {
        self.header.pid != 0 && !self.nobodys.load(Ordering::Acquire)
    }

    /// Notes that it was looked at; says how often it had been before.
    pub(crate) fn looked_at(&self) -> u32 {
        self.looks.fetch_add(1, Ordering::Relaxed)
    }
}

impl Queue {
    pub(crate) fn new(device: File) -> Queue {
        Queue { device, waiting: Mutex::default() }
    }

    /// Notes that this request waits.
    pub(crate) fn expect(&self, header: Header) -> Arc<Waiting> {
        let waiting = Arc::new(Waiting {
            header,
            answered: AtomicBool::new(false),
            looks: AtomicU32::new(0),
            nobodys: AtomicBool::new(false),
        });
        locked(&self.waiting).insert(header.unique, Arc::clone(&waiting));
        waiting
    }

    pub(crate) fn find(&self, unique: u64) -> Option<Arc<Waiting>> {
        locked(&self.waiting).get(&unique).cloned()
    }

    /// All that wait.
    pub(crate) fn all(&self) -> Vec<Arc<Waiting>> {
        locked(&self.waiting).values().cloned().collect()
    }

    /// Answers a request unless it was answered already. Says whether the kernel took the answer.
    pub(crate) fn answer(&self, waiting: &Waiting, error: i32, parts: &[&[u8]]) -> bool {
        if waiting.answered.swap(true, Ordering::AcqRel) {
            return false;
        }
        locked(&self.waiting).remove(&waiting.header.unique);
        match reply::send(&self.device, waiting.header.unique, error, parts) {
            Ok(()) => true,
            // An answer the kernel does not understand leaves somebody waiting for one that it does.
            Err(refused) if refused.raw_os_error() == Some(libc::EINVAL) => {
                let _ = reply::send(&self.device, waiting.header.unique, -libc::EIO, &[]);
                false
            }
            Err(_) => false,
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
