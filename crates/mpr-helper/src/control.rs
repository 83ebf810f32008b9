//! Asking the helper of one connection to report or to end.
//!
//! A helper listens on a Unix socket beside its record. One connection carries one [`Order`] and one
//! [`Reply`], each a JSON frame. The socket is this user's alone, and the helper checks who is calling.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::frame::{self, Kind};
use crate::protocol::{Failure, Share};

/// What a helper can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// How are you?
    Status,
    /// Which shares does your server have?
    ListShares,
    /// End the connection.
    Unmount {
        /// Even if files are open.
        force: bool,
    },
}

/// What a helper answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reply {
    /// To [`Order::Status`].
    Status(Box<Health>),
    /// To [`Order::ListShares`].
    Shares {
        /// They, as many as fit into one frame.
        shares: Vec<Share>,
    },
    /// To [`Order::Unmount`]: it is unmounted.
    Unmounted,
    /// It was not done.
    Failed(Failure),
}

/// How a connection is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether the server answers, as far as is known without asking it now.
    pub connected: bool,
    /// Files open in the mount.
    pub open_files: u64,
    /// How often the connection was made again after it was lost.
    pub reconnects: u64,
    /// How many files the server had kept open when the connection was made again.
    #[serde(default)]
    pub resumed: u64,
    /// Protocol version, signing and encryption, for people.
    pub security: String,
    /// How the user was proved to the server, and why not by a ticket where one was to be had, for people.
    #[serde(default)]
    pub authentication: String,
    /// How messages are signed where they are not encrypted; empty if they are not.
    #[serde(default)]
    pub signing: String,
    /// How messages are encrypted; empty if they are not.
    #[serde(default)]
    pub encryption: String,
    /// How long the server took over the last request, and takes on the average of late.
    #[serde(default)]
    pub round_trip: Duration,
    /// See [`round_trip`](Self::round_trip).
    #[serde(default)]
    pub mean_round_trip: Duration,
    /// Since when the server has said nothing. It is asked for a sign of life when that gets long.
    #[serde(default)]
    pub silence: Duration,
    /// How much the server lets be under way at once, in the protocol's own unit.
    #[serde(default)]
    pub credits: u32,
    /// Requests sent since the connection was first made.
    #[serde(default)]
    pub requests: u64,
    /// Bytes that went to the server since then.
    #[serde(default)]
    pub bytes_sent: u64,
    /// Bytes that came from it since then.
    #[serde(default)]
    pub bytes_received: u64,
    /// Questions and reads that were answered without asking the server.
    #[serde(default)]
    pub cache_hits: u64,
    /// Those it was asked for.
    #[serde(default)]
    pub cache_misses: u64,
    /// Bytes of contents that are kept now.
    #[serde(default)]
    pub bytes_kept: u64,
    /// Of these, written and not yet at the server.
    #[serde(default)]
    pub bytes_dirty: u64,
    /// Bytes written and kept back that did not reach the server.
    #[serde(default)]
    pub bytes_lost: u64,
}

/// Gives an order to the helper that listens at `socket` and waits for its reply.
pub fn order(socket: &Path, order: Order, patience: Duration) -> io::Result<Reply> {
    let mut stream = connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    frame::write_json(&mut stream, &order)?;
    frame::read_json(&mut stream)?
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the helper hung up without a reply"))
}

/// Gives the same order to all who listen at `sockets`, and waits for all replies together. `None` for each that did
/// not reply in time.
///
/// Nothing here waits for one of them: connecting, writing and reading give way to the others.
#[must_use]
pub fn order_all(sockets: &[PathBuf], order: Order, patience: Duration) -> Vec<Option<Reply>> {
    let deadline = Instant::now() + patience;
    let mut wire = Vec::new();
    if frame::write_json(&mut wire, &order).is_err() {
        return sockets.iter().map(|_| None).collect();
    }
    let mut talks: Vec<Talk> = sockets.iter().map(|socket| Talk::begin(socket, &wire)).collect();
    loop {
        let mut polled: Vec<libc::pollfd> = talks
            .iter()
            .map(|talk| libc::pollfd { fd: talk.descriptor(), events: libc::POLLIN, revents: 0 })
            .collect();
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || polled.iter().all(|one| one.fd < 0) {
            return talks.into_iter().map(|talk| talk.reply).collect();
        }
        let milliseconds = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // SAFETY: as many structures as said; a negative descriptor is passed over.
        unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, milliseconds) };
        for (talk, one) in talks.iter_mut().zip(polled) {
            if one.revents != 0 {
                talk.listen();
            }
        }
    }
}

/// What is said to and by one of many.
struct Talk {
    /// `None` when nothing more is to be heard.
    stream: Option<UnixStream>,
    heard: Vec<u8>,
    reply: Option<Reply>,
}

impl Talk {
    fn begin(socket: &Path, wire: &[u8]) -> Talk {
        let stream = connect_at_once(socket).and_then(|mut stream| {
            // An order is so short that the buffer of a new socket has room for it.
            stream.write_all(wire)?;
            Ok(stream)
        });
        Talk { stream: stream.ok(), heard: Vec::new(), reply: None }
    }

    fn descriptor(&self) -> libc::c_int {
        self.stream.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    fn listen(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => self.heard.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return;
            }
            _ => return self.stream = None,
        }
        match frame::decode(&self.heard) {
            Ok(None) => {}
            Ok(Some(frame)) => {
                self.reply = serde_json::from_slice(frame.body).ok().filter(|_| frame.kind == Kind::Json);
                self.stream = None;
            }
            Err(_) => self.stream = None,
        }
    }
}

/// As [`connect`], without waiting for a helper that accepts nobody any more.
fn connect_at_once(socket: &Path) -> io::Result<UnixStream> {
    let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory =
        OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(directory)?;
    let path = format!("/proc/self/fd/{}/{}", directory.as_raw_fd(), name.display());
    // SAFETY: zeros are an address without a name.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    if path.len() >= address.sun_path.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    let flags = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: integers; the descriptor is new and gets its one owner; the address is as long as said.
    unsafe {
        let descriptor = libc::socket(libc::AF_UNIX, flags, 0);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        let stream = UnixStream::from_raw_fd(descriptor);
        let length = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        if libc::connect(descriptor, (&raw const address).cast(), length) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(stream)
    }
}

fn connect(socket: &Path) -> io::Result<UnixStream> {
    // A socket's address holds 108 bytes; through a descriptor of its directory any path fits.
    let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory =
        OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(directory)?;
    UnixStream::connect(PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn an_order_gets_its_reply_even_below_a_very_long_path() {
        let base = tempfile::tempdir().unwrap();
        let deep = base.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let directory = std::fs::File::open(&deep).unwrap();
        let listener =
            UnixListener::bind(format!("/proc/self/fd/{}/drive-z.sock", directory.as_raw_fd())).unwrap();
        let helper = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let order: Order = frame::read_json(&mut stream).unwrap().unwrap();
            assert_eq!(order, Order::Unmount { force: true });
            frame::write_json(&mut stream, &Reply::Unmounted).unwrap();
        });
        let reply = order(&deep.join("drive-z.sock"), Order::Unmount { force: true }, Duration::from_secs(5));
        assert_eq!(reply.unwrap(), Reply::Unmounted);
        helper.join().unwrap();
    }

    #[test]
    fn many_are_asked_at_once_and_who_says_nothing_holds_up_nobody() {
        let base = tempfile::tempdir().unwrap();
        let sockets: Vec<PathBuf> =
            (0..28).map(|number| base.path().join(format!("{number}.sock"))).collect();
        // 26 that never accept anybody, one with a reply, and one that is not there.
        let listeners: Vec<UnixListener> =
            sockets[..27].iter().map(|socket| UnixListener::bind(socket).unwrap()).collect();
        let helper = std::thread::spawn({
            let listener = listeners[26].try_clone().unwrap();
            move || {
                let (mut stream, _) = listener.accept().unwrap();
                assert_eq!(frame::read_json::<Order>(&mut stream).unwrap(), Some(Order::Status));
                frame::write_json(&mut stream, &Reply::Unmounted).unwrap();
            }
        });
        let replies = order_all(&sockets, Order::Status, Duration::from_secs(2));
        helper.join().unwrap();
        assert_eq!(replies[26], Some(Reply::Unmounted));
        assert!(replies.iter().enumerate().all(|(at, reply)| at == 26 || reply.is_none()));
    }

    #[test]
    fn nobody_listening_is_an_error_at_once() {
        let base = tempfile::tempdir().unwrap();
        let missing = order(&base.path().join("drive-z.sock"), Order::Status, Duration::from_secs(5));
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
