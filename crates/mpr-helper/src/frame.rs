//! How bytes travel between a caller and a helper.
//!
//! A frame is a length (32 bits, little-endian, counting what follows it), one byte of version, one byte of
//! kind, and a body. A body is JSON, packed fields, or a secret; a secret is raw bytes and never part of JSON, so
//! that it is never copied by a parser and is wiped where it was received. Packed fields ([`crate::host`]) carry
//! wide strings unit by unit, which JSON cannot, and are read in the time a notification may take.
//!
//! [`header`], [`parse_header`] and [`decode`] are pure; [`read`] and [`write()`] move frames.

use std::fmt;
use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Version of this framing. A helper and a caller of different versions refuse each other.
pub const VERSION: u8 = 1;
/// The longest body of a JSON frame.
pub const MAX_JSON: usize = 1 << 20;
/// The longest body of packed fields: several strings of the longest kind.
pub const MAX_PACKED: usize = 1 << 20;
/// The longest secret: far above any password, far below anything worth allocating for.
pub const MAX_SECRET: usize = 4096;
/// Bytes before the body.
pub const HEADER: usize = 6;

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 JSON.
    Json,
    /// Raw bytes to be kept from every log, file and message.
    Secret,
    /// Packed fields.
    Packed,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// Written by a different version of this program; the field is its version.
    Version(u8),
    /// A kind this version does not know.
    Kind(u8),
    /// The length is below what a header needs or above what its kind allows.
    Length(u32),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::Version(found) => write!(
                f,
                "frame of version {found}, expected {VERSION}: the helper and its caller come from different releases; reinstall mpr"
            ),
            FrameError::Kind(found) => write!(f, "frame of unknown kind {found}"),
            FrameError::Length(found) => write!(f, "frame of impossible length {found}"),
        }
    }
}

impl std::error::Error for FrameError {}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Kind::Json => 1,
            Kind::Secret => 2,
            Kind::Packed => 3,
        }
    }

    const fn limit(self) -> usize {
        match self {
            Kind::Json => MAX_JSON,
            Kind::Secret => MAX_SECRET,
            Kind::Packed => MAX_PACKED,
        }
    }
}

/// The bytes that go before a body of `len` bytes.
pub fn header(kind: Kind, len: usize) -> Result<[u8; HEADER], FrameError> {
    if len > kind.limit() {
        return Err(FrameError::Length(u32::try_from(len).unwrap_or(u32::MAX)));
    }
    let counted = u32::try_from(len + 2).expect("a body within its limit fits, because limits are small");
    let [a, b, c, d] = counted.to_le_bytes();
    Ok([a, b, c, d, VERSION, kind.byte()])
}

/// The kind and length of the body that follows these bytes.
pub fn parse_header(bytes: [u8; HEADER]) -> Result<(Kind, usize), FrameError> {
    let [a, b, c, d, version, kind] = bytes;
    let counted = u32::from_le_bytes([a, b, c, d]);
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let kind = match kind {
        1 => Kind::Json,
        2 => Kind::Secret,
        3 => Kind::Packed,
        other => return Err(FrameError::Kind(other)),
    };
    match (counted as usize).checked_sub(2) {
        Some(len) if len <= kind.limit() => Ok((kind, len)),
        _ => Err(FrameError::Length(counted)),
    }
}

/// A frame found at the head of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// What the body is.
    pub kind: Kind,
    /// The body.
    pub body: &'a [u8],
    /// What follows the frame.
    pub rest: &'a [u8],
}

/// The first frame in `bytes`; `None` when more bytes are needed.
pub fn decode(bytes: &[u8]) -> Result<Option<Decoded<'_>>, FrameError> {
    let Some((head, tail)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let (kind, len) = parse_header(*head)?;
    Ok(tail.split_at_checked(len).map(|(body, rest)| Decoded { kind, body, rest }))
}

/// Writes one frame.
pub fn write(to: &mut impl Write, kind: Kind, body: &[u8]) -> io::Result<()> {
    to.write_all(&header(kind, body.len())?)?;
    to.write_all(body)?;
    to.flush()
}

/// Writes `value` as one JSON frame.
pub fn write_json(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    write(to, Kind::Json, &serde_json::to_vec(value)?)
}

/// Reads one frame; `None` when the other side closed before its first byte. The body is wiped when dropped.
pub fn read(from: &mut impl Read) -> io::Result<Option<(Kind, Zeroizing<Vec<u8>>)>> {
    let mut head = [0; HEADER];
    let mut filled = 0;
    while filled < HEADER {
        match from.read(&mut head[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let (kind, len) = parse_header(head)?;
    let mut body = Zeroizing::new(vec![0; len]);
    from.read_exact(&mut body)?;
    Ok(Some((kind, body)))
}

/// Reads one JSON frame as a `T`; `None` when the other side closed before its first byte.
pub fn read_json<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    match read(from)? {
        Some((Kind::Json, body)) => Ok(Some(serde_json::from_slice(&body)?)),
        Some((kind, _)) => Err(FrameError::Kind(kind.byte()).into()),
        None => Ok(None),
    }
}

/// Reads one secret.
pub fn read_secret(from: &mut impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    match read(from)? {
        Some((Kind::Secret, body)) => Ok(body),
        Some((kind, _)) => Err(FrameError::Kind(kind.byte()).into()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_as_it_was_written() {
        let mut wire = Vec::new();
        write(&mut wire, Kind::Secret, b"pass").unwrap();
        write_json(&mut wire, &[1, 2]).unwrap();
        let first = decode(&wire).unwrap().unwrap();
        assert_eq!((first.kind, first.body), (Kind::Secret, &b"pass"[..]));
        let second = decode(first.rest).unwrap().unwrap();
        assert_eq!((second.kind, second.body, second.rest), (Kind::Json, &b"[1,2]"[..], &b""[..]));

        let mut from = wire.as_slice();
        assert_eq!(*read_secret(&mut from).unwrap(), b"pass");
        assert_eq!(read_json::<Vec<u8>>(&mut from).unwrap(), Some(vec![1, 2]));
        assert_eq!(read_json::<Vec<u8>>(&mut from).unwrap(), None);
    }

    #[test]
    fn every_prefix_of_a_frame_asks_for_more() {
        let mut wire = Vec::new();
        write(&mut wire, Kind::Json, b"{}").unwrap();
        for cut in 0..wire.len() {
            assert_eq!(decode(&wire[..cut]).unwrap(), None);
        }
    }

    #[test]
    fn a_frame_longer_than_its_kind_allows_is_refused_before_it_is_read() {
        assert!(matches!(header(Kind::Secret, MAX_SECRET + 1), Err(FrameError::Length(_))));
        let mut wire = header(Kind::Json, MAX_JSON).unwrap();
        wire[5] = Kind::Secret.byte();
        assert!(matches!(parse_header(wire), Err(FrameError::Length(_))));
        assert!(matches!(parse_header([1, 0, 0, 0, VERSION, 1]), Err(FrameError::Length(1))));
        assert!(matches!(parse_header([255, 255, 255, 255, VERSION, 1]), Err(FrameError::Length(_))));
    }

    #[test]
    fn another_version_is_told_apart_from_garbage() {
        assert_eq!(parse_header([2, 0, 0, 0, 9, 1]), Err(FrameError::Version(9)));
        assert_eq!(parse_header([2, 0, 0, 0, VERSION, 7]), Err(FrameError::Kind(7)));
    }

    #[test]
    fn a_truncated_stream_is_an_error_and_not_an_end() {
        let mut wire = Vec::new();
        write(&mut wire, Kind::Json, b"{}").unwrap();
        for cut in 1..wire.len() {
            let error = read(&mut &wire[..cut]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
