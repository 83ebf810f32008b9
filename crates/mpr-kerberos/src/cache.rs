//! Whose the place is that the tickets are in.
//!
//! The library takes what it finds under the name of a user in `/tmp`. Tickets that somebody else has put there would
//! have the user connected as somebody else, and what the user writes end up in other hands.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::Why;

/// The biggest file of tickets that is given to the library.
const BIGGEST: u64 = 16 << 20;

/// Refuses a file or directory of tickets that is not this user's or root's, or that others can write to. What the
/// kernel or a service keeps is judged by them.
pub(crate) fn judge(name: &str, uid: u32) -> Result<(), Why> {
    let path = match name.split_once(':') {
        Some(("FILE", path)) => PathBuf::from(path),
        // `DIR::/d/tkt` is one file of a directory.
        Some(("DIR", path)) => PathBuf::from(path.trim_start_matches(':')),
        Some((kind, _)) if !kind.contains('/') => return Ok(()),
        _ => PathBuf::from(name),
    };
    match judge_path(&path, uid) {
        Ok(None) => Ok(()),
        Ok(Some(what)) => Err(Why::Distrusted(format!("{} {what}", path.display()))),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(Why::NoTicket)
        }
        Err(error) => Err(Why::Distrusted(format!("{} cannot be examined: {error}", path.display()))),
    }
}

/// What is wrong with it, if anything is.
fn judge_path(path: &Path, uid: u32) -> io::Result<Option<&'static str>> {
    let ours = |meta: &fs::Metadata| meta.uid() == uid || meta.uid() == 0;
    // A link leads where its owner says.
    if !ours(&fs::symlink_metadata(path)?) {
        return Ok(Some("is another user's"));
    }
    let meta = fs::metadata(path)?;
    let kind = meta.file_type();
    Ok(match () {
        () if !ours(&meta) => Some("is another user's"),
        () if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() => {
            Some("is no file")
        }
        () if meta.mode() & 0o022 != 0 => Some("can be written to by other users"),
        () if kind.is_file() && meta.len() > BIGGEST => Some("is too big"),
        () => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn is_distrusted(name: &str, uid: u32) -> bool {
        matches!(judge(name, uid), Err(Why::Distrusted(_)))
    }

    #[test]
    fn tickets_are_taken_from_what_is_the_users_own() {
        let directory = tempfile::tempdir().unwrap();
        let uid = fs::metadata(directory.path()).unwrap().uid();
        let path = directory.path().join("tickets");
        let name = format!("FILE:{}", path.display());
        assert_eq!(judge(&name, uid), Err(Why::NoTicket));
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(judge(&name, uid), Ok(()));
        assert_eq!(judge(path.to_str().unwrap(), uid), Ok(()));
        assert_eq!(judge(&format!("DIR::{}", path.display()), uid), Ok(()));
        assert_eq!(judge(&format!("DIR:{}", directory.path().display()), uid), Ok(()));
        for kept_elsewhere in ["KEYRING:persistent:1000", "KCM:", "KCM:1000:7", "MEMORY:x"] {
            assert_eq!(judge(kept_elsewhere, uid), Ok(()));
        }

        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(is_distrusted(&name, uid), "others can write to it");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_len(BIGGEST + 1).unwrap();
        assert!(is_distrusted(&name, uid), "it is too big");
    }

    #[test]
    fn tickets_of_another_user_and_links_of_another_user_are_not_taken() {
        // Only root can make such files; what is root's is everybody's to trust.
        let directory = tempfile::tempdir().unwrap();
        if fs::metadata(directory.path()).unwrap().uid() != 0 {
            assert!(is_distrusted(&format!("DIR:{}", directory.path().display()), u32::MAX));
            return;
        }
        let (path, link) = (directory.path().join("tickets"), directory.path().join("link"));
        fs::write(&path, "").unwrap();
        std::os::unix::fs::chown(&path, Some(1), None).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&path, &link).unwrap();
        assert_eq!(judge(&format!("FILE:{}", path.display()), 1), Ok(()));
        assert_eq!(judge(&format!("FILE:{}", link.display()), 1), Ok(()));
        assert!(is_distrusted(&format!("FILE:{}", path.display()), 2));
        assert!(is_distrusted(&format!("FILE:{}", link.display()), 2));
        std::os::unix::fs::lchown(&link, Some(2), None).unwrap();
        assert!(is_distrusted(&format!("FILE:{}", link.display()), 1));
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let uid = fs::metadata(directory.path()).unwrap().uid();
        assert!(is_distrusted(&format!("FILE:{}", socket.display()), uid));
    }
}
