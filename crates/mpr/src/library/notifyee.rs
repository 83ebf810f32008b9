//! A notification library in a shared object.

use super::LoadError;
use crate::config::Events;
use mpr_abi::{NOTIFYINFO, PF_AddConnectNotify, PF_CancelConnectNotify, Status};
use mpr_plugin::{AddNotice, CancelNotice, Event, Notifyee};
use std::path::Path;

/// A notification library, loaded for good.
#[derive(Debug)]
pub struct LoadedNotifyee {
    add: Option<PF_AddConnectNotify>,
    cancel: Option<PF_CancelConnectNotify>,
    events: Events,
}

impl LoadedNotifyee {
    /// Loads the library at `path`, to be told of `events` as far as it exports the function for them.
    ///
    /// # Errors
    ///
    /// Why there is no library, or none to be trusted; also when it exports neither function.
    pub fn load(path: &Path, events: Events, elevated: bool) -> Result<Self, LoadError> {
        _ = (path, events, elevated);
        unimplemented!()
    }
}

impl Notifyee for LoadedNotifyee {
    fn wants(&self, event: Event) -> bool {
        match event {
            Event::Add => self.add.is_some() && self.events.add,
            Event::Cancel => self.cancel.is_some() && self.events.cancel,
        }
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status {
        _ = (info, add);
        unimplemented!()
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, cancel: &CancelNotice<'_>) -> Status {
        _ = (info, cancel);
        unimplemented!()
    }
}
