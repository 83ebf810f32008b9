//! The transport on which `smb2` makes a session, before the socket is taken over.
//!
//! `smb2` 0.39 leaves the encryption bit out of the capabilities it sends with NEGOTIATE; Samba then chooses
//! no cipher, and a share that requires encryption cannot be reached. It also calls itself by another number each
//! time, by which a server cannot tell that leases and durable handles are this client's. This transport sets
//! both on their way out. Since the hash that protects the negotiation must cover what was really sent, it also
//! keeps both messages, and [`Tap::mend_hash`] computes the hash over them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use smb2::client::Connection;
use smb2::crypto::kdf::PreauthHasher;
use smb2::transport::{TransportReceive, TransportSend};
use smb2::types::flags::Capabilities;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::channel::Socket;
use crate::locked;

const SIGNATURE: [u8; 4] = [0xFE, b'S', b'M', b'B'];
/// Offset of the command in a message, and the numbers of two.
const COMMAND: usize = 12;
const NEGOTIATE: [u8; 2] = [0, 0];
const SESSION_SETUP: [u8; 2] = [1, 0];
/// Offsets in a NEGOTIATE request, behind a header of 64 bytes.
const DIALECT_COUNT: usize = 66;
const SECURITY_MODE: usize = 68;
const CAPABILITIES: usize = 72;
const GUID: usize = 76;
const DIALECTS: usize = 100;
/// Offsets in the answer.
const ITS_SECURITY_MODE: usize = 66;
const ITS_DIALECT: usize = 68;
const ITS_GUID: usize = 72;
const ITS_CAPABILITIES: usize = 88;
/// The longest message while a session is made.
const LONGEST: usize = 1 << 20;

/// The transport and what it has overheard.
pub(crate) struct Tap {
    reading: tokio::sync::Mutex<Option<(OwnedReadHalf, BytesMut)>>,
    writing: tokio::sync::Mutex<Option<OwnedWriteHalf>>,
    overheard: Mutex<Overheard>,
    client: [u8; 16],
}

#[derive(Default)]
struct Overheard {
    request: Option<Vec<u8>>,
    response: Option<Vec<u8>>,
    session_setup: Option<Vec<u8>>,
}

impl Tap {
    /// A transport for a client of this number.
    pub(crate) fn new(stream: TcpStream, client: [u8; 16]) -> Arc<Tap> {
        let (reading, writing) = stream.into_split();
        Arc::new(Tap {
            reading: Some((reading, BytesMut::new())).into(),
            writing: Some(writing).into(),
            overheard: Mutex::default(),
            client,
        })
    }

    /// Replaces the connection's hash of the negotiation by one over what was really sent.
    pub(crate) fn mend_hash(&self, connection: &Connection) {
        let overheard = locked(&self.overheard);
        if let (Some(request), Some(response)) = (&overheard.request, &overheard.response) {
            connection.with_preauth_hasher_mut(|hasher| {
                *hasher = PreauthHasher::new();
                hasher.update(request);
                hasher.update(response);
            });
        }
    }

    /// The last request for a session, as it went out.
    pub(crate) fn last_session_setup(&self) -> Option<Vec<u8>> {
        locked(&self.overheard).session_setup.take()
    }

    /// The socket, once the connection that used it has been given up.
    pub(crate) async fn take_socket(&self) -> Option<Socket> {
        let (reading, rest) = self.reading.lock().await.take()?;
        let writing = self.writing.lock().await.take()?;
        Some(Socket { reading, writing, rest })
    }

    /// What FSCTL_VALIDATE_NEGOTIATE_INFO asks, and what an honest answer to it is: what was said in the
    /// negotiation, which nobody has signed.
    pub(crate) fn what_was_negotiated(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let overheard = locked(&self.overheard);
        let (request, response) = (overheard.request.as_ref()?, overheard.response.as_ref()?);
        let count = usize::from(u16::from_le_bytes(*request.get(DIALECT_COUNT..)?.first_chunk()?));
        let ours = [
            request.get(CAPABILITIES..GUID + 16)?,
            request.get(SECURITY_MODE..SECURITY_MODE + 2)?,
            request.get(DIALECT_COUNT..DIALECT_COUNT + 2)?,
            request.get(DIALECTS..DIALECTS + 2 * count)?,
        ];
        let theirs = [
            response.get(ITS_CAPABILITIES..ITS_CAPABILITIES + 4)?,
            response.get(ITS_GUID..ITS_GUID + 16)?,
            response.get(ITS_SECURITY_MODE..ITS_SECURITY_MODE + 2)?,
            response.get(ITS_DIALECT..ITS_DIALECT + 2)?,
        ];
        Some((ours.concat(), theirs.concat()))
    }
}

fn has_command(message: &[u8], command: [u8; 2]) -> bool {
    message.starts_with(&SIGNATURE) && message.get(COMMAND..COMMAND + 2) == Some(&command)
}

/// The message as this client sends it, if it is a NEGOTIATE request.
fn announce(message: &[u8], client: &[u8; 16]) -> Option<Vec<u8>> {
    let is_negotiate = has_command(message, NEGOTIATE) && message.len() >= DIALECTS;
    is_negotiate.then(|| {
        let mut changed = message.to_vec();
        changed[CAPABILITIES] |= (Capabilities::ENCRYPTION | Capabilities::PERSISTENT_HANDLES) as u8;
        changed[GUID..GUID + 16].copy_from_slice(client);
        changed
    })
}

fn gone() -> smb2::Error {
    smb2::Error::Disconnected
}

#[async_trait]
impl TransportSend for Tap {
    async fn send(&self, data: &[u8]) -> smb2::Result<()> {
        let changed = announce(data, &self.client);
        if let Some(changed) = &changed {
            locked(&self.overheard).request = Some(changed.clone());
        }
        if has_command(data, SESSION_SETUP) {
            locked(&self.overheard).session_setup = Some(data.to_vec());
        }
        let message = changed.as_deref().unwrap_or(data);
        let length = u32::try_from(message.len()).map_err(|_| gone())?;
        let mut writing = self.writing.lock().await;
        let socket = writing.as_mut().ok_or_else(gone)?;
        let framed = [&length.to_be_bytes(), message].concat();
        socket.write_all(&framed).await.map_err(smb2::Error::Io)
    }
}

#[async_trait]
impl TransportReceive for Tap {
    async fn receive(&self) -> smb2::Result<Vec<u8>> {
        let mut reading = self.reading.lock().await;
        let (socket, buffer) = reading.as_mut().ok_or_else(gone)?;
        let message = loop {
            if let Some(head) = buffer.first_chunk::<4>() {
                let length = u32::from_be_bytes(*head) as usize;
                if length > LONGEST {
                    return Err(smb2::Error::invalid_data("a message is too long"));
                }
                if buffer.len() >= 4 + length {
                    buffer.advance(4);
                    break buffer.split_to(length).to_vec();
                }
            }
            if socket.read_buf(buffer).await.map_err(smb2::Error::Io)? == 0 {
                return Err(gone());
            }
        };
        let mut overheard = locked(&self.overheard);
        // NEGOTIATE is the first request, and nothing else is sent before its answer has come.
        if overheard.request.is_some() && overheard.response.is_none() {
            overheard.response = Some(message.clone());
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_negotiate_request_is_changed_and_only_where_it_has_to_be() {
        let mut message = vec![0; 110];
        message[..4].copy_from_slice(&SIGNATURE);
        let changed = announce(&message, &[7; 16]).unwrap();
        assert_eq!(changed[CAPABILITIES], 0x50);
        message[CAPABILITIES] = 0x50;
        message[GUID..GUID + 16].fill(7);
        assert_eq!(changed, message);

        message[COMMAND] = 1;
        assert_eq!(announce(&message, &[7; 16]), None);
        assert_eq!(announce(&SIGNATURE, &[7; 16]), None);
        assert_eq!(announce(&[0; 110], &[7; 16]), None);
    }
}
