//! `mpr notifyee`: the notification libraries, which are told of every connect and disconnect.

use crate::check::{self, Check};
use crate::failure::Failure;
use crate::library_file::LibraryFile;
use crate::output::{Output, Table, clean};
use crate::registration::{self, Family, Level};
use clap::{Subcommand, ValueEnum};
use mpr::Router;
use mpr::config::{Config, Events, Isolation, NotifyeeEntry, OnFailure, Sandbox, Source};
use mpr::isolated::{self, Trial};
use mpr::library::Terms;
use mpr::policy::LABEL;
use mpr_helper::dirs;
use mpr_plugin::Event;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use toml_edit::{Array, value};

const FAMILY: Family = Family::Notifyees;

/// Manages notification libraries, which are told of every connect and disconnect and may refuse it
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Add(Add),
    /// Unregisters a library; one of the system is masked for you
    Remove(OfLevel),
    /// Takes a masked library back into use
    Enable(OfLevel),
    /// Lists what is registered, where, and whether it is loaded
    List,
    /// Loads a library in a process of its own and reports what it exports, whose it is, and what it does
    Check(Check),
    /// Shows the registration order, or puts libraries first in it
    Order {
        /// Names in the order they are to come, before all others
        names: Vec<String>,
        #[command(flatten)]
        level: Level,
    },
}

/// Registers a notification library, or a command to be run
#[derive(clap::Args, Debug)]
struct Add {
    /// Name of the registration
    name: String,
    /// The shared object
    #[arg(required_unless_present = "command")]
    path: Option<PathBuf>,
    /// A program and its arguments to be run instead, behind `--`
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "path", id = "command")]
    command: Vec<String>,
    /// Place in the order: lower comes first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i64>,
    /// What it is told of; everything if left out
    #[arg(long, value_delimiter = ',')]
    events: Vec<EventName>,
    /// Where it runs: in the process that connects, or in one of its own
    #[arg(long)]
    isolation: Option<IsolationName>,
    /// How long a call may take outside the caller's process, in milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    timeout_ms: Option<u32>,
    /// What it may do there, of what its user may
    #[arg(long)]
    sandbox: Option<SandboxName>,
    /// What becomes of an operation when the library cannot answer
    #[arg(long)]
    on_failure: Option<FailureName>,
    /// Run it only as long as it has the contents it has now
    #[arg(long)]
    pin: bool,
    /// Change a registration that exists
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    level: Level,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EventName {
    Add,
    Cancel,
}

/// Where a plug-in runs.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum IsolationName {
    InProcess,
    Process,
}

/// What a plug-in may do in a process of its own.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SandboxName {
    /// Everything
    None,
    /// Neither change the system nor reach into other processes or the kernel
    Default,
    /// Nor write, start programs, or leave the machine
    Strict,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FailureName {
    Allow,
    Deny,
}

/// The word that stands in the file.
pub(crate) fn word(name: impl ValueEnum) -> String {
    name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

#[derive(clap::Args, Debug)]
struct OfLevel {
    /// Name of the registration
    name: String,
    #[command(flatten)]
    level: Level,
}

pub(crate) fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    match arguments.command {
        Command::Add(add) => add.run(output),
        Command::Remove(one) => registration::remove(FAMILY, &one.name, one.level, output),
        Command::Enable(one) => registration::enable(FAMILY, &one.name, one.level, output),
        Command::List => list(output),
        Command::Check(arguments) => check(&arguments, output),
        Command::Order { names, level } => order(&names, level, output),
    }
}

impl Add {
    fn run(self, output: &Output) -> Result<(), Failure> {
        let path = self.path.as_deref().map(registration::absolute).transpose()?;
        if let Some(program) = self.command.first().filter(|program| !Path::new(program).is_absolute()) {
            return Err(Failure::Usage(format!(
                "the command '{}' is no absolute path, and it will be run where nobody searches for it",
                clean(program)
            )));
        }
        let pin = match (self.pin, path.as_ref().or(self.command.first())) {
            (true, Some(file)) => Some(registration::pin(file)?),
            _ => None,
        };
        registration::add(FAMILY, &self.name, self.level, self.replace, output, |document| {
            if let Some(path) = path {
                document.unset("command");
                document.set("path", value(path));
            } else {
                document.unset("path");
                document.set("command", value(self.command.iter().collect::<Array>()));
            }
            if let Some(pin) = pin {
                document.set("sha256", value(pin));
            }
            if let Some(priority) = self.priority {
                document.set("priority", value(priority));
            }
            if !self.events.is_empty() {
                document
                    .set("events", value(self.events.iter().map(|&event| word(event)).collect::<Array>()));
            }
            if let Some(isolation) = self.isolation {
                document.set("isolation", value(word(isolation)));
            }
            if let Some(timeout) = self.timeout_ms {
                document.set("timeout-ms", value(i64::from(timeout)));
            }
            if let Some(sandbox) = self.sandbox {
                document.set("sandbox", value(word(sandbox)));
            }
            if let Some(answer) = self.on_failure {
                document.set("on-failure", value(word(answer)));
            }
        })
    }
}

/// Whether a registration does what it is for.
#[derive(Debug)]
enum Standing {
    /// It comes with the router, and is asked before all others.
    BuiltIn,
    Loaded,
    /// In a process of its own, started when it is needed.
    Isolated,
    /// A command, run when it is needed.
    Command,
    /// It failed too often, and is not asked for a while.
    Suspended(String),
    /// And everything it should be asked about is refused.
    Denying(String),
    Skipped(String),
    Masked,
}

impl Standing {
    fn text(&self) -> (&'static str, &str) {
        match self {
            Standing::BuiltIn => ("built-in", "asked before all others; see mpr policy list"),
            Standing::Loaded => ("loaded", ""),
            Standing::Isolated => ("isolated", ""),
            Standing::Command => ("command", ""),
            Standing::Suspended(why) => ("suspended", why),
            Standing::Denying(why) => ("denying", why),
            Standing::Skipped(why) => ("skipped", why),
            Standing::Masked => ("masked", ""),
        }
    }
}

fn list(output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let default = Config::default();
    let config = router.config().unwrap_or(&default);
    let problems = router.problems();
    let loaded: Vec<&str> = router.registrations().map(|one| &*one.label).collect();
    let why = |file: &Path| {
        let problem = problems.iter().find(|problem| problem.file == file);
        problem.map(|problem| format!("{}; {}", problem.what, problem.remedy))
    };
    let standing = |entry: &NotifyeeEntry| match (loaded.contains(&&*entry.stem), why(&entry.file)) {
        (true, Some(why)) if !is_only_noted(config, &entry.file, &problems) => Standing::Denying(why),
        (true, _) => called(entry),
        (false, Some(why)) => Standing::Skipped(why),
        (false, None) if router.is_in_safe_mode() => Standing::Skipped(registration::IN_SAFE_MODE.into()),
        (false, None) => {
            Standing::Skipped("it is the same library as an earlier one, and called once".into())
        }
    };
    let mut table = Table::new(&["NAME", "STATE", "PRIORITY", "EVENTS", "CALLED", "FILE", "WHY"]);
    let mut tell = |name: &str, standing: &Standing, entry: Option<&NotifyeeEntry>, file: &Path| {
        let (state, why) = standing.text();
        if output.json {
            return output.object(&fact(name, state, why, entry, file));
        }
        let (priority, events, called) = match entry {
            Some(entry) => (entry.priority.to_string(), events_text(entry.events), source(&entry.source)),
            None => ("-".into(), "-".into(), "-".into()),
        };
        table.row([name, state, &priority, &events, &called, &file.display().to_string(), why]);
        Ok(())
    };
    if let Some(policies) = router.policies() {
        let files = policies.tiers().iter().flat_map(|tier| &tier.files);
        let file =
            files.map(|one| one.file.as_path()).find_map(Path::parent).unwrap_or(Path::new("policy.d"));
        tell(LABEL, &Standing::BuiltIn, None, file)?;
    }
    for entry in &config.notifyees {
        tell(&entry.stem, &standing(entry), Some(entry), &entry.file)?;
    }
    // What did not even become an entry: masked, or with a mistake that costs the entry.
    for one in registration::registered(FAMILY) {
        if config.notifyees.iter().any(|entry| entry.stem == one.stem) {
            continue;
        }
        let standing = match one.masked {
            true => Standing::Masked,
            false => Standing::Skipped(why(one.file()).unwrap_or_else(|| "it cannot be read".into())),
        };
        tell(&one.stem, &standing, None, one.file())?;
    }
    if table.is_empty() {
        if !output.json {
            output.note("no notification library is registered");
        }
        return Ok(());
    }
    table.print(output)
}

/// How one is called that can be.
fn called(entry: &NotifyeeEntry) -> Standing {
    let standing = match (&entry.source, entry.isolation) {
        (Source::Library(_), Isolation::InProcess) => return Standing::Loaded,
        (Source::Library(_), Isolation::Process) => Standing::Isolated,
        (Source::Command(_), _) => Standing::Command,
    };
    suspension(entry).map_or(standing, Standing::Suspended)
}

/// Why nobody asks an isolated library for now, and what becomes of operations meanwhile.
pub(crate) fn suspension(entry: &NotifyeeEntry) -> Option<String> {
    let failing = isolated::failing(entry)?;
    let left = failing.suspended()?;
    let becomes = match entry.on_failure {
        OnFailure::Allow => "operations go on without it",
        OnFailure::Deny => "what it would be asked about is refused",
    };
    Some(format!(
        "for another {} s {becomes}: it failed {} times in a row; the last time, {}",
        left.as_millis().div_ceil(1000),
        failing.failures,
        failing.last
    ))
}

/// Whether all problems with a file are notes of the configuration, which cost nothing.
fn is_only_noted(config: &Config, file: &Path, problems: &[mpr::Problem]) -> bool {
    problems.iter().filter(|problem| problem.file == file).all(|problem| config.problems.contains(problem))
}

fn fact(name: &str, state: &str, why: &str, entry: Option<&NotifyeeEntry>, file: &Path) -> Value {
    let (path, command) = match entry.map(|entry| &entry.source) {
        Some(Source::Library(path)) => (Some(path), None),
        Some(Source::Command(command)) => (None, Some(command)),
        None => (None, None),
    };
    json!({
        "name": name,
        "state": state,
        "why": (!why.is_empty()).then_some(why),
        "file": file,
        "path": path,
        "command": command,
        "priority": entry.map(|entry| entry.priority),
        "events": entry.map(|entry| events_names(entry.events)),
        "isolation": entry.map(|entry| isolation(entry.isolation)),
        "sandbox": entry.filter(|entry| entry.isolation == Isolation::Process).map(|entry| entry.sandbox),
    })
}

/// As it stands in the file.
pub(crate) fn isolation(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::InProcess => "in-process",
        Isolation::Process => "process",
    }
}

fn events_names(events: Events) -> Vec<&'static str> {
    [(events.add, "add"), (events.cancel, "cancel")]
        .into_iter()
        .filter(|one| one.0)
        .map(|one| one.1)
        .collect()
}

fn events_text(events: Events) -> String {
    events_names(events).join(",")
}

fn source(source: &Source) -> String {
    match source {
        Source::Library(path) => path.display().to_string(),
        Source::Command(command) => command.join(" "),
    }
}

fn check(arguments: &Check, output: &Output) -> Result<(), Failure> {
    let name = &*arguments.name;
    let path = registered_path(name)?;
    let file = LibraryFile::read(&path)?;
    let registered =
        Router::system().config().and_then(|config| config.notifyees.iter().find(|entry| entry.stem == name));
    let elevated = dirs::is_elevated();
    let terms = match registered {
        Some(entry) => entry.terms(elevated),
        None => Terms { elevated, ..Terms::default() },
    };
    let entry = registered.filter(|entry| entry.isolation == Isolation::Process);
    let sandbox = entry.map_or(Sandbox::Default, |entry| entry.sandbox);
    let limit = arguments.limit(entry.map(|entry| entry.timeout_ms));
    let trial = Trial::of_notifyee(&file.path, sandbox, limit, &terms);
    let exports = |name: &str| file.exports(name);
    let hears = [("AddConnectNotify", Event::Add, "add"), ("CancelConnectNotify", Event::Cancel, "cancel")];
    let hears: Vec<_> = hears.into_iter().filter(|one| exports(one.0) && trial.is_ok()).collect();
    let events: Vec<&str> = hears.iter().map(|one| one.2).collect();
    let calls = match &trial {
        Ok((trial, _)) if arguments.call => hears.iter().flat_map(|one| trial.notify(one.1)).collect(),
        _ => Vec::new(),
    };
    check::tell(
        &file,
        trial.as_ref().map(|trial| trial.1),
        json!({ "events": events }),
        &calls,
        output,
        || match events.len() {
            2 => "is told of connects and disconnects".into(),
            _ => format!("is told of {} alone", if events == ["add"] { "connects" } else { "disconnects" }),
        },
    )
}

/// The library of a registration of this name, else the path itself.
fn registered_path(name: &str) -> Result<PathBuf, Failure> {
    let entry =
        Router::system().config().and_then(|config| config.notifyees.iter().find(|entry| entry.stem == name));
    match entry.map(|entry| &entry.source) {
        Some(Source::Library(path)) => Ok(path.clone()),
        Some(Source::Command(command)) => Err(Failure::other(
            format!("'{}' is a command ({}), not a library", clean(name), clean(&command.join(" "))),
            "run it by hand to see what it does",
        )),
        None => Ok(name.into()),
    }
}

fn order(names: &[String], level: Level, output: &Output) -> Result<(), Failure> {
    let config = Config::read(&dirs::config_dirs(), dirs::is_elevated());
    if !names.is_empty() {
        let others = config.notifyees.iter().filter(|entry| !names.contains(&entry.stem));
        let others: Vec<i64> = others.map(|entry| entry.priority).collect();
        registration::put_first(FAMILY, names, &others, level, output)?;
    }
    let config = Config::read(&dirs::config_dirs(), dirs::is_elevated());
    for entry in &config.notifyees {
        match output.json {
            true => output.object(&json!({ "name": entry.stem, "priority": entry.priority }))?,
            false => output.line(format_args!("{:>6}  {}", entry.priority, clean(&entry.stem)))?,
        }
    }
    Ok(())
}
