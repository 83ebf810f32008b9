//! Symbolic links: reparse points where the server has them; else files of a certain form, if that was asked for.
//!
//! Links are for the kernel of this machine to follow. A server is asked for what a link is, never for what is
//! behind it, with one exception: Windows tells links to directories from others, so that one whose target is a
//! directory now is made as such.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mpr_remotefs::{Attributes, Entry, Errno, Kind, Result};
use smb2::msg::create::{CreateDisposition, CreateResponse};
use smb2::msg::ioctl::IoctlResponse;
use smb2::msg::query_info::QueryInfoResponse;
use smb2::msg::read::ReadResponse;
use smb2::pack::Pack;
use smb2::types::flags::{FileAccessMask, FileAttributes};
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId};
use tokio::task::JoinSet;

use super::{EXAMINE, SmbFs, ask_twice};
use crate::link::{Asked, Link, Trouble, parse};
use crate::symlink;
use crate::wire::{self, Facts, Identity};

const SET_REPARSE_POINT: u32 = 0x0009_00A4;
const GET_REPARSE_POINT: u32 = 0x0009_00A8;
/// FileAttributeTagInformation.
const ATTRIBUTE_TAG: u8 = 35;
/// Files that are looked at at a time, whether they are links.
const AT_ONCE: usize = 16;

impl SmbFs {
    /// Attributes of what has these facts: they do not say what kind of reparse point it is, and whether a file is
    /// a link only its contents tell.
    pub(super) async fn with_kind(&self, path: &str, facts: Facts, identity: Identity) -> Result<Attributes> {
        let mut attributes = facts.of(identity);
        if FileAttributes(facts.attributes).is_reparse_point() {
            if ask_twice!(self.is_link(path).await)? {
                self.links_met.store(true, Ordering::Relaxed);
                make_link(&mut attributes, 0);
            }
        } else if self.may_be_link(&attributes) {
            let link = self.link().await?;
            if let Some(target) = ask_twice!(target_in(&link, &self.full(path)).await)? {
                make_link(&mut attributes, target.len());
            }
        }
        Ok(attributes)
    }

    /// Finds out which of the files in `directory` are links.
    pub(super) async fn find_links(&self, directory: &str, entries: &mut [Entry]) -> Result<()> {
        if entries.iter().any(|entry| entry.attributes.kind == Kind::Symlink) {
            self.links_met.store(true, Ordering::Relaxed);
        }
        let mut files = entries.iter_mut().filter(|entry| self.may_be_link(&entry.attributes));
        loop {
            let some: Vec<&mut Entry> = files.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                return Ok(());
            }
            let link = self.link().await?;
            let mut looking = JoinSet::new();
            for (nth, entry) in some.iter().enumerate() {
                let path = match directory {
                    "" => self.full(&entry.name),
                    directory => self.full(&format!("{directory}/{}", entry.name)),
                };
                let link = Arc::clone(&link);
                looking.spawn(async move { (nth, target_in(&link, &path).await) });
            }
            let mut some = some;
            while let Some(looked) = looking.join_next().await {
                // What cannot be looked into is listed as the file that it is.
                if let Ok((nth, Ok(Some(target)))) = looked {
                    make_link(&mut some[nth].attributes, target.len());
                }
            }
        }
    }

    pub(super) async fn link_target(&self, path: &str) -> Result<String> {
        let refused = match ask_twice!(self.reparse_point(path).await) {
            Ok(data) => return symlink::unpack(&data).ok_or(Errno(libc::EINVAL)),
            Err(Trouble::Status(status)) if lacks_reparse_points(status) => Errno(libc::EINVAL),
            Err(trouble) => return Err(trouble.into()),
        };
        if !self.links_in_files {
            return Err(refused);
        }
        let link = self.link().await?;
        ask_twice!(target_in(&link, &self.full(path)).await)?.ok_or(refused)
    }

    pub(super) async fn add_link(&self, path: &str, target: &str) -> Result<Attributes> {
        if target.is_empty() {
            return Err(Errno::NOT_FOUND);
        }
        let packed = symlink::pack(target).filter(|_| !self.no_reparse_points.load(Ordering::Relaxed));
        if let Some(packed) = packed {
            match self.add_reparse_point(path, target, packed).await {
                Err(Trouble::Status(status)) if lacks_reparse_points(status) => {
                    self.no_reparse_points.store(true, Ordering::Relaxed);
                }
                Err(trouble) => return Err(trouble.into()),
                Ok(()) => return self.stat_path(path).await,
            }
        }
        if !self.links_in_files {
            return Err(Errno::UNSUPPORTED);
        }
        let contents = symlink::to_file(target).ok_or(Errno(libc::ENAMETOOLONG))?;
        self.add_small_file(path, contents).await?;
        self.stat_path(path).await
    }

    async fn add_reparse_point(&self, path: &str, target: &str, packed: Vec<u8>) -> Asked<()> {
        if self.leads_to_directory(path, target).await {
            let made = self.add_typed(path, wire::DIRECTORY, FileAttributes::DIRECTORY, packed.clone()).await;
            // Samba makes a link of no directory, and makes no difference between links.
            if made != Err(Trouble::Status(NtStatus::ACCESS_DENIED)) {
                return made;
            }
        }
        self.add_typed(path, wire::NOT_DIRECTORY, FileAttributes::NORMAL, packed).await
    }

    async fn add_typed(&self, path: &str, options: u32, attributes: u32, packed: Vec<u8>) -> Asked<()> {
        let access = FileAccessMask::FILE_WRITE_ATTRIBUTES | FileAccessMask::DELETE | EXAMINE;
        let create = wire::create(
            &self.full(path),
            access,
            CreateDisposition::FileCreate,
            options | wire::NOT_THROUGH_LINKS,
            attributes,
        );
        let set = wire::control(FileId::SENTINEL, SET_REPARSE_POINT, packed, 0);
        self.make(&create, (Command::Ioctl, &set)).await
    }

    async fn add_small_file(&self, path: &str, contents: Vec<u8>) -> Asked<()> {
        let access = FileAccessMask::FILE_WRITE_DATA | FileAccessMask::DELETE | EXAMINE;
        let options = wire::NOT_DIRECTORY | wire::NOT_THROUGH_LINKS;
        let create = wire::create(
            &self.full(path),
            access,
            CreateDisposition::FileCreate,
            options,
            FileAttributes::NORMAL,
        );
        let write = wire::write_request(FileId::SENTINEL, 0, contents);
        self.make(&create, (Command::Write, &write)).await
    }

    /// Creates something, makes of it what it is to be, and closes it. If it cannot be that, it goes again.
    async fn make(&self, create: &dyn Pack, what: (Command, &dyn Pack)) -> Asked<()> {
        let link = self.link().await?;
        let answers = link.chain(&[(Command::Create, create), what]).await?;
        let mut answers = answers.into_iter();
        let created: CreateResponse = parse(&answers.next().unwrap_or(Err(Trouble::Garbled))?)?;
        let made = answers.next().unwrap_or(Err(Trouble::Garbled)).map(drop);
        let removed = wire::set_removed(created.file_id);
        let close = wire::close(created.file_id);
        let ending: &[(Command, &dyn Pack)] = match made {
            Ok(()) => &[(Command::Close, &close)],
            Err(_) => &[(Command::SetInfo, &removed), (Command::Close, &close)],
        };
        link.chain(ending).await?;
        made
    }

    /// What makes a link of `path`, if it is one. Nobody is asked before a link has been met.
    pub(super) async fn link_data(&self, path: &str) -> Asked<Option<Vec<u8>>> {
        if !self.links_met.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match self.reparse_point(path).await {
            Ok(data) => Ok(Some(data).filter(|data| symlink::unpack(data).is_some())),
            Err(Trouble::Lost) => Err(Trouble::Lost),
            Err(_) => Ok(None),
        }
    }

    /// Sees to it that what was a link under another name is one now. Samba, up to 4.22 at least, forgets it.
    pub(super) async fn keep_link(&self, path: &str, data: Vec<u8>) -> Asked<()> {
        if self.is_link(path).await? {
            return Ok(());
        }
        let set = wire::control(FileId::SENTINEL, SET_REPARSE_POINT, data, 0);
        let access = FileAccessMask::FILE_WRITE_ATTRIBUTES | EXAMINE;
        self.work(path, access, wire::NOT_THROUGH_LINKS, &[(Command::Ioctl, &set)]).await.map(drop)
    }

    pub(super) async fn is_link(&self, path: &str) -> Asked<bool> {
        Ok(symlink::is_link(self.tag(path).await?))
    }

    async fn reparse_point(&self, path: &str) -> Asked<Vec<u8>> {
        let get = wire::control(FileId::SENTINEL, GET_REPARSE_POINT, Vec::new(), symlink::MOST);
        let asked: [(Command, &dyn Pack); 1] = [(Command::Ioctl, &get)];
        let mut answers = self.work(path, EXAMINE, wire::NOT_THROUGH_LINKS, &asked).await?;
        Ok(parse::<IoctlResponse>(&answers.pop().unwrap_or_default())?.output_data)
    }

    /// Whether a link's target is a directory now, as far as that can be seen from here.
    async fn leads_to_directory(&self, path: &str, target: &str) -> bool {
        let Some(target) = resolved(path, target) else { return false };
        matches!(self.facts(&target).await, Ok((facts, _)) if FileAttributes(facts.attributes).is_directory())
    }

    /// What kind of reparse point `path` is.
    async fn tag(&self, path: &str) -> Asked<u32> {
        let query = wire::query_file(ATTRIBUTE_TAG, 8, FileId::SENTINEL);
        let asked: [(Command, &dyn Pack); 1] = [(Command::QueryInfo, &query)];
        let mut answers = self.work(path, EXAMINE, wire::NOT_THROUGH_LINKS, &asked).await?;
        let answer: QueryInfoResponse = parse(&answers.pop().unwrap_or_default())?;
        let tag = answer.output_buffer.get(4..).and_then(|tag| tag.first_chunk());
        Ok(u32::from_le_bytes(*tag.ok_or(Trouble::Garbled)?))
    }

    fn may_be_link(&self, attributes: &Attributes) -> bool {
        self.links_in_files && attributes.kind == Kind::File && attributes.size == symlink::FILE_LEN as u64
    }
}

/// The target of the link that the file at `path` of the share holds, if it holds one.
async fn target_in(link: &Link, path: &str) -> Asked<Option<String>> {
    let access = FileAccessMask::FILE_READ_DATA | EXAMINE;
    let options = wire::NOT_DIRECTORY | wire::NOT_THROUGH_LINKS;
    let create = wire::create(path, access, CreateDisposition::FileOpen, options, 0);
    let read = wire::read_request(FileId::SENTINEL, 0, symlink::FILE_LEN as u32 + 1);
    let close = wire::close(FileId::SENTINEL);
    let answers =
        link.chain(&[(Command::Create, &create), (Command::Read, &read), (Command::Close, &close)]).await?;
    let mut answers = answers.into_iter();
    answers.next().unwrap_or(Err(Trouble::Garbled))?;
    match answers.next().unwrap_or(Err(Trouble::Garbled)) {
        Ok(body) => Ok(symlink::of_file(&parse::<ReadResponse>(&body)?.data)),
        Err(Trouble::Status(NtStatus::END_OF_FILE)) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

fn make_link(attributes: &mut Attributes, len: usize) {
    attributes.kind = Kind::Symlink;
    attributes.size = len as u64;
    attributes.read_only = false;
}

/// What servers say that have no reparse points, have none in this place, or let nobody make any.
fn lacks_reparse_points(status: NtStatus) -> bool {
    const NOT_A_REPARSE_POINT: u32 = 0xC000_0275;
    const PRIVILEGE_NOT_HELD: u32 = 0xC000_0061;
    const IO_REPARSE_TAG_NOT_HANDLED: u32 = 0xC000_0279;
    matches!(status.0, NOT_A_REPARSE_POINT | PRIVILEGE_NOT_HELD | IO_REPARSE_TAG_NOT_HANDLED)
        || matches!(
            status,
            NtStatus::NOT_SUPPORTED
                | NtStatus::NOT_IMPLEMENTED
                | NtStatus::INVALID_DEVICE_REQUEST
                | NtStatus::INVALID_PARAMETER
        )
}

/// A link's target as a path of the mount; `None` if it leads out of it.
fn resolved(path: &str, target: &str) -> Option<String> {
    let mut components: Vec<&str> = path.split('/').collect();
    components.pop();
    for component in target.split('/') {
        match component {
            "" | "." => {}
            ".." => drop(components.pop()?),
            name => components.push(name),
        }
    }
    Some(components.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_seen_from_the_directory_of_its_link_and_never_outside() {
        assert_eq!(resolved("a/b/link", "../c/./d").unwrap(), "a/c/d");
        assert_eq!(resolved("link", "d").unwrap(), "d");
        assert_eq!(resolved("a/link", "..").unwrap(), "");
        assert_eq!(resolved("a/link", "../.."), None);
    }
}
