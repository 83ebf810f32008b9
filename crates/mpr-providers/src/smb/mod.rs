//! "Microsoft Windows Network": shares of SMB servers, mounted.
//!
//! This is the part that runs in the application's process, and it does nothing that could keep the
//! application waiting: it judges names, and reads small files and the mount table to say what is connected.
//! Whatever touches the network is done by a helper process, `mpr-mount`, which stays for as long as the
//! connection it made.
//!
//! ```text
//! <drives>/z                     the share that Z: is connected to
//! <runtime>/unc/<server>/<share> a deviceless connection
//! <runtime>/connections/         a record and a control socket of each
//! ```
//!
//! A deviceless connection is to a whole share: `\\server\share\dir` without a device connects to
//! `\\server\share`, as cancelling it by either name ends it. With a device the directory becomes the root.

mod login;
mod mistake;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use mpr_core::device::{DeviceClass, LocalDevice};
use mpr_core::remote::{Unc, same_resource};
use mpr_helper::connections::{Connection, Connections, State};
use mpr_helper::control::{self, Order, Reply};
use mpr_helper::dirs;
use mpr_helper::options::Options;
use mpr_helper::protocol::{
    Event, Failure, Login, Mount, Naming, Protocol, Request, Server, Share, ShareKind, Stage, Taste, Trail,
};
use mpr_helper::record::Slot;
use mpr_helper::spawn::{self, Helper, MPR_MOUNT};
use mpr_plugin::abi::{
    CONNECT_CMD_SAVECRED, CONNECT_COMMANDLINE, CONNECT_CRED_RESET, CONNECT_INTERACTIVE,
    CONNECT_REQUIRE_INTEGRITY, CONNECT_REQUIRE_PRIVACY, RESOURCE_CONNECTED, RESOURCE_GLOBALNET,
    RESOURCETYPE_DISK, RESOURCETYPE_PRINT, RESOURCEUSAGE_CONNECTABLE, RESOURCEUSAGE_CONTAINER,
    WNNC_CON_ADDCONNECTION, WNNC_CON_ADDCONNECTION3, WNNC_CON_ADDCONNECTION4, WNNC_CON_CANCELCONNECTION,
    WNNC_CON_GETCONNECTIONS, WNNC_CON_GETPERFORMANCE, WNNC_DLG_GETRESOURCEINFORMATION,
    WNNC_DLG_GETRESOURCEPARENT, WNNC_ENUM_GLOBAL, WNNC_ENUM_LOCAL, WNNC_NET_SMB, WNNC_USR_GETUSER,
};
use mpr_plugin::{
    AddConnection, AuthBuffer, CancelConnection, Capabilities, Entries, EnumQuery, NetResource,
    NetworkProvider, Performance, ResourceQuery, Status, WideStr, WideString, last_error, wide,
};

use login::Credentials;

/// Registered name.
const NAME: &str = "Microsoft Windows Network";
/// The port of SMB, which a name need not mention.
const PORT: u16 = 445;
/// How long a helper may take to say how it is.
const AT_ONCE: Duration = Duration::from_millis(20);
/// As much as one request carries.
const OPTIMAL_SIZE: u32 = 1 << 20;
/// How long a helper may take over a request. It has limits of its own, which are shorter.
const REQUEST: Duration = Duration::from_secs(60);
/// How long a helper may take to end a connection: the kernel may have to write back first.
const UNMOUNT: Duration = Duration::from_secs(60);
/// How long it may take when forced: whoever forces has waited enough, and is done within a second.
const FORCED: Duration = Duration::from_millis(700);
/// The longest name of a share.
const MAX_SHARE: usize = 80;
/// The longest name of a server.
const MAX_SERVER: usize = 255;

/// SMB servers and their shares as a network.
#[derive(Debug)]
pub struct WindowsNetwork {
    runtime: PathBuf,
    drives: PathBuf,
    servers: Vec<String>,
    taste: Taste,
    trail: Option<Trail>,
    helper: Option<PathBuf>,
    connections: Connections,
}

/// A name of a share, understood.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    /// As in the name.
    server: String,
    port: Option<u16>,
    /// Name or address to connect to.
    host: String,
    share: String,
    /// Path inside the share, with backslashes; may be empty.
    path: String,
}

impl Target {
    /// Reads a name. Anything but `\\server[@port]\share[\path]` is not of this network.
    fn parse(name: &WideStr) -> Result<Target, Status> {
        let name = name.to_string().map_err(|_| Status::BAD_NETNAME)?;
        let unc = Unc::parse(&name).ok_or(Status::BAD_NETNAME)?;
        let share = unc.share.ok_or(Status::BAD_NETNAME)?;
        Target::of(&unc, share).ok_or(Status::BAD_NETNAME)
    }

    fn of(unc: &Unc<'_>, share: &str) -> Option<Target> {
        // Names end up in paths, here and on the server.
        let leads_away = |text: &str| matches!(text, "." | "..");
        let forbidden = |c: char| c.is_control() || "\"/:*?<>|".contains(c);
        let plain = |text: &str, max: usize| {
            !text.contains(forbidden) && !leads_away(text) && text.encode_utf16().count() <= max
        };
        // An address may hold colons.
        let server = unc.address().is_some() || plain(unc.server, MAX_SERVER);
        let path =
            !unc.path.contains(|c: char| c.is_control() || c == '/') && !unc.path.split('\\').any(leads_away);
        if !server || !plain(share, MAX_SHARE) || !path {
            return None;
        }
        Some(Target {
            server: unc.server.to_owned(),
            port: unc.port.filter(|port| *port != PORT),
            host: unc.address().map_or_else(|| unc.server.to_owned(), |address| address.to_string()),
            share: share.to_owned(),
            path: unc.path.to_owned(),
        })
    }

    /// Server with its port, as in names.
    fn server_name(&self) -> String {
        match self.port {
            Some(port) => format!("{}@{port}", self.server),
            None => self.server.clone(),
        }
    }

    fn root(&self) -> String {
        format!(r"\\{}\{}", self.server_name(), self.share)
    }

    fn server(&self) -> Server {
        Server { protocol: Protocol::Smb, host: self.host.clone(), port: self.port }
    }

    fn is_on_server_of(&self, other: &Target) -> bool {
        self.host.eq_ignore_ascii_case(&other.host) && self.port == other.port
    }
}

impl WindowsNetwork {
    /// Name under which the provider is registered.
    pub const NAME: &str = NAME;

    /// Connections live below `runtime`, the drive letters in `drives`.
    #[must_use]
    pub fn new(runtime: PathBuf, drives: PathBuf) -> Self {
        let connections = Connections::of(&runtime);
        WindowsNetwork {
            runtime,
            drives,
            servers: Vec::new(),
            taste: Taste::default(),
            trail: None,
            helper: None,
            connections,
        }
    }

    /// Names servers to be shown at the top of the network, beside those that are connected: `nas`,
    /// `nas@14450`.
    #[must_use]
    pub fn with_servers(self, servers: Vec<String>) -> Self {
        WindowsNetwork { servers, ..self }
    }

    /// How what is mounted is to be where that is a matter of taste.
    #[must_use]
    pub fn with_taste(self, taste: Taste) -> Self {
        WindowsNetwork { taste, ..self }
    }

    /// Where writes that do not reach a server are recorded.
    #[must_use]
    pub fn with_trail(self, trail: Option<Trail>) -> Self {
        WindowsNetwork { trail, ..self }
    }

    /// Uses this helper instead of looking for one.
    #[must_use]
    pub fn with_helper(self, helper: PathBuf) -> Self {
        WindowsNetwork { helper: Some(helper), ..self }
    }

    fn ask(
        &self,
        request: &Request,
        password: Option<&[u8]>,
        heard: &mut dyn FnMut(Event),
    ) -> Result<ShareKind, Failure> {
        let started = match &self.helper {
            Some(helper) => Ok(helper.clone()),
            None => spawn::find(MPR_MOUNT),
        };
        started
            .and_then(|program| Helper::start(&program, &self.runtime))
            .map_err(|error| Failure::new(Status::NET_ERROR, error.to_string()))?
            .ask(request, password, REQUEST, heard)
    }

    fn forget(&self, server: &Server, login: &Login) -> Result<(), Failure> {
        let (server, login) = (server.clone(), login.clone());
        self.ask(&Request::ForgetPassword { server, login }, None, &mut |_| {}).map(drop)
    }

    /// Where a connection goes: its slot, its device, its mount point, and whether that is ours to make.
    fn place(
        &self,
        target: &Target,
        local: Option<&WideStr>,
    ) -> Result<(Slot, Option<String>, PathBuf, bool), Status> {
        let Some(local) = local else {
            // One share has one place, however its name is spelt.
            let (server, share) = (target.server_name().to_lowercase(), target.share.to_lowercase());
            let mount_point = self.runtime.join("unc").join(server).join(share);
            return Ok((Slot::of_remote(&target.server_name(), &target.share), None, mount_point, true));
        };
        let device = LocalDevice::parse(local.as_slice()).ok_or(Status::BAD_LOCALNAME)?;
        let name = device.to_string();
        let slot = Slot::of_local(&name).ok_or(Status::BAD_DEV_TYPE)?;
        match device {
            LocalDevice::Drive(letter) => {
                let mount_point = self.drives.join(letter.to_ascii_lowercase().to_string());
                Ok((slot, Some(name), mount_point, true))
            }
            LocalDevice::Directory(path) => Ok((slot, Some(name), PathBuf::from(path), false)),
            LocalDevice::Printer(_) => Err(Status::BAD_DEV_TYPE),
        }
    }

    /// The connection of this slot, if it is one of this network.
    fn at(&self, slot: &Slot) -> Result<Option<Connection>, Status> {
        let found = self.connections.at(slot).map_err(|error| {
            explain(&Failure::new(Status::NET_ERROR, format!("cannot read a connection's record: {error}")))
        })?;
        Ok(found.filter(|connection| connection.record.provider == NAME))
    }

    /// The connection a name stands for: a device, or the remote name of a deviceless connection.
    fn named(&self, name: &WideStr) -> Result<Option<Connection>, Status> {
        let slot = match LocalDevice::parse(name.as_slice()) {
            Some(device) => Slot::of_local(&device.to_string()),
            None => {
                Target::parse(name).ok().map(|target| Slot::of_remote(&target.server_name(), &target.share))
            }
        };
        slot.map_or(Ok(None), |slot| self.at(&slot))
    }

    /// Every connection of this network, with what it leads to.
    fn all(&self) -> Result<Vec<Connection>, Status> {
        let mut all = self.connections.all().map_err(|error| {
            explain(&Failure::new(Status::NET_ERROR, format!("cannot read the connections: {error}")))
        })?;
        all.retain(|connection| connection.record.provider == NAME);
        Ok(all)
    }

    /// A deviceless connection to a share that has one already is that one, if the user may have it.
    fn is_shared(&self, found: &Connection, request: &Mount, password: Option<&[u8]>) -> Result<(), Failure> {
        let (old, new) = (found.record.user.as_deref(), request.naming.user.as_deref());
        if let Some(new) = new
            && !old.is_some_and(|old| old.eq_ignore_ascii_case(new))
        {
            return Err(Failure::new(
                Status::SESSION_CREDENTIAL_CONFLICT,
                format!(
                    "{} is connected as {}; disconnect it before connecting as '{new}'",
                    found.record.remote,
                    old.map_or_else(|| "the default user".to_owned(), |old| format!("'{old}'"))
                ),
            ));
        }
        let (old, new) = (&found.record.options, &request.naming.options);
        if !new.is_empty() && old != new {
            let old = if old.is_empty() { "without options".to_owned() } else { format!("with {old}") };
            return Err(Failure::new(
                Status::ALREADY_CONNECTED,
                format!("{} is connected {old}; disconnect it to connect it with {new}", found.record.remote),
            ));
        }
        if password.is_none() {
            return Ok(());
        }
        // A wrong password is wrong whether or not something is connected already.
        let probe = Request::Probe {
            server: request.server.clone(),
            share: request.share.clone(),
            login: request.login.clone(),
            has_password: true,
        };
        self.ask(&probe, password, &mut |_| {}).map(drop)
    }

    fn disconnect(&self, connection: &Connection, force: bool) -> Result<(), Failure> {
        let clean = || {
            self.connections.clean(connection).map_err(|error| {
                Failure::new(
                    Status::NET_ERROR,
                    format!("cannot unmount {}: {error}", connection.record.mount_point),
                )
            })
        };
        if connection.state == State::Lost {
            return clean();
        }
        let end_by_force = || {
            self.connections.end_by_force(connection).map_err(|error| {
                Failure::new(Status::NET_ERROR, format!("cannot end {}: {error}", connection.record.remote))
            })
        };
        let patience = if force { FORCED } else { UNMOUNT };
        match control::order(&self.connections.socket(connection), Order::Unmount { force }, patience) {
            // What it cannot do, be it that the part of it that may is gone, is done here.
            Ok(Reply::Failed(_)) if force => end_by_force(),
            Ok(Reply::Failed(failure)) => Err(failure),
            Ok(_) => Ok(()),
            Err(error) => match self.connections.at(&connection.slot) {
                // It was ending anyway.
                Ok(None) => Ok(()),
                Ok(Some(now)) if now.state == State::Lost => clean(),
                _ if force => end_by_force(),
                _ => Err(no_reply(connection, &error)),
            },
        }
    }

    /// The connection of this local or remote name, a remote one of a device included.
    fn connected_as(&self, name: &WideStr) -> Result<Connection, Status> {
        let found = match self.named(name)? {
            Some(connection) => Some(connection),
            None => self.all()?.into_iter().find(|connection| {
                let remote: Vec<u16> = connection.record.remote.encode_utf16().collect();
                same_resource(&remote, name.as_slice())
            }),
        };
        found.ok_or(Status::NOT_CONNECTED)
    }

    /// The shares of a server: as the user of a connection to it, if there is one, else as nobody.
    fn shares(&self, target: &Target) -> Result<Vec<Share>, Failure> {
        let connected = self.all().unwrap_or_default().into_iter().find(|connection| {
            connection.state == State::Connected
                && target_of(connection).is_some_and(|other| other.is_on_server_of(target))
        });
        if let Some(connection) = connected {
            return match control::order(&self.connections.socket(&connection), Order::ListShares, REQUEST) {
                Ok(Reply::Shares { shares }) => Ok(shares),
                Ok(Reply::Failed(failure)) => Err(failure),
                Ok(_) => Err(no_reply(&connection, &io::ErrorKind::InvalidData.into())),
                Err(error) => Err(no_reply(&connection, &error)),
            };
        }
        self.shares_as(target, Login::Anonymous, None)
    }

    /// The shares of a server, as a user.
    fn shares_as(
        &self,
        target: &Target,
        login: Login,
        password: Option<&[u8]>,
    ) -> Result<Vec<Share>, Failure> {
        let request =
            Request::ListShares { server: target.server(), login, has_password: password.is_some() };
        let mut listed = Vec::new();
        self.ask(&request, password, &mut |event| {
            if let Event::Shares { shares } = event {
                listed.extend(shares);
            }
        })?;
        Ok(listed)
    }

    /// What a share is, as far as that can be known without a user. An SMB server that refuses to say is still
    /// an SMB server, and its names are of this network.
    fn kind_of(&self, target: &Target) -> Result<ShareKind, Status> {
        let known = self.all()?.iter().filter_map(target_of).any(|other| {
            other.is_on_server_of(target) && other.share.to_lowercase() == target.share.to_lowercase()
        });
        if known {
            return Ok(ShareKind::Disk);
        }
        let probe = Request::Probe {
            server: target.server(),
            share: target.share.clone(),
            login: Login::Anonymous,
            has_password: false,
        };
        match self.ask(&probe, None, &mut |_| {}) {
            Ok(kind) => Ok(kind),
            Err(failure) => match Status(failure.status) {
                Status::ACCESS_DENIED | Status::LOGON_FAILURE => Ok(ShareKind::Disk),
                // Not there, or not an SMB server: another network may know the name.
                Status::BAD_NETPATH | Status::BAD_NETNAME => Err(Status::BAD_NETNAME),
                _ => Err(explain(&failure)),
            },
        }
    }

    /// Servers at the top: those connected and those configured, each once.
    fn servers(&self) -> Result<Vec<String>, Status> {
        let connected = self.all()?;
        let connected = connected.iter().filter_map(target_of).map(|target| target.server_name());
        let servers: BTreeMap<String, String> = self
            .servers
            .iter()
            .cloned()
            .chain(connected)
            .map(|server| (server.to_lowercase(), server))
            .collect();
        Ok(servers.into_values().collect())
    }
}

/// The server of this name, to be asked for its shares.
fn server_named(name: &WideStr) -> Result<Target, Status> {
    let name = name.to_string().map_err(|_| Status::BAD_NETNAME)?;
    let unc = Unc::parse(&name).ok_or(Status::BAD_NETNAME)?;
    match unc.share {
        Some(_) => Err(Status::NOT_CONTAINER),
        None => Target::of(&unc, "IPC$").ok_or(Status::BAD_NETNAME),
    }
}

fn share_entries(target: &Target, shares: &[Share]) -> Vec<NetResource> {
    let server = target.server_name();
    shares.iter().map(|share| share_entry(&server, share)).collect()
}

/// What is wanted of one connection.
fn options_of(add: &AddConnection<'_>) -> Result<Options, Failure> {
    let Some(AuthBuffer { auth, use_options }) = add.auth else { return Ok(Options::default()) };
    if !auth.is_empty() {
        let what = "this network takes user and password, and no buffer of credentials";
        return Err(Failure::new(Status::NOT_SUPPORTED, what));
    }
    Options::remembered(use_options).map_err(|error| Failure::new(Status::BAD_VALUE, error.to_string()))
}

/// What a connection leads to.
fn target_of(connection: &Connection) -> Option<Target> {
    let unc = Unc::parse(&connection.record.remote)?;
    Target::of(&unc, unc.share?)
}

/// Half of a round trip in whole milliseconds; what is known is never 0, which says that nothing is.
fn one_way(round_trip: Duration) -> u32 {
    if round_trip.is_zero() {
        return 0;
    }
    u32::try_from(round_trip.as_micros().div_ceil(2000)).unwrap_or(u32::MAX)
}

/// Whether `flag` is set, and those without which it does not count (spec/wnet.md §2.2).
fn asks_on_command_line(flags: u32, flag: u32) -> bool {
    let wanted = CONNECT_INTERACTIVE | CONNECT_COMMANDLINE | flag;
    flags & wanted == wanted
}

fn no_reply(connection: &Connection, error: &io::Error) -> Failure {
    Failure::new(
        Status::NET_ERROR,
        format!(
            "the helper that serves {} does not answer ({error}); force the disconnection to be rid of it",
            connection.record.remote
        ),
    )
}

/// Tells the application what happened, beside the code it gets.
fn explain(failure: &Failure) -> Status {
    last_error::set(failure.status, &failure.message, NAME);
    Status(failure.status)
}

impl NetworkProvider for WindowsNetwork {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            net_type: WNNC_NET_SMB,
            version: 0x0000_0001,
            user: WNNC_USR_GETUSER,
            connection: WNNC_CON_ADDCONNECTION
                | WNNC_CON_ADDCONNECTION3
                | WNNC_CON_ADDCONNECTION4
                | WNNC_CON_CANCELCONNECTION
                | WNNC_CON_GETCONNECTIONS
                | WNNC_CON_GETPERFORMANCE,
            dialog: WNNC_DLG_GETRESOURCEINFORMATION | WNNC_DLG_GETRESOURCEPARENT,
            enumeration: WNNC_ENUM_GLOBAL | WNNC_ENUM_LOCAL,
            ..Capabilities::default()
        }
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        let target = Target::parse(add.remote).inspect_err(|status| {
            if let Some(told) = mistake::in_name(add.remote) {
                last_error::set(status.0, &told, Self::NAME);
            }
        })?;
        if add.kind == RESOURCETYPE_PRINT {
            last_error::set(
                Status::BAD_DEV_TYPE.0,
                "shares are connected as disks only; printers of SMB servers are not supported",
                Self::NAME,
            );
            return Err(Status::BAD_DEV_TYPE);
        }
        let (slot, local, mount_point, own_mount_point) = self.place(&target, add.local)?;
        let options = options_of(add).map_err(|failure| explain(&failure))?;
        let credentials = Credentials::of(add.user, add.password)?;
        if add.flags & CONNECT_REQUIRE_INTEGRITY != 0
            && matches!(credentials.login, Login::Guest | Login::Anonymous)
        {
            return Err(explain(&Failure::new(
                Status::ACCESS_DENIED,
                format!("{} cannot be connected with integrity protection by a guest", target.root()),
            )));
        }
        let Some(mount_point) = mount_point.to_str().map(str::to_owned) else {
            return Err(explain(&Failure::new(
                Status::BAD_LOCALNAME,
                format!("{} is not UTF-8; choose other directories", mount_point.display()),
            )));
        };
        let path = if local.is_some() { target.path.as_str() } else { "" };
        let remote = match path {
            "" => target.root(),
            path => format!(r"{}\{path}", target.root()),
        };
        let request = Mount {
            server: target.server(),
            share: target.share.clone(),
            path: path.replace('\\', "/"),
            login: credentials.login,
            has_password: credentials.password.is_some(),
            naming: Naming {
                slot: slot.stem().to_owned(),
                local,
                remote,
                provider: NAME.to_owned(),
                user: credentials.user,
                options: options.to_string(),
            },
            mount_point,
            own_mount_point,
            read_only: options.read_only,
            allow_other: options.allow_other,
            require_encryption: add.flags & CONNECT_REQUIRE_PRIVACY != 0,
            uid: options.uid.unwrap_or_else(dirs::effective_uid),
            gid: options.gid.unwrap_or_else(dirs::effective_gid),
            taste: options.taste.or(self.taste),
            trail: self.trail.clone(),
        };
        let password = credentials.password.as_ref().map(|password| password.as_slice());
        // One that is lost makes way for a new one; the helper sees to that.
        if let Some(found) = self.at(&slot)?
            && found.state == State::Connected
        {
            if add.local.is_some() {
                return Err(Status::ALREADY_CONNECTED);
            }
            return self.is_shared(&found, &request, password).map_err(|failure| explain(&failure));
        }
        let (server, login) = (request.server.clone(), request.login.clone());
        if asks_on_command_line(add.flags, CONNECT_CRED_RESET) && password.is_none() {
            self.forget(&server, &login).map_err(|failure| explain(&failure))?;
        }
        let mounted = self.ask(&Request::Mount(Box::new(request)), password, &mut |event| {
            if let Event::Progress { stage } = event {
                Stage::reached(Some(stage));
            }
        });
        Stage::reached(None);
        mounted.map_err(|failure| explain(&failure))?;
        if asks_on_command_line(add.flags, CONNECT_CMD_SAVECRED) && password.is_some() {
            // It is connected, whatever becomes of the wish to keep the password.
            let keep = Request::KeepPassword { server, login, has_password: true };
            let _ = self.ask(&keep, password, &mut |_| {}).map_err(|failure| explain(&failure));
        }
        Ok(())
    }

    fn takes_options_with_password(&self) -> bool {
        true
    }

    fn persistent_use_options(&self, _: &WideStr, use_options: &[u8]) -> Result<Vec<u8>, Status> {
        let options = Options::remembered(use_options).map_err(|_| Status::BAD_VALUE)?;
        Ok(options.to_string().into_bytes())
    }

    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        let connection = self.named(cancel.name)?.ok_or(Status::NOT_CONNECTED)?;
        self.disconnect(&connection, cancel.force).map_err(|failure| explain(&failure))
    }

    fn connection(&self, local: &WideStr) -> Result<WideString, Status> {
        match LocalDevice::parse(local.as_slice()) {
            Some(device) if device.class() == DeviceClass::Disk => {
                let connection = self.named(local)?.ok_or(Status::NOT_CONNECTED)?;
                Ok(wide(&connection.record.remote))
            }
            _ => Err(Status::NOT_CONNECTED),
        }
    }

    fn user(&self, name: &WideStr) -> Result<WideString, Status> {
        let connection = self.connected_as(name)?;
        let user = connection.record.user.or_else(dirs::user_name).ok_or(Status::NOT_CONNECTED)?;
        Ok(wide(&user))
    }

    /// From what the helper remembers; the server is not asked. How fast the way to it is nobody has measured.
    fn performance(&self, name: &WideStr) -> Result<Performance, Status> {
        let connection = self.connected_as(name)?;
        let socket = self.connections.socket(&connection);
        if connection.state == State::Lost {
            return Ok(Performance::default());
        }
        // Not `order`, which waits for a helper that accepts nobody any more.
        match control::order_all(&[socket], Order::Status, AT_ONCE).pop().flatten() {
            Some(Reply::Status(health)) => Ok(Performance {
                delay: one_way(health.mean_round_trip),
                optimal_size: OPTIMAL_SIZE,
                ..Performance::default()
            }),
            // It is connected; nothing is known of it.
            _ => Ok(Performance::default()),
        }
    }

    fn enumerate(&self, query: &EnumQuery<'_>) -> Result<Entries, Status> {
        let wanted_kind = |kind: u32| query.kind == 0 || query.kind & kind != 0;
        let wanted_usage = |usage: u32| query.usage == 0 || query.usage & usage != 0;
        let entries: Vec<NetResource> = match (query.scope, query.container) {
            (RESOURCE_CONNECTED, _) if wanted_kind(RESOURCETYPE_DISK) => {
                self.all()?.into_iter().map(entry).collect()
            }
            (RESOURCE_CONNECTED, _) => Vec::new(),
            (RESOURCE_GLOBALNET, container) => {
                match container.and_then(|container| container.remote.as_ref()) {
                    None if wanted_usage(RESOURCEUSAGE_CONTAINER) => {
                        let servers = self.servers()?.into_iter();
                        servers.map(|server| NetResource::server(wide(&format!(r"\\{server}")))).collect()
                    }
                    None => Vec::new(),
                    Some(name) => {
                        let target = server_named(name)?;
                        if !wanted_usage(RESOURCEUSAGE_CONNECTABLE) {
                            return Ok(Box::new(std::iter::empty()));
                        }
                        let shares = self.shares(&target).map_err(|failure| explain(&failure))?;
                        let mut entries = share_entries(&target, &shares);
                        entries.retain(|entry| wanted_kind(entry.kind));
                        entries
                    }
                }
            }
            _ => return Err(Status::NOT_SUPPORTED),
        };
        Ok(Box::new(entries.into_iter().map(Ok)))
    }

    fn enumerate_as(
        &self,
        query: &EnumQuery<'_>,
        user: Option<&WideStr>,
        password: Option<&WideStr>,
    ) -> Result<Entries, Status> {
        let name = query.container.and_then(|container| container.remote.as_deref());
        let target = server_named(name.ok_or(Status::NOT_SUPPORTED)?)?;
        let Credentials { login, password, .. } = Credentials::of(user, password)?;
        let shares = self.shares_as(&target, login, password.as_ref().map(|password| password.as_slice()));
        let entries = share_entries(&target, &shares.map_err(|failure| explain(&failure))?);
        Ok(Box::new(entries.into_iter().map(Ok)))
    }

    fn resource_information(
        &self,
        query: &ResourceQuery<'_>,
    ) -> Result<(NetResource, Option<WideString>), Status> {
        let name = query.remote.to_string().map_err(|_| Status::BAD_NETNAME)?;
        let unc = Unc::parse(&name).ok_or(Status::BAD_NETNAME)?;
        let Some(share) = unc.share else {
            let target = Target::of(&unc, "IPC$").ok_or(Status::BAD_NETNAME)?;
            self.kind_of(&target)?;
            return Ok((NetResource::server(wide(&format!(r"\\{}", target.server_name()))), None));
        };
        let target = Target::of(&unc, share).ok_or(Status::BAD_NETNAME)?;
        let kind = self.kind_of(&target)?;
        let asked = match kind {
            ShareKind::Printer => RESOURCETYPE_PRINT,
            ShareKind::Disk | ShareKind::Other => RESOURCETYPE_DISK,
        };
        if query.kind != 0 && query.kind != asked {
            return Err(Status::BAD_DEV_TYPE);
        }
        let share = Share { name: target.share.clone(), kind, comment: String::new() };
        let rest = (!target.path.is_empty()).then(|| wide(&format!(r"\{}", target.path)));
        Ok((share_entry(&target.server_name(), &share), rest))
    }

    fn resource_parent(&self, query: &ResourceQuery<'_>) -> Result<NetResource, Status> {
        let name = query.remote.to_string().map_err(|_| Status::BAD_NETNAME)?;
        let unc = Unc::parse(&name).ok_or(Status::BAD_NETNAME)?;
        let target = Target::of(&unc, unc.share.unwrap_or("IPC$")).ok_or(Status::BAD_NETNAME)?;
        let server = NetResource::server(wide(&format!(r"\\{}", target.server_name())));
        Ok(match (unc.share, target.path.rsplit_once('\\')) {
            (None, _) => NetResource { remote: None, ..server },
            (Some(_), _) if target.path.is_empty() => server,
            (Some(_), None) => NetResource::share(wide(&target.root()), None),
            (Some(_), Some((above, _))) => {
                NetResource::share(wide(&format!(r"{}\{above}", target.root())), None)
            }
        })
    }
}

fn entry(connection: Connection) -> NetResource {
    let record = connection.record;
    let comment = match connection.state {
        State::Connected => None,
        State::Lost => {
            Some(wide("lost: the helper that served it has ended; disconnect it and connect again"))
        }
    };
    let local = record.local.as_deref().map(wide);
    NetResource { comment, ..NetResource::connection(local, wide(&record.remote)) }
}

fn share_entry(server: &str, share: &Share) -> NetResource {
    let comment = (!share.comment.is_empty()).then(|| wide(&share.comment));
    let kind = match share.kind {
        ShareKind::Printer => RESOURCETYPE_PRINT,
        ShareKind::Disk | ShareKind::Other => RESOURCETYPE_DISK,
    };
    NetResource { kind, ..NetResource::share(wide(&format!(r"\\{server}\{}", share.name)), comment) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpr_plugin::abi::RESOURCEDISPLAYTYPE_SERVER;

    fn network() -> WindowsNetwork {
        WindowsNetwork::new("/nowhere/run".into(), "/nowhere/drives".into())
            .with_helper("/nowhere/mpr-mount".into())
    }

    fn target(name: &str) -> Result<Target, Status> {
        Target::parse(&wide(name))
    }

    #[test]
    fn a_name_is_judged_without_asking_anybody() {
        let found = target(r"\\NAS@14450\My Photos\2024\may").unwrap();
        assert_eq!(found.server_name(), "NAS@14450");
        assert_eq!((found.share.as_str(), found.path.as_str()), ("My Photos", r"2024\may"));
        assert_eq!(found.root(), r"\\NAS@14450\My Photos");
        assert_eq!(target(r"\\nas@445\x").unwrap().root(), r"\\nas\x");
        assert_eq!(target(r"\\--1.ipv6-literal.net\x").unwrap().host, "::1");
        for other in [
            r"\\nas",
            r"\\",
            "//nas/x",
            "nas",
            "https://nas/x",
            "Z:",
            r"\\nas\a*b",
            r"\\nas\a:b",
            r"\\n|s\a",
            r"\\nas\x/y",
            "\\\\nas\\x\u{1}",
        ] {
            assert_eq!(target(other), Err(Status::BAD_NETNAME), "{other:?}");
        }
        assert_eq!(target(&format!(r"\\nas\{}", "x".repeat(81))), Err(Status::BAD_NETNAME));
    }

    #[test]
    fn each_kind_of_connection_has_its_place() {
        let network = network();
        let nas = target(r"\\NAS@14450\Photos\2024").unwrap();
        let (slot, local, path, own) = network.place(&nas, Some(&wide("z:"))).unwrap();
        assert_eq!((slot.stem(), local.as_deref(), own), ("drive-z", Some("Z:"), true));
        assert_eq!(path, PathBuf::from("/nowhere/drives/z"));
        let (_, local, path, own) = network.place(&nas, Some(&wide("/mnt/./x/"))).unwrap();
        assert_eq!((local.as_deref(), own), (Some("/mnt/x"), false));
        assert_eq!(path, PathBuf::from("/mnt/x"));
        let (_, local, path, own) = network.place(&nas, None).unwrap();
        assert_eq!((local, own), (None, true));
        assert_eq!(path, PathBuf::from("/nowhere/run/unc/nas@14450/photos"));
        assert_eq!(network.place(&nas, Some(&wide("LPT1"))).err(), Some(Status::BAD_DEV_TYPE));
        assert_eq!(network.place(&nas, Some(&wide("COM1"))).err(), Some(Status::BAD_LOCALNAME));
    }

    #[test]
    fn a_name_cannot_lead_out_of_where_it_belongs() {
        for name in [r"\\nas\..", r"\\nas\.", r"\\..\x", r"\\nas\x\..\y", r"\\nas\x\.\y", r"\\nas\x\.."] {
            assert_eq!(target(name), Err(Status::BAD_NETNAME), "{name}");
        }
    }

    #[test]
    fn nothing_connected_is_an_answer_and_no_error() {
        let network = network();
        assert_eq!(network.connection(&wide("Z:")), Err(Status::NOT_CONNECTED));
        assert_eq!(network.connection(&wide("LPT1")), Err(Status::NOT_CONNECTED));
        assert_eq!(network.user(&wide(r"\\nas\x")), Err(Status::NOT_CONNECTED));
        for name in ["Z:", r"\\nas\x", "nonsense"] {
            let name = wide(name);
            let cancel = CancelConnection { name: &name, force: true, flags: 0 };
            assert_eq!(network.cancel_connection(&cancel), Err(Status::NOT_CONNECTED));
        }
    }

    #[test]
    fn configured_servers_stand_at_the_top() {
        let network = network().with_servers(vec!["nas".into(), "NAS".into(), "box@1445".into()]);
        let query = EnumQuery { scope: RESOURCE_GLOBALNET, kind: 0, usage: 0, container: None };
        let mut entries = network.enumerate(&query).unwrap();
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry() {
            let entry = entry.unwrap();
            assert_eq!(entry.display, RESOURCEDISPLAYTYPE_SERVER);
            names.push(entry.remote.unwrap().to_string().unwrap());
        }
        assert_eq!(names, [r"\\box@1445", r"\\NAS"]);
    }

    #[test]
    fn parents_follow_from_names() {
        let parent = |name: &str| {
            let name = wide(name);
            let parent = network().resource_parent(&ResourceQuery { remote: &name, kind: 0, provider: None });
            parent.map(|parent| parent.remote.map(|remote| remote.to_string().unwrap()))
        };
        assert_eq!(parent(r"\\nas\x\a\b"), Ok(Some(r"\\nas\x\a".into())));
        assert_eq!(parent(r"\\nas\x\a"), Ok(Some(r"\\nas\x".into())));
        assert_eq!(parent(r"\\nas@99\x"), Ok(Some(r"\\nas@99".into())));
        assert_eq!(parent(r"\\nas"), Ok(None));
        assert_eq!(parent("nas"), Err(Status::BAD_NETNAME));
    }
}
