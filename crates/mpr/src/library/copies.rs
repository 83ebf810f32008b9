//! Private copies of what a plug-in is called with, on the caller's stack.
//!
//! What a library writes into its arguments must reach nobody else (`spec/notification.md` DECISION 14,
//! `spec/provider.md` P5), so every call gets copies of its own. Usual names fit into the inline room, and
//! then no memory is allocated.

use mpr_plugin::WideStr;
use smallvec::SmallVec;
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use zeroize::Zeroize;

/// Units without allocation: the longest remote name and a long user or device beside it.
const INLINE_UNITS: usize = 512;
/// Bytes of an authentication buffer without allocation.
const INLINE_BYTES: usize = 512;

/// Copies of strings, end to end, each with its terminator.
#[derive(Debug)]
pub(super) struct Copies {
    inline: [MaybeUninit<u16>; INLINE_UNITS],
    /// In place of `inline` where that is too small.
    heap: Option<Box<[MaybeUninit<u16>]>>,
    /// Units that were copied.
    length: usize,
}

impl Copies {
    #[inline]
    pub(super) fn new() -> Self {
        Copies { inline: [const { MaybeUninit::uninit() }; INLINE_UNITS], heap: None, length: 0 }
    }

    /// Copies `texts` and says where the copies stand: NULL for `None`. They stay there until this is moved,
    /// filled again or dropped, and may be written to, terminators included.
    #[inline]
    pub(super) fn fill<const N: usize>(&mut self, texts: [Option<&WideStr>; N]) -> [*mut u16; N] {
        self.length = texts.iter().map(|text| text.map_or(0, |text| text.len() + 1)).sum();
        let room = if self.length <= INLINE_UNITS { self.inline.as_mut_ptr() } else { self.heap() };
        let mut room = room.cast::<u16>();
        texts.map(|text| match text {
            Some(text) => {
                let (place, units) = (room, text.as_slice_with_nul());
                // SAFETY: there is room for all texts, and so much of it was given to those before this one.
                unsafe {
                    std::ptr::copy_nonoverlapping(units.as_ptr(), place, units.len());
                    room = room.add(units.len());
                }
                place
            }
            None => null_mut(),
        })
    }

    #[cold]
    fn heap(&mut self) -> *mut MaybeUninit<u16> {
        self.heap.insert(Box::new_uninit_slice(self.length)).as_mut_ptr()
    }

    /// Where the copies are.
    fn room(&mut self) -> &mut [MaybeUninit<u16>] {
        match &mut self.heap {
            Some(heap) => heap,
            None => &mut self.inline[..self.length],
        }
    }
}

/// Copies of secret strings: overwritten when done with (`spec/provider.md` §2.10).
#[derive(Debug)]
pub(super) struct SecretCopies(Copies);

impl SecretCopies {
    #[inline]
    pub(super) fn new() -> Self {
        SecretCopies(Copies::new())
    }

    /// As [`Copies::fill`].
    #[inline]
    pub(super) fn fill<const N: usize>(&mut self, texts: [Option<&WideStr>; N]) -> [*mut u16; N] {
        self.wipe();
        self.0.fill(texts)
    }

    fn wipe(&mut self) {
        self.0.room().zeroize();
    }
}

impl Drop for SecretCopies {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A copy of bytes that may be secret: overwritten when done with.
#[derive(Debug)]
pub(super) struct SecretBytes(SmallVec<[u8; INLINE_BYTES]>);

impl SecretBytes {
    pub(super) fn of(bytes: &[u8]) -> Self {
        SecretBytes(SmallVec::from_slice(bytes))
    }

    /// Where the copy stands; NULL if it is empty.
    pub(super) fn pointer(&mut self) -> *mut u8 {
        if self.0.is_empty() { null_mut() } else { self.0.as_mut_ptr() }
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpr_plugin::{borrow_wide, wide};

    #[test]
    fn null_stays_null_and_empty_stays_empty() {
        let (empty, name) = (wide(""), wide(r"\\srv\share"));
        let mut copies = Copies::new();
        let [none, empty_copy, copy] = copies.fill([None, Some(&*empty), Some(&*name)]);
        assert!(none.is_null());
        // SAFETY: the copies are alive and terminated.
        unsafe {
            assert_eq!(borrow_wide(empty_copy), Some(&*empty));
            assert_eq!(borrow_wide(copy), Some(&*name));
        }
        assert!(copies.heap.is_none());
    }

    #[test]
    fn long_strings_find_room_too() {
        let long = wide(&"x".repeat(20_000));
        let mut copies = Copies::new();
        let [one, other] = copies.fill([Some(&*long), Some(&*long)]);
        // SAFETY: the copies are alive and terminated.
        unsafe {
            assert_eq!(borrow_wide(one), Some(&*long));
            assert_eq!(borrow_wide(other), Some(&*long));
        }
        assert_ne!(one, other);
    }

    #[test]
    fn secrets_are_overwritten() {
        let secret = wide("secret");
        let mut copies = SecretCopies::new();
        let [copy] = copies.fill([Some(&*secret)]);
        copies.wipe();
        // SAFETY: the copy is alive, and as long as it was.
        assert_eq!(unsafe { std::slice::from_raw_parts(copy, 7) }, [0; 7]);
    }
}
