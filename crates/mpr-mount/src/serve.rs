//! From a request to its answer, and on to the end of a mount.

use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mpr_abi::Status;
use mpr_cache::{Cached, Limits, Options};
use mpr_fuse::{Config, Session};
use mpr_helper::connections::{Connections, Unmount};
use mpr_helper::control::{Order, Reply};
use mpr_helper::dirs;
use mpr_helper::frame;
use mpr_helper::mounts::{FS_TYPE, Table};
use mpr_helper::protocol::{
    Event, Failure, Kept, Login, Mount, Protocol, Request, Server, Share, ShareKind, Stage, Taste,
};
use mpr_helper::record::{Process, Record, Records, SCHEMA, Slot};
use mpr_remotefs::{Browse, Reached, RemoteFs};
use mpr_smb::{Ahead, Namespace, Proof, Settings, SmbFs, Target};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::filesystem::{Look, Mounted};
use crate::journal;
use crate::keeper::{self, Keeper};
use crate::losses::Losses;
use crate::passwords;
use crate::place::internal;
use crate::process;
use crate::proof::{self, Proved};

/// How long a caller may take over its request, and over an order on the control socket.
const ASKING: Duration = Duration::from_secs(10);
/// How long reaching a server may take in all.
const REACHING: Duration = Duration::from_secs(40);
/// How long a helper whose connection has ended may take to be gone.
const LEAVING: Duration = Duration::from_millis(300);
/// How long a killed helper may take to be gone.
const DYING: Duration = Duration::from_secs(2);
/// How long saying goodbye to the server may take: whoever still has a file open is let go only afterwards.
const PARTING: Duration = Duration::from_secs(1);
/// Accounts in one event: below the longest frame, however long their names are.
const PASSWORDS_AT_ONCE: usize = 16;
/// Shares in one event: well below the longest frame, whatever their names and comments.
const SHARES_AT_ONCE: usize = 200;

/// The caller, at the other end of standard input and output.
#[derive(Debug, Clone)]
struct Caller(Arc<Mutex<UnixStream>>);

impl Caller {
    fn tell(&self, event: &Event) -> io::Result<()> {
        frame::write_json(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), event)
    }

    fn stage(&self, stage: Stage) {
        // A caller that has gone is noticed by `gone`, wherever we are.
        let _ = self.tell(&Event::Progress { stage });
    }

    fn hang_up(&self) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).shutdown(std::net::Shutdown::Both);
    }

    /// Ends when the caller hangs up, and never else.
    fn gone(&self) -> io::Result<impl Future<Output = ()> + use<>> {
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner).try_clone()?;
        stream.set_read_timeout(None)?;
        let (tell, told) = oneshot::channel();
        thread::Builder::new().name("caller".into()).spawn(move || {
            // Nothing more is to come; whatever does come ends the conversation, too.
            let _ = stream.read(&mut [0]);
            let _ = tell.send(());
        })?;
        Ok(async move {
            let _ = told.await;
        })
    }
}

/// Reads one request from `stream`, does it, and answers. Returns when there is nothing left to do, which for
/// a mount is after it has ended.
pub fn converse(stream: UnixStream, keeper: Keeper) -> io::Result<()> {
    stream.set_read_timeout(Some(ASKING))?;
    stream.set_write_timeout(Some(ASKING))?;
    let mut input = stream.try_clone()?;
    let caller = Caller(Arc::new(Mutex::new(stream)));
    let understood = frame::read_json::<Request>(&mut input).and_then(|request| {
        let request = request.ok_or(io::ErrorKind::UnexpectedEof)?;
        let password = if request.has_password() { Some(password_in(&mut input)?) } else { None };
        Ok((request, password))
    });
    let (request, password) = match understood {
        Ok(understood) => understood,
        Err(error) => {
            let failure =
                Failure::new(Status::BAD_VALUE, format!("mpr-mount cannot understand its caller: {error}"));
            return caller.tell(&Event::Failed(failure));
        }
    };
    // Nothing comes from there before it is asked, which is later and by whom that holds for.
    let ahead = begin_to_reach(&request);
    // While there is one thread: what holds for it holds for those it starts.
    process::confine(&request);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let gone = caller.gone()?;
    // Before there is anything that a signal could leave half done.
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            answered = answer(request, password, ahead, &caller, keeper) => answered,
            () = gone => Ok(None),
            () = signals.end() => Ok(None),
        }
    });
    match outcome {
        Ok(Some(mounted)) => {
            caller.hang_up();
            drop(caller);
            runtime.block_on(mounted.serve(signals));
        }
        Ok(None) => {}
        Err(failure) => caller.tell(&Event::Failed(failure))?,
    }
    runtime.shutdown_background();
    Ok(())
}

/// Signals that ask this process to end.
#[derive(Debug)]
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Ends when this process is asked to.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn password_in(input: &mut impl Read) -> io::Result<Zeroizing<String>> {
    let bytes = frame::read_secret(input)?;
    // The error would quote nothing, but holds a copy of the bytes; it is replaced by one that does not.
    match std::str::from_utf8(&bytes) {
        Ok(password) => Ok(Zeroizing::new(password.to_owned())),
        Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "the password is not UTF-8")),
    }
}

/// Begins to connect to the server that a request is about: it has a process to make for us, and we for it much to get
/// ready.
fn begin_to_reach(request: &Request) -> Ahead {
    let server = match request {
        Request::Mount(mount) => &mount.server,
        Request::Probe { server, .. } | Request::ListShares { server, .. } => server,
        _ => return Ahead::default(),
    };
    Ahead::to(&server.host, server.port)
}

/// Does what was asked. A mount that is to be served is handed back, already announced to the caller.
async fn answer(
    request: Request,
    password: Option<Zeroizing<String>>,
    ahead: Ahead,
    caller: &Caller,
    keeper: Keeper,
) -> Reached<Option<Serving>> {
    let on_stage = |stage| caller.stage(stage);
    let gone = |_: io::Error| Failure::new(Status::CANCEL, "the caller has gone");
    match request {
        Request::ListShares { server, login, .. } => {
            let list = async |proof, password| {
                let target = target(&server, &login, (proof, password), false, &Taste::default(), &ahead);
                mpr_smb::list_shares(&target, &on_stage).await
            };
            let listed = proof::by_what_there_is(&server, &login, password, list);
            let shares = in_time(&server.host, listed).await?.reached;
            for some in shares.chunks(SHARES_AT_ONCE) {
                let shares: Vec<Share> = some.to_vec();
                caller.tell(&Event::Shares { shares }).map_err(gone)?;
            }
            caller.tell(&Event::Done { kind: ShareKind::Other }).map_err(gone)?;
            Ok(None)
        }
        Request::Probe { server, share, login, .. } => {
            let probe = async |proof, password| {
                let target = target(&server, &login, (proof, password), false, &Taste::default(), &ahead);
                mpr_smb::probe(&target, &share, &on_stage).await
            };
            let probed = proof::by_what_there_is(&server, &login, password, probe);
            let kind = in_time(&server.host, probed).await?.reached;
            caller.tell(&Event::Done { kind }).map_err(gone)?;
            Ok(None)
        }
        Request::Resolve { host } => {
            let addresses = addresses_of(&host).await?;
            caller.tell(&Event::Addresses { addresses }).map_err(gone)?;
            caller.tell(&Event::Done { kind: ShareKind::Other }).map_err(gone)?;
            Ok(None)
        }
        Request::KeepPassword { server, login, .. } => {
            tell_kept(passwords::keep(&server, &login, password).await?, caller)
        }
        Request::ForgetPassword { server, login } => {
            tell_kept(passwords::forget(&server, &login).await?, caller)
        }
        Request::ListPasswords => tell_kept(passwords::list().await?, caller),
        Request::Mount(mount) => mount_and_announce(*mount, password, ahead, caller, keeper).await.map(Some),
        _ => Err(Failure::new(Status::NOT_SUPPORTED, "mpr-mount does not know this request; reinstall mpr")),
    }
}

/// Says whose passwords are kept, which is the end of the conversation.
fn tell_kept(kept: Vec<Kept>, caller: &Caller) -> Reached<Option<Serving>> {
    let gone = |_: io::Error| Failure::new(Status::CANCEL, "the caller has gone");
    for some in kept.chunks(PASSWORDS_AT_ONCE) {
        caller.tell(&Event::Passwords { kept: some.to_vec() }).map_err(gone)?;
    }
    caller.tell(&Event::Done { kind: ShareKind::Other }).map_err(gone)?;
    Ok(None)
}

/// The addresses of a server, each once. The caller has a deadline of its own.
async fn addresses_of(host: &str) -> Reached<Vec<IpAddr>> {
    /// As many as a frame surely holds; nobody has more.
    const MOST: usize = 256;
    let found = tokio::net::lookup_host((host, 0)).await.map_err(|error| {
        Failure::new(Status::BAD_NETPATH, format!("the server {host} has no address: {error}"))
    })?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in found.map(|found| found.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
        if addresses.len() > MOST {
            // Some of them alone would be no answer: they are judged.
            let what = format!("the server {host} has more than {MOST} addresses");
            return Err(Failure::new(Status::BAD_NETPATH, what));
        }
    }
    Ok(addresses)
}

fn target(
    server: &Server,
    login: &Login,
    (proof, password): (Proof, Option<Zeroizing<String>>),
    require_encryption: bool,
    taste: &Taste,
    ahead: &Ahead,
) -> Target {
    let usual = Settings::default();
    let settings = Settings {
        patience: taste.timeout_ms.map_or(usual.patience, |timeout| Duration::from_millis(timeout.into())),
        encrypt: taste.encrypt.unwrap_or(usual.encrypt),
    };
    Target {
        host: server.host.clone(),
        port: server.port,
        login: login.clone(),
        proof,
        password,
        require_encryption,
        settings,
        ahead: ahead.clone(),
    }
}

/// How much is kept.
fn limits(taste: &Taste) -> Limits {
    let usual = Limits::default();
    let memory = taste.cache_mib.map_or(usual.memory, |mib| (mib as usize) << 20);
    Limits {
        memory,
        // Of one reader, so that several have room.
        read_ahead: usual.read_ahead.min(memory / 4),
        names: taste.cache_names.map_or(usual.names, |names| names as usize),
        ..usual
    }
}

async fn in_time<T>(host: &str, work: impl Future<Output = Reached<T>>) -> Reached<T> {
    tokio::time::timeout(REACHING, work).await.unwrap_or_else(|_| {
        Err(Failure::new(
            Status::NET_ERROR,
            format!(
                "//{host} accepted the connection but did not answer within {} seconds",
                REACHING.as_secs()
            ),
        ))
    })
}

async fn mount_and_announce(
    mut mount: Mount,
    password: Option<Zeroizing<String>>,
    ahead: Ahead,
    caller: &Caller,
    keeper: Keeper,
) -> Reached<Serving> {
    let slot = Slot::from_stem(&mount.naming.slot)
        .ok_or_else(|| Failure::new(Status::BAD_VALUE, "the name of the connection's record is not one"))?;
    if !mount.path.is_empty() && mount.path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Failure::new(Status::BAD_NETNAME, format!("'{}' is not a path in a share", mount.path)));
    }
    let runtime_dir = dirs::runtime_dir().map_err(|error| internal("the run-time directory", &error))?;
    let connections = Connections::of(&runtime_dir);
    connections.records().ensure().map_err(|error| internal("the directory of connections", &error))?;
    let lock = Lock::take(connections.records(), &slot)?.ok_or_else(|| {
        let name = mount.naming.local.as_deref().unwrap_or(&mount.naming.remote);
        Failure::new(
            Status::ALREADY_CONNECTED,
            format!("{name} is connected already, or being connected by another program"),
        )
    })?;

    let kind = keeper::Kind {
        source: mount.naming.remote.replace('\\', "/"),
        read_only: mount.read_only,
        allow_other: mount.allow_other,
    };
    let keeper = Arc::new(keeper);
    // Nobody sees it yet, and it takes as long whether there is a server or not.
    let made = tokio::task::spawn_blocking({
        let (keeper, kind) = (Arc::clone(&keeper), kind.clone());
        move || Session::begin(keeper.make(kind)?, Config::default()).ok()
    });

    let (remark, renewing);
    // A request names its protocol; there is one so far, and a new one is a new arm here.
    let remote = match mount.server.protocol {
        Protocol::Smb => {
            let Mount { server, login, share, path, require_encryption, taste, .. } = &mount;
            let connect = async |proof, password| {
                let target = target(server, login, (proof, password), *require_encryption, taste, &ahead);
                let (share, path, caller) = (share.clone(), path.clone(), caller.clone());
                // Where answers arrive: none of its steps waits for another thread to wake.
                let mut connecting = JoinSet::new();
                connecting.spawn(async move {
                    SmbFs::connect(target, &share, &path, &|stage| caller.stage(stage)).await
                });
                let connected = connecting.join_next().await.ok_or_else(|| internal("connecting", &""))?;
                connected.unwrap_or_else(|error| Err(internal("connecting", &error)))
            };
            let connected = proof::by_what_there_is(server, login, password.clone(), connect);
            let Proved { reached, remark: why } = in_time(&server.host, connected).await?;
            remark = why;
            // Meanwhile it can be mounted.
            renewing = password.map(|given| {
                let (server, login) = (server.clone(), login.clone());
                tokio::spawn(async move { passwords::renew(&server, &login, given).await })
            });
            reached.with_links_in_files(taste.symlinks_in_files.unwrap_or(false))
        }
        _ => return Err(Failure::new(Status::NOT_SUPPORTED, "mpr-mount does not speak this protocol")),
    };

    caller.stage(Stage::Mounting);
    // Whoever named nobody is whom the ticket is for, and can name that one when connecting again.
    mount.naming.user = mount.naming.user.or_else(|| remote.principal());
    let named = mount.naming.remote.clone();
    let losses = Losses::of(&mount.naming, mount.trail.as_ref())
        .map_err(|error| internal("starting what writes to the audit trail", &error))?;
    let losses = Arc::new(losses);
    let recorded = Arc::clone(&losses);
    let on_loss = move |loss: &_| {
        journal::lost(&named, loss);
        recorded.add(loss);
    };
    let options = Options { limits: limits(&mount.taste), on_loss: Some(Arc::new(on_loss)) };
    let remote = Cached::with(Namespace::of(remote), options);
    let Taste { file_mode, directory_mode, .. } = mount.taste;
    let look = Look::of(mount.uid, mount.gid).with_modes(file_mode, directory_mode);
    let filesystem = Mounted::new(remote, Handle::current(), look);
    // Whoever looks at anything on it looks at its root first. By the time that can be, it is known.
    let root = filesystem.clone();
    tokio::spawn(async move { root.remote().stat("").await });
    let made = Ready { kind, session: made.await.ok().flatten() };
    let serving =
        Serving::begin(&mount, slot, (connections, lock, keeper), made, filesystem, losses, remark).await?;
    if let Some(renewing) = renewing {
        // What it could not do is no failure of connecting.
        let _ = renewing.await;
    }
    // From here on a caller that has gone takes the connection with it: nobody would know of it.
    if let Err(error) = caller.tell(&Event::Done { kind: ShareKind::Disk }) {
        return Err(internal("the caller has gone", &error));
    }
    Ok(serving)
}

/// The right to use a slot, held by the helper that serves it for as long as it lives.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still held while its file goes: whoever has it open already finds, once it gets the lock, that the
        // file is no longer there, and takes a new one.
        let _ = fs::remove_file(&self.path);
    }
}

impl Lock {
    /// Takes the lock; `None` if another helper holds it.
    fn take(records: &Records, slot: &Slot) -> Reached<Option<Lock>> {
        let path = records.directory().join(format!("{}.lock", slot.stem()));
        let wrong = |error: io::Error| internal("taking the lock of the connection", &error);
        let begun = Instant::now();
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path)
                .map_err(wrong)?;
            // SAFETY: takes a valid descriptor and integers.
            if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } != 0 {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::WouldBlock {
                    return Err(wrong(error));
                }
                // A process that was killed still holds what it held until the last of its threads is gone.
                // One whose connection has ended takes its record away shortly before it lets go.
                let patience = match records.read(slot) {
                    Ok(Some(record)) if !record.helper.is_alive() => DYING,
                    Ok(None) => LEAVING,
                    _ => Duration::ZERO,
                };
                if begun.elapsed() >= patience {
                    return Ok(None);
                }
                thread::sleep(Duration::from_millis(5));
                continue;
            }
            // Its last holder removes it; then this is the lock of a file that is no longer there.
            let ours = file.metadata().map_err(wrong)?;
            match fs::symlink_metadata(&path) {
                Ok(now) if (now.dev(), now.ino()) == (ours.dev(), ours.ino()) => {
                    return Ok(Some(Lock { path, _file: file }));
                }
                _ => {}
            }
        }
    }
}

/// A file system that is to be mounted.
struct Ready {
    kind: keeper::Kind,
    /// What was agreed upon with the kernel, if it was made before.
    session: Option<Session>,
}

/// A mount that is being served.
struct Serving {
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
    async fn begin(
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
    async fn serve(self, mut signals: Signals) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_helper_holds_a_slot_until_it_ends() {
        let base = tempfile::tempdir().unwrap();
        let records = Records::of(base.path());
        records.ensure().unwrap();
        let slot = Slot::of_local("Z:").unwrap();
        let held = Lock::take(&records, &slot).unwrap().unwrap();
        assert!(Lock::take(&records, &slot).unwrap().is_none());
        drop(held);
        assert!(Lock::take(&records, &slot).unwrap().is_some());
    }

    #[test]
    fn a_password_that_is_not_text_is_refused_without_being_quoted() {
        let mut wire = Vec::new();
        frame::write(&mut wire, frame::Kind::Secret, b"hunter2\xff").unwrap();
        let error = password_in(&mut wire.as_slice()).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
