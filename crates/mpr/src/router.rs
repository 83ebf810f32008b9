//! The router: what it is made of, and how it comes by it.

use crate::audit::{Auditor, Plugin};
use crate::config::Config;
use crate::library::credentials::LoadedCredentialManager;
use crate::notifyees::{Notifyees, Registration};
use crate::policy::Policies;
use crate::providers::{Candidate, Provider, Providers};
use crate::store::Store;
use crate::system::System;
use crate::{Problem, connect, extended_error, isolated, trace};
use mpr_core::claims::Claims;
use mpr_core::notify::DEFAULT_RETRY_LIMIT;
use mpr_plugin::{ConnectNotify, Exported, NetworkProvider, Notifyee, Status, WideStr, wide};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A Multiple Provider Router.
///
/// A process has one, [`Router::system`], made from the configuration of the system and the user; programs
/// and tests that bring their own providers make another with [`Router::builder`].
///
/// It keeps no connections: what is connected is what the providers say. All it holds are the tables of
/// providers and notification libraries, each loaded once, when it is first needed.
#[derive(Debug)]
pub struct Router {
    settings: OnceLock<Settings>,
    providers: OnceLock<Providers>,
    notifyees: OnceLock<Notifyees>,
    credential_managers: OnceLock<Vec<LoadedCredentialManager>>,
}

static SYSTEM: Router = Router {
    settings: OnceLock::new(),
    providers: OnceLock::new(),
    notifyees: OnceLock::new(),
    credential_managers: OnceLock::new(),
};

/// What a router is told besides its tables.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) retry_limit: u32,
    pub(crate) restore_timeout: Option<Duration>,
    /// `None` where no place for it can be found.
    pub(crate) store: Option<Store>,
    /// `None` where no trail is kept.
    audit: Option<Auditor>,
    /// `None` where there are no rules.
    policies: Option<Arc<Policies>>,
    /// Where the tables come from, unless they were given.
    system: Option<System>,
}

impl Settings {
    fn of_system() -> Self {
        extended_error::install();
        let system = System::read();
        Settings {
            retry_limit: system.retry_limit(),
            restore_timeout: system.restore_timeout(),
            store: System::store(),
            audit: Auditor::of_system(&system.config().audit),
            policies: system.policies().cloned(),
            system: Some(system),
        }
    }
}

impl Router {
    /// The router of this process, made from the configuration of the system and the user.
    ///
    /// The configuration is read at the first use, plug-ins are loaded when they are first needed. Changes to
    /// either take effect in processes started later.
    #[must_use]
    pub fn system() -> &'static Router {
        &SYSTEM
    }

    /// A router of given parts, which reads no configuration.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    #[inline]
    fn settings(&self) -> &Settings {
        self.settings.get_or_init(Settings::of_system)
    }

    #[inline]
    pub(crate) fn providers(&self) -> &Providers {
        self.providers.get_or_init(|| match &self.settings().system {
            Some(system) => {
                let providers = system.providers();
                self.note_plugins("providers", || system.provider_files(providers.problems()));
                providers
            }
            None => Providers::default(),
        })
    }

    #[inline]
    pub(crate) fn notifyees(&self) -> &Notifyees {
        self.notifyees.get_or_init(|| match &self.settings().system {
            Some(system) => {
                let notifyees = system.notifyees();
                self.note_plugins("notifyees", || system.notifyee_files(notifyees.problems()));
                notifyees
            }
            None => Notifyees::default(),
        })
    }

    pub(crate) fn credential_managers(&self) -> &[LoadedCredentialManager] {
        self.credential_managers.get_or_init(|| match &self.settings().system {
            Some(system) => system.credential_managers(),
            None => Vec::new(),
        })
    }

    /// Plug-ins of one kind were loaded: others than the last time are recorded, and so is what vanished since.
    fn note_plugins(&self, kind: &str, files: impl FnOnce() -> Vec<Plugin>) {
        if let Some(auditor) = self.auditor().filter(|_| !isolated::is_refusing()) {
            auditor.plugins(kind, files());
            auditor.vanished();
        }
    }

    /// The configuration this router was made from; `None` for one of given parts.
    #[must_use]
    pub fn config(&self) -> Option<&Config> {
        self.settings().system.as_ref().map(System::config)
    }

    /// What the policy of the system and of the user says; `None` for a router of given parts, and where there
    /// are no rules.
    #[inline]
    #[must_use]
    pub fn policies(&self) -> Option<&Policies> {
        self.settings().policies.as_deref()
    }

    /// Whether plug-ins that are optional are left out ([`safe_mode`](crate::safe_mode)).
    #[must_use]
    pub fn is_in_safe_mode(&self) -> bool {
        self.settings().system.as_ref().is_some_and(System::is_in_safe_mode)
    }

    /// The providers, in the order in which they are asked. Loads them.
    pub fn network_providers(&self) -> impl Iterator<Item = &Provider> {
        self.providers().iter()
    }

    /// Who is asked for a resource, and why, those that are asked first; the others follow. A request that names a
    /// provider asks that one alone. Loads the providers.
    #[must_use]
    pub fn candidates(&self, remote: &WideStr) -> Vec<Candidate<'_>> {
        let canonical = connect::canonical(remote);
        self.providers().candidates(canonical.as_ref().map_or(remote, |(name, _)| name))
    }

    /// The notification libraries, in registration order. Loads them.
    pub fn registrations(&self) -> impl Iterator<Item = &Registration> {
        self.notifyees().iter().filter(|registration| !registration.is_absent)
    }

    /// Everything that was left out, and why: in the configuration, among the plug-ins, in the remembered
    /// connections. Loads what was not loaded yet.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let configured = self.config().map(|config| &*config.problems).unwrap_or_default();
        let mut problems = configured.to_vec();
        problems.extend_from_slice(self.providers().problems());
        problems.extend_from_slice(self.notifyees().problems());
        if let Ok(store) = self.store() {
            problems.extend(store.problems());
        }
        problems
    }

    /// What was left out as far as it was met until now: in the configuration, and among the plug-ins that
    /// were loaded already. Reads and loads nothing, so that a program can tell of it after any call.
    #[must_use]
    pub fn problems_so_far(&self) -> Vec<Problem> {
        let system = self.settings.get().and_then(|settings| settings.system.as_ref());
        let mut problems = system.map(|system| system.config().problems.clone()).unwrap_or_default();
        problems.extend(self.providers.get().into_iter().flat_map(Providers::problems).cloned());
        problems.extend(self.notifyees.get().into_iter().flat_map(Notifyees::problems).cloned());
        problems
    }

    #[inline]
    pub(crate) fn retry_limit(&self) -> u32 {
        self.settings().retry_limit
    }

    /// Whether anybody wants to know what happens in the course of an operation.
    #[inline]
    pub(crate) fn is_traced(&self) -> bool {
        self.settings().audit.is_some() || trace::is_watched()
    }

    /// Who takes part where an operation comes to telling the notification libraries and asking the providers: no
    /// trail is kept, nobody looks on, there are no rules. `None` also where one of these is not known yet.
    #[inline(always)]
    pub(crate) fn unrecorded(&self) -> Option<(&Notifyees, &Providers)> {
        let settings = self.settings.get()?;
        if settings.audit.is_some() || settings.policies.is_some() || trace::is_watched() {
            return None;
        }
        Some((self.notifyees.get()?, self.providers.get()?))
    }

    /// The audit trail; `None` where none is kept.
    #[must_use]
    pub fn auditor(&self) -> Option<&Auditor> {
        self.settings().audit.as_ref()
    }

    pub(crate) fn restore_timeout(&self) -> Option<Duration> {
        self.settings().restore_timeout
    }

    /// The remembered connections.
    ///
    /// # Errors
    ///
    /// `WN_CANNOT_OPEN_PROFILE` where this user has no place for them.
    pub fn store(&self) -> Result<&Store, Status> {
        self.settings().store.as_ref().ok_or(Status::CANNOT_OPEN_PROFILE)
    }
}

/// Parts of a router.
#[derive(Debug)]
pub struct Builder {
    settings: Settings,
    providers: Vec<Provider>,
    notifyees: Vec<Registration>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            settings: Settings {
                retry_limit: DEFAULT_RETRY_LIMIT,
                restore_timeout: None,
                store: None,
                audit: None,
                policies: None,
                system: None,
            },
            providers: Vec::new(),
            notifyees: Vec::new(),
        }
    }
}

impl Builder {
    /// Adds a provider behind the others. One that says it will not start is left out.
    #[must_use]
    pub fn provider(mut self, name: &str, network: impl NetworkProvider + 'static) -> Self {
        self.providers.extend(Provider::new(wide(name), Box::new(network)));
        self
    }

    /// Adds a provider whose network takes no connection without a local device (DECISION W12) behind the
    /// others: a connection that is asked for without one gets the first that is free.
    #[must_use]
    pub fn provider_requiring_device(mut self, name: &str, network: impl NetworkProvider + 'static) -> Self {
        if let Some(mut provider) = Provider::new(wide(name), Box::new(network)) {
            provider.requires_device = true;
            self.providers.push(provider);
        }
        self
    }

    /// Declares what names the provider has that was added last.
    #[must_use]
    pub fn with_names(mut self, claims: Claims) -> Self {
        if let Some(provider) = self.providers.last_mut() {
            provider.claims = claims;
        }
        self
    }

    /// Registers a notification library behind the others.
    #[must_use]
    pub fn listener(self, label: &str, library: impl ConnectNotify) -> Self {
        self.notifyee(label, Exported::new(library))
    }

    /// Registers a notification library, as the router calls it, behind the others.
    #[must_use]
    pub fn notifyee(mut self, label: &str, library: impl Notifyee + 'static) -> Self {
        self.notifyees.push(Registration::new(label, Box::new(library)));
        self
    }

    /// Keeps remembered connections in this directory. Without one, nothing can be remembered.
    #[must_use]
    pub fn state_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.settings.store = Some(Store::in_directory(directory));
        self
    }

    /// Keeps this audit trail. Without one, nothing is recorded.
    #[must_use]
    pub fn auditor(mut self, auditor: Auditor) -> Self {
        self.settings.audit = Some(auditor);
        self
    }

    /// Repeats a failed attempt at most this often.
    #[must_use]
    pub fn retry_limit(mut self, limit: u32) -> Self {
        self.settings.retry_limit = limit;
        self
    }

    /// Waits this long at restore for a provider that does not know when it will have started.
    #[must_use]
    pub fn restore_timeout(mut self, timeout: Duration) -> Self {
        self.settings.restore_timeout = Some(timeout);
        self
    }

    /// The router.
    #[must_use]
    pub fn build(self) -> Router {
        extended_error::install();
        Router {
            settings: self.settings.into(),
            providers: Providers::new(self.providers, Vec::new()).into(),
            notifyees: Notifyees::new(self.notifyees, Vec::new()).into(),
            credential_managers: Vec::new().into(),
        }
    }
}
