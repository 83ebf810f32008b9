//! A network provider that plays its part of a script.

use crate::fields::{Fields, bytes, number, text};
use crate::model::Connections;
use crate::script::{Party, Stage, lock};
use mpr_abi::{
    WNNC_CON_ADDCONNECTION, WNNC_CON_ADDCONNECTION3, WNNC_CON_ADDCONNECTION4, WNNC_CON_CANCELCONNECTION,
    WNNC_CON_CANCELCONNECTION2, WNNC_CON_GETCONNECTIONS,
};
use mpr_plugin::{
    AddConnection, CancelConnection, Capabilities, Entries, EnumQuery, NetResource, NetworkProvider,
    Performance, ResourceQuery, Start, Status, UniversalName, WideStr, WideString, wide,
};
use std::fmt;
use std::sync::{Arc, Mutex};

type Hook = Box<dyn Fn(&Fields) + Send + Sync>;

/// Answers every add and cancel as its script says and writes down what it was called with. Asked for more
/// than the script has, it writes `unscripted` and fails with `WN_NET_ERROR`, or answers as told with
/// [`otherwise`](Self::otherwise).
///
/// A connection it made is there, for `NPGetConnection`, until it cancels it. Every other question goes to
/// the provider given with [`network`](Self::network), and is listed in [`asked`](Self::asked).
#[derive(Clone)]
pub struct ScriptedProvider(Arc<Inner>);

struct Inner {
    number: usize,
    stage: Stage,
    capabilities: Capabilities,
    otherwise: Option<Status>,
    network: Box<dyn NetworkProvider>,
    hook: Option<Hook>,
    connections: Mutex<Connections>,
    asked: Mutex<Vec<String>>,
}

impl fmt::Debug for ScriptedProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.0.number)
    }
}

/// A network on which there is nothing.
struct Nothing;

impl NetworkProvider for Nothing {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

impl ScriptedProvider {
    pub(crate) fn new(number: usize, stage: Stage) -> Self {
        let kind = u32::try_from(number).expect("a handful of providers");
        ScriptedProvider(Arc::new(Inner {
            number,
            stage,
            capabilities: Capabilities {
                net_type: (0x70 + kind) << 16,
                version: kind,
                connection: WNNC_CON_ADDCONNECTION
                    | WNNC_CON_ADDCONNECTION3
                    | WNNC_CON_ADDCONNECTION4
                    | WNNC_CON_CANCELCONNECTION
                    | WNNC_CON_CANCELCONNECTION2
                    | WNNC_CON_GETCONNECTIONS,
                ..Capabilities::default()
            },
            otherwise: None,
            network: Box::new(Nothing),
            hook: None,
            connections: Mutex::default(),
            asked: Mutex::default(),
        }))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::get_mut(&mut self.0).expect("a provider is told its part before it is handed on"));
        self
    }

    /// Claims other capabilities: add, cancel and `NPGetConnection` in all their forms unless told.
    #[must_use]
    pub fn claiming(self, change: impl FnOnce(&mut Capabilities)) -> Self {
        self.change(|inner| change(&mut inner.capabilities))
    }

    /// Answers an add or cancel like this when the script has nothing.
    #[must_use]
    pub fn otherwise(self, status: Status) -> Self {
        self.change(|inner| inner.otherwise = Some(status))
    }

    /// Has a connection from the start; `None` is a deviceless one.
    #[must_use]
    pub fn connected(self, local: Option<&str>, remote: &str) -> Self {
        lock(&self.0.connections).make(local, remote);
        self
    }

    /// Passes every question the script does not speak of to `network`, whose capabilities are claimed on top.
    #[must_use]
    pub fn network(self, network: impl NetworkProvider + 'static) -> Self {
        self.change(|inner| {
            let theirs = network.capabilities();
            let ours = &mut inner.capabilities;
            ours.user |= theirs.user;
            ours.connection |= theirs.connection;
            ours.dialog |= theirs.dialog;
            ours.admin |= theirs.admin;
            ours.enumeration |= theirs.enumeration;
            inner.network = Box::new(network);
        })
    }

    /// Does this within each add or cancel, after it was written down and before it is answered.
    #[must_use]
    pub fn doing(self, hook: impl Fn(&Fields) + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.hook = Some(Box::new(hook)))
    }

    /// Every question that is neither an add nor a cancel, as `connection("Z:")`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        lock(&self.0.asked).clone()
    }

    /// What a device is connected to.
    #[must_use]
    pub fn remote_of(&self, local: &str) -> Option<String> {
        lock(&self.0.connections).remote(local)
    }

    /// Loses the connection of a device, without anybody having cancelled it.
    pub fn disconnected(&self, local: &str) {
        lock(&self.0.connections).cancel(local);
    }

    fn play(&self, fields: Fields) -> Status {
        let inner = &*self.0;
        let answer = inner.stage.answer(Party::Provider(inner.number));
        let status = answer.as_ref().map(|answer| answer.status).or(inner.otherwise);
        let otherwise = status.map_or("unscripted".to_owned(), |status| status.0.to_string());
        inner.stage.record(&format!("P{}", inner.number), fields.clone(), answer.as_ref(), &otherwise);
        if let Some(hook) = &inner.hook {
            hook(&fields);
        }
        status.unwrap_or(Status::NET_ERROR)
    }

    /// Notes a question and passes it on.
    fn ask<T>(&self, question: String, pass_on: impl FnOnce(&dyn NetworkProvider) -> T) -> T {
        lock(&self.0.asked).push(question);
        pass_on(&*self.0.network)
    }
}

impl NetworkProvider for ScriptedProvider {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    fn start(&self) -> Start {
        self.0.network.start()
    }

    fn add_connection(&self, add: &AddConnection<'_>) -> Result<(), Status> {
        self.play(add.into()).ok()?;
        let local = add.local.map(WideStr::to_string_lossy);
        lock(&self.0.connections).make(local.as_deref(), &add.remote.to_string_lossy());
        Ok(())
    }

    fn cancel_connection(&self, cancel: &CancelConnection<'_>) -> Result<(), Status> {
        self.play(cancel.into()).ok()?;
        lock(&self.0.connections).cancel(&cancel.name.to_string_lossy());
        Ok(())
    }

    fn connection(&self, local: &WideStr) -> Result<WideString, Status> {
        let answer =
            self.ask(format!("connection({})", text(Some(local))), |network| network.connection(local));
        if let Some(remote) = self.remote_of(&local.to_string_lossy()) {
            return Ok(wide(&remote));
        }
        match answer {
            Err(Status::NOT_SUPPORTED) => Err(Status::NOT_CONNECTED),
            answer => answer,
        }
    }

    fn deferred_connection(&self, local: &WideStr) -> Result<WideString, Status> {
        self.ask(format!("deferred_connection({})", text(Some(local))), |network| {
            network.deferred_connection(local)
        })
    }

    fn performance(&self, name: &WideStr) -> Result<Performance, Status> {
        self.ask(format!("performance({})", text(Some(name))), |network| network.performance(name))
    }

    fn universal_name(&self, path: &WideStr) -> Result<UniversalName, Status> {
        self.ask(format!("universal_name({})", text(Some(path))), |network| network.universal_name(path))
    }

    fn user(&self, name: &WideStr) -> Result<WideString, Status> {
        self.ask(format!("user({})", text(Some(name))), |network| network.user(name))
    }

    fn persistent_use_options(&self, remote: &WideStr, options: &[u8]) -> Result<Vec<u8>, Status> {
        let question = format!("persistent_use_options({}, {})", text(Some(remote)), bytes(options));
        self.ask(question, |network| network.persistent_use_options(remote, options))
    }

    fn enumerate(&self, query: &EnumQuery<'_>) -> Result<Entries, Status> {
        let container = query.container.map(|container| text(container.remote.as_deref()));
        let question = format!(
            "enumerate({}, {}, {}, {})",
            query.scope,
            query.kind,
            number(query.usage),
            container.unwrap_or("top".to_owned())
        );
        self.ask(question, |network| network.enumerate(query))
    }

    fn resource_information(
        &self,
        query: &ResourceQuery<'_>,
    ) -> Result<(NetResource, Option<WideString>), Status> {
        let question = format!("resource_information({}, {})", text(Some(query.remote)), query.kind);
        self.ask(question, |network| network.resource_information(query))
    }

    fn resource_parent(&self, query: &ResourceQuery<'_>) -> Result<NetResource, Status> {
        let question = format!("resource_parent({}, {})", text(Some(query.remote)), query.kind);
        self.ask(question, |network| network.resource_parent(query))
    }

    fn format_network_name(&self, remote: &WideStr, flags: u32, width: u32) -> Result<WideString, Status> {
        let question = format!("format_network_name({}, {flags}, {width})", text(Some(remote)));
        self.ask(question, |network| network.format_network_name(remote, flags, width))
    }
}
