//! A copy of each record for the journal, in its native protocol, with fields to search by. What stamps it there
//! with process, user and program is the kernel, not the program (`_PID`, `_UID`, `_EXE`).

use super::commit::Came;
use super::entry::{Connection, Entry, Event, LostWrite};
use super::plugins::Plugin;
use crate::trace::{Decider, Operation};
use mpr_plugin::Status;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

const SOCKET: &str = "/run/systemd/journal/socket";
/// Priorities of the system log.
const WARNING: &str = "4";
const INFORMATION: &str = "6";

/// Where copies go.
#[derive(Debug)]
pub(super) struct Journal {
    socket: PathBuf,
}

impl Journal {
    /// The journal of the system.
    pub(super) fn system() -> Self {
        Journal::at(Path::new(SOCKET))
    }

    pub(super) fn at(socket: &Path) -> Self {
        Journal { socket: socket.to_owned() }
    }

    /// Sends a record. It never waits: a journal that is not there, or has no room, gets none.
    pub(super) fn send(&self, entry: &Entry, came: Came) {
        if !self.socket.exists() {
            return;
        }
        let Ok(socket) = UnixDatagram::unbound() else { return };
        if socket.set_nonblocking(true).is_err() {
            return;
        }
        let mut message = fields(entry, came);
        let short = message.len();
        field(&mut message, "MPR_RECORD", &entry.body());
        // A record that is too long for a datagram is sent without its text, which is in the trail.
        if socket.send_to(&message, &self.socket).is_err() {
            _ = socket.send_to(&message[..short], &self.socket);
        }
    }
}

fn fields(entry: &Entry, came: Came) -> Vec<u8> {
    let mut message = Vec::new();
    let sentence = entry.sentence();
    let failed = match &entry.event {
        Event::Operation(operation) => operation.status != 0,
        Event::Intent { .. } => false,
        Event::Vanished(_) | Event::LostWrite(_) | Event::Plugins(_) | Event::Gap(_) => true,
    };
    field(&mut message, "MESSAGE", &sentence);
    field(&mut message, "PRIORITY", if failed { WARNING } else { INFORMATION });
    field(&mut message, "SYSLOG_IDENTIFIER", "mpr");
    field(&mut message, "MPR_EVENT", entry.event.name());
    if let Came::There(number) = came {
        field(&mut message, "MPR_SEQ", &number.to_string());
    }
    if let Some(operation) = entry.operation() {
        field(&mut message, "MPR_OPERATION", operation);
    }
    let (remote, local, user) = match &entry.event {
        Event::Operation(Operation { request, .. }) | Event::Intent { request, .. } => {
            (request.remote.as_ref(), request.local.as_ref(), request.user.as_ref())
        }
        Event::Vanished(Connection { remote, local, user, .. })
        | Event::LostWrite(LostWrite { remote, local, user, .. }) => {
            (Some(remote), local.as_ref(), user.as_ref())
        }
        Event::Plugins(_) | Event::Gap(_) => (None, None, None),
    };
    for (name, value) in [("MPR_REMOTE", remote), ("MPR_LOCAL", local), ("MPR_USER", user)] {
        if let Some(value) = value {
            field(&mut message, name, value);
        }
    }
    if let Event::Operation(operation) = &entry.event {
        field(&mut message, "MPR_STATUS", &operation.status.to_string());
        field(&mut message, "MPR_DECIDED_BY", &operation.decided.to_string());
        if let Some(reason) = &operation.reason {
            field(&mut message, "MPR_REASON", &reason.text);
        }
    }
    message
}

/// One field: as text where that is possible, else with its length in front.
fn field(message: &mut Vec<u8>, name: &str, value: &str) {
    message.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        message.push(b'\n');
        message.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        message.push(b'=');
    }
    message.extend_from_slice(value.as_bytes());
    message.push(b'\n');
}

impl Entry {
    /// The record in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.event {
            Event::Operation(operation) => {
                let what = what(operation.kind, &operation.request);
                let restored = if operation.restore { " (restored)" } else { "" };
                let simulated = if operation.simulation { " (simulated)" } else { "" };
                let reason = operation.reason.as_ref().map(|reason| format!(": {}", reason.text));
                let by = match operation.decided {
                    Decider::Router => String::new(),
                    _ => format!(", by {}", operation.decided),
                };
                let status = Status(operation.status);
                let came = if status.is_success() { "done".to_owned() } else { status.to_string() };
                format!("{what}{restored}{simulated}: {came}{by}{}", reason.unwrap_or_default())
            }
            Event::Intent { kind, request, .. } => format!("{}: begins", what(*kind, request)),
            Event::Vanished(connection) => {
                let name = connection.local.as_ref().unwrap_or(&connection.remote);
                format!("{name} is {}: nobody had cancelled it", connection.state)
            }
            Event::LostWrite(lost) => lost.to_string(),
            Event::Plugins(changes) => {
                let named = |what: &str, plugins: &[Plugin]| {
                    let name = |plugin: &Plugin| match &plugin.refused {
                        Some(_) if what != "removed" => format!("{} (not used)", plugin.name),
                        _ => plugin.name.clone(),
                    };
                    let names = plugins.iter().map(name).collect::<Vec<_>>().join(", ");
                    (!plugins.is_empty()).then(|| format!("{what} {names}"))
                };
                let lists = [
                    named("added", &changes.added),
                    named("removed", &changes.removed),
                    named("changed", &changes.changed),
                ];
                let lists: Vec<String> = lists.into_iter().flatten().collect();
                format!("other {}: {}", changes.kind, lists.join("; "))
            }
            Event::Gap(gap) => gap.to_string(),
        }
    }
}

fn what(kind: crate::trace::Kind, request: &crate::trace::Request) -> String {
    let remote = request.remote.as_deref();
    match (kind, request.local.as_deref()) {
        (crate::trace::Kind::Add, Some(local)) => {
            format!("connect {local} to {}", remote.unwrap_or("nothing"))
        }
        (crate::trace::Kind::Add, None) => format!("connect {}", remote.unwrap_or("nothing")),
        (kind, local) => {
            let what = match kind {
                crate::trace::Kind::Remember => "remember",
                crate::trace::Kind::Forget => "forget",
                _ => "disconnect",
            };
            format!("{what} {}", local.or(remote).unwrap_or("nothing"))
        }
    }
}
