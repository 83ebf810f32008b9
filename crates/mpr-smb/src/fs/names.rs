//! Names: making directories, removing, renaming, and what is open meanwhile.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Weak;
use std::sync::atomic::Ordering;

use mpr_remotefs::{Attributes, Errno, Kind, Result};
use smb2::msg::create::{CreateDisposition, CreateResponse, ShareAccess};
use smb2::msg::set_info::SetInfoResponse;
use smb2::types::flags::{FileAccessMask, FileAttributes};
use smb2::types::status::NtStatus;
use smb2::types::{Command, FileId};

use super::handle::Grip;
use super::{EXAMINE, SmbFs, without_lease};
use crate::link::{Asked, Trouble};
use crate::locked;
use crate::wire::{self, Facts};

impl SmbFs {
    pub(super) async fn add_directory(&self, path: &str) -> Result<Attributes> {
        let link = self.link().await?;
        let create = wire::create(
            &self.full(path),
            EXAMINE,
            CreateDisposition::FileCreate,
            wire::DIRECTORY,
            FileAttributes::DIRECTORY,
        );
        self.did_name(path, true);
        let (created, identity) = self.look(&link, &create).await?;
        Ok(Facts::of_create(&created).of(identity))
    }

    /// Gives a file another name. A directory has one: servers refuse others.
    pub(super) async fn add_name(&self, path: &str, also: &str) -> Result<Attributes> {
        let link = wire::set_link(&self.full(also), FileId::SENTINEL);
        let access = FileAccessMask::FILE_WRITE_ATTRIBUTES | EXAMINE;
        let options = wire::NOT_THROUGH_LINKS | wire::NOT_DIRECTORY;
        self.did_name(also, true);
        match self.work(path, access, options, &[(Command::SetInfo, &link)]).await {
            Err(Trouble::Status(NtStatus::FILE_IS_A_DIRECTORY)) => Err(Errno(libc::EPERM)),
            Err(trouble) => Err(trouble.into()),
            Ok(_) => self.stat_path(also).await,
        }
    }

    pub(super) async fn drop_directory(&self, path: &str) -> Result<()> {
        match self.remove_anyway(path, wire::DIRECTORY, wire::SHARED).await {
            Err(Trouble::Status(NtStatus::DIRECTORY_NOT_EMPTY)) if self.sweep(path).await => {
                Ok(self.remove_anyway(path, wire::DIRECTORY, wire::SHARED).await?)
            }
            removed => Ok(removed?),
        }
    }

    /// Removes what was left of removed files: nobody has it open, and nobody sees it. Samba keeps the hidden name of a
    /// file that another client closes in the moment in which it is given. Says whether there was anything.
    async fn sweep(&self, directory: &str) -> bool {
        let mut swept = false;
        for name in self.hidden_in(directory).await.unwrap_or_default() {
            let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            swept |= self.try_remove(&path, wire::NOT_DIRECTORY, wire::ALONE).await.is_ok();
        }
        swept
    }

    pub(super) async fn drop_file(&self, path: &str, open_here: bool) -> Result<()> {
        if open_here {
            let hidden = Self::hidden_name(path);
            if self.try_rename(path, &hidden, false).await.is_ok() {
                self.follow(path, &hidden);
                for file in locked(&self.open).values().filter_map(Weak::upgrade) {
                    if *locked(&file.path) == hidden {
                        file.removed.store(true, Ordering::Relaxed);
                    }
                }
                return Ok(self.remove_anyway(&hidden, wire::NOT_DIRECTORY, wire::SHARED).await?);
            }
            // A server that does not rename what is open still removes it, at the latest when it is closed.
        }
        // Others may keep it open though no program of theirs has it open. Some servers ask them to close it only for
        // somebody who wants it alone, and otherwise keep its name until they do.
        let share = if open_here { wire::SHARED } else { wire::ALONE };
        match self.remove_anyway(path, wire::NOT_DIRECTORY, share).await {
            // Whoever removes a directory as a file means a link: Windows has some that are directories.
            Err(Trouble::Status(NtStatus::FILE_IS_A_DIRECTORY)) if self.is_link(path).await? => {
                Ok(self.remove_anyway(path, wire::DIRECTORY, wire::SHARED).await?)
            }
            removed => Ok(removed?),
        }
    }

    pub(super) async fn move_name(&self, from: &str, to: &str, replace: bool) -> Result<()> {
        let denied = |renamed: &Asked<()>| {
            matches!(
                renamed,
                Err(Trouble::Status(
                    NtStatus::ACCESS_DENIED | NtStatus::OBJECT_NAME_COLLISION | NtStatus::SHARING_VIOLATION
                ))
            )
        };
        let link = self.link_data(from).await?;
        let mut renamed = self.try_rename(from, to, replace).await;
        if denied(&renamed) && replace && self.make_way(from, to).await? {
            renamed = self.try_rename(from, to, true).await;
        }
        let mut _parked = Vec::new();
        if denied(&renamed)
            && let Some(parked) = self.park(from).await?
        {
            _parked = parked;
            renamed = self.try_rename(from, to, replace).await;
        }
        renamed?;
        self.follow(from, to);
        match link {
            Some(data) => Ok(self.keep_link(to, data).await?),
            None => Ok(()),
        }
    }

    /// Servers replace a file, but neither a directory nor a file that forbids writing; a kernel expects both.
    /// Says whether it is worth trying again.
    async fn make_way(&self, from: &str, to: &str) -> Result<bool> {
        let (old, old_identity) = match self.facts(to).await {
            Ok(found) => found,
            Err(Trouble::Status(status)) if crate::status::errno(status) == Errno::NOT_FOUND => {
                return Ok(false);
            }
            Err(trouble) => return Err(trouble.into()),
        };
        let (new, new_identity) = self.facts(from).await?;
        if old_identity.number == new_identity.number && old_identity.number != 0 {
            // Two spellings of one name, on a server that does not tell upper from lower case.
            return Ok(false);
        }
        let (old, new) = (old.of(old_identity), new.of(new_identity));
        match (old.kind, new.kind) {
            (Kind::Directory, Kind::Directory) => self.drop_directory(to).await.map(|()| true),
            (Kind::Directory, _) => Err(Errno(libc::EISDIR)),
            (_, Kind::Directory) => Err(Errno(libc::ENOTDIR)),
            (_, _) if old.read_only => Ok(self.allow_writing(to).await.map(|()| true)?),
            (_, _) => Ok(false),
        }
    }

    /// Files that are open here follow when they, or a directory above them, are renamed.
    fn follow(&self, from: &str, to: &str) {
        locked(&self.open).retain(|_, file| {
            let Some(file) = file.upgrade() else { return false };
            let mut path = locked(&file.path);
            if let Some(rest) = path.strip_prefix(from)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                *path = format!("{to}{rest}");
            }
            true
        });
        locked(&self.leases).follow(from, to);
    }

    async fn try_rename(&self, from: &str, to: &str, replace: bool) -> Asked<()> {
        let rename = wire::set_name(&self.full(to), replace, FileId::SENTINEL);
        let access = FileAccessMask::DELETE | EXAMINE;
        self.make_in_no_more(from).await;
        self.did_name(from, false);
        self.did_name(to, true);
        match self.work(from, access, wire::NOT_THROUGH_LINKS, &[(Command::SetInfo, &rename)]).await {
            Err(Trouble::Status(NtStatus::INTERNAL_ERROR)) => self.rename_in_turn(from, to, replace).await,
            renamed => renamed.map(drop),
        }
    }

    /// The same in messages of their own. Who else keeps the file open is asked to close it first; Samba cannot wait for
    /// that between other requests, and says that it has made a mistake.
    async fn rename_in_turn(&self, from: &str, to: &str, replace: bool) -> Asked<()> {
        let link = self.link().await?;
        let access = FileAccessMask::DELETE | EXAMINE;
        let mut create =
            wire::create(&self.full(from), access, CreateDisposition::FileOpen, wire::NOT_THROUGH_LINKS, 0);
        let leased = self.under_its_lease(&link, from, &mut create);
        let opened: CreateResponse = match link.call(Command::Create, &create, 0).await {
            Err(Trouble::Status(NtStatus::INVALID_PARAMETER)) if leased => {
                without_lease(&mut create);
                link.call(Command::Create, &create, 0).await?
            }
            opened => opened?,
        };
        let grip = Grip::on(&link, opened.file_id, None);
        let rename = wire::set_name(&self.full(to), replace, opened.file_id);
        let renamed = link.call::<SetInfoResponse>(Command::SetInfo, &rename, 0).await;
        grip.close().await;
        renamed.map(drop)
    }

    async fn try_remove(&self, path: &str, options: u32, share: ShareAccess) -> Asked<()> {
        let removed = wire::set_removed(FileId::SENTINEL);
        let access = FileAccessMask::DELETE | EXAMINE;
        self.make_in_no_more(path).await;
        self.did_name(path, false);
        let options = options | wire::NOT_THROUGH_LINKS;
        let mut create = wire::create(&self.full(path), access, CreateDisposition::FileOpen, options, 0);
        create.share_access = share;
        self.work_through(path, create, &[(Command::SetInfo, &removed)]).await?;
        locked(&self.leases).forget(path);
        Ok(())
    }

    /// Removes a file even if writing to it is forbidden: here that is a matter of the directory.
    async fn remove_anyway(&self, path: &str, options: u32, share: ShareAccess) -> Asked<()> {
        let mut removed = self.try_remove(path, options, share).await;
        if matches!(removed, Err(Trouble::Status(NtStatus::SHARING_VIOLATION))) {
            removed = self.try_remove(path, options, wire::SHARED).await;
        }
        match removed {
            Err(Trouble::Status(NtStatus::CANNOT_DELETE)) => {
                self.allow_writing(path).await?;
                self.try_remove(path, options, wire::SHARED).await
            }
            done => done,
        }
    }

    fn hidden_name(path: &str) -> String {
        let random = || RandomState::new().build_hasher().finish();
        let name = format!("{}{:016x}{:016x}", wire::REMOVED_PREFIX, random(), random());
        match path.rsplit_once('/') {
            Some((directory, _)) => format!("{directory}/{name}"),
            None => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_file_hides_in_its_own_directory_under_a_name_of_its_own() {
        let one = SmbFs::hidden_name("a/b/c");
        assert!(one.starts_with("a/b/.mpr-deleted-") && one.len() == "a/b/.mpr-deleted-".len() + 32, "{one}");
        assert_ne!(one, SmbFs::hidden_name("a/b/c"));
        assert!(SmbFs::hidden_name("c").starts_with(wire::REMOVED_PREFIX));
    }
}
