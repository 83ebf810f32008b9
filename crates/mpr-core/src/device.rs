//! Names of local devices (`spec/wnet.md` §1.4, DECISION W6).

use std::fmt;

/// A local device a connection can be redirected to.
///
/// The [`Display`](fmt::Display) form is canonical: `Z:`, `LPT1`, `/mnt/data`. Equal devices have equal forms.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LocalDevice {
    /// A drive letter, upper case.
    Drive(char),
    /// A printer port, 1 to 9.
    Printer(u8),
    /// An absolute path, lexically normalised. An extension of systems that have such paths.
    Directory(String),
}

/// What a device is good for; the numbers are those of `RESOURCETYPE_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceClass {
    /// Drives and directories.
    Disk = 1,
    /// Printer ports.
    Print = 2,
}

/// Longest path accepted as a device, in bytes: the kernel's own limit.
const MAX_PATH_BYTES: usize = 4095;

const COLON: u16 = b':' as u16;

impl LocalDevice {
    /// Reads a device name, given in UTF-16 without terminator. `None` if it is not the name of a device
    /// that can be redirected.
    #[inline]
    #[must_use]
    pub fn parse(name: &[u16]) -> Option<Self> {
        // Most names that are no device are remote ones.
        if name.first() == Some(&u16::from(b'\\')) { None } else { Self::parse_device(name) }
    }

    #[inline(never)]
    fn parse_device(name: &[u16]) -> Option<Self> {
        Self::drive(name).or_else(|| Self::printer(name)).or_else(|| Self::directory(name))
    }

    fn drive(name: &[u16]) -> Option<Self> {
        let &[letter, COLON] = name else { return None };
        let letter = ascii(letter).filter(char::is_ascii_alphabetic)?;
        Some(LocalDevice::Drive(letter.to_ascii_uppercase()))
    }

    fn printer(name: &[u16]) -> Option<Self> {
        let (&[l, p, t, digit] | &[l, p, t, digit, COLON]) = name else { return None };
        let port = [ascii(l)?, ascii(p)?, ascii(t)?].map(|letter| letter.to_ascii_uppercase());
        let digit = ascii(digit).filter(|digit| ('1'..='9').contains(digit))?;
        (port == ['L', 'P', 'T']).then_some(LocalDevice::Printer(digit as u8 - b'0'))
    }

    #[cfg(not(unix))]
    fn directory(_: &[u16]) -> Option<Self> {
        None
    }

    #[cfg(unix)]
    fn directory(name: &[u16]) -> Option<Self> {
        if name.first() != Some(&u16::from(b'/')) || name.len() > MAX_PATH_BYTES {
            return None;
        }
        let path = String::from_utf16(name).ok()?;
        if path.contains('\0') || path.len() > MAX_PATH_BYTES {
            return None;
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        // "//server/share" is a remote name, and "/" can never be an empty directory.
        if parts.is_empty() || path.starts_with("//") {
            return None;
        }
        Some(LocalDevice::Directory(format!("/{}", parts.join("/"))))
    }

    /// Whether the device is for disks or for printing.
    #[must_use]
    pub fn class(&self) -> DeviceClass {
        match self {
            LocalDevice::Drive(_) | LocalDevice::Directory(_) => DeviceClass::Disk,
            LocalDevice::Printer(_) => DeviceClass::Print,
        }
    }

    /// Devices that can be chosen automatically, in order of choice (DECISION W15).
    pub fn candidates(class: DeviceClass) -> impl Iterator<Item = LocalDevice> {
        let (drives, printers) = match class {
            DeviceClass::Disk => (Some(('C'..='Z').rev().map(LocalDevice::Drive)), None),
            DeviceClass::Print => (None, Some((1..=9).map(LocalDevice::Printer))),
        };
        drives.into_iter().flatten().chain(printers.into_iter().flatten())
    }
}

fn ascii(unit: u16) -> Option<char> {
    u8::try_from(unit).ok().filter(u8::is_ascii).map(char::from)
}

impl fmt::Display for LocalDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalDevice::Drive(letter) => write!(f, "{letter}:"),
            LocalDevice::Printer(port) => write!(f, "LPT{port}"),
            LocalDevice::Directory(path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Option<String> {
        LocalDevice::parse(&name.encode_utf16().collect::<Vec<_>>()).map(|device| device.to_string())
    }

    #[test]
    fn a_letter_and_a_colon_is_a_drive_in_any_case() {
        assert_eq!(parse("z:").as_deref(), Some("Z:"));
        assert_eq!(parse("A:").as_deref(), Some("A:"));
        for wrong in ["Z", "ZZ", ":", "1:", "Ä:", "Z:\\", "ZZ:", ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lpt1_to_lpt9_are_printers_with_or_without_colon() {
        assert_eq!(parse("lpt1").as_deref(), Some("LPT1"));
        assert_eq!(parse("LPT9:").as_deref(), Some("LPT9"));
        for wrong in ["LPT0", "LPT", "LPT10", "COM1", "COM1:"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn an_absolute_path_is_a_directory_after_lexical_normalisation() {
        assert_eq!(parse("/mnt/data/").as_deref(), Some("/mnt/data"));
        assert_eq!(parse("/mnt/./a/../data").as_deref(), Some("/mnt/data"));
        assert_eq!(parse("/MNT").as_deref(), Some("/MNT"));
        // As long as the name of a drive or a printer, and neither.
        for short in ["/:", "/a/b", "/a/ü", "/LP:"] {
            assert_eq!(parse(short).as_deref(), Some(short));
        }
        for wrong in ["/", "/..", "//server/share", "mnt", "./mnt"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn drives_are_chosen_from_z_down_to_c_and_printers_from_lpt1_up() {
        let drives: Vec<_> = LocalDevice::candidates(DeviceClass::Disk).map(|d| d.to_string()).collect();
        assert_eq!((drives.len(), &*drives[0], &*drives[23]), (24, "Z:", "C:"));
        let printers: Vec<_> = LocalDevice::candidates(DeviceClass::Print).map(|d| d.to_string()).collect();
        assert_eq!((printers.len(), &*printers[0], &*printers[8]), (9, "LPT1", "LPT9"));
    }
}
