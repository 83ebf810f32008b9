//! What goes to the server, in order. Whoever sends writes as much as the socket takes at once; a task writes the
//! rest.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use tokio::net::tcp::OwnedWriteHalf;

use super::Shared;
use super::seal::TRANSFORM_HEADER;
use crate::link::Trouble;
use crate::locked;

/// Length and, before an encrypted message, its header.
const MOST_AHEAD: usize = 4 + TRANSFORM_HEADER;

pub(super) struct Outbox {
    /// None once it is closed.
    socket: Option<Arc<OwnedWriteHalf>>,
    queue: VecDeque<Parcel>,
}

struct Parcel {
    ahead: [u8; MOST_AHEAD],
    ahead_len: usize,
    message: Vec<u8>,
    /// Bytes that have been written, of all.
    written: usize,
}

impl Outbox {
    pub(super) fn to(socket: Arc<OwnedWriteHalf>) -> Outbox {
        Outbox { socket: Some(socket), queue: VecDeque::new() }
    }

    /// Sends a message, or as much of it as goes now. Says whether that was all.
    pub(super) fn put(
        &mut self,
        header: Option<&[u8; TRANSFORM_HEADER]>,
        message: Vec<u8>,
    ) -> io::Result<bool> {
        let mut ahead = [0; MOST_AHEAD];
        let mut ahead_len = 4;
        if let Some(header) = header {
            ahead[4..].copy_from_slice(header);
            ahead_len = MOST_AHEAD;
        }
        let length = u32::try_from(ahead_len - 4 + message.len()).unwrap_or(u32::MAX);
        ahead[..4].copy_from_slice(&length.to_be_bytes());
        self.queue.push_back(Parcel { ahead, ahead_len, message, written: 0 });
        if self.queue.len() == 1 { self.go_on() } else { Ok(false) }
    }

    /// Writes what the socket takes. Says whether that was all.
    fn go_on(&mut self) -> io::Result<bool> {
        let Some(socket) = &self.socket else { return Err(io::ErrorKind::NotConnected.into()) };
        while let Some(parcel) = self.queue.front_mut() {
            let (ahead, message) = (&parcel.ahead[..parcel.ahead_len], &parcel.message[..]);
            let written = if parcel.written < ahead.len() {
                let slices = [IoSlice::new(&ahead[parcel.written..]), IoSlice::new(message)];
                socket.try_write_vectored(&slices)
            } else {
                socket.try_write(&message[parcel.written - ahead.len()..])
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => parcel.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if parcel.written == parcel.ahead_len + parcel.message.len() {
                self.queue.pop_front();
            }
        }
        Ok(true)
    }

    pub(super) fn close(&mut self) {
        self.socket = None;
        self.queue.clear();
    }
}

/// Writes what could not be written at once, until the connection ends.
pub(super) async fn write(shared: Arc<Shared>, socket: Arc<OwnedWriteHalf>) {
    let mut lost = shared.lost.subscribe();
    let work = async {
        loop {
            shared.sendable.notified().await;
            loop {
                if socket.writable().await.is_err() {
                    return;
                }
                let all = locked(&shared.outbox).go_on();
                match all {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(_) => return,
                }
            }
        }
    };
    tokio::select! {
        _ = lost.wait_for(|lost| *lost) => {}
        () = work => shared.end(Trouble::Lost),
    }
}
