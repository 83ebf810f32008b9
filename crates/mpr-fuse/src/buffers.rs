//! Memory into which the kernel writes requests.
//!
//! Each is large enough for the largest write. The bytes of a large write are handed on where they are, and the
//! memory comes back when they have been used: no copy, and no page that has to be made anew each time.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use std::ops::Range;

/// How many unused ones are kept.
const KEPT: usize = 4;

#[derive(Debug)]
pub(crate) struct Buffers {
    size: usize,
    free: Mutex<Vec<Box<[u8]>>>,
}

/// Memory for one request at a time.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    /// Where it goes back to.
    home: Arc<Buffers>,
}

impl Buffers {
    pub(crate) fn of_size(size: usize) -> Arc<Buffers> {
        Arc::new(Buffers { size, free: Mutex::default() })
    }

    pub(crate) fn take(self: &Arc<Self>) -> Buffer {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = free.unwrap_or_else(|| vec![0; self.size].into_boxed_slice());
        Buffer { bytes, home: Arc::clone(self) }
    }
}

impl Buffer {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Takes some of the bytes out. They may be those of this memory, which is then another. A smaller part is
    /// copied, so that whoever keeps it keeps at most twice as much.
    pub(crate) fn hand_on(&mut self, range: Range<usize>) -> Bytes {
        if range.len() * 2 < self.bytes.len() {
            return Bytes::copy_from_slice(&self.bytes[range]);
        }
        let other = self.home.take();
        Bytes::from_owner(std::mem::replace(self, other)).slice(range)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut free = self.home.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < KEPT {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_write_is_not_copied_and_its_memory_comes_back() {
        const LARGE: usize = 600 << 10;
        let buffers = Buffers::of_size(1 << 20);
        let mut buffer = buffers.take();
        // Only the buffers themselves know where they come from.
        drop(buffers);
        buffer.bytes_mut()[100..100 + LARGE].fill(7);
        let at = buffer.bytes()[100..].as_ptr();
        let large = buffer.hand_on(100..100 + LARGE);
        assert_eq!(large.as_ptr(), at);
        assert!(large.iter().all(|byte| *byte == 7));
        assert_ne!(buffer.bytes()[100..].as_ptr(), at);
        let small = buffer.hand_on(0..400 << 10);
        assert_ne!(small.as_ptr(), buffer.bytes().as_ptr());
        drop(large);
        assert_eq!(buffer.home.take().bytes()[100..].as_ptr(), at);
    }
}
