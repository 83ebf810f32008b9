//! What the router has said, read into one buffer that is wiped: a password may be among it.

use mpr_helper::awake::Wakefulness;
use mpr_helper::frame::{self, HEADER, Kind};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use zeroize::{Zeroize, Zeroizing};

/// Room for all but the longest names.
const USUAL: usize = 8 << 10;

/// Frames from a socket, one after the other.
pub(crate) struct Inbox<'a> {
    stream: &'a UnixStream,
    buffer: Zeroizing<Vec<u8>>,
    /// Bytes that were read.
    filled: usize,
    /// Bytes of the frame that was given out last.
    given: usize,
    wakefulness: Wakefulness,
}

impl<'a> Inbox<'a> {
    pub(crate) fn new(stream: &'a UnixStream) -> Self {
        let wakefulness = Wakefulness::new(true);
        Inbox { stream, buffer: Zeroizing::new(vec![0; USUAL]), filled: 0, given: 0, wakefulness }
    }

    /// The next frame; `None` when the router has hung up. What was given out before is wiped.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Kind, &[u8])>> {
        self.buffer[..self.given].zeroize();
        self.buffer.copy_within(self.given..self.filled, 0);
        self.filled -= self.given;
        self.given = 0;
        // The next call of an operation comes soon after the one before, or not so soon.
        let moment = self.wakefulness.moment();
        let mut slept = false;
        let (kind, length) = loop {
            if let Some(head) = self.buffer[..self.filled].first_chunk::<HEADER>() {
                let (kind, length) = frame::parse_header(*head)?;
                if self.filled >= HEADER + length {
                    break (kind, length);
                }
                self.make_room(HEADER + length);
            }
            let sleeps = moment.is_over();
            slept |= sleeps;
            match read(self.stream, &mut self.buffer[self.filled..], !sleeps) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::hint::spin_loop(),
                Ok(0) if self.filled == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.given = HEADER + length;
        self.wakefulness.learn(moment, !slept);
        Ok(Some((kind, &self.buffer[HEADER..self.given])))
    }

    /// The buffer is exchanged rather than grown: the old one is wiped.
    fn make_room(&mut self, length: usize) {
        if self.buffer.len() < length {
            let mut greater = Zeroizing::new(vec![0; length]);
            greater[..self.filled].copy_from_slice(&self.buffer[..self.filled]);
            self.buffer = greater;
        }
    }
}

/// Reads what is there; waits for something to be there unless it is to be `at_once`.
fn read(stream: &UnixStream, into: &mut [u8], at_once: bool) -> io::Result<usize> {
    let flags = if at_once { libc::MSG_DONTWAIT } else { 0 };
    // SAFETY: the buffer is as long as said.
    let count = unsafe { libc::recv(stream.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), flags) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::Shutdown;

    #[test]
    fn frames_come_one_by_one_however_they_were_sent_and_are_wiped_behind() {
        let (mut there, here) = UnixStream::pair().unwrap();
        frame::write(&mut there, Kind::Packed, b"one").unwrap();
        frame::write(&mut there, Kind::Packed, &vec![7; 3 * USUAL]).unwrap();
        frame::write(&mut there, Kind::Json, b"{}").unwrap();
        there.shutdown(Shutdown::Write).unwrap();
        let mut inbox = Inbox::new(&here);
        assert_eq!(inbox.next().unwrap(), Some((Kind::Packed, &b"one"[..])));
        assert_eq!(inbox.next().unwrap(), Some((Kind::Packed, &vec![7; 3 * USUAL][..])));
        assert_eq!(inbox.next().unwrap(), Some((Kind::Json, &b"{}"[..])));
        assert!(inbox.next().unwrap().is_none());
        assert!(inbox.buffer[..HEADER].iter().all(|&byte| byte == 0), "the last frame is wiped");
    }

    #[test]
    fn half_a_frame_is_no_end() {
        let (mut there, here) = UnixStream::pair().unwrap();
        there.write_all(&frame::header(Kind::Packed, 9).unwrap()).unwrap();
        drop(there);
        assert_eq!(Inbox::new(&here).next().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
