//! Reaching a server, proving who the user is, asking for a share.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mpr_abi::Status;
use mpr_helper::protocol::{Failure, Login, ShareKind, Stage};
use mpr_remotefs::Reached;
use smb2::client::{Cipher, Connection, Session};
use smb2::crypto::signing::SigningAlgorithm;
use smb2::msg::ioctl::{FSCTL_VALIDATE_NEGOTIATE_INFO, IoctlResponse};
use smb2::msg::tree_connect::{ShareType, TreeConnectRequest, TreeConnectRequestFlags, TreeConnectResponse};
use smb2::pack::{ReadCursor, Unpack};
use smb2::types::flags::{Capabilities, ShareCapabilities, ShareFlags};
use smb2::types::status::NtStatus;
use smb2::types::{Command, Dialect, FileId, MessageId, SessionId, TreeId};
use zeroize::Zeroizing;

use crate::channel::{Channel, Seal};
use crate::dial::Ahead;
use crate::setup::{self, Prover, Stopped};
use crate::status::wn;
use crate::tap::Tap;
use crate::wire;

/// How long a server may take to accept a TCP connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take over any request.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The port of SMB.
pub(crate) const PORT: u16 = 445;

/// Whom to connect as, and to what.
#[derive(Clone)]
pub struct Target {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port, if not 445.
    pub port: Option<u16>,
    /// Who connects.
    pub login: Login,
    /// By what an account proves itself.
    pub proof: Proof,
    /// The password, if there is one. Wiped when dropped.
    pub password: Option<Zeroizing<String>>,
    /// Refuse a server that cannot encrypt.
    pub require_encryption: bool,
    /// What can be chosen, and need not be.
    pub settings: Settings,
    /// A connection to it that was begun already.
    pub ahead: Ahead,
}

/// By what an account proves itself to a server. Guests and nobody have nothing to prove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Proof {
    /// By a password.
    #[default]
    Password,
    /// By a Kerberos ticket, of this principal or of whomever the user's tickets are for; never by anything else.
    Ticket(Option<String>),
}

/// How a connection behaves where that is a matter of taste.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long the server may take over any request, and a lost connection may be down before what waits for it
    /// fails.
    pub patience: Duration,
    /// Encrypt whenever the server can, and not only when it or the caller demands it.
    pub encrypt: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { patience: PATIENCE, encrypt: true }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Target {
    /// The principal whose ticket is to prove the account, if one is named; `None` for whom no ticket is to be used.
    fn ticket_of(&self) -> Option<Option<&str>> {
        match (&self.login, &self.proof) {
            (Login::Own { .. } | Login::Account { .. }, Proof::Ticket(wanted)) => Some(wanted.as_deref()),
            _ => None,
        }
    }

    /// From now on it is to be this user and nobody else who connects.
    pub(crate) fn stay(&mut self, principal: Option<&str>) {
        if let (Proof::Ticket(wanted), Some(principal)) = (&mut self.proof, principal) {
            *wanted = Some(principal.to_owned());
        }
    }

    /// The name people use, and can give to the command: `//host` or `//host@port`.
    pub(crate) fn name(&self) -> String {
        match self.port {
            Some(port) => format!("//{}@{port}", self.host),
            None => format!("//{}", self.host),
        }
    }

    /// The same user at another server; `here` says that it is this one, which has one port. What protects the
    /// traffic here is to protect it there.
    pub(crate) fn at(&self, host: String, here: bool, encrypted: bool) -> Target {
        Target {
            host,
            port: self.port.filter(|_| here),
            login: self.login.clone(),
            proof: self.proof.clone(),
            password: self.password.clone(),
            require_encryption: self.require_encryption || encrypted,
            settings: self.settings,
            ahead: Ahead::default(),
        }
    }
}

/// Called as connecting proceeds.
pub type OnStage<'a> = &'a (dyn Fn(Stage) + Send + Sync);

/// An authenticated connection to a server, without a share.
pub(crate) struct Signed {
    pub(crate) connection: Connection,
    session: Session,
    tap: Arc<Tap>,
    /// Whose ticket has proved the user.
    pub(crate) principal: Option<String>,
}

/// The number by which a client is known to servers over all its connections.
pub(crate) fn new_client() -> [u8; 16] {
    let half = || RandomState::new().build_hasher().finish().to_le_bytes();
    let mut number = [0; 16];
    number[..8].copy_from_slice(&half());
    number[8..].copy_from_slice(&half());
    number
}

/// A share that was granted.
pub(crate) struct Granted {
    pub(crate) tree: TreeId,
    pub(crate) kind: ShareKind,
    /// The server promises that it is there without a break.
    pub(crate) continuous: bool,
}

impl Signed {
    /// Reaches the server and authenticates. `previous` is the session this one replaces: the server ends it,
    /// so that what it held open does not stand in our own way.
    pub(crate) async fn in_to(
        target: &Target,
        client: [u8; 16],
        previous: Option<SessionId>,
        on_stage: OnStage<'_>,
    ) -> Reached<Signed> {
        let port = target.port.unwrap_or(PORT);
        let stream = crate::dial::dial(&target.host, port, &target.ahead, CONNECT_PATIENCE, on_stage)
            .await
            .map_err(|error| unreachable(target, &error))?;
        let tap = Tap::new(stream, client);
        let mut connection =
            Connection::from_transport(Box::new(Arc::clone(&tap)), Box::new(Arc::clone(&tap)), &target.host);
        connection.set_response_timeout(Some(target.settings.patience));
        connection.set_send_timeout(Some(target.settings.patience));
        // What comes over our own connection afterwards could not be read.
        connection.set_compression_requested(false);
        connection.negotiate().await.map_err(|error| {
            Failure::new(
                Status::BAD_NETPATH,
                format!("{} does not speak SMB 2 or 3: {}", target.name(), short(&error)),
            )
        })?;
        tap.mend_hash(&connection);

        on_stage(Stage::Authenticating);
        if let Some(previous) = previous {
            connection.set_previous_session_id(previous);
        }
        // Not sooner: what a name lacks counts only once a server stands behind it, since until then the name
        // may be of another network (spec/provider.md §2.4).
        let (session, principal) = match target.ticket_of() {
            Some(wanted) => {
                let failed = |who: &str, stopped| no_ticket(target, who, stopped);
                let begun = Prover::by_ticket(&target.host, wanted).await;
                let (prover, first, who) = begun.map_err(|stopped| failed("", stopped))?;
                let session = setup::session(&mut connection, &tap, (prover, first), Some(&who)).await;
                (session.map_err(|stopped| failed(&who, stopped))?, Some(who))
            }
            None => {
                let credentials = Credentials::of(target)?;
                let Credentials { user, password, domain } = credentials;
                let account = (!user.is_empty()).then_some(user);
                let begun = Prover::by_password(user, password, domain);
                let session = setup::session(&mut connection, &tap, begun, account).await;
                (session.map_err(|stopped| refused(target, &credentials, stopped))?, None)
            }
        };
        let mut signed = Signed { connection, session, tap, principal };
        if !target.require_encryption && !target.settings.encrypt {
            return Ok(signed);
        }
        match signed.encrypt(target) {
            Err(failure) if target.require_encryption => Err(failure),
            _ => Ok(signed),
        }
    }

    /// Asks for a share.
    pub(crate) async fn share(&mut self, target: &Target, share: &str) -> Reached<Granted> {
        let (granted, tree) = tree_connect(&self.connection, target, share).await?;
        if granted.share_flags.contains(ShareFlags::ENCRYPT_DATA) && !self.connection.should_encrypt() {
            self.encrypt(target)?;
        }
        self.prove(target, tree).await?;
        let kind = match granted.share_type {
            ShareType::Disk => ShareKind::Disk,
            ShareType::Print => ShareKind::Printer,
            ShareType::Pipe => ShareKind::Other,
        };
        let continuous = granted.capabilities.contains(ShareCapabilities::CONTINUOUS_AVAILABILITY);
        Ok(Granted { tree, kind, continuous })
    }

    fn encrypt(&mut self, target: &Target) -> Reached<()> {
        if self.connection.should_encrypt() {
            return Ok(());
        }
        match (self.cipher(), &self.session.encryption_key, &self.session.decryption_key) {
            // A guest's keys are known to everybody; encrypting with them would be for show.
            (Some(cipher), Some(encryption), Some(decryption)) if self.session.should_sign => {
                self.connection.activate_encryption(encryption.clone(), decryption.clone(), cipher);
                Ok(())
            }
            _ => Err(Failure::new(
                Status::ACCESS_DENIED,
                format!(
                    "encryption is required, but {} does not offer it to this user; it takes SMB 3 and an account with a password",
                    target.name()
                ),
            )),
        }
    }

    /// The cipher the server has, if it has one.
    fn cipher(&self) -> Option<Cipher> {
        self.connection.params().and_then(|params| match params.dialect {
            Dialect::Smb3_1_1 => params.cipher,
            // Before 3.1.1 there is one cipher, and a bit that says whether the server has it.
            Dialect::Smb3_0 | Dialect::Smb3_0_2 if params.capabilities.contains(Capabilities::ENCRYPTION) => {
                Some(Cipher::Aes128Ccm)
            }
            _ => None,
        })
    }

    /// Goes on over a connection of our own; `smb2` has done its part.
    pub(crate) async fn into_channel(self, target: &Target) -> Reached<Channel> {
        let lost = || {
            Failure::new(
                Status::NET_ERROR,
                format!("the connection to {} was lost as soon as it was made", target.name()),
            )
        };
        let encrypts = self.connection.should_encrypt();
        let cipher = if encrypts { Some(self.cipher().unwrap_or(Cipher::Aes128Ccm)) } else { None };
        let seal = Seal::of(&self.session, cipher).map_err(|_| lost())?;
        let next = MessageId(self.connection.next_message_id());
        let credits = self.connection.credits();
        // It lets go of the socket now, and nothing of a message has been read: no request is under way.
        self.connection.mark_dead();
        drop(self.connection);
        let socket = self.tap.take_socket().await.ok_or_else(lost)?;
        Ok(Channel::over(socket, seal, next, credits, target.settings.patience))
    }

    /// Has the server confirm, signed, what it said in the negotiation, where that does not prove itself: nobody is to
    /// have changed it on its way.
    async fn prove(&self, target: &Target, tree: TreeId) -> Reached<()> {
        let Some((question, answer)) = self.unproved() else { return Ok(()) };
        let request = wire::control(FileId::SENTINEL, FSCTL_VALIDATE_NEGOTIATE_INFO, question, 24);
        let said = self.connection.execute(Command::Ioctl, &request, Some(tree)).await;
        let proved = said.is_ok_and(|frame| match frame.header.status {
            // Servers older than this question say so, and the saying is signed.
            NtStatus(0xC000_0010 | 0xC000_00BB | 0xC000_0128 | 0xC000_0002) => true,
            status if status.is_success() => IoctlResponse::unpack(&mut ReadCursor::new(&frame.body))
                .is_ok_and(|said| said.output_data.get(..answer.len()) == Some(&answer[..])),
            _ => false,
        });
        let changed = || {
            let what = format!("somebody has changed what was agreed with {} on its way", target.name());
            Failure::new(Status::ACCESS_DENIED, what)
        };
        if proved { Ok(()) } else { Err(changed()) }
    }

    /// What proves that nobody has changed the negotiation on its way, where it does not prove itself: the question
    /// for FSCTL_VALIDATE_NEGOTIATE_INFO and the only answer to it that is believed.
    fn unproved(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let proves_itself =
            self.connection.params().is_some_and(|params| params.dialect == Dialect::Smb3_1_1);
        // What is not signed proves nothing.
        if proves_itself || !self.session.should_sign { None } else { self.tap.what_was_negotiated() }
    }

    /// How the user was proved, for people.
    pub(crate) fn authentication(&self, target: &Target) -> String {
        match (&self.principal, &target.login) {
            (Some(principal), _) => format!("Kerberos, {principal}"),
            (None, Login::Anonymous) => "none, as nobody".to_owned(),
            (None, Login::Guest) => "none, as guest".to_owned(),
            (None, Login::Own { .. } | Login::Account { .. }) => "NTLMv2".to_owned(),
        }
    }

    /// How messages are signed that are not encrypted; empty if they are not.
    pub(crate) fn signing(&self) -> &'static str {
        match (self.session.should_sign, self.session.signing_algorithm) {
            (false, _) => "",
            (true, SigningAlgorithm::HmacSha256) => "HMAC-SHA256",
            (true, SigningAlgorithm::AesCmac) => "AES-128-CMAC",
            (true, SigningAlgorithm::AesGmac) => "AES-128-GMAC",
        }
    }

    /// How messages are encrypted; empty if they are not.
    pub(crate) fn encryption(&self) -> &'static str {
        if !self.connection.should_encrypt() {
            return "";
        }
        match self.cipher().unwrap_or(Cipher::Aes128Ccm) {
            Cipher::Aes128Ccm => "AES-128-CCM",
            Cipher::Aes128Gcm => "AES-128-GCM",
            Cipher::Aes256Ccm => "AES-256-CCM",
            Cipher::Aes256Gcm => "AES-256-GCM",
        }
    }

    /// Dialect, signing and encryption, for people.
    pub(crate) fn security(&self) -> String {
        let dialect = self.connection.params().map_or("SMB", |params| match params.dialect {
            Dialect::Smb2_0_2 => "SMB 2.0.2",
            Dialect::Smb2_1 => "SMB 2.1",
            Dialect::Smb3_0 => "SMB 3.0",
            Dialect::Smb3_0_2 => "SMB 3.0.2",
            Dialect::Smb3_1_1 => "SMB 3.1.1",
        });
        let protection = match (self.connection.should_encrypt(), self.session.should_sign) {
            (true, _) => "encrypted",
            (false, true) => "signed",
            (false, false) => "unprotected",
        };
        format!("{dialect}, {protection}")
    }
}

/// Asks for a share over a connection.
pub(crate) async fn tree_connect(
    connection: &Connection,
    target: &Target,
    share: &str,
) -> Reached<(TreeConnectResponse, TreeId)> {
    let name = format!("{}/{share}", target.name());
    let request = TreeConnectRequest {
        flags: TreeConnectRequestFlags::default(),
        path: format!(r"\\{}\{share}", target.host),
    };
    let frame = connection
        .execute(Command::TreeConnect, &request, None)
        .await
        .map_err(|error| Failure::new(Status::NET_ERROR, format!("{name}: {}", short(&error))))?;
    let status = frame.header.status;
    if !status.is_success() {
        let code = wn(status);
        let what = match code {
            Status::BAD_NETNAME => format!(
                "{} has no share '{share}'; list its shares with: mpr browse {}",
                target.name(),
                target.name()
            ),
            Status::ACCESS_DENIED => {
                format!("{} does not let this user connect to '{share}'", target.name())
            }
            Status::FUNCTION_BUSY => format!("{name} takes no more connections now; try again later"),
            _ => format!("{name} was refused: {status}"),
        };
        return Err(Failure::new(code, what));
    }
    let malformed =
        || Failure::new(Status::NET_ERROR, format!("{name}: the server's answer cannot be understood"));
    let granted = TreeConnectResponse::unpack(&mut ReadCursor::new(&frame.body)).map_err(|_| malformed())?;
    let tree = frame.header.tree_id.ok_or_else(malformed)?;
    Ok((granted, tree))
}

/// What is sent to prove who the user is.
#[derive(Clone, Copy)]
struct Credentials<'a> {
    user: &'a str,
    password: &'a str,
    domain: &'a str,
}

impl<'a> Credentials<'a> {
    fn of(target: &'a Target) -> Reached<Credentials<'a>> {
        let password = target.password.as_deref().map(String::as_str);
        match &target.login {
            Login::Anonymous => Ok(Credentials { user: "", password: "", domain: "" }),
            Login::Guest => Ok(Credentials { user: "Guest", password: password.unwrap_or(""), domain: "" }),
            Login::Own { user } => Credentials::with_password(target, user, "", password),
            Login::Account { user, domain } => Credentials::with_password(target, user, domain, password),
        }
    }

    fn with_password(
        target: &Target,
        user: &'a str,
        domain: &'a str,
        password: Option<&'a str>,
    ) -> Reached<Credentials<'a>> {
        let missing = || {
            Failure::new(
                Status::BAD_PASSWORD,
                format!(
                    "{} needs a password for user '{user}' and none was given; give one, or connect as user 'guest' if the server allows guests",
                    target.name()
                ),
            )
        };
        password.map(|password| Credentials { user, password, domain }).ok_or_else(missing)
    }
}

fn unreachable(target: &Target, error: &io::Error) -> Failure {
    let name = target.name();
    let why = match error.kind() {
        io::ErrorKind::NotFound => "its name is not known; check the spelling".to_owned(),
        io::ErrorKind::ConnectionRefused => {
            format!("nothing listens on port {} there", target.port.unwrap_or(PORT))
        }
        _ => "it does not answer; check the network, the address and its firewall".to_owned(),
    };
    Failure::new(Status::BAD_NETPATH, format!("cannot reach {name}: {why}"))
}

/// Why a ticket has not made a session.
fn no_ticket(target: &Target, who: &str, stopped: Stopped) -> Failure {
    let name = target.name();
    match stopped {
        Stopped::Ticket(why) => {
            let what = format!("the Kerberos ticket is of no use at {name}: {why}");
            Failure::new(Status::BAD_PASSWORD, what)
        }
        Stopped::Server(smb2::Error::Protocol { status, .. }) => Failure::new(
            Status::LOGON_FAILURE,
            format!("{name} refuses the Kerberos ticket of {who}: {status}"),
        ),
        Stopped::Server(smb2::Error::GuestSessionRefused { .. }) => Failure::new(
            Status::LOGON_FAILURE,
            format!(
                "{name} does not know {who} and offered a guest's rights instead, which were not asked for"
            ),
        ),
        Stopped::Server(error) => not_logged_in(&name, &error),
    }
}

fn refused(target: &Target, credentials: &Credentials<'_>, stopped: Stopped) -> Failure {
    let name = target.name();
    let error = match stopped {
        Stopped::Server(error) => error,
        Stopped::Ticket(why) => return no_ticket(target, credentials.user, Stopped::Ticket(why)),
    };
    let who = if credentials.user.is_empty() { "nobody (anonymous)" } else { credentials.user };
    match error {
        smb2::Error::Protocol { status, .. } => {
            let code = wn(status);
            let what = match status.0 {
                0xC000_006D | 0xC000_006A | 0xC000_0064 => {
                    format!("{name} does not accept this user name and password for '{who}'")
                }
                0xC000_0071 | 0xC000_0224 => {
                    format!("the password of '{who}' on {name} has expired and must be changed there first")
                }
                0xC000_0072 => format!("the account '{who}' is disabled on {name}"),
                0xC000_0193 => format!("the account '{who}' on {name} has expired"),
                0xC000_0234 => {
                    format!("the account '{who}' is locked on {name} after too many wrong passwords")
                }
                _ => format!("{name} refuses to log '{who}' in: {status}"),
            };
            // A refused logon is about the user, whatever name the server gives it.
            let code = if code == Status::ACCESS_DENIED { Status::LOGON_FAILURE } else { code };
            Failure::new(code, what)
        }
        smb2::Error::GuestSessionRefused { .. } => Failure::new(
            Status::LOGON_FAILURE,
            format!(
                "{name} does not know '{who}' by this password and offered a guest's rights instead, which were not asked for"
            ),
        ),
        other => not_logged_in(&name, &other),
    }
}

fn not_logged_in(name: &str, error: &smb2::Error) -> Failure {
    match error {
        smb2::Error::SignatureInvalid { .. } => Failure::new(
            Status::ACCESS_DENIED,
            format!("{name} did not prove that it is the server it claims to be: {}", short(error)),
        ),
        other => Failure::new(Status::NET_ERROR, format!("logging in to {name}: {}", short(other))),
    }
}

/// An error as one line of bounded length: some of it was written by the server.
pub(crate) fn short(error: &smb2::Error) -> String {
    error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: Option<u16>) -> Target {
        Target {
            host: host.into(),
            port,
            login: Login::Account { user: "joe".into(), domain: String::new() },
            proof: Proof::Password,
            password: None,
            require_encryption: false,
            settings: Settings::default(),
            ahead: Ahead::default(),
        }
    }

    #[test]
    fn a_user_without_a_password_is_told_so() {
        let failure = Credentials::of(&target("nas", None)).err().unwrap();
        assert_eq!(failure.status, Status::BAD_PASSWORD.0);
        assert!(failure.message.contains("joe") && failure.message.contains("guest"), "{failure}");
    }

    #[test]
    fn a_target_shows_no_password() {
        let mut target = target("nas", None);
        target.password = Some(Zeroizing::new("hunter2".into()));
        assert!(!format!("{target:?}").contains("hunter2"));
    }
}
