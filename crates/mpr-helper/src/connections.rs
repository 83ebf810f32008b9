//! What is connected: records joined with the mount table.
//!
//! A record without its mount is stale and is not a connection. A mount whose helper has died answers every
//! call with ENOTCONN, one whose helper was stopped answers none; it is listed as [`State::Lost`], and disconnecting cleans it up. Nothing here touches
//! a mounted file system, so that a server that hangs cannot hang a listing.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mounts::{self, Table};
use crate::record::{Process, Record, Records, Slot};

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Mounted, and its helper runs.
    Connected,
    /// Still mounted, but its helper has died, and every access fails; or it was stopped, and every access waits.
    Lost,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Under which name its record is found.
    pub slot: Slot,
    /// What is known of it.
    pub record: Record,
    /// How it is.
    pub state: State,
}

/// The connections of a run-time directory.
#[derive(Debug, Clone)]
pub struct Connections {
    records: Records,
}

impl Connections {
    /// The connections of this run-time directory.
    #[must_use]
    pub fn of(runtime: &Path) -> Connections {
        Connections { records: Records::of(runtime) }
    }

    /// Their records.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// The connection of this slot. One failed open when there is none.
    ///
    /// A file that is no record makes no connection: a helper will write over it. One that somebody else could
    /// have written is an error.
    pub fn at(&self, slot: &Slot) -> io::Result<Option<Connection>> {
        match self.records.read(slot) {
            Ok(Some(record)) => Ok(judge(slot.clone(), record, &Table::now()?)),
            Ok(None) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every connection.
    pub fn all(&self) -> io::Result<Vec<Connection>> {
        let records = self.records.list()?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let table = Table::now()?;
        Ok(records.into_iter().filter_map(|(slot, record)| judge(slot, record, &table)).collect())
    }

    /// Takes away a lost connection: a helper that was stopped, its mount, its mount point, its record.
    pub fn clean(&self, connection: &Connection) -> io::Result<()> {
        kill(connection.record.helper)?;
        let mount_point = Path::new(&connection.record.mount_point);
        detach(mount_point)?;
        self.forget(&connection.slot, &connection.record);
        Ok(())
    }

    /// Ends a helper that does not do as it is told, and cleans up after it.
    pub fn end_by_force(&self, connection: &Connection) -> io::Result<()> {
        self.clean(connection)
    }

    /// Removes the record of a connection that is no longer mounted, and its mount point if that is ours.
    pub fn forget(&self, slot: &Slot, record: &Record) {
        if record.own_mount_point {
            let mount_point = Path::new(&record.mount_point);
            // Not empty means that it was used for something else meanwhile; leaving it is right then.
            let removed = fs::remove_dir(mount_point);
            // A deviceless connection has a directory for its server, too.
            if let (Ok(()), None, Some(server)) = (removed, &record.local, mount_point.parent()) {
                let _ = fs::remove_dir(server);
            }
        }
        self.records.remove(slot);
    }

    /// Path of the control socket of a connection.
    #[must_use]
    pub fn socket(&self, connection: &Connection) -> PathBuf {
        self.records.directory().join(&connection.record.control)
    }
}

/// Kills a process, unless its number has gone to another.
fn kill(process: Process) -> io::Result<()> {
    let Ok(pid) = libc::pid_t::try_from(process.pid) else { return Ok(()) };
    // SAFETY: takes integers; answers a new descriptor or -1.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if descriptor < 0 {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) };
    }
    let descriptor = RawFd::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the descriptor is new, and nobody else has it.
    let held = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // The descriptor means one process for good. Only now is it certain whether that is the right one.
    if !process.is_alive() {
        return Ok(());
    }
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a valid descriptor, integers, and a null pointer, which means the default.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, held.as_raw_fd(), libc::SIGKILL, nothing, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn judge(slot: Slot, record: Record, table: &Table) -> Option<Connection> {
    let mount = table.at(Path::new(&record.mount_point))?;
    if mount.fs_type != mounts::FS_TYPE || mount.source != record.source.as_str() {
        return None;
    }
    let state = if record.helper.is_running() { State::Connected } else { State::Lost };
    Some(Connection { slot, record, state })
}

/// How a mount is to be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmount {
    /// Only if nobody uses it.
    IfUnused,
    /// At once; whoever uses it finds it gone.
    Detach,
}

/// Takes away what is mounted at `mount_point`, even if somebody uses it.
pub fn detach(mount_point: &Path) -> io::Result<()> {
    unmount(mount_point, Unmount::Detach)
}

/// Takes away what is mounted at `mount_point`: by the system call, or through `fusermount3` for users who may
/// not use that. In use is [`io::ErrorKind::ResourceBusy`]; nothing mounted there is success.
pub fn unmount(mount_point: &Path, how: Unmount) -> io::Result<()> {
    let path = CString::new(mount_point.as_os_str().as_bytes())?;
    let flags = libc::UMOUNT_NOFOLLOW | if how == Unmount::Detach { libc::MNT_DETACH } else { 0 };
    // SAFETY: `path` ends in a zero byte and lives through the call.
    if unsafe { libc::umount2(path.as_ptr(), flags) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EINVAL | libc::ENOENT) => Ok(()),
        Some(libc::EPERM) => unmount_with_fusermount(mount_point, how),
        _ => Err(error),
    }
}

fn unmount_with_fusermount(mount_point: &Path, how: Unmount) -> io::Result<()> {
    let mut command = Command::new("fusermount3");
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").arg("-u");
    if how == Unmount::Detach {
        command.arg("-z");
    }
    command.arg("--").arg(mount_point).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(
            io::ErrorKind::NotFound,
            "fusermount3 is needed to unmount without being root; install the package fuse3",
        ),
        _ => error,
    })?;
    let mut complaint = String::new();
    if let Some(stderr) = child.stderr.take() {
        // What it says is only for the message below.
        let _ = stderr.take(1000).read_to_string(&mut complaint);
    }
    match child.wait() {
        // Whoever started us ignores its children, so the exit status is lost; the mount table is the truth.
        Err(error) if error.raw_os_error() != Some(libc::ECHILD) => Err(error),
        _ if Table::now()?.at(mount_point).is_none_or(|mount| mount.fs_type != mounts::FS_TYPE) => Ok(()),
        _ => Err(refusal(&complaint)),
    }
}

/// What `fusermount3` means by its words.
fn refusal(complaint: &str) -> io::Error {
    match complaint.trim() {
        "" => io::ErrorKind::ResourceBusy.into(),
        words if words.ends_with("Device or resource busy") => io::ErrorKind::ResourceBusy.into(),
        words => io::Error::other(words.replace('\n', "; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SCHEMA;

    fn record(helper: Process) -> Record {
        Record {
            schema: SCHEMA,
            local: Some("Z:".into()),
            mount_point: "/run/z".into(),
            own_mount_point: true,
            remote: r"\\nas\x".into(),
            source: "//nas/x".into(),
            provider: "p".into(),
            user: None,
            helper,
            control: "drive-z.sock".into(),
            since: 0,
            read_only: false,
            options: String::new(),
        }
    }

    fn state(record: Record, table: &[u8]) -> Option<State> {
        judge(Slot::of_local("Z:").unwrap(), record, &Table::parse(table)).map(|found| found.state)
    }

    const MOUNTED: &[u8] = b"9 1 0:5 / /run/z rw - fuse.mpr //nas/x rw\n";

    #[test]
    fn a_record_without_its_mount_is_no_connection() {
        let this = Process::this().unwrap();
        assert_eq!(state(record(this), b""), None);
        assert_eq!(state(record(this), b"9 1 0:5 / /run/z rw - fuse.mpr //nas/y rw\n"), None);
        assert_eq!(state(record(this), b"9 1 0:5 / /run/z rw - fuse.sshfs //nas/x rw\n"), None);
        assert_eq!(state(record(this), MOUNTED), Some(State::Connected));
    }

    #[test]
    fn a_mount_whose_helper_has_died_is_lost() {
        let mut earlier = Process::this().unwrap();
        earlier.started += 1;
        assert_eq!(state(record(earlier), MOUNTED), Some(State::Lost));
    }

    #[test]
    fn a_mount_whose_helper_was_stopped_is_lost() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let stat = fs::read(format!("/proc/{}/stat", child.id())).unwrap();
        let helper = Process { pid: child.id(), started: crate::record::start_time(&stat).unwrap() };
        assert_eq!(state(record(helper), MOUNTED), Some(State::Connected));
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        // SAFETY: takes integers; the child is ours. The wait returns when it has stopped.
        unsafe {
            libc::kill(pid, libc::SIGSTOP);
            libc::waitpid(pid, std::ptr::null_mut(), libc::WUNTRACED);
        }
        assert_eq!(state(record(helper), MOUNTED), Some(State::Lost));
        kill(helper).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn when_it_was_lost_is_what_the_first_to_notice_wrote_down() {
        let base = tempfile::tempdir().unwrap();
        let connections = Connections::of(base.path());
        let records = connections.records();
        records.ensure().unwrap();
        let (slot, lost) = (Slot::of_local("Z:").unwrap(), record(Process { pid: 1, started: 1 }));
        let noted = records.directory().join("drive-z.lost");
        fs::write(&noted, r#"{"helper":{"pid":1,"started":1},"since":77}"#).unwrap();
        assert_eq!(records.lost_since(&slot, &lost), 77);
        let another = record(Process { pid: 2, started: 1 });
        let since = records.lost_since(&slot, &another);
        assert!(since > 77, "another helper is another connection");
        assert_eq!(records.lost_since(&slot, &another), since);
        records.remove(&slot);
        assert!(!noted.exists());
    }

    #[test]
    fn garbage_makes_no_connection() {
        let base = tempfile::tempdir().unwrap();
        let connections = Connections::of(base.path());
        connections.records().ensure().unwrap();
        fs::write(connections.records().directory().join("drive-z.json"), "{]").unwrap();
        assert_eq!(connections.at(&Slot::of_local("Z:").unwrap()).unwrap(), None);
    }

    #[test]
    fn a_process_of_the_same_number_is_not_killed_for_another() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let stat = fs::read(format!("/proc/{}/stat", child.id())).unwrap();
        let right = Process { pid: child.id(), started: crate::record::start_time(&stat).unwrap() };
        kill(Process { started: right.started + 1, ..right }).unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        kill(right).unwrap();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()),
            Some(libc::SIGKILL)
        );
        kill(right).unwrap();
    }

    #[test]
    fn only_what_is_in_use_is_said_to_be_in_use() {
        let busy = refusal("fusermount3: failed to unmount /run/z: Device or resource busy\n");
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        let other = refusal("fusermount3: failed to open /etc/mtab: No such file or directory\n");
        assert_ne!(other.kind(), io::ErrorKind::ResourceBusy);
        assert_eq!(other.to_string(), "fusermount3: failed to open /etc/mtab: No such file or directory");
    }

    #[test]
    fn what_is_not_mounted_is_unmounted_already() {
        let base = tempfile::tempdir().unwrap();
        detach(&base.path().join("none")).unwrap();
    }
}
