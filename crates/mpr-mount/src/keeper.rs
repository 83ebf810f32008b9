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

use crate::place::{self, How, Made, internal};

/// What the keeper is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
enum Ask {
    /// Make a file system that is mounted nowhere yet. Once, and before anything is mounted.
    Make(Kind),
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
    /// What is mounted.
    pub kind: Kind,
    /// Whether it is to be what was made before.
    pub made: bool,
}

/// What kind of a file system.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// What the mount table says it is a mount of.
    pub source: String,
    /// Refuse every change.
    pub read_only: bool,
    /// Let others look in.
    pub allow_other: bool,
}

impl Kind {
    fn how(&self) -> How {
        How { read_only: self.read_only, allow_other: self.allow_other }
    }
}

/// What the keeper answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "kebab-case")]
enum Told {
    /// It is made; the device follows.
    Made,
    /// It is mounted, at this path; the device follows, unless it is what was made.
    Mounted { mount_point: String, made: bool },
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

    /// Makes a file system that is mounted nowhere yet, where that can be done, and answers its device: what is to be
    /// agreed upon with the kernel need not wait for a server.
    #[must_use]
    pub fn make(&self, kind: Kind) -> Option<OwnedFd> {
        match self.ask(&Ask::Make(kind)) {
            Ok((Told::Made, socket)) => place::receive_descriptor(&socket).ok().flatten(),
            _ => None,
        }
    }

    /// Makes the mount point ready, and mounts. Answers its path, free of links, and the device, unless that is the
    /// one of what was made.
    pub fn mount(&self, mount: Mount) -> Result<(String, Option<OwnedFd>), Failure> {
        let (told, socket) = self.ask(&Ask::Mount(mount)).map_err(|error| gone(&error))?;
        match told {
            Told::Mounted { mount_point, made: true } => Ok((mount_point, None)),
            Told::Mounted { mount_point, made: false } => match place::receive_descriptor(&socket) {
                Ok(Some(device)) => Ok((mount_point, Some(device))),
                Ok(None) => Err(gone(&io::ErrorKind::UnexpectedEof.into())),
                Err(error) => Err(gone(&error)),
            },
            Told::Failed(failure) => Err(failure),
            Told::Made | Told::Done | Told::InUse => Err(gone(&io::ErrorKind::InvalidData.into())),
        }
    }

    /// Takes away what it has mounted. In use is [`io::ErrorKind::ResourceBusy`].
    pub fn unmount(&self, how: Unmount) -> io::Result<()> {
        match self.ask(&Ask::Unmount { detach: how == Unmount::Detach })?.0 {
            Told::Done => Ok(()),
            Told::InUse => Err(io::ErrorKind::ResourceBusy.into()),
            Told::Failed(failure) => Err(io::Error::other(failure.message)),
            Told::Made | Told::Mounted { .. } => Err(io::ErrorKind::InvalidData.into()),
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
type Kept = Arc<Mutex<State>>;

#[derive(Debug, Default)]
struct State {
    /// Made, and not mounted yet.
    made: Option<Made>,
    mount: Option<Mount>,
}

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
        Ask::Make(kind) => match make(&kind, kept) {
            Ok(device) => tell_with(&mut socket, &Told::Made, Some(&device)),
            Err(failure) => tell_with(&mut socket, &Told::Failed(failure), None),
        },
        Ask::Mount(mount) => match do_mount(mount, kept) {
            Ok((mount_point, device)) => {
                let told = Told::Mounted { mount_point, made: device.is_none() };
                tell_with(&mut socket, &told, device.as_ref());
                // Now that the other part need not wait for it.
                let place = locked(kept).mount.as_ref().map(|mount| mount.mount_point.clone());
                if let Some(place) = place {
                    place::read_ahead(&place);
                }
            }
            Err(failure) => tell_with(&mut socket, &Told::Failed(failure), None),
        },
        Ask::Unmount { detach } => {
            let place = locked(kept).mount.as_ref().map(|mount| mount.mount_point.clone());
            let how = if detach { Unmount::Detach } else { Unmount::IfUnused };
            let told = match place.map_or(Ok(()), |place| unmount(&place, how)) {
                Ok(()) => Told::Done,
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Told::InUse,
                Err(error) => Told::Failed(internal("unmounting", &error)),
            };
            let _ = frame::write_json(&mut socket, &told);
        }
        Ask::Tidy => {
            if let Some(mount) = &locked(kept).mount {
                tidy(mount);
            }
            let _ = frame::write_json(&mut socket, &Told::Done);
        }
    }
}

fn tell_with(socket: &mut UnixStream, told: &Told, device: Option<&OwnedFd>) {
    // Whoever asked may have ended, which is heard elsewhere.
    let told = frame::write_json(socket, told);
    if let (Ok(()), Some(device)) = (told, device) {
        let _ = place::send_descriptor(socket, device.as_fd());
    }
}

fn locked(kept: &Kept) -> std::sync::MutexGuard<'_, State> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make(kind: &Kind, kept: &Kept) -> Result<OwnedFd, Failure> {
    let mut kept = locked(kept);
    if kept.made.is_some() || kept.mount.is_some() {
        return Err(internal("making a file system", &"it has made one already"));
    }
    let (made, device) = place::make(&kind.source, kind.how())
        .map_err(|error| internal("making a file system that is mounted nowhere", &error))?;
    kept.made = Some(made);
    Ok(device)
}

/// Answers where it is mounted, and the device if it is not what was made.
fn do_mount(mount: Mount, kept: &Kept) -> Result<(String, Option<OwnedFd>), Failure> {
    let mut kept = locked(kept);
    if kept.mount.is_some() {
        return Err(internal("mounting", &"it has mounted something already"));
    }
    let mount_point = place::prepare(&mount.mount_point, mount.own)?;
    let text = mount_point.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(Status::BAD_LOCALNAME, format!("{} is not UTF-8", mount_point.display()))
    })?;
    let made = kept.made.take().filter(|_| mount.made);
    let mount = kept.mount.insert(Mount { mount_point: mount_point.clone(), ..mount });
    if made.is_some_and(|made| made.put(&mount_point).is_ok()) {
        return Ok((text, None));
    }
    let device = place::mount(&mount_point, &mount.kind.source, mount.kind.how())?;
    Ok((text, Some(device)))
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
