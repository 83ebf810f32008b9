//! What a server says without having been asked for it just then: leases it takes back, names that changed.
//! Pure functions on bytes.

use smb2::name::decode_name;
use smb2::pack::{Pack, WriteCursor};

use crate::contexts::LeaseKey;

/// The longest path in a notification that is looked at.
const LONGEST_PATH: usize = 65536;

/// A lease that is taken back, in whole or in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) key: LeaseKey,
    /// Counts the changes of the lease, with SMB 3.
    pub(crate) epoch: u16,
    /// The server waits to be told that it is so.
    pub(crate) wants_answer: bool,
    /// What is left of it.
    pub(crate) left: u32,
}

impl Break {
    /// Reads a notification. `None` if it is of another kind: about an oplock, which is never asked for here.
    pub(crate) fn parse(body: &[u8]) -> Option<Break> {
        if body.len() < 44 || body[..2] != [44, 0] {
            return None;
        }
        let word = |at: usize| Some(u32::from_le_bytes(*body.get(at..)?.first_chunk()?));
        Some(Break {
            epoch: u16::from_le_bytes([body[2], body[3]]),
            wants_answer: word(4)? & 1 != 0,
            key: *body.get(8..)?.first_chunk()?,
            left: word(28)? & 7,
        })
    }
}

/// The answer to a break: it is so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Yielded {
    pub(crate) key: LeaseKey,
    pub(crate) left: u32,
}

impl Pack for Yielded {
    fn pack(&self, cursor: &mut WriteCursor) {
        cursor.write_u16_le(36);
        cursor.write_u16_le(0);
        cursor.write_u32_le(0);
        cursor.write_bytes(&self.key);
        cursor.write_u32_le(self.left);
        cursor.write_u64_le(0);
    }
}

/// What has happened to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// It was given.
    Given,
    /// It was taken.
    Taken,
    /// What it stands for is not what it was.
    Contents,
}

/// Reads the answer to CHANGE_NOTIFY: what happened to which path below the directory. `None` if it cannot be
/// understood.
pub(crate) fn parse_changes(mut buffer: &[u8]) -> Option<Vec<(What, String)>> {
    let mut changes = Vec::new();
    loop {
        let word = |at: usize| Some(u32::from_le_bytes(*buffer.get(at..)?.first_chunk()?));
        let (next, action, length) = (word(0)? as usize, word(4)?, word(8)? as usize);
        let name = buffer.get(12..12usize.checked_add(length)?)?;
        if length % 2 != 0 || length > LONGEST_PATH {
            return None;
        }
        let units: Vec<u16> =
            name.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
        let what = match action {
            1 | 5 => Some(What::Given),
            2 | 4 => Some(What::Taken),
            // What belongs to streams counts as the file's.
            3 | 6 | 7 | 8 => Some(What::Contents),
            _ => None,
        };
        if let (Some(what), Some(path)) = (what, path_of(&String::from_utf16_lossy(&units))) {
            changes.push((what, path));
        }
        if next == 0 {
            return Some(changes);
        }
        if next < 12 {
            return None;
        }
        buffer = buffer.get(next..)?;
    }
}

/// A path of the server's as one of ours; `None` if it cannot be one.
fn path_of(name: &str) -> Option<String> {
    let name = name.split_once(':').map_or(name, |(file, _)| file);
    let mut path = String::with_capacity(name.len());
    for component in name.split('\\') {
        let component = decode_name(component);
        if component.is_empty() || component == "." || component == ".." || component.contains(['/', '\0']) {
            return None;
        }
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&component);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(action: u32, name: &str, last: bool) -> Vec<u8> {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&action.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(name.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&name);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        if !last {
            let next = u32::try_from(bytes.len()).unwrap();
            bytes[..4].copy_from_slice(&next.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_break_is_read_and_one_of_an_oplock_is_not() {
        let mut body = vec![0; 44];
        body[0] = 44;
        body[2] = 9;
        body[4] = 1;
        body[8..24].fill(5);
        body[24] = 7;
        body[28] = 3;
        let read = Break::parse(&body).unwrap();
        assert_eq!(read, Break { key: [5; 16], epoch: 9, wants_answer: true, left: 3 });
        assert_eq!(Break::parse(&body[..43]), None);
        body[0] = 24;
        assert_eq!(Break::parse(&body), None);
        let mut cursor = WriteCursor::new();
        Yielded { key: [5; 16], left: 3 }.pack(&mut cursor);
        assert_eq!(cursor.as_bytes().len(), 36);
    }

    #[test]
    fn changes_are_read_in_order_and_their_names_are_ours() {
        let bytes =
            [change(1, "d\\who\u{F025}", false), change(3, "f:stream:$DATA", false), change(5, "g", true)]
                .concat();
        let name = |what, name: &str| (what, name.to_owned());
        assert_eq!(
            parse_changes(&bytes).unwrap(),
            [name(What::Given, "d/who?"), name(What::Contents, "f"), name(What::Given, "g")]
        );
    }

    #[test]
    fn what_cannot_be_a_change_is_none() {
        let whole = [change(1, "name", false), change(3, "other", true)].concat();
        for length in 0..whole.len() - 3 {
            assert_eq!(parse_changes(&whole[..length]), None, "{length}");
        }
        for bad in ["", "..", "a\\..\\b", "a/b", "\\x", "a\\\\b"] {
            assert_eq!(parse_changes(&change(1, bad, true)), Some(vec![]), "{bad}");
        }
        let mut backwards = whole;
        backwards[0] = 4;
        assert_eq!(parse_changes(&backwards), None);
    }
}
