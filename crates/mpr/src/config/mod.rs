//! What the configuration directories say (`DESIGN.md`, Configuration; `spec/notification.md` §3.2;
//! `spec/provider.md` P8).
//!
//! | file | what it is |
//! |---|---|
//! | `<dir>/mpr.toml` | settings; merged key by key, a later directory wins |
//! | `<dir>/notifyees.d/<stem>.toml` | one notification library |
//! | `<dir>/providers.d/<stem>.toml` | one network provider |
//!
//! A file of a later directory replaces the file of the same stem of an earlier one, whatever is in it; with
//! `enabled = false` it masks it. One mistake costs what it is in: a setting, an entry, a file. Each is
//! remembered as a [`Problem`]; none of them is an error, since a program that connects a drive is not to
//! fail for a line in a file of somebody else's (§3.3.4).

mod expand;
pub(crate) mod files;
#[doc(hidden)]
pub mod parse;
pub mod policy;

#[doc(hidden)]
pub use expand::Variables;
pub use parse::Mounts;

use crate::library::Terms;
use crate::trust::Judge;
use crate::{Pin, Problem, audit};
use files::Reader;
use mpr_core::claims::Claims;
use mpr_core::notify::DEFAULT_RETRY_LIMIT;
use mpr_helper::dirs::{Level, levels};
pub use mpr_helper::host::Sandbox;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Deadline of a notification library outside the caller's process, unless `timeout-ms` says otherwise.
pub const DEFAULT_TIMEOUT_MS: u32 = 5000;
/// The same of a provider, which may have to reach a server.
pub const DEFAULT_PROVIDER_TIMEOUT_MS: u32 = 30_000;

/// Everything the configuration directories say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `provider-order`: names (or else stems) of providers, the first to be tried first.
    pub provider_order: Vec<String>,
    /// `builtin-providers`: short names of the built-in providers wanted; `None` for all of them.
    pub builtin_providers: Option<Vec<String>>,
    /// `retry-limit`: how often notification libraries may have one operation repeated
    /// (`spec/notification.md` §11).
    pub retry_limit: u32,
    /// `drives-dir`: where drive letters are mounted, instead of `<runtime>/drives`.
    pub drives_dir: Option<PathBuf>,
    /// `smb-servers`: servers shown at the top of "Microsoft Windows Network", beside those connected.
    pub smb_servers: Vec<String>,
    /// `restore-timeout-ms`: `RestoreTimeout` of `spec/provider.md` §6.1.
    pub restore_timeout_ms: Option<u32>,
    /// `credential-managers`: whether credential managers are called at all (`spec/provider.md` P10).
    pub credential_managers: bool,
    /// `safe-mode`: whether plug-ins that are optional are left out.
    pub safe_mode: bool,
    /// `audit` and what begins with it: the audit trail.
    pub audit: audit::Settings,
    /// `[local-directory.shares]`: directories of this machine offered as shares.
    pub local_shares: BTreeMap<String, PathBuf>,
    /// `[mounts]`: how mounts are where that is a matter of taste.
    pub mounts: Mounts,
    /// Registered network providers, ascending by (`priority`, stem); [`Config::arrange`] puts
    /// `provider-order` on top.
    pub providers: Vec<ProviderEntry>,
    /// Registered notification libraries in registration order: ascending by (`priority`, stem).
    pub notifyees: Vec<NotifyeeEntry>,
    /// What was wrong, in the order it was met.
    pub problems: Vec<Problem>,
}

/// One file of `providers.d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderEntry {
    /// File name without `.toml`: the service key of Windows.
    pub stem: String,
    /// The file the entry comes from.
    pub file: PathBuf,
    /// `path`: the module. Absolute.
    pub path: PathBuf,
    /// `name`: what `lpProvider` carries.
    pub name: String,
    /// `class`: mask of `WN_*_CLASS`; a network provider unless said otherwise.
    pub class: u32,
    /// `auth-path`: module with the credential functions, if that is another one. Absolute.
    pub auth_path: Option<PathBuf>,
    /// `sha256`: the contents the module must have.
    pub sha256: Option<Pin>,
    /// Whether root registered it, so that only root's files are loaded for it.
    pub by_root: bool,
    /// `requires-device`: whether the network takes no connection without a local device
    /// (`spec/wnet.md` W12).
    pub requires_device: bool,
    /// `schemes`, `hosts`, `prefixes`: what names it has.
    pub claims: Claims,
    /// Where it runs.
    pub isolation: Isolation,
    /// `timeout-ms`: how long a call may take outside the caller's process.
    pub timeout_ms: u32,
    /// `sandbox`: what it may do there.
    pub sandbox: Sandbox,
    /// `priority`: lower comes first.
    pub priority: i64,
}

impl ProviderEntry {
    /// The module with the credential functions (`spec/provider.md` §7).
    #[must_use]
    pub fn credential_path(&self) -> &Path {
        self.auth_path.as_deref().unwrap_or(&self.path)
    }

    /// On what terms the module is loaded.
    #[must_use]
    pub fn terms(&self, elevated: bool) -> Terms {
        Terms { elevated, by_root: self.by_root, sha256: self.sha256 }
    }

    /// The same for the module with the credential functions. `sha256` is about `path`.
    pub(crate) fn credential_terms(&self, elevated: bool) -> Terms {
        Terms { sha256: self.sha256.filter(|_| self.auth_path.is_none()), ..self.terms(elevated) }
    }
}

/// One file of `notifyees.d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyeeEntry {
    /// File name without `.toml`: the value name of Windows' `Notifyees` key.
    pub stem: String,
    /// The file the entry comes from.
    pub file: PathBuf,
    /// What is called.
    pub source: Source,
    /// `sha256`: the contents the library or program must have.
    pub sha256: Option<Pin>,
    /// Whether root registered it, so that only root's files are loaded for it.
    pub by_root: bool,
    /// Whose directory the file is in.
    pub level: Level,
    /// Where it runs. A command always runs in a process of its own.
    pub isolation: Isolation,
    /// `timeout-ms`: how long a call may take outside the caller's process.
    pub timeout_ms: u32,
    /// `sandbox`: what it may do there.
    pub sandbox: Sandbox,
    /// `on-failure`: what becomes of an operation when an isolated library crashes or misses its deadline.
    pub on_failure: OnFailure,
    /// `events`: what it is told of.
    pub events: Events,
    /// `priority`: lower comes first.
    pub priority: i64,
}

impl NotifyeeEntry {
    /// On what terms its library or program is run.
    #[must_use]
    pub fn terms(&self, elevated: bool) -> Terms {
        Terms { elevated, by_root: self.by_root, sha256: self.sha256 }
    }

    /// Whether it must be asked also where nothing optional is: a guard of the system's configuration.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.on_failure == OnFailure::Deny && self.level != Level::User
    }
}

/// What a notification entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `path`: a shared object. Absolute.
    Library(PathBuf),
    /// `command`: a program, absolute, and its arguments.
    Command(Vec<String>),
}

/// Where a plug-in runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// In the process that connects. The default of a library.
    #[default]
    InProcess,
    /// In a process of its own, behind a deadline.
    Process,
}

/// What becomes of an operation whose isolated notification library gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// It goes on.
    #[default]
    Allow,
    /// It is refused.
    Deny,
}

/// The operations a notification library is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Events {
    /// Connects.
    pub add: bool,
    /// Disconnects.
    pub cancel: bool,
}

impl Events {
    /// Connects and disconnects: the default.
    pub const ALL: Self = Events { add: true, cancel: true };
}

impl Default for Events {
    fn default() -> Self {
        Self::ALL
    }
}

impl Default for Config {
    /// What holds without any file.
    fn default() -> Self {
        Config {
            provider_order: Vec::new(),
            builtin_providers: None,
            retry_limit: DEFAULT_RETRY_LIMIT,
            drives_dir: None,
            smb_servers: Vec::new(),
            restore_timeout_ms: None,
            credential_managers: false,
            safe_mode: false,
            audit: audit::Settings::default(),
            local_shares: BTreeMap::new(),
            mounts: Mounts::default(),
            providers: Vec::new(),
            notifyees: Vec::new(),
            problems: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the configuration directories `dirs`, weakest first.
    ///
    /// With `elevated`, `${VAR}` is not expanded, and files and directories that anyone but root could
    /// change are refused.
    #[must_use]
    pub fn read(dirs: &[PathBuf], elevated: bool) -> Config {
        let variables = Variables { elevated, lookup: &|name| std::env::var_os(name) };
        let mut reader = Reader { judge: Judge::of_this_process(elevated), problems: Vec::new() };
        let mut config = Config::default();
        let mut audit = parse::Audit::default();
        let (mut providers, mut notifyees) = (BTreeMap::new(), BTreeMap::new());
        for directory in dirs {
            if !reader.admits(directory) {
                continue;
            }
            let file = directory.join("mpr.toml");
            if let Some(text) = reader.text(&file, "so its settings are left out") {
                let (settings, problems) = parse::settings(&file, &text, &variables);
                reader.problems.extend(problems);
                audit = audit.and(&settings.audit);
                config.set(settings);
            }
            reader.entries(&directory.join("providers.d"), &mut providers);
            reader.entries(&directory.join("notifyees.d"), &mut notifyees);
        }
        config.audit = audit::Settings {
            mode: audit.mode.unwrap_or_default(),
            max_bytes: audit.max_bytes.unwrap_or(audit::DEFAULT_MAX_BYTES),
            keep: audit.keep.unwrap_or(audit::DEFAULT_KEEP),
            journal: audit.journal.unwrap_or(true),
        };
        config.providers =
            reader.parsed(providers, &variables, parse::provider, |entry, root| entry.by_root = root);
        config.notifyees =
            reader.parsed(notifyees, &variables, parse::notifyee, |entry, root| entry.by_root = root);
        for (directory, level) in dirs.iter().zip(levels(dirs)) {
            let here = |entry: &&mut NotifyeeEntry| entry.file.starts_with(directory);
            config.notifyees.iter_mut().filter(here).for_each(|entry| entry.level = level);
        }
        // The maps gave them up ascending by stem, and sorting keeps that order among equals.
        config.providers.sort_by_key(|entry| entry.priority);
        config.notifyees.sort_by_key(|entry| entry.priority);
        config.problems = reader.problems;
        config.note_repeated_names();
        config
    }

    /// Takes over what a later `mpr.toml` sets.
    fn set(&mut self, settings: parse::Settings) {
        let parse::Settings {
            provider_order,
            builtin_providers,
            retry_limit,
            drives_dir,
            smb_servers,
            restore_timeout_ms,
            credential_managers,
            safe_mode,
            audit: _,
            local_shares,
            mounts,
        } = settings;
        // Whoever switches it on for everybody means everybody.
        self.safe_mode |= safe_mode.unwrap_or(false);
        self.provider_order = provider_order.unwrap_or(std::mem::take(&mut self.provider_order));
        self.builtin_providers = builtin_providers.or(self.builtin_providers.take());
        self.retry_limit = retry_limit.unwrap_or(self.retry_limit);
        self.drives_dir = drives_dir.or(self.drives_dir.take());
        self.smb_servers = smb_servers.unwrap_or(std::mem::take(&mut self.smb_servers));
        self.restore_timeout_ms = restore_timeout_ms.or(self.restore_timeout_ms);
        self.credential_managers = credential_managers.unwrap_or(self.credential_managers);
        self.mounts = Mounts {
            file_mode: mounts.file_mode.or(self.mounts.file_mode),
            directory_mode: mounts.directory_mode.or(self.mounts.directory_mode),
            timeout_ms: mounts.timeout_ms.or(self.mounts.timeout_ms),
            encrypt: mounts.encrypt.or(self.mounts.encrypt),
            symlinks_in_files: mounts.symlinks_in_files.or(self.mounts.symlinks_in_files),
            cache_memory_mib: mounts.cache_memory_mib.or(self.mounts.cache_memory_mib),
            cache_names: mounts.cache_names.or(self.mounts.cache_names),
        };
        for (name, directory) in local_shares {
            // The name of a share is one name in any case.
            self.local_shares.retain(|known, _| known.to_lowercase() != name.to_lowercase());
            self.local_shares.insert(name, directory);
        }
    }

    /// Two providers of one name are legal, but a request that names one reaches only the first.
    fn note_repeated_names(&mut self) {
        for (at, entry) in self.providers.iter().enumerate() {
            let same = |other: &&ProviderEntry| other.name.to_lowercase() == entry.name.to_lowercase();
            if let Some(first) = self.providers[..at].iter().find(same) {
                self.problems.push(Problem {
                    file: entry.file.clone(),
                    line: None,
                    what: format!(
                        "{} calls its provider {:?}, too, and comes first whenever that name is asked for",
                        first.file.display(),
                        entry.name
                    ),
                    remedy: "give one of the two another name".into(),
                });
            }
        }
    }

    /// Puts providers into the order they are tried in: those `provider-order` lists first, as listed there;
    /// the others after them, in the order given. An item of the list means the provider of that name, and
    /// if there is none, the one of that stem; case does not matter (`spec/wnet.md` W3).
    #[must_use]
    pub fn arrange<T>(
        &self,
        providers: Vec<T>,
        name: impl Fn(&T) -> &str,
        stem: impl Fn(&T) -> Option<&str>,
    ) -> Vec<T> {
        let mut waiting: Vec<Option<T>> = providers.into_iter().map(Some).collect();
        let mut arranged = Vec::with_capacity(waiting.len());
        for item in &self.provider_order {
            let same = |text: &str| text.to_lowercase() == item.to_lowercase();
            let named = waiting.iter().position(|slot| slot.as_ref().is_some_and(|p| same(name(p))));
            let found = named
                .or_else(|| waiting.iter().position(|slot| slot.as_ref().and_then(&stem).is_some_and(same)));
            arranged.extend(found.and_then(|at| waiting[at].take()));
        }
        arranged.extend(waiting.into_iter().flatten());
        arranged
    }
}
