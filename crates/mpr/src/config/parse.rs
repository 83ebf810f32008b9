//! Each kind of configuration file as a function of its text: no file is opened here.

use super::expand::{Expansion, Variables};
use super::{
    DEFAULT_PROVIDER_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, Events, Isolation, NotifyeeEntry, OnFailure, Problem,
    ProviderEntry, Sandbox, Source,
};
use crate::Pin;
use crate::audit::Mode;
use mpr_abi::{WN_CREDENTIAL_CLASS, WN_NETWORK_CLASS, WN_PRIMARY_AUTHENT_CLASS, WN_SERVICE_CLASS};
use mpr_core::claims::Claims;
use mpr_helper::dirs::Level;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Most items in a list or table. Nobody has more; a generated file may.
const MOST_ITEMS: usize = 1024;
/// Longest path, in bytes, without its terminator (`PATH_MAX`).
const LONGEST_PATH: usize = 4095;
/// Longest name of a provider or share, and longest argument worth quoting in a message, in characters.
const LONGEST_NAME: usize = 255;
/// An hour: longest time that may be configured.
const LONGEST_MS: i64 = 3_600_000;

/// One `mpr.toml`: what it sets, and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub provider_order: Option<Vec<String>>,
    pub builtin_providers: Option<Vec<String>>,
    pub retry_limit: Option<u32>,
    pub drives_dir: Option<PathBuf>,
    /// `smb-servers`.
    pub smb_servers: Option<Vec<String>>,
    pub restore_timeout_ms: Option<u32>,
    pub credential_managers: Option<bool>,
    pub safe_mode: Option<bool>,
    pub audit: Audit,
    pub local_shares: BTreeMap<String, PathBuf>,
    /// `[mounts]`.
    pub mounts: Mounts,
}

/// `[mounts]` of one `mpr.toml`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mounts {
    pub file_mode: Option<u32>,
    pub directory_mode: Option<u32>,
    pub timeout_ms: Option<u32>,
    pub encrypt: Option<bool>,
    pub symlinks_in_files: Option<bool>,
    pub cache_memory_mib: Option<u32>,
    pub cache_names: Option<u32>,
}

/// What it sets of the audit trail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// `audit`.
    pub mode: Option<Mode>,
    /// `audit-max-bytes`.
    pub max_bytes: Option<u64>,
    /// `audit-keep`.
    pub keep: Option<u32>,
    /// `audit-journal`.
    pub journal: Option<bool>,
}

impl Audit {
    /// What holds when `later` is read after this: more may be asked for than before, and not less.
    pub(super) fn and(&self, later: &Audit) -> Audit {
        Audit {
            mode: self.mode.max(later.mode),
            max_bytes: later.max_bytes.or(self.max_bytes),
            keep: self.keep.max(later.keep),
            journal: self.journal.max(later.journal),
        }
    }
}

/// Reads an `mpr.toml`.
#[must_use]
pub fn settings(file: &Path, text: &str, variables: &Variables<'_>) -> (Settings, Vec<Problem>) {
    let mut table = match Table::parse(file, text, variables, Cost::Settings) {
        Ok(table) => table,
        Err(problem) => return (Settings::default(), vec![problem]),
    };
    let shares = table.section("local-directory").map(|mut section| {
        let shares = section.section("shares").map(Table::shares).unwrap_or_default();
        (shares, section.finish())
    });
    let (local_shares, mut nested) = match shares {
        Some(((shares, mut problems), rest)) => {
            problems.extend(rest);
            (shares, problems)
        }
        None => Default::default(),
    };
    let mounts = match table.section("mounts") {
        Some(section) => {
            let (mounts, problems) = section.mounts();
            nested.extend(problems);
            mounts
        }
        None => Mounts::default(),
    };
    let settings = Settings {
        provider_order: table.names("provider-order", PROVIDER_ORDER).ok().flatten(),
        builtin_providers: table.names("builtin-providers", BUILTIN_PROVIDERS).ok().flatten(),
        retry_limit: table.number("retry-limit", 0..=1000, "retry-limit = 16").ok().flatten(),
        drives_dir: table.path("drives-dir", "drives-dir = \"/mnt/drives\"").ok().flatten(),
        restore_timeout_ms: table
            .number("restore-timeout-ms", 0..=LONGEST_MS, "restore-timeout-ms = 60000")
            .ok()
            .flatten(),
        safe_mode: table.flag("safe-mode", "safe-mode = true").ok().flatten(),
        credential_managers: table.flag("credential-managers", "credential-managers = false").ok().flatten(),
        audit: Audit {
            mode: table.choice("audit", AUDIT_MODES, "audit = \"best-effort\"").ok().flatten(),
            max_bytes: table
                .number("audit-max-bytes", AUDIT_BYTES, "audit-max-bytes = 16777216")
                .ok()
                .flatten(),
            keep: table.number("audit-keep", 0..=10_000, "audit-keep = 8").ok().flatten(),
            journal: table.flag("audit-journal", "audit-journal = true").ok().flatten(),
        },
        smb_servers: table.names("smb-servers", "smb-servers = [\"nas\", \"box@1445\"]").ok().flatten(),
        local_shares,
        mounts,
    };
    let mut problems = table.finish();
    problems.append(&mut nested);
    (settings, problems)
}

const AUDIT_MODES: &[(&str, Mode)] =
    &[("off", Mode::Off), ("best-effort", Mode::BestEffort), ("required", Mode::Required)];
/// A file holds some records at least, and is read into memory after a crash.
const AUDIT_BYTES: RangeInclusive<i64> = 4096..=1 << 30;
const PROVIDER_ORDER: &str = "provider-order = [\"Microsoft Windows Network\"]";
const BUILTIN_PROVIDERS: &str = "builtin-providers = [\"smb\"]";

/// Reads a file of `notifyees.d`. No entry for one that is masked or has a mistake that matters.
#[must_use]
pub fn notifyee(
    stem: &str,
    file: &Path,
    text: &str,
    variables: &Variables<'_>,
) -> (Option<NotifyeeEntry>, Vec<Problem>) {
    entry(file, text, variables, |table| {
        const PATH: &str = "path = \"/usr/lib/mpr/notify/audit.so\"";
        const COMMAND: &str = "command = [\"/usr/local/bin/hook\"]";
        let isolation_line = table.line_of("isolation");
        // Everything is read before the first mistake counts, so that one look shows all of them.
        let path = table.path("path", PATH);
        let command = table.command("command", COMMAND);
        let isolation = table.isolation();
        let sandbox_line = table.line_of("sandbox");
        let sandbox = table.sandbox();
        let timeout_ms = table.number("timeout-ms", 1..=LONGEST_MS, "timeout-ms = 5000");
        let on_failure = table.choice(
            "on-failure",
            &[("allow", OnFailure::Allow), ("deny", OnFailure::Deny)],
            "on-failure = \"allow\"",
        );
        let events = table.events("events", "events = [\"add\", \"cancel\"]");
        let priority = table.number("priority", i64::MIN..=i64::MAX, "priority = 10");
        let sha256 = table.pin();
        let (path, command, mut isolation) = (path?, command?, isolation?);
        let source = match (path, command) {
            (Some(path), None) => Source::Library(path),
            (None, Some(command)) => {
                if isolation == Some(Isolation::InProcess) {
                    table.note(
                        isolation_line,
                        "isolation is \"in-process\", but a command always runs in a process of its own"
                            .into(),
                        "remove isolation".into(),
                    );
                }
                isolation = Some(Isolation::Process);
                Source::Command(command)
            }
            (Some(_), Some(_)) => {
                return Err(table.reject(
                    None,
                    "it has both path and command",
                    "keep the one that is meant".into(),
                ));
            }
            (None, None) => {
                return Err(table.reject(
                    None,
                    "it has neither path nor command",
                    format!("write for example {PATH}"),
                ));
            }
        };
        let sandbox = sandbox?;
        table.needs_process(sandbox, isolation, sandbox_line);
        // Scripts are there to change something.
        let usual = if matches!(source, Source::Command(_)) { Sandbox::None } else { Sandbox::Default };
        Ok(NotifyeeEntry {
            stem: stem.to_owned(),
            file: file.to_owned(),
            source,
            sha256: sha256?,
            by_root: false,
            level: Level::User,
            isolation: isolation.unwrap_or_default(),
            timeout_ms: timeout_ms?.unwrap_or(DEFAULT_TIMEOUT_MS),
            sandbox: sandbox.unwrap_or(usual),
            on_failure: on_failure?.unwrap_or_default(),
            events: events?.unwrap_or_default(),
            priority: priority?.unwrap_or(0),
        })
    })
}

/// Reads a file of `providers.d`. No entry for one that is masked or has a mistake that matters.
#[must_use]
pub fn provider(
    stem: &str,
    file: &Path,
    text: &str,
    variables: &Variables<'_>,
) -> (Option<ProviderEntry>, Vec<Problem>) {
    entry(file, text, variables, |table| {
        const PATH: &str = "path = \"/usr/lib/mpr/np/np-example.so\"";
        const NAME: &str = "name = \"Example Network\"";
        const CLASSES: u32 =
            WN_NETWORK_CLASS | WN_CREDENTIAL_CLASS | WN_PRIMARY_AUTHENT_CLASS | WN_SERVICE_CLASS;
        let path = table.path("path", PATH);
        let name = table.name("name", NAME);
        let class = table.number("class", 1..=i64::from(CLASSES), "class = 1");
        let auth_path = table.path("auth-path", "auth-path = \"/usr/lib/mpr/np/np-example-auth.so\"");
        let sha256 = table.pin();
        let requires_device = table.flag("requires-device", "requires-device = false");
        let isolation = table.isolation();
        let timeout_ms = table.number("timeout-ms", 1..=LONGEST_MS, "timeout-ms = 30000");
        let schemes = table.names("schemes", "schemes = [\"https\"]");
        let hosts = table.names("hosts", "hosts = [\"*.example\"]");
        let prefixes = table.names("prefixes", "prefixes = ['\\\\example\\']");
        let sandbox_line = table.line_of("sandbox");
        let sandbox = table.sandbox();
        let priority = table.number("priority", i64::MIN..=i64::MAX, "priority = 10");
        let (path, name, auth_path) = (path?, name?, auth_path?);
        let class = class?.unwrap_or(WN_NETWORK_CLASS);
        // Nothing but a network provider needs the module proper.
        let path = path.or_else(|| auth_path.clone().filter(|_| class & WN_NETWORK_CLASS == 0));
        let Some(path) = path else {
            return Err(table.reject(None, "it has no path", format!("write for example {PATH}")));
        };
        let Some(name) = name else {
            return Err(table.reject(None, "it has no name", format!("write for example {NAME}")));
        };
        let (isolation, sandbox) = (isolation?, sandbox?);
        table.needs_process(sandbox, isolation, sandbox_line);
        Ok(ProviderEntry {
            stem: stem.to_owned(),
            file: file.to_owned(),
            path,
            name,
            class,
            auth_path,
            sha256: sha256?,
            by_root: false,
            requires_device: requires_device?.unwrap_or(false),
            claims: claims(table, schemes?, hosts?, prefixes?)?,
            isolation: isolation.unwrap_or_default(),
            timeout_ms: timeout_ms?.unwrap_or(DEFAULT_PROVIDER_TIMEOUT_MS),
            // It mounts, and may need to raise its privileges for it.
            sandbox: sandbox.unwrap_or(Sandbox::None),
            priority: priority?.unwrap_or(0),
        })
    })
}

/// What is declared of a provider's names.
fn claims(
    table: &mut Table<'_>,
    schemes: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
    prefixes: Option<Vec<String>>,
) -> Result<Claims, Wrong> {
    for (key, list) in [("schemes", &schemes), ("hosts", &hosts), ("prefixes", &prefixes)] {
        // Of an empty list nobody could say whether it means no name or every name.
        if list.as_ref().is_some_and(Vec::is_empty) {
            let what = format!("{key} is an empty list");
            return Err(table.reject(None, &what, format!("name some, or remove {key}")));
        }
    }
    let given = |list: Option<Vec<String>>| list.unwrap_or_default();
    Ok(Claims::new(&given(schemes), &given(hosts), &given(prefixes)))
}

fn entry<T>(
    file: &Path,
    text: &str,
    variables: &Variables<'_>,
    read: impl FnOnce(&mut Table<'_>) -> Result<T, Wrong>,
) -> (Option<T>, Vec<Problem>) {
    let mut table = match Table::parse(file, text, variables, Cost::Entry) {
        Ok(table) => table,
        Err(problem) => return (None, vec![problem]),
    };
    match table.flag("enabled", "enabled = false") {
        Ok(Some(false)) => (None, table.problems),
        Ok(_) => {
            let entry = read(&mut table).ok();
            (entry, table.finish())
        }
        Err(Wrong) => {
            _ = read(&mut table);
            (None, table.finish())
        }
    }
}

/// A mistake that was noted and costs something.
#[derive(Debug)]
struct Wrong;

/// What a mistake costs.
#[derive(Debug, Clone, Copy)]
enum Cost {
    Settings,
    Entry,
}

impl Cost {
    fn of_a_key(self) -> &'static str {
        match self {
            Cost::Settings => "so the setting is left out",
            Cost::Entry => "so the entry is left out",
        }
    }

    fn of_the_file(self) -> &'static str {
        match self {
            Cost::Settings => "so the settings of this file are left out",
            Cost::Entry => "so the entry is left out",
        }
    }
}

/// A table being read: keys are taken out of it, and what is left over is unknown.
struct Table<'a> {
    file: &'a Path,
    text: &'a str,
    variables: &'a Variables<'a>,
    cost: Cost,
    /// Name of the table within the file, with a dot, or nothing.
    prefix: String,
    entries: DeTable<'a>,
    /// Keys asked for.
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Table<'a> {
    fn parse(
        file: &'a Path,
        text: &'a str,
        variables: &'a Variables<'a>,
        cost: Cost,
    ) -> Result<Self, Problem> {
        match DeTable::parse(text) {
            Ok(entries) => Ok(Table {
                file,
                text,
                variables,
                cost,
                prefix: String::new(),
                entries: entries.into_inner(),
                known: Vec::new(),
                problems: Vec::new(),
            }),
            Err(error) => Err(Problem {
                file: file.to_owned(),
                line: error.span().map(|span| line_at(text, span.start)),
                what: format!(
                    "it is not TOML ({}), {}",
                    error.message().lines().next().unwrap_or_default(),
                    cost.of_the_file()
                ),
                remedy: "correct the line".into(),
            }),
        }
    }

    fn note(&mut self, line: Option<usize>, what: String, remedy: String) {
        self.problems.push(Problem { file: self.file.to_owned(), line, what, remedy });
    }

    /// Notes a mistake that costs the entry or setting.
    fn reject(&mut self, line: Option<usize>, what: &str, remedy: String) -> Wrong {
        self.note(line, format!("{what}, {}", self.cost.of_a_key()), remedy);
        Wrong
    }

    /// Notes that the value of a key is not what belongs there.
    fn misplaced(&mut self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str, example: &str) -> Wrong {
        let line = self.line(value);
        let what = format!("{}{key} is {} where {expected} belongs", self.prefix, in_words(value.get_ref()));
        self.reject(Some(line), &what, format!("write for example {example}"))
    }

    fn line(&self, value: &Spanned<DeValue<'_>>) -> usize {
        line_at(self.text, value.span().start)
    }

    fn line_of(&self, key: &str) -> Option<usize> {
        self.entries.get(key).map(|value| self.line(value))
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.entries.remove(key)
    }

    fn flag(&mut self, key: &'static str, example: &str) -> Result<Option<bool>, Wrong> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Boolean(flag) => Ok(Some(*flag)),
            _ => Err(self.misplaced(key, &value, "true or false", example)),
        }
    }

    fn pin(&mut self) -> Result<Option<Pin>, Wrong> {
        let Some(value) = self.take("sha256") else { return Ok(None) };
        match value.get_ref().as_str().and_then(|text| text.parse().ok()) {
            Some(pin) => Ok(Some(pin)),
            None => {
                let example = format!("sha256 = \"{}\"", Pin::of(b""));
                Err(self.misplaced("sha256", &value, "64 hexadecimal digits", &example))
            }
        }
    }

    fn number<N: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<i64>,
        example: &str,
    ) -> Result<Option<N>, Wrong> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = match value.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number.filter(|number| range.contains(number)).and_then(|number| N::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => {
                let expected = match (*range.start(), *range.end()) {
                    (i64::MIN, _) => "a whole number".to_owned(),
                    (from, to) => format!("a whole number from {from} to {to}"),
                };
                Err(self.misplaced(key, &value, &expected, example))
            }
        }
    }

    fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        example: &str,
    ) -> Result<Option<T>, Wrong> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match choices.iter().find(|(word, _)| value.get_ref().as_str() == Some(word)) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                Err(self.misplaced(key, &value, &words.join(" or "), example))
            }
        }
    }

    fn isolation(&mut self) -> Result<Option<Isolation>, Wrong> {
        let choices = [("in-process", Isolation::InProcess), ("process", Isolation::Process)];
        self.choice("isolation", &choices, "isolation = \"process\"")
    }

    fn sandbox(&mut self) -> Result<Option<Sandbox>, Wrong> {
        let choices = [("none", Sandbox::None), ("default", Sandbox::Default), ("strict", Sandbox::Strict)];
        self.choice("sandbox", &choices, "sandbox = \"default\"")
    }

    /// Notes a sandbox that has no process to be around.
    fn needs_process(&mut self, sandbox: Option<Sandbox>, isolation: Option<Isolation>, line: Option<usize>) {
        if sandbox.is_some() && isolation != Some(Isolation::Process) {
            let what = "sandbox has no effect in the process that connects";
            self.note(line, what.into(), "write isolation = \"process\", or remove sandbox".into());
        }
    }

    fn events(&mut self, key: &'static str, example: &str) -> Result<Option<Events>, Wrong> {
        const EXPECTED: &str = "a list of \"add\" and \"cancel\", or of one of them,";
        let Some(value) = self.take(key) else { return Ok(None) };
        let mut events = Events { add: false, cancel: false };
        for item in value.get_ref().as_array().into_iter().flatten() {
            match item.get_ref().as_str() {
                Some("add") => events.add = true,
                Some("cancel") => events.cancel = true,
                _ => return Err(self.misplaced(key, item, EXPECTED, example)),
            }
        }
        // An empty list would be `enabled = false` said in a way that nobody finds.
        if events.add || events.cancel {
            Ok(Some(events))
        } else {
            Err(self.misplaced(key, &value, EXPECTED, example))
        }
    }

    fn name(&mut self, key: &'static str, example: &str) -> Result<Option<String>, Wrong> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.get_ref().as_str().and_then(as_name) {
            Some(name) => Ok(Some(name)),
            None => Err(self.misplaced(key, &value, "a name of 1 to 255 printable characters", example)),
        }
    }

    /// A list of names: spaces around them are trimmed, empty and repeated ones ignored
    /// (`spec/provider.md` P7).
    fn names(&mut self, key: &'static str, example: &str) -> Result<Option<Vec<String>>, Wrong> {
        const EXPECTED: &str = "a list of names";
        let Some(value) = self.take(key) else { return Ok(None) };
        let Some(items) = value.get_ref().as_array().filter(|items| items.len() <= MOST_ITEMS) else {
            return Err(self.misplaced(key, &value, EXPECTED, example));
        };
        let mut names: Vec<String> = Vec::with_capacity(items.len());
        for item in items {
            let Some(text) = item.get_ref().as_str() else {
                return Err(self.misplaced(key, item, EXPECTED, example));
            };
            if text.trim().is_empty() {
                continue;
            }
            let Some(name) = as_name(text) else {
                return Err(self.misplaced(key, item, EXPECTED, example));
            };
            if !names.iter().any(|known| known.to_lowercase() == name.to_lowercase()) {
                names.push(name);
            }
        }
        Ok(Some(names))
    }

    fn path(&mut self, key: &'static str, example: &str) -> Result<Option<PathBuf>, Wrong> {
        let Some(value) = self.take(key) else { return Ok(None) };
        self.path_in(key, &value, example).map(Some)
    }

    fn path_in(&mut self, key: &str, value: &Spanned<DeValue<'_>>, example: &str) -> Result<PathBuf, Wrong> {
        let Some(text) = value.get_ref().as_str() else {
            return Err(self.misplaced(key, value, "an absolute path", example));
        };
        let expanded: OsString = match self.variables.expand(text) {
            Expansion::Text(expanded) => expanded,
            Expansion::Refused { what, remedy } => {
                let line = self.line(value);
                let what = format!("{}{key} {what}", self.prefix);
                return Err(self.reject(Some(line), &what, remedy));
            }
        };
        let path = PathBuf::from(expanded);
        let bytes = path.as_os_str().as_encoded_bytes();
        if path.is_absolute() && bytes.len() <= LONGEST_PATH && !bytes.contains(&0) {
            Ok(path)
        } else {
            Err(self.misplaced(key, value, "an absolute path", example))
        }
    }

    /// A program and its arguments. Only the program is a path, so only there variables count.
    fn command(&mut self, key: &'static str, example: &str) -> Result<Option<Vec<String>>, Wrong> {
        const EXPECTED: &str = "a list of strings, the first an absolute path,";
        let Some(value) = self.take(key) else { return Ok(None) };
        let Some(items) = value.get_ref().as_array().filter(|items| items.len() <= MOST_ITEMS) else {
            return Err(self.misplaced(key, &value, EXPECTED, example));
        };
        let Some(program) = items.iter().next() else {
            return Err(self.misplaced(key, &value, EXPECTED, example));
        };
        if !program.get_ref().is_str() {
            return Err(self.misplaced(key, program, EXPECTED, example));
        }
        let Ok(program) = self.path_in(key, program, example)?.into_os_string().into_string() else {
            let line = self.line(program);
            let what = format!("{key} has a variable in it whose value is not UTF-8");
            return Err(self.reject(Some(line), &what, "write the path in full".into()));
        };
        let mut command = vec![program];
        for item in items.iter().skip(1) {
            match item.get_ref().as_str() {
                Some(text) if !text.contains('\0') => command.push(text.to_owned()),
                _ => return Err(self.misplaced(key, item, EXPECTED, example)),
            }
        }
        Ok(Some(command))
    }

    /// The table at `key`, to be read on its own.
    fn section(&mut self, key: &'static str) -> Option<Table<'a>> {
        let value = self.take(key)?;
        let prefix = format!("{}{key}.", self.prefix);
        let Table { file, text, variables, cost, .. } = *self;
        if !value.get_ref().is_table() {
            _ = self.misplaced(key, &value, "a table", &format!("[{}{key}]", self.prefix));
            return None;
        }
        let DeValue::Table(entries) = value.into_inner() else { return None };
        Some(Table { file, text, variables, cost, prefix, entries, known: Vec::new(), problems: Vec::new() })
    }

    /// What mounts are like.
    fn mounts(mut self) -> (Mounts, Vec<Problem>) {
        let mounts = Mounts {
            file_mode: self.number("file-mode", 0..=0o777, "file-mode = 0o644").ok().flatten(),
            directory_mode: self.number("directory-mode", 0..=0o777, "directory-mode = 0o755").ok().flatten(),
            timeout_ms: self.number("timeout-ms", 1000..=LONGEST_MS, "timeout-ms = 30000").ok().flatten(),
            encrypt: self.flag("encrypt", "encrypt = false").ok().flatten(),
            symlinks_in_files: self.flag("symlinks-in-files", "symlinks-in-files = true").ok().flatten(),
            cache_memory_mib: self
                .number("cache-memory-mib", 4..=65_536, "cache-memory-mib = 32")
                .ok()
                .flatten(),
            cache_names: self.number("cache-names", 1000..=10_000_000, "cache-names = 100000").ok().flatten(),
        };
        (mounts, self.finish())
    }

    /// Share names and their directories.
    fn shares(mut self) -> (BTreeMap<String, PathBuf>, Vec<Problem>) {
        let mut shares = BTreeMap::new();
        for (key, value) in std::mem::take(&mut self.entries) {
            let (line, name) = (line_at(self.text, key.span().start), key.get_ref().as_ref());
            let named = as_name(name)
                .filter(|name| !name.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|', '@']));
            let Some(share) = named.filter(|_| shares.len() < MOST_ITEMS) else {
                let what = format!("{} cannot be the name of a share", quoted(name));
                self.reject(Some(line), &what, "choose a name without \\ / : * ? \" < > | @".into());
                continue;
            };
            let shown = quoted(name);
            let shown = if name.bytes().all(bare) { name } else { &shown };
            if let Ok(directory) = self.path_in(shown, &value, &format!("{shown} = \"/srv/share\"")) {
                shares.insert(share, directory);
            }
        }
        (shares, self.problems)
    }

    /// Notes what nobody asked for, and gives up all problems.
    fn finish(mut self) -> Vec<Problem> {
        for (key, _) in std::mem::take(&mut self.entries).into_iter().take(MOST_ITEMS) {
            let name = key.get_ref();
            let remedy = match closest(name, &self.known) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("remove it, or choose one of {}", self.known.join(", ")),
            };
            let line = line_at(self.text, key.span().start);
            let shown = if name.bytes().all(bare) { name.to_string() } else { quoted(name) };
            let what =
                format!("{}{} is no key of this file and has no effect", self.prefix, shortened(&shown));
            self.note(Some(line), what, remedy);
        }
        self.problems
    }
}

/// A name, trimmed, if it can be one.
pub(super) fn as_name(text: &str) -> Option<String> {
    let name = text.trim();
    let good =
        !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control);
    good.then(|| name.to_owned())
}

/// Whether a key may hold `byte` without quotes.
fn bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The line, counted from 1, of the byte at `offset`.
fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}

/// A value as a message shows it.
pub(super) fn in_words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) if number.radix() == 10 => shortened(number.as_str()),
        DeValue::Integer(_) => "a number".into(),
        DeValue::Float(_) => "a decimal number".into(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date or time".into(),
        DeValue::Array(items) if items.is_empty() => "an empty list".into(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// Text in quotes, on one line whatever it is.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

fn shortened(text: &str) -> String {
    const LONGEST: usize = 80;
    if text.chars().count() <= LONGEST {
        text.to_owned()
    } else {
        text.chars().take(LONGEST).chain(['…']).collect()
    }
}

/// The known key that `key` was probably meant to be.
pub(super) fn closest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    if key.len() > 40 {
        return None;
    }
    let key = key.to_lowercase().replace('_', "-");
    known
        .iter()
        .map(|known| (distance(key.as_bytes(), known.as_bytes()), *known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3)
        .map(|(_, known)| known)
}

/// How many bytes must be inserted, removed or changed to turn `a` into `b`.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
