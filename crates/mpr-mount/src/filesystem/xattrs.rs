//! Extended attributes: those of the user. The others are of systems that servers do not have.

use std::ffi::OsStr;

use bytes::Bytes;
use mpr_fuse::Reply;
use mpr_remotefs::{Errno, RemoteFs, Result, SetMode};

use super::{Inner, gone};

const USER: &str = "user.";

/// The name of an attribute, if it is one that servers may have.
pub(super) fn name_of(name: &OsStr) -> Result<&str> {
    let name = name.to_str().ok_or(Errno(libc::EILSEQ))?;
    match name.strip_prefix(USER) {
        Some("") => Err(Errno(libc::EINVAL)),
        Some(_) => Ok(name),
        None => Err(Errno::UNSUPPORTED),
    }
}

impl<R: RemoteFs> Inner<R> {
    pub(super) async fn xattr(&self, ino: u64, name: &str) -> Result<Bytes> {
        self.remote.xattr(&self.path(ino)?, name).await.map_err(gone)
    }

    /// The names, each ended by a zero byte.
    pub(super) async fn xattrs(&self, ino: u64) -> Result<Bytes> {
        let names = match self.remote.xattrs(&self.path(ino)?).await {
            // Nothing is there, then.
            Err(Errno::UNSUPPORTED) => Vec::new(),
            names => names.map_err(gone)?,
        };
        let mut list = Vec::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        // What another client gave a name that is none here is not shown.
        for name in names.iter().filter(|name| name_of(OsStr::new(name)).is_ok() && !name.contains('\0')) {
            list.extend_from_slice(name.as_bytes());
            list.push(0);
        }
        Ok(list.into())
    }

    pub(super) async fn set_xattr(&self, ino: u64, name: &str, value: Bytes, flags: i32) -> Result<()> {
        let mode = match flags {
            0 => SetMode::Any,
            libc::XATTR_CREATE => SetMode::Create,
            libc::XATTR_REPLACE => SetMode::Replace,
            _ => return Err(Errno(libc::EINVAL)),
        };
        self.remote.set_xattr(&self.path(ino)?, name, value, mode).await.map_err(gone)
    }

    pub(super) async fn remove_xattr(&self, ino: u64, name: &str) -> Result<()> {
        self.remote.remove_xattr(&self.path(ino)?, name).await.map_err(gone)
    }
}

/// Answers a value, or its size to who has no room for any.
pub(super) fn sized(reply: Reply, room: u32, value: Result<Bytes>) {
    match value {
        Err(error) => _ = reply.error(error.0),
        // More than the kernel takes.
        Ok(value) if value.len() > 65_536 => _ = reply.error(libc::E2BIG),
        Ok(value) if room == 0 => _ = reply.xattr_size(value.len() as u32),
        Ok(value) if value.len() > room as usize => _ = reply.error(libc::ERANGE),
        Ok(value) => _ = reply.data(&value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_attributes_of_the_user_are_asked_for() {
        assert_eq!(name_of(OsStr::new("user.a.b")), Ok("user.a.b"));
        assert_eq!(name_of(OsStr::new("security.capability")), Err(Errno::UNSUPPORTED));
        assert_eq!(name_of(OsStr::new("user.")), Err(Errno(libc::EINVAL)));
    }
}
