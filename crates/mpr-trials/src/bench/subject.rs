//! Who is measured: our mount, the peers Debian has, and sshfs beside them for comparison.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use mpr_testkit::Samba;
use tempfile::TempDir;

use super::sshd::Sshd;
use crate::program::{self, eventually, is_installed, succeed};
use crate::stage::{Mount, Person};

/// How long one may take to mount.
const PATIENCE: Duration = Duration::from_secs(60);

/// One way to reach the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Ours,
    Rclone,
    Smbnetfs,
    Gvfs,
    Sshfs,
}

/// How what goes over the wire is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protection {
    /// By default: ours encrypts, the others do not.
    AsItComes,
    /// The share requires encryption of everybody.
    Encrypted,
}

impl Protection {
    /// The share that has the files.
    #[must_use]
    pub(super) fn share(self) -> &'static str {
        match self {
            Protection::AsItComes => "rw",
            Protection::Encrypted => "rw-enc",
        }
    }
}

impl Subject {
    pub(super) const ALL: [Subject; 5] =
        [Subject::Ours, Subject::Rclone, Subject::Smbnetfs, Subject::Gvfs, Subject::Sshfs];

    #[must_use]
    pub(super) fn name(self) -> &'static str {
        match self {
            Subject::Ours => "mpr",
            Subject::Rclone => "rclone",
            Subject::Smbnetfs => "smbnetfs",
            Subject::Gvfs => "gvfs",
            Subject::Sshfs => "sshfs",
        }
    }

    /// Whether it speaks SMB; sshfs does not.
    #[must_use]
    pub(super) fn is_smb_peer(self) -> bool {
        !matches!(self, Subject::Ours | Subject::Sshfs)
    }

    /// What is missing for it.
    #[must_use]
    pub(super) fn obstacle(self) -> Option<&'static str> {
        let gvfs = Path::new("/usr/libexec/gvfsd-fuse").exists() && is_installed("dbus-run-session");
        match self {
            Subject::Rclone if !is_installed("rclone") => Some("Debian package rclone"),
            Subject::Smbnetfs if !is_installed("smbnetfs") => Some("Debian package smbnetfs"),
            Subject::Gvfs if !gvfs => {
                Some("Debian packages gvfs-fuse, gvfs-backends, libglib2.0-bin and dbus")
            }
            Subject::Sshfs if !is_installed("sshfs") || !is_installed("sshd") => {
                Some("Debian packages sshfs and openssh-server")
            }
            _ => None,
        }
    }
}

/// A subject that has mounted the share.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) root: PathBuf,
    /// From the start of the command until a file on the share was seen, in milliseconds.
    pub(super) connect: f64,
    /// The processes that serve it.
    pub(super) servers: Vec<u32>,
    /// Ours, to be disconnected.
    mount: Option<Mount>,
    /// Ends when dropped.
    _peer: Option<Peer>,
}

/// A peer's process, and where it lives.
#[derive(Debug)]
struct Peer {
    child: Child,
    /// Ends it when closed.
    stdin: Option<ChildStdin>,
    place: TempDir,
    mount: PathBuf,
    _sshd: Option<Sshd>,
}

impl Running {
    pub(super) fn start(subject: Subject, protection: Protection, samba: &Samba) -> Result<Running, String> {
        let share = protection.share();
        if subject == Subject::Ours {
            return ours(samba, share);
        }
        let place = tempfile::tempdir().map_err(|error| error.to_string())?;
        for name in ["home/.smb", "run/gvfs", "mount"] {
            fs::create_dir_all(place.path().join(name)).map_err(|error| error.to_string())?;
        }
        _ = fs::set_permissions(place.path().join("run"), Permissions::from_mode(0o700));
        let sshd = if subject == Subject::Sshfs { Some(Sshd::start(place.path())?) } else { None };
        let mount = place.path().join(if subject == Subject::Gvfs { "run/gvfs" } else { "mount" });
        let (mut command, root) = match subject {
            Subject::Rclone => rclone(samba, share, &mount)?,
            Subject::Smbnetfs => smbnetfs(samba, share, place.path(), &mount)?,
            Subject::Gvfs => gvfs(samba, share, &mount),
            _ => sshfs(samba, sshd.as_ref().ok_or("sshfs has no server")?, &mount),
        };
        command.env("HOME", place.path().join("home")).env("XDG_RUNTIME_DIR", place.path().join("run"));
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{}: {error}", subject.name()))?;
        let mut stdin = child.stdin.take();
        if let (Subject::Gvfs, Some(stdin)) = (subject, &mut stdin) {
            _ = writeln!(stdin, "{}\nWORKGROUP\n{}", samba.user(), Samba::PASSWORD);
        }
        let mut peer = Peer { child, stdin, place, mount, _sshd: sshd };
        let usable = eventually("the share is mounted", PATIENCE, || root.join("big.bin").exists());
        usable.map_err(|why| format!("{}: {why}", subject.name()))?;
        let connect = begun.elapsed().as_secs_f64() * 1e3;
        let servers = match subject {
            Subject::Gvfs => peer.family("gvfsd"),
            _ => vec![peer.child.id()],
        };
        _ = peer.child.try_wait();
        Ok(Running { root, connect, servers, mount: None, _peer: Some(peer) })
    }

    /// Unmounts. Dropping does, too, less gently.
    pub(super) fn stop(self) {
        if let Some(mount) = &self.mount {
            _ = mount.disconnect(true);
        }
    }
}

fn ours(samba: &Samba, share: &str) -> Result<Running, String> {
    let mut mount = Mount::prepared(Person::Myself)?;
    let begun = Instant::now();
    mount.connect(samba, share)?;
    eventually("the share is mounted", PATIENCE, || mount.root().join("big.bin").exists())?;
    let connect = begun.elapsed().as_secs_f64() * 1e3;
    Ok(Running {
        root: mount.root().to_owned(),
        connect,
        servers: vec![mount.helper()?],
        mount: Some(mount),
        _peer: None,
    })
}

fn rclone(samba: &Samba, share: &str, mount: &Path) -> Result<(Command, PathBuf), String> {
    let obscured = succeed(Command::new("rclone").args(["obscure", Samba::PASSWORD]), PATIENCE)?;
    let (port, user) = (samba.port(), samba.user());
    let remote = format!(":smb,host=127.0.0.1,port={port},user={user},pass={}:{share}", obscured.trim());
    let mut command = Command::new("rclone");
    command.args(["mount", &remote]).arg(mount);
    Ok((command, mount.to_owned()))
}

fn smbnetfs(samba: &Samba, share: &str, place: &Path, mount: &Path) -> Result<(Command, PathBuf), String> {
    let host = format!("127.0.0.1:{}", samba.port());
    let text = format!("auth \"{}\" \"{}\"\nhost \"{host}\" visible=true\n", samba.user(), Samba::PASSWORD);
    let file = place.join("home/.smb/smbnetfs.conf");
    fs::write(&file, text)
        .and_then(|()| fs::set_permissions(&file, Permissions::from_mode(0o600)))
        .and_then(|()| fs::write(place.join("home/.smb/smb.conf"), "[global]\n"))
        .map_err(|error| error.to_string())?;
    let mut command = Command::new("smbnetfs");
    command.arg("-f").arg(mount);
    Ok((command, mount.join(host).join(share)))
}

fn gvfs(samba: &Samba, share: &str, mount: &Path) -> (Command, PathBuf) {
    let port = samba.port();
    // The desktop's daemon, which the request starts, starts gvfsd-fuse by itself.
    let script = format!("gio mount smb://127.0.0.1:{port}/{share}; read until_closed");
    let mut command = Command::new("dbus-run-session");
    command.args(["--", "sh", "-c", &script]);
    (command, mount.join(format!("smb-share:port={port},server=127.0.0.1,share={share}")))
}

fn sshfs(samba: &Samba, sshd: &Sshd, mount: &Path) -> (Command, PathBuf) {
    let mut command = Command::new("sshfs");
    command.arg("-f").args(sshd.options()).arg(format!("{}:{}", sshd.host(), samba.data("rw").display()));
    command.arg(mount);
    (command, mount.to_owned())
}

impl Peer {
    /// The processes of this peer whose name begins so.
    fn family(&self, name: &str) -> Vec<u32> {
        let mark = self.place.path().display().to_string();
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        processes
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid: &u32| {
                let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                comm.starts_with(name) && String::from_utf8_lossy(&environment).contains(&mark)
            })
            .collect()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let unmount = |how: &str| {
            let mut command = Command::new("fusermount3");
            _ = program::run(command.arg(how).arg(&self.mount), PATIENCE);
        };
        unmount("-u");
        drop(self.stdin.take());
        program::wait(&mut self.child, Duration::from_secs(3));
        for pid in self.family("") {
            _ = program::run(Command::new("kill").args(["-KILL", &pid.to_string()]), PATIENCE);
        }
        program::end(&mut self.child);
        // Before the directory is removed, since its removal would go on into what is mounted there.
        unmount("-uz");
    }
}
