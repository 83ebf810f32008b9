//! Plug-ins outside the caller's process, and commands (`docs/isolation.md`).
//!
//! To the router an isolated library is a plug-in like any other, a [`Notifyee`] or a `NetworkProvider`: one that
//! talks to a host process and never takes longer than its deadline, whatever the library does. What becomes of an
//! operation without an answer is decided here.

mod line;
mod listener;
mod provider;
mod silence;
mod trial;
mod turn;

pub(crate) use listener::Isolated;
pub(crate) use provider::IsolatedProvider;
pub use trial::{Trial, Tried};

use crate::config::{NotifyeeEntry, ProviderEntry};
use crate::extended_error;
use mpr_helper::dirs;
use mpr_helper::failures::{Failing, Failures, Kind};
use mpr_plugin::abi::{NOTIFY_PRE, NOTIFYINFO};
use mpr_plugin::{AddNotice, CancelNotice, Event, Notifyee, Status, wide};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// In a host: whether operations that would be announced are refused.
static REFUSING: AtomicBool = AtomicBool::new(false);
/// In a host of a provider: whether isolated providers are left out.
static ALONE: AtomicBool = AtomicBool::new(false);

/// For `mpr-host`: refuses every connect and disconnect in this process from now on, with `WN_NOT_SUPPORTED`. A
/// library that runs in a host could not be left out of the announcements of what it does itself (DECISION 29).
pub fn refuse_operations() {
    REFUSING.store(true, Ordering::Relaxed);
}

pub(crate) fn is_refusing() -> bool {
    REFUSING.load(Ordering::Relaxed)
}

/// For `mpr-host`: leaves isolated providers out of the table of this process. A provider that asks the router,
/// which it is not to do, would otherwise have itself loaded in a host of this host, and so on.
pub fn refuse_isolated_providers() {
    ALONE.store(true, Ordering::Relaxed);
}

pub(crate) fn is_refusing_isolated_providers() -> bool {
    ALONE.load(Ordering::Relaxed)
}

/// How an isolated notification library has been failing; `None` for one that is well. Reads what all processes
/// of this user have seen.
#[must_use]
pub fn failing(entry: &NotifyeeEntry) -> Option<Failing> {
    failures(Kind::Notifyee, &entry.stem, &entry.file)?.read()
}

/// How an isolated provider has been failing; `None` for one that is well. Reads what all processes of this user
/// have seen.
#[must_use]
pub fn failing_provider(entry: &ProviderEntry) -> Option<Failing> {
    failures(Kind::Provider, &entry.stem, &entry.file)?.read()
}

/// Where failures are written down; `None` where there is no place for it.
fn failures(kind: Kind, stem: &str, file: &Path) -> Option<Failures> {
    Some(Failures::of(&dirs::runtime_path().ok()?, kind, stem, file))
}

/// Bits of half a context: half is the host it belongs to, the other half what that host calls it.
const HALF: u32 = usize::BITS / 2;
const MASK: usize = (1 << HALF) - 1;

/// Stands in the place of all notification libraries in a host: refuses what they would be told of.
pub(crate) struct Refusing;

impl Refusing {
    fn refuse(info: &NOTIFYINFO) -> Status {
        if info.dwNotifyStatus != NOTIFY_PRE {
            return Status::SUCCESS;
        }
        let text = "a notification library that runs isolated can neither connect nor disconnect";
        extended_error::record(Status::NOT_SUPPORTED.0, &wide(text), &wide("mpr-host"));
        Status::NOT_SUPPORTED
    }
}

impl Notifyee for Refusing {
    fn wants(&self, _: Event) -> bool {
        true
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, _: &AddNotice<'_>) -> Status {
        Refusing::refuse(info)
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, _: &CancelNotice<'_>) -> Status {
        Refusing::refuse(info)
    }
}
