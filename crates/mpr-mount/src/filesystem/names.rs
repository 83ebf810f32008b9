//! Making, finding, removing and renaming.

use std::time::{Duration, Instant};

use mpr_fuse::{Entry, Notice, Reply};
use mpr_remotefs::{Access, Creation, Errno, Kind, RemoteFs, Result};

use super::attributes::nothing_known;
use super::{Inner, gone, locked};

/// How long removing a directory waits for files in it that were removed and are being closed.
const SETTLE: Duration = Duration::from_millis(500);
/// How often a file is replaced anew because it has been opened meanwhile.
const OPENED_MEANWHILE: u32 = 5;
/// A lifetime as short as this is that of what nobody tells the changes of.
const UNTOLD: Duration = Duration::from_secs(1);
/// How long it may be believed that a name is free: if changes were missed, it cannot be told which names those are.
const NOTHING: Duration = Duration::from_secs(5);

impl<R: RemoteFs> Inner<R> {
    async fn lookup(&self, parent: u64, name: &str) -> Result<Entry> {
        let path = self.path_of(parent, name)?;
        match self.remote.stat(&path).await {
            Ok(now) => {
                let node = locked(&self.nodes).found(parent, name, &now);
                Ok(self.entry(node, &now))
            }
            Err(error) => {
                if error == Errno::NOT_FOUND {
                    locked(&self.nodes).unname(parent, name);
                }
                Err(error)
            }
        }
    }

    pub(super) async fn answer_lookup(&self, parent: u64, name: &str, reply: Reply) {
        let found = match self.lookup(parent, name).await {
            Err(Errno::NOT_FOUND) if self.is_to_believe(parent, name) => Ok(self.nothing()),
            found => found,
        };
        self.tell_entry(found, reply);
    }

    /// Whether the kernel may believe for a while that there is nothing of a name.
    fn is_to_believe(&self, parent: u64, name: &str) -> bool {
        self.lifetime() > UNTOLD && locked(&self.absent).note(parent, name, Instant::now(), NOTHING)
    }

    /// A name has been given here: the kernel is to ask again for what may be another spelling of it.
    pub(super) fn is_given(&self, parent: u64, name: &str) {
        let others = locked(&self.absent).others(parent, name);
        let Some(notifier) = self.notifier.get() else { return };
        for other in others {
            notifier.tell(Notice::Entry { parent, name: other.into() });
        }
    }

    /// That there is nothing of a name, which may be believed for a while where new names are told as events.
    fn nothing(&self) -> Entry {
        let valid = self.lifetime().min(NOTHING);
        let attr = self.attr_as(0, &nothing_known());
        Entry { node: 0, name_valid: valid, attr_valid: Duration::ZERO, attr }
    }

    pub(super) async fn make_file(&self, parent: u64, name: &str, mode: u32) -> Result<Entry> {
        let creation = Creation {
            access: Access { read: true, write: false },
            exclusive: true,
            truncate: false,
            read_only: mode & 0o222 == 0,
        };
        let path = self.path_of(parent, name)?;
        let (file, now) = self.remote.create(&path, creation).await?;
        self.remote.close(&file).await;
        self.is_given(parent, name);
        let node = locked(&self.nodes).found(parent, name, &now);
        Ok(self.entry(node, &now))
    }

    pub(super) async fn make_directory(&self, parent: u64, name: &str) -> Result<Entry> {
        let now = self.remote.make_directory(&self.path_of(parent, name)?).await?;
        self.is_given(parent, name);
        let node = locked(&self.nodes).found(parent, name, &now);
        Ok(self.entry(node, &now))
    }

    pub(super) async fn read_link(&self, ino: u64) -> Result<String> {
        match self.remote.read_link(&self.path(ino)?).await {
            Err(Errno::UNSUPPORTED) => Err(Errno(libc::EINVAL)),
            target => target.map_err(gone),
        }
    }

    pub(super) async fn make_symlink(&self, parent: u64, name: &str, target: &str) -> Result<Entry> {
        match self.remote.make_symlink(&self.path_of(parent, name)?, target).await {
            Ok(now) => {
                self.is_given(parent, name);
                let node = locked(&self.nodes).found(parent, name, &now);
                Ok(self.entry(node, &now))
            }
            Err(error) => Err(no_links(error)),
        }
    }

    pub(super) async fn link(&self, ino: u64, parent: u64, name: &str) -> Result<Entry> {
        let (path, also) = (self.path(ino)?, self.path_of(parent, name)?);
        let now = self.remote.link(&path, &also).await.map_err(no_links)?;
        self.is_given(parent, name);
        locked(&self.nodes).linked(ino, parent, name);
        Ok(self.entry(ino, &now))
    }

    pub(super) async fn unlink(&self, parent: u64, name: &str) -> Result<()> {
        let path = self.path_of(parent, name)?;
        let node = locked(&self.nodes).named(parent, name);
        if let Some(ino) = node {
            // What was closed just before is not open; the server is about to hear of it.
            self.wait_until(|files| !files.is_closing(ino)).await;
        }
        self.remote.remove_file(&path, node.is_some_and(|ino| self.is_open(ino))).await?;
        locked(&self.nodes).removed(parent, name);
        Ok(())
    }

    pub(super) async fn rmdir(&self, parent: u64, name: &str) -> Result<()> {
        let path = self.path_of(parent, name)?;
        let node = locked(&self.nodes).named(parent, name);
        if let Some(ino) = node {
            // Who has read it, closed it and now removes it: until the server has heard of all three, it is
            // in the way of removing the directory above.
            self.wait_until(|files| !files.is_closing(ino)).await;
        }
        let removed = match self.remote.remove_directory(&path).await {
            Err(Errno(libc::ENOTEMPTY)) => {
                // What was removed while open stays in its directory until it is closed, a file under a hidden
                // name; the kernel tells us of a close only after the program has gone on, and another thread
                // may be about to hear of it.
                let inside = |ino: &u64| {
                    let nodes = locked(&self.nodes);
                    nodes.is_nameless(*ino) && nodes.parent(*ino) == node
                };
                let read = || locked(&self.directories).values().any(|reading| inside(&reading.ino));
                let settled = self.wait_until(|files| {
                    !files.is_any_closing() && !files.open_nodes().any(inside) && !read()
                });
                let _ = tokio::time::timeout(SETTLE, settled).await;
                self.remote.remove_directory(&path).await
            }
            removed => removed,
        };
        removed?;
        locked(&self.nodes).removed(parent, name);
        Ok(())
    }

    pub(super) async fn rename(
        &self,
        parent: u64,
        name: &str,
        new_parent: u64,
        new_name: &str,
        replace: bool,
    ) -> Result<()> {
        let from = self.path_of(parent, name)?;
        let to = self.path_of(new_parent, new_name)?;
        let (source, victim) = {
            let nodes = locked(&self.nodes);
            (nodes.named(parent, name), nodes.named(new_parent, new_name))
        };
        let victim = victim.filter(|victim| replace && source != Some(*victim));
        let mut attempts = 0;
        loop {
            if let Some(victim) = victim {
                self.make_way(&from, &to, victim).await?;
            }
            match self.remote.rename(&from, &to, replace).await {
                // Somebody may have opened it after it was found closed.
                Err(Errno(libc::EACCES | libc::EBUSY | libc::EEXIST))
                    if victim.is_some() && attempts < OPENED_MEANWHILE =>
                {
                    attempts += 1;
                }
                renamed => break renamed?,
            }
        }
        self.is_given(new_parent, new_name);
        locked(&self.nodes).renamed(parent, name, new_parent, new_name);
        Ok(())
    }

    /// Servers do not rename over what is open. It makes way first, unless the two names are two spellings of one file.
    async fn make_way(&self, from: &str, to: &str, victim: u64) -> Result<()> {
        self.wait_until(|files| !files.is_closing(victim)).await;
        if !self.is_open(victim) {
            return Ok(());
        }
        let (old, new) = (self.remote.stat(to).await, self.remote.stat(from).await?);
        match old {
            Ok(old)
                if old.kind != Kind::Directory
                    && new.kind != Kind::Directory
                    && (old.id == 0 || old.id != new.id) =>
            {
                self.remote.remove_file(to, true).await
            }
            _ => Ok(()),
        }
    }
}

/// A file system without links says so with this.
fn no_links(error: Errno) -> Errno {
    if error == Errno::UNSUPPORTED { Errno(libc::EPERM) } else { error }
}
