//! Where a password comes from: standard input, a descriptor, a file. Never the command line, which every
//! user of the machine can read.

use crate::failure::Failure;
use mpr::Secret;
use mpr_helper::dirs;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// No password is this long.
const LONGEST: usize = 4096;
/// `O_NONBLOCK`: opening a FIFO by mistake must not wait for a writer.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// Where the password comes from, if it is not asked for.
#[derive(clap::Args, Debug, Default)]
#[group(multiple = false)]
pub(crate) struct Source {
    /// Read the password from standard input, up to the end of the line
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from an open file descriptor, up to the end of the line
    #[arg(long, value_name = "N")]
    password_fd: Option<u32>,
    /// Read the password from the first line of a file that is yours and that nobody else can read
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl Source {
    /// The password, if a source was named.
    pub(crate) fn read(&self) -> Result<Option<Secret>, Failure> {
        if self.password_stdin {
            return first_line(Stdin, "standard input").map(Some);
        }
        if let Some(number) = self.password_fd {
            return from_descriptor(number).map(Some);
        }
        match &self.password_file {
            Some(path) => from_file(path).map(Some),
            None => Ok(None),
        }
    }
}

/// Standard input without the buffer of the standard library, which reads ahead and is never wiped.
struct Stdin;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?)
    }
}

fn from_descriptor(number: u32) -> Result<Secret, Failure> {
    let what = format!("file descriptor {number}");
    // Opened anew rather than taken over, so that nothing here owns a descriptor it did not open.
    let file = File::open(format!("/proc/self/fd/{number}")).map_err(|error| {
        Failure::other(
            format!("cannot read the password from {what}: {error}"),
            "pass an open pipe or file, as in: mpr connect REMOTE --password-fd 3 3< FILE",
        )
    })?;
    first_line(file, &what)
}

fn from_file(path: &Path) -> Result<Secret, Failure> {
    let shown = path.display();
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(NONBLOCK).open(path).map_err(|error| {
        Failure::other(
            format!("cannot open the password file {shown}: {error}"),
            "look at the path and at the mode",
        )
    })?;
    // Judged by the descriptor: the name may lead elsewhere a moment later.
    let meta = file.metadata().map_err(|error| {
        Failure::other(format!("cannot examine the password file {shown}: {error}"), "choose another file")
    })?;
    if !meta.is_file() {
        return Err(Failure::other(
            format!("the password file {shown} is not a regular file"),
            "for a pipe, use --password-fd or --password-stdin",
        ));
    }
    if meta.uid() != dirs::effective_uid() {
        return Err(Failure::other(
            format!("the password file {shown} belongs to user {}, not to you", meta.uid()),
            "make a copy of your own with mode 0600",
        ));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(Failure::other(
            format!(
                "the password file {shown} can be read or written by others (mode {:04o})",
                meta.mode() & 0o7777
            ),
            format!("chmod 600 '{shown}'; and change the password if it matters who has seen it"),
        ));
    }
    first_line(file, &format!("the password file {shown}"))
}

fn first_line(mut from: impl Read, what: &str) -> Result<Secret, Failure> {
    let failed = |problem: String| {
        Failure::other(
            format!("cannot read the password from {what}: {problem}"),
            "put the password on the first line",
        )
    };
    // As large as it will ever be: growing would leave copies behind.
    let mut buffer = Zeroizing::new(vec![0; LONGEST + 1]);
    let mut length = 0;
    // Byte by byte, so that what follows the line is left to whoever reads next.
    while length < buffer.len() {
        match from.read(&mut buffer[length..=length]) {
            Ok(0) => break,
            Ok(_) if buffer[length] == b'\n' => break,
            Ok(_) => length += 1,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    if length > LONGEST {
        return Err(failed(format!("the line is longer than {LONGEST} bytes")));
    }
    let line = &buffer[..length];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.contains(&0) {
        return Err(failed("there is a NUL in it".into()));
    }
    match std::str::from_utf8(line) {
        Ok(password) => Ok(Secret::new(password)),
        Err(_) => Err(failed("it is not UTF-8".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String, String> {
        first_line(bytes, "x")
            .map(|secret| secret.as_wide().to_string_lossy())
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_password_is_the_first_line_without_its_end() {
        assert_eq!(read(b"secret\nmore").as_deref(), Ok("secret"));
        assert_eq!(read(b" with blanks \r\n").as_deref(), Ok(" with blanks "));
        assert_eq!(read(b"no end").as_deref(), Ok("no end"));
        assert_eq!(read(b"").as_deref(), Ok(""));
        assert_eq!(read("Größe\n".as_bytes()).as_deref(), Ok("Größe"));
    }

    #[test]
    fn what_cannot_be_a_password_is_refused_without_being_shown() {
        for wrong in [&b"se\0cret\n"[..], b"\xff\xfe\n", &[b'x'; LONGEST + 1]] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains("cannot read the password"), "{error}");
            assert!(!error.contains("cret") && !error.contains("xx"), "{error}");
        }
    }
}
