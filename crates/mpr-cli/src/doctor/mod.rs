//! `mpr doctor`: everything that was considered, taken and left out, why, and what to do about it.

mod connections;
mod helpers;

use crate::failure::Failure;
use crate::notifyee;
use crate::output::{Output, clean};
use crate::place::Places;
use crate::provider::{self, BUILT_IN};
use crate::registration::{self, Family};
use mpr::config::{Config, Isolation, NotifyeeEntry, ProviderEntry, Source};
use mpr::{Problem, Router};
use mpr_helper::dirs;
use mpr_plugin::Start;
use mpr_plugin::abi::WN_NETWORK_CLASS;
use serde::Serialize;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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
    helpers::examine(&mut examination, router, config);
    connections::examine(&mut examination, &Places::asked(router), &problems);
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

/// What the router calls the settings of all directories taken together.
const SETTINGS: &str = "mpr.toml";
/// What it calls the run-time directory where there is none.
const RUNTIME: &str = "the run-time directory";

/// The part of the configuration a problem is in.
fn section(problem: &Problem) -> Section {
    let family = |family: Family| {
        problem.file.ends_with(family.directory())
            || problem.file.parent().is_some_and(|parent| parent.ends_with(family.directory()))
    };
    match () {
        () if family(Family::Providers) => Section::Providers,
        () if family(Family::Notifyees) => Section::Notifyees,
        // What the router says of its built-in providers: found beyond any one file.
        () if problem.file == Path::new(SETTINGS) => Section::Providers,
        () if problem.file == Path::new(RUNTIME) => Section::Connections,
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
        let entry = config.providers.iter().find(|entry| entry.name.eq_ignore_ascii_case(&name));
        if let Some(why) = entry.and_then(provider::suspension) {
            let subject = format!("{}. {name}", place + 1);
            let file = failures(Family::Providers, entry.map_or("", |entry| &entry.stem));
            examination.wrong(here, subject, format!("is suspended {why}"), file);
            continue;
        }
        let from = match entry {
            Some(entry) if entry.isolation == Isolation::Process => {
                format!("{} ({}), in a process of its own", entry.path.display(), entry.file.display())
            }
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
        if let Some(why) = notifyee::suspension(entry) {
            let remedy = failures(Family::Notifyees, &entry.stem);
            examination.wrong(here, subject, format!("is suspended {why}"), remedy);
            continue;
        }
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

/// What to do about a plug-in that is suspended.
fn failures(family: Family, stem: &str) -> String {
    let directory = match family {
        Family::Providers => "providers",
        Family::Notifyees => "notifyees",
    };
    let mended = "mend it, and it is asked again after that time";
    match dirs::runtime_path() {
        Ok(runtime) => {
            let file = runtime.join(directory).join(format!("{stem}.json"));
            format!("{mended}; or at once: rm '{}'", file.display())
        }
        Err(_) => mended.to_owned(),
    }
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
