//! The kernel's mount table.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// File system type of every mount of ours, as the mount table shows it.
pub const FS_TYPE: &str = "fuse.mpr";

/// One line of the mount table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Its type, subtype included (`fuse.mpr`).
    pub fs_type: String,
    /// What it says it is a mount of.
    pub source: OsString,
    /// Minor number of its device: names the kernel's side of a FUSE connection.
    pub minor: u32,
}

/// The mount table of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table(Vec<Mount>);

impl Table {
    /// The table this process sees now.
    pub fn now() -> io::Result<Table> {
        fs::read("/proc/self/mountinfo").map(|bytes| Table::parse(&bytes))
    }

    /// Reads the format of `/proc/self/mountinfo`. Lines that are not of that format are skipped: the kernel
    /// does not write them, and one strange line must not hide every other mount.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Table {
        Table(bytes.split(|byte| *byte == b'\n').filter_map(parse_line).collect())
    }

    /// What is visible at `mount_point`: the mount made there last.
    #[must_use]
    pub fn at(&self, mount_point: &Path) -> Option<&Mount> {
        self.0.iter().rev().find(|mount| mount.mount_point == mount_point)
    }

    /// Every mount, in the order of the table.
    pub fn iter(&self) -> impl Iterator<Item = &Mount> {
        self.0.iter()
    }
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    // id parent major:minor root mount-point options [optional fields] - type source super-options
    let mut fields = line.split(|byte| *byte == b' ');
    let device = fields.nth(2)?;
    let minor = std::str::from_utf8(device).ok()?.split_once(':')?.1.parse().ok()?;
    let mount_point = unescape(fields.nth(1)?);
    fields.find(|field| *field == b"-")?;
    let fs_type = String::from_utf8(unescape(fields.next()?)).ok()?;
    let source = unescape(fields.next()?);
    Some(Mount {
        mount_point: PathBuf::from(OsString::from_vec(mount_point)),
        fs_type,
        source: OsString::from_vec(source),
        minor,
    })
}

/// Undoes the kernel's `\ooo` escapes of blanks, line ends and backslashes.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
        90 22 0:52 / /run/mpr/drives/z rw,nosuid,nodev,relatime shared:9 master:3 - fuse.mpr //nas/my\\040photos rw,user_id=0\n\
        91 22 0:53 / /mnt/a\\134b\\011c rw - fuse.mpr //nas/x rw\n\
        92 90 0:54 / /run/mpr/drives/z rw - tmpfs none rw\n";

    #[test]
    fn escapes_are_undone() {
        let table = Table::parse(TABLE);
        assert_eq!(table.iter().nth(1).unwrap().source, "//nas/my photos");
        assert_eq!(table.at(Path::new("/mnt/a\\b\tc")).unwrap().fs_type, FS_TYPE);
    }

    #[test]
    fn the_mount_made_last_is_the_visible_one() {
        assert_eq!(Table::parse(TABLE).at(Path::new("/run/mpr/drives/z")).unwrap().fs_type, "tmpfs");
        assert_eq!(Table::parse(TABLE).at(Path::new("/run/mpr")), None);
    }

    #[test]
    fn strange_lines_hide_nothing() {
        let table = Table::parse(b"\n1 2\nx y z:w / /p o - t\n\xff\xfe - - -\n5 1 0:7 / /ok rw - t s o\n");
        assert_eq!(table.iter().count(), 1);
    }

    #[test]
    fn this_process_sees_its_root() {
        assert!(Table::now().unwrap().at(Path::new("/")).is_some());
    }
}
