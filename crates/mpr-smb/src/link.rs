//! One connection to one share: what can be asked over it, and how asking can fail.

use std::future::Future;

use mpr_abi::Status;
use mpr_helper::protocol::{Failure, Share, ShareKind, Stage};
use mpr_remotefs::{Errno, Reached};
use smb2::CompoundOp;
use smb2::client::Connection;
use smb2::msg::ioctl::IoctlResponse;
use smb2::msg::logoff::LogoffRequest;
use smb2::msg::tree_disconnect::TreeDisconnectRequest;
use smb2::pack::{Pack, ReadCursor, Unpack};
use smb2::types::status::NtStatus;
use smb2::types::{Command, CreditCharge, FileId, SessionId, TreeId};

use crate::session::{OnStage, PATIENCE, Signed, Target};
use crate::status::errno;
use crate::wire;

/// The most bytes one READ or WRITE carries, however much the server would take.
const MAX_TRANSFER: u32 = 1 << 20;
/// Bytes covered by one credit.
const CREDIT: u32 = 65536;
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
        }
    }
}

/// A connection to a share.
pub(crate) struct Link {
    connection: Connection,
    tree: TreeId,
    /// Counts the connections of a mount: a handle is good on the one it was made on.
    pub(crate) generation: u64,
    pub(crate) max_read: u32,
    pub(crate) max_write: u32,
    pub(crate) max_listing: u32,
    pub(crate) security: String,
}

impl Link {
    /// Connects to a share of files.
    pub(crate) async fn to(
        target: &Target,
        share: &str,
        previous: Option<&Link>,
        on_stage: OnStage<'_>,
    ) -> Reached<Link> {
        let mut signed =
            Signed::in_to(target, previous.map(|link| link.connection.session_id()), on_stage).await?;
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
        let limit = |of: fn(&smb2::NegotiatedParams) -> u32| {
            params.as_ref().map_or(CREDIT, of).clamp(CREDIT, MAX_TRANSFER)
        };
        Ok(Link {
            tree: granted.tree,
            generation: previous.map_or(0, |link| link.generation + 1),
            max_read: limit(|params| params.max_read_size),
            max_write: limit(|params| params.max_write_size),
            max_listing: limit(|params| params.max_transact_size).min(4 * CREDIT),
            security,
            connection: signed.connection,
        })
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.connection.is_disconnected()
    }

    pub(crate) fn session(&self) -> SessionId {
        self.connection.session_id()
    }

    /// Sends one request whose payload, in either direction, is `payload` bytes, and reads its answer.
    pub(crate) async fn call<T: Unpack>(
        &self,
        command: Command,
        body: &dyn Pack,
        payload: u32,
    ) -> Result<T, Trouble> {
        let charge = CreditCharge(u16::try_from(payload.div_ceil(CREDIT).max(1)).unwrap_or(u16::MAX));
        let sent = self.connection.execute_with_credits(command, body, Some(self.tree), charge);
        let frame = self.in_time(sent).await??;
        parse(&self.judge(frame)?)
    }

    /// Sends a control of the file system and reads its answer, of which at most `most` bytes are wanted. An
    /// answer that was cut short there is one, too.
    pub(crate) async fn control(&self, id: FileId, code: u32, input: Vec<u8>, most: u32) -> Asked<Vec<u8>> {
        let payload = u32::try_from(input.len()).unwrap_or(u32::MAX).max(most);
        let charge = CreditCharge(u16::try_from(payload.div_ceil(CREDIT).max(1)).unwrap_or(u16::MAX));
        let request = wire::control(id, code, input, most);
        let sent = self.connection.execute_with_credits(Command::Ioctl, &request, Some(self.tree), charge);
        let frame = self.in_time(sent).await??;
        let body = match frame.header.status {
            NtStatus::BUFFER_OVERFLOW => frame.body,
            _ => self.judge(frame)?,
        };
        let mut answer = parse::<IoctlResponse>(&body)?.output_data;
        answer.truncate(most as usize);
        Ok(answer)
    }

    /// Sends requests in one message, each after the first about the file the one before it was about.
    pub(crate) async fn chain(
        &self,
        requests: &[(Command, &dyn Pack)],
    ) -> Result<Vec<Result<Vec<u8>, Trouble>>, Trouble> {
        let operations: Vec<CompoundOp<'_>> = requests
            .iter()
            .map(|(command, body)| CompoundOp::new(*command, *body, Some(self.tree)))
            .collect();
        let frames = self.in_time(self.connection.execute_compound(&operations)).await??;
        Ok(frames.into_iter().map(|frame| self.judge(frame.map_err(|error| self.trouble(&error))?)).collect())
    }

    /// The shares of the server, asked over this connection.
    pub(crate) async fn shares(&self, target: &Target) -> Reached<Vec<Share>> {
        let tree = crate::session::tree_connect(&self.connection, target, "IPC$").await?.1;
        let listed = crate::browse::shares_over(&self.connection, tree, target).await;
        // A tree that stays behind costs the server a little until the connection ends.
        let left = self.connection.execute(Command::TreeDisconnect, &TreeDisconnectRequest, Some(tree));
        let _ = tokio::time::timeout(FAREWELL, left).await;
        listed
    }

    /// Ends the session, if the server takes part quickly.
    pub(crate) async fn say_goodbye(&self) {
        let farewell = async {
            let _ = self
                .connection
                .execute(Command::TreeDisconnect, &TreeDisconnectRequest, Some(self.tree))
                .await;
            let _ = self.connection.execute(Command::Logoff, &LogoffRequest, None).await;
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        self.connection.mark_dead();
    }

    /// Bounds a request. A server that has not answered by then is given up: an answer that comes later could
    /// not be told from one to a request made since, and whatever it opened is closed with the connection.
    async fn in_time<T>(
        &self,
        request: impl Future<Output = smb2::Result<T>>,
    ) -> Result<Result<T, Trouble>, Trouble> {
        match tokio::time::timeout(PATIENCE, request).await {
            Ok(answer) => Ok(answer.map_err(|error| self.trouble(&error))),
            Err(_) => {
                self.connection.mark_dead();
                Err(Trouble::TimedOut)
            }
        }
    }

    fn judge(&self, frame: smb2::Frame) -> Result<Vec<u8>, Trouble> {
        match frame.header.status {
            status if status.is_success() => Ok(frame.body),
            NtStatus::NETWORK_SESSION_EXPIRED
            | NtStatus::USER_SESSION_DELETED
            | NtStatus::NETWORK_NAME_DELETED => {
                // The connection stands, but nothing can be done over it any more.
                self.connection.mark_dead();
                Err(Trouble::Lost)
            }
            status => Err(Trouble::Status(status)),
        }
    }

    fn trouble(&self, error: &smb2::Error) -> Trouble {
        match error {
            smb2::Error::Protocol { status, .. } => Trouble::Status(*status),
            smb2::Error::InvalidData { .. } => Trouble::Garbled,
            smb2::Error::Timeout
            | smb2::Error::CreditStarvation { .. }
            | smb2::Error::SendTimeout { .. }
            | smb2::Error::ServerUnresponsive { .. } => {
                self.connection.mark_dead();
                Trouble::TimedOut
            }
            _ => {
                self.connection.mark_dead();
                Trouble::Lost
            }
        }
    }
}

/// Reads an answer.
pub(crate) fn parse<T: Unpack>(body: &[u8]) -> Result<T, Trouble> {
    T::unpack(&mut ReadCursor::new(body)).map_err(|_| Trouble::Garbled)
}
