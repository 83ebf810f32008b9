//! Attributes that are the user's own, times, and names.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mpr_helper::protocol::Taste;

use crate::common::Mounted;

/// A path as the system calls want it.
fn path_of(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn outcome(returned: isize) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| io::Error::last_os_error())
}

fn set(path: &Path, name: &str, value: &[u8], flags: i32) -> io::Result<()> {
    let (path, name) = (path_of(path), CString::new(name).unwrap());
    // SAFETY: both strings end in a zero byte, and the value has its length.
    let set =
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags) };
    outcome(set as isize).map(|_| ())
}

fn get(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    let (path, name) = (path_of(path), CString::new(name).unwrap());
    let mut value = vec![0; 70_000];
    // SAFETY: both strings end in a zero byte, and the buffer has its length.
    let len = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(outcome(len)?);
    Ok(value)
}

fn list(path: &Path, room: usize) -> io::Result<Vec<String>> {
    let path = path_of(path);
    let mut names = vec![0u8; room];
    // SAFETY: the string ends in a zero byte, and the buffer has its length.
    let len = unsafe { libc::listxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    names.truncate(outcome(len)?);
    let mut names: Vec<String> = names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8(name.to_vec()).unwrap())
        .collect();
    names.sort();
    Ok(names)
}

fn remove(path: &Path, name: &str) -> io::Result<()> {
    let (path, name) = (path_of(path), CString::new(name).unwrap());
    // SAFETY: both strings end in a zero byte.
    let removed = unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) };
    outcome(removed as isize).map(|_| ())
}

fn errno<T: std::fmt::Debug>(result: io::Result<T>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

#[test]
fn a_user_may_keep_attributes_with_a_file() {
    let mounted = Mounted::share("rw");
    let (here, there) = mounted.place("xattrs");
    let file = here.join("f");
    fs::write(&file, "").unwrap();
    assert_eq!(list(&file, 1000).unwrap(), Vec::<String>::new());
    assert_eq!(errno(get(&file, "user.origin")), Some(libc::ENODATA));
    assert_eq!(errno(set(&file, "user.origin", b"x", libc::XATTR_REPLACE)), Some(libc::ENODATA));
    set(&file, "user.origin", b"camera\0 7", libc::XATTR_CREATE).unwrap();
    set(&file, "user.rating", b"5", 0).unwrap();
    assert_eq!(errno(set(&file, "user.origin", b"x", libc::XATTR_CREATE)), Some(libc::EEXIST));
    assert_eq!(get(&file, "user.origin").unwrap(), b"camera\0 7");
    assert_eq!(get(&there.join("f"), "user.origin").unwrap(), b"camera\0 7", "on the server");
    assert_eq!(list(&file, 1000).unwrap(), ["user.origin", "user.rating"]);
    assert_eq!(errno(list(&file, 5)), Some(libc::ERANGE));
    remove(&file, "user.origin").unwrap();
    assert_eq!(errno(remove(&file, "user.origin")), Some(libc::ENODATA));
    assert_eq!(list(&file, 1000).unwrap(), ["user.rating"]);
    set(&here, "user.of-a-directory", b"yes", 0).unwrap();
    assert_eq!(get(&here, "user.of-a-directory").unwrap(), b"yes");
}

#[test]
fn attributes_of_the_system_are_not_of_a_share() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("system-xattrs");
    fs::write(here.join("f"), "").unwrap();
    assert_eq!(errno(set(&here.join("f"), "trusted.x", b"x", 0)), Some(libc::EOPNOTSUPP));
    assert_eq!(errno(get(&here.join("f"), "security.capability")), Some(libc::EOPNOTSUPP));
}

#[test]
fn names_are_as_long_as_servers_have_them() {
    let mounted = Mounted::share("rw");
    let (here, _) = mounted.place("long-names");
    // 255 units of the server's, and as many bytes as its own disk takes.
    let name = "x".repeat(255);
    fs::write(here.join(&name), "long").unwrap();
    assert_eq!(fs::read_to_string(here.join(&name)).unwrap(), "long");
    let error = fs::create_dir(here.join("y".repeat(256))).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENAMETOOLONG));
    let error = fs::rename(here.join(&name), here.join("z".repeat(256))).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENAMETOOLONG));
}

#[test]
fn permissions_are_what_somebody_wants_them_to_be() {
    let taste = Taste { file_mode: Some(0o640), directory_mode: Some(0o750), ..Taste::default() };
    let mounted = Mounted::to_taste("rw", taste);
    let (here, _) = mounted.place("modes");
    fs::write(here.join("f"), "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&here.join("f")), mode(&here)), (0o640, 0o750));
    fs::set_permissions(here.join("f"), fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(mode(&here.join("f")), 0o440, "the server knows only whether it may be written to");
}
