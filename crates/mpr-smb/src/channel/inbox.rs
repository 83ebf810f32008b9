//! What comes from the server: cut into messages, decrypted, and given to whoever waits for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use smb2::types::Command;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;

use super::seal::{TRANSFORM, TRANSFORM_HEADER};
use super::{Arrival, MOST_CREDITS, Shared, frame};
use crate::link::Trouble;
use crate::locked;

/// Bytes read at once while messages are short.
const CHUNK: usize = 64 << 10;
/// From this length on a message is read into memory of its own, instead of being copied there.
const LONG: usize = 16 << 10;
/// Bytes read at once after a long message, which is likely to be followed by another: of that only what tells its
/// length is not read where it belongs.
const HEAD: usize = 256;

/// The server says something that cannot be understood; nothing after it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonsense;

/// Reads until the connection ends.
pub(super) async fn read(
    shared: Arc<Shared>,
    socket: OwnedReadHalf,
    rest: BytesMut,
    breaks: mpsc::Sender<Bytes>,
) {
    let mut lost = shared.lost.subscribe();
    tokio::select! {
        _ = lost.wait_for(|lost| *lost) => {}
        _ = take_messages(&shared, socket, rest, &breaks) => shared.end(Trouble::Lost),
    }
}

async fn take_messages(
    shared: &Arc<Shared>,
    mut socket: OwnedReadHalf,
    mut buffer: BytesMut,
    breaks: &mpsc::Sender<Bytes>,
) -> io::Result<()> {
    loop {
        let mut at_once = CHUNK;
        while let Some(length) = length_ahead(&buffer)? {
            if length >= LONG {
                at_once = HEAD;
                let frame = long_frame(&mut socket, &mut buffer, length).await?;
                shared.arrived(frame, breaks).map_err(|Nonsense| io::ErrorKind::InvalidData)?;
                // Whoever has been woken may be waiting behind this task.
                tokio::task::yield_now().await;
            } else if buffer.len() >= 4 + length {
                let frame = BytesMut::from(&buffer[4..4 + length]);
                bytes::Buf::advance(&mut buffer, 4 + length);
                shared.arrived(frame, breaks).map_err(|Nonsense| io::ErrorKind::InvalidData)?;
            } else {
                break;
            }
        }
        buffer.reserve(at_once);
        let mut some = (&mut buffer).limit(at_once);
        if socket.read_buf(&mut some).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The length of the frame a buffer starts with, if that much of it is there.
pub(super) fn length_ahead(buffer: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*head) as usize;
    if (frame::HEADER..=frame::LONGEST).contains(&length) {
        Ok(Some(length))
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

async fn long_frame(
    socket: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    length: usize,
) -> io::Result<BytesMut> {
    bytes::Buf::advance(buffer, 4);
    let mut frame = BytesMut::with_capacity(length);
    let here = buffer.len().min(length);
    frame.extend_from_slice(&buffer[..here]);
    bytes::Buf::advance(buffer, here);
    while frame.len() < length {
        let missing = (length - frame.len()) as u64;
        if socket.take(missing).read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame)
}

impl Shared {
    /// Gives the messages of a frame to whoever waits for them.
    fn arrived(
        self: &Arc<Shared>,
        mut frame: BytesMut,
        breaks: &mpsc::Sender<Bytes>,
    ) -> Result<(), Nonsense> {
        self.tally.heard(frame.len());
        let sealed = frame.starts_with(&TRANSFORM);
        if sealed {
            self.seal.decrypt(&mut frame).map_err(|_| Nonsense)?;
            bytes::Buf::advance(&mut frame, TRANSFORM_HEADER);
        }
        for message in frame::split(frame).ok_or(Nonsense)? {
            if message.id == frame::UNASKED {
                // Servers neither sign nor encrypt these. One that was forged costs what was kept, and tells
                // nothing.
                if frame::answers(&message, Command::OplockBreak) {
                    breaks.try_send(message.into_body()).map_err(|_| Nonsense)?;
                }
                continue;
            }
            if self.seal.encrypts() && !sealed {
                return Err(Nonsense);
            }
            self.answered(message, sealed)?;
        }
        Ok(())
    }

    fn answered(self: &Arc<Shared>, message: frame::Message, sealed: bool) -> Result<(), Nonsense> {
        let mut waiting = locked(&self.waiting);
        if message.is_interim() {
            if let Some(waiter) = waiting.requests.get_mut(&message.id) {
                waiter.heard = Instant::now();
                waiter.async_id = message.async_id;
            }
            drop(waiting);
            self.credit(message.credits, 0);
            return Ok(());
        }
        let waiter = waiting.requests.remove(&message.id);
        drop(waiting);
        // An answer to nothing that was asked.
        let waiter = waiter.ok_or(Nonsense)?;
        self.credit(message.credits, waiter.charge);
        if !frame::answers(&message, waiter.command) {
            return Err(Nonsense);
        }
        if waiter.async_id.is_none() {
            self.tally.answered(waiter.sent.elapsed());
        }
        let id = message.id;
        if let Err(mut arrival) = waiter.to.send(Arrival { message, sealed }) {
            self.abandon(&mut arrival, id, waiter.orphanage);
        }
        Ok(())
    }

    /// Adds what the server grants, and takes what a request cost out of what there is.
    fn credit(&self, granted: u16, charge: u16) {
        let window = self.window.load(Ordering::Relaxed).saturating_sub(charge.into());
        let granted = u32::from(granted).min(MOST_CREDITS.saturating_sub(window));
        // Only the task that reads changes it.
        self.window.store(window + granted, Ordering::Relaxed);
        self.credits.add_permits(granted as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_no_message_has_is_refused() {
        assert!(matches!(length_ahead(&[0, 0, 0]), Ok(None)));
        assert!(matches!(length_ahead(&[0, 0, 1, 0]), Ok(Some(256))));
        assert!(length_ahead(&[0, 0, 0, 63]).is_err());
        assert!(length_ahead(&[1, 0, 0, 64]).is_err());
        assert!(length_ahead(&[0x82, 0, 0, 0]).is_err());
    }
}
