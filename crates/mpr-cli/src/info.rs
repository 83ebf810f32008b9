//! `mpr info`

use crate::connected::{self, Connection};
use crate::failure::Failure;
use crate::names::{self, Name, RemoteName};
use crate::output::{Output, clean};
use crate::patience;
use crate::place::Places;
use mpr::{Router, extended_error};
use mpr_core::device::LocalDevice;
use mpr_plugin::abi::{RESOURCETYPE_ANY, RESOURCEUSAGE_CONNECTABLE, RESOURCEUSAGE_CONTAINER};
use mpr_plugin::{NetResource, Performance, Status, WideString, wide};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells everything known of a connection or resource
#[derive(clap::Args, Debug)]
pub(crate) struct Info {
    /// Local or remote name
    name: String,
}

pub(crate) fn run(info: &Info, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let places = Places::asked(router);
    match Name::new(&info.name)? {
        Name::Local(device) => local(router, &places, &device, output),
        Name::Remote(remote) => resource(router, &places, &remote, output),
    }
}

/// A list of what is known, for people and for programs alike.
#[derive(Default)]
struct Facts(Vec<(&'static str, &'static str, Value)>);

impl Facts {
    /// `key` for programs, `label` for people: none if it is not for them. What is not known is null for the one,
    /// and left out for the other.
    fn add(&mut self, key: &'static str, label: &'static str, value: impl Into<Value>) {
        self.0.push((key, label, value.into()));
    }

    fn tell(&self, output: &Output) -> Result<(), Failure> {
        if output.json {
            let object: serde_json::Map<String, Value> =
                self.0.iter().map(|(key, _, value)| ((*key).to_owned(), value.clone())).collect();
            return output.object(&object);
        }
        for (_, label, value) in &self.0 {
            let text = match value {
                _ if label.is_empty() => continue,
                Value::Null => continue,
                Value::String(text) => clean(text),
                Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
                other => other.to_string(),
            };
            output.line(format_args!("{label:<14}{text}"))?;
        }
        Ok(())
    }
}

fn local(
    router: &'static Router,
    places: &Places,
    device: &LocalDevice,
    output: &Output,
) -> Result<(), Failure> {
    let survey = connected::survey(router, places);
    let remembered = connected::remembered(router, &survey.connections)?;
    let mut both = survey.connections.iter().chain(&remembered);
    let found = both.find(|one| one.device().as_ref() == Some(device));
    let Some(found) = found else {
        survey.warn(output);
        let text = device.to_string();
        return Err(Failure::about(Status::NOT_CONNECTED, format!("tell about {text}"), None, Some(&text)));
    };
    connection(router, places, found).tell(output)
}

fn connection(router: &Router, places: &Places, one: &Connection) -> Facts {
    let mut facts = Facts::default();
    facts.add("status", "Status", one.status.text().to_lowercase());
    facts.add("local", "Local name", one.local.clone());
    facts.add("remote", "Remote name", one.remote.clone());
    facts.add("type", "Type", one.kind.text().to_lowercase());
    facts.add("provider", "Provider", one.provider.clone());
    facts.add("user", "User", one.user.clone());
    facts.add("path", "Files at", one.path.as_ref().map(|path| path.display().to_string()));
    facts.add("remembered", "Remembered", one.remembered);
    let (local, remote) = (one.local.as_deref().map(wide), wide(&one.remote));
    let performance = router.performance(local.as_deref(), Some(&remote), None).ok();
    facts.add("speed", "Speed", performance.and_then(speed));
    facts.add("delay_ms", "Delay (ms)", performance.map(|known| known.delay).filter(|&delay| delay > 0));
    if let Some(helped) = places.helped(one.local.as_deref(), &one.remote) {
        let record = &helped.connection.record;
        facts.add("since", "", record.since);
        facts.add("age", "Connected for", age(record.since));
        facts.add("lost_since", "", helped.lost);
        facts.add("lost_for", "Lost for", helped.lost.and_then(age));
        facts.add("read_only", "Read only", record.read_only);
        facts.add("options", "Options", Some(record.options.clone()).filter(|options| !options.is_empty()));
        facts.add("helper", "Helper", record.helper.pid);
        let health = helped.health.as_ref();
        facts.add("reachable", "Reachable", health.map(|health| health.connected));
        facts.add("open_files", "Open files", health.map(|health| health.open_files));
        facts.add("reconnects", "Reconnects", health.map(|health| health.reconnects));
        facts.add("security", "Security", health.map(|health| health.security.clone()));
        let authentication = health.map(|health| health.authentication.clone()).filter(|by| !by.is_empty());
        facts.add("authentication", "Logged in by", authentication);
    }
    facts
}

/// How long ago that was, in words: days and hours, hours and minutes, or minutes.
pub(crate) fn age(since: u64) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let minutes = now.checked_sub(since).filter(|_| since > 0)? / 60;
    Some(match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    })
}

fn speed(known: Performance) -> Option<String> {
    match known.speed {
        0 => None,
        1 => Some("very fast".into()),
        // In units of 100 bit/s.
        units => Some(format!("{} kbit/s", units / 10)),
    }
}

fn resource(
    router: &'static Router,
    places: &Places,
    remote: &RemoteName,
    output: &Output,
) -> Result<(), Failure> {
    let name = wide(&remote.typed);
    extended_error::clear();
    let asking = format!("asking about {}", clean(&remote.canonical));
    let known = patience::during(&asking, output.quiet, None, || {
        router.resource_information(Some(&name), RESOURCETYPE_ANY, None)
    });
    let survey = connected::survey(router, places);
    let covering: Vec<&Connection> = survey
        .connections
        .iter()
        .filter(|one| names::inside(&remote.canonical, &one.remote).is_some())
        .collect();
    let facts = match known {
        Ok((resource, rest)) => facts_of(&resource, rest, &covering),
        // No provider tells about resources, but the connection itself tells something.
        Err(Status::NOT_SUPPORTED) if !covering.is_empty() => connection(router, places, covering[0]),
        Err(status) => {
            let doing = format!("tell about {}", remote.canonical);
            return Err(Failure::about(status, doing, Some(&remote.canonical), None));
        }
    };
    facts.tell(output)
}

fn facts_of(resource: &NetResource, rest: Option<WideString>, covering: &[&Connection]) -> Facts {
    let text = |name: &Option<WideString>| {
        name.as_ref().map(|name| name.to_string_lossy()).filter(|name| !name.is_empty())
    };
    let mut facts = Facts::default();
    facts.add("remote", "Remote name", text(&resource.remote));
    facts.add("remaining", "Path inside", rest.map(|rest| rest.to_string_lossy()));
    facts.add("provider", "Provider", text(&resource.provider));
    facts.add("type", "Type", kind(resource.kind));
    facts.add("display", "Shown as", display(resource.display));
    facts.add("connectable", "Connectable", resource.usage & RESOURCEUSAGE_CONNECTABLE != 0);
    facts.add("container", "Browsable", resource.usage & RESOURCEUSAGE_CONTAINER != 0);
    let connected: Vec<&str> = covering.iter().map(|one| one.name()).collect();
    facts.add("connected", "Connected as", (!connected.is_empty()).then(|| connected.join(", ")));
    facts
}

pub(crate) fn kind(kind: u32) -> &'static str {
    match kind {
        1 => "disk",
        2 => "printer",
        _ => "any",
    }
}

/// What a resource is to be shown as (`RESOURCEDISPLAYTYPE_*`).
pub(crate) fn display(display: u32) -> &'static str {
    const WORDS: [&str; 12] = [
        "generic",
        "domain",
        "server",
        "share",
        "file",
        "group",
        "network",
        "root",
        "administrative share",
        "directory",
        "tree",
        "container",
    ];
    WORDS.get(display as usize).copied().unwrap_or("generic")
}
