//! Questions at the terminal: visible ones, and those for a password.
//!
//! The terminal is `/dev/tty`, whatever standard input and output are: `mpr connect … < list` can still ask.
//! Written on `rustix` instead of a prompting crate, because the terminal must be itself again before an
//! interrupt ends the process, and because what is typed must not leave copies behind in a buffer that grew.

use crate::interrupt::Interrupt;
use mpr::Secret;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, Read, Write};
use zeroize::Zeroizing;

/// Longest line a terminal delivers.
const LINE: usize = 4096;

/// The terminal of this process.
pub(crate) struct Terminal<'a> {
    tty: File,
    interrupt: Option<&'a Interrupt>,
}

/// The terminal with echo off, until this is dropped.
struct Silence<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn over(tty: &'a File) -> io::Result<Self> {
        let before = tcgetattr(tty)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(tty, OptionalActions::Flush, &silent)?;
        Ok(Silence { tty, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        _ = tcsetattr(self.tty, OptionalActions::Now, &self.before);
    }
}

impl<'a> Terminal<'a> {
    /// The terminal, if there is one. An interrupt ends a question, if it is not to end the process.
    pub(crate) fn open(interrupt: Option<&'a Interrupt>) -> Option<Self> {
        let tty = File::options().read(true).write(true).open("/dev/tty").ok()?;
        Some(Terminal { tty, interrupt })
    }

    /// Asks for a line. `None`: no answer.
    pub(crate) fn ask(&self, question: &str) -> io::Result<Option<String>> {
        self.question(question)?;
        let Some(line) = self.line()? else { return Ok(None) };
        Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()))
    }

    /// Asks for a password, which is not shown. `None`: no answer.
    pub(crate) fn ask_secret(&self, question: &str) -> io::Result<Option<Secret>> {
        let silence = Silence::over(&self.tty)?;
        self.question(question)?;
        let line = self.line()?;
        drop(silence);
        match line {
            None => Ok(None),
            Some(line) => match std::str::from_utf8(&line) {
                Ok(password) => Ok(Some(Secret::new(password))),
                Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "what was typed is not UTF-8")),
            },
        }
    }

    fn question(&self, question: &str) -> io::Result<()> {
        (&self.tty).write_all(question.as_bytes())
    }

    /// A line without its end; `None` at the end of input or after an interrupt.
    fn line(&self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let mut line = Zeroizing::new(vec![0; LINE]);
        if !self.readable()? {
            // The cursor still stands behind the question.
            (&self.tty).write_all(b"\n")?;
            return Ok(None);
        }
        let length = (&self.tty).read(&mut line)?;
        if length == 0 {
            (&self.tty).write_all(b"\n")?;
            return Ok(None);
        }
        line.truncate(length);
        while line.last().is_some_and(|&end| matches!(end, b'\n' | b'\r')) {
            line.pop();
        }
        Ok(Some(line))
    }

    /// Waits for a line; `false` after an interrupt.
    fn readable(&self) -> io::Result<bool> {
        let Some(interrupt) = self.interrupt else { return Ok(true) };
        loop {
            if interrupt.came() {
                return Ok(false);
            }
            let mut both =
                [PollFd::new(&self.tty, PollFlags::IN), PollFd::new(interrupt.stream(), PollFlags::IN)];
            match poll(&mut both, None) {
                Ok(_) if !both[1].revents().is_empty() => return Ok(false),
                Ok(_) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
