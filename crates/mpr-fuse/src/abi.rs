//! Numbers and layouts of the kernel's FUSE interface, version 7.
//!
//! Every structure is a run of integers in the byte order of the machine; they are read and written field by
//! field, in the order in which `linux/fuse.h` has them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const MAJOR: u32 = 7;
/// What we speak; the kernel uses what both know.
pub(crate) const MINOR: u32 = 38;
/// The oldest we speak to, of Linux 5.4.
pub(crate) const OLDEST_MINOR: u32 = 31;

pub(crate) const IN_HEADER: usize = 40;
pub(crate) const OUT_HEADER: usize = 16;
/// What comes before the bytes of a write.
pub(crate) const WRITE_HEADER: usize = IN_HEADER + 40;
/// Room for a request beside the bytes of a write: headers, names, an extended attribute.
pub(crate) const REQUEST_ROOM: usize = 4096;
/// Room for what comes before anything is agreed upon: the kernel hands no request to less (`FUSE_MIN_READ_BUFFER`).
pub(crate) const FIRST_ROOM: usize = 8192;

/// What a request asks for.
pub(crate) mod opcode {
    pub(crate) const LOOKUP: u32 = 1;
    pub(crate) const FORGET: u32 = 2;
    pub(crate) const GETATTR: u32 = 3;
    pub(crate) const SETATTR: u32 = 4;
    pub(crate) const READLINK: u32 = 5;
    pub(crate) const SYMLINK: u32 = 6;
    pub(crate) const MKNOD: u32 = 8;
    pub(crate) const MKDIR: u32 = 9;
    pub(crate) const UNLINK: u32 = 10;
    pub(crate) const RMDIR: u32 = 11;
    pub(crate) const RENAME: u32 = 12;
    pub(crate) const LINK: u32 = 13;
    pub(crate) const OPEN: u32 = 14;
    pub(crate) const READ: u32 = 15;
    pub(crate) const WRITE: u32 = 16;
    pub(crate) const STATFS: u32 = 17;
    pub(crate) const RELEASE: u32 = 18;
    pub(crate) const FSYNC: u32 = 20;
    pub(crate) const SETXATTR: u32 = 21;
    pub(crate) const GETXATTR: u32 = 22;
    pub(crate) const LISTXATTR: u32 = 23;
    pub(crate) const REMOVEXATTR: u32 = 24;
    pub(crate) const FLUSH: u32 = 25;
    pub(crate) const INIT: u32 = 26;
    pub(crate) const OPENDIR: u32 = 27;
    pub(crate) const READDIR: u32 = 28;
    pub(crate) const RELEASEDIR: u32 = 29;
    pub(crate) const FSYNCDIR: u32 = 30;
    pub(crate) const GETLK: u32 = 31;
    pub(crate) const SETLK: u32 = 32;
    pub(crate) const SETLKW: u32 = 33;
    pub(crate) const ACCESS: u32 = 34;
    pub(crate) const CREATE: u32 = 35;
    pub(crate) const INTERRUPT: u32 = 36;
    pub(crate) const DESTROY: u32 = 38;
    pub(crate) const IOCTL: u32 = 39;
    pub(crate) const BATCH_FORGET: u32 = 42;
    pub(crate) const FALLOCATE: u32 = 43;
    pub(crate) const READDIRPLUS: u32 = 44;
    pub(crate) const RENAME2: u32 = 45;
    pub(crate) const LSEEK: u32 = 46;
    pub(crate) const COPY_FILE_RANGE: u32 = 47;
}

/// What kernel and file system agree on at the beginning.
pub(crate) mod init {
    pub(crate) const ASYNC_READ: u64 = 1 << 0;
    pub(crate) const POSIX_LOCKS: u64 = 1 << 1;
    pub(crate) const BIG_WRITES: u64 = 1 << 5;
    pub(crate) const FLOCK_LOCKS: u64 = 1 << 10;
    pub(crate) const AUTO_INVAL_DATA: u64 = 1 << 12;
    pub(crate) const DO_READDIRPLUS: u64 = 1 << 13;
    pub(crate) const READDIRPLUS_AUTO: u64 = 1 << 14;
    pub(crate) const ASYNC_DIO: u64 = 1 << 15;
    pub(crate) const PARALLEL_DIROPS: u64 = 1 << 18;
    pub(crate) const HANDLE_KILLPRIV: u64 = 1 << 19;
    pub(crate) const ABORT_ERROR: u64 = 1 << 21;
    pub(crate) const MAX_PAGES: u64 = 1 << 22;
    pub(crate) const CACHE_SYMLINKS: u64 = 1 << 23;
    pub(crate) const HANDLE_KILLPRIV_V2: u64 = 1 << 28;
    /// The flags go on in a second word.
    pub(crate) const INIT_EXT: u64 = 1 << 30;
}

/// Which attributes a request sets.
pub(crate) mod fattr {
    pub(crate) const MODE: u32 = 1 << 0;
    pub(crate) const UID: u32 = 1 << 1;
    pub(crate) const GID: u32 = 1 << 2;
    pub(crate) const SIZE: u32 = 1 << 3;
    pub(crate) const ATIME: u32 = 1 << 4;
    pub(crate) const MTIME: u32 = 1 << 5;
    pub(crate) const FH: u32 = 1 << 6;
    pub(crate) const ATIME_NOW: u32 = 1 << 7;
    pub(crate) const MTIME_NOW: u32 = 1 << 8;
}

/// What a notification is about.
pub(crate) mod notice {
    pub(crate) const INVAL_INODE: i32 = 2;
    pub(crate) const INVAL_ENTRY: i32 = 3;
    /// A name is asked about again, not taken away. Kernels before 6.2 take it away.
    pub(crate) const EXPIRE_ONLY: u32 = 1;
}

pub(crate) const GETATTR_FH: u32 = 1;
pub(crate) const LK_FLOCK: u32 = 1;
pub(crate) const RELEASE_FLOCK_UNLOCK: u32 = 2;
pub(crate) const WRITE_CACHE: u32 = 1;
pub(crate) const FSYNC_DATA_ONLY: u32 = 1;

/// A message that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Fields of a structure, from its beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn skip(&mut self, len: usize) -> Result<(), Malformed> {
        self.bytes(len).map(|_| ())
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_ne_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_ne_bytes)
    }

    /// A string that ends in a zero byte.
    pub(crate) fn text(&mut self) -> Result<&'a OsStr, Malformed> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(OsStr::from_bytes(text))
    }

    /// A name in a directory.
    pub(crate) fn name(&mut self) -> Result<&'a OsStr, Malformed> {
        let name = self.text()?;
        if name.is_empty() || name.as_bytes().contains(&b'/') { Err(Malformed) } else { Ok(name) }
    }
}

/// Seconds since 1970, as the kernel has them, possibly before that; and nanoseconds.
pub(crate) fn split(time: SystemTime) -> (u64, u32) {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (since.as_secs(), since.subsec_nanos()),
        Err(before) => {
            let before = before.duration();
            let nanos = before.subsec_nanos();
            let seconds = before.as_secs().wrapping_neg();
            if nanos == 0 { (seconds, 0) } else { (seconds.wrapping_sub(1), 1_000_000_000 - nanos) }
        }
    }
}

/// The reverse of [`split`].
pub(crate) fn joined(seconds: u64, nanos: u32) -> Result<SystemTime, Malformed> {
    if nanos >= 1_000_000_000 {
        return Err(Malformed);
    }
    let seconds = seconds.cast_signed();
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let at = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    at.and_then(|at| at.checked_add(Duration::from_nanos(nanos.into()))).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_comes_back_as_it_was() {
        for time in [
            UNIX_EPOCH,
            UNIX_EPOCH + Duration::new(5, 700),
            UNIX_EPOCH - Duration::new(5, 0),
            UNIX_EPOCH - Duration::new(5, 300),
        ] {
            let (seconds, nanos) = split(time);
            assert_eq!(joined(seconds, nanos), Ok(time));
        }
        assert_eq!(split(UNIX_EPOCH - Duration::from_nanos(1)), (u64::MAX, 999_999_999));
        assert_eq!(joined(0, 1_000_000_000), Err(Malformed));
    }
}
