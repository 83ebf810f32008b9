//! A notification library in a shared object.

use super::copies::Copies;
use super::{LoadError, SharedObject, Terms};
use crate::config::Events;
use crate::trace;
use mpr_abi::{
    NETRESOURCEW, NOTIFYADD, NOTIFYCANCEL, NOTIFYINFO, PF_AddConnectNotify, PF_CancelConnectNotify,
    PF_MprSimulation, Status,
};
use mpr_plugin::{AddNotice, CancelNotice, Event, Notifyee};
use std::path::Path;
use std::ptr::null_mut;

/// A notification library, loaded for good.
///
/// Every call gets its arguments as private copies; nothing a library writes is read again but the context
/// (`spec/notification.md` DECISION 14). Usual names are copied without allocating memory.
#[derive(Debug)]
pub struct LoadedNotifyee {
    add: Option<PF_AddConnectNotify>,
    cancel: Option<PF_CancelConnectNotify>,
    /// `MprSimulation`: what follows on this thread is a simulation, or is none any more.
    simulation: Option<PF_MprSimulation>,
}

impl LoadedNotifyee {
    /// Loads the library at `path`, to be told of `events` as far as it exports the function for them.
    ///
    /// # Errors
    ///
    /// Why there is no library, or none to be trusted; also when it exports neither function.
    pub fn load(path: &Path, events: Events, terms: &Terms) -> Result<Self, LoadError> {
        let object = SharedObject::load(path, terms)?;
        // SAFETY: these are the types of the functions of these names (`npapi.h`).
        let (add, cancel): (Option<PF_AddConnectNotify>, Option<PF_CancelConnectNotify>) =
            unsafe { (object.function(c"AddConnectNotify"), object.function(c"CancelConnectNotify")) };
        if add.is_none() && cancel.is_none() {
            return Err(object.lacks(
                "it exports neither AddConnectNotify nor CancelConnectNotify",
                "export at least one of them under that very name (in C++: extern \"C\")",
            ));
        }
        // SAFETY: this is the type of the function of this name (`npapi.h`).
        let simulation: Option<PF_MprSimulation> = unsafe { object.function(c"MprSimulation") };
        Ok(LoadedNotifyee {
            simulation,
            add: add.filter(|_| events.add),
            cancel: cancel.filter(|_| events.cancel),
        })
    }
}

impl LoadedNotifyee {
    /// Calls the library, which is told before if it is a simulation, and afterwards that it is over.
    #[inline(always)]
    fn call(&self, call: impl FnOnce() -> u32) -> Status {
        let _told = Told(self.simulation.filter(|&simulation| told_of_simulation(simulation)));
        Status(call())
    }
}

/// Tells a library that a simulation follows, if one does. Not inlined: whether it is one would be looked up for
/// every library.
#[inline(never)]
fn told_of_simulation(simulation: PF_MprSimulation) -> bool {
    let is_simulation = trace::is_simulation();
    if is_simulation {
        // SAFETY: the function has this type.
        unsafe { simulation(1) };
    }
    is_simulation
}

/// A library that was told of a simulation, which is over with this.
struct Told(Option<PF_MprSimulation>);

impl Drop for Told {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(simulation) = self.0 {
            // SAFETY: the function has this type.
            unsafe { simulation(0) };
        }
    }
}

impl Notifyee for LoadedNotifyee {
    fn wants(&self, event: Event) -> bool {
        match event {
            Event::Add => self.add.is_some(),
            Event::Cancel => self.cancel.is_some(),
        }
    }

    fn sees_simulations(&self) -> bool {
        self.simulation.is_some()
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status {
        let Some(function) = self.add else { return Status::SUCCESS };
        let mut copies = Copies::new();
        let [local, remote, provider] = copies.fill([add.local, add.remote, add.provider]);
        let mut own_add = NOTIFYADD {
            hwndOwner: add.owner,
            NetResource: NETRESOURCEW {
                dwScope: add.scope,
                dwType: add.kind,
                dwDisplayType: add.display,
                dwUsage: add.usage,
                lpLocalName: local,
                lpRemoteName: remote,
                // DECISION 17.
                lpComment: null_mut(),
                lpProvider: provider,
            },
            dwAddFlags: add.flags,
        };
        let mut own_info = *info;
        // SAFETY: the function has this type; structures and strings are alive and ours to be written to.
        let status = self.call(|| unsafe { function(&mut own_info, &mut own_add) });
        info.lpContext = own_info.lpContext;
        status
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, cancel: &CancelNotice<'_>) -> Status {
        let Some(function) = self.cancel else { return Status::SUCCESS };
        let mut copies = Copies::new();
        let [name, provider] = copies.fill([Some(cancel.name), Some(cancel.provider)]);
        let mut own_cancel = NOTIFYCANCEL {
            lpName: name,
            lpProvider: provider,
            dwFlags: cancel.flags,
            fForce: cancel.force.into(),
        };
        let mut own_info = *info;
        // SAFETY: the function has this type; structures and strings are alive and ours to be written to.
        let status = self.call(|| unsafe { function(&mut own_info, &mut own_cancel) });
        info.lpContext = own_info.lpContext;
        status
    }
}
