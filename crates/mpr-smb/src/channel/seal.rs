//! Signing and encryption of messages, in place: a read of a mebibyte is not copied to be checked.
//!
//! The keys come from `smb2`, which proves who the user is; so do the rules, from [MS-SMB2] 3.1.4 and 3.1.5.

use std::sync::atomic::{AtomicU64, Ordering};

use aes::{Aes128, Aes256};
use aes_gcm::Aes128Gcm;
use aes_gcm::aead::array::Array;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use ccm::Ccm;
use ccm::consts::{U11, U16};
use cmac::{Cmac, Mac};
use hmac::Hmac;
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha2::Sha256;
use smb2::client::{Cipher, Session};
use smb2::crypto::signing::SigningAlgorithm;
use smb2::types::SessionId;

use super::frame::{HEADER, SIGNATURE};

/// What an encrypted message starts with.
pub(crate) const TRANSFORM: [u8; 4] = [0xFD, b'S', b'M', b'B'];
/// Bytes before an encrypted message.
pub(crate) const TRANSFORM_HEADER: usize = 52;
/// What of them is authenticated: all behind the identifier and the signature.
const AUTHENTICATED: usize = 20;

/// A message is not what its sender made it, or cannot be read with these keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forged;

/// How the messages of a session are protected.
pub(crate) struct Seal {
    session: SessionId,
    signer: Option<Signer>,
    crypt: Option<Crypt>,
}

enum Signer {
    Hmac(Box<Hmac<Sha256>>),
    Cmac(Box<Cmac<Aes128>>),
    /// Not of the crate that encrypts with the same cipher: over what is only authenticated it takes three times as long.
    Gmac(Box<Aes128Gcm>),
}

struct Crypt {
    there: Lock,
    back: Lock,
    /// Counts the messages: no number is used twice with one key.
    sent: AtomicU64,
}

enum Lock {
    Ccm128(Box<Ccm<Aes128, U16, U11>>),
    Ccm256(Box<Ccm<Aes256, U16, U11>>),
    /// With a key of either length.
    Gcm(Box<LessSafeKey>),
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seal")
            .field("signs", &self.signer.is_some())
            .field("encrypts", &self.crypt.is_some())
            .finish_non_exhaustive()
    }
}

impl Seal {
    /// Protection by a session's keys, encrypting if a cipher is given.
    pub(crate) fn of(session: &Session, cipher: Option<Cipher>) -> Result<Seal, Forged> {
        let signer = if session.should_sign {
            Some(Signer::new(session.signing_algorithm, &session.signing_key)?)
        } else {
            None
        };
        let crypt = match (cipher, &session.encryption_key, &session.decryption_key) {
            (Some(cipher), Some(there), Some(back)) => Some(Crypt {
                there: Lock::new(cipher, there)?,
                back: Lock::new(cipher, back)?,
                sent: AtomicU64::new(0),
            }),
            (Some(_), _, _) => return Err(Forged),
            (None, _, _) => None,
        };
        Ok(Seal { session: session.session_id, signer, crypt })
    }

    pub(crate) fn session(&self) -> SessionId {
        self.session
    }

    pub(crate) fn signs(&self) -> bool {
        self.signer.is_some()
    }

    pub(crate) fn encrypts(&self) -> bool {
        self.crypt.is_some()
    }

    /// Signs one message that goes out.
    pub(crate) fn sign(&self, message: &mut [u8], id: u64, cancels: bool) {
        if let Some(signer) = &self.signer {
            message[SIGNATURE].fill(0);
            let signature = signer.signature(message, id, cancels, false);
            message[SIGNATURE].copy_from_slice(&signature);
        }
    }

    /// Whether a message that came in was signed by the server. Its signature is wiped on the way.
    pub(crate) fn verify(&self, message: &mut [u8], id: u64, cancels: bool) -> Result<(), Forged> {
        let Some(signer) = &self.signer else { return Ok(()) };
        if message.len() < HEADER {
            return Err(Forged);
        }
        let mut received = [0; 16];
        received.copy_from_slice(&message[SIGNATURE]);
        message[SIGNATURE].fill(0);
        if equal(&received, &signer.signature(message, id, cancels, true)) { Ok(()) } else { Err(Forged) }
    }

    /// Encrypts a message that goes out; the answer goes before it.
    pub(crate) fn encrypt(&self, message: &mut [u8]) -> Option<[u8; TRANSFORM_HEADER]> {
        let crypt = self.crypt.as_ref()?;
        let mut header = [0; TRANSFORM_HEADER];
        header[..4].copy_from_slice(&TRANSFORM);
        header[20..28].copy_from_slice(&crypt.sent.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        let length = u32::try_from(message.len()).ok()?;
        header[36..40].copy_from_slice(&length.to_le_bytes());
        header[42..44].copy_from_slice(&1u16.to_le_bytes());
        header[44..52].copy_from_slice(&self.session.0.to_le_bytes());
        let tag = crypt.there.lock(&header[20..36], &header[AUTHENTICATED..], message)?;
        header[4..20].copy_from_slice(&tag);
        Some(header)
    }

    /// Decrypts a message that came in, in place behind its header.
    pub(crate) fn decrypt(&self, message: &mut [u8]) -> Result<(), Forged> {
        let crypt = self.crypt.as_ref().ok_or(Forged)?;
        let (header, sealed) = message.split_at_mut_checked(TRANSFORM_HEADER).ok_or(Forged)?;
        if header[44..52] != self.session.0.to_le_bytes() {
            return Err(Forged);
        }
        let mut tag = [0; 16];
        tag.copy_from_slice(&header[4..20]);
        crypt.back.unlock(&header[20..36], &header[AUTHENTICATED..], &tag, sealed)
    }
}

impl Signer {
    fn new(algorithm: SigningAlgorithm, key: &[u8]) -> Result<Signer, Forged> {
        // A session key has 16 bytes; of a longer one for a longer cipher the signature takes as much.
        let key = key.get(..16).ok_or(Forged)?;
        Ok(match algorithm {
            SigningAlgorithm::HmacSha256 => {
                Signer::Hmac(Box::new(Hmac::new_from_slice(key).map_err(|_| Forged)?))
            }
            SigningAlgorithm::AesCmac => {
                Signer::Cmac(Box::new(Cmac::new_from_slice(key).map_err(|_| Forged)?))
            }
            SigningAlgorithm::AesGmac => {
                Signer::Gmac(Box::new(Aes128Gcm::new_from_slice(key).map_err(|_| Forged)?))
            }
        })
    }

    fn signature(&self, message: &[u8], id: u64, cancels: bool, from_server: bool) -> [u8; 16] {
        let mut signature = [0; 16];
        match self {
            Signer::Hmac(mac) => {
                let mut mac = mac.as_ref().clone();
                mac.update(message);
                signature.copy_from_slice(&mac.finalize().into_bytes()[..16]);
            }
            Signer::Cmac(mac) => {
                let mut mac = mac.as_ref().clone();
                mac.update(message);
                signature.copy_from_slice(&mac.finalize().into_bytes());
            }
            Signer::Gmac(cipher) => {
                let mut nonce = [0; 12];
                nonce[..8].copy_from_slice(&id.to_le_bytes());
                nonce[8] = u8::from(from_server) | u8::from(cancels) << 1;
                let nothing: &mut [u8] = &mut [];
                // Only a message of more than 2^36 bytes is refused.
                if let Ok(tag) =
                    cipher.encrypt_inout_detached((&nonce).into(), message, InOutBuf::from(nothing))
                {
                    signature.copy_from_slice(&tag);
                }
            }
        }
        signature
    }
}

impl Lock {
    fn new(cipher: Cipher, key: &[u8]) -> Result<Lock, Forged> {
        Ok(match cipher {
            Cipher::Aes128Ccm => Lock::Ccm128(Box::new(Ccm::new_from_slice(key).map_err(|_| Forged)?)),
            Cipher::Aes256Ccm => Lock::Ccm256(Box::new(Ccm::new_from_slice(key).map_err(|_| Forged)?)),
            Cipher::Aes128Gcm | Cipher::Aes256Gcm => {
                let algorithm = if cipher == Cipher::Aes128Gcm { &AES_128_GCM } else { &AES_256_GCM };
                let key = UnboundKey::new(algorithm, key).map_err(|_| Forged)?;
                Lock::Gcm(Box::new(LessSafeKey::new(key)))
            }
        })
    }

    fn lock(&self, nonce: &[u8], aad: &[u8], message: &mut [u8]) -> Option<[u8; 16]> {
        let tag = match self {
            Lock::Ccm128(cipher) => cipher.encrypt_inout_detached(&number(nonce)?, aad, message.into()),
            Lock::Ccm256(cipher) => cipher.encrypt_inout_detached(&number(nonce)?, aad, message.into()),
            Lock::Gcm(key) => {
                let nonce = Nonce::try_assume_unique_for_key(nonce.get(..12)?).ok()?;
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(aad), message).ok()?;
                return tag.as_ref().try_into().ok();
            }
        };
        Some(tag.ok()?.into())
    }

    fn unlock(&self, nonce: &[u8], aad: &[u8], tag: &[u8; 16], message: &mut [u8]) -> Result<(), Forged> {
        match self {
            Lock::Ccm128(cipher) => {
                let nonce = number(nonce).ok_or(Forged)?;
                cipher.decrypt_inout_detached(&nonce, aad, message.into(), tag.into()).map_err(|_| Forged)
            }
            Lock::Ccm256(cipher) => {
                let nonce = number(nonce).ok_or(Forged)?;
                cipher.decrypt_inout_detached(&nonce, aad, message.into(), tag.into()).map_err(|_| Forged)
            }
            Lock::Gcm(key) => {
                let nonce = nonce.get(..12).ok_or(Forged)?;
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Forged)?;
                let (tag, aad) = ((*tag).into(), Aad::from(aad));
                key.open_in_place_separate_tag(nonce, aad, tag, message, 0..).map_err(|_| Forged)?;
                Ok(())
            }
        }
    }
}

/// As much of the number field as the cipher takes.
fn number<N: aes_gcm::aead::array::ArraySize>(field: &[u8]) -> Option<Array<u8, N>> {
    Array::try_from(field.get(..N::USIZE)?).ok()
}

/// Compares without telling by the time it takes where they differ.
fn equal(one: &[u8; 16], other: &[u8; 16]) -> bool {
    std::hint::black_box(one.iter().zip(other).fold(0, |differs, (a, b)| differs | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(algorithm: SigningAlgorithm, key: usize) -> Session {
        Session {
            session_id: SessionId(7),
            signing_key: vec![1; 16],
            encryption_key: Some(vec![2; key]),
            decryption_key: Some(vec![2; key]),
            signing_algorithm: algorithm,
            should_sign: true,
            should_encrypt: false,
        }
    }

    const ALGORITHMS: [SigningAlgorithm; 3] =
        [SigningAlgorithm::HmacSha256, SigningAlgorithm::AesCmac, SigningAlgorithm::AesGmac];

    #[test]
    fn signatures_are_those_of_the_protocol_crate() {
        for algorithm in ALGORITHMS {
            let session = session(algorithm, 16);
            let seal = Seal::of(&session, None).unwrap();
            for cancels in [false, true] {
                let mut ours: Vec<u8> = (0..200).collect();
                let mut theirs = ours.clone();
                seal.sign(&mut ours, 42, cancels);
                smb2::crypto::signing::sign_message(
                    &mut theirs,
                    &session.signing_key,
                    algorithm,
                    42,
                    cancels,
                )
                .unwrap();
                assert_eq!(ours, theirs, "{algorithm:?}");
            }
        }
    }

    #[test]
    fn one_changed_bit_is_noticed() {
        for algorithm in ALGORITHMS {
            let seal = Seal::of(&session(algorithm, 16), None).unwrap();
            let mut message: Vec<u8> = (0..200).collect();
            message[SIGNATURE].fill(0);
            let signature = seal.signer.as_ref().unwrap().signature(&message, 5, false, true);
            message[SIGNATURE].copy_from_slice(&signature);
            assert_eq!(seal.verify(&mut message.clone(), 5, false), Ok(()));
            for at in [0, 47, 48, 63, 64, 199] {
                let mut changed = message.clone();
                changed[at] ^= 4;
                assert_eq!(seal.verify(&mut changed, 5, false), Err(Forged), "{algorithm:?} {at}");
            }
            assert_eq!(seal.verify(&mut message[..60].to_vec(), 5, false), Err(Forged));
        }
    }

    #[test]
    fn what_is_encrypted_is_read_by_the_protocol_crate_and_back() {
        let ciphers = [
            (Cipher::Aes128Ccm, 16),
            (Cipher::Aes128Gcm, 16),
            (Cipher::Aes256Ccm, 32),
            (Cipher::Aes256Gcm, 32),
        ];
        for (cipher, length) in ciphers {
            let session = session(SigningAlgorithm::AesGmac, length);
            let seal = Seal::of(&session, Some(cipher)).unwrap();
            let plain: Vec<u8> = (0..250).collect();
            let mut message = plain.clone();
            let header = seal.encrypt(&mut message).unwrap();
            assert_ne!(message, plain);
            let key = session.decryption_key.as_ref().unwrap();
            let read = smb2::crypto::encryption::decrypt_message(&header, &message, key, cipher).unwrap();
            assert_eq!(read, plain, "{cipher:?}");

            let mut whole = [header.as_slice(), &message].concat();
            let mut changed = whole.clone();
            seal.decrypt(&mut whole).unwrap();
            assert_eq!(whole[TRANSFORM_HEADER..], plain);
            changed[60] ^= 1;
            assert_eq!(seal.decrypt(&mut changed), Err(Forged));
        }
    }

    #[test]
    fn no_number_is_used_twice() {
        let seal = Seal::of(&session(SigningAlgorithm::AesGmac, 16), Some(Cipher::Aes128Gcm)).unwrap();
        let one = seal.encrypt(&mut [0; 64]).unwrap();
        let two = seal.encrypt(&mut [0; 64]).unwrap();
        assert_ne!(one[20..36], two[20..36]);
    }
}
