//! The conversation with a caller: from a request to its answer, which for a mount is that it is served.

use std::future::Future;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mpr_abi::Status;
use mpr_cache::{Cached, Limits, Options};
use mpr_fuse::{Config, Session};
use mpr_helper::connections::Connections;
use mpr_helper::dirs;
use mpr_helper::frame;
use mpr_helper::protocol::{
    Event, Failure, Kept, Login, Mount, Protocol, Request, Server, Share, ShareKind, Stage, Taste,
};
use mpr_helper::record::Slot;
use mpr_remotefs::{Reached, RemoteFs};
use mpr_smb::{Ahead, Namespace, Proof, Settings, SmbFs, Target};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
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
use crate::serve::{ASKING, Ready, Serving, Signals};
use crate::slot_lock::Lock;

/// How long reaching a server may take in all.
const REACHING: Duration = Duration::from_secs(40);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_not_text_is_refused_without_being_quoted() {
        let mut wire = Vec::new();
        frame::write(&mut wire, frame::Kind::Secret, b"hunter2\xff").unwrap();
        let error = password_in(&mut wire.as_slice()).unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
