//! One connection to one share: what can be asked over it, and how asking can fail.

use bytes::Bytes;
use mpr_abi::Status;
use mpr_helper::protocol::{Failure, ShareKind, Stage};
use mpr_remotefs::{Errno, Reached};
use smb2::msg::ioctl::IoctlResponse;
use smb2::msg::logoff::LogoffRequest;
use smb2::msg::tree_disconnect::TreeDisconnectRequest;
use smb2::pack::{Pack, ReadCursor, Unpack};
use smb2::types::flags::Capabilities;
use smb2::types::status::NtStatus;
use smb2::types::{Command, Dialect, FileId, SessionId, TreeId};

use crate::channel::{Answer, CREDIT, Channel, Request};
use crate::contexts::Durable;
use crate::session::{OnStage, Signed, Target, new_client};
use crate::status::errno;
use crate::wire;

/// The most bytes one READ carries, however much the server would send.
const MAX_READ: u32 = 1 << 20;
/// The same of WRITE. As much as stays in a processor's cache while it is gathered, encrypted and sent, and while the
/// server takes it apart.
const MAX_WRITE: u32 = 512 << 10;
/// How long saying goodbye may take.
const FAREWELL: std::time::Duration = std::time::Duration::from_millis(500);

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server said so.
    Status(NtStatus),
    /// The connection was lost; the request may or may not have been carried out.
    Lost,
    /// No answer in time; the connection has been given up.
    TimedOut,
    /// The answer cannot be understood.
    Garbled,
    /// The handle was closed meanwhile.
    Closed,
    /// The file is not the one that was opened.
    Stale,
}

/// Outcome of a request.
pub(crate) type Asked<T> = Result<T, Trouble>;

impl From<Trouble> for Errno {
    fn from(trouble: Trouble) -> Errno {
        match trouble {
            Trouble::Status(status) => errno(status),
            Trouble::Lost => Errno::LOST,
            Trouble::TimedOut => Errno::TIMED_OUT,
            Trouble::Garbled => Errno(libc::EPROTO),
            Trouble::Closed => Errno::CLOSED,
            Trouble::Stale => Errno::STALE,
        }
    }
}

/// A connection to a share.
pub(crate) struct Link {
    channel: Channel,
    tree: TreeId,
    /// Counts the connections of a mount: a handle is good on the one it was made on.
    pub(crate) generation: u64,
    /// The number this client gives itself, on this connection and those that replace it.
    client: [u8; 16],
    pub(crate) max_read: u32,
    pub(crate) max_write: u32,
    pub(crate) max_listing: u32,
    /// Whether the server gives leases, and those of the second kind.
    pub(crate) leases: Option<bool>,
    durable: Option<Durable>,
    pub(crate) security: String,
    /// How the user was proved, and whose ticket has done it.
    pub(crate) authentication: String,
    pub(crate) principal: Option<String>,
    pub(crate) signing: &'static str,
    pub(crate) encryption: &'static str,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl Link {
    /// Connects to a share of files. `previous` is the connection that this one replaces, `client` the number under
    /// which it is known to the server already.
    pub(crate) async fn to(
        target: &Target,
        share: &str,
        previous: Option<&Link>,
        client: Option<[u8; 16]>,
        on_stage: OnStage<'_>,
    ) -> Reached<Link> {
        // Somebody new does not have the server end what it held before: that may be what hangs.
        let ended = previous.filter(|_| client.is_some()).map(Link::session);
        let client = client.unwrap_or_else(new_client);
        let mut signed = Signed::in_to(target, client, ended, on_stage).await?;
        on_stage(Stage::Opening);
        let granted = signed.share(target, share).await?;
        if granted.kind != ShareKind::Disk {
            let what = if granted.kind == ShareKind::Printer { "a printer" } else { "not a share of files" };
            return Err(Failure::new(
                Status::BAD_DEV_TYPE,
                format!("{}/{share} is {what} and cannot be mounted", target.name()),
            ));
        }
        let security = signed.security();
        let params = signed.connection.params();
        let limit = |most: u32, of: fn(&smb2::NegotiatedParams) -> u32| {
            params.as_ref().map_or(CREDIT, of).clamp(CREDIT, most)
        };
        let (leases, durable) = params.as_ref().map_or((None, None), |params| match params.dialect {
            Dialect::Smb2_0_2 => (None, None),
            dialect => {
                let first = dialect == Dialect::Smb2_1;
                let persistent =
                    granted.continuous && params.capabilities.contains(Capabilities::PERSISTENT_HANDLES);
                let named = Durable::Named { name: [0; 16], persistent };
                let leases = params.capabilities.contains(Capabilities::LEASING).then_some(!first);
                (leases, Some(if first { Durable::Numbered } else { named }))
            }
        });
        Ok(Link {
            tree: granted.tree,
            generation: previous.map_or(0, |link| link.generation + 1),
            client,
            max_read: limit(MAX_READ, |params| params.max_read_size),
            max_write: limit(MAX_WRITE, |params| params.max_write_size),
            max_listing: limit(MAX_READ, |params| params.max_transact_size),
            leases,
            durable,
            security,
            authentication: signed.authentication(target),
            principal: signed.principal.clone(),
            signing: signed.signing(),
            encryption: signed.encryption(),
            channel: signed.into_channel(target).await?,
        })
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.channel.is_lost()
    }

    pub(crate) fn session(&self) -> SessionId {
        self.channel.seal().session()
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The number this client gives itself.
    pub(crate) fn client(&self) -> [u8; 16] {
        self.client
    }

    /// What handles to ask for, under a new name, so that they outlast this connection.
    pub(crate) fn durable(&self, new_name: impl FnOnce() -> [u8; 16]) -> Option<Durable> {
        match self.durable? {
            Durable::Named { persistent, .. } => Some(Durable::Named { name: new_name(), persistent }),
            numbered => Some(numbered),
        }
    }

    /// A request about this share.
    pub(crate) fn request<'a>(&self, command: Command, body: &'a dyn Pack, payload: u32) -> Request<'a> {
        Request { command, body, tree: Some(self.tree), payload }
    }

    /// Sends one request whose payload, in either direction, is `payload` bytes, and reads its answer.
    pub(crate) async fn call<T: Unpack>(
        &self,
        command: Command,
        body: &dyn Pack,
        payload: u32,
    ) -> Result<T, Trouble> {
        parse(&self.ask(command, body, payload).await?)
    }

    /// As [`call`](Self::call), without reading the answer.
    pub(crate) async fn ask(&self, command: Command, body: &dyn Pack, payload: u32) -> Asked<Bytes> {
        let answer = self.channel.call(self.request(command, body, payload)).await?;
        self.judge(answer)
    }

    /// Sends a control of the file system and reads its answer, of which at most `most` bytes are wanted. An
    /// answer that was cut short there is one, too.
    pub(crate) async fn control(&self, id: FileId, code: u32, input: Vec<u8>, most: u32) -> Asked<Vec<u8>> {
        let payload = u32::try_from(input.len()).unwrap_or(u32::MAX).max(most);
        let request = wire::control(id, code, input, most);
        let answer = self.channel.call(self.request(Command::Ioctl, &request, payload)).await?;
        let body = match answer.status {
            NtStatus::BUFFER_OVERFLOW => answer.body,
            _ => self.judge(answer)?,
        };
        let mut answer = parse::<IoctlResponse>(&body)?.output_data;
        answer.truncate(most as usize);
        Ok(answer)
    }

    /// Sends requests in one message, each after the first about the file the one before it was about.
    pub(crate) async fn chain(&self, requests: &[(Command, &dyn Pack)]) -> Asked<Vec<Asked<Bytes>>> {
        let requests: Vec<Request<'_>> =
            requests.iter().map(|(command, body)| self.request(*command, *body, 0)).collect();
        let answers = self.channel.chain(&requests).await?;
        Ok(answers.into_iter().map(|answer| self.judge(answer?)).collect())
    }

    /// Ends the session, if the server takes part quickly.
    pub(crate) async fn say_goodbye(&self) {
        let farewell = async {
            let _ = self.ask(Command::TreeDisconnect, &TreeDisconnectRequest, 0).await;
            let logoff = Request { command: Command::Logoff, body: &LogoffRequest, tree: None, payload: 0 };
            let _ = self.channel.call(logoff).await;
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        self.channel.give_up();
    }

    /// Sends a request whose answer nobody waits for.
    pub(crate) fn post(&self, command: Command, body: impl Pack + 'static) {
        self.channel.post(command, body, self.tree);
    }

    /// What an answer means.
    pub(crate) fn judge(&self, answer: Answer) -> Asked<Bytes> {
        match answer.status {
            status if status.is_success() => Ok(answer.body),
            NtStatus::NETWORK_SESSION_EXPIRED
            | NtStatus::USER_SESSION_DELETED
            | NtStatus::NETWORK_NAME_DELETED => {
                // The connection stands, but nothing can be done over it any more.
                self.channel.give_up();
                Err(Trouble::Lost)
            }
            status => Err(Trouble::Status(status)),
        }
    }
}

/// Reads an answer.
pub(crate) fn parse<T: Unpack>(body: &[u8]) -> Result<T, Trouble> {
    T::unpack(&mut ReadCursor::new(body)).map_err(|_| Trouble::Garbled)
}
