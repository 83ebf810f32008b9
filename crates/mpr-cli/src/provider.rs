//! `mpr provider`: the network providers, which make the connections.

use crate::check::{self, Check};
use crate::failure::Failure;
use crate::library_file::LibraryFile;
use crate::notifyee::{self, IsolationName, SandboxName, word};
use crate::output::{Output, Table, clean};
use crate::registration::{self, Document, Family, Level, is_new};
use clap::Subcommand;
use mpr::config::{Config, Isolation, ProviderEntry, Sandbox};
use mpr::isolated::{self, Trial};
use mpr::library::{LoadError, Terms};
use mpr::{Provider, Router};
use mpr_helper::dirs;
use mpr_plugin::abi::{
    WN_NETWORK_CLASS, WNNC_CON_ADDCONNECTION, WNNC_CON_ADDCONNECTION3, WNNC_CON_ADDCONNECTION4,
    WNNC_CON_CANCELCONNECTION, WNNC_CON_CANCELCONNECTION2, WNNC_CON_DEFER, WNNC_CON_GETCONNECTIONS,
    WNNC_CON_GETPERFORMANCE, WNNC_DLG_GETRESOURCEINFORMATION, WNNC_ENUM_GLOBAL, WNNC_ENUM_LOCAL,
    WNNC_USR_GETUSER,
};
use mpr_plugin::{Capabilities, Start};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use toml_edit::{Array, value};

const FAMILY: Family = Family::Providers;

/// Manages network providers, which make the connections
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Add(Add),
    /// Unregisters a provider; one of the system is masked for you
    Remove(OfLevel),
    /// Takes a masked provider back into use
    Enable(OfLevel),
    /// Lists the providers in the order they are asked, and whether they are loaded
    List,
    /// Loads a provider in a process of its own and reports what it exports, what it can do and whose it is
    Check(Check),
    /// Shows the order in which providers are asked, or sets it
    Order {
        /// Names of providers or registrations in the order they are to be asked, before all others
        names: Vec<String>,
        #[command(flatten)]
        level: Level,
    },
}

/// Registers a network provider
#[derive(clap::Args, Debug)]
struct Add {
    /// Name of the registration
    stem: String,
    /// The shared object
    path: PathBuf,
    /// Name of the network, as it is shown and asked for
    #[arg(long)]
    name: String,
    /// Place in the order, unless `order` says otherwise: lower comes first
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i64>,
    /// Its network takes no connection without a local name
    #[arg(long)]
    requires_device: bool,
    /// Scheme of its names, unc for \\\\server\\share; it is not asked for others
    #[arg(long, value_name = "SCHEME")]
    scheme: Vec<String>,
    /// Server its names are on, with * and ?; it is asked first for those, and not for others
    #[arg(long, value_name = "SERVER")]
    host: Vec<String>,
    /// What its names begin with; it is asked first for those, and not for others
    #[arg(long, value_name = "TEXT")]
    prefix: Vec<String>,
    /// Where it runs: in the process that connects, or in one of its own
    #[arg(long)]
    isolation: Option<IsolationName>,
    /// How long a call may take outside the caller's process, in milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..=3_600_000))]
    timeout_ms: Option<u32>,
    /// What it may do there, of what its user may
    #[arg(long)]
    sandbox: Option<SandboxName>,
    /// Load it only as long as it has the contents it has now
    #[arg(long)]
    pin: bool,
    /// Change a registration that exists
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    level: Level,
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
        let path = registration::absolute(&self.path)?;
        let pin = self.pin.then(|| registration::pin(&path)).transpose()?;
        registration::add(FAMILY, &self.stem, self.level, self.replace, output, |document| {
            document.set("path", value(path));
            document.set("name", value(self.name));
            if let Some(priority) = self.priority {
                document.set("priority", value(priority));
            }
            if self.requires_device {
                document.set("requires-device", value(true));
            }
            if let Some(isolation) = self.isolation {
                document.set("isolation", value(word(isolation)));
            }
            for (key, list) in [("schemes", &self.scheme), ("hosts", &self.host), ("prefixes", &self.prefix)]
            {
                if !list.is_empty() {
                    document.set(key, value(list.iter().collect::<Array>()));
                }
            }
            if let Some(pin) = &pin {
                document.set("sha256", value(pin));
            }
            if let Some(timeout) = self.timeout_ms {
                document.set("timeout-ms", value(i64::from(timeout)));
            }
            if let Some(sandbox) = self.sandbox {
                document.set("sandbox", value(word(sandbox)));
            }
        })
    }
}

fn list(output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let default = Config::default();
    let config = router.config().unwrap_or(&default);
    let problems = router.problems();
    let why = |file: &Path| {
        let problem = problems.iter().find(|problem| problem.file == file);
        problem.map(|problem| format!("{}; {}", problem.what, problem.remedy)).unwrap_or_default()
    };
    let mut table = Table::new(&["NAME", "STATE", "REGISTERED AS", "CAN", "PATH", "FILE", "WHY"]);
    let mut tell = |line: Line<'_>| {
        if output.json {
            return output.object(&line.fact());
        }
        let (path, file) = (line.path.map(Path::display), line.file.map(Path::display));
        table.row([
            line.name,
            line.state,
            line.stem.unwrap_or("-"),
            &line
                .provider
                .map(|provider| can(&provider.capabilities).join(","))
                .unwrap_or_else(|| "-".into()),
            &path.map_or("built in".into(), |path| path.to_string()),
            &file.map_or("-".into(), |file| file.to_string()),
            &line.why,
        ]);
        Ok(())
    };
    let mut shown: Vec<&str> = Vec::new();
    for provider in router.network_providers() {
        let name = provider.name.to_string_lossy();
        let entry = config.providers.iter().find(|entry| {
            entry.name == name && entry.class & WN_NETWORK_CLASS != 0 && !shown.contains(&&*entry.stem)
        });
        shown.extend(entry.map(|entry| &*entry.stem));
        let isolated = entry.is_some_and(|entry| entry.isolation == Isolation::Process);
        let suspended = entry.filter(|_| isolated).and_then(suspension);
        tell(Line {
            name: &name,
            state: match (&suspended, provider.network().start()) {
                (Some(_), _) => "suspended",
                (None, Start::Running) if isolated => "isolated",
                (None, Start::Running) => "loaded",
                (None, Start::Never) => "stopped",
                (None, Start::Within(_) | Start::Unknown) => "starting",
            },
            stem: entry.map(|entry| &*entry.stem),
            provider: Some(provider),
            entry,
            path: entry.map(|entry| &*entry.path),
            file: entry.map(|entry| &*entry.file),
            why: suspended.unwrap_or_default(),
        })?;
    }
    for entry in config.providers.iter().filter(|entry| !shown.contains(&&*entry.stem)) {
        let why = match entry.class & WN_NETWORK_CLASS {
            0 => "it is a credential manager".to_owned(),
            _ if router.is_in_safe_mode() => registration::IN_SAFE_MODE.to_owned(),
            _ => why(&entry.file),
        };
        tell(Line::unloaded(entry, &why))?;
    }
    for one in registration::registered(FAMILY) {
        if config.providers.iter().any(|entry| entry.stem == one.stem) {
            continue;
        }
        tell(Line {
            name: "-",
            state: if one.masked { "masked" } else { "skipped" },
            stem: Some(&one.stem),
            provider: None,
            entry: None,
            path: None,
            file: Some(one.file()),
            why: if one.masked { String::new() } else { why(one.file()) },
        })?;
    }
    if table.is_empty() {
        if !output.json {
            output.note("there is no network provider");
        }
        return Ok(());
    }
    table.print(output)
}

/// Why nobody asks an isolated provider for now.
pub(crate) fn suspension(entry: &ProviderEntry) -> Option<String> {
    let failing = isolated::failing_provider(entry)?;
    let left = failing.suspended()?;
    Some(format!(
        "for another {} s others are asked instead: it failed {} times in a row; the last time, {}",
        left.as_millis().div_ceil(1000),
        failing.failures,
        failing.last
    ))
}

/// One line of the list.
struct Line<'a> {
    name: &'a str,
    state: &'a str,
    stem: Option<&'a str>,
    provider: Option<&'a Provider>,
    entry: Option<&'a ProviderEntry>,
    path: Option<&'a Path>,
    file: Option<&'a Path>,
    why: String,
}

impl<'a> Line<'a> {
    fn unloaded(entry: &'a ProviderEntry, why: &str) -> Self {
        Line {
            name: &entry.name,
            state: "skipped",
            stem: Some(&entry.stem),
            provider: None,
            entry: Some(entry),
            path: Some(&entry.path),
            file: Some(&entry.file),
            why: why.to_owned(),
        }
    }

    fn fact(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.state,
            "registered_as": self.stem,
            "built_in": self.file.is_none(),
            "can": self.provider.map(|provider| can(&provider.capabilities)),
            "net_type": self.provider.map(|provider| provider.capabilities.net_type),
            "version": self.provider.map(|provider| provider.capabilities.version),
            "path": self.path,
            "file": self.file,
            "isolation": self.entry.map(|entry| notifyee::isolation(entry.isolation)),
            "sandbox": self.entry.filter(|entry| entry.isolation == Isolation::Process).map(|entry| entry.sandbox),
            "why": (!self.why.is_empty()).then_some(&self.why),
        })
    }
}

/// What a provider can do, in a word each.
fn can(capabilities: &Capabilities) -> Vec<&'static str> {
    const ADD: u32 = WNNC_CON_ADDCONNECTION | WNNC_CON_ADDCONNECTION3 | WNNC_CON_ADDCONNECTION4;
    const CANCEL: u32 = WNNC_CON_CANCELCONNECTION | WNNC_CON_CANCELCONNECTION2;
    let words = [
        (capabilities.connection & ADD, "connect"),
        (capabilities.connection & CANCEL, "disconnect"),
        (capabilities.connection & WNNC_CON_GETCONNECTIONS, "tell"),
        (capabilities.connection & WNNC_CON_DEFER, "defer"),
        (capabilities.connection & WNNC_CON_GETPERFORMANCE, "performance"),
        (capabilities.enumeration & WNNC_ENUM_LOCAL, "list"),
        (capabilities.enumeration & WNNC_ENUM_GLOBAL, "browse"),
        (capabilities.user & WNNC_USR_GETUSER, "user"),
        (capabilities.dialog & WNNC_DLG_GETRESOURCEINFORMATION, "info"),
    ];
    words.into_iter().filter(|one| one.0 != 0).map(|one| one.1).collect()
}

fn check(arguments: &Check, output: &Output) -> Result<(), Failure> {
    let name = &*arguments.name;
    let registered = Router::system().config().map_or(&[][..], |config| &config.providers);
    // Else by the name of its network, as `list` shows it.
    let shown = |entry: &&ProviderEntry| entry.name.eq_ignore_ascii_case(name);
    let entry = registered.iter().find(|entry| entry.stem == name).or_else(|| registered.iter().find(shown));
    let path = entry.map_or_else(|| PathBuf::from(name), |entry| entry.path.clone());
    let file = LibraryFile::read(&path)?;
    let elevated = dirs::is_elevated();
    let terms = match entry {
        Some(entry) => entry.terms(elevated),
        None => Terms { elevated, ..Terms::default() },
    };
    let isolated = entry.filter(|entry| entry.isolation == Isolation::Process);
    let sandbox = isolated.map_or(Sandbox::Default, |entry| entry.sandbox);
    let limit = arguments.limit(isolated.map(|entry| entry.timeout_ms));
    let mut trial = Trial::of_provider(&file.path, sandbox, limit, &terms);
    let mut capabilities = None;
    if let Ok((begun, _)) = &trial {
        match begun.capabilities() {
            Ok(told) => capabilities = Some(told),
            Err(what) => {
                let remedy = "mend its NPGetCaps".to_owned();
                trial = Err(LoadError { file: path, what, remedy });
            }
        }
    }
    let can = capabilities.as_ref().map(can).unwrap_or_default();
    let net_type = capabilities.map(|capabilities| capabilities.net_type);
    let calls = match &trial {
        Ok((trial, _)) if arguments.call => trial.connect(),
        _ => Vec::new(),
    };
    check::tell(
        &file,
        trial.as_ref().map(|trial| trial.1),
        json!({ "can": can, "net_type": net_type }),
        &calls,
        output,
        || format!("network type 0x{:08X}; can {}", net_type.unwrap_or(0), can.join(", ")),
    )
}

fn order(names: &[String], level: Level, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    if !names.is_empty() {
        set_order(router, names, level, output)?;
    }
    // The router of this process has read its configuration already, and the new order is of the next.
    let config = Config::read(&dirs::config_dirs(), dirs::is_elevated());
    let loaded: Vec<String> =
        router.network_providers().map(|provider| provider.name.to_string_lossy()).collect();
    let stem = |name: &String| {
        let entry = config.providers.iter().find(|entry| entry.name == *name);
        entry.map(|entry| &*entry.stem).or_else(|| built_in_stem(name))
    };
    let named = loaded.iter().map(|name| (&**name, stem(name))).collect();
    for (name, _) in config.arrange(named, |one| one.0, |one| one.1) {
        match output.json {
            true => output.object(&json!({ "name": name }))?,
            false => output.line(clean(name))?,
        }
    }
    Ok(())
}

/// The providers that come with the router: short name, as `provider-order` and `builtin-providers` may use it,
/// and registered name. One that is switched off may be named, too.
pub(crate) const BUILT_IN: &[(&str, &str)] = &[
    ("smb", "Microsoft Windows Network"),
    ("webdav", "Web Client Network"),
    ("nfs", "NFS Network"),
    ("sftp", "SFTP Network"),
    ("local", "Local Directory Network"),
];

fn built_in_stem(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|built_in| built_in.1.eq_ignore_ascii_case(name)).map(|built_in| built_in.0)
}

/// Writes `provider-order`. Names that nobody has are refused: they would be passed over in silence.
fn set_order(router: &Router, names: &[String], level: Level, output: &Output) -> Result<(), Failure> {
    let default = Config::default();
    let config = router.config().unwrap_or(&default);
    let loaded: Vec<String> =
        router.network_providers().map(|provider| provider.name.to_string_lossy()).collect();
    for name in names {
        let same = |known: &str| known.to_lowercase() == name.to_lowercase();
        let known = loaded.iter().any(|known| same(known))
            || BUILT_IN.iter().any(|built_in| same(built_in.0))
            || config.providers.iter().any(|entry| same(&entry.name) || same(&entry.stem));
        if !known {
            return Err(Failure::other(
                format!("there is no provider '{}'", clean(name)),
                format!("choose from: {}", clean(&loaded.join(", "))),
            ));
        }
    }
    let file = level.directory()?.join("mpr.toml");
    let mut document = if is_new(&file) { Document::empty(&file) } else { Document::read(&file)? };
    document.set("provider-order", value(names.iter().collect::<Array>()));
    document.save()?;
    if !output.json {
        output.note(format_args!("provider-order is written to {}", file.display()));
    }
    Ok(())
}
