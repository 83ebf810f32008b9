//! A notification library, called in this process.

use crate::sandbox;
use crate::serve::{Listening, Refusal};
use mpr::config::Events;
use mpr::library::{LoadedNotifyee, Terms};
use mpr::{extended_error, isolated, trace};
use mpr_helper::dirs;
use mpr_helper::host::{Answer, Call, Conditions, Event, Said, Sandbox};
use mpr_plugin::abi::{NOTIFY_PRE, NOTIFYINFO};
use mpr_plugin::{AddNotice, CancelNotice, Notifyee, Status, WideString};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::ptr::with_exposed_provenance_mut;

/// Files a library may have open.
const OPEN_FILES: libc::rlim_t = 1024;
/// Memory it may write to, in bytes. Address space is not limited: runtimes reserve much more of it than they
/// use.
const WRITABLE: libc::rlim_t = 2 << 30;

/// A notification library and the contexts it left.
pub(crate) struct Library {
    library: LoadedNotifyee,
    /// By the names the router knows them under.
    contexts: HashMap<u32, usize>,
    last: u32,
}

/// The conditions of a registration, as libraries are loaded on them.
pub(crate) fn terms(conditions: &Conditions) -> Result<Terms, Refusal> {
    let sha256 = conditions.sha256.as_deref().map(str::parse).transpose();
    let sha256 = sha256
        .map_err(|()| Refusal::of_process("its registration is not understood; reinstall mpr".into()))?;
    Ok(Terms { elevated: dirs::is_elevated(), by_root: conditions.by_root, sha256 })
}

impl Library {
    pub(crate) fn load(
        path: &Path,
        add: bool,
        cancel: bool,
        sandbox: Sandbox,
        conditions: &Conditions,
    ) -> Result<Self, Refusal> {
        confine(true)
            .map_err(|error| Refusal::of_process(format!("its process cannot be confined: {error}")))?;
        sandbox::enter(sandbox, false).map_err(Refusal::of_process)?;
        isolated::refuse_operations();
        let library = LoadedNotifyee::load(path, Events { add, cancel }, &terms(conditions)?)?;
        Ok(Library { library, contexts: HashMap::new(), last: 0 })
    }

    fn keep(&mut self, context: usize) -> u32 {
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.contexts.insert(self.last, context);
        self.last
    }
}

impl Listening for Library {
    fn notify(&mut self, call: &Call<Vec<u16>>) -> Result<Answer, String> {
        if call.simulation {
            return self.simulated(call);
        }
        self.told(call)
    }
}

impl Library {
    /// A library that cannot be told that it is a simulation is not asked.
    fn simulated(&mut self, call: &Call<Vec<u16>>) -> Result<Answer, String> {
        if self.library.sees_simulations() {
            return trace::simulate(Status::SUCCESS, |_| (), || self.told(call));
        }
        let text = "not asked: it does not export MprSimulation, and would take it for the real thing";
        let said = Said::of(0, text.encode_utf16().collect(), Vec::new());
        Ok(Answer { status: 0, context: 0, error: Some(said) })
    }

    fn told(&mut self, call: &Call<Vec<u16>>) -> Result<Answer, String> {
        let wide = |text: &Option<Vec<u16>>| text.clone().map(WideString::from_vec_truncate);
        let (local, remote, provider) = (wide(&call.local), wide(&call.remote), wide(&call.provider));
        let context = self.contexts.remove(&call.context).unwrap_or_default();
        let mut info = NOTIFYINFO {
            dwNotifyStatus: call.when,
            dwOperationStatus: call.status,
            // The library's own, exposed when it was left.
            lpContext: with_exposed_provenance_mut(context),
        };
        extended_error::clear();
        let status = match call.event {
            Event::Add => {
                let notice = AddNotice {
                    owner: with_exposed_provenance_mut(usize::try_from(call.owner).unwrap_or_default()),
                    scope: call.scope,
                    kind: call.kind,
                    display: call.display,
                    usage: call.usage,
                    local: local.as_deref(),
                    remote: remote.as_deref(),
                    provider: provider.as_deref(),
                    flags: call.flags,
                };
                self.library.add_connect_notify(&mut info, &notice)
            }
            Event::Cancel => {
                let notice = CancelNotice {
                    name: remote.as_deref().unwrap_or_default(),
                    provider: provider.as_deref().unwrap_or_default(),
                    flags: call.flags,
                    force: call.force,
                };
                self.library.cancel_connect_notify(&mut info, &notice)
            }
        };
        // What is handed back later: of a call before that allowed, or of one after that asks for a retry (§7).
        let goes_on = match call.when {
            NOTIFY_PRE => matches!(status, Status::SUCCESS | Status::RETRY),
            _ => status == Status::RETRY,
        };
        let left = info.lpContext.expose_provenance();
        let context = if goes_on && left != 0 { self.keep(left) } else { 0 };
        Ok(Answer { status: status.0, context, error: said() })
    }
}

/// What the plug-in left for `WNetGetLastError`.
pub(crate) fn said() -> Option<Said> {
    let error = extended_error::recorded();
    if error == extended_error::ExtendedError::default() {
        return None;
    }
    Some(Said::of(error.code, error.text.into_vec(), error.provider.into_vec()))
}

/// Gives up what a plug-in does not need. A provider may need to raise its privileges: it mounts.
///
/// The number of processes is not limited: the kernel counts those of the whole user, so that any number would
/// be too low for somebody and no limit for somebody else.
pub(crate) fn confine(no_new_privileges: bool) -> io::Result<()> {
    // SAFETY: takes integers.
    if no_new_privileges && unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    for (resource, most) in [(libc::RLIMIT_NOFILE, OPEN_FILES), (libc::RLIMIT_DATA, WRITABLE)] {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the structure lives through both calls.
        unsafe {
            if libc::getrlimit(resource, &mut limit) != 0 {
                return Err(io::Error::last_os_error());
            }
            limit.rlim_cur = limit.rlim_cur.min(most);
            limit.rlim_max = limit.rlim_max.min(most);
            if libc::setrlimit(resource, &limit) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}
