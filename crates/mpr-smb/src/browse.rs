//! What a server offers.

use mpr_abi::Status;
use mpr_helper::protocol::{Failure, Share, ShareKind};
use mpr_remotefs::Reached;
use smb2::client::Connection;
use smb2::msg::close::CloseRequest;
use smb2::msg::create::{CreateDisposition, CreateRequest, CreateResponse, ImpersonationLevel, ShareAccess};
use smb2::msg::read::{ReadRequest, ReadResponse};
use smb2::pack::{Pack, ReadCursor, Unpack};
use smb2::rpc::{self, srvsvc};
use smb2::types::flags::FileAccessMask;
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId, OplockLevel, TreeId};

use crate::session::{OnStage, PATIENCE, Signed, Target, new_client, short};
use crate::shares::{Described, described};
use crate::status::wn;

/// The most shares a listing names.
const MAX_SHARES: usize = 10_000;
/// The longest answer of a server about its shares that is read.
const MAX_ANSWER: usize = 4 << 20;
/// Bytes before the contents of an answer of a remote procedure.
const PDU_HEADER: usize = 24;

/// The shares of a server: disks and printers, without those meant for administrators (`…$`).
pub async fn list_shares(target: &Target, on_stage: OnStage<'_>) -> Reached<Vec<Share>> {
    let mut signed = Signed::in_to(target, new_client(), None, on_stage).await?;
    let granted = signed.share(target, "IPC$").await?;
    shares_over(&signed.connection, granted.tree, target).await
}

/// The shares of a server, over a connection to its `IPC$`.
async fn shares_over(connection: &Connection, tree: TreeId, target: &Target) -> Reached<Vec<Share>> {
    let pipe = Pipe { connection, tree };
    let listed = tokio::time::timeout(PATIENCE, pipe.shares(target)).await;
    let shares = listed
        .map_err(|_| {
            let seconds = PATIENCE.as_secs();
            Failure::new(
                Status::NET_ERROR,
                format!("{} did not list its shares within {seconds} seconds", target.name()),
            )
        })?
        .map_err(|error| {
            let code = error.status().map_or(Status::NET_ERROR, wn);
            Failure::new(code, format!("{} does not list its shares: {}", target.name(), short(&error)))
        })?;
    Ok(shares)
}

/// Finds out whether a share can be reached as this user, and what it is.
pub async fn probe(target: &Target, share: &str, on_stage: OnStage<'_>) -> Reached<ShareKind> {
    let mut signed = Signed::in_to(target, new_client(), None, on_stage).await?;
    on_stage(mpr_helper::protocol::Stage::Opening);
    Ok(signed.share(target, share).await?.kind)
}

/// The pipe on which a server answers questions about itself.
struct Pipe<'a> {
    connection: &'a Connection,
    tree: TreeId,
}

impl Pipe<'_> {
    async fn shares(&self, target: &Target) -> smb2::Result<Vec<Share>> {
        let id = self.open().await?;
        let listed = self.ask_for_shares(id, target).await;
        // The connection ends after this anyway; a pipe that does not close changes nothing.
        let _ = self.call(Command::Close, &CloseRequest { flags: 0, file_id: id }).await;
        Ok(listed?.into_iter().filter_map(visible).take(MAX_SHARES).collect())
    }

    async fn ask_for_shares(&self, id: FileId, target: &Target) -> smb2::Result<Vec<Described>> {
        self.write(id, rpc::build_srvsvc_bind(1)).await?;
        rpc::parse_bind_ack(&self.message(id).await?)?;
        self.write(id, srvsvc::build_net_share_enum_all(2, &format!(r"\\{}", target.host))).await?;

        // An answer comes in one or more fragments; put together they are one answer.
        let mut whole = Vec::new();
        loop {
            let fragment = self.message(id).await?;
            let (contents, last) = rpc::parse_response_fragment(&fragment)?;
            whole.extend_from_slice(contents);
            if last {
                break;
            }
            if whole.len() > MAX_ANSWER {
                return Err(smb2::Error::invalid_data("the list of shares does not end"));
            }
        }
        described(&whole)
            .ok_or_else(|| smb2::Error::invalid_data("the list of shares is not what it says it is"))
    }

    async fn open(&self) -> smb2::Result<FileId> {
        let request = CreateRequest {
            requested_oplock_level: OplockLevel::None,
            impersonation_level: ImpersonationLevel::Impersonation,
            desired_access: FileAccessMask::new(
                FileAccessMask::FILE_READ_DATA | FileAccessMask::FILE_WRITE_DATA,
            ),
            file_attributes: 0,
            share_access: ShareAccess(ShareAccess::FILE_SHARE_READ | ShareAccess::FILE_SHARE_WRITE),
            create_disposition: CreateDisposition::FileOpen,
            create_options: 0,
            name: "srvsvc".to_owned(),
            create_contexts: Vec::new(),
        };
        let body = self.call(Command::Create, &request).await?;
        Ok(CreateResponse::unpack(&mut ReadCursor::new(&body))?.file_id)
    }

    async fn write(&self, id: FileId, data: Vec<u8>) -> smb2::Result<()> {
        self.call(Command::Write, &crate::wire::write_request(id, 0, data)).await.map(drop)
    }

    async fn message(&self, id: FileId) -> smb2::Result<Vec<u8>> {
        let request = ReadRequest {
            padding: 0x50,
            flags: 0,
            length: 65536,
            offset: 0,
            file_id: id,
            minimum_count: 0,
            channel: 0,
            remaining_bytes: 0,
            read_channel_info: Vec::new(),
        };
        let mut message = Vec::new();
        loop {
            let frame = self.connection.execute(Command::Read, &request, Some(self.tree)).await?;
            let status = frame.header.status;
            if !status.is_success_or_partial() {
                return Err(smb2::Error::Protocol { status, command: Command::Read });
            }
            let part = ReadResponse::unpack(&mut ReadCursor::new(&frame.body))?.data;
            if status != NtStatus::BUFFER_OVERFLOW {
                message.extend_from_slice(&part);
                break;
            }
            if part.is_empty() || message.len() > MAX_ANSWER {
                return Err(smb2::Error::invalid_data("a message on a pipe does not end"));
            }
            message.extend_from_slice(&part);
        }
        if message.len() < PDU_HEADER {
            return Err(smb2::Error::invalid_data("a message on a pipe is too short"));
        }
        Ok(message)
    }

    async fn call(&self, command: Command, body: &(dyn Pack + Sync)) -> smb2::Result<Vec<u8>> {
        let frame = self.connection.execute(command, body, Some(self.tree)).await?;
        match frame.header.status {
            NtStatus::SUCCESS => Ok(frame.body),
            status => Err(smb2::Error::Protocol { status, command }),
        }
    }
}

fn visible(share: Described) -> Option<Share> {
    const SPECIAL: u32 = 0x8000_0000;
    let kind = match share.kind & 0xFFFF {
        0 => ShareKind::Disk,
        1 => ShareKind::Printer,
        _ => return None,
    };
    if share.kind & SPECIAL != 0 || share.name.ends_with('$') || share.name.is_empty() {
        return None;
    }
    Some(Share { name: tidy(&share.name), kind, comment: tidy(&share.comment) })
}

/// A server's words as one line of bounded length.
fn tidy(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(name: &str, kind: u32) -> Described {
        Described { name: name.into(), kind, comment: "a\nb".into() }
    }

    #[test]
    fn people_see_disks_and_printers_and_no_administrative_shares() {
        assert_eq!(visible(share("rw", 0)).unwrap().kind, ShareKind::Disk);
        assert_eq!(visible(share("lp1", 1)).unwrap().kind, ShareKind::Printer);
        assert_eq!(visible(share("IPC$", 0x8000_0003)), None);
        assert_eq!(visible(share("c$", 0)), None);
        assert_eq!(visible(share("rw", 0)).unwrap().comment, "a b");
    }
}
