//! The connections, and the directory they live in.

use super::{Examination, Section, of_section, section};
use crate::info::age;
use crate::place::{Helped, Places};
use mpr::Problem;
use mpr_helper::connections::{Connection, Connections, State};
use mpr_helper::dirs;
use mpr_helper::mounts::Table;
use mpr_helper::record::{Records, Slot};
use std::fs;
use std::path::Path;

pub(super) fn examine(examination: &mut Examination, places: &Places, problems: &[Problem]) {
    let here = Section::Connections;
    of_section(examination, here, problems);
    let runtime = match dirs::runtime_path() {
        Ok(runtime) => runtime,
        // The router told of it.
        Err(_) if problems.iter().any(|problem| section(problem) == here) => return,
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
    examine_records(examination, &Connections::of(&runtime), places);
}

/// What is wrong with a connection, and what to do about it.
fn lost(connection: &Connection, helped: Option<&Helped>) -> Option<(String, String)> {
    let record = &connection.record;
    let name = record.local.as_deref().unwrap_or(&record.remote);
    let force =
        format!("mpr disconnect {name} --force, then connect it again; or, if it is remembered: mpr restore");
    if connection.state == State::Lost && !record.helper.is_alive() {
        let what = format!("its helper process has died, so every access to {} fails", record.mount_point);
        return Some((
            what,
            format!("mpr disconnect {name}, then connect it again; or, if it is remembered: mpr restore"),
        ));
    }
    let pid = record.helper.pid;
    if connection.state == State::Lost {
        let what = format!(
            "its helper process ({pid}) was stopped, so every access to {} waits",
            record.mount_point
        );
        return Some((what, format!("kill -CONT {pid}; or: {force}")));
    }
    helped?.lost?;
    Some(match helped?.health {
        Some(_) => (
            "its server has gone; an access tries to reach it again".to_owned(),
            format!("see whether the server is there; to do without it: mpr disconnect {name} --force"),
        ),
        None => (format!("its helper process ({pid}) does not answer"), force),
    })
}

fn examine_records(examination: &mut Examination, connections: &Connections, places: &Places) {
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
            Ok(Some(connection)) => {
                let helped = places.helped(record.local.as_deref(), &record.remote);
                match lost(&connection, helped) {
                    None => examination.ok(here, subject, format!("at {}", record.mount_point)),
                    Some((what, remedy)) => {
                        let since = helped.and_then(|helped| helped.lost).and_then(age);
                        let since = since.map(|age| format!(", for {age} at least")).unwrap_or_default();
                        examination.wrong(here, subject, format!("{what}{since}"), remedy);
                    }
                }
            }
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
