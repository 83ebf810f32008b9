//! A transport that lets encryption come up.
//!
//! `smb2` 0.39 leaves the encryption bit out of the capabilities it sends with NEGOTIATE; Samba then chooses
//! no cipher, and a share that requires encryption cannot be reached. This transport sets the bit on its way
//! out. Since the hash that protects the negotiation must cover what was really sent, it also keeps both
//! messages, and [`Tap::mend_hash`] computes the hash over them.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use smb2::client::Connection;
use smb2::crypto::kdf::PreauthHasher;
use smb2::transport::{ReceiveProgress, TcpTransport, TransportReceive, TransportSend};
use smb2::types::flags::Capabilities;

const SIGNATURE: [u8; 4] = [0xFE, b'S', b'M', b'B'];
/// Offset of the command in a message, and NEGOTIATE's number.
const COMMAND: usize = 12;
const NEGOTIATE: [u8; 2] = [0, 0];
/// Offset of the client's capabilities in a NEGOTIATE request: a header of 64 bytes, then 8.
const CAPABILITIES: usize = 72;

/// The transport and what it has overheard.
pub(crate) struct Tap {
    wire: TcpTransport,
    overheard: Mutex<Overheard>,
}

#[derive(Default)]
struct Overheard {
    request: Option<Vec<u8>>,
    response: Option<Vec<u8>>,
}

impl Tap {
    pub(crate) fn new(wire: TcpTransport) -> Arc<Tap> {
        Arc::new(Tap { wire, overheard: Mutex::default() })
    }

    /// Replaces the connection's hash of the negotiation by one over what was really sent.
    pub(crate) fn mend_hash(&self, connection: &Connection) {
        let overheard = self.overheard.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(request), Some(response)) = (&overheard.request, &overheard.response) {
            connection.with_preauth_hasher_mut(|hasher| {
                *hasher = PreauthHasher::new();
                hasher.update(request);
                hasher.update(response);
            });
        }
    }
}

/// The message with the encryption capability announced, if it is a NEGOTIATE request.
fn announce_encryption(message: &[u8]) -> Option<Vec<u8>> {
    let is_negotiate = message.starts_with(&SIGNATURE)
        && message.get(COMMAND..COMMAND + 2) == Some(&NEGOTIATE)
        && message.len() > CAPABILITIES;
    is_negotiate.then(|| {
        let mut changed = message.to_vec();
        changed[CAPABILITIES] |= Capabilities::ENCRYPTION as u8;
        changed
    })
}

#[async_trait]
impl TransportSend for Tap {
    async fn send(&self, data: &[u8]) -> smb2::Result<()> {
        match announce_encryption(data) {
            Some(changed) => {
                self.overheard.lock().unwrap_or_else(PoisonError::into_inner).request = Some(changed.clone());
                self.wire.send(&changed).await
            }
            None => self.wire.send(data).await,
        }
    }
}

#[async_trait]
impl TransportReceive for Tap {
    async fn receive(&self) -> smb2::Result<Vec<u8>> {
        let message = self.wire.receive().await?;
        let mut overheard = self.overheard.lock().unwrap_or_else(PoisonError::into_inner);
        // NEGOTIATE is the first request, and nothing else is sent before its answer has come.
        if overheard.request.is_some() && overheard.response.is_none() {
            overheard.response = Some(message.clone());
        }
        drop(overheard);
        Ok(message)
    }

    fn receive_progress(&self) -> Option<Arc<ReceiveProgress>> {
        self.wire.receive_progress()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_negotiate_request_is_changed_and_only_in_one_bit() {
        let mut message = vec![0; 100];
        message[..4].copy_from_slice(&SIGNATURE);
        let changed = announce_encryption(&message).unwrap();
        assert_eq!(changed[CAPABILITIES], 0x40);
        message[CAPABILITIES] = 0x40;
        assert_eq!(changed, message);

        message[COMMAND] = 1;
        assert_eq!(announce_encryption(&message), None);
        assert_eq!(announce_encryption(&SIGNATURE), None);
        assert_eq!(announce_encryption(&[0; 100]), None);
    }
}
