//! The part of a helper that may mount and unmount, in a process of its own.
//!
//! Whoever reads what a server sends is to have no privileges: not root's, and not the one to start a program that
//! has them, which is what mounting and unmounting takes for everybody else (`fusermount3`). A helper therefore parts
//! in two before it has read anything. The keeper does one mount, for the other, and ends it when it is told
//! to, or ends itself when the other has ended. It never sees a password, a server, or the device the mount
//! is served on once it has handed that over.
//!
//! Each request comes on a socket of its own, so that none waits for another: a forced end must not wait for a polite one.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use mpr_abi::Status;
use mpr_helper::connections::{Unmount, unmount};
use mpr_helper::frame;
use mpr_helper::protocol::Failure;
use serde::{Deserialize, Serialize};

use crate::place::{self, How, internal};

/// What the keeper is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
enum Ask {
    /// Mount here. Once, and never again.
    Mount(Mount),
    /// Take it away: at once, or only if nobody uses it.
    Unmount { detach: bool },
    /// It is no longer mounted: remove the mount point, if it is ours.
    Tidy,
}

/// What is to be mounted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where.
    pub mount_point: PathBuf,
    /// Whether the mount point is ours: made if missing, removed at the end.
    pub own: bool,
    /// Whether the directory it is in is of its server alone, and is removed with it.
    pub own_parent: bool,
    /// What the mount table says it is a mount of.
    pub source: String,
    /// Refuse every change.
    pub read_only: bool,
    /// Let others look in.
    pub allow_other: bool,
}

/// What the keeper answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "kebab-case")]
enum Told {
    /// It is mounted, at this path; the device follows.
    Mounted { mount_point: String },
    /// It is done.
    Done,
    /// Somebody uses it.
    InUse,
    /// It was not done.
    Failed(Failure),
}

/// The keeper, as the other part of the helper sees it.
#[derive(Debug)]
pub struct Keeper(UnixStream);

impl Keeper {
    /// Parts in two. Returns in the part that is to serve; the keeper ends with it. Must be called while there is
    /// one thread.
    ///
    /// # Errors
    ///
    /// No process, or no socket, can be made.
    pub fn part() -> io::Result<Keeper> {
        let (ours, its) = UnixStream::pair()?;
        // SAFETY: this process has a single thread so far, so both may go on using everything.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => Ok(Keeper(ours)),
            served => {
                drop(ours);
                keep(&its);
                // SAFETY: takes an integer and a null pointer; ends the process at once, with nothing of ours left to do.
                unsafe {
                    libc::waitpid(served, std::ptr::null_mut(), 0);
                    libc::_exit(0)
                }
            }
        }
    }

    /// Makes the mount point ready, and mounts. Answers its path, free of links, and the device.
    pub fn mount(&self, mount: Mount) -> Result<(String, OwnedFd), Failure> {
        let (told, socket) = self.ask(&Ask::Mount(mount)).map_err(|error| gone(&error))?;
        match told {
            Told::Mounted { mount_point } => match place::receive_descriptor(&socket) {
                Ok(Some(device)) => Ok((mount_point, device)),
                Ok(None) => Err(gone(&io::ErrorKind::UnexpectedEof.into())),
                Err(error) => Err(gone(&error)),
            },
            Told::Failed(failure) => Err(failure),
            Told::Done | Told::InUse => Err(gone(&io::ErrorKind::InvalidData.into())),
        }
    }

    /// Takes away what it has mounted. In use is [`io::ErrorKind::ResourceBusy`].
    pub fn unmount(&self, how: Unmount) -> io::Result<()> {
        match self.ask(&Ask::Unmount { detach: how == Unmount::Detach })?.0 {
            Told::Done => Ok(()),
            Told::InUse => Err(io::ErrorKind::ResourceBusy.into()),
            Told::Failed(failure) => Err(io::Error::other(failure.message)),
            Told::Mounted { .. } => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Removes the mount point, if it is ours.
    pub fn tidy(&self) {
        // What is in the way is somebody else's.
        let _ = self.ask(&Ask::Tidy);
    }

    fn ask(&self, ask: &Ask) -> io::Result<(Told, UnixStream)> {
        let (mut ours, its) = UnixStream::pair()?;
        place::send_descriptor(&self.0, its.as_fd())?;
        drop(its);
        frame::write_json(&mut ours, ask)?;
        let told = frame::read_json(&mut ours)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok((told, ours))
    }
}

fn gone(error: &io::Error) -> Failure {
    internal("the part of mpr-mount that mounts does not answer", error)
}

/// What the keeper has to look after.
type Kept = Arc<Mutex<Option<Mount>>>;

/// Does what is asked until the other part has ended.
fn keep(socket: &UnixStream) {
    // SAFETY: each takes integers or a string that ends in a zero byte. Whoever asks all of a session to end
    // means the other part, which needs this one to end properly. The caller's conversation is not for this
    // part, which would keep it open.
    unsafe {
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
            libc::signal(signal, libc::SIG_IGN);
        }
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        for standard in 0..=2 {
            if null < 0 {
                libc::close(standard);
            } else {
                libc::dup2(null, standard);
            }
        }
        libc::prctl(libc::PR_SET_NAME, c"mpr-keeper".as_ptr());
    }
    let kept = Kept::default();
    while let Ok(Some(asked)) = place::receive_descriptor(socket) {
        let (asked, kept) = (UnixStream::from(asked), Arc::clone(&kept));
        // Without a thread it is not answered, and the other part hears that nobody is there.
        let _ = thread::Builder::new().spawn(move || answer(asked, &kept));
    }
}

fn answer(mut socket: UnixStream, kept: &Kept) {
    let Ok(Some(ask)) = frame::read_json::<Ask>(&mut socket) else { return };
    match ask {
        Ask::Mount(mount) => match do_mount(mount, kept) {
            Ok((mount_point, device)) => {
                let told = frame::write_json(&mut socket, &Told::Mounted { mount_point });
                let _ = told.and_then(|()| place::send_descriptor(&socket, device.as_fd()));
            }
            Err(failure) => _ = frame::write_json(&mut socket, &Told::Failed(failure)),
        },
        Ask::Unmount { detach } => {
            let place = locked(kept).as_ref().map(|mount| mount.mount_point.clone());
            let how = if detach { Unmount::Detach } else { Unmount::IfUnused };
            let told = match place.map_or(Ok(()), |place| unmount(&place, how)) {
                Ok(()) => Told::Done,
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Told::InUse,
                Err(error) => Told::Failed(internal("unmounting", &error)),
            };
            let _ = frame::write_json(&mut socket, &told);
        }
        Ask::Tidy => {
            if let Some(mount) = &*locked(kept) {
                tidy(mount);
            }
            let _ = frame::write_json(&mut socket, &Told::Done);
        }
    }
}

fn locked(kept: &Kept) -> std::sync::MutexGuard<'_, Option<Mount>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn do_mount(mount: Mount, kept: &Kept) -> Result<(String, OwnedFd), Failure> {
    let mut kept = locked(kept);
    if kept.is_some() {
        return Err(internal("mounting", &"it has mounted something already"));
    }
    let mount_point = place::prepare(&mount.mount_point, mount.own)?;
    let text = mount_point.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(Status::BAD_LOCALNAME, format!("{} is not UTF-8", mount_point.display()))
    })?;
    let mount = kept.insert(Mount { mount_point: mount_point.clone(), ..mount });
    let how = How { read_only: mount.read_only, allow_other: mount.allow_other };
    let device = place::mount(&mount_point, &mount.source, how)?;
    Ok((text, device))
}

fn tidy(mount: &Mount) {
    if !mount.own {
        return;
    }
    // Not empty means that it was used for something else meanwhile; leaving it is right then.
    let removed = std::fs::remove_dir(&mount.mount_point);
    if let (Ok(()), true, Some(parent)) = (removed, mount.own_parent, mount.mount_point.parent()) {
        let _ = std::fs::remove_dir(parent);
    }
}
