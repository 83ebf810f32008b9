//! What somebody wants of one connection, where that differs from what the configuration says: the options of
//! `mpr connect -o`, which are also remembered with the connection.

use std::fmt;

use crate::accounts;
use crate::protocol::Taste;

/// Longest text of options.
const LONGEST: usize = 4096;
/// How long a server may take over a request, in milliseconds: at least and at most.
pub const TIMEOUT_MS: std::ops::RangeInclusive<u32> = 1000..=3_600_000;
/// How much may be kept of contents, in MiB: at least and at most.
pub const CACHE_MIB: std::ops::RangeInclusive<u32> = 4..=65_536;
/// How many names may be kept: at least and at most.
pub const CACHE_NAMES: std::ops::RangeInclusive<u32> = 1000..=10_000_000;

/// Options of a connection. What is `None` is as the configuration has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Owner of everything.
    pub uid: Option<u32>,
    /// Group of everything.
    pub gid: Option<u32>,
    /// Whether others than the user who connects may look in.
    pub allow_other: bool,
    /// Whether every change is refused.
    pub read_only: bool,
    /// The rest.
    pub taste: Taste,
}

/// What each is called, with an example of its value.
const NAMES: [&str; 11] = [
    "uid=ann",
    "gid=users",
    "file-mode=0640",
    "dir-mode=0750",
    "allow-other",
    "read-only",
    "timeout=30s",
    "cache-memory=64M",
    "cache-names=100000",
    "[no-]encrypt",
    "[no-]symlinks-in-files",
];

/// Why a text is none of options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionError(String);

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionError {}

fn wrong<T>(what: impl Into<String>) -> Result<T, OptionError> {
    Err(OptionError(what.into()))
}

impl Options {
    /// Reads options separated by commas. One that is given twice is as it is given last.
    ///
    /// # Errors
    ///
    /// What is wrong, in a sentence.
    pub fn parse(text: &str) -> Result<Options, OptionError> {
        if text.len() > LONGEST {
            return wrong(format!("the options are longer than {LONGEST} bytes"));
        }
        let mut options = Options::default();
        for option in text.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some((name, value)) => options.set(name.trim(), value.trim())?,
                None => options.switch(option)?,
            }
        }
        Ok(options)
    }

    /// What is remembered of a connection made elsewhere may be options of another system's: these say nothing.
    ///
    /// # Errors
    ///
    /// Text that is none of options.
    pub fn remembered(bytes: &[u8]) -> Result<Options, OptionError> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(char::is_control) => Options::parse(text),
            _ => Ok(Options::default()),
        }
    }

    /// What the options are, for a message to whoever chose another.
    #[must_use]
    pub fn names() -> String {
        NAMES.join(", ")
    }

    fn switch(&mut self, name: &str) -> Result<(), OptionError> {
        match name {
            "allow-other" => self.allow_other = true,
            "read-only" | "ro" => self.read_only = true,
            "encrypt" => self.taste.encrypt = Some(true),
            "no-encrypt" => self.taste.encrypt = Some(false),
            "symlinks-in-files" => self.taste.symlinks_in_files = Some(true),
            "no-symlinks-in-files" => self.taste.symlinks_in_files = Some(false),
            "uid" | "gid" | "file-mode" | "dir-mode" | "directory-mode" | "timeout" | "cache-memory"
            | "cache-names" => return wrong(format!("the option {name} needs a value: {name}=…")),
            _ => return wrong(unknown(name)),
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        match name {
            "uid" => self.uid = Some(user(value)?),
            "gid" => self.gid = Some(group(value)?),
            "file-mode" => self.taste.file_mode = Some(mode(name, value)?),
            "dir-mode" | "directory-mode" => self.taste.directory_mode = Some(mode(name, value)?),
            "timeout" => self.taste.timeout_ms = Some(timeout(value)?),
            "cache-memory" => self.taste.cache_mib = Some(memory(value)?),
            "cache-names" => match value.parse() {
                Ok(names) if CACHE_NAMES.contains(&names) => self.taste.cache_names = Some(names),
                _ => {
                    let (least, most) = (CACHE_NAMES.start(), CACHE_NAMES.end());
                    return wrong(format!("cache-names is a number from {least} to {most}, not '{value}'"));
                }
            },
            "allow-other"
            | "read-only"
            | "ro"
            | "encrypt"
            | "no-encrypt"
            | "symlinks-in-files"
            | "no-symlinks-in-files" => return wrong(format!("the option {name} takes no value")),
            _ => return wrong(unknown(name)),
        }
        Ok(())
    }
}

fn unknown(name: &str) -> String {
    format!("there is no option '{name}'; the options are {}", Options::names())
}

fn user(value: &str) -> Result<u32, OptionError> {
    let number = value.parse().ok().or_else(|| accounts::user(value).map(|user| user.0));
    match number {
        // The kernel takes it for "no user".
        Some(u32::MAX) | None => wrong(format!("uid is a user's name or number, and '{value}' is none")),
        Some(uid) => Ok(uid),
    }
}

fn group(value: &str) -> Result<u32, OptionError> {
    match value.parse().ok().or_else(|| accounts::group(value)) {
        Some(u32::MAX) | None => wrong(format!("gid is a group's name or number, and '{value}' is none")),
        Some(gid) => Ok(gid),
    }
}

fn mode(name: &str, value: &str) -> Result<u32, OptionError> {
    let digits = value.strip_prefix("0o").unwrap_or(value);
    let octal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if octal && mode <= 0o777 => Ok(mode),
        _ => wrong(format!("{name} is a number from 0 to 0777 in octal, not '{value}'")),
    }
}

/// In milliseconds: `30`, `30s`, `1500ms`, `2m`.
fn timeout(value: &str) -> Result<u32, OptionError> {
    let (digits, unit) = unit_of(value);
    let factor = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" | "min" => Some(60_000),
        _ => None,
    };
    let told = digits.parse::<u32>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    match told.filter(|milliseconds| TIMEOUT_MS.contains(milliseconds)) {
        Some(milliseconds) => Ok(milliseconds),
        None => wrong(format!("timeout is a time from 1s to 60m, not '{value}'")),
    }
}

/// In MiB: `64M`, `2G`.
fn memory(value: &str) -> Result<u32, OptionError> {
    let (digits, unit) = unit_of(value);
    let factor = match unit {
        "M" | "MiB" => Some(1),
        "G" | "GiB" => Some(1024),
        _ => None,
    };
    let told = digits.parse::<u32>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    match told.filter(|mib| CACHE_MIB.contains(mib)) {
        Some(mib) => Ok(mib),
        None => wrong(format!("cache-memory is a size from 4M to 64G, not '{value}'")),
    }
}

fn unit_of(value: &str) -> (&str, &str) {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    value.split_at(digits)
}

/// As [`Options::parse`] reads it, with numbers in place of names. Empty if nothing is asked for.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { uid, gid, allow_other, read_only, taste } = *self;
        let Taste {
            file_mode,
            directory_mode,
            timeout_ms,
            encrypt,
            symlinks_in_files,
            cache_mib,
            cache_names,
        } = taste;
        let switch = |name: &str, on: bool| if on { name.to_owned() } else { format!("no-{name}") };
        let told = [
            uid.map(|uid| format!("uid={uid}")),
            gid.map(|gid| format!("gid={gid}")),
            file_mode.map(|mode| format!("file-mode={mode:04o}")),
            directory_mode.map(|mode| format!("dir-mode={mode:04o}")),
            allow_other.then(|| "allow-other".to_owned()),
            read_only.then(|| "read-only".to_owned()),
            timeout_ms.map(|time| match time % 1000 {
                0 => format!("timeout={}s", time / 1000),
                _ => format!("timeout={time}ms"),
            }),
            cache_mib.map(|mib| format!("cache-memory={mib}M")),
            cache_names.map(|names| format!("cache-names={names}")),
            encrypt.map(|on| switch("encrypt", on)),
            symlinks_in_files.map(|on| switch("symlinks-in-files", on)),
        ];
        let told: Vec<String> = told.into_iter().flatten().collect();
        f.write_str(&told.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_come_back_in_one_form() {
        let text = "uid=root, gid=7,file-mode=640,dir-mode=0o750,allow-other,ro,timeout=2m,cache-memory=1G,\
                    cache-names=5000,no-encrypt,symlinks-in-files";
        let options = Options::parse(text).unwrap();
        assert_eq!((options.uid, options.gid), (Some(0), Some(7)));
        assert!(options.allow_other && options.read_only);
        let taste = options.taste;
        assert_eq!((taste.file_mode, taste.directory_mode), (Some(0o640), Some(0o750)));
        assert_eq!((taste.timeout_ms, taste.cache_mib), (Some(120_000), Some(1024)));
        assert_eq!((taste.encrypt, taste.symlinks_in_files), (Some(false), Some(true)));
        let told = options.to_string();
        assert_eq!(
            told,
            "uid=0,gid=7,file-mode=0640,dir-mode=0750,allow-other,read-only,timeout=120s,cache-memory=1024M,\
             cache-names=5000,no-encrypt,symlinks-in-files"
        );
        assert_eq!(Options::parse(&told), Ok(options));
        assert_eq!(Options::parse(" ,"), Ok(Options::default()));
        assert_eq!(Options::default().to_string(), "");
        assert_eq!(Options::parse("timeout=1500ms").unwrap().to_string(), "timeout=1500ms");
    }

    #[test]
    fn what_is_no_option_is_refused_with_what_is() {
        for (text, said) in [
            ("fast", "there is no option 'fast'"),
            ("uid=no such user", "'no such user' is none"),
            ("uid=-1", "'-1' is none"),
            ("uid=4294967295", "is none"),
            ("gid=", "'' is none"),
            ("uid", "uid needs a value"),
            ("file-mode=999", "octal"),
            ("file-mode=1777", "octal"),
            ("file-mode=+7", "octal"),
            ("dir-mode=", "octal"),
            ("timeout=0", "from 1s to 60m"),
            ("timeout=61m", "from 1s to 60m"),
            ("timeout=99999999m", "from 1s to 60m"),
            ("timeout=5d", "from 1s to 60m"),
            ("cache-memory=64", "from 4M to 64G"),
            ("cache-memory=99999999G", "from 4M to 64G"),
            ("cache-names=5", "from 1000"),
            ("allow-other=yes", "takes no value"),
        ] {
            let error = Options::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(Options::parse(&"ro,".repeat(2000)).is_err());
    }

    #[test]
    fn options_of_another_system_say_nothing() {
        assert_eq!(Options::remembered(b"\x01\x00\x00\x00\xff"), Ok(Options::default()));
        assert_eq!(Options::remembered(b""), Ok(Options::default()));
        assert!(Options::remembered(b"read-only").unwrap().read_only);
        assert!(Options::remembered(b"fast").is_err());
    }
}
