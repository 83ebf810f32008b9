//! The line to one host: started, asked and hung up behind a deadline.

use mpr_helper::frame::{self, FrameError, Kind};
use mpr_helper::host::{Answer, Call, Load, Loaded, Reply};
use mpr_helper::spawn::{self, Host, MPR_HOST};
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long a host that has hung up may take to say how the library's process ended.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// None within the deadline.
    Late,
    /// Other operations were in the way until the deadline.
    Busy,
    /// The library's process ended; its wait status, if that is known.
    Ended(Option<i32>),
    /// What came back makes no sense.
    Garbage,
    /// The names of this operation are too long to be sent.
    TooLong,
    /// The host could not be started.
    Unstarted(io::Error),
    /// It could not load the library.
    Unloaded(String),
    /// The command gave no answer.
    Failed(String),
}

/// A host that runs, and how to reach it.
#[derive(Debug)]
pub(super) struct Line {
    host: Host,
    /// Which of the hosts of this listener it is: contexts of earlier ones are gone.
    pub(super) generation: u32,
    calls: u32,
    wire: Vec<u8>,
    heard: Vec<u8>,
}

impl Line {
    /// Starts a host and has it load what it is to run.
    pub(super) fn open(load: &Load, generation: u32, deadline: Instant) -> Result<Self, Silence> {
        let program = spawn::find(MPR_HOST).map_err(Silence::Unstarted)?;
        let host = Host::start(&program).map_err(Silence::Unstarted)?;
        let mut line = Line { host, generation, calls: 0, wire: Vec::new(), heard: Vec::new() };
        frame::write_json(&mut line.wire, load).map_err(Silence::Unstarted)?;
        let loaded = line.exchange(deadline, |kind, body| match kind {
            Kind::Json => Loaded::parse(body),
            _ => None,
        });
        match loaded {
            Ok(Loaded::Ready) => Ok(line),
            Ok(Loaded::Refused { what }) => {
                line.hang_up();
                Err(Silence::Unloaded(what))
            }
            Err(silence) => {
                line.hang_up();
                Err(silence)
            }
        }
    }

    /// Whether nothing has come from the host that nobody asked for, its end included.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = 0_u8;
        // SAFETY: one byte can be written to.
        let read = unsafe {
            libc::recv(
                self.host.conversation.as_raw_fd(),
                (&raw mut byte).cast(),
                1,
                libc::MSG_PEEK | libc::MSG_DONTWAIT,
            )
        };
        read < 0 && would_block(&io::Error::last_os_error())
    }

    /// Asks and waits for the answer.
    pub(super) fn ask(&mut self, mut call: Call<&[u16]>, deadline: Instant) -> Result<Answer, Silence> {
        self.calls = self.calls.wrapping_add(1);
        call.number = self.calls;
        call.frame(&mut self.wire).map_err(|_: FrameError| Silence::TooLong)?;
        let reply = self.exchange(deadline, |kind, body| match kind {
            Kind::Packed => Reply::parse(body).ok().filter(|reply| reply.number == call.number),
            _ => None,
        })?;
        reply.answer.map_err(Silence::Failed)
    }

    /// Sends what is in `wire` and reads one frame.
    fn exchange<T>(
        &mut self,
        deadline: Instant,
        parse: impl FnOnce(Kind, &[u8]) -> Option<T>,
    ) -> Result<T, Silence> {
        self.send(deadline)?;
        self.heard.clear();
        loop {
            if let Some(frame) = frame::decode(&self.heard).map_err(|_: FrameError| Silence::Garbage)? {
                // One question, one answer, and nothing behind it.
                let rest = frame.rest.len();
                return parse(frame.kind, frame.body).filter(|_| rest == 0).ok_or(Silence::Garbage);
            }
            wait(&self.host.conversation, libc::POLLIN, deadline)?;
            self.receive()?;
        }
    }

    fn send(&self, deadline: Instant) -> Result<(), Silence> {
        let mut left = &self.wire[..];
        while !left.is_empty() {
            // SAFETY: the buffer is as long as said.
            let sent = unsafe {
                libc::send(
                    self.host.conversation.as_raw_fd(),
                    left.as_ptr().cast(),
                    left.len(),
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                )
            };
            match usize::try_from(sent) {
                Ok(sent) => left = &left[sent..],
                Err(_) => {
                    let error = io::Error::last_os_error();
                    if would_block(&error) {
                        wait(&self.host.conversation, libc::POLLOUT, deadline)?;
                    } else if error.kind() != io::ErrorKind::Interrupted {
                        return Err(self.ended());
                    }
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), Silence> {
        let mut buffer = [0_u8; 4096];
        // SAFETY: the buffer is as long as said.
        let read = unsafe {
            libc::recv(
                self.host.conversation.as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
            )
        };
        match usize::try_from(read) {
            Ok(0) => Err(self.ended()),
            Ok(read) => {
                self.heard.extend_from_slice(&buffer[..read]);
                Ok(())
            }
            Err(_) => {
                let error = io::Error::last_os_error();
                if would_block(&error) || error.kind() == io::ErrorKind::Interrupted {
                    Ok(())
                } else {
                    Err(self.ended())
                }
            }
        }
    }

    /// The worker has let go of the conversation: the keeper says how it ended, if it has.
    fn ended(&self) -> Silence {
        let mut status = [0_u8; 4];
        let lifeline = &self.host.lifeline;
        if wait(lifeline, libc::POLLIN, Instant::now() + LAST_WORDS).is_err() {
            return Silence::Ended(None);
        }
        // SAFETY: the buffer is as long as said.
        let read = unsafe {
            libc::recv(lifeline.as_raw_fd(), status.as_mut_ptr().cast(), status.len(), libc::MSG_DONTWAIT)
        };
        Silence::Ended((read == 4).then(|| i32::from_ne_bytes(status)))
    }

    /// Ends the host and everything the library started. Whoever forked from this process may still hold the
    /// lifeline: it is shut down, which closing it would not do.
    pub(super) fn hang_up(self) {
        _ = self.host.lifeline.shutdown(Shutdown::Both);
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Waits for the socket to be ready, at most until the deadline.
fn wait(socket: &UnixStream, events: libc::c_short, deadline: Instant) -> Result<(), Silence> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Silence::Late);
        }
        // Rounded up: to wake up early would be to poll again.
        let milliseconds = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let mut polled = libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 };
        // SAFETY: one structure, as said.
        match unsafe { libc::poll(&mut polled, 1, milliseconds) } {
            0 => return Err(Silence::Late),
            ready if ready > 0 => return Ok(()),
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return Err(Silence::Ended(None)),
        }
    }
}
