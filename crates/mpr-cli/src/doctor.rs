//! `mpr doctor`: everything that was considered, taken and left out, why, and what to do about it.

use crate::failure::Failure;
use crate::output::{Output, clean};
use crate::provider::BUILT_IN;
use crate::registration::{self, Family};
use mpr::config::{Config, NotifyeeEntry, ProviderEntry, Source};
use mpr::{Problem, Router};
use mpr_helper::connections::{Connections, State};
use mpr_helper::mounts::Table;
use mpr_helper::record::{Records, Slot};
use mpr_helper::{dirs, spawn};
use mpr_plugin::Start;
use mpr_plugin::abi::WN_NETWORK_CLASS;
use serde::Serialize;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Examines the configuration, the plug-ins and the connections, and says what is wrong
#[derive(clap::Args, Debug)]
pub(crate) struct Doctor {}

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    /// Worth knowing; nothing needs to be done.
    Note,
    Wrong,
}

/// One thing that was examined.
#[derive(Debug, Serialize)]
struct Finding {
    section: Section,
    verdict: Verdict,
    /// What it is about: a file, a name.
    subject: String,
    what: String,
    /// What to do about it.
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Section {
    Configuration,
    Providers,
    Notifyees,
    Remembered,
    Helpers,
    Connections,
}

impl Section {
    fn heading(self) -> &'static str {
        match self {
            Section::Configuration => "Configuration, weakest first",
            Section::Providers => "Network providers, in the order they are asked",
            Section::Notifyees => "Notification libraries, in registration order",
            Section::Remembered => "Remembered connections",
            Section::Helpers => "Helper programs and the file system driver",
            Section::Connections => "Connections and the directory they live in",
        }
    }
}

/// Everything that was found, in the order in which it is told.
#[derive(Debug, Default)]
struct Examination {
    findings: Vec<Finding>,
}

impl Examination {
    fn add(
        &mut self,
        section: Section,
        verdict: Verdict,
        subject: impl Into<String>,
        what: impl Into<String>,
    ) {
        let (subject, what) = (subject.into(), what.into());
        self.findings.push(Finding { section, verdict, subject, what, remedy: None });
    }

    fn ok(&mut self, section: Section, subject: impl Into<String>, what: impl Into<String>) {
        self.add(section, Verdict::Ok, subject, what);
    }

    fn note(&mut self, section: Section, subject: impl Into<String>, what: impl Into<String>) {
        self.add(section, Verdict::Note, subject, what);
    }

    fn wrong(
        &mut self,
        section: Section,
        subject: impl Into<String>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(section, Verdict::Wrong, subject, what);
        if let Some(finding) = self.findings.last_mut() {
            finding.remedy = Some(remedy.into());
        }
    }

    fn problem(&mut self, section: Section, problem: &Problem) {
        let subject = match problem.line {
            Some(line) => format!("{}:{line}", problem.file.display()),
            None => problem.file.display().to_string(),
        };
        self.wrong(section, subject, &*problem.what, &*problem.remedy);
    }
}

pub(crate) fn run(_: &Doctor, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let mut examination = Examination::default();
    let problems = router.problems();
    let default = Config::default();
    let config = router.config().unwrap_or(&default);
    examine_configuration(&mut examination, config);
    examine_providers(&mut examination, router, config, &problems);
    examine_notifyees(&mut examination, router, config, &problems);
    examine_store(&mut examination, router, &problems);
    examine_helpers(&mut examination, needs_mounts(router, config));
    examine_connections(&mut examination);
    tell(&examination.findings, output)
}

fn tell(findings: &[Finding], output: &Output) -> Result<(), Failure> {
    let wrong = findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
    if output.json {
        findings.iter().try_for_each(|finding| output.object(finding))?;
    } else {
        let mut section = None;
        for finding in findings.iter().filter(|finding| !output.quiet || finding.verdict == Verdict::Wrong) {
            if section != Some(finding.section) {
                let gap = if section.is_some() { "\n" } else { "" };
                output.line(format_args!("{gap}{}", finding.section.heading()))?;
                section = Some(finding.section);
            }
            let mark = match finding.verdict {
                Verdict::Ok => "ok   ",
                Verdict::Note => "note ",
                Verdict::Wrong => "WRONG",
            };
            output.line(format_args!("  {mark}  {}: {}", clean(&finding.subject), clean(&finding.what)))?;
            if let Some(remedy) = &finding.remedy {
                output.line(format_args!("         to mend it: {}", clean(remedy)))?;
            }
        }
        match wrong {
            0 => output.done("\nNothing is wrong.")?,
            1 => output.line("\nOne thing is wrong.")?,
            _ => output.line(format_args!("\n{wrong} things are wrong."))?,
        }
    }
    if wrong > 0 { Err(Failure::Told) } else { Ok(()) }
}

/// The part of the configuration a problem is in.
fn section(problem: &Problem) -> Section {
    let family = |family: Family| {
        problem.file.ends_with(family.directory())
            || problem.file.parent().is_some_and(|parent| parent.ends_with(family.directory()))
    };
    match () {
        () if family(Family::Providers) => Section::Providers,
        () if family(Family::Notifyees) => Section::Notifyees,
        () => Section::Configuration,
    }
}

fn examine_configuration(examination: &mut Examination, config: &Config) {
    let here = Section::Configuration;
    for directory in dirs::config_dirs() {
        let shown = directory.display().to_string();
        match directory.metadata() {
            Ok(meta) if meta.is_dir() && meta.mode() & 0o002 != 0 && meta.mode() & 0o1000 == 0 => examination
                .wrong(
                    here,
                    &*shown,
                    format!(
                        "anyone can write to it (mode {:04o}), and so register code that runs as you",
                        meta.mode() & 0o7777
                    ),
                    format!("chmod o-w '{shown}'"),
                ),
            Ok(meta) if meta.is_dir() => examination.ok(here, &*shown, "is read"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                examination.note(here, &*shown, "is not there, which is fine");
            }
            // The router noted it.
            Err(_) => {}
        }
    }
    let settings = config.problems.iter().filter(|problem| section(problem) == here);
    settings.for_each(|problem| examination.problem(here, problem));
}

fn examine_providers(examination: &mut Examination, router: &Router, config: &Config, problems: &[Problem]) {
    let here = Section::Providers;
    for (place, provider) in router.network_providers().enumerate() {
        let name = provider.name.to_string_lossy();
        let from = match config.providers.iter().find(|entry| entry.name.eq_ignore_ascii_case(&name)) {
            Some(entry) => format!("{} ({})", entry.path.display(), entry.file.display()),
            None => "built in".to_owned(),
        };
        let state = match provider.network().start() {
            Start::Running => "",
            Start::Never => ", but its network does not start any more",
            Start::Within(_) | Start::Unknown => ", but its network is still starting",
        };
        examination.ok(here, format!("{}. {name}", place + 1), format!("{from}{state}"));
    }
    if router.network_providers().next().is_none() {
        examination.wrong(
            here,
            "no provider",
            "nothing can be connected, since no network provider is loaded",
            "register one (mpr provider add), or allow the built-in ones (builtin-providers in mpr.toml)",
        );
    }
    for entry in config.providers.iter().filter(|entry| entry.class & WN_NETWORK_CLASS == 0) {
        examination.note(here, entry.file.display().to_string(), credential_manager(entry, config));
    }
    masked(examination, here, Family::Providers);
    for name in &config.provider_order {
        let known = |text: &str| text.to_lowercase() == name.to_lowercase();
        let listed = router.network_providers().any(|provider| known(&provider.name.to_string_lossy()))
            || config.providers.iter().any(|entry| known(&entry.name) || known(&entry.stem))
            || BUILT_IN.iter().any(|(stem, _)| known(stem));
        if !listed {
            examination.note(here, "provider-order", format!("names \"{name}\", which is not there"));
        }
    }
    of_section(examination, here, problems);
}

fn credential_manager(entry: &ProviderEntry, config: &Config) -> String {
    let called =
        if config.credential_managers { "is called" } else { "is not called: credential-managers is off" };
    format!("\"{}\" is a credential manager, which {called}", entry.name)
}

fn examine_notifyees(examination: &mut Examination, router: &Router, config: &Config, problems: &[Problem]) {
    let here = Section::Notifyees;
    let loaded: Vec<&str> = router.registrations().map(|registration| &*registration.label).collect();
    for (place, entry) in config.notifyees.iter().enumerate() {
        let failed =
            problems.iter().any(|problem| problem.file == entry.file && !config.problems.contains(problem));
        let subject = format!("{}. {}", place + 1, entry.stem);
        let from = format!("{} ({})", source(entry), entry.file.display());
        match (loaded.contains(&&*entry.stem), failed) {
            (true, false) => examination.ok(here, subject, from),
            (true, true) => examination.note(
                here,
                subject,
                format!("{from} could not be loaded, and on-failure = \"deny\" refuses what it would be asked about"),
            ),
            // Why it is not loaded is told below.
            (false, true) => {}
            (false, false) => {
                examination.note(here, subject, format!("{from} is the same library as an earlier one, and called once"));
            }
        }
    }
    if config.notifyees.is_empty() {
        examination.ok(here, "none", "no notification library is registered");
    }
    masked(examination, here, Family::Notifyees);
    of_section(examination, here, problems);
}

fn source(entry: &NotifyeeEntry) -> String {
    match &entry.source {
        Source::Library(path) => path.display().to_string(),
        Source::Command(command) => command.join(" "),
    }
}

fn masked(examination: &mut Examination, here: Section, family: Family) {
    for one in registration::registered(family).iter().filter(|one| one.masked) {
        examination.note(here, &*one.stem, format!("is masked by {}", one.file().display()));
    }
}

/// The problems with the registrations of one section.
fn of_section(examination: &mut Examination, here: Section, problems: &[Problem]) {
    problems
        .iter()
        .filter(|problem| section(problem) == here)
        .for_each(|problem| examination.problem(here, problem));
}

fn examine_store(examination: &mut Examination, router: &Router, problems: &[Problem]) {
    let here = Section::Remembered;
    let store = match router.store() {
        Ok(store) => store,
        Err(_) => {
            return examination.wrong(
                here,
                "no place",
                "there is no directory to remember connections in",
                "set MPR_STATE_DIR or HOME to a directory of yours",
            );
        }
    };
    let shown = store.path().display().to_string();
    let own = store.problems();
    if own.is_empty() {
        let count = store.entries().map(|entries| entries.len()).unwrap_or(0);
        examination.ok(here, shown, format!("{count} remembered"));
    }
    own.iter().for_each(|problem| examination.problem(here, problem));
    // What the router knows beyond the three tables, if it ever does, is not to be lost.
    let told = |problem: &&Problem| {
        own.contains(problem)
            || section(problem) != Section::Configuration
            || router.config().is_some_and(|config| config.problems.contains(problem))
    };
    problems.iter().filter(|problem| !told(problem)).for_each(|problem| examination.problem(here, problem));
}

/// Whether any loaded provider mounts what it connects: the built-in ones do, but for the local one.
fn needs_mounts(router: &Router, config: &Config) -> bool {
    router.network_providers().any(|provider| {
        let name = provider.name.to_string_lossy();
        let registered = config.providers.iter().any(|entry| entry.name.eq_ignore_ascii_case(&name));
        !registered && name != "Local Directory Network"
    })
}

fn examine_helpers(examination: &mut Examination, needed: bool) {
    let here = Section::Helpers;
    let lacks = |examination: &mut Examination, subject: &str, what: String, remedy: &str| {
        if needed {
            examination.wrong(here, subject, what, remedy);
        } else {
            examination.note(here, subject, format!("{what}; no loaded provider needs it"));
        }
    };
    match spawn::find(spawn::MPR_MOUNT) {
        Ok(path) => examination.ok(here, spawn::MPR_MOUNT, path.display().to_string()),
        Err(error) => lacks(
            examination,
            spawn::MPR_MOUNT,
            error.to_string(),
            "install the package that brings it, or set MPR_LIBEXEC_DIR to its directory",
        ),
    }
    let fuse = Path::new("/dev/fuse");
    match rustix::fs::access(fuse, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK) {
        Ok(()) => examination.ok(here, "/dev/fuse", "can be used"),
        Err(error) if error == rustix::io::Errno::NOENT => lacks(
            examination,
            "/dev/fuse",
            "is not there".into(),
            "load the kernel module (modprobe fuse); in a container, pass the device in",
        ),
        Err(error) => lacks(
            examination,
            "/dev/fuse",
            format!("cannot be used: {}", io::Error::from(error)),
            "give this user access to it, usually with mode 0666",
        ),
    }
    examine_fusermount(examination, &lacks);
}

fn examine_fusermount(examination: &mut Examination, lacks: &dyn Fn(&mut Examination, &str, String, &str)) {
    const NAME: &str = "fusermount3";
    let root = dirs::effective_uid() == 0;
    let places = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];
    let found = places.iter().map(|place| PathBuf::from(place).join(NAME)).find_map(|path| {
        let meta = fs::metadata(&path).ok()?;
        Some((path, meta))
    });
    match found {
        Some((path, meta)) if root || meta.uid() == 0 && meta.mode() & 0o4000 != 0 => {
            examination.ok(Section::Helpers, NAME, path.display().to_string());
        }
        Some((path, meta)) => lacks(
            examination,
            NAME,
            format!(
                "{} is not set-user-ID root (mode {:04o}), so only root can mount",
                path.display(),
                meta.mode() & 0o7777
            ),
            "reinstall the package fuse3",
        ),
        None if root => examination.note(Section::Helpers, NAME, "is not there; root can mount without it"),
        None => lacks(
            examination,
            NAME,
            "is not there, so only root can mount".into(),
            "install the package fuse3",
        ),
    }
}

fn examine_connections(examination: &mut Examination) {
    let here = Section::Connections;
    let runtime = match dirs::runtime_path() {
        Ok(runtime) => runtime,
        Err(error) => {
            return examination.wrong(
                here,
                "no place",
                error.to_string(),
                "set MPR_RUNTIME_DIR to an absolute path",
            );
        }
    };
    let shown = runtime.display().to_string();
    if !runtime.try_exists().unwrap_or(true) {
        return examination.ok(here, shown, "is made with the first connection");
    }
    match dirs::open_private(&runtime) {
        Ok(_) => examination.ok(here, &*shown, "is yours alone"),
        Err(error) => {
            return examination.wrong(
                here,
                shown,
                error.to_string(),
                "make it yours alone, or set MPR_RUNTIME_DIR",
            );
        }
    }
    examine_records(examination, &Connections::of(&runtime));
}

fn examine_records(examination: &mut Examination, connections: &Connections) {
    let here = Section::Connections;
    let directory = connections.records().directory().to_owned();
    let listed = match connections.records().list() {
        Ok(listed) => listed,
        Err(error) => {
            let subject = directory.display().to_string();
            return examination.wrong(here, subject, error.to_string(), "look at its mode and owner");
        }
    };
    let table = Table::now().unwrap_or_default();
    for (slot, record) in &listed {
        let name = record.local.as_deref().unwrap_or(&record.remote);
        let subject = format!("{name} ({})", record.remote);
        match connections.at(slot) {
            Ok(Some(connection)) if connection.state == State::Connected => {
                examination.ok(here, subject, format!("at {}", record.mount_point));
            }
            Ok(Some(_)) => examination.wrong(
                here,
                subject,
                format!("its helper process has died, so every access to {} fails", record.mount_point),
                format!("mpr disconnect {name}, then connect it again"),
            ),
            Ok(None) if table.at(Path::new(&record.mount_point)).is_some() => examination.wrong(
                here,
                subject,
                format!("something else is mounted at {} now", record.mount_point),
                format!("unmount that, or remove {}/{}.json", directory.display(), slot.stem()),
            ),
            Ok(None) => examination.wrong(
                here,
                subject,
                "a record without a mount was left behind by a helper that died",
                format!("rm '{}/{}.json'", directory.display(), slot.stem()),
            ),
            Err(error) => {
                examination.wrong(
                    here,
                    subject,
                    error.to_string(),
                    "look at the mode of the runtime directory",
                );
            }
        }
    }
    let known: Vec<&str> = listed.iter().map(|(slot, _)| slot.stem()).collect();
    examine_strangers(examination, connections.records(), &known);
}

/// Files that look like records and cannot be read as such.
fn examine_strangers(examination: &mut Examination, records: &Records, known: &[&str]) {
    let Ok(entries) = fs::read_dir(records.directory()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
        if known.contains(&stem) {
            continue;
        }
        let why = match Slot::from_stem(stem).map(|slot| records.read(&slot)) {
            Some(Err(error)) => error.to_string(),
            // It has gone, or come, since the directory was listed.
            Some(Ok(_)) => continue,
            None => "its name is not that of a record".to_owned(),
        };
        let path = entry.path().display().to_string();
        let remedy = format!("rm '{path}'");
        examination.wrong(
            Section::Connections,
            path,
            format!("no connection is shown for it: {why}"),
            remedy,
        );
    }
}
