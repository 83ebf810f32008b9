//! A mount that is served, from its beginning to its end.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mpr_abi::Status;
use mpr_cache::Cached;
use mpr_fuse::{Config, Session};
use mpr_helper::connections::{Connections, Unmount};
use mpr_helper::control::{Order, Reply};
use mpr_helper::dirs;
use mpr_helper::frame;
use mpr_helper::mounts::{FS_TYPE, Table};
use mpr_helper::protocol::{Failure, Mount, Share};
use mpr_helper::record::{Process, Record, Records, SCHEMA, Slot};
use mpr_remotefs::{Browse, Reached, RemoteFs};
use mpr_smb::Namespace;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::filesystem::Mounted;
use crate::keeper::{self, Keeper};
use crate::losses::Losses;
use crate::place::internal;
use crate::slot_lock::Lock;

/// How long a caller may take over its request, and over an order on the control socket.
pub(crate) const ASKING: Duration = Duration::from_secs(10);
/// How long saying goodbye to the server may take: whoever still has a file open is let go only afterwards.
const PARTING: Duration = Duration::from_secs(1);

/// Signals that ask this process to end.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Ends when this process is asked to.
    pub(crate) async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A file system that is to be mounted.
pub(crate) struct Ready {
    pub(crate) kind: keeper::Kind,
    /// What was agreed upon with the kernel, if it was made before.
    pub(crate) session: Option<Session>,
}

/// A mount that is being served.
pub(crate) struct Serving {
    filesystem: Mounted<Cached<Namespace>>,
    losses: Arc<Losses>,
    connections: Connections,
    slot: Slot,
    record: Record,
    /// `None` once everything is cleaned up: then the name is free for another helper, and what is found
    /// under it is no longer ours.
    lock: Mutex<Option<Lock>>,
    /// Whoever may unmount.
    keeper: Arc<Keeper>,
    control: tokio::net::UnixListener,
    /// Told when the kernel has nothing more to ask, because the file system was unmounted.
    unmounted: Arc<Notify>,
    /// Whether its end would be one that nobody has ordered: such a one is left on record.
    wanted: AtomicBool,
    /// Why the user was not proved by the ticket there is.
    remark: Option<String>,
}

impl Drop for Serving {
    /// Whatever way this is left, no mount stays behind that nobody serves.
    fn drop(&mut self) {
        if self.lock.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            let _ = self.keeper.unmount(Unmount::Detach);
            self.clean_up();
        }
    }
}

impl Serving {
    pub(crate) async fn begin(
        mount: &Mount,
        slot: Slot,
        (connections, lock, keeper): (Connections, Lock, Arc<Keeper>),
        Ready { kind, session }: Ready,
        filesystem: Mounted<Cached<Namespace>>,
        losses: Arc<Losses>,
        remark: Option<String>,
    ) -> Reached<Serving> {
        let source = kind.source.clone();
        let control = listen(connections.records(), &slot)
            .map_err(|error| internal("opening the control socket", &error))?;
        let ask = keeper::Mount {
            mount_point: PathBuf::from(&mount.mount_point),
            own: mount.own_mount_point,
            own_parent: mount.naming.local.is_none(),
            kind,
            made: session.is_some(),
        };
        let mounted = keeper.mount(ask);
        let (mount_point, device) = mounted.inspect_err(|_| {
            keeper.tidy();
            connections.records().remove(&slot);
        })?;
        let record = Record {
            schema: SCHEMA,
            local: mount.naming.local.clone(),
            mount_point,
            own_mount_point: mount.own_mount_point,
            remote: mount.naming.remote.clone(),
            source,
            provider: mount.naming.provider.clone(),
            user: mount.naming.user.clone(),
            helper: Process::this().map_err(|error| internal("examining this process", &error))?,
            control: slot.socket_name(),
            since: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            read_only: mount.read_only,
            options: mount.naming.options.clone(),
        };
        let unmounted = Arc::new(Notify::new());
        let serving = Serving {
            filesystem: filesystem.clone(),
            losses,
            connections,
            slot,
            record,
            lock: Mutex::new(Some(lock)),
            keeper,
            control,
            unmounted: Arc::clone(&unmounted),
            wanted: AtomicBool::new(false),
            remark,
        };
        let started = start_session(filesystem, device, session, unmounted).await;
        let recorded =
            started.and_then(|()| serving.connections.records().write(&serving.slot, &serving.record));
        if let Err(error) = recorded {
            return Err(internal("starting to serve the file system", &error));
        }
        Ok(serving)
    }

    /// Serves until the file system is unmounted, by whomever.
    pub(crate) async fn serve(self, mut signals: Signals) {
        let serving = Arc::new(self);
        serving.wanted.store(true, Ordering::Relaxed);
        let watched = Arc::clone(&serving);
        let watch = tokio::spawn(async move { watched.watch_the_table().await });
        let mut orders = JoinSet::new();
        loop {
            tokio::select! {
                () = serving.unmounted.notified() => break serving.clean_up(),
                () = signals.end() => break drop(serving.end(Unmount::Detach).await),
                Some(ended) = orders.join_next() => {
                    if ended.unwrap_or(false) {
                        break;
                    }
                }
                Ok((stream, _)) = serving.control.accept() => {
                    // Each order on a task of its own: one that takes long must not keep another waiting,
                    // least of all the one to end by force.
                    let serving = Arc::clone(&serving);
                    orders.spawn(async move {
                        let Some((order, stream)) = order_on(stream).await else { return false };
                        let (reply, ended) = serving.obey(order).await;
                        // The one who asked may have gone; what was asked is done all the same.
                        let _ = tokio::task::spawn_blocking(move || send_reply(stream, &reply)).await;
                        ended
                    });
                }
            }
        }
        watch.abort();
        // Whoever ordered the end is told of it before this process is gone.
        let answered = async { while orders.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), answered).await;
        let _ = tokio::time::timeout(PARTING, serving.filesystem.remote().shut_down()).await;
        let losses = Arc::clone(&serving.losses);
        let _ = tokio::task::spawn_blocking(move || losses.finish()).await;
    }

    /// Frees the name as soon as the mount is not in its place any more. Somebody else may have unmounted it
    /// while it was in use; who uses it is served on, but it is no connection any more.
    async fn watch_the_table(&self) {
        let Ok(file) = File::open("/proc/self/mountinfo") else { return };
        // SAFETY: a file owns its descriptor and keeps it, the same one, until it is dropped with the `AsyncFd`.
        let Ok(table) = (unsafe { AsyncFd::register_with_interest(file, Interest::PRIORITY) }) else {
            return;
        };
        loop {
            let Ok(mut changed) = table.ready(Interest::PRIORITY).await else { return };
            changed.clear_ready();
            if !self.is_mounted() {
                return self.clean_up();
            }
        }
    }

    fn is_mounted(&self) -> bool {
        // A table that cannot be read says nothing.
        Table::now().map_or(true, |table| {
            let mount_point = Path::new(&self.record.mount_point);
            table.iter().any(|mount| mount.mount_point == mount_point && mount.fs_type == FS_TYPE)
        })
    }

    /// Does what was ordered; says whether that was the end.
    async fn obey(&self, order: Order) -> (Reply, bool) {
        match order {
            Order::Status => {
                let mut health = self.filesystem.remote().health();
                health.open_files = self.filesystem.open_files();
                if let Some(why) = &self.remark {
                    health.authentication = format!("{}; {why}", health.authentication);
                }
                (Reply::Status(Box::new(health)), false)
            }
            Order::ListShares => match self.filesystem.remote().shares().await {
                Ok(shares) => (fitting(shares), false),
                Err(failure) => (Reply::Failed(failure), false),
            },
            Order::Unmount { force } => {
                let how = if force { Unmount::Detach } else { Unmount::IfUnused };
                // Before the kernel tells that it is unmounted: what ends now has been cancelled.
                self.wanted.store(false, Ordering::Relaxed);
                match self.end(how).await {
                    Ok(()) => (Reply::Unmounted, true),
                    Err(failure) => {
                        self.wanted.store(true, Ordering::Relaxed);
                        (Reply::Failed(failure), false)
                    }
                }
            }
        }
    }

    /// Unmounts and removes what was ours.
    async fn end(&self, how: Unmount) -> Reached<()> {
        if self.lock.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            // It has ended already, and what is mounted there now may be somebody else's.
            return Ok(());
        }
        let keeper = Arc::clone(&self.keeper);
        // Not on this task: the kernel may have to write something back first, and we are whom it writes to.
        let unmounted = tokio::task::spawn_blocking(move || keeper.unmount(how)).await;
        match unmounted {
            Ok(Ok(())) => {
                self.clean_up();
                Ok(())
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ResourceBusy => Err(self.in_use()),
            Ok(Err(error)) => Err(internal(&format!("cannot unmount {}", self.record.mount_point), &error)),
            Err(error) => Err(internal("unmounting", &error)),
        }
    }

    fn in_use(&self) -> Failure {
        let name = self.record.local.as_deref().unwrap_or(&self.record.remote);
        let files = match self.filesystem.open_files() {
            0 => "a program has its working directory there".to_owned(),
            1 => "a file is open".to_owned(),
            count => format!("{count} files are open"),
        };
        Failure::new(
            Status::OPEN_FILES,
            format!(
                "{name} is in use: {files}; close them, or force the disconnection and lose what is unsaved"
            ),
        )
    }

    fn clean_up(&self) {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_some() {
            if self.wanted.load(Ordering::Relaxed) {
                self.connections.records().leave(&self.slot);
            }
            self.keeper.tidy();
            self.connections.records().remove(&self.slot);
            *lock = None;
        }
    }
}

/// Serves the kernel's requests on threads of their own: those that come over `device`, or else those of the session
/// that was begun before.
async fn start_session(
    filesystem: Mounted<Cached<Namespace>>,
    device: Option<OwnedFd>,
    begun: Option<Session>,
    unmounted: Arc<Notify>,
) -> io::Result<()> {
    let session = match device {
        None => begun.ok_or(io::ErrorKind::InvalidData)?,
        Some(device) => {
            let begun = tokio::task::spawn_blocking(move || Session::begin(device, Config::default()));
            begun.await.map_err(io::Error::other)??
        }
    };
    filesystem.tell_of_events(session.notifier()?);
    session.serve(Arc::new(filesystem), &Handle::current(), move || unmounted.notify_one())?;
    Ok(())
}

/// Opens the control socket of a slot, beside its record.
fn listen(records: &Records, slot: &Slot) -> io::Result<tokio::net::UnixListener> {
    let path = records.directory().join(slot.socket_name());
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Through a descriptor of the directory, because an address holds 108 bytes and a path may be longer. The
    // mode comes from the umask, which leaves nothing to others.
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(records.directory())?;
    let through = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(slot.socket_name());
    let listener = match UnixListener::bind(&through) {
        // A process that cannot be dumped may not be allowed to look at its own descriptors.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => UnixListener::bind(&path)?,
        bound => bound?,
    };
    listener.set_nonblocking(true)?;
    tokio::net::UnixListener::from_std(listener)
}

/// Reads an order, if the one who gives it may.
async fn order_on(stream: tokio::net::UnixStream) -> Option<(Order, UnixStream)> {
    let peer = stream.peer_cred().ok()?;
    if peer.uid() != 0 && peer.uid() != dirs::effective_uid() {
        return None;
    }
    let mut stream = stream.into_std().ok()?;
    let read = move || -> io::Result<Option<(Order, UnixStream)>> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(ASKING))?;
        stream.set_write_timeout(Some(ASKING))?;
        Ok(frame::read_json(&mut stream)?.map(|order| (order, stream)))
    };
    tokio::task::spawn_blocking(read).await.ok()?.ok()?
}

/// A reply with as many of the shares as one frame holds.
fn fitting(mut shares: Vec<Share>) -> Reply {
    loop {
        let size: usize = shares.iter().map(|share| 2 * (share.name.len() + share.comment.len()) + 64).sum();
        if size < frame::MAX_JSON {
            return Reply::Shares { shares };
        }
        shares.truncate(shares.len() / 2);
    }
}

fn send_reply(mut stream: UnixStream, reply: &Reply) -> io::Result<()> {
    frame::write_json(&mut stream, reply)
}
