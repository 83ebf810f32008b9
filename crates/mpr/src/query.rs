//! Questions about connections: `WNetGetConnection`, `WNetGetUser`, `WNetGetUniversalName`,
//! `MultinetGetConnectionPerformance` (`spec/wnet.md` §6–§8, §12). None of them is announced.

use crate::Router;
use crate::connect::canonical;
use crate::providers::Provider;
use mpr_core::device::LocalDevice;
use mpr_core::routing::Purpose;
use mpr_plugin::abi::{Significance, WNNC_CON_GETCONNECTIONS, WNNC_CON_GETPERFORMANCE, WNNC_USR_GETUSER};
use mpr_plugin::{Performance, Status, UniversalName, WideStr, WideString, wide};

/// What a device leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// It is connected to this resource.
    Connected(WideString),
    /// It is remembered for this resource, or registered for it, but not connected.
    Unavailable(WideString),
}

impl Connection {
    /// The resource.
    #[must_use]
    pub fn remote(&self) -> &WideStr {
        match self {
            Connection::Connected(remote) | Connection::Unavailable(remote) => remote,
        }
    }
}

impl Router {
    /// What a device leads to, as `WNetGetConnection` tells.
    ///
    /// # Errors
    ///
    /// `WN_BAD_LOCALNAME` for what is no device; `WN_NOT_CONNECTED`, `WN_NO_NET_OR_BAD_PATH` or whatever the
    /// providers answer for one that leads nowhere.
    pub fn connection(&self, local: &WideStr) -> Result<Connection, Status> {
        let device = LocalDevice::parse(local.as_slice()).ok_or(Status::BAD_LOCALNAME)?;
        self.device_connection(&device)
    }

    fn device_connection(&self, device: &LocalDevice) -> Result<Connection, Status> {
        let name = wide(&device.to_string());
        let connected = self.providers().route(
            Purpose::Connection,
            |capabilities| capabilities.connection & WNNC_CON_GETCONNECTIONS != 0,
            |provider| provider.network().connection(&name),
        );
        let status = match connected {
            Ok(remote) => return Ok(Connection::Connected(remote)),
            Err(status) => status,
        };
        // Providers say "not mine" in several ways (DECISION W8); an error of the owner is another matter.
        if status.significance() != Significance::NotMine {
            return Err(status);
        }
        let deferred =
            self.providers().iter().find_map(|provider| provider.network().deferred_connection(&name).ok());
        if let Some(remote) = deferred {
            return Ok(Connection::Unavailable(remote));
        }
        match self.store().and_then(|store| store.entry(device).map_err(Status::from)) {
            Ok(Some(entry)) => Ok(Connection::Unavailable(wide(&entry.remote))),
            _ => Err(status),
        }
    }

    /// The user of a connection, or of this process when no name is given, as `WNetGetUser` tells.
    ///
    /// # Errors
    ///
    /// `WN_NOT_CONNECTED`, `WN_NO_NET_OR_BAD_PATH` or whatever the providers answer.
    pub fn user(&self, name: Option<&WideStr>) -> Result<WideString, Status> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return process_user().ok_or(Status::NOT_LOGGED_ON);
        };
        let name = canonical_name(name)?;
        self.providers().route(
            Purpose::Connection,
            |capabilities| capabilities.user & WNNC_USR_GETUSER != 0,
            |provider| provider.network().user(&name),
        )
    }

    /// The universal forms of a path on a redirected drive, as `WNetGetUniversalName` tells.
    ///
    /// Beyond Windows, a path below a directory that is connected has universal forms, too.
    ///
    /// # Errors
    ///
    /// `WN_BAD_LOCALNAME` for a path on no device; `WN_CONNECTION_CLOSED` for a device that is only
    /// remembered; else as [`connection`](Self::connection).
    pub fn universal_name(&self, local_path: &WideStr) -> Result<UniversalName, Status> {
        let (provider, place) = self.owner_of_path(local_path)?;
        match provider.network().universal_name(local_path) {
            Err(Status::NOT_SUPPORTED) => Ok(default_universal_name(&place)),
            answer => answer,
        }
    }

    /// The provider whose device a path is on, and where on it.
    pub(crate) fn owner_of_path(&self, path: &WideStr) -> Result<(&Provider, Place), Status> {
        let (device, remaining) = self.split_path(path)?;
        let name = wide(&device.to_string());
        let owner = self.providers().route(
            Purpose::Connection,
            |capabilities| capabilities.connection & WNNC_CON_GETCONNECTIONS != 0,
            |provider| provider.network().connection(&name).map(|remote| (provider, remote)),
        );
        match owner {
            Ok((provider, remote)) => Ok((provider, Place { remote, remaining })),
            Err(status) => Err(match self.device_connection(&device) {
                Ok(Connection::Unavailable(_)) => Status::CONNECTION_CLOSED,
                _ => status,
            }),
        }
    }

    /// Takes a path apart into a device and the rest, which begins with a backslash or is empty.
    fn split_path(&self, path: &WideStr) -> Result<(LocalDevice, Vec<u16>), Status> {
        const BACKSLASH: u16 = b'\\' as u16;
        const SLASH: u16 = b'/' as u16;
        let units = path.as_slice();
        let as_rest =
            |rest: &[u16]| rest.iter().map(|&unit| if unit == SLASH { BACKSLASH } else { unit }).collect();
        if let [SLASH, ..] = units {
            // The innermost directory above the path that is connected.
            let whole = LocalDevice::parse(units).ok_or(Status::BAD_LOCALNAME)?.to_string();
            let mut end = whole.len();
            while end > 0 {
                let device = LocalDevice::Directory(whole[..end].to_owned());
                if self.is_redirected(&wide(&device.to_string())) {
                    let rest: Vec<u16> = whole[end..].encode_utf16().collect();
                    return Ok((device, as_rest(&rest)));
                }
                end = whole[..end].rfind('/').unwrap_or(0);
            }
            return Err(Status::NOT_CONNECTED);
        }
        match units {
            [_, _] | [_, _, BACKSLASH | SLASH, ..] => {
                let device = LocalDevice::parse(&units[..2]).ok_or(Status::BAD_LOCALNAME)?;
                Ok((device, as_rest(&units[2..])))
            }
            _ => Err(Status::BAD_LOCALNAME),
        }
    }

    /// What is known of a connection's speed, as `MultinetGetConnectionPerformance` tells. The device takes
    /// precedence over the remote name.
    ///
    /// # Errors
    ///
    /// `WN_BAD_NETNAME` when neither name is given; `WN_NOT_CONNECTED`, `WN_NOT_SUPPORTED`, or whatever the
    /// providers answer.
    pub fn performance(
        &self,
        local: Option<&WideStr>,
        remote: Option<&WideStr>,
        provider: Option<&WideStr>,
    ) -> Result<Performance, Status> {
        let name = match (local.filter(|name| !name.is_empty()), remote.filter(|name| !name.is_empty())) {
            (Some(local), _) => {
                let device = LocalDevice::parse(local.as_slice()).ok_or(Status::BAD_LOCALNAME)?;
                wide(&device.to_string())
            }
            (None, Some(remote)) => canonical(remote)?.0.into_owned(),
            (None, None) => return Err(Status::BAD_NETNAME),
        };
        self.providers().select(provider)?.route(
            Purpose::Connection,
            |capabilities| capabilities.connection & WNNC_CON_GETPERFORMANCE != 0,
            |provider| provider.network().performance(&name),
        )
    }
}

/// Where on a connected device a path leads.
pub(crate) struct Place {
    /// The resource the device is connected to.
    remote: WideString,
    /// The rest of the path: begins with a backslash, or is empty.
    remaining: Vec<u16>,
}

/// The name of a connection: a device as providers know it, or a remote name in canonical spelling.
fn canonical_name(name: &WideStr) -> Result<WideString, Status> {
    match LocalDevice::parse(name.as_slice()) {
        Some(device) => Ok(wide(&device.to_string())),
        None => Ok(canonical(name)?.0.into_owned()),
    }
}

/// The router's own answer when the owner of a drive has none (DECISION W23).
fn default_universal_name(place: &Place) -> UniversalName {
    const BACKSLASH: u16 = b'\\' as u16;
    let remaining = &*place.remaining;
    let mut connection = place.remote.as_slice();
    while let [head @ .., BACKSLASH] = connection {
        connection = head;
    }
    let string = |units: &[u16]| WideString::from_vec_truncate(units);
    let is_unc = connection.starts_with(&[BACKSLASH, BACKSLASH]);
    UniversalName {
        universal: is_unc.then(|| string(&[connection, remaining].concat())),
        connection: string(connection),
        remaining: string(remaining),
    }
}

/// The user this process runs as, from the system's user database.
#[cfg(unix)]
fn process_user() -> Option<WideString> {
    use mpr_helper::dirs;
    // A user without an entry still has a number, and some name is asked for.
    Some(wide(&dirs::user_name().unwrap_or_else(|| dirs::effective_uid().to_string())))
}

#[cfg(not(unix))]
fn process_user() -> Option<WideString> {
    std::env::var("USERNAME").ok().map(|name| wide(&name))
}
