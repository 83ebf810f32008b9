//! `mpr browse`

use crate::connect::QUESTIONS;
use crate::connecting::{self, Credentials, TRIES};
use crate::failure::Failure;
use crate::info::{display, kind};
use crate::interrupt::Interrupt;
use crate::names::RemoteName;
use crate::output::{Output, clean};
use crate::terminal::Terminal;
use crate::{password, patience};
use mpr::{Enumeration, Router, Secret, extended_error};
use mpr_plugin::abi::{
    RESOURCE_GLOBALNET, RESOURCETYPE_ANY, RESOURCETYPE_PRINT, RESOURCEUSAGE_CONNECTABLE,
    RESOURCEUSAGE_CONTAINER,
};
use mpr_plugin::{NetResource, Status, WideString, wide};
use serde_json::json;

/// Shows what is on the network, as a tree
#[derive(clap::Args, Debug)]
pub(crate) struct Browse {
    /// Where to begin: a server (//nas), a provider by name; all networks if left out
    start: Option<String>,
    /// How many levels to show
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    depth: u32,
    /// Ask this provider and no other
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Look into START as this user: NAME, DOMAIN\NAME or NAME@DOMAIN
    #[arg(long, short, value_name = "NAME", requires = "start")]
    user: Option<String>,
    #[command(flatten)]
    password: password::Source,
}

pub(crate) fn run(browse: &Browse, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let start = browse.container(router)?;
    let walk = Walk { router, output, depth: browse.depth };
    let mut seen = 0;
    let entries = match &start {
        Some(start) => walk.entered(start, browse)?,
        None if browse.password.read()?.is_some() => {
            return Err(Failure::Usage(
                "a password is for a server: name it, as in mpr browse //nas --user NAME".into(),
            ));
        }
        None => walk.entries(None)?,
    };
    walk.told(&entries, 0, &mut seen)?;
    if seen == 0 && !output.json {
        output.note("there is nothing to show");
    }
    Ok(())
}

impl Browse {
    fn container(&self, router: &Router) -> Result<Option<NetResource>, Failure> {
        let named = |name: &str| {
            let same = |known: &WideString| known.to_string_lossy().to_lowercase() == name.to_lowercase();
            router.network_providers().find(|provider| same(&provider.name))
        };
        let provider = self.provider.as_deref().map(wide);
        let Some(start) = &self.start else {
            return Ok(provider.map(|name| container(name.clone(), Some(name))));
        };
        Ok(Some(match named(start) {
            Some(provider) => container(provider.name.clone(), Some(provider.name.clone())),
            None => container(wide(&RemoteName::new(start)?.canonical), provider),
        }))
    }
}

fn container(remote: WideString, provider: Option<WideString>) -> NetResource {
    NetResource {
        scope: RESOURCE_GLOBALNET,
        usage: RESOURCEUSAGE_CONTAINER,
        remote: Some(remote),
        provider,
        ..NetResource::default()
    }
}

struct Walk<'a> {
    router: &'a Router,
    output: &'a Output,
    depth: u32,
}

impl Walk<'_> {
    /// Shows entries that are `level` levels below the start, and what is in them.
    fn told(&self, entries: &[NetResource], level: u32, seen: &mut u64) -> Result<(), Failure> {
        for entry in entries {
            *seen += 1;
            self.tell(entry, level)?;
            let inner = entry.usage & RESOURCEUSAGE_CONTAINER != 0 && level + 1 < self.depth;
            if !inner {
                continue;
            }
            let told = self.entries(Some(entry)).and_then(|entries| self.told(&entries, level + 1, seen));
            match told {
                // What cannot be looked into does not hide what is beside it.
                Err(Failure::Status(refusal)) => {
                    self.output.warn(format_args!(
                        "{}: {}; see mpr error {}",
                        clean(&name(entry)),
                        refusal.status,
                        refusal.status.0
                    ));
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// What is in the container to begin with. Where that is told to certain users only, as whoever is named, or as
    /// whoever is at the terminal says.
    fn entered(&self, start: &NetResource, browse: &Browse) -> Result<Vec<NetResource>, Failure> {
        let mut user = browse.user.clone();
        let mut password = browse.password.read()?;
        let mut entries = match (&user, &password) {
            (None, None) => self.entries(Some(start)),
            _ => self.entries_as(start, user.as_deref(), password.as_ref()),
        };
        if entries.is_ok() || password.is_some() {
            return entries;
        }
        let interrupt = Interrupt::ask_to_stop()
            .map_err(|error| Failure::other(format!("cannot watch for interrupts: {error}"), "try again"))?;
        let Some(terminal) = Terminal::open(Some(&interrupt)) else { return entries };
        let remote = name(start);
        for _ in 0..TRIES {
            match &entries {
                Err(Failure::Status(refusal)) if connecting::is_about_credentials(self.router, refusal) => {
                    self.output.note(format_args!("{}", clean(&connecting::why_asked(refusal))));
                }
                _ => return entries,
            }
            let known = user.as_deref();
            let answer = connecting::credentials(
                &terminal,
                known,
                || (QUESTIONS.user)(&remote),
                |user| (QUESTIONS.password)(&remote, user),
            )?;
            let Some(Credentials { user: named, password: given }) = answer else { break };
            user = named.or(user);
            password = Some(given);
            entries = self.entries_as(start, user.as_deref(), password.as_ref());
        }
        entries
    }

    fn entries(&self, within: Option<&NetResource>) -> Result<Vec<NetResource>, Failure> {
        self.collected(within, || self.router.open_enum(RESOURCE_GLOBALNET, RESOURCETYPE_ANY, 0, within))
    }

    fn entries_as(
        &self,
        within: &NetResource,
        user: Option<&str>,
        password: Option<&Secret>,
    ) -> Result<Vec<NetResource>, Failure> {
        let user = user.map(wide);
        self.collected(Some(within), || {
            self.router.open_enum_as(within, user.as_deref(), password.map(Secret::as_wide))
        })
    }

    fn collected(
        &self,
        within: Option<&NetResource>,
        open: impl FnOnce() -> Result<Enumeration, Status> + Send,
    ) -> Result<Vec<NetResource>, Failure> {
        let what = within.map_or_else(|| "the networks".to_owned(), name);
        let asking = format!("browsing {}", clean(&what));
        extended_error::clear();
        let collected = patience::during(&asking, self.output.quiet, None, || {
            let mut entries = open()?;
            let mut collected = Vec::new();
            while let Some(entry) = entries.next_entry()? {
                collected.push(entry);
            }
            entries.close()?;
            Ok(collected)
        });
        collected.map_err(|status: Status| {
            let remote = within.map(name);
            let failure = Failure::about(status, format!("browse {what}"), remote.as_deref(), None);
            match status {
                Status::ACCESS_DENIED | Status::BAD_PASSWORD | Status::LOGON_FAILURE if within.is_some() => {
                    failure.with_hint("name a user who may list it: mpr browse REMOTE --user NAME")
                }
                _ => failure,
            }
        })
    }

    fn tell(&self, entry: &NetResource, level: u32) -> Result<(), Failure> {
        let text = |name: &Option<WideString>| {
            name.as_ref().map(|name| name.to_string_lossy()).filter(|name| !name.is_empty())
        };
        if self.output.json {
            return self.output.object(&json!({
                "level": level,
                "remote": text(&entry.remote),
                "provider": text(&entry.provider),
                "type": kind(entry.kind),
                "display": display(entry.display),
                "connectable": entry.usage & RESOURCEUSAGE_CONNECTABLE != 0,
                "container": entry.usage & RESOURCEUSAGE_CONTAINER != 0,
                "comment": text(&entry.comment),
            }));
        }
        let indent = "  ".repeat(level as usize);
        let comment =
            text(&entry.comment).map(|comment| format!("  — {}", clean(&comment))).unwrap_or_default();
        self.output.line(format_args!(
            "{indent}{}  ({}){comment}",
            clean(&name(entry)),
            // What a person wants to know of a share is whether it prints.
            if entry.kind == RESOURCETYPE_PRINT { "printer" } else { display(entry.display) }
        ))
    }
}

fn name(entry: &NetResource) -> String {
    let name = entry.remote.as_ref().filter(|name| !name.is_empty()).or(entry.provider.as_ref());
    name.map(|name| name.to_string_lossy()).unwrap_or_default()
}
