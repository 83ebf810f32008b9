//! The router of this process: made from the configuration of the system and the user, piece by piece, each
//! when it is first needed (`spec/notification.md` §3.3, `spec/provider.md` §1).

use crate::audit::Plugin;
use crate::config::{Config, Events, Isolation, NotifyeeEntry, OnFailure, ProviderEntry, Source};
use crate::isolated::{self, Isolated, IsolatedProvider, Refusing};
use crate::library::credentials::LoadedCredentialManager;
use crate::library::notifyee::LoadedNotifyee;
use crate::library::provider::LoadedProvider;
use crate::library::{LoadError, canonical};
use crate::notifyees::{Notifyees, Registration};
use crate::policy::{self, Guard, Policies};
use crate::providers::{Provider, Providers};
use crate::store::Store;
use crate::{Problem, builtin, report, safe_mode, trace};
use mpr_helper::dirs;
use mpr_plugin::abi::{
    NOTIFY_PRE, NOTIFYINFO, WN_CREDENTIAL_CLASS, WN_NETWORK_CLASS, WN_PRIMARY_AUTHENT_CLASS,
};
use mpr_plugin::{AddNotice, CancelNotice, Event, NetworkProvider, Notifyee, Status, last_error, wide};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What the configuration says, and what is known before any plug-in is loaded.
#[derive(Debug)]
pub(crate) struct System {
    config: Config,
    /// `None` where there are no rules.
    policies: Option<Arc<Policies>>,
    elevated: bool,
    /// Whether plug-ins that are optional are left out.
    safe_mode: bool,
}

/// A configuration directory that is left out.
fn relative(directory: &Path) -> Problem {
    let what = "MPR_CONFIG_DIRS lists it, and it is not an absolute path, so it is left out";
    Problem::new(directory, None, what, "write the absolute path")
}

impl System {
    /// Reads the configuration.
    pub(crate) fn read() -> Self {
        let elevated = dirs::is_elevated();
        let directories = dirs::config_dirs();
        let mut config = Config::read(&directories, elevated);
        let (policies, problems) = Policies::read(&directories, elevated);
        config.problems.extend(problems);
        config.problems.extend(dirs::relative_config_dirs().iter().map(|directory| relative(directory)));
        for problem in &config.problems {
            report::problem(problem);
        }
        let policies = (!policies.is_empty()).then(|| policies.into());
        let safe_mode = config.safe_mode || safe_mode::is_on(elevated);
        System { config, policies, elevated, safe_mode }
    }

    pub(crate) fn policies(&self) -> Option<&Arc<Policies>> {
        self.policies.as_ref()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Whether plug-ins that are optional are left out.
    pub(crate) fn is_in_safe_mode(&self) -> bool {
        self.safe_mode
    }

    pub(crate) fn retry_limit(&self) -> u32 {
        self.config.retry_limit
    }

    pub(crate) fn restore_timeout(&self) -> Option<Duration> {
        self.config.restore_timeout_ms.map(|milliseconds| Duration::from_millis(milliseconds.into()))
    }

    pub(crate) fn store() -> Option<Store> {
        dirs::state_path().ok().map(Store::in_directory)
    }

    /// Loads the providers: those built in and those registered, in the configured order.
    pub(crate) fn providers(&self) -> Providers {
        let mut problems = Vec::new();
        let mut table: Vec<(String, Provider)> = Vec::new();
        for builtin in builtin::providers(&self.config, &mut problems) {
            let name = wide(builtin.name);
            if let Some(mut provider) = Provider::new(name, builtin.network) {
                provider.claims = builtin.claims;
                table.push((builtin.stem.to_owned(), provider));
            }
        }
        let registered = self.config.providers.iter().filter(|_| !self.safe_mode);
        for entry in registered.filter(|entry| entry.class & WN_NETWORK_CLASS != 0) {
            if entry.isolation == Isolation::Process && isolated::is_refusing_isolated_providers() {
                continue;
            }
            match self.provider(entry) {
                Ok(provider) => table.push((entry.stem.clone(), provider)),
                Err(problem) => problems.push(problem),
            }
        }
        let names: Vec<String> = table.iter().map(|(_, provider)| provider.name.to_string_lossy()).collect();
        let indexed: Vec<_> = names.iter().zip(table).collect();
        let arranged = self.config.arrange(indexed, |(name, _)| name, |(_, (stem, _))| Some(stem.as_str()));
        let table = arranged.into_iter().map(|(_, (_, provider))| provider).collect();
        report_all(&problems);
        Providers::new(table, problems)
    }

    fn provider(&self, entry: &ProviderEntry) -> Result<Provider, Problem> {
        let network: Result<Box<dyn NetworkProvider>, LoadError> = match entry.isolation {
            Isolation::InProcess => LoadedProvider::load(&entry.path, &entry.terms(self.elevated))
                .map(|loaded| Box::new(loaded) as _),
            Isolation::Process => {
                IsolatedProvider::open(entry, self.elevated).map(|isolated| Box::new(isolated) as _)
            }
        };
        let network = network.map_err(|error| unloaded(&entry.file, error))?;
        let mut provider = Provider::new(wide(&entry.name), network).ok_or_else(|| Problem {
            file: entry.file.clone(),
            line: None,
            what: format!("the provider \"{}\" says that it will not start", entry.name),
            remedy: "see its own documentation, or set enabled = false".into(),
        })?;
        provider.requires_device = entry.requires_device;
        provider.claims = entry.claims.clone();
        Ok(provider)
    }

    /// The files of the registered providers, as they are; `problems` says which were left out.
    pub(crate) fn provider_files(&self, problems: &[Problem]) -> Vec<Plugin> {
        let file = |entry: &ProviderEntry| found(&entry.stem, &entry.path, &entry.file, problems);
        self.config.providers.iter().map(file).collect()
    }

    /// The files of the registered notification libraries and commands, as they are; `problems` says which were left
    /// out.
    pub(crate) fn notifyee_files(&self, problems: &[Problem]) -> Vec<Plugin> {
        let path = |entry: &NotifyeeEntry| match &entry.source {
            Source::Library(path) => path.clone(),
            Source::Command(command) => command.first().map(PathBuf::from).unwrap_or_default(),
        };
        let file = |entry: &NotifyeeEntry| found(&entry.stem, &path(entry), &entry.file, problems);
        self.config.notifyees.iter().map(file).collect()
    }

    /// Loads the notification libraries, in registration order; the same file once, at its first position.
    pub(crate) fn notifyees(&self) -> Notifyees {
        if isolated::is_refusing() {
            return Notifyees::new(vec![Registration::new("mpr-host", Box::new(Refusing))], Vec::new());
        }
        let mut problems = Vec::new();
        let mut table = Vec::new();
        let mut loaded: Vec<PathBuf> = Vec::new();
        for entry in self.config.notifyees.iter().filter(|entry| !self.safe_mode || entry.is_required()) {
            if let Source::Library(path) = &entry.source {
                let file = canonical(path);
                if loaded.contains(&file) {
                    continue;
                }
                loaded.push(file);
            }
            match self.notifyee(entry) {
                Ok(library) => table.push(Registration::new(&entry.stem, library)),
                Err(problem) => {
                    let mut absent = Registration::new(&entry.stem, Box::new(Absent::of(entry, &problem)));
                    absent.is_absent = entry.on_failure == OnFailure::Allow;
                    table.push(absent);
                    problems.push(problem);
                }
            }
        }
        // Registered last, called first: what is forbidden is nobody else's business.
        if let Some(policies) = &self.policies {
            table.push(Registration::new(policy::LABEL, Box::new(Guard(Arc::clone(policies)))));
        }
        report_all(&problems);
        Notifyees::new(table, problems)
    }

    fn notifyee(&self, entry: &NotifyeeEntry) -> Result<Box<dyn Notifyee>, Problem> {
        let library: Result<Box<dyn Notifyee>, LoadError> = match (&entry.source, entry.isolation) {
            (Source::Library(path), Isolation::InProcess) => {
                LoadedNotifyee::load(path, entry.events, &entry.terms(self.elevated))
                    .map(|library| Box::new(library) as _)
            }
            (Source::Library(_), Isolation::Process) | (Source::Command(_), _) => {
                Isolated::new(entry, self.elevated).map(|library| Box::new(library) as _)
            }
        };
        library.map_err(|error| unloaded(&entry.file, error))
    }

    /// Loads the credential managers, in provider order; none unless they are switched on (DECISION P10).
    pub(crate) fn credential_managers(&self) -> Vec<LoadedCredentialManager> {
        if !self.config.credential_managers || self.safe_mode {
            return Vec::new();
        }
        let class = WN_CREDENTIAL_CLASS | WN_PRIMARY_AUTHENT_CLASS;
        let entries = self.config.providers.iter().filter(|entry| entry.class & class != 0).collect();
        let arranged = self.config.arrange(
            entries,
            |entry: &&ProviderEntry| &entry.name,
            |entry: &&ProviderEntry| Some(&entry.stem),
        );
        let mut managers = Vec::new();
        for entry in arranged {
            if entry.isolation == Isolation::Process {
                report::problem(&Problem {
                    file: entry.file.clone(),
                    line: None,
                    what: "as a credential manager it is not called: what it would be passed are pointers, which \
                           mean nothing outside this process"
                        .into(),
                    remedy: "take its credential class out, or register its credential functions in a file of \
                             their own without isolation"
                        .into(),
                });
                continue;
            }
            match LoadedCredentialManager::load(
                entry.credential_path(),
                &entry.credential_terms(self.elevated),
            ) {
                Ok(manager) => managers.push(manager),
                Err(error) => report::problem(&unloaded(&entry.file, error)),
            }
        }
        managers
    }
}

/// A plug-in as it was found at `path`, registered in the file `registration`.
fn found(name: &str, path: &Path, registration: &Path, problems: &[Problem]) -> Plugin {
    let refused = problems.iter().find(|problem| problem.file == registration);
    Plugin { refused: refused.map(|problem| problem.what.clone()), ..Plugin::at(name, path) }
}

fn report_all(problems: &[Problem]) {
    problems.iter().for_each(report::problem);
}

/// A library that was not loaded, told from the registration that names it.
fn unloaded(registration: &Path, error: LoadError) -> Problem {
    Problem {
        file: registration.to_owned(),
        line: None,
        what: format!("{}: {}", error.file.display(), error.what),
        remedy: error.remedy,
    }
}

/// Stands in for a notification library that cannot be called: where it is registered with `on-failure = "deny"`, what
/// it would have been asked about is refused. Either way it is on record that nobody was asked.
struct Absent {
    label: String,
    events: Events,
    on_failure: OnFailure,
    why: String,
}

impl Absent {
    fn of(entry: &NotifyeeEntry, problem: &Problem) -> Self {
        let Problem { what: why, .. } = problem.clone();
        Absent { label: entry.stem.clone(), events: entry.events, on_failure: entry.on_failure, why }
    }

    fn answer(&self, info: &NOTIFYINFO) -> Status {
        if info.dwNotifyStatus != NOTIFY_PRE {
            return Status::SUCCESS;
        }
        trace::remark("unloaded", || self.why.clone());
        if self.on_failure == OnFailure::Allow {
            return Status::SUCCESS;
        }
        let text = format!(
            "the notification library \"{}\" must be asked and could not be loaded; see mpr doctor",
            self.label
        );
        last_error::set(Status::ACCESS_DENIED.0, &text, &self.label);
        Status::ACCESS_DENIED
    }
}

impl Notifyee for Absent {
    fn wants(&self, event: Event) -> bool {
        match event {
            Event::Add => self.events.add,
            Event::Cancel => self.events.cancel,
        }
    }

    fn sees_simulations(&self) -> bool {
        true
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, _: &AddNotice<'_>) -> Status {
        self.answer(info)
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, _: &CancelNotice<'_>) -> Status {
        self.answer(info)
    }
}
