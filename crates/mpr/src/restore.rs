//! Bringing remembered connections back, and changing what is remembered: `WNetRestoreConnection`,
//! `WNetRestoreSingleConnection`, `WNetSetConnection`, `WNetClearConnections`, `WNetDisconnectDialog1`
//! (`spec/persistence.md` §4, `spec/wnet.md` §14–§16).

use crate::connect::{AddRequest, Credentials};
use crate::disconnect::CancelRequest;
use crate::policy::Asked;
use crate::providers::Provider;
use crate::store::{Entry, Store};
use crate::trace::{self, Kind, Request, Traced, Tracer, Untraced, bounded};
use crate::{Connection, Problem, Router, report};
use mpr_core::device::LocalDevice;
use mpr_plugin::abi::{
    CONNECT_DEFERRED, CONNECT_UPDATE_PROFILE, DISC_NO_FORCE, DISC_UPDATE_PROFILE, NETPROPERTY_PERSISTENT,
    RESOURCE_CONNECTED, RESOURCETYPE_ANY, WNNC_CON_ADDCONNECTION4, WNNC_CON_DEFER, WNNC_CON_GETCONNECTIONS,
};
use mpr_plugin::{AuthBuffer, Start, Status, WideStr, WideString, wide};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Time given to a provider that does not know when it will have started (`spec/provider.md` §6.1).
const UNKNOWN_START: Duration = Duration::from_secs(60);
/// How often a starting provider is looked at.
const START_POLL: Duration = Duration::from_millis(50);

/// What became of one remembered connection.
#[derive(Debug, Clone)]
pub struct Restoration {
    /// The remembered connection.
    pub entry: Entry,
    /// How it went.
    pub result: Result<Restored, Status>,
}

/// How a remembered connection came to be connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// It was connected.
    Now,
    /// Its device was connected already and was left alone.
    Already,
}

/// Asks for credentials when a remembered connection needs others than it has.
pub trait AskCredentials {
    /// `entry` was refused with `status`.
    fn ask(&mut self, entry: &Entry, status: Status) -> Answer;
}

/// Answer to a question for credentials.
#[derive(Debug)]
pub enum Answer {
    /// Try again with these.
    Retry {
        /// User; none for the remembered one.
        user: Option<WideString>,
        /// Password.
        password: Secret,
    },
    /// Leave this one, with `WN_CANCEL`.
    Skip,
    /// Leave this one, with what it was refused with: there have been enough questions.
    Leave,
    /// Leave this one and all that follow.
    Stop,
}

/// A password, wiped when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u16>>);

impl Secret {
    /// Takes over a password; what follows a NUL does not count.
    #[must_use]
    pub fn new(password: &str) -> Self {
        let units = password.encode_utf16().take_while(|&unit| unit != 0);
        // Reserved at once: a vector that grew would leave copies behind.
        let mut kept = Zeroizing::new(Vec::with_capacity(password.len() + 1));
        kept.extend(units);
        kept.push(0);
        Secret(kept)
    }

    /// The password as the router takes it.
    #[must_use]
    pub fn as_wide(&self) -> &WideStr {
        WideStr::from_slice(&self.0).expect("made with one zero unit, at the end")
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Router {
    /// Restores all remembered connections. Nobody is notified.
    ///
    /// # Errors
    ///
    /// `WN_CANNOT_OPEN_PROFILE` or `WN_BAD_PROFILE`. What becomes of each connection is in its own result.
    pub fn restore_all(&self, mut ask: Option<&mut dyn AskCredentials>) -> Result<Vec<Restoration>, Status> {
        let entries = self.store()?.entries().map_err(Status::from)?;
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.wait_for_providers();
        let mut restorations = Vec::with_capacity(entries.len());
        let mut stopped = false;
        for entry in entries {
            let result = if stopped {
                Err(Status::CANCEL)
            } else {
                let (result, stop) = self.restore_entry(&entry, &mut ask);
                stopped = stop;
                result
            };
            restorations.push(Restoration { entry, result });
        }
        Ok(restorations)
    }

    /// Restores the remembered connection of one device. Nobody is notified.
    ///
    /// # Errors
    ///
    /// `WN_BAD_LOCALNAME` for what is no device, `WN_NOT_CONNECTED` if it is not remembered (DECISION R5),
    /// `WN_ALREADY_CONNECTED` if it is connected, else what the provider answers.
    pub fn restore_one(
        &self,
        local: &WideStr,
        mut ask: Option<&mut dyn AskCredentials>,
    ) -> Result<(), Status> {
        let device = LocalDevice::parse(local.as_slice()).ok_or(Status::BAD_LOCALNAME)?;
        let entry = self.store()?.entry(&device).map_err(Status::from)?.ok_or(Status::NOT_CONNECTED)?;
        self.wait_for_providers();
        match self.restore_entry(&entry, &mut ask).0? {
            Restored::Now => Ok(()),
            Restored::Already => Err(Status::ALREADY_CONNECTED),
        }
    }

    /// The second part of the answer is whether all the others are to be left, too.
    fn restore_entry(
        &self,
        entry: &Entry,
        ask: &mut Option<&mut dyn AskCredentials>,
    ) -> (Result<Restored, Status>, bool) {
        self.clear_lost(entry);
        if self.is_redirected(&wide(&entry.device.to_string())) {
            return (Ok(Restored::Already), false);
        }
        let mut user = entry.user.as_deref().map(wide);
        let mut password: Option<Secret> = None;
        loop {
            let tried = self.connect_entry(entry, user.as_deref(), password.as_ref().map(Secret::as_wide));
            let Err(status) = tried else { return (Ok(Restored::Now), false) };
            let refused =
                matches!(status, Status::BAD_PASSWORD | Status::LOGON_FAILURE | Status::ACCESS_DENIED)
                    && !self.is_forbidden(entry);
            match ask {
                Some(ask) if refused => match ask.ask(entry, status) {
                    Answer::Retry { user: other, password: given } => {
                        user = other.or(user);
                        password = Some(given);
                    }
                    Answer::Skip => return (Err(Status::CANCEL), false),
                    Answer::Leave => return (Err(status), false),
                    Answer::Stop => return (Err(Status::CANCEL), true),
                },
                _ => return (Err(status), false),
            }
        }
    }

    /// Whether it is the policy that refuses: no password helps against that.
    fn is_forbidden(&self, entry: &Entry) -> bool {
        let Some(policies) = self.policies() else { return false };
        let mut judged = Asked::add(&wide(&entry.remote), 0).on(&wide(&entry.device.to_string()));
        if !entry.provider.is_empty() {
            judged = judged.through(&wide(&entry.provider));
        }
        policies.judge(&judged).denies()
    }

    /// Takes away what is left of a connection that was lost: its helper process has died or stands still. It would
    /// count as connected, and be of no use to anybody.
    #[cfg(unix)]
    fn clear_lost(&self, entry: &Entry) {
        use mpr_helper::connections::{Connections, State};
        use mpr_helper::{dirs, record::Slot};

        // A router of given parts knows nothing of this user's connections.
        if self.config().is_none() {
            return;
        }
        let (Ok(runtime), Some(slot)) = (dirs::runtime_path(), Slot::of_local(&entry.device.to_string()))
        else {
            return;
        };
        let connections = Connections::of(&runtime);
        if let Ok(Some(found)) = connections.at(&slot)
            && found.state == State::Lost
            && let Err(error) = connections.clean(&found)
        {
            report::problem(&Problem::new(
                Path::new(&found.record.mount_point),
                None,
                format!("the connection of {} is lost and cannot be unmounted: {error}", entry.device),
                format!("run: mpr disconnect {} --force", entry.device),
            ));
        }
    }

    #[cfg(not(unix))]
    fn clear_lost(&self, _: &Entry) {}

    fn connect_entry(
        &self,
        entry: &Entry,
        user: Option<&WideStr>,
        password: Option<&WideStr>,
    ) -> Result<(), Status> {
        let name = wide(&entry.provider);
        // One that is not there any more is for the request to fail for.
        let provider = self.providers().named(&name);
        let can = |bit| provider.is_ok_and(|provider| provider.capabilities.connection & bit != 0);
        // A password that was asked for is to be tried now.
        let defer = can(WNNC_CON_DEFER) && entry.may_be_deferred() && password.is_none();
        let options =
            entry.use_options.as_deref().filter(|_| can(WNNC_CON_ADDCONNECTION4)).unwrap_or_default();
        let both = provider.is_ok_and(|provider| provider.network().takes_options_with_password());
        let (credentials, use_options) = match options {
            [] => (Credentials::Password { user, password }, &[][..]),
            _ if both => (Credentials::Password { user, password }, options),
            // One or the other; a password that was asked for is what was missing.
            use_options if password.is_none() => {
                (Credentials::Buffer(AuthBuffer { auth: &[], use_options }), &[][..])
            }
            _ => (Credentials::Password { user, password }, &[][..]),
        };
        let (local, remote) = (wide(&entry.device.to_string()), wide(&entry.remote));
        self.connect_unannounced(&AddRequest {
            kind: entry.connection_type,
            local: Some(&local),
            remote: Some(&remote),
            provider: provider.map_or((!name.is_empty()).then_some(&*name), |known| Some(&*known.name)),
            credentials,
            use_options,
            flags: if defer { CONNECT_DEFERRED } else { 0 },
            ..AddRequest::default()
        })
    }

    /// Waits for providers that are starting, as long as the slowest of them says (DECISION P9).
    fn wait_for_providers(&self) {
        let starting =
            |provider: &&Provider| !matches!(provider.network().start(), Start::Running | Start::Never);
        let configured = self.restore_timeout();
        let longest = self.providers().iter().filter_map(|provider| match provider.network().start() {
            Start::Running | Start::Never => None,
            Start::Within(milliseconds) => Some(Duration::from_millis(milliseconds.into())),
            Start::Unknown => Some(configured.unwrap_or(UNKNOWN_START)),
        });
        let Some(longest) = longest.max() else { return };
        let deadline = Instant::now() + longest.max(configured.unwrap_or_default());
        while Instant::now() < deadline && self.providers().iter().any(|provider| starting(&provider)) {
            thread::sleep(START_POLL);
        }
    }

    /// Remembers or forgets a connection that exists, as `WNetSetConnection` does (DECISION W35).
    ///
    /// # Errors
    ///
    /// `WN_BAD_VALUE` for another property, `WN_BAD_LOCALNAME` for what is no device, `WN_NOT_CONNECTED`,
    /// `WN_CANNOT_OPEN_PROFILE`, `WN_BAD_PROFILE`.
    pub fn set_connection(&self, local: &WideStr, property: u32, value: u32) -> Result<(), Status> {
        if !self.is_traced() {
            return self.set_connection_with(local, property, value, Untraced);
        }
        let kind = if value == 0 { Kind::Forget } else { Kind::Remember };
        let request = Request { local: Some(bounded(local)), ..Request::default() };
        let tracer = Tracer::begin(self, kind, request);
        let result = self.set_connection_with(local, property, value, &tracer);
        tracer.end(result.into()).ok()
    }

    fn set_connection_with(
        &self,
        local: &WideStr,
        property: u32,
        value: u32,
        traced: impl Traced,
    ) -> Result<(), Status> {
        if property != NETPROPERTY_PERSISTENT {
            return Err(Status::BAD_VALUE);
        }
        let device = LocalDevice::parse(local.as_slice()).ok_or(Status::BAD_LOCALNAME)?;
        let name = wide(&device.to_string());
        if value == 0 {
            if let Some(tracer) = traced.tracer() {
                tracer.accept(|_| ())?;
            }
            return self.save(traced, |store| match store.forget(&device)? {
                None if !self.is_redirected(&name) => Err(Status::NOT_CONNECTED),
                _ => Ok(()),
            });
        }
        let (provider, remote) = self
            .providers()
            .iter()
            .filter(|provider| provider.capabilities.connection & WNNC_CON_GETCONNECTIONS != 0)
            .find_map(|provider| Some((provider, provider.network().connection(&name).ok()?)))
            .ok_or(Status::NOT_CONNECTED)?;
        let mut entry = Entry::new(device, remote.to_string_lossy());
        entry.provider = provider.name.to_string_lossy();
        entry.provider_type = provider.capabilities.net_type;
        if let Some(tracer) = traced.tracer() {
            tracer.accept(|request| {
                request.remote = Some(Request::name(&remote));
                request.provider = Some(bounded(&provider.name));
            })?;
        }
        self.save(traced, |store| Ok(store.remember(&entry)?))
    }

    /// Changes what is remembered, unless that is simulated.
    fn save(
        &self,
        traced: impl Traced,
        change: impl FnOnce(&Store) -> Result<(), Status>,
    ) -> Result<(), Status> {
        if traced.assumed().is_some() {
            return Ok(());
        }
        trace::saved(traced, || self.store().and_then(change).into()).ok()
    }

    /// Cancels every connection there is, with force, as `WNetClearConnections` does. Each is announced.
    ///
    /// # Errors
    ///
    /// The first failure; the others are cancelled nevertheless (DECISION W34).
    pub fn clear_connections(&self) -> Result<(), Status> {
        let mut connections = self.open_enum(RESOURCE_CONNECTED, RESOURCETYPE_ANY, 0, None)?;
        let mut names = Vec::new();
        while let Some(entry) = connections.next_entry()? {
            names.extend(entry.local.filter(|local| !local.is_empty()).or(entry.remote));
        }
        let mut result = Ok(());
        for name in &names {
            result = result.and(self.cancel_connection(&CancelRequest { name, flags: 0, force: true }));
        }
        result
    }

    /// Disconnects without asking anybody, as `WNetDisconnectDialog1` does where there is no user interface
    /// (DECISION W33): with force unless `DISC_NO_FORCE` is set.
    ///
    /// # Errors
    ///
    /// As [`cancel_connection`](Self::cancel_connection).
    pub fn disconnect_dialog(
        &self,
        local: Option<&WideStr>,
        remote: Option<&WideStr>,
        flags: u32,
    ) -> Result<(), Status> {
        let device = local.filter(|local| !local.is_empty());
        let name = device.or(remote.filter(|remote| !remote.is_empty())).ok_or(Status::BAD_VALUE)?;
        let forget = device.is_some() && flags & DISC_UPDATE_PROFILE != 0;
        self.cancel_connection(&CancelRequest {
            name,
            flags: if forget { CONNECT_UPDATE_PROFILE } else { 0 },
            force: flags & DISC_NO_FORCE == 0,
        })
    }

    /// The state of a device as [`connection`](Self::connection) tells it, for a device that was parsed.
    #[must_use]
    pub fn is_connected(&self, local: &WideStr) -> bool {
        matches!(self.connection(local), Ok(Connection::Connected(_)))
    }
}
