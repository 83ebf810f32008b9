//! A network provider that keeps connections, for tests with many operations at once.

use crate::script::lock;
use mpr_abi::{
    WNNC_CON_ADDCONNECTION3, WNNC_CON_CANCELCONNECTION2, WNNC_CON_GETCONNECTIONS, WNNC_ENUM_LOCAL,
};
use mpr_plugin::{
    AddConnection, CancelConnection, Capabilities, Entries, EnumQuery, NetResource, NetworkProvider, Status,
    WideStr, WideString, wide,
};
use std::sync::{Arc, Mutex};

/// Connections with and without a device, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Connections(Vec<(Option<String>, String)>);

impl Connections {
    pub(crate) fn make(&mut self, local: Option<&str>, remote: &str) {
        self.0.push((local.map(str::to_owned), remote.to_owned()));
    }

    pub(crate) fn remote(&self, device: &str) -> Option<String> {
        let named = |local: &Option<String>| local.as_ref().is_some_and(|l| l.eq_ignore_ascii_case(device));
        self.0.iter().find(|(local, _)| named(local)).map(|(_, remote)| remote.clone())
    }

    /// Cancels the redirection of a device, or every deviceless connection to a remote name.
    pub(crate) fn cancel(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(local, remote)| !local.as_ref().unwrap_or(remote).eq_ignore_ascii_case(name));
        self.0.len() < before
    }
}

/// A network on which every name that begins with its prefix can be connected to.
///
/// It behaves as `spec/provider.md` §4 asks: names of others are answered with `WN_BAD_NETNAME`, a device that
/// is taken with `WN_ALREADY_CONNECTED`, what is not connected with `WN_NOT_CONNECTED`.
#[derive(Debug, Clone)]
pub struct ModelNetwork {
    prefix: String,
    connections: Arc<Mutex<Connections>>,
}

impl ModelNetwork {
    /// The network of the names that begin like this, say `\\server\`.
    #[must_use]
    pub fn of(prefix: &str) -> Self {
        ModelNetwork { prefix: prefix.to_owned(), connections: Arc::default() }
    }

    /// Makes a connection behind the router's back.
    pub fn put(&self, local: Option<&str>, remote: &str) {
        lock(&self.connections).make(local, remote);
    }

    /// The connections there are, sorted, as `Z: \\server\share`; deviceless ones without device.
    #[must_use]
    pub fn connections(&self) -> Vec<String> {
        let mut listed: Vec<String> = lock(&self.connections)
            .0
            .iter()
            .map(|(local, remote)| {
                format!("{}{remote}", local.as_ref().map(|l| format!("{l} ")).unwrap_or_default())
            })
            .collect();
        listed.sort();
        listed
    }
}

impl NetworkProvider for ModelNetwork {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            net_type: 0x6F_0000,
            connection: WNNC_CON_ADDCONNECTION3 | WNNC_CON_CANCELCONNECTION2 | WNNC_CON_GETCONNECTIONS,
            enumeration: WNNC_ENUM_LOCAL,
            ..Capabilities::default()
        }
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        let remote = add.remote.to_string_lossy();
        if !remote.starts_with(&self.prefix) {
            return Err(Status::BAD_NETNAME);
        }
        let local = add.local.map(WideStr::to_string_lossy);
        let mut connections = lock(&self.connections);
        if local.as_ref().is_some_and(|local| connections.remote(local).is_some()) {
            return Err(Status::ALREADY_CONNECTED);
        }
        connections.make(local.as_deref(), &remote);
        Ok(())
    }

    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        match lock(&self.connections).cancel(&cancel.name.to_string_lossy()) {
            true => Ok(()),
            false => Err(Status::NOT_CONNECTED),
        }
    }

    fn connection(&self, local: &WideStr) -> Result<WideString, Status> {
        let remote = lock(&self.connections).remote(&local.to_string_lossy());
        remote.map(|remote| wide(&remote)).ok_or(Status::NOT_CONNECTED)
    }

    fn enumerate(&self, _: &EnumQuery<'_>) -> Result<Entries, Status> {
        let entries: Vec<_> = lock(&self.connections)
            .0
            .iter()
            .map(|(local, remote)| Ok(NetResource::connection(local.as_deref().map(wide), wide(remote))))
            .collect();
        Ok(Box::new(entries.into_iter()))
    }
}
