//! A whole network provider: a network whose one server, `\\memory`, has any share one asks for and keeps
//! nothing in it. It shows what the router asks of a provider, and what a provider leaves to the router.
//!
//! ```text
//! cargo build --release --package example-provider
//! mpr provider add memory "$PWD/target/release/libexample_provider.so" --name "Memory Network"
//! ```

use mpr_plugin::abi::{
    RESOURCE_CONNECTED, WNNC_CON_ADDCONNECTION, WNNC_CON_ADDCONNECTION3, WNNC_CON_CANCELCONNECTION,
    WNNC_CON_GETCONNECTIONS, WNNC_ENUM_LOCAL,
};
use mpr_plugin::{
    AddConnection, CancelConnection, Capabilities, Entries, EnumQuery, NetResource, NetworkProvider, Status,
    WideStr, WideString, wide,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The name it is registered under. Our router adds it to entries that lack it, others rely on it.
const NAME: &str = "Memory Network";
/// Everything on this network begins so.
const SERVER: &str = r"\\memory\";

/// The connections of this process.
#[derive(Default)]
struct Memory {
    connections: Mutex<Vec<NetResource>>,
}

impl Memory {
    fn connections(&self) -> MutexGuard<'_, Vec<NetResource>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Device names compare without regard to case.
fn same(one: &WideStr, other: &WideStr) -> bool {
    one.to_string_lossy().eq_ignore_ascii_case(&other.to_string_lossy())
}

impl NetworkProvider for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            net_type: 0xFF02_0000,
            version: 1,
            connection: WNNC_CON_ADDCONNECTION
                | WNNC_CON_ADDCONNECTION3
                | WNNC_CON_CANCELCONNECTION
                | WNNC_CON_GETCONNECTIONS,
            enumeration: WNNC_ENUM_LOCAL,
            ..Capabilities::default()
        }
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        // First of all, and at once: is it ours? The router may be asking many providers.
        if !add.remote.to_string_lossy().to_lowercase().starts_with(SERVER) {
            return Err(Status::BAD_NETNAME);
        }
        let mut connections = self.connections();
        let taken = |entry: &NetResource| match (&entry.local, add.local) {
            (Some(local), Some(wanted)) => same(local, wanted),
            _ => false,
        };
        if connections.iter().any(taken) {
            return Err(Status::ALREADY_CONNECTED);
        }
        let local = add.local.map(WideStr::to_ucstring);
        connections.push(NetResource {
            provider: Some(wide(NAME)),
            ..NetResource::connection(local, add.remote.to_ucstring())
        });
        Ok(())
    }

    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        let mut connections = self.connections();
        let before = connections.len();
        // A remote name stands for the connections without a device only.
        connections.retain(|entry| {
            let name = entry.local.as_ref().or(entry.remote.as_ref());
            !name.is_some_and(|name| same(name, cancel.name))
        });
        if connections.len() < before { Ok(()) } else { Err(Status::NOT_CONNECTED) }
    }

    fn connection(&self, local: &WideStr) -> Result<WideString, Status> {
        let connections = self.connections();
        let found =
            connections.iter().find(|entry| entry.local.as_ref().is_some_and(|name| same(name, local)));
        found.and_then(|entry| entry.remote.clone()).ok_or(Status::NOT_CONNECTED)
    }

    fn enumerate(&self, query: &EnumQuery<'_>) -> Result<Entries, Status> {
        if query.scope != RESOURCE_CONNECTED {
            return Err(Status::NOT_SUPPORTED);
        }
        let connections = self.connections().clone();
        Ok(Box::new(connections.into_iter().map(Ok)))
    }
}

mpr_plugin::export_network_provider!(Memory);
