//! Enumerating connections and networks: `WNetOpenEnum`, `WNetEnumResource`, `WNetCloseEnum`
//! (`spec/wnet.md` §9).

use crate::Router;
use crate::connect::canonical;
use crate::providers::{Provider, same_name};
use mpr_core::routing::{Purpose, Routing};
use mpr_plugin::abi::{
    RESOURCE_CONNECTED, RESOURCE_CONTEXT, RESOURCE_GLOBALNET, RESOURCE_RECENT, RESOURCE_REMEMBERED,
    RESOURCEDISPLAYTYPE_NETWORK, RESOURCEDISPLAYTYPE_ROOT, RESOURCEDISPLAYTYPE_SHARE, RESOURCETYPE_ANY,
    RESOURCETYPE_DISK, RESOURCETYPE_PRINT, RESOURCEUSAGE_CONNECTABLE, RESOURCEUSAGE_CONTAINER,
    WNNC_ENUM_CONTEXT, WNNC_ENUM_GLOBAL, WNNC_ENUM_LOCAL,
};
use mpr_plugin::{
    Capabilities, Entries, EnumQuery, NetResource, NetworkProvider, Status, WideStr, WideString, wide,
};
use std::collections::VecDeque;
use std::fmt;

/// An enumeration that was opened.
pub struct Enumeration {
    /// Entries to be delivered before those of `sources`.
    ready: VecDeque<NetResource>,
    sources: VecDeque<Source>,
    /// Whether an error of one source ends the enumeration, or only that source (DECISION W26).
    strict: bool,
    /// What closing the sources that were read to their end came to.
    closed: Result<(), Status>,
}

/// The entries of one provider.
struct Source {
    provider: WideString,
    entries: Entries,
}

impl fmt::Debug for Enumeration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enumeration")
            .field("ready", &self.ready)
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}

impl Enumeration {
    fn of(ready: impl IntoIterator<Item = NetResource>) -> Self {
        Enumeration {
            ready: ready.into_iter().collect(),
            sources: VecDeque::new(),
            strict: false,
            closed: Ok(()),
        }
    }

    /// The next entry; `None` after the last.
    ///
    /// # Errors
    ///
    /// What the provider answered whose network is being enumerated.
    pub fn next_entry(&mut self) -> Result<Option<NetResource>, Status> {
        if let Some(entry) = self.ready.pop_front() {
            return Ok(Some(entry));
        }
        while let Some(source) = self.sources.front_mut() {
            match source.entries.next_entry() {
                Some(Ok(mut entry)) => {
                    if entry.provider.as_ref().is_none_or(|name| name.is_empty()) {
                        entry.provider = Some(source.provider.clone());
                    }
                    return Ok(Some(entry));
                }
                Some(Err(status)) if self.strict => return Err(status),
                ended => {
                    let source = self.sources.pop_front().expect("it is the one that was asked");
                    let closed = source.entries.close();
                    // The others go on after an error; closing tells nothing more about it.
                    if ended.is_none() {
                        self.closed = self.closed.and(closed);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Puts an entry back that could not be delivered; it comes next.
    pub fn put_back(&mut self, entry: NetResource) {
        self.ready.push_front(entry);
    }

    /// Closes the enumeration at every provider.
    ///
    /// # Errors
    ///
    /// The first failure; all the others are closed nevertheless (DECISION W27).
    pub fn close(self) -> Result<(), Status> {
        let mut result = self.closed;
        for source in self.sources {
            result = result.and(source.entries.close());
        }
        result
    }
}

impl Router {
    /// Opens an enumeration, as `WNetOpenEnum` does.
    ///
    /// # Errors
    ///
    /// `WN_BAD_VALUE`, `WN_NOT_CONTAINER`, `WN_NO_NETWORK`, `WN_BAD_PROVIDER`, or what the providers answer.
    pub fn open_enum(
        &self,
        scope: u32,
        kind: u32,
        usage: u32,
        container: Option<&NetResource>,
    ) -> Result<Enumeration, Status> {
        if !matches!(scope, RESOURCE_CONNECTED..=RESOURCE_CONTEXT)
            || kind & !(RESOURCETYPE_DISK | RESOURCETYPE_PRINT) != 0
            || scope == RESOURCE_GLOBALNET && usage & !0x1F != 0
            || scope != RESOURCE_GLOBALNET && container.is_some()
        {
            return Err(Status::BAD_VALUE);
        }
        // Zero is accepted: many callers fill in nothing but the name (DECISION W24).
        if container
            .is_some_and(|container| container.usage != 0 && container.usage & RESOURCEUSAGE_CONTAINER == 0)
        {
            return Err(Status::NOT_CONTAINER);
        }
        match scope {
            RESOURCE_REMEMBERED => return self.remembered(kind),
            RESOURCE_RECENT => return self.recent(kind),
            _ if self.providers().is_empty() => return Err(Status::NO_NETWORK),
            _ => {}
        }
        let query = EnumQuery { scope, kind, usage: 0, container: None };
        match scope {
            RESOURCE_CONNECTED => self.everywhere(&query, WNNC_ENUM_LOCAL, None),
            RESOURCE_CONTEXT => self.everywhere(&query, WNNC_ENUM_CONTEXT, Some(whole_network())),
            _ => self
                .global(&EnumQuery { usage, ..query }, container, |network, query| network.enumerate(query)),
        }
    }

    /// Opens an enumeration of what is connectable in a container, a server for example, as a user: with this password,
    /// or with what there is to prove the user by. Providers that can list for nobody but whoever they take this process
    /// for are passed over.
    ///
    /// # Errors
    ///
    /// As [`open_enum`](Self::open_enum).
    pub fn open_enum_as(
        &self,
        container: &NetResource,
        user: Option<&WideStr>,
        password: Option<&WideStr>,
    ) -> Result<Enumeration, Status> {
        if self.providers().is_empty() {
            return Err(Status::NO_NETWORK);
        }
        let query = EnumQuery { scope: RESOURCE_GLOBALNET, kind: 0, usage: 0, container: None };
        self.global(&query, Some(container), |network, query| network.enumerate_as(query, user, password))
    }

    /// The entries of all providers with this capability, one provider after the other.
    fn everywhere(
        &self,
        query: &EnumQuery<'_>,
        capability: u32,
        first: Option<NetResource>,
    ) -> Result<Enumeration, Status> {
        let mut enumeration = Enumeration::of(first);
        let mut routing = Routing::new(Purpose::Connection);
        let mut failed = false;
        for provider in self.providers().iter() {
            if provider.capabilities.enumeration & capability == 0 {
                continue;
            }
            match provider.network().enumerate(query) {
                Ok(entries) => {
                    enumeration.sources.push_back(Source { provider: provider.name.clone(), entries })
                }
                Err(status) => {
                    failed = true;
                    routing.record(status);
                }
            }
        }
        if failed && enumeration.sources.is_empty() { Err(routing.conclude()) } else { Ok(enumeration) }
    }

    fn global(
        &self,
        query: &EnumQuery<'_>,
        container: Option<&NetResource>,
        ask: impl Fn(&dyn NetworkProvider, &EnumQuery<'_>) -> Result<Entries, Status>,
    ) -> Result<Enumeration, Status> {
        let can = |capabilities: &Capabilities| capabilities.enumeration & WNNC_ENUM_GLOBAL != 0;
        let Some(container) = container else {
            let networks =
                self.providers().iter().filter(|provider| can(&provider.capabilities)).map(network);
            return Ok(Enumeration::of(networks));
        };
        let selection = self.providers().select(container.provider.as_deref())?;
        let remote = container.remote.as_deref().filter(|remote| !remote.is_empty());
        let remote = match remote {
            Some(remote) => Some(canonical(remote)?.0.into_owned()),
            None => None,
        };
        let container = NetResource { remote, ..container.clone() };
        let (provider, entries) = selection.route(Purpose::Resource, can, |provider| {
            let top = container.remote.as_deref().is_none_or(|remote| same_name(remote, &provider.name));
            let container = (!top).then_some(&container);
            let entries = ask(provider.network(), &EnumQuery { container, ..*query })?;
            Ok((provider, entries))
        })?;
        let source = Source { provider: provider.name.clone(), entries };
        Ok(Enumeration { sources: VecDeque::from([source]), strict: true, ..Enumeration::of(None) })
    }

    /// What is remembered, connected or not; no provider is asked.
    fn remembered(&self, kind: u32) -> Result<Enumeration, Status> {
        let entries = self.store()?.entries().map_err(Status::from)?;
        Ok(Enumeration::of(
            entries.into_iter().filter(|entry| matches_kind(entry.connection_type, kind)).map(|entry| {
                NetResource {
                    scope: RESOURCE_REMEMBERED,
                    kind: entry.connection_type,
                    display: RESOURCEDISPLAYTYPE_SHARE,
                    usage: RESOURCEUSAGE_CONNECTABLE,
                    local: Some(wide(&entry.device.to_string())),
                    remote: Some(wide(&entry.remote)),
                    comment: None,
                    provider: Some(wide(&entry.provider)).filter(|name| !name.is_empty()),
                }
            }),
        ))
    }

    /// The recent list, most recent first (DECISION W25). It holds disks.
    fn recent(&self, kind: u32) -> Result<Enumeration, Status> {
        let recent = self.store()?.recent().map_err(Status::from)?;
        let recent = recent.into_iter().filter(|_| matches_kind(RESOURCETYPE_DISK, kind));
        Ok(Enumeration::of(recent.map(|remote| NetResource {
            scope: RESOURCE_RECENT,
            kind: RESOURCETYPE_DISK,
            display: RESOURCEDISPLAYTYPE_SHARE,
            usage: RESOURCEUSAGE_CONNECTABLE,
            remote: Some(wide(&remote)),
            ..NetResource::default()
        })))
    }
}

fn matches_kind(kind: u32, mask: u32) -> bool {
    mask == RESOURCETYPE_ANY || kind & mask != 0
}

/// A provider, as the top of the tree shows it (DECISION W25).
fn network(provider: &Provider) -> NetResource {
    NetResource {
        scope: RESOURCE_GLOBALNET,
        kind: RESOURCETYPE_ANY,
        display: RESOURCEDISPLAYTYPE_NETWORK,
        usage: RESOURCEUSAGE_CONTAINER,
        remote: Some(provider.name.clone()),
        provider: Some(provider.name.clone()),
        ..NetResource::default()
    }
}

/// The entry that stands for everything beyond the network at hand.
fn whole_network() -> NetResource {
    NetResource {
        scope: RESOURCE_GLOBALNET,
        kind: RESOURCETYPE_ANY,
        display: RESOURCEDISPLAYTYPE_ROOT,
        usage: RESOURCEUSAGE_CONTAINER,
        comment: Some(wide("Entire Network")),
        ..NetResource::default()
    }
}
