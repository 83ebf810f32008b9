//! Putting a file system in its place.

use std::ffi::{CString, OsStr};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mpr_abi::Status;
use mpr_fuse::DEVICE;
use mpr_helper::connections;
use mpr_helper::mounts::{FS_TYPE, Table};
use mpr_helper::protocol::Failure;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};

/// What `subtype` makes of the file system type `fuse`.
const SUBTYPE: &str = "mpr";

/// How far the kernel reads ahead.
const READ_AHEAD_KIB: &str = "1024";

/// Makes a mount point ready: there, a directory, empty, and free of links in its path.
///
/// `own` says that it is ours to make. What a dead helper left mounted there is taken away; the caller holds
/// the lock of its slot, so no live helper serves it.
pub fn prepare(mount_point: &Path, own: bool) -> Result<PathBuf, Failure> {
    let refuse = |why: &str| {
        Err(Failure::new(
            Status::BAD_LOCALNAME,
            format!("cannot connect at {}: {why}", mount_point.display()),
        ))
    };
    let (Some(parent), Some(name)) = (mount_point.parent(), mount_point.file_name()) else {
        return refuse("it is not the path of a directory below another");
    };
    if own {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
        if let Err(error) = made {
            return refuse(&error.to_string());
        }
    }
    let path = match parent.canonicalize() {
        Ok(parent) => parent.join(name),
        Err(error) => return refuse(&error.to_string()),
    };
    // Before the directory itself is touched: a dead mount answers nothing but errors.
    let table = Table::now().map_err(|error| internal("reading the mount table", &error))?;
    if table.at(&path).is_some_and(|mount| mount.fs_type == FS_TYPE)
        && let Err(error) = connections::detach(&path)
    {
        return refuse(&format!("what an earlier connection left there cannot be unmounted: {error}"));
    }
    if own
        && let Err(error) = DirBuilder::new().mode(0o700).create(&path)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return refuse(&error.to_string());
    }
    match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return refuse("it is not a directory"),
        Err(error) => return refuse(&error.to_string()),
    }
    match fs::read_dir(&path).map(|mut entries| entries.next()) {
        Ok(None) => Ok(path),
        Ok(Some(_)) => refuse("it is not empty; choose an empty directory"),
        Err(error) => refuse(&error.to_string()),
    }
}

/// How something is mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct How {
    /// Refuse every change.
    pub read_only: bool,
    /// Let others than this user look in, as far as permissions allow.
    pub allow_other: bool,
}

/// A FUSE file system that is mounted nowhere, and ends when this is dropped.
#[derive(Debug)]
pub struct Made(OwnedFd);

/// Makes a file system that nobody sees yet, and answers the descriptor on which it is served, too. For who has the
/// privilege, from Linux 5.2.
///
/// # Errors
///
/// What the kernel says.
pub fn make(source: &str, how: How) -> io::Result<(Made, OwnedFd)> {
    let device = open_device()?;
    // SAFETY: neither takes anything or can fail.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let system = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let options = [
        ("source", source.to_owned()),
        ("fd", device.as_raw_fd().to_string()),
        ("rootmode", "40000".to_owned()),
        ("user_id", uid.to_string()),
        ("group_id", gid.to_string()),
        ("subtype", SUBTYPE.to_owned()),
    ];
    for (name, value) in options {
        fsconfig_set_string(&system, name, value)?;
    }
    let others = how.allow_other.then_some("allow_other");
    let mode = how.read_only.then_some("ro");
    for flag in ["default_permissions"].into_iter().chain(others).chain(mode) {
        fsconfig_set_flag(&system, flag)?;
    }
    fsconfig_create(&system)?;
    let mut attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, how.read_only);
    let made = fsmount(&system, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    Ok((Made(made), device))
}

impl Made {
    /// Mounts it.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn put(self, mount_point: &Path) -> io::Result<()> {
        move_mount(&self.0, "", CWD, mount_point, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        Ok(())
    }
}

fn open_device() -> io::Result<OwnedFd> {
    let device = OpenOptions::new().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(DEVICE)?;
    Ok(device.into())
}

/// Mounts a FUSE file system and answers the descriptor on which it is served: by the system call, or through
/// `fusermount3` for users who may not use that.
pub fn mount(mount_point: &Path, source: &str, how: How) -> Result<OwnedFd, Failure> {
    let mounted = match mount_directly(mount_point, source, how) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => {
            mount_through_fusermount(mount_point, source, how)
        }
        mounted => mounted,
    };
    mounted.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => {
                "this system has no /dev/fuse; load the kernel module 'fuse'".to_owned()
            }
            _ => error.to_string(),
        };
        Failure::new(Status::DEVICE_ERROR, format!("cannot mount at {}: {why}", mount_point.display()))
    })
}

fn mount_directly(mount_point: &Path, source: &str, how: How) -> io::Result<OwnedFd> {
    let device = open_device()?;
    // SAFETY: neither takes anything or can fail.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let others = if how.allow_other { ",allow_other" } else { "" };
    let options = CString::new(format!(
        "fd={},rootmode=40000,user_id={uid},group_id={gid},default_permissions{others},subtype={SUBTYPE}",
        device.as_raw_fd()
    ))?;
    let source = CString::new(source)?;
    let target = CString::new(mount_point.as_os_str().as_bytes())?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | if how.read_only { libc::MS_RDONLY } else { 0 };
    // SAFETY: all four strings end in a zero byte and live through the call.
    let mounted = unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), c"fuse".as_ptr(), flags, options.as_ptr().cast())
    };
    if mounted == 0 { Ok(device) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel read as much ahead of programs as it asks for at once, if this process may say so: by itself it asks for
/// an eighth of that, and each request wakes a thread here and the program again.
pub(crate) fn read_ahead(mount_point: &Path) {
    if let Ok(table) = Table::now()
        && let Some(mount) = table.at(mount_point).filter(|mount| mount.fs_type == FS_TYPE)
    {
        // It is only slower without.
        let _ = fs::write(format!("/sys/class/bdi/0:{}/read_ahead_kb", mount.minor), READ_AHEAD_KIB);
    }
}

fn mount_through_fusermount(mount_point: &Path, source: &str, how: How) -> io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    let inherited = theirs.as_raw_fd();
    let mut command = Command::new("fusermount3");
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("_FUSE_COMMFD", inherited.to_string())
        .arg("-o")
        .arg(fusermount_options(source, how))
        .arg("--")
        .arg(mount_point)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // SAFETY: between fork and exec one async-signal-safe call is made, on a descriptor that is open.
    unsafe {
        command.pre_exec(move || match libc::fcntl(inherited, libc::F_SETFD, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::other("mounting without being root needs fusermount3; install the package fuse3")
        }
        _ => error,
    })?;
    drop(theirs);
    let received = receive_descriptor(&ours);
    let mut complaint = String::new();
    if let Some(stderr) = child.stderr.take() {
        // What it says is only for the message below.
        let _ = stderr.take(1000).read_to_string(&mut complaint);
    }
    child.wait()?;
    match received? {
        Some(device) => Ok(device),
        None => Err(io::Error::other(meant(&complaint))),
    }
}

/// What `fusermount3` means by its words, and what to do.
fn meant(complaint: &str) -> String {
    if complaint.contains("user_allow_other") {
        return "letting other users in is not allowed on this machine: have its administrator write the line \
                user_allow_other into /etc/fuse.conf, or leave out allow-other"
            .to_owned();
    }
    complaint.trim().replace('\n', "; ")
}

fn fusermount_options(source: &str, how: How) -> std::ffi::OsString {
    let source = source.replace('\\', "\\\\").replace(',', "\\,");
    let mode = if how.read_only { "ro" } else { "rw" };
    let others = if how.allow_other { ",allow_other" } else { "" };
    let options =
        format!("{mode},nosuid,nodev,default_permissions{others},subtype={SUBTYPE},fsname={source}");
    OsStr::new(&options).to_owned()
}

/// The descriptor sent over `socket`; `None` if the other side closed without sending one.
pub(crate) fn receive_descriptor(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut byte = 0u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // As an array of u64 for the alignment of a control message header.
    let mut control = [0u64; 8];
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    let received = loop {
        // SAFETY: `message` points to a buffer of one byte and to a control buffer, each with its true length,
        // all alive during the call.
        match unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC) } {
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            -1 => return Err(io::Error::last_os_error()),
            received => break received,
        }
    };
    if received == 0 {
        return Ok(None);
    }
    // SAFETY: the kernel has filled the control buffer and set its length, which is what this reads; the
    // pointer it answers is null or into that buffer, and CMSG_LEN says whether a descriptor is there.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&message);
        if header.is_null()
            || (*header).cmsg_level != libc::SOL_SOCKET
            || (*header).cmsg_type != libc::SCM_RIGHTS
            || (*header).cmsg_len < libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize
        {
            return Err(io::Error::other("no descriptor was sent"));
        }
        let descriptor = libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned();
        Ok(Some(OwnedFd::from_raw_fd(descriptor)))
    }
}

/// Sends a descriptor over `socket`.
pub(crate) fn send_descriptor(socket: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut byte = 0u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // As an array of u64 for the alignment of a control message header.
    let mut control = [0u64; 8];
    // SAFETY: takes an integer; the size of one descriptor fits into the buffer.
    let size = unsafe { libc::CMSG_SPACE(size_of::<RawFd>() as u32) } as usize;
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size;
    // SAFETY: the control buffer has room for one header and one descriptor, so the pointers lead into it; all that
    // the message points to lives through the call.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<RawFd>() as u32) as usize;
        libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(descriptor.as_raw_fd());
        libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL)
    };
    if sent == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A failure that nobody outside this program can do anything about.
pub fn internal(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Status::DEVICE_ERROR, format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_comma_in_a_share_name_is_no_mount_option() {
        let how = How { read_only: true, allow_other: false };
        let options = fusermount_options(r"//nas/a,allow_other\", how);
        assert!(options.to_str().unwrap().ends_with(r"fsname=//nas/a\,allow_other\\"), "{options:?}");
    }

    #[test]
    fn who_may_not_let_others_in_is_told_what_to_do() {
        let said =
            "fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf\n";
        assert!(meant(said).contains("/etc/fuse.conf, or leave out"), "{}", meant(said));
        assert_eq!(meant("fusermount3: a\nb\n"), "fusermount3: a; b");
    }

    #[test]
    fn a_directory_of_somebody_has_to_be_there_and_empty() {
        let base = tempfile::tempdir().unwrap();
        let status = |path: &Path| prepare(path, false).map_err(|failure| failure.status);
        assert_eq!(status(&base.path().join("none")), Err(Status::BAD_LOCALNAME.0));
        let directory = base.path().join("d");
        fs::create_dir(&directory).unwrap();
        assert_eq!(status(&directory), Ok(directory.canonicalize().unwrap()));
        fs::write(directory.join("f"), "").unwrap();
        assert!(prepare(&directory, false).unwrap_err().message.contains("not empty"));
        assert_eq!(status(&directory.join("f")), Err(Status::BAD_LOCALNAME.0));
    }

    #[test]
    fn a_link_is_not_mounted_over_and_links_above_are_resolved() {
        let base = tempfile::tempdir().unwrap();
        fs::create_dir_all(base.path().join("real/d")).unwrap();
        symlink(base.path().join("real"), base.path().join("link")).unwrap();
        symlink(base.path().join("real/d"), base.path().join("real/l")).unwrap();
        let real = base.path().canonicalize().unwrap().join("real/d");
        assert_eq!(prepare(&base.path().join("link/d"), false).unwrap(), real);
        assert!(prepare(&base.path().join("real/l"), false).is_err());
    }

    #[test]
    fn a_mount_point_of_ours_is_made_for_us_alone() {
        use std::os::unix::fs::PermissionsExt;
        let base = tempfile::tempdir().unwrap();
        let path = prepare(&base.path().join("drives/z"), true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(prepare(&path, true).unwrap(), path);
    }
}
