//! The line to one host: started, asked and hung up behind a deadline.

use super::silence::Silence;
use mpr_helper::awake::Wakefulness;
use mpr_helper::frame::{self, FrameError, Kind};
use mpr_helper::host::provider::{Ask, Told};
use mpr_helper::host::{Answer, Call, Load, Loaded, Reply};
use mpr_helper::spawn::{self, Host, Leaves, MPR_HOST};
use std::io;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use zeroize::Zeroize;

/// How long a host that has hung up may take to say how the library's process ended.
const LAST_WORDS: Duration = Duration::from_millis(80);

/// Something a host can be asked.
pub(super) trait Question {
    type Answer;

    /// The whole frame.
    fn frame(&mut self, number: u32, wire: &mut Vec<u8>) -> Result<(), FrameError>;

    /// Whether the frame must be wiped.
    fn is_secret(&self) -> bool;

    /// The answer in this body; `None` if it is none to the question of this number, and as an error what the host
    /// says why it has none.
    fn parse(number: u32, body: &[u8]) -> Option<Result<Self::Answer, String>>;
}

impl Question for Call<&[u16]> {
    type Answer = Answer;

    fn frame(&mut self, number: u32, wire: &mut Vec<u8>) -> Result<(), FrameError> {
        self.number = number;
        Call::frame(self, wire)
    }

    fn is_secret(&self) -> bool {
        false
    }

    fn parse(number: u32, body: &[u8]) -> Option<Result<Answer, String>> {
        Reply::parse(body).ok().filter(|reply| reply.number == number).map(|reply| reply.answer)
    }
}

impl Question for Ask<&[u16], &[u8]> {
    type Answer = Told;

    fn frame(&mut self, number: u32, wire: &mut Vec<u8>) -> Result<(), FrameError> {
        self.number = number;
        Ask::frame(self, wire)
    }

    fn is_secret(&self) -> bool {
        Ask::is_secret(self)
    }

    fn parse(number: u32, body: &[u8]) -> Option<Result<Told, String>> {
        Told::parse(body).ok().filter(|told| told.number == number).map(Ok)
    }
}

/// A host that runs, and how to reach it.
#[derive(Debug)]
pub(super) struct Line {
    host: Host,
    /// Which of the hosts of this listener it is: contexts of earlier ones are gone.
    pub(super) generation: u32,
    wakefulness: Wakefulness,
    calls: u32,
    wire: Vec<u8>,
    heard: Vec<u8>,
}

impl Line {
    /// Starts a host and has it load what it is to run.
    pub(super) fn open(load: &Load, generation: u32, deadline: Instant) -> Result<Self, Silence> {
        let program = spawn::find(MPR_HOST).map_err(Silence::Unstarted)?;
        let leaves = match load {
            Load::Provider { .. } => Leaves::Sessions,
            _ => Leaves::Nothing,
        };
        let host = Host::start(&program, leaves).map_err(Silence::Unstarted)?;
        // No answer comes soon if a program has to be run for it.
        let wakefulness = Wakefulness::new(!matches!(load, Load::Command { .. }));
        let mut line = Line { host, generation, wakefulness, calls: 0, wire: Vec::new(), heard: Vec::new() };
        frame::write_json(&mut line.wire, load).map_err(Silence::Unstarted)?;
        let loaded = line.exchange(deadline, |kind, body| match kind {
            Kind::Json => Loaded::parse(body),
            _ => None,
        });
        match loaded {
            Ok(Loaded::Ready) => Ok(line),
            Ok(Loaded::Refused { what, remedy }) => {
                line.hang_up();
                Err(Silence::Unloaded { what, remedy })
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
    pub(super) fn ask<Q: Question>(
        &mut self,
        question: &mut Q,
        deadline: Instant,
    ) -> Result<Q::Answer, Silence> {
        self.calls = self.calls.wrapping_add(1);
        let number = self.calls;
        question.frame(number, &mut self.wire).map_err(|_: FrameError| Silence::TooLong)?;
        let answer = self.exchange(deadline, |kind, body| match kind {
            Kind::Packed => Q::parse(number, body),
            _ => None,
        });
        if question.is_secret() {
            self.wire.zeroize();
        }
        answer?.map_err(Silence::Failed)
    }

    /// Sends what is in `wire` and reads one frame.
    fn exchange<T>(
        &mut self,
        deadline: Instant,
        parse: impl FnOnce(Kind, &[u8]) -> Option<T>,
    ) -> Result<T, Silence> {
        self.send(deadline)?;
        self.heard.clear();
        let moment = self.wakefulness.moment();
        let mut slept = false;
        loop {
            if let Some(frame) = frame::decode(&self.heard).map_err(|_: FrameError| Silence::Garbage)? {
                self.wakefulness.learn(moment, !slept);
                // One question, one answer, and nothing behind it.
                let rest = frame.rest.len();
                return parse(frame.kind, frame.body).filter(|_| rest == 0).ok_or(Silence::Garbage);
            }
            if moment.is_over() {
                slept = true;
                self.wait(libc::POLLIN, deadline)?;
            } else {
                std::hint::spin_loop();
            }
            self.receive()?;
        }
    }

    /// Waits for the conversation to be ready. Something a plug-in has left behind may hold its other end open:
    /// that its process has ended shows on the lifeline all the same.
    fn wait(&self, events: libc::c_short, deadline: Instant) -> Result<(), Silence> {
        let sockets = [(&self.host.conversation, events), (&self.host.lifeline, libc::POLLIN)];
        match poll(sockets, deadline)? {
            [true, _] => Ok(()),
            _ => Err(self.ended()),
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
                        self.wait(libc::POLLOUT, deadline)?;
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
        if poll([(lifeline, libc::POLLIN)], Instant::now() + LAST_WORDS).is_err() {
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

/// Waits for one of the sockets to be ready, at most until the deadline, and says which are.
fn poll<const N: usize>(
    sockets: [(&UnixStream, libc::c_short); N],
    deadline: Instant,
) -> Result<[bool; N], Silence> {
    let mut polled =
        sockets.map(|(socket, events)| libc::pollfd { fd: socket.as_raw_fd(), events, revents: 0 });
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Silence::Late);
        }
        // Rounded up: to wake up early would be to poll again.
        let milliseconds = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: as many structures as said.
        match unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, milliseconds) } {
            0 => return Err(Silence::Late),
            ready if ready > 0 => return Ok(polled.map(|one| one.revents != 0)),
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return Err(Silence::Ended(None)),
        }
    }
}
