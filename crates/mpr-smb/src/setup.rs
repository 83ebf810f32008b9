//! SESSION_SETUP: proving who the user is, and the keys that come of it (MS-SMB2 3.2.4.2.3 and 3.2.5.3).
//!
//! The messages by which a user is proved are NTLM's, by `smb2`, or Kerberos', by the system. `smb2` could carry
//! neither where we need it: it has Kerberos for one file of tickets and one key distribution centre, with no way to hand it
//! messages made elsewhere, and of a server with long ciphers only it derives a key for signing that is as long.

use std::time::Duration;

use mpr_kerberos::{Exchange, Why};
use smb2::auth::ntlm::{NtlmAuthenticator, NtlmCredentials};
use smb2::client::{Cipher, Connection, Session};
use smb2::crypto::kdf::{PreauthHasher, derive_session_keys};
use smb2::crypto::signing::{algorithm_for_dialect, verify_signature};
use smb2::error::SignatureFailure;
use smb2::msg::session_setup::{
    SessionFlags, SessionSetupRequest, SessionSetupRequestFlags, SessionSetupResponse,
};
use smb2::pack::{ReadCursor, Unpack};
use smb2::types::flags::{Capabilities, SecurityMode};
use smb2::types::status::NtStatus;
use smb2::types::{Command, Dialect};
use zeroize::Zeroizing;

use crate::tap::Tap;

/// How long key distribution centres may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The most messages that are exchanged. One or two are usual.
const MOST: usize = 4;
/// The service by which servers of files are known.
const SERVICE: &str = "cifs";
/// As much of a key as all but the long ciphers use (MS-SMB2 3.2.5.3.1).
const SHORT_KEY: usize = 16;

/// What proves the user.
pub(crate) enum Prover {
    Password(Box<NtlmAuthenticator>),
    /// Elsewhere while it works.
    Ticket(Option<Exchange>),
}

/// Why there is no session.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The server refuses, or the connection fails.
    Server(smb2::Error),
    /// The ticket proves nothing here.
    Ticket(Why),
}

impl From<smb2::Error> for Stopped {
    fn from(error: smb2::Error) -> Stopped {
        Stopped::Server(error)
    }
}

impl Prover {
    pub(crate) fn by_password(user: &str, password: &str, domain: &str) -> (Prover, Vec<u8>) {
        let (username, password, domain) = (user.to_owned(), password.to_owned(), domain.to_owned());
        let mut ntlm = NtlmAuthenticator::new(NtlmCredentials { username, password, domain });
        let first = ntlm.negotiate();
        (Prover::Password(Box::new(ntlm)), first)
    }

    /// By a ticket of `wanted`, or of whomever there is one for; answers also whose it is.
    pub(crate) async fn by_ticket(
        host: &str,
        wanted: Option<&str>,
    ) -> Result<(Prover, Vec<u8>, String), Stopped> {
        let (host, wanted) = (host.to_owned(), wanted.map(str::to_owned));
        let begun = apart(move || mpr_kerberos::begin(SERVICE, &host, wanted.as_deref())).await;
        let (exchange, first) = begun.map_err(Stopped::Ticket)?;
        let principal = exchange.principal().to_owned();
        Ok((Prover::Ticket(Some(exchange)), first, principal))
    }

    /// Goes on with what the server has answered, `last` with its yes.
    async fn go_on(&mut self, answer: Vec<u8>, last: bool) -> Result<Option<Vec<u8>>, Stopped> {
        match self {
            // It has nothing to say about a yes.
            Prover::Password(_) if last => Ok(None),
            Prover::Password(ntlm) => Ok(Some(ntlm.authenticate(&answer)?)),
            Prover::Ticket(exchange) => {
                let mut working = exchange.take().ok_or_else(unclear)?;
                let worked = apart(move || {
                    let next = working.go_on(&answer)?;
                    Ok((working, next))
                });
                let (worked, next) = worked.await.map_err(Stopped::Ticket)?;
                *exchange = Some(worked);
                Ok(next)
            }
        }
    }

    fn key(&self) -> Result<Zeroizing<Vec<u8>>, Stopped> {
        let key = match self {
            Prover::Password(ntlm) => ntlm.session_key().map(|key| Zeroizing::new(key.to_vec())),
            Prover::Ticket(Some(exchange)) => exchange.key().map_err(Stopped::Ticket)?,
            Prover::Ticket(None) => None,
        };
        key.ok_or_else(|| unclear().into())
    }
}

/// Makes a session. `account` is who the user is to be; without one, whoever the server makes of them.
pub(crate) async fn session(
    connection: &mut Connection,
    tap: &Tap,
    (mut prover, mut message): (Prover, Vec<u8>),
    account: Option<&str>,
) -> Result<Session, Stopped> {
    let mut hasher = connection.preauth_hasher();
    for _ in 0..MOST {
        let request = SessionSetupRequest {
            flags: SessionSetupRequestFlags(0),
            security_mode: SecurityMode::new(SecurityMode::SIGNING_ENABLED),
            capabilities: Capabilities::default(),
            channel: 0,
            previous_session_id: connection.previous_session_id().0,
            security_buffer: message,
        };
        let frame = connection.execute(Command::SessionSetup, &request, None).await?;
        hasher.update(&tap.last_session_setup().ok_or_else(unclear)?);
        let status = frame.header.status;
        let last = status == NtStatus::SUCCESS;
        if !last && !status.is_more_processing_required() {
            return Err(smb2::Error::Protocol { status, command: Command::SessionSetup }.into());
        }
        connection.set_session_id(frame.header.session_id);
        let answer = SessionSetupResponse::unpack(&mut ReadCursor::new(&frame.body))?;
        let next = prover.go_on(answer.security_buffer, last).await?;
        if !last {
            // The last answer is not covered by the hash: it is signed.
            hasher.update(&frame.raw);
            message = next.ok_or_else(unclear)?;
            continue;
        }
        let session = with_keys(connection, &prover.key()?, &hasher, answer.session_flags)?;
        judge(connection, &session, &frame, answer.session_flags, account)?;
        if session.should_sign {
            connection.activate_signing(session.signing_key.clone(), session.signing_algorithm);
        }
        if let (true, Some(there), Some(back)) =
            (session.should_encrypt, &session.encryption_key, &session.decryption_key)
        {
            let cipher = connection.params().and_then(|params| params.cipher).unwrap_or(Cipher::Aes128Ccm);
            connection.activate_encryption(there.clone(), back.clone(), cipher);
        }
        connection.adopt_session(&session);
        return Ok(session);
    }
    Err(unclear().into())
}

/// The session that comes of a key.
fn with_keys(
    connection: &Connection,
    key: &[u8],
    hasher: &PreauthHasher,
    flags: SessionFlags,
) -> Result<Session, Stopped> {
    let params = connection.params().ok_or_else(unclear)?;
    // A shorter one is filled with zeros.
    let mut short = Zeroizing::new([0; SHORT_KEY]);
    let length = key.len().min(SHORT_KEY);
    short[..length].copy_from_slice(&key[..length]);
    let hash = (params.dialect == Dialect::Smb3_1_1).then(|| hasher.value());
    let derived = match params.dialect {
        Dialect::Smb2_0_2 | Dialect::Smb2_1 => None,
        dialect => Some(derive_session_keys(&*short, dialect, hash, 128)),
    };
    // Signing has short keys in any case.
    let ciphers = match params.cipher {
        Some(Cipher::Aes256Ccm | Cipher::Aes256Gcm) if hash.is_some() => {
            Some(derive_session_keys(key, params.dialect, hash, 256))
        }
        _ => derived.clone(),
    };
    Ok(Session {
        session_id: connection.session_id(),
        signing_key: derived.map_or_else(|| short.to_vec(), |keys| keys.signing_key),
        encryption_key: ciphers.as_ref().map(|keys| keys.encryption_key.clone()),
        decryption_key: ciphers.map(|keys| keys.decryption_key),
        signing_algorithm: algorithm_for_dialect(params.dialect, params.gmac_negotiated),
        // Even if the server demands it of others: it expects no signature of somebody without a key, and what everybody
        // could have signed proves nothing.
        should_sign: !flags.is_guest() && !flags.is_null(),
        should_encrypt: flags.encrypt_data(),
    })
}

/// Refuses a yes that makes somebody else of an account, or that does not come from who knows the key. It says
/// whether the session is protected at all, and until now anybody could have said it.
fn judge(
    connection: &Connection,
    session: &Session,
    frame: &smb2::client::connection::Frame,
    flags: SessionFlags,
    account: Option<&str>,
) -> smb2::Result<()> {
    let Some(account) = account else { return Ok(()) };
    if flags.is_guest() || flags.is_null() {
        if account.eq_ignore_ascii_case("guest") {
            return Ok(());
        }
        return Err(smb2::Error::GuestSessionRefused {
            username: account.to_owned(),
            anonymous: !flags.is_guest(),
        });
    }
    let message_id = frame.header.message_id;
    let is_signed = frame.header.flags.is_signed();
    let is_2 = connection
        .params()
        .is_some_and(|params| matches!(params.dialect, Dialect::Smb2_0_2 | Dialect::Smb2_1));
    match (is_signed, is_2) {
        (true, _) => {
            verify_signature(&frame.raw, &session.signing_key, session.signing_algorithm, message_id.0, false)
        }
        // SMB 2 need not sign it, and has nothing in it that could be taken away.
        (false, true) => Ok(()),
        (false, false) => Err(smb2::Error::SignatureInvalid {
            command: Command::SessionSetup,
            message_id,
            reason: SignatureFailure::Missing,
        }),
    }
}

fn unclear() -> smb2::Error {
    smb2::Error::invalid_data("the server's answer to the proof of the user cannot be understood")
}

/// On a thread of its own: Kerberos waits for files and for key distribution centres.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Why> + Send + 'static) -> Result<T, Why> {
    match tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(Why::Failed(error.to_string())),
        Err(_) => Err(Why::Failed(format!(
            "no key distribution centre has answered within {} seconds",
            PATIENCE.as_secs()
        ))),
    }
}
