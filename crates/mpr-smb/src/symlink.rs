//! Symbolic links as they are written down: in reparse points (MS-FSCC §2.1.2), which a server knows to be links,
//! or, for servers without those, in files of a certain form after Minshall and French, which macOS and Linux
//! take for links and a server for files.

use md5::{Digest, Md5};
use smb2::ReparseTag;
use smb2::name::{decode_name, encode_name};

/// A link's length in the form of Minshall and French, however long its target.
pub(crate) const FILE_LEN: usize = 1067;
/// The longest target in that form.
const FILE_TARGET: usize = 1024;
/// Bytes of its first three lines: what it is, the length of the target, the target's digest.
const FILE_HEAD: usize = 5 + 5 + 33;

/// The longest target in a reparse point that is written or read.
const LONGEST: usize = 4096;
/// The most bytes a reparse point has.
pub(crate) const MOST: u32 = 32 << 10;
/// The target is not a path from a root.
const RELATIVE: u32 = 1;

/// Whether this kind of reparse point is a symbolic link.
pub(crate) fn is_link(tag: u32) -> bool {
    matches!(ReparseTag(tag), ReparseTag::SYMLINK | ReparseTag::LX_SYMLINK)
}

/// A link to `target` as a reparse point. Windows would look for a target that begins at the root on a drive of
/// its own: `None`.
pub(crate) fn pack(target: &str) -> Option<Vec<u8>> {
    if target.starts_with('/') || target.is_empty() || target.len() > LONGEST {
        return None;
    }
    let mut name = Vec::with_capacity(2 * target.len());
    for (nth, component) in target.split('/').enumerate() {
        if nth > 0 {
            name.push(u16::from(b'\\'));
        }
        match component {
            "." | ".." => name.extend(component.encode_utf16()),
            _ => name.extend(encode_name(component).encode_utf16()),
        }
    }
    let name: Vec<u8> = name.into_iter().flat_map(u16::to_le_bytes).collect();
    let len = u16::try_from(name.len()).ok()?;
    let mut data = Vec::with_capacity(20 + 2 * name.len());
    data.extend_from_slice(&ReparseTag::SYMLINK.0.to_le_bytes());
    data.extend_from_slice(&(12 + 2 * len).to_le_bytes());
    data.extend_from_slice(&0u16.to_le_bytes());
    // The name that counts, then the one that is shown: the same.
    for number in [0, len, len, len] {
        data.extend_from_slice(&number.to_le_bytes());
    }
    data.extend_from_slice(&RELATIVE.to_le_bytes());
    data.extend_from_slice(&name);
    data.extend_from_slice(&name);
    Some(data)
}

/// The target of a link in a reparse point; `None` if it is none, or none that can be read.
pub(crate) fn unpack(data: &[u8]) -> Option<String> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(*data.get(at..)?.first_chunk()?));
    let tag = u32::from_le_bytes(*data.first_chunk()?);
    let contents = data.get(8..)?.get(..usize::from(u16_at(4)?))?;
    let target = match ReparseTag(tag) {
        ReparseTag::LX_SYMLINK => String::from_utf8(contents.get(4..)?.to_vec()).ok()?,
        ReparseTag::SYMLINK => {
            let flags = u32::from_le_bytes(*contents.get(8..)?.first_chunk()?);
            // What counts where the path is relative; of the others, what is shown reads better.
            let (offset, len) = if flags & RELATIVE == 0 { (12, 14) } else { (8, 10) };
            let name = contents.get(12 + usize::from(u16_at(offset)?)..)?.get(..usize::from(u16_at(len)?))?;
            let units = name.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            let name = String::from_utf16(&units.collect::<Vec<_>>()).ok()?;
            name.split('\\').map(decode_name).collect::<Vec<_>>().join("/")
        }
        _ => return None,
    };
    usable(target)
}

/// A link to `target` as the contents of a file; `None` if it is too long.
pub(crate) fn to_file(target: &str) -> Option<Vec<u8>> {
    if target.is_empty() || target.len() > FILE_TARGET || target.contains('\0') {
        return None;
    }
    let mut file = head(target).into_bytes();
    file.extend_from_slice(target.as_bytes());
    if file.len() < FILE_LEN {
        file.push(b'\n');
    }
    file.resize(FILE_LEN, b' ');
    Some(file)
}

/// The target of a link in a file; `None` if the file is not one, in each of its bytes.
pub(crate) fn of_file(file: &[u8]) -> Option<String> {
    let len: usize = std::str::from_utf8(file.strip_prefix(b"XSym\n")?.get(..4)?).ok()?.parse().ok()?;
    let target = std::str::from_utf8(file.get(FILE_HEAD..)?.get(..len)?).ok()?;
    (to_file(target)? == file).then(|| target.to_owned()).and_then(usable)
}

fn head(target: &str) -> String {
    let digest: String = Md5::digest(target.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("XSym\n{:04}\n{digest}\n", target.len())
}

fn usable(target: String) -> Option<String> {
    (!target.is_empty() && target.len() <= LONGEST && !target.contains('\0')).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_as_it_was_written() {
        for target in ["file", "../up/and down", "./a:b", "a/../b", "Größe", "dots../x", "back\\slash"] {
            assert_eq!(unpack(&pack(target).unwrap()).unwrap(), target);
            assert_eq!(of_file(&to_file(target).unwrap()).unwrap(), target);
        }
    }

    #[test]
    fn a_reparse_point_is_laid_out_as_published() {
        let data = pack("a/b").unwrap();
        let mut wanted = vec![0x0C, 0, 0, 0xA0, 24, 0, 0, 0, 0, 0, 6, 0, 6, 0, 6, 0, 1, 0, 0, 0];
        wanted.extend_from_slice(b"a\0\\\0b\0a\0\\\0b\0");
        assert_eq!(data, wanted);
    }

    #[test]
    fn a_file_is_laid_out_as_published() {
        let file = to_file("target").unwrap();
        assert_eq!(file.len(), FILE_LEN);
        // The digest as `printf target | md5sum` prints it.
        assert!(file.starts_with(b"XSym\n0006\n42aefbae01d2dfd981f7da7d823d689e\ntarget\n    "));
    }

    #[test]
    fn targets_that_begin_at_the_root_are_for_files_only() {
        assert_eq!(pack("/usr/lib"), None);
        assert_eq!(of_file(&to_file("/usr/lib").unwrap()).unwrap(), "/usr/lib");
    }

    #[test]
    fn the_longest_target_fills_its_file() {
        let longest = "n".repeat(FILE_TARGET);
        assert_eq!(of_file(&to_file(&longest).unwrap()).unwrap(), longest);
        assert_eq!(to_file(&format!("{longest}n")), None);
        assert_eq!(to_file(""), None);
    }

    #[test]
    fn what_is_no_link_in_each_byte_is_a_file() {
        let link = to_file("target").unwrap();
        for at in [0, 5, 12, 45, 49, FILE_LEN - 1] {
            let mut changed = link.clone();
            changed[at] ^= 1;
            assert_eq!(of_file(&changed), None, "{at}");
        }
        for len in [0, 4, 9, 42, 43, FILE_LEN - 1] {
            assert_eq!(of_file(&link[..len]), None, "{len}");
        }
    }

    #[test]
    fn a_reparse_point_cut_short_or_that_leads_outside_itself_is_no_link() {
        let link = pack("some/target").unwrap();
        for len in 0..link.len() {
            assert_eq!(unpack(&link[..len]), None, "{len}");
        }
        for at in [8, 10] {
            let mut changed = link.clone();
            changed[at] = 200;
            assert_eq!(unpack(&changed), None, "{at}");
        }
        let mut empty = link;
        empty[10] = 0;
        assert_eq!(unpack(&empty), None);
    }
}
