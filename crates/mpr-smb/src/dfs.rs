//! Names that lead elsewhere: links of the Distributed File System (MS-DFSC).
//!
//! A server that is asked to open what lies behind such a link says so, and tells on request where it leads. So does one
//! that is asked for a share it does not have, if it controls a domain and the share is a namespace of that. It is
//! followed when a connection is made, for as many links as stand one behind the other, within bounds. What is
//! behind a link that is met later is reached when it is asked for (`namespace`).
//!
//! A referral has the user's name proved to another server. It is believed only from a server that has proved by
//! its signature that it knows the user; one that has not may only refer to itself. Protection never gets less on
//! the way.

use mpr_abi::Status;
use mpr_helper::protocol::Failure;
use mpr_remotefs::Reached;
use smb2::msg::dfs::{ReqGetDfsReferral, RespGetDfsReferral};
use smb2::msg::ioctl::{FSCTL_DFS_GET_REFERRALS, IoctlResponse};
use smb2::pack::{Pack, ReadCursor, Unpack, WriteCursor};
use smb2::types::{Command, FileId};

use crate::session::{Signed, Target, new_client, short};
use crate::wire;

/// How many places are tried for one name, links behind links and targets beside targets together.
pub(crate) const MOST: usize = 8;
/// The longest answer about a name.
const MOST_BYTES: u32 = 16 << 10;
/// The newest kind of referral that is understood.
const LEVEL: u16 = 4;

/// Something to connect: a share, and a directory in it.
pub(crate) struct Place {
    pub(crate) target: Target,
    pub(crate) share: String,
    /// `/`-separated; empty for the root.
    pub(crate) base: String,
}

impl Place {
    /// As people write it.
    pub(crate) fn name(&self) -> String {
        match &*self.base {
            "" => format!("{}/{}", self.target.name(), self.share),
            base => format!("{}/{}/{base}", self.target.name(), self.share),
        }
    }

    /// As servers are asked about the share.
    fn root(&self) -> String {
        format!(r"\{}\{}", self.target.host, self.share)
    }

    /// Where this leads, in the order in which it is to be tried. `encrypted` says whether the server that calls it
    /// a link was spoken to in secret.
    pub(crate) async fn referred(&self, encrypted: bool) -> Reached<Vec<Place>> {
        self.ask(&format!(r"{}\{}", self.root(), wire::wire_name(&self.base)), "", encrypted).await
    }

    /// Where a share is that the server itself does not have.
    pub(crate) async fn held_elsewhere(&self) -> Reached<Vec<Place>> {
        self.ask(&self.root(), &wire::wire_name(&self.base), false).await
    }

    /// Asks about a path; `behind` is what comes behind it in any case.
    async fn ask(&self, asked: &str, behind: &str, encrypted: bool) -> Reached<Vec<Place>> {
        let name = self.name();
        let failed =
            |why: &str| Failure::new(Status::BAD_NETPATH, format!("{name} leads elsewhere, but {why}"));
        let mut signed = Signed::in_to(&self.target, new_client(), None, &|_| {}).await?;
        let proved = !(signed.signing().is_empty() && signed.encryption().is_empty());
        let encrypted = encrypted || !signed.encryption().is_empty();
        let tree = signed.share(&self.target, "IPC$").await?.tree;
        let mut question = WriteCursor::new();
        ReqGetDfsReferral { max_referral_level: LEVEL, request_file_name: asked.to_owned() }
            .pack(&mut question);
        let request =
            wire::control(FileId::SENTINEL, FSCTL_DFS_GET_REFERRALS, question.into_inner(), MOST_BYTES);
        let frame = signed
            .connection
            .execute(Command::Ioctl, &request, Some(tree))
            .await
            .map_err(|error| failed(&short(&error)))?;
        if !frame.header.status.is_success() {
            return Err(failed(&format!("the server does not say where: {}", frame.header.status)));
        }
        let unclear = |_| failed("what the server says about it cannot be understood");
        let answer = IoctlResponse::unpack(&mut ReadCursor::new(&frame.body)).map_err(unclear)?;
        let answer =
            RespGetDfsReferral::unpack(&mut ReadCursor::new(&answer.output_data)).map_err(unclear)?;
        let rest = format!(r"{}\{behind}", rest_of(asked, answer.path_consumed));
        let mut places = Vec::new();
        let mut distrusted = None;
        for address in answer.entries.iter().filter_map(|entry| entry.target_address()).take(MOST) {
            let Some((host, share, base)) = parse(address, &rest) else { continue };
            let here = host.eq_ignore_ascii_case(&self.target.host);
            if !here && !proved {
                distrusted = Some(host);
                continue;
            }
            places.push(Place { target: self.target.at(host, here, encrypted), share, base });
        }
        match (places.is_empty(), distrusted) {
            (false, _) => Ok(places),
            (true, Some(host)) => Err(Failure::new(
                Status::ACCESS_DENIED,
                format!(
                    "{name} leads to //{}, and the server that says so has not proved who it is; connect that by its own name",
                    tidy(&host)
                ),
            )),
            (true, None) => Err(failed("the server does not say where to")),
        }
    }
}

/// What of a path was not consumed, by the server's count of bytes.
fn rest_of(path: &str, consumed: u16) -> String {
    let units: Vec<u16> = path.encode_utf16().skip(usize::from(consumed / 2)).collect();
    String::from_utf16_lossy(&units).trim_matches('\\').to_owned()
}

/// Host, share and directory of a target, with the rest of the path behind it. `None` for what is no name of a
/// directory, or leads out of where it belongs.
fn parse(address: &str, rest: impl AsRef<str>) -> Option<(String, String, String)> {
    let mut parts = address.split('\\').filter(|part| !part.is_empty());
    let (host, share) = (parts.next()?, parts.next()?);
    let base: Vec<&str> = parts.chain(rest.as_ref().split('\\')).filter(|part| !part.is_empty()).collect();
    let bad = |part: &str| matches!(part, "." | "..") || part.contains(|c: char| c.is_control() || c == '/');
    let long = |part: &str| part.len() > 255;
    if [host, share].iter().any(|part| bad(part) || long(part)) || base.iter().any(|part| bad(part)) {
        return None;
    }
    // A port is no part of such names.
    if host.contains('@') {
        return None;
    }
    let base = base.iter().map(|part| smb2::name::decode_name(part)).collect::<Vec<_>>().join("/");
    Some((host.to_owned(), share.to_owned(), base))
}

fn tidy(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_did_not_consume_goes_on_behind_the_target() {
        let asked = r"\nas\dfs\link\a b\c";
        let consumed = u16::try_from(r"\nas\dfs\link".len() * 2).unwrap();
        let rest = rest_of(asked, consumed);
        assert_eq!(rest, r"a b\c");
        let (host, share, base) = parse(r"\other\data\deep", rest).unwrap();
        assert_eq!((&*host, &*share, &*base), ("other", "data", "deep/a b/c"));
        assert_eq!(rest_of(asked, u16::MAX), "");
    }

    #[test]
    fn a_target_that_is_no_name_of_a_directory_is_none() {
        for bad in [
            "",
            r"\\",
            r"\other",
            r"\..\data",
            r"\other\data\..\x",
            "\\ot\nher\\data",
            r"\other@1\data",
            r"\a/b\c",
        ] {
            assert_eq!(parse(bad, ""), None, "{bad}");
        }
        assert_eq!(parse(r"\other\data", r"..\x"), None);
        assert!(parse(&format!(r"\{}\data", "n".repeat(300)), "").is_none());
    }
}
