//! `mpr list`

use crate::connected::{self, Connection, State};
use crate::failure::Failure;
use crate::info::age;
use crate::output::{Output, Table, clean};
use crate::place::Places;
use mpr::Router;
use serde_json::json;

/// Lists connections
#[derive(clap::Args, Debug)]
#[group(multiple = false)]
pub(crate) struct List {
    /// List what is remembered, connected or not
    #[arg(long)]
    remembered: bool,
    /// List the names of recently used resources, most recent first
    #[arg(long)]
    recent: bool,
    /// List what is connected and what is remembered
    #[arg(long, short)]
    all: bool,
}

pub(crate) fn run(list: &List, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    if list.recent {
        return recent(router, output);
    }
    let survey = connected::survey(router, &Places::asked(router));
    let mut connections = if list.remembered {
        connected::remembered(router, &survey.connections)?
    } else {
        survey.connections.clone()
    };
    if list.all {
        let remembered = connected::remembered(router, &survey.connections)?;
        connections.extend(remembered.into_iter().filter(|one| one.status == State::Unavailable));
    }
    // Devices first and in order, then what has none.
    connections.sort_by_key(|one| (one.local.is_none(), one.device(), one.remote.to_lowercase()));
    survey.warn(output);
    print(&connections, output)
}

fn print(connections: &[Connection], output: &Output) -> Result<(), Failure> {
    if output.json {
        return connections.iter().try_for_each(|one| output.object(one));
    }
    let mut table = Table::new(&["STATUS", "LOCAL", "REMOTE", "PROVIDER", "USER"]);
    for one in connections {
        table.row([
            &status(one),
            one.local.as_deref().unwrap_or("-"),
            &one.remote,
            one.provider.as_deref().unwrap_or("-"),
            one.user.as_deref().unwrap_or("-"),
        ]);
    }
    if table.is_empty() {
        output.note("there are no connections");
        return Ok(());
    }
    table.print(output)
}

fn status(one: &Connection) -> String {
    match one.lost_since.and_then(age) {
        Some(age) => format!("{} for {age}", one.status.text()),
        None => one.status.text().to_owned(),
    }
}

fn recent(router: &Router, output: &Output) -> Result<(), Failure> {
    let failed = |status| Failure::status(status, "read the list of recent names");
    let names = router.store().and_then(|store| store.recent().map_err(Into::into)).map_err(failed)?;
    if names.is_empty() && !output.json {
        output.note("there are no recent names");
    }
    for remote in names {
        match output.json {
            true => output.object(&json!({ "remote": remote }))?,
            false => output.line(clean(&remote))?,
        }
    }
    Ok(())
}
