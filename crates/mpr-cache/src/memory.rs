//! How many bytes of contents are kept, and how many may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Room for contents, of all files together.
#[derive(Debug)]
pub(crate) struct Memory {
    used: AtomicUsize,
    most: usize,
}

/// A part of it, given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Memory {
    pub(crate) fn new(most: usize) -> Arc<Memory> {
        Arc::new(Memory { used: AtomicUsize::new(0), most })
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes some, if there is that much.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Room> {
        let more = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.most);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Room { memory: Arc::clone(self), bytes })
    }
}

impl Room {
    /// An empty one.
    pub(crate) fn none(memory: &Arc<Memory>) -> Room {
        Room { memory: Arc::clone(memory), bytes: 0 }
    }

    /// Takes over what another has.
    pub(crate) fn add(&mut self, mut other: Room) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Splits some off.
    pub(crate) fn split(&mut self, bytes: usize) -> Room {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Room { memory: Arc::clone(&self.memory), bytes }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.memory.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_never_given_out_twice_and_comes_back() {
        let memory = Memory::new(10);
        let mut one = memory.take(6).unwrap();
        assert!(memory.take(5).is_none());
        one.add(memory.take(4).unwrap());
        drop(one.split(7));
        assert_eq!(memory.used(), 3);
        drop(one);
        assert_eq!(memory.used(), 0);
    }
}
