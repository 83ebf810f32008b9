//! `mpr browse`

use crate::failure::Failure;
use crate::info::{display, kind};
use crate::names::RemoteName;
use crate::output::{Output, clean};
use crate::patience;
use mpr::{Router, extended_error};
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
}

pub(crate) fn run(browse: &Browse, output: &Output) -> Result<(), Failure> {
    let router = Router::system();
    let start = browse.container(router)?;
    let walk = Walk { router, output, depth: browse.depth };
    let mut seen = 0;
    walk.below(start.as_ref(), 0, &mut seen)?;
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
    /// Shows what is in a container, `level` levels below the start.
    fn below(&self, within: Option<&NetResource>, level: u32, seen: &mut u64) -> Result<(), Failure> {
        for entry in self.entries(within)? {
            *seen += 1;
            self.tell(&entry, level)?;
            let inner = entry.usage & RESOURCEUSAGE_CONTAINER != 0 && level + 1 < self.depth;
            if !inner {
                continue;
            }
            match self.below(Some(&entry), level + 1, seen) {
                // What cannot be looked into does not hide what is beside it.
                Err(Failure::Status(refusal)) => {
                    self.output.warn(format_args!(
                        "{}: {}; see mpr error {}",
                        clean(&name(&entry)),
                        refusal.status,
                        refusal.status.0
                    ));
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn entries(&self, within: Option<&NetResource>) -> Result<Vec<NetResource>, Failure> {
        let what = within.map_or_else(|| "the networks".to_owned(), name);
        let asking = format!("browsing {}", clean(&what));
        extended_error::clear();
        let collected = patience::during(&asking, self.output.quiet, None, || {
            let mut entries = self.router.open_enum(RESOURCE_GLOBALNET, RESOURCETYPE_ANY, 0, within)?;
            let mut collected = Vec::new();
            while let Some(entry) = entries.next_entry()? {
                collected.push(entry);
            }
            entries.close()?;
            Ok(collected)
        });
        collected.map_err(|status: Status| {
            let remote = within.map(name);
            Failure::about(status, format!("browse {what}"), remote.as_deref(), None)
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
