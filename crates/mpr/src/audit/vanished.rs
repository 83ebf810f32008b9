//! Connections that are gone though nobody cancelled them: the record of one is there, and its helper is not.

use super::entry::Connection;
use super::plugins::replace;
use super::trail::{Trail, open};
use mpr_helper::connections::{Connections, State};
use mpr_helper::record::{Record, Slot};
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Read;
use std::path::Path;

/// Name of the file with those that were recorded, in the directory of the trail.
const FILE: &str = "vanished.json";
/// Biggest that is read.
const MOST: u64 = 1 << 20;

/// Those that were not there the last time.
pub(super) fn new(trail: &Trail, runtime: &Path) -> Vec<Connection> {
    let connections = Connections::of(runtime);
    let found = found(&connections);
    let file = trail.directory().join(FILE);
    if found.is_empty() && connections.records().gone().is_empty() && !file.exists() {
        return Vec::new();
    }
    // Whoever comes second finds that the first has recorded it.
    let Ok(_locked) = trail.lock() else { return Vec::new() };
    let known = read(&file);
    let now: BTreeSet<String> = found.iter().map(|(name, _)| name.clone()).collect();
    // Told again is better than not at all: what cannot be written is recorded the next time, too.
    if now != known {
        _ = serde_json::to_vec(&now).map(|bytes| replace(&file, &bytes));
    }
    let mut new: Vec<Connection> = found
        .into_iter()
        .filter(|(name, _)| !known.contains(name))
        .map(|(_, connection)| connection)
        .collect();
    for (path, record) in connections.records().gone() {
        if std::fs::remove_file(path).is_ok() {
            new.push(told(record, "gone"));
        }
    }
    new
}

fn read(file: &Path) -> BTreeSet<String> {
    let mut bytes = Vec::new();
    match open(file, OpenOptions::new().read(true)).map(|file| file.take(MOST).read_to_end(&mut bytes)) {
        Ok(Ok(_)) => serde_json::from_slice(&bytes).unwrap_or_default(),
        _ => BTreeSet::new(),
    }
}

/// What is gone, each with a name that no other connection has.
fn found(connections: &Connections) -> Vec<(String, Connection)> {
    let records = connections.records().list().unwrap_or_default();
    let dead: Vec<(Slot, Record)> =
        records.into_iter().filter(|(_, record)| !record.helper.is_alive()).collect();
    if dead.is_empty() {
        return Vec::new();
    }
    let mounted = connections.all().unwrap_or_default();
    let named = |(slot, record): (Slot, Record)| {
        let is_mounted = mounted.iter().any(|one| one.slot == slot && one.state == State::Lost);
        let name = format!("{} {} {}", slot.stem(), record.helper.pid, record.helper.started);
        (name, told(record, if is_mounted { "lost" } else { "gone" }))
    };
    dead.into_iter().map(named).collect()
}

fn told(record: Record, state: &str) -> Connection {
    Connection {
        state: state.to_owned(),
        remote: record.remote,
        local: record.local,
        mount_point: record.mount_point,
        provider: record.provider,
        user: record.user,
        since: record.since,
    }
}
