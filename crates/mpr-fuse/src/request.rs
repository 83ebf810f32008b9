//! What the kernel asks.
//!
//! A message is looked at where it lies; names and values are borrowed from it. No length in it is believed
//! beyond what was received.

use std::ffi::OsStr;
use std::ops::Range;
use std::time::SystemTime;

use crate::abi::{
    self, FSYNC_DATA_ONLY, Fields, GETATTR_FH, LK_FLOCK, Malformed, RELEASE_FLOCK_UNLOCK, fattr, joined,
    opcode,
};

/// What every request begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the answer is recognised by.
    pub unique: u64,
    /// The file or directory it is about.
    pub node: u64,
    /// Who asks; 0 if that is not known here.
    pub pid: u32,
    pub(crate) opcode: u32,
}

impl Header {
    /// Reads the header of a message. Answers what follows it, too.
    pub(crate) fn parse(message: &[u8]) -> Result<(Header, &[u8]), Malformed> {
        let mut fields = Fields(message);
        let len = fields.u32()? as usize;
        let opcode = fields.u32()?;
        let unique = fields.u64()?;
        let node = fields.u64()?;
        let (_uid, _gid) = (fields.u32()?, fields.u32()?);
        let pid = fields.u32()?;
        let extended = usize::from(fields.u16()?) * 8;
        fields.skip(2)?;
        if len != message.len() {
            return Err(Malformed);
        }
        // What a kernel adds at the end and we did not ask for.
        let body = fields.0.len().checked_sub(extended).ok_or(Malformed)?;
        Ok((Header { unique, node, pid, opcode }, &fields.0[..body]))
    }
}

/// A point in time to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// That of the request.
    Now,
    /// This one.
    At(SystemTime),
}

/// A bytewise lock, as `fcntl` knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLock {
    /// The first byte.
    pub start: u64,
    /// The last byte.
    pub end: u64,
    /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
    pub kind: i32,
    /// The process that has it.
    pub pid: u32,
}

/// What is asked about a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockRequest {
    /// The open file through which.
    pub handle: u64,
    /// Whose it is: a process, or an open file.
    pub owner: u64,
    /// The lock.
    pub lock: FileLock,
    /// Whether it is one of `flock`, which do not meet those of `fcntl`.
    pub flock: bool,
}

/// What is asked. Each name says which system call it comes from.
#[derive(Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are those of the system calls")]
#[non_exhaustive]
pub enum Operation<'a> {
    Lookup { name: &'a OsStr },
    GetAttr { handle: Option<u64> },
    SetAttr(SetAttr),
    ReadLink,
    Symlink { name: &'a OsStr, target: &'a OsStr },
    MakeNode { name: &'a OsStr, mode: u32 },
    MakeDirectory { name: &'a OsStr, mode: u32 },
    Unlink { name: &'a OsStr },
    RemoveDirectory { name: &'a OsStr },
    Rename { name: &'a OsStr, new_parent: u64, new_name: &'a OsStr, flags: u32 },
    Link { node: u64, name: &'a OsStr },
    Open { flags: i32 },
    Create { name: &'a OsStr, mode: u32, flags: i32 },
    Read { handle: u64, offset: u64, size: u32 },
    StatFs,
    Release { handle: u64, owner: u64, flock: bool },
    Sync { handle: u64, data_only: bool },
    SetXattr { name: &'a OsStr, value: &'a [u8], flags: i32 },
    GetXattr { name: &'a OsStr, size: u32 },
    ListXattr { size: u32 },
    RemoveXattr { name: &'a OsStr },
    Flush { handle: u64, owner: u64 },
    OpenDirectory,
    ReadDirectory { handle: u64, offset: u64, size: u32, plus: bool },
    ReleaseDirectory { handle: u64 },
    SyncDirectory { handle: u64 },
    GetLock(LockRequest),
    SetLock { request: LockRequest, wait: bool },
    Access { mask: u32 },
    Ioctl,
    Allocate { handle: u64, offset: u64, len: u64, mode: i32 },
    Seek { handle: u64, offset: u64, whence: i32 },
    CopyRange { handle: u64, offset: u64, to_node: u64, to_handle: u64, to_offset: u64, len: u64 },
}

/// Attributes to set; what is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are those of the system calls")]
pub struct SetAttr {
    pub handle: Option<u64>,
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub accessed: Option<Stamp>,
    pub modified: Option<Stamp>,
}

/// A write, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The open file.
    pub handle: u64,
    /// Where in it.
    pub offset: u64,
    /// Whether that is meant to be its end, wherever this is by now.
    pub append: bool,
    /// Whether the kernel writes what it had kept back, for whomever.
    pub kept_back: bool,
}

/// A message of the kernel's.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// Something to be answered.
    Ask(Operation<'a>),
    /// A write to be answered; its bytes are these of the message.
    Write(Write, Range<usize>),
    /// Nodes that are not used any more, with how often they had been told.
    Forget(Forgotten<'a>),
    /// Whoever waits for the answer to this request has got a signal.
    Interrupt(u64),
    /// The last message.
    Destroy,
    /// Something we do not know.
    Unknown,
}

/// A list of forgotten nodes.
#[derive(Debug, PartialEq, Eq)]
pub struct Forgotten<'a>(Forget<'a>);

#[derive(Debug, PartialEq, Eq)]
enum Forget<'a> {
    One(u64, u64),
    Many(&'a [u8]),
}

impl Forgotten<'_> {
    /// Gives each node and how often it had been told.
    pub fn each(&self, mut give: impl FnMut(u64, u64)) {
        match self.0 {
            Forget::One(node, times) => give(node, times),
            Forget::Many(list) => {
                let mut fields = Fields(list);
                while let (Ok(node), Ok(times)) = (fields.u64(), fields.u64()) {
                    give(node, times);
                }
            }
        }
    }
}

impl<'a> Message<'a> {
    /// Reads a message as it came from the kernel.
    pub fn parse(message: &'a [u8]) -> Result<(Header, Message<'a>), Malformed> {
        let (header, body) = Header::parse(message)?;
        Message::of(&header, body).map(|message| (header, message))
    }

    /// Reads what follows a header.
    pub(crate) fn of(header: &Header, body: &'a [u8]) -> Result<Message<'a>, Malformed> {
        let mut fields = Fields(body);
        let operation = match header.opcode {
            opcode::WRITE => return write(fields),
            opcode::FORGET => return Ok(Message::Forget(Forgotten(Forget::One(header.node, fields.u64()?)))),
            opcode::BATCH_FORGET => {
                let count = fields.u32()? as usize;
                fields.skip(4)?;
                let list = fields.bytes(count.checked_mul(16).ok_or(Malformed)?)?;
                return Ok(Message::Forget(Forgotten(Forget::Many(list))));
            }
            opcode::INTERRUPT => return fields.u64().map(Message::Interrupt),
            opcode::DESTROY => return Ok(Message::Destroy),
            _ => match operation(header, &mut fields)? {
                Some(operation) => operation,
                None => return Ok(Message::Unknown),
            },
        };
        Ok(Message::Ask(operation))
    }
}

fn write(mut fields: Fields<'_>) -> Result<Message<'_>, Malformed> {
    let handle = fields.u64()?;
    let offset = fields.u64()?;
    let size = fields.u32()? as usize;
    let kept_back = fields.u32()? & abi::WRITE_CACHE != 0;
    let _owner = fields.u64()?;
    let append = fields.u32()?.cast_signed() & libc::O_APPEND != 0;
    fields.skip(4)?;
    if fields.0.len() < size {
        return Err(Malformed);
    }
    Ok(Message::Write(
        Write { handle, offset, append, kept_back },
        abi::WRITE_HEADER..abi::WRITE_HEADER + size,
    ))
}

/// Everything that is answered, but for writes. `None` for what we do not know.
fn operation<'a>(header: &Header, fields: &mut Fields<'a>) -> Result<Option<Operation<'a>>, Malformed> {
    Ok(Some(match header.opcode {
        opcode::LOOKUP => Operation::Lookup { name: fields.name()? },
        opcode::GETATTR => {
            let flags = fields.u32()?;
            fields.skip(4)?;
            let handle = fields.u64()?;
            Operation::GetAttr { handle: (flags & GETATTR_FH != 0).then_some(handle) }
        }
        opcode::SETATTR => Operation::SetAttr(set_attr(fields)?),
        opcode::READLINK => Operation::ReadLink,
        opcode::SYMLINK => Operation::Symlink { name: fields.name()?, target: fields.text()? },
        opcode::MKNOD => {
            let mode = fields.u32()?;
            fields.skip(12)?;
            Operation::MakeNode { name: fields.name()?, mode }
        }
        opcode::MKDIR => {
            let mode = fields.u32()?;
            fields.skip(4)?;
            Operation::MakeDirectory { name: fields.name()?, mode }
        }
        opcode::UNLINK => Operation::Unlink { name: fields.name()? },
        opcode::RMDIR => Operation::RemoveDirectory { name: fields.name()? },
        opcode::RENAME => {
            let new_parent = fields.u64()?;
            Operation::Rename { name: fields.name()?, new_parent, new_name: fields.name()?, flags: 0 }
        }
        opcode::RENAME2 => {
            let new_parent = fields.u64()?;
            let flags = fields.u32()?;
            fields.skip(4)?;
            Operation::Rename { name: fields.name()?, new_parent, new_name: fields.name()?, flags }
        }
        opcode::LINK => Operation::Link { node: fields.u64()?, name: fields.name()? },
        opcode::OPEN => Operation::Open { flags: fields.u32()?.cast_signed() },
        opcode::CREATE => {
            let flags = fields.u32()?.cast_signed();
            let mode = fields.u32()?;
            fields.skip(8)?;
            Operation::Create { name: fields.name()?, mode, flags }
        }
        opcode::READ => Operation::Read { handle: fields.u64()?, offset: fields.u64()?, size: fields.u32()? },
        opcode::STATFS => Operation::StatFs,
        opcode::RELEASE => {
            let handle = fields.u64()?;
            fields.skip(4)?;
            let flags = fields.u32()?;
            Operation::Release { handle, owner: fields.u64()?, flock: flags & RELEASE_FLOCK_UNLOCK != 0 }
        }
        opcode::FSYNC => {
            Operation::Sync { handle: fields.u64()?, data_only: fields.u32()? & FSYNC_DATA_ONLY != 0 }
        }
        opcode::SETXATTR => {
            let size = fields.u32()? as usize;
            let flags = fields.u32()?.cast_signed();
            let name = fields.text()?;
            Operation::SetXattr { name, value: fields.bytes(size)?, flags }
        }
        opcode::GETXATTR => {
            let size = fields.u32()?;
            fields.skip(4)?;
            Operation::GetXattr { name: fields.text()?, size }
        }
        opcode::LISTXATTR => Operation::ListXattr { size: fields.u32()? },
        opcode::REMOVEXATTR => Operation::RemoveXattr { name: fields.text()? },
        opcode::FLUSH => {
            let handle = fields.u64()?;
            fields.skip(8)?;
            Operation::Flush { handle, owner: fields.u64()? }
        }
        opcode::OPENDIR => Operation::OpenDirectory,
        opcode::READDIR | opcode::READDIRPLUS => Operation::ReadDirectory {
            handle: fields.u64()?,
            offset: fields.u64()?,
            size: fields.u32()?,
            plus: header.opcode == opcode::READDIRPLUS,
        },
        opcode::RELEASEDIR => Operation::ReleaseDirectory { handle: fields.u64()? },
        opcode::FSYNCDIR => Operation::SyncDirectory { handle: fields.u64()? },
        opcode::GETLK => Operation::GetLock(lock_request(fields)?),
        opcode::SETLK => Operation::SetLock { request: lock_request(fields)?, wait: false },
        opcode::SETLKW => Operation::SetLock { request: lock_request(fields)?, wait: true },
        opcode::ACCESS => Operation::Access { mask: fields.u32()? },
        opcode::IOCTL => Operation::Ioctl,
        opcode::FALLOCATE => Operation::Allocate {
            handle: fields.u64()?,
            offset: fields.u64()?,
            len: fields.u64()?,
            mode: fields.u32()?.cast_signed(),
        },
        opcode::LSEEK => Operation::Seek {
            handle: fields.u64()?,
            offset: fields.u64()?,
            whence: fields.u32()?.cast_signed(),
        },
        opcode::COPY_FILE_RANGE => Operation::CopyRange {
            handle: fields.u64()?,
            offset: fields.u64()?,
            to_node: fields.u64()?,
            to_handle: fields.u64()?,
            to_offset: fields.u64()?,
            len: fields.u64()?,
        },
        _ => return Ok(None),
    }))
}

fn lock_request(fields: &mut Fields<'_>) -> Result<LockRequest, Malformed> {
    let (handle, owner) = (fields.u64()?, fields.u64()?);
    let (start, end) = (fields.u64()?, fields.u64()?);
    let kind = fields.u32()?.cast_signed();
    let pid = fields.u32()?;
    let flock = fields.u32()? & LK_FLOCK != 0;
    if end < start {
        return Err(Malformed);
    }
    Ok(LockRequest { handle, owner, lock: FileLock { start, end, kind, pid }, flock })
}

fn set_attr(fields: &mut Fields<'_>) -> Result<SetAttr, Malformed> {
    let valid = fields.u32()?;
    fields.skip(4)?;
    let (handle, size) = (fields.u64()?, fields.u64()?);
    let _owner = fields.u64()?;
    let (atime, mtime, _ctime) = (fields.u64()?, fields.u64()?, fields.u64()?);
    let (atime_nanos, mtime_nanos, _ctime_nanos) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let mode = fields.u32()?;
    fields.skip(4)?;
    let (uid, gid) = (fields.u32()?, fields.u32()?);
    let given = |flag: u32| valid & flag != 0;
    let stamp = |set, now, seconds, nanos| match (given(set), given(now)) {
        (_, true) => Ok(Some(Stamp::Now)),
        (true, false) => joined(seconds, nanos).map(|time| Some(Stamp::At(time))),
        (false, false) => Ok(None),
    };
    Ok(SetAttr {
        handle: given(fattr::FH).then_some(handle),
        mode: given(fattr::MODE).then_some(mode),
        uid: given(fattr::UID).then_some(uid),
        gid: given(fattr::GID).then_some(gid),
        size: given(fattr::SIZE).then_some(size),
        accessed: stamp(fattr::ATIME, fattr::ATIME_NOW, atime, atime_nanos)?,
        modified: stamp(fattr::MTIME, fattr::MTIME_NOW, mtime, mtime_nanos)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(opcode: u32, node: u64, body: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        message.extend(u32::try_from(abi::IN_HEADER + body.len()).unwrap().to_ne_bytes());
        message.extend(opcode.to_ne_bytes());
        message.extend(42u64.to_ne_bytes());
        message.extend(node.to_ne_bytes());
        message.extend([0; 8]);
        message.extend(77u32.to_ne_bytes());
        message.extend([0; 4]);
        message.extend(body);
        message
    }

    fn body(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn a_lookup_is_understood() {
        let message = message(opcode::LOOKUP, 1, b"name\0");
        let (header, asked) = Message::parse(&message).unwrap();
        assert_eq!((header.unique, header.node, header.pid), (42, 1, 77));
        assert_eq!(asked, Message::Ask(Operation::Lookup { name: OsStr::new("name") }));
    }

    #[test]
    fn the_bytes_of_a_write_stay_where_they_are() {
        let fields = body(&[&5u64.to_ne_bytes(), &7u64.to_ne_bytes(), &3u32.to_ne_bytes(), &[0; 20], b"abc"]);
        let message = message(opcode::WRITE, 9, &fields);
        let (_, asked) = Message::parse(&message).unwrap();
        let Message::Write(write, range) = asked else { panic!("{asked:?}") };
        assert_eq!(write, Write { handle: 5, offset: 7, append: false, kept_back: false });
        assert_eq!(&message[range], b"abc");
    }

    #[test]
    fn a_length_beyond_what_was_received_is_malformed() {
        let fields = body(&[&[0; 16], &4u32.to_ne_bytes(), &[0; 20], b"abc"]);
        assert_eq!(Message::parse(&message(opcode::WRITE, 9, &fields)), Err(Malformed));
        let many = body(&[&u32::MAX.to_ne_bytes(), &[0; 20]]);
        assert_eq!(Message::parse(&message(opcode::BATCH_FORGET, 0, &many)), Err(Malformed));
        let value = body(&[&9u32.to_ne_bytes(), &[0; 4], b"user.a\0abc"]);
        assert_eq!(Message::parse(&message(opcode::SETXATTR, 1, &value)), Err(Malformed));
        let mut short = message(opcode::LOOKUP, 1, b"name\0");
        short.pop();
        assert_eq!(Message::parse(&short), Err(Malformed));
    }

    #[test]
    fn a_name_that_is_a_path_or_has_no_end_is_malformed() {
        for name in [b"a/b\0".as_slice(), b"\0", b"name"] {
            assert_eq!(Message::parse(&message(opcode::UNLINK, 1, name)), Err(Malformed), "{name:?}");
        }
    }

    #[test]
    fn forgotten_nodes_are_given_one_by_one() {
        let list = body(&[
            &2u32.to_ne_bytes(),
            &[0; 4],
            &10u64.to_ne_bytes(),
            &1u64.to_ne_bytes(),
            &11u64.to_ne_bytes(),
            &3u64.to_ne_bytes(),
        ]);
        let message = message(opcode::BATCH_FORGET, 0, &list);
        let (_, Message::Forget(forgotten)) = Message::parse(&message).unwrap() else { panic!() };
        let mut given = Vec::new();
        forgotten.each(|node, times| given.push((node, times)));
        assert_eq!(given, [(10, 1), (11, 3)]);
    }

    #[test]
    fn only_the_attributes_that_are_valid_are_set() {
        let mut fields = vec![0; 88];
        fields[..4].copy_from_slice(&(fattr::SIZE | fattr::ATIME_NOW | fattr::FH).to_ne_bytes());
        fields[8..16].copy_from_slice(&3u64.to_ne_bytes());
        fields[16..24].copy_from_slice(&1000u64.to_ne_bytes());
        let message = message(opcode::SETATTR, 1, &fields);
        let (_, asked) = Message::parse(&message).unwrap();
        let expected =
            SetAttr { handle: Some(3), size: Some(1000), accessed: Some(Stamp::Now), ..SetAttr::default() };
        assert_eq!(asked, Message::Ask(Operation::SetAttr(expected)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic(opcode in 0u32..60, body in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((_, Message::Write(_, range))) = Message::parse(&message(opcode, 1, &body)) {
                prop_assert!(range.end <= abi::IN_HEADER + body.len());
            }
            let _ = Message::parse(&body);
        }
    }
}
