//! The answer to reading a directory.

use std::time::Duration;

use crate::reply::{Attr, Entry, Out};

/// Entries of a directory, as many as there is room for.
#[derive(Debug)]
pub struct Listing {
    out: Out,
    room: usize,
}

impl Listing {
    /// An empty one with room for this many bytes.
    #[must_use]
    pub fn with_room(room: u32) -> Listing {
        let room = room as usize;
        Listing { out: Out { bytes: Vec::with_capacity(room.min(1 << 17)) }, room }
    }

    /// Adds a name, its number and type (the bits of `st_mode`), and where to go on after it. Says whether there
    /// was room.
    #[must_use]
    pub fn add(&mut self, ino: u64, next: u64, mode: u32, name: &str) -> bool {
        self.fits(name, 0) && {
            self.name(ino, next, mode, name);
            true
        }
    }

    /// Whether there is room for a name with what is known of it.
    #[must_use]
    pub fn has_room_for(&self, name: &str) -> bool {
        self.fits(name, ENTRY)
    }

    /// Adds a name and all that is known of it. Says whether there was room.
    #[must_use]
    pub fn add_entry(&mut self, entry: &Entry, next: u64, name: &str) -> bool {
        self.fits(name, ENTRY) && {
            self.out.entry(entry);
            self.name(entry.attr.ino, next, entry.attr.mode, name);
            true
        }
    }

    /// Adds a name of which the kernel is to learn nothing else, such as `.`.
    #[must_use]
    pub fn add_name_only(&mut self, attr: &Attr, next: u64, name: &str) -> bool {
        let nothing = Entry { node: 0, name_valid: Duration::ZERO, attr_valid: Duration::ZERO, attr: *attr };
        self.add_entry(&nothing, next, name)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out.bytes
    }

    fn fits(&self, name: &str, before: usize) -> bool {
        self.out.bytes.len() + before + (DIRENT + name.len()).next_multiple_of(8) <= self.room
    }

    fn name(&mut self, ino: u64, next: u64, mode: u32, name: &str) {
        self.out.u64(ino);
        self.out.u64(next);
        self.out.u32(u32::try_from(name.len()).unwrap_or(u32::MAX));
        self.out.u32((mode & libc::S_IFMT) >> 12);
        self.out.bytes.extend_from_slice(name.as_bytes());
        self.out.bytes.resize(self.out.bytes.len().next_multiple_of(8), 0);
    }
}

const DIRENT: usize = 24;
const ENTRY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_added_while_there_is_room() {
        let mut listing = Listing::with_room(64);
        assert!(listing.add(5, 1, libc::S_IFREG | 0o644, "eight888"));
        assert!(listing.add(6, 2, libc::S_IFDIR, "a"));
        assert!(!listing.add(7, 3, libc::S_IFREG, "b"));
        assert_eq!(listing.bytes().len(), 64);
        assert_eq!(listing.bytes()[20..24], 8u32.to_ne_bytes(), "DT_REG");
        assert_eq!(&listing.bytes()[24..32], b"eight888");
    }
}
