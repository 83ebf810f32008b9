//! What is connected, as the providers tell it.
//!
//! A provider that hangs must not hang the list: each is asked on a thread of its own and given the same
//! short time, and whoever did not answer by then is named.

use crate::failure::Failure;
use crate::output::Output;
use crate::place::Places;
use mpr::{Provider, Router};
use mpr_core::device::LocalDevice;
use mpr_plugin::abi::{
    RESOURCE_CONNECTED, RESOURCETYPE_ANY, RESOURCETYPE_PRINT, WNNC_ENUM_LOCAL, WNNC_USR_GETUSER,
};
use mpr_plugin::{EnumQuery, NetResource, Status, WideStr, WideString};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long the providers may take, all together. Asking one is a matter of microseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// A connection.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Connection {
    pub(crate) status: State,
    /// Device; none for a deviceless connection.
    pub(crate) local: Option<String>,
    pub(crate) remote: String,
    pub(crate) provider: Option<String>,
    pub(crate) user: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// Where its files are.
    pub(crate) path: Option<PathBuf>,
    pub(crate) remembered: bool,
    /// Since when it is lost, as far as anybody noticed, in seconds since 1970.
    pub(crate) lost_since: Option<u64>,
}

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    /// Its helper process or its server has gone: accesses fail or wait.
    Lost,
    /// Remembered, but not connected.
    Unavailable,
}

impl State {
    pub(crate) fn text(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Lost => "Lost",
            State::Unavailable => "Unavailable",
        }
    }
}

/// What is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Disk,
    Printer,
}

impl Kind {
    pub(crate) fn of(kind: u32) -> Kind {
        if kind == RESOURCETYPE_PRINT { Kind::Printer } else { Kind::Disk }
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Kind::Disk => "Disk",
            Kind::Printer => "Print",
        }
    }
}

impl Connection {
    pub(crate) fn device(&self) -> Option<LocalDevice> {
        self.local.as_deref().and_then(crate::names::device)
    }

    /// What it is disconnected by.
    pub(crate) fn name(&self) -> &str {
        self.local.as_deref().unwrap_or(&self.remote)
    }
}

/// The connections, and who could not tell of theirs.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) connections: Vec<Connection>,
    /// Providers without an answer in time.
    pub(crate) silent: Vec<String>,
    pub(crate) failed: Vec<(String, Status)>,
}

impl Survey {
    /// Tells of the providers whose connections are missing.
    pub(crate) fn warn(&self, output: &Output) {
        for name in &self.silent {
            output.warn(format_args!(
                "the provider \"{name}\" does not answer, and its connections are not shown; see mpr doctor"
            ));
        }
        for (name, status) in &self.failed {
            output.warn(format_args!(
                "the provider \"{name}\" does not tell its connections: {status}; see mpr error {}",
                status.0
            ));
        }
    }
}

/// Every connection there is, in provider order.
pub(crate) fn survey(router: &'static Router, places: &Places) -> Survey {
    let asked: Vec<_> = router
        .network_providers()
        .filter(|provider| provider.capabilities.enumeration & WNNC_ENUM_LOCAL != 0)
        .map(|provider| {
            let (answer, answers) = mpsc::sync_channel(1);
            // A thread that cannot be started leaves a channel without sender: no answer.
            _ = thread::Builder::new().spawn(move || answer.send(ask(provider)));
            (provider.name.to_string_lossy(), answers)
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    let mut survey = Survey::default();
    for (name, answers) in asked {
        match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ok(found)) => {
                survey.connections.extend(found.into_iter().map(|found| connection(found, &name, places)));
            }
            // Nobody can tell connections of a network that is not there.
            Ok(Err(Status::NO_NETWORK | Status::NOT_SUPPORTED)) => {}
            Ok(Err(status)) => survey.failed.push((name, status)),
            Err(_) => survey.silent.push(name),
        }
    }
    let remembered = remembered_devices(router);
    for connection in &mut survey.connections {
        connection.remembered = connection.device().is_some_and(|device| remembered.contains(&device));
    }
    survey
}

fn remembered_devices(router: &Router) -> Vec<LocalDevice> {
    let entries = router.store().ok().and_then(|store| store.entries().ok()).unwrap_or_default();
    entries.into_iter().map(|entry| entry.device).collect()
}

/// An entry and the user of the connection.
type Found = (NetResource, Option<WideString>);

fn ask(provider: &Provider) -> Result<Vec<Found>, Status> {
    let query = EnumQuery { scope: RESOURCE_CONNECTED, kind: RESOURCETYPE_ANY, usage: 0, container: None };
    let mut entries = provider.network().enumerate(&query)?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry() {
        let entry = entry?;
        let name = named(&entry.local).or(named(&entry.remote));
        let user = match name {
            Some(name) if provider.capabilities.user & WNNC_USR_GETUSER != 0 => {
                provider.network().user(name).ok().filter(|user| !user.is_empty())
            }
            _ => None,
        };
        found.push((entry, user));
    }
    Ok(found)
}

fn named(name: &Option<WideString>) -> Option<&WideStr> {
    name.as_deref().filter(|name| !name.is_empty())
}

fn connection((entry, user): Found, provider: &str, places: &Places) -> Connection {
    let local = named(&entry.local).map(WideStr::to_string_lossy);
    let remote = entry.remote.unwrap_or_default().to_string_lossy();
    let device = local.as_deref().and_then(crate::names::device);
    let lost = places.helped(local.as_deref(), &remote).and_then(|helped| helped.lost);
    Connection {
        status: if lost.is_some() { State::Lost } else { State::Ok },
        path: places.of(device.as_ref(), &remote),
        local: device.map(|device| device.to_string()).or(local),
        remote,
        provider: Some(provider.to_owned()),
        user: user.map(|user| user.to_string_lossy()),
        kind: Kind::of(entry.kind),
        remembered: false,
        lost_since: lost,
    }
}

/// What is remembered, connected or not.
pub(crate) fn remembered(router: &Router, connected: &[Connection]) -> Result<Vec<Connection>, Failure> {
    let failed = |status| Failure::status(status, "read the remembered connections");
    let entries = router.store().map_err(failed)?.entries().map_err(|error| {
        let problem = error.problem();
        Failure::other(format!("{}: {}", problem.file.display(), problem.what), problem.remedy.clone())
    })?;
    Ok(entries
        .into_iter()
        .map(|entry| {
            let local = entry.device.to_string();
            let existing = connected.iter().find(|one| one.local.as_deref() == Some(&*local));
            existing.cloned().unwrap_or_else(|| Connection {
                status: State::Unavailable,
                local: Some(local),
                remote: entry.remote,
                provider: Some(entry.provider).filter(|name| !name.is_empty()),
                user: entry.user,
                kind: Kind::of(entry.connection_type),
                path: None,
                remembered: true,
                lost_since: None,
            })
        })
        .collect())
}
