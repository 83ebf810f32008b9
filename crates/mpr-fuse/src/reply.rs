//! What the kernel is answered.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::abi::split;
use crate::listing::Listing;
use crate::queue::{Queue, Waiting};
use crate::request::FileLock;

/// The most parts of an answer, beside its header.
const MOST_PARTS: usize = 8;

/// Attributes of a file or directory.
#[derive(Debug, Clone, Copy)]
pub struct Attr {
    /// Its number, for people and programs.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// What it takes up, in units of 512 bytes.
    pub blocks: u64,
    /// Last read.
    pub accessed: SystemTime,
    /// Last change of the contents.
    pub modified: SystemTime,
    /// Last change of contents or attributes.
    pub changed: SystemTime,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The unit in which it is best read.
    pub block_size: u32,
}

/// What a name stands for, and how long that may be believed.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The node the kernel is to name it by from now on; 0 if there is nothing of the name.
    pub node: u64,
    /// How long the name stands for it.
    pub name_valid: Duration,
    /// How long its attributes hold.
    pub attr_valid: Duration,
    /// They.
    pub attr: Attr,
}

/// How an open file is to be treated.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenMode {
    /// Do not use the kernel's page cache.
    pub direct: bool,
    /// What is in the page cache is still so.
    pub keep_cache: bool,
    /// Nothing is kept back: closing needs no question.
    pub no_flush: bool,
}

impl OpenMode {
    fn bits(self) -> u32 {
        u32::from(self.direct) | u32::from(self.keep_cache) << 1 | u32::from(self.no_flush) << 5
    }
}

/// Room in a file system, in blocks.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// All there is.
    pub blocks: u64,
    /// What is unused.
    pub free: u64,
    /// What the user may still use.
    pub available: u64,
    /// Bytes in a block.
    pub block_size: u32,
    /// The longest name.
    pub name_max: u32,
}

/// The right and the duty to answer one request. Dropped without an answer, it answers `EIO`.
///
/// Every answer says whether somebody got it. Nobody does when the one who asked was interrupted meanwhile; what
/// it would have owned from then on, an open file or the knowledge of a node, is then still ours.
#[derive(Debug)]
pub struct Reply {
    queue: Arc<Queue>,
    waiting: Arc<Waiting>,
    answered: bool,
}

impl Reply {
    pub(crate) fn new(queue: Arc<Queue>, waiting: Arc<Waiting>) -> Reply {
        Reply { queue, waiting, answered: false }
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.waiting.is_answered()
    }

    /// Done.
    pub fn done(self) -> bool {
        self.send(0, &[])
    }

    /// Refused.
    pub fn error(self, errno: i32) -> bool {
        // "Success" is no error.
        self.send(if errno > 0 { -errno } else { -libc::EIO }, &[])
    }

    /// Done, or refused.
    pub fn outcome<E: Into<i32>>(self, outcome: Result<(), E>) -> bool {
        match outcome {
            Ok(()) => self.done(),
            Err(error) => self.error(error.into()),
        }
    }

    /// What a name stands for.
    #[must_use]
    pub fn entry(self, entry: &Entry) -> bool {
        let mut out = Out::default();
        out.entry(entry);
        self.send(0, &[&out.bytes])
    }

    /// Attributes, and how long they hold.
    pub fn attr(self, attr: &Attr, valid: Duration) -> bool {
        let mut out = Out::default();
        out.u64(valid.as_secs());
        out.u32(valid.subsec_nanos());
        out.u32(0);
        out.attr(attr);
        self.send(0, &[&out.bytes])
    }

    /// An open file or directory.
    #[must_use]
    pub fn opened(self, handle: u64, mode: OpenMode) -> bool {
        let mut out = Out::default();
        out.opened(handle, mode);
        self.send(0, &[&out.bytes])
    }

    /// A new file that is open.
    #[must_use]
    pub fn created(self, entry: &Entry, handle: u64, mode: OpenMode) -> bool {
        let mut out = Out::default();
        out.entry(entry);
        out.opened(handle, mode);
        self.send(0, &[&out.bytes])
    }

    /// Bytes: contents, the target of a link, the value of an attribute.
    pub fn data(self, data: &[u8]) -> bool {
        self.send(0, &[data])
    }

    /// Bytes of contents that lie in pieces.
    pub fn pieces(self, pieces: &[Bytes]) -> bool {
        let mut parts = [&[] as &[u8]; MOST_PARTS];
        if pieces.len() > parts.len() {
            return self.data(&pieces.concat());
        }
        parts.iter_mut().zip(pieces).for_each(|(part, piece)| *part = piece);
        self.send(0, &parts[..pieces.len()])
    }

    /// How many bytes were written or copied.
    pub fn written(self, len: u32) -> bool {
        let mut out = Out::default();
        out.u32(len);
        out.u32(0);
        self.send(0, &[&out.bytes])
    }

    /// How many bytes an extended attribute or the list of them would take.
    pub fn xattr_size(self, size: u32) -> bool {
        self.written(size)
    }

    /// A place in a file.
    pub fn place(self, offset: u64) -> bool {
        self.send(0, &[&offset.to_ne_bytes()])
    }

    /// Room in the file system.
    pub fn room(self, room: &Room) -> bool {
        let mut out = Out::default();
        for number in [room.blocks, room.free, room.available, 0, 0] {
            out.u64(number);
        }
        out.u32(room.block_size);
        out.u32(room.name_max);
        out.u32(room.block_size);
        out.bytes.extend_from_slice(&[0; 28]);
        self.send(0, &[&out.bytes])
    }

    /// A lock that is in the way, or one of kind `F_UNLCK` if none is.
    pub fn lock(self, lock: &FileLock) -> bool {
        let mut out = Out::default();
        out.u64(lock.start);
        out.u64(lock.end);
        out.u32(lock.kind.cast_unsigned());
        out.u32(lock.pid);
        self.send(0, &[&out.bytes])
    }

    /// Entries of a directory.
    #[must_use]
    pub fn listing(self, listing: &Listing) -> bool {
        self.send(0, &[listing.bytes()])
    }

    fn send(mut self, error: i32, parts: &[&[u8]]) -> bool {
        self.answered = true;
        self.queue.answer(&self.waiting, error, parts)
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.answered {
            self.queue.answer(&self.waiting, -libc::EIO, &[]);
        }
    }
}

/// A structure in the making.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) bytes: Vec<u8>,
}

impl Out {
    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_ne_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_ne_bytes());
    }

    fn attr(&mut self, attr: &Attr) {
        let times = [attr.accessed, attr.modified, attr.changed].map(split);
        for number in [attr.ino, attr.size, attr.blocks] {
            self.u64(number);
        }
        times.iter().for_each(|(seconds, _)| self.u64(*seconds));
        times.iter().for_each(|(_, nanos)| self.u32(*nanos));
        for number in [attr.mode, attr.links, attr.uid, attr.gid, 0, attr.block_size, 0] {
            self.u32(number);
        }
    }

    pub(crate) fn entry(&mut self, entry: &Entry) {
        // Nodes are never used for two files, so one generation does.
        self.bytes.reserve(144);
        for number in [entry.node, 0, entry.name_valid.as_secs(), entry.attr_valid.as_secs()] {
            self.u64(number);
        }
        self.u32(entry.name_valid.subsec_nanos());
        self.u32(entry.attr_valid.subsec_nanos());
        self.attr(&entry.attr);
    }

    fn opened(&mut self, handle: u64, mode: OpenMode) {
        self.u64(handle);
        self.u32(mode.bits());
        self.u32(0);
    }
}

/// Writes a header and what follows it, in one piece.
pub(crate) fn send(device: &std::fs::File, unique: u64, error: i32, parts: &[&[u8]]) -> io::Result<()> {
    use std::io::Write;
    let len = crate::abi::OUT_HEADER + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut header = [0; crate::abi::OUT_HEADER];
    header[..4].copy_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_ne_bytes());
    header[4..8].copy_from_slice(&error.to_ne_bytes());
    header[8..].copy_from_slice(&unique.to_ne_bytes());
    let mut slices = [IoSlice::new(&[]); 1 + MOST_PARTS];
    slices[0] = IoSlice::new(&header);
    for (slice, part) in slices[1..].iter_mut().zip(parts) {
        *slice = IoSlice::new(part);
    }
    debug_assert!(parts.len() < slices.len());
    loop {
        match (&*device).write_vectored(&slices[..=parts.len()]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(written) if written == len => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{OUT_HEADER, opcode};
    use crate::request::Header;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::OwnedFd;
    use std::time::UNIX_EPOCH;

    #[test]
    fn few_pieces_and_many_are_one_answer() {
        for count in [0, 1, MOST_PARTS, MOST_PARTS + 1, 300] {
            let (mut kernel, device) = io::pipe().unwrap();
            let queue = Arc::new(Queue::new(File::from(OwnedFd::from(device))));
            let header = Header { unique: 1, node: 1, pid: 0, opcode: opcode::READ };
            let pieces: Vec<Bytes> = (0..count).map(|at| Bytes::from(vec![at as u8; 3])).collect();
            assert!(Reply::new(Arc::clone(&queue), queue.expect(header)).pieces(&pieces));
            drop(queue);
            let mut answer = Vec::new();
            kernel.read_to_end(&mut answer).unwrap();
            assert_eq!(answer[OUT_HEADER..], pieces.concat());
        }
    }

    #[test]
    fn structures_have_the_sizes_the_kernel_expects() {
        let attr = Attr {
            ino: 1,
            size: 2,
            blocks: 3,
            accessed: UNIX_EPOCH,
            modified: UNIX_EPOCH,
            changed: UNIX_EPOCH,
            mode: 4,
            links: 5,
            uid: 6,
            gid: 7,
            block_size: 8,
        };
        let mut out = Out::default();
        out.attr(&attr);
        assert_eq!(out.bytes.len(), 88);
        let mut out = Out::default();
        out.entry(&Entry { node: 1, name_valid: Duration::ZERO, attr_valid: Duration::ZERO, attr });
        assert_eq!(out.bytes.len(), 128);
        assert_eq!(out.bytes[40..48], 1u64.to_ne_bytes());
        assert_eq!(out.bytes[40 + 60..40 + 64], 4u32.to_ne_bytes(), "mode");
    }
}
