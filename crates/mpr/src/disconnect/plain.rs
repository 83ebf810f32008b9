//! Cancels that are plain (`crate::plain`): the name is that of a resource, not of a device.

use super::{CancelRequest, can};
use crate::Router;
use crate::plain::PlainRequest;
use crate::providers::{Provider, Providers};
use mpr_core::remote;
use mpr_core::routing::Purpose;
use mpr_plugin::abi::{CONNECT_UPDATE_PROFILE, NOTIFYINFO};
use mpr_plugin::{CancelConnection, CancelNotice, Event, Notifyee, Status};

impl Router {
    /// Cancels a connection the short way; `None`, and nothing is done, where there is more to a request, or something
    /// wrong with it.
    #[inline(always)]
    pub(super) fn cancel_plainly(&self, request: &CancelRequest<'_>) -> Option<Result<(), Status>> {
        let (notifyees, providers) = self.unrecorded()?;
        request.check().ok()?;
        if !remote::is_canonical(request.name.as_slice()) || providers.is_empty() {
            return None;
        }
        let flags = request.flags & CONNECT_UPDATE_PROFILE;
        let asked = CancelConnection { name: request.name, force: request.force, flags };
        if notifyees.are_wanting(Event::Cancel) {
            return Some(self.announce_plainly(notifyees, providers, &PlainCancel(asked)));
        }
        Some(PlainCancel(asked).ask(providers).map(|_| ()))
    }
}

struct PlainCancel<'a>(CancelConnection<'a>);

impl PlainRequest for PlainCancel<'_> {
    const EVENT: Event = Event::Cancel;

    #[inline(always)]
    fn ask<'r>(&self, providers: &'r Providers) -> Result<&'r Provider, Status> {
        let ask = |provider: &Provider| provider.network().cancel_connection(&self.0);
        providers.all().route_to_all(Purpose::Connection, can, ask)
    }

    #[inline(always)]
    fn notify(&self, library: &dyn Notifyee, by: Option<&Provider>, info: &mut NOTIFYINFO) -> Status {
        let provider = by.map_or_else(Default::default, |provider| &*provider.name);
        let CancelConnection { name, force, flags } = self.0;
        library.cancel_connect_notify(info, &CancelNotice { name, provider, flags, force })
    }
}
