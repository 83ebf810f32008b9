//! Entries of directories, as servers list them.
//!
//! They are asked for with their numbers and without their short names (`FileIdFullDirectoryInformation`, MS-FSCC
//! 2.4.24): nobody here wants those, and a server has to make each of them up.

use mpr_remotefs::{Attributes, Entry, Kind};
use smb2::name::decode_name;
use smb2::pack::FileTime;
use smb2::types::flags::FileAttributes;

use crate::wire::{Facts, Identity, REMOVED_PREFIX, u32_at, u64_at};

/// Bytes of an entry before its name.
const FIXED: usize = 80;
/// Bytes of the longest name that any file system on this side can hold.
const LONGEST: usize = 1020;

/// The entries in an answer to QUERY_DIRECTORY; `None` if it cannot be understood. Not among them is what is not to
/// be shown: the directory itself, its parent, removed files that are still open, and names that no file system on
/// this side can hold.
pub(crate) fn listed(body: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(body.len() / 128 + 1);
    each(body, |entry, name| {
        if let Some(name) = shown(name) {
            entries.push(Entry { name, attributes: attributes(entry)? });
        }
        Some(())
    })?;
    Some(entries)
}

/// The names among them that were given to removed files; `None` if the answer cannot be understood.
pub(crate) fn hidden(body: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    each(body, |_, name| {
        let (units, []) = name.as_chunks::<2>() else { return Some(()) };
        let name: Result<String, _> =
            char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit))).collect();
        if let Ok(name) = name
            && let Some(rest) = name.strip_prefix(REMOVED_PREFIX)
            && rest.len() == 32
            && rest.bytes().all(|digit| digit.is_ascii_hexdigit())
        {
            names.push(name);
        }
        Some(())
    })?;
    Some(names)
}

/// Gives each entry of an answer, and its name as it came.
fn each(body: &[u8], mut give: impl FnMut(&[u8], &[u8]) -> Option<()>) -> Option<()> {
    let length = u32_at(body, 4)? as usize;
    if length == 0 {
        return Some(());
    }
    let offset = usize::from(u16::from_le_bytes(*body.get(2..)?.first_chunk()?));
    // Counted from the header, which was taken off.
    let begin = offset.checked_sub(crate::channel::HEADER).filter(|begin| *begin >= 8)?;
    let mut rest = body.get(begin..begin.checked_add(length)?)?;
    loop {
        let next = u32_at(rest, 0)? as usize;
        let name_length = u32_at(rest, 60)? as usize;
        give(rest, rest.get(FIXED..FIXED.checked_add(name_length)?)?)?;
        if next == 0 {
            return Some(());
        }
        // What goes back would never end.
        rest = rest.get(next..).filter(|_| next >= FIXED)?;
    }
}

/// A name as it is on this side, if it is to be shown.
fn shown(wire: &[u8]) -> Option<String> {
    let (units, []) = wire.as_chunks::<2>() else { return None };
    let mut name = String::with_capacity(units.len());
    for unit in char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit))) {
        name.push(unit.ok()?);
    }
    // Only a name with such a character is mapped, and those need more than a byte.
    if name.len() > units.len()
        && let std::borrow::Cow::Owned(mapped) = decode_name(&name)
    {
        name = mapped;
    }
    let unusable =
        name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) || name.len() > LONGEST;
    (!unusable && !name.starts_with(REMOVED_PREFIX)).then_some(name)
}

fn attributes(entry: &[u8]) -> Option<Attributes> {
    let time = |at| Some(FileTime(u64_at(entry, at)?));
    let facts = Facts {
        created: time(8)?,
        accessed: time(16)?,
        modified: time(24)?,
        changed: time(32)?,
        size: u64_at(entry, 40)?,
        allocated: u64_at(entry, 48)?,
        attributes: u32_at(entry, 56)?,
    };
    let attributes = facts.of(Identity { number: u64_at(entry, 72)?, ..Identity::UNKNOWN });
    // In the place of the length of its extended attributes, a reparse point tells its kind.
    let tag = u32_at(entry, 64)?;
    if FileAttributes(facts.attributes).is_reparse_point() && crate::symlink::is_link(tag) {
        return Some(Attributes { kind: Kind::Symlink, size: 0, read_only: false, ..attributes });
    }
    Some(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn units(name: &str) -> Vec<u8> {
        name.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    /// One entry, field by field as MS-FSCC 2.4.24 has them.
    fn entry(next: u32, attributes: u32, tag: u32, name: &[u8]) -> Vec<u8> {
        let mut entry = Vec::new();
        for number in [next, 7] {
            entry.extend_from_slice(&number.to_le_bytes());
        }
        for number in [1, 2, 3, 4].map(|second| EPOCH + second * 10_000_000).into_iter().chain([100, 4096]) {
            entry.extend_from_slice(&number.to_le_bytes());
        }
        for number in [attributes, u32::try_from(name.len()).unwrap(), tag, 0] {
            entry.extend_from_slice(&number.to_le_bytes());
        }
        entry.extend_from_slice(&77u64.to_le_bytes());
        assert_eq!(entry.len(), FIXED);
        entry.extend_from_slice(name);
        entry
    }

    /// When the year 1970 began, counted from 1601.
    const EPOCH: u64 = 116_444_736_000_000_000;

    fn answer(names: &[&[u8]]) -> Vec<u8> {
        let mut buffer: Vec<u8> = Vec::new();
        for (nth, name) in names.iter().enumerate() {
            let last = nth + 1 == names.len();
            let length = (FIXED + name.len()).next_multiple_of(8);
            let next = if last { 0 } else { u32::try_from(length).unwrap() };
            let mut entry = entry(next, 0x20, 9, name);
            if !last {
                entry.resize(length, 0);
            }
            buffer.extend_from_slice(&entry);
        }
        let mut body = vec![9, 0, 72, 0];
        body.extend_from_slice(&u32::try_from(buffer.len()).unwrap().to_le_bytes());
        body.extend_from_slice(&buffer);
        body
    }

    fn names(body: &[u8]) -> Vec<String> {
        listed(body).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn an_entry_is_read_as_it_is_laid_out() {
        let body = answer(&[&units("."), &units("a.txt"), &units("who\u{F025}")]);
        let entries = listed(&body).unwrap();
        let read: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(read, ["a.txt", "who?"]);
        let now = entries[0].attributes;
        assert_eq!((now.kind, now.size, now.allocated, now.id), (Kind::File, 100, 4096, 77));
        let times = [now.created, now.accessed, now.modified, now.changed];
        let since = |time: std::time::SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(times.map(since), [1, 2, 3, 4]);
    }

    #[test]
    fn a_link_is_known_by_the_kind_of_its_reparse_point() {
        let kind = |attributes, tag| {
            let mut body = vec![9, 0, 72, 0];
            let entry = entry(0, attributes, tag, &units("a"));
            body.extend_from_slice(&u32::try_from(entry.len()).unwrap().to_le_bytes());
            body.extend_from_slice(&entry);
            listed(&body).unwrap()[0].attributes.kind
        };
        assert_eq!(kind(0x400, 0xA000_000C), Kind::Symlink);
        assert_eq!(kind(0x420, 0x8000_0013), Kind::File);
        assert_eq!(kind(0x20, 0xA000_000C), Kind::File);
        assert_eq!(kind(0x10, 0), Kind::Directory);
    }

    #[test]
    fn a_server_cannot_put_a_path_into_a_listing() {
        let odd: [&[u8]; 8] = [
            &units(""),
            &units("."),
            &units(".."),
            &units("../x"),
            &units("a/b"),
            &units("a\0b"),
            &units(".mpr-deleted-00"),
            &[0, 0xD8],
        ];
        assert_eq!(names(&answer(&odd)), [""; 0]);
        assert_eq!(names(&answer(&[odd[3], &units("good"), &units(&"x".repeat(1021))])), ["good"]);
    }

    #[test]
    fn what_does_not_lie_in_the_answer_is_not_read() {
        let whole = answer(&[&units("a"), &units("b")]);
        for length in 0..whole.len() {
            assert_eq!(listed(&whole[..length]), None, "{length}");
        }
        let changed = |at: usize, value: &[u8]| {
            let mut body = whole.clone();
            body[at..at + value.len()].copy_from_slice(value);
            listed(&body)
        };
        assert_eq!(changed(2, &[71]), None);
        assert_eq!(changed(2, &[80]), None);
        // The distance to the next entry, and the length of a name.
        for wrong in [1, 8, 79, u32::MAX] {
            assert_eq!(changed(8, &wrong.to_le_bytes()), None, "{wrong}");
        }
        for wrong in [1000, u32::MAX] {
            assert_eq!(changed(8 + 60, &wrong.to_le_bytes()), None, "{wrong}");
        }
        assert_eq!(listed(&[9, 0, 0, 0, 0, 0, 0, 0]), Some(Vec::new()));
    }
}
