//! Network providers: one network each, made reachable through the router.

#[doc(hidden)]
pub mod export;

use crate::{NetResource, WideStr, WideString};
use mpr_abi::{HWND, NETCONNECTINFOSTRUCT, Status, WNNC_START_UNKNOWN, WNNC_WAIT_FOR_START, WNNC_WONT_START};
use std::fmt;

/// What a provider says it can do (`NPGetCaps`). Constants of `mpr_abi` name the bits.
///
/// The router calls nothing that is not claimed here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Network type, `WNNC_NET_*`: the type proper in the high word.
    pub net_type: u32,
    /// Version of the provider.
    pub version: u32,
    /// `WNNC_USR_*`.
    pub user: u32,
    /// `WNNC_CON_*`.
    pub connection: u32,
    /// `WNNC_DLG_*`.
    pub dialog: u32,
    /// `WNNC_ADM_*`.
    pub admin: u32,
    /// `WNNC_ENUM_*`.
    pub enumeration: u32,
}

/// Whether a provider's network is there yet (`NPGetCaps(WNNC_START)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It will not start.
    Never,
    /// It has started.
    Running,
    /// It will have started after this many milliseconds.
    Within(u32),
    /// It will start, at a time not known.
    Unknown,
}

impl Start {
    /// The number `NPGetCaps` returns.
    #[must_use]
    pub fn to_raw(self) -> u32 {
        match self {
            Start::Never => WNNC_WONT_START,
            Start::Running => WNNC_WAIT_FOR_START,
            Start::Within(milliseconds) => milliseconds.clamp(2, WNNC_START_UNKNOWN - 1),
            Start::Unknown => WNNC_START_UNKNOWN,
        }
    }

    /// Reads the number `NPGetCaps` returned.
    #[must_use]
    pub fn from_raw(raw: u32) -> Self {
        match raw {
            WNNC_WONT_START => Start::Never,
            WNNC_WAIT_FOR_START => Start::Running,
            WNNC_START_UNKNOWN => Start::Unknown,
            milliseconds => Start::Within(milliseconds),
        }
    }
}

/// A connection to be made.
#[derive(Clone, Copy)]
pub struct AddConnection<'a> {
    /// Owner for dialogs; valid only with `CONNECT_INTERACTIVE`.
    pub owner: HWND,
    /// `RESOURCETYPE_*`; `RESOURCETYPE_ANY` if unknown.
    pub kind: u32,
    /// Device to redirect; none for a deviceless connection.
    pub local: Option<&'a WideStr>,
    /// The resource.
    pub remote: &'a WideStr,
    /// The provider the application named, if it named one.
    pub provider: Option<&'a WideStr>,
    /// User; none for the default one.
    pub user: Option<&'a WideStr>,
    /// Password: none for the default one, empty for no password.
    pub password: Option<&'a WideStr>,
    /// What the four-series functions carry instead of user and password; of providers that
    /// [say so](NetworkProvider::takes_options_with_password) also beside them, with use options and no more.
    pub auth: Option<AuthBuffer<'a>>,
    /// `CONNECT_*` flags; bits not understood are to be ignored.
    pub flags: u32,
}

/// Credentials and options in a format of the provider's own (`NPAddConnection4`).
#[derive(Clone, Copy)]
pub struct AuthBuffer<'a> {
    /// Authentication data.
    pub auth: &'a [u8],
    /// Options of the connection.
    pub use_options: &'a [u8],
}

/// Says whether there is a password, never which.
impl fmt::Debug for AddConnection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddConnection")
            .field("kind", &self.kind)
            .field("local", &self.local)
            .field("remote", &self.remote)
            .field("provider", &self.provider)
            .field("user", &self.user)
            .field("password", &self.password.map(|_| "…"))
            .field("auth", &self.auth)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

/// Says how long the buffers are, never what is in them.
impl fmt::Debug for AuthBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {} bytes of options", self.auth.len(), self.use_options.len())
    }
}

/// A connection to be broken.
#[derive(Debug, Clone, Copy)]
pub struct CancelConnection<'a> {
    /// Device, or remote name of a deviceless connection.
    pub name: &'a WideStr,
    /// Whether open files are to be ignored. If not, they are answered with `WN_OPEN_FILES`.
    pub force: bool,
    /// The application's flags.
    pub flags: u32,
}

/// What is to be enumerated. Only the scopes `CONNECTED`, `GLOBALNET` and `CONTEXT` reach a provider.
#[derive(Debug, Clone, Copy)]
pub struct EnumQuery<'a> {
    /// `RESOURCE_*`.
    pub scope: u32,
    /// Mask of `RESOURCETYPE_*`; 0 for all.
    pub kind: u32,
    /// Mask of `RESOURCEUSAGE_*`; 0 for all.
    pub usage: u32,
    /// Container to look into; none for the top of the network.
    pub container: Option<&'a NetResource>,
}

/// A resource asked about.
#[derive(Debug, Clone, Copy)]
pub struct ResourceQuery<'a> {
    /// Its name.
    pub remote: &'a WideStr,
    /// `RESOURCETYPE_*`, 0 if unknown.
    pub kind: u32,
    /// The provider the application named, if it named one.
    pub provider: Option<&'a WideStr>,
}

/// Entries of an enumeration. Every iterator over them is one.
pub trait Enumeration: Send {
    /// The next entry; an error ends the enumeration.
    fn next_entry(&mut self) -> Option<Result<NetResource, Status>>;

    /// Ends the enumeration, early or not. Dropping it does the same without an answer.
    fn close(self: Box<Self>) -> Result<(), Status> {
        Ok(())
    }
}

impl<I: Iterator<Item = Result<NetResource, Status>> + Send> Enumeration for I {
    fn next_entry(&mut self) -> Option<Result<NetResource, Status>> {
        self.next()
    }
}

/// An enumeration that was opened.
pub type Entries = Box<dyn Enumeration>;

/// The forms of a path on a redirected drive (`REMOTE_NAME_INFO`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniversalName {
    /// UNC form; none if the network has no such form.
    pub universal: Option<WideString>,
    /// Name that can be passed to an add function.
    pub connection: WideString,
    /// Rest of the path: begins with a backslash, or is empty.
    pub remaining: WideString,
}

/// What is known of a connection's speed; zero is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Performance {
    /// `WNCON_*`.
    pub flags: u32,
    /// Speed in units of 100 bit/s; 1 is faster than can be expressed.
    pub speed: u32,
    /// One-way delay in milliseconds.
    pub delay: u32,
    /// Recommended size of a transfer in bytes.
    pub optimal_size: u32,
}

impl Performance {
    /// Copies the fields of a structure.
    #[must_use]
    pub fn from_abi(raw: &NETCONNECTINFOSTRUCT) -> Self {
        let NETCONNECTINFOSTRUCT { dwFlags, dwSpeed, dwDelay, dwOptDataSize, .. } = *raw;
        Performance { flags: dwFlags, speed: dwSpeed, delay: dwDelay, optimal_size: dwOptDataSize }
    }
}

/// A network provider.
///
/// Only [`capabilities`](Self::capabilities) must be written; everything else is answered with
/// `WN_NOT_SUPPORTED` unless overridden, and called only if claimed. Rules that routing rests on
/// (`spec/provider.md` §2):
///
/// * answer `WN_BAD_NETNAME` at once for names that are not yours; `WN_BAD_PASSWORD` or `WN_ACCESS_DENIED`
///   only for names that are, since the first such code is what the application gets;
/// * do not call WNet functions, and do not resolve names that lead through the router;
/// * remember nothing: that is the router's work;
/// * expect calls from several threads at once.
pub trait NetworkProvider: Send + Sync {
    /// What the provider can do. Read once, when it is loaded.
    fn capabilities(&self) -> Capabilities;

    /// Whether the network is there yet.
    fn start(&self) -> Start {
        Start::Running
    }

    /// `NPAddConnection`, `3` and `4`.
    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        _ = add;
        Err(Status::NOT_SUPPORTED)
    }

    /// Whether [`AddConnection::auth`] may carry use options beside a user and a password. `NPAddConnection4` has no
    /// place for these, so a provider that is a library cannot; the router asks it with one or the other.
    fn takes_options_with_password(&self) -> bool {
        false
    }

    /// `NPCancelConnection` and `2`.
    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        _ = cancel;
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetConnection`: the remote name a device is connected to, else `WN_NOT_CONNECTED`.
    fn connection(&self, local: &WideStr) -> Result<WideString, Status> {
        _ = local;
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetConnection3` at level `WNGETCON_DISCONNECTED`: as [`connection`](Self::connection), for a
    /// device that is registered but not connected yet.
    fn deferred_connection(&self, local: &WideStr) -> Result<WideString, Status> {
        _ = local;
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetConnectionPerformance`, of a local or remote name.
    fn performance(&self, name: &WideStr) -> Result<Performance, Status> {
        _ = name;
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetUniversalName`. On `WN_NOT_SUPPORTED` the router makes the name itself.
    fn universal_name(&self, local_path: &WideStr) -> Result<UniversalName, Status> {
        _ = local_path;
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetUser`: the user of a connection, known by device or remote name.
    fn user(&self, name: &WideStr) -> Result<WideString, Status> {
        _ = name;
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetPersistentUseOptionsForConnection`: what of a connection's use options is worth remembering.
    fn persistent_use_options(&self, remote: &WideStr, use_options: &[u8]) -> Result<Vec<u8>, Status> {
        _ = (remote, use_options);
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPOpenEnum`, `NPEnumResource`, `NPCloseEnum`.
    fn enumerate(&self, query: &EnumQuery<'_>) -> Result<Entries, Status> {
        _ = query;
        Err(Status::NOT_SUPPORTED)
    }

    /// The same of a container, as a user, with a password or with what there is to prove the user by. `NPOpenEnum` has
    /// no place for either, so a provider that is a library cannot.
    fn enumerate_as(
        &self,
        query: &EnumQuery<'_>,
        user: Option<&WideStr>,
        password: Option<&WideStr>,
    ) -> Result<Entries, Status> {
        _ = (query, user, password);
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetResourceInformation`: the part of a name that is reached through the router, and the rest.
    fn resource_information(
        &self,
        query: &ResourceQuery<'_>,
    ) -> Result<(NetResource, Option<WideString>), Status> {
        _ = query;
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetResourceParent`. A resource without a parent has a parent without a name.
    fn resource_parent(&self, query: &ResourceQuery<'_>) -> Result<NetResource, Status> {
        _ = query;
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPFormatNetworkName`. `flags` are `WNFMT_*`.
    fn format_network_name(
        &self,
        remote: &WideStr,
        flags: u32,
        chars_per_line: u32,
    ) -> Result<WideString, Status> {
        _ = (remote, flags, chars_per_line);
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetDirectoryType`: `WNDT_*`.
    fn directory_type(&self, directory: &WideStr, flush: bool) -> Result<i32, Status> {
        _ = (directory, flush);
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPDirectoryNotify`. `operation` is `WNDN_*`.
    fn directory_notify(&self, owner: HWND, directory: &WideStr, operation: u32) -> Result<(), Status> {
        _ = (owner, directory, operation);
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPGetPropertyText`: caption of a property button; empty ends the list.
    fn property_text(
        &self,
        button: u32,
        selection: u32,
        name: &WideStr,
        kind: u32,
    ) -> Result<WideString, Status> {
        _ = (button, selection, name, kind);
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPPropertyDialog`.
    fn property_dialog(
        &self,
        owner: HWND,
        button: u32,
        selection: u32,
        files: &WideStr,
        kind: u32,
    ) -> Result<(), Status> {
        _ = (owner, button, selection, files, kind);
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPFMXGetPermCaps`: `WNPERMC_*`.
    fn permission_capabilities(&self, drive: &WideStr) -> u32 {
        _ = drive;
        0
    }

    /// `NPFMXEditPerm`. `dialog` is `WNPERM_DLG_*`.
    fn edit_permissions(&self, drive: &WideStr, owner: HWND, dialog: u32) -> Result<(), Status> {
        _ = (drive, owner, dialog);
        Err(Status::NOT_SUPPORTED)
    }

    /// `NPFMXGetPermHelp`: a help file and a context in it.
    fn permission_help(
        &self,
        drive: &WideStr,
        dialog: u32,
        directory: bool,
    ) -> Result<(WideString, u32), Status> {
        _ = (drive, dialog, directory);
        Err(Status::NOT_SUPPORTED)
    }
}
