//! Messages as they lie on the wire: headers, chains of messages, the length before each.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use smb2::msg::header::Header;
use smb2::pack::{Pack, WriteCursor};
use smb2::types::Command;
use smb2::types::status::NtStatus;

/// What a message starts with.
const PROTOCOL: [u8; 4] = [0xFE, b'S', b'M', b'B'];
/// Bytes of a message's header.
pub(crate) const HEADER: usize = 64;
/// Where in it the signature is.
pub(crate) const SIGNATURE: Range<usize> = 48..64;
/// Where in it the distance to the next message of a chain is.
const NEXT: Range<usize> = 20..24;
/// The longest message that is taken: the largest read there is, and room for what surrounds it.
pub(crate) const LONGEST: usize = (8 << 20) + (64 << 10);
/// The number of messages nobody asked for.
pub(crate) const UNASKED: u64 = u64::MAX;

const RESPONSE: u32 = 1;
const ASYNC: u32 = 2;

/// One message of the server's, unchecked as yet.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: BytesMut,
    pub(crate) status: NtStatus,
    pub(crate) command: u16,
    /// Credits it grants.
    pub(crate) credits: u16,
    /// The request it answers.
    pub(crate) id: u64,
    /// The server's number for a request that takes longer.
    pub(crate) async_id: Option<u64>,
}

impl Message {
    /// Reads a header.
    fn of(bytes: BytesMut) -> Option<Message> {
        let u16_at = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        if bytes.len() < HEADER || !bytes.starts_with(&PROTOCOL) || u16_at(4)? != 64 {
            return None;
        }
        let flags = u32_at(16)?;
        if flags & RESPONSE == 0 {
            return None;
        }
        let (status, command, credits, id) = (NtStatus(u32_at(8)?), u16_at(12)?, u16_at(14)?, u64_at(24)?);
        let async_id = if flags & ASYNC != 0 { Some(u64_at(32)?) } else { None };
        Some(Message { status, command, credits, id, async_id, bytes })
    }

    /// Whether this only says that the answer will take longer.
    pub(crate) fn is_interim(&self) -> bool {
        self.status.is_pending() && self.async_id.is_some()
    }

    /// What follows the header.
    pub(crate) fn into_body(self) -> Bytes {
        self.bytes.freeze().slice(HEADER..)
    }
}

/// The messages of a frame. `None` if any of it cannot be a message: what follows could then not be found.
pub(crate) fn split(mut frame: BytesMut) -> Option<Vec<Message>> {
    let mut messages = Vec::with_capacity(1);
    loop {
        let next = u32::from_le_bytes(*frame.get(NEXT)?.first_chunk()?) as usize;
        if next == 0 {
            messages.push(Message::of(frame)?);
            return Some(messages);
        }
        if next < HEADER || !next.is_multiple_of(8) || next > frame.len() {
            return None;
        }
        let rest = frame.split_off(next);
        messages.push(Message::of(std::mem::replace(&mut frame, rest))?);
    }
}

/// A message to be sent.
pub(crate) fn pack(header: &Header, body: &dyn Pack, room: usize) -> Vec<u8> {
    let mut cursor = WriteCursor::with_capacity(HEADER + 192 + room);
    header.pack(&mut cursor);
    body.pack(&mut cursor);
    cursor.into_inner()
}

/// Pads a message so that another can follow it, and says so in it.
pub(crate) fn link_to_next(message: &mut Vec<u8>) {
    message.resize(message.len().next_multiple_of(8), 0);
    let length = u32::try_from(message.len()).expect("a request that others follow is a few hundred bytes");
    message[NEXT].copy_from_slice(&length.to_le_bytes());
}

/// Whether a message answers a request of this kind.
pub(crate) fn answers(message: &Message, command: Command) -> bool {
    message.command == u16::from(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(next: u32, id: u64) -> Vec<u8> {
        let mut bytes = vec![0; 72];
        bytes[..4].copy_from_slice(&PROTOCOL);
        bytes[4] = 64;
        bytes[16] = 1;
        bytes[NEXT].copy_from_slice(&next.to_le_bytes());
        bytes[24..32].copy_from_slice(&id.to_le_bytes());
        bytes
    }

    fn split_bytes(bytes: &[u8]) -> Option<Vec<u64>> {
        split(BytesMut::from(bytes)).map(|messages| messages.iter().map(|message| message.id).collect())
    }

    #[test]
    fn a_chain_is_taken_apart() {
        let chain = [message(72, 5), message(0, 6)].concat();
        assert_eq!(split_bytes(&chain), Some(vec![5, 6]));
        assert_eq!(split_bytes(&message(0, 9)), Some(vec![9]));
    }

    #[test]
    fn what_leads_out_of_a_frame_is_no_frame() {
        for next in [1, 8, 63, 65, 73, 80, u32::MAX] {
            assert_eq!(split_bytes(&[message(next, 5), message(0, 6)].concat()), None, "{next}");
        }
        assert_eq!(split_bytes(&message(72, 5)), None);
        assert_eq!(split_bytes(&message(0, 5)[..63]), None);
        assert_eq!(split_bytes(&[]), None);
    }

    #[test]
    fn a_request_is_no_answer() {
        let mut request = message(0, 5);
        request[16] = 0;
        assert_eq!(split_bytes(&request), None);
    }
}
