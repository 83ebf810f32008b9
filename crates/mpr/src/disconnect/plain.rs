//! The short way of a plain request, as of one to connect: the name is that of a resource, not of a device, so there is
//! nothing to forget, and nobody records or judges it.

use super::{CancelRequest, can};
use crate::Router;
use crate::notifyees::{Announced, Notifyees};
use crate::providers::{Provider, Providers};
use crate::trace::Untraced;
use mpr_core::notify::When;
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
            return Some(self.announce_cancel_plainly(notifyees, providers, asked));
        }
        Some(ask(providers, &asked).map(|_| ()))
    }

    #[inline(never)]
    fn announce_cancel_plainly(
        &self,
        notifyees: &Notifyees,
        providers: &Providers,
        asked: CancelConnection<'_>,
    ) -> Result<(), Status> {
        let mut plain = Plain { providers, asked, by: None };
        notifyees.announce(&mut plain, || self.retry_limit()).ok()
    }
}

/// One run through the providers.
#[inline(always)]
fn ask<'r>(providers: &'r Providers, asked: &CancelConnection<'_>) -> Result<&'r Provider, Status> {
    let ask = |provider: &Provider| provider.network().cancel_connection(asked);
    providers.all().route_to_all(Purpose::Connection, can, ask)
}

/// A plain request on its way.
struct Plain<'r> {
    providers: &'r Providers,
    asked: CancelConnection<'r>,
    /// Who cancelled, after a success.
    by: Option<&'r Provider>,
}

impl Announced for Plain<'_> {
    type Traced = Untraced;
    const EVENT: Event = Event::Cancel;

    #[inline(always)]
    fn notify(&self, library: &dyn Notifyee, when: When, info: &mut NOTIFYINFO) -> Status {
        let provider = match (when, self.by) {
            (When::AfterSuccess, Some(provider)) => &*provider.name,
            _ => Default::default(),
        };
        let CancelConnection { name, force, flags } = self.asked;
        library.cancel_connect_notify(info, &CancelNotice { name, provider, flags, force })
    }

    #[inline(always)]
    fn attempt(&mut self) -> Status {
        match ask(self.providers, &self.asked) {
            Ok(provider) => {
                self.by = Some(provider);
                Status::SUCCESS
            }
            Err(status) => status,
        }
    }

    #[inline(always)]
    fn save(&mut self) -> Status {
        Status::SUCCESS
    }

    #[inline(always)]
    fn traced(&self) -> Untraced {
        Untraced
    }
}
