//! What is known of files and directories, and changing it; room on the server.

use mpr_remotefs::{Attributes, Changes, Result, Space};
use smb2::msg::create::{CreateDisposition, CreateRequest, CreateResponse};
use smb2::msg::query_info::QueryInfoResponse;
use smb2::msg::set_info::{SetInfoRequest, SetInfoResponse};
use smb2::pack::Pack;
use smb2::types::flags::{FileAccessMask, FileAttributes};
use smb2::types::{Command, FileId};

use super::{EXAMINE, SmbFile, SmbFs, ask_twice, identity_in};
use crate::link::{Asked, Link, Trouble, parse};
use crate::locked;
use crate::wire::{self, Facts, Identity};

impl SmbFs {
    pub(super) async fn stat_path(&self, path: &str) -> Result<Attributes> {
        let (facts, identity) = ask_twice!(self.facts(path).await)?;
        self.with_kind(path, facts, identity).await
    }

    pub(super) async fn stat_file(&self, file: &SmbFile) -> Result<Attributes> {
        let mut attempts = 0;
        loop {
            let held = self.handle(&file.0).await?;
            let facts = wire::query_attributes(held.id);
            let identity = wire::query_identity(held.id);
            let asked = [(Command::QueryInfo, &facts as &dyn Pack), (Command::QueryInfo, &identity)];
            attempts += 1;
            match held.link.chain(&asked).await {
                Ok(answers) => {
                    let mut answers = answers.into_iter();
                    let facts: QueryInfoResponse = parse(&answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
                    let facts = Facts::parse(&facts.output_buffer).ok_or(Trouble::Garbled)?;
                    let links =
                        answers.next().and_then(|body| identity_in(&body.ok()?)).map_or(1, |now| now.links);
                    return Ok(facts.of(Identity { number: file.0.number, links }));
                }
                Err(Trouble::Lost) if attempts < 2 => {}
                Err(trouble) => return Err(trouble.into()),
            }
        }
    }

    pub(super) async fn change_path(&self, path: &str, changes: Changes) -> Result<Attributes> {
        let attributes = match changes.read_only {
            Some(_) => {
                let (facts, _) = ask_twice!(self.facts(path).await)?;
                (!FileAttributes(facts.attributes).is_directory()).then_some(facts.attributes)
            }
            None => None,
        };
        let requests = Self::requests(changes, attributes, FileId::SENTINEL);
        if requests.is_empty() {
            return self.stat_path(path).await;
        }
        let facts = wire::query_attributes(FileId::SENTINEL);
        let identity = wire::query_identity(FileId::SENTINEL);
        let mut work: Vec<(Command, &dyn Pack)> =
            requests.iter().map(|request| (Command::SetInfo, request as &dyn Pack)).collect();
        work.push((Command::QueryInfo, &facts));
        work.push((Command::QueryInfo, &identity));
        let mut access = FileAccessMask::FILE_WRITE_ATTRIBUTES | EXAMINE;
        if changes.size.is_some() {
            access |= FileAccessMask::FILE_WRITE_DATA;
        }
        // A link has times of its own; the contents are those of what the server keeps somewhere else for it.
        let options = if changes.size.is_some() { 0 } else { wire::NOT_THROUGH_LINKS };
        self.did_change(path);
        let mut answers = self.work(path, access, options, &work).await?;
        let identity = answers.pop().as_deref().and_then(identity_in).unwrap_or(Identity::UNKNOWN);
        let facts: QueryInfoResponse = parse(&answers.pop().unwrap_or_default())?;
        let facts = Facts::parse(&facts.output_buffer).ok_or(Trouble::Garbled)?;
        if let Some(modified) = changes.modified {
            self.set_elsewhere(identity.number, None, modified).await;
        }
        self.with_kind(path, facts, identity).await
    }

    pub(super) async fn change_file(&self, file: &SmbFile, changes: Changes) -> Result<Attributes> {
        let held = self.handle(&file.0).await?;
        self.did_change(&locked(&file.0.path));
        let attributes = match changes.read_only {
            Some(_) => {
                let answer: QueryInfoResponse =
                    held.link.call(Command::QueryInfo, &wire::query_attributes(held.id), 0).await?;
                Some(Facts::parse(&answer.output_buffer).ok_or(Trouble::Garbled)?.attributes)
            }
            None => None,
        };
        for request in Self::requests(changes, attributes, held.id) {
            let _: SetInfoResponse = held.link.call(Command::SetInfo, &request, 0).await?;
        }
        match changes.modified {
            Some(_) => file.0.clock.was_set(),
            None if changes.size.is_some() => file.0.clock.has_written(&held).await,
            None => {}
        }
        drop(held);
        if let Some(modified) = changes.modified {
            self.set_elsewhere(file.0.number, Some(file.0.key), modified).await;
        }
        self.stat_file(file).await
    }

    pub(super) async fn room(&self) -> Result<Space> {
        let query = wire::query_space(FileId::SENTINEL);
        let mut answers = ask_twice!(self.work("", EXAMINE, 0, &[(Command::QueryInfo, &query)]).await)?;
        let answer: QueryInfoResponse = parse(&answers.pop().unwrap_or_default())?;
        let (total, available, free, unit) =
            wire::parse_space(&answer.output_buffer).ok_or(Trouble::Garbled)?;
        let bytes = |units: u64| units.saturating_mul(unit);
        Ok(Space {
            total: bytes(total),
            free: bytes(free),
            available: bytes(available),
            block: u32::try_from(unit).unwrap_or(4096).clamp(512, 1 << 20),
        })
    }

    /// What is known of `path`, in one message.
    pub(super) async fn facts(&self, path: &str) -> Asked<(Facts, Identity)> {
        let link = self.link().await?;
        let create =
            wire::create(&self.full(path), EXAMINE, CreateDisposition::FileOpen, wire::NOT_THROUGH_LINKS, 0);
        let (created, identity) = self.look(&link, &create).await?;
        Ok((Facts::of_create(&created), identity))
    }

    /// Opens or creates, learns which file it is, and closes it again, in one message.
    pub(super) async fn look(
        &self,
        link: &Link,
        create: &CreateRequest,
    ) -> Asked<(CreateResponse, Identity)> {
        let identity = wire::query_identity(FileId::SENTINEL);
        let close = wire::close(FileId::SENTINEL);
        let answers = link
            .chain(&[(Command::Create, create), (Command::QueryInfo, &identity), (Command::Close, &close)])
            .await?;
        let mut answers = answers.into_iter();
        let created: CreateResponse = parse(&answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
        let identity = answers.next().and_then(|body| identity_in(&body.ok()?)).unwrap_or(Identity::UNKNOWN);
        Ok((created, identity))
    }

    pub(super) async fn allow_writing(&self, path: &str) -> Asked<()> {
        let (facts, _) = self.facts(path).await?;
        let basic = wire::set_basic(None, None, attributes_with(facts.attributes, false), FileId::SENTINEL);
        let access = FileAccessMask::FILE_WRITE_ATTRIBUTES | EXAMINE;
        self.work(path, access, wire::NOT_THROUGH_LINKS, &[(Command::SetInfo, &basic)]).await.map(drop)
    }

    /// What has to be sent to make `changes` to a file with these attributes.
    fn requests(changes: Changes, attributes: Option<u32>, id: FileId) -> Vec<SetInfoRequest> {
        let mut requests = Vec::with_capacity(2);
        // The length first: changing it sets the time of modification, which the caller may want otherwise.
        if let Some(size) = changes.size {
            requests.push(wire::set_size(size, id));
        }
        let attributes = match (changes.read_only, attributes) {
            (Some(read_only), Some(now)) if attributes_with(now, read_only) != now => {
                attributes_with(now, read_only)
            }
            _ => 0,
        };
        if changes.accessed.is_some() || changes.modified.is_some() || attributes != 0 {
            requests.push(wire::set_basic(changes.accessed, changes.modified, attributes, id));
        }
        requests
    }
}

/// These attributes with writing forbidden or allowed. Never zero, which would mean "leave as it is".
fn attributes_with(attributes: u32, read_only: bool) -> u32 {
    let rest = attributes & FileAttributes::SETTABLE & !(FileAttributes::READONLY | FileAttributes::NORMAL);
    match (rest, read_only) {
        (rest, true) => rest | FileAttributes::READONLY,
        (0, false) => FileAttributes::NORMAL,
        (rest, false) => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidding_writing_keeps_the_other_attributes() {
        let hidden = FileAttributes::HIDDEN;
        assert_eq!(attributes_with(hidden, true), hidden | FileAttributes::READONLY);
        assert_eq!(attributes_with(hidden | FileAttributes::READONLY, false), hidden);
        assert_eq!(attributes_with(FileAttributes::READONLY, false), FileAttributes::NORMAL);
    }

    #[test]
    fn the_length_is_set_before_the_times_it_would_disturb() {
        let changes = Changes { size: Some(0), modified: Some(std::time::UNIX_EPOCH), ..Changes::default() };
        let requests = SmbFs::requests(changes, None, FileId::SENTINEL);
        assert_eq!(requests.iter().map(|request| request.file_info_class).collect::<Vec<_>>(), [20, 4]);
    }
}
