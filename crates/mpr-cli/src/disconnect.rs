//! `mpr disconnect`

use crate::connected::{self, State};
use crate::failure::Failure;
use crate::names::Name;
use crate::output::{Output, clean};
use crate::patience;
use crate::place::Places;
use mpr::extended_error;
use mpr::{CancelRequest, Router};
use mpr_plugin::abi::CONNECT_UPDATE_PROFILE;
use mpr_plugin::{Status, wide};
use serde_json::json;

/// Disconnects a local name, or every connection of a remote name that has no local name
#[derive(clap::Args, Debug)]
pub(crate) struct Disconnect {
    /// Local name (Z:, /mnt/x, LPT1), or remote name
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    name: Option<String>,
    /// Disconnect everything; with --forget, forget everything remembered, too
    #[arg(long)]
    all: bool,
    /// Disconnect even if files are open; what is unsaved is lost
    #[arg(long, short)]
    force: bool,
    /// Forget the connection, too, so that it is not restored
    #[arg(long)]
    forget: bool,
}

pub(crate) fn run(disconnect: &Disconnect, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let how = How { force: disconnect.force, forget: disconnect.forget };
    match &disconnect.name {
        Some(name) => {
            let name = Name::new(name)?;
            cancel(router, &name, how, output)?;
            tell(router, &name, how, output)
        }
        None => everything(router, how, output),
    }
}

/// How to disconnect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    pub(crate) force: bool,
    pub(crate) forget: bool,
}

/// Disconnects one name.
pub(crate) fn cancel(router: &Router, name: &Name, how: How, output: &Output) -> Result<(), Failure> {
    let text = name.text();
    let flags = if how.forget { CONNECT_UPDATE_PROFILE } else { 0 };
    extended_error::clear();
    let name_wide = wide(&text);
    let request = CancelRequest { name: &name_wide, flags, force: how.force };
    let waiting = format!("disconnecting {}", clean(&text));
    patience::during(&waiting, output.quiet, None, || router.cancel_connection(&request)).map_err(|status| {
        let (local, remote) = match name {
            Name::Local(_) => (Some(&*text), None),
            Name::Remote(_) => (None, Some(&*text)),
        };
        Failure::about(status, format!("disconnect {text}"), remote, local.or(remote))
    })
}

fn everything(router: &'static Router, how: How, output: &Output) -> Result<(), Failure> {
    let survey = connected::survey(router, &Places::now(router));
    survey.warn(output);
    let mut failed = !survey.silent.is_empty() || !survey.failed.is_empty();
    let mut all = survey.connections.clone();
    if how.forget {
        let remembered = connected::remembered(router, &survey.connections)?;
        all.extend(remembered.into_iter().filter(|one| one.status == State::Unavailable));
    }
    if all.is_empty() && !failed {
        output.note("nothing is connected");
    }
    for connection in &all {
        let name = Name::new(connection.name())?;
        match cancel(router, &name, how, output) {
            Ok(()) => tell(router, &name, how, output)?,
            // A second deviceless connection to the same resource went with the first.
            Err(Failure::Status(refusal)) if refusal.status == Status::NOT_CONNECTED => {}
            Err(failure) => {
                failure.tell(output);
                failed = true;
            }
        }
    }
    if failed { Err(Failure::Told) } else { Ok(()) }
}

fn tell(router: &Router, name: &Name, how: How, output: &Output) -> Result<(), Failure> {
    let text = name.text();
    let still = match name {
        Name::Local(device) if !how.forget => {
            router.store().ok().and_then(|store| store.entry(device).ok().flatten()).is_some()
        }
        _ => false,
    };
    let hint = if still { "; it is still remembered (--forget forgets it)" } else { "" };
    output.result(
        &json!({ "disconnected": text, "remembered": still }),
        format_args!("{} is disconnected{hint}", clean(&text)),
    )
}
