//! Connects that are plain (`crate::plain`).

use super::{AddRequest, Credentials, Form, WITH_PASSWORD, given};
use crate::Router;
use crate::plain::PlainRequest;
use crate::providers::{Provider, Providers};
use mpr_core::remote;
use mpr_core::routing::Purpose;
use mpr_plugin::abi::{CONNECT_REDIRECT, NOTIFYINFO};
use mpr_plugin::{AddConnection, Capabilities, Event, Notifyee, Status};

impl Router {
    /// Makes a connection the short way; `None`, and nothing is done, where there is more to a request, or something
    /// wrong with it.
    #[inline(always)]
    pub(super) fn add_plainly(&self, request: &AddRequest<'_>) -> Option<Result<(), Status>> {
        let (notifyees, providers) = self.unrecorded()?;
        let remote = request.check(Form::Add).ok()?;
        let is_plain = remote::is_canonical(remote.as_slice())
            && given(request.local).is_none()
            && given(request.provider).is_none()
            && matches!(request.credentials, Credentials::Password { .. })
            && request.use_options.is_empty()
            && request.flags & CONNECT_REDIRECT == 0
            && !providers.is_empty()
            && !providers.demand_device();
        if !is_plain {
            return None;
        }
        if notifyees.are_wanting(Event::Add) {
            // A copy, so that the optimizer needs no memory for a request of which nobody is told.
            let request = &{ *request };
            let plain = PlainAdd { request, asked: request.asked(remote) };
            return Some(self.announce_plainly(notifyees, providers, &plain));
        }
        Some(ask(providers, &request.asked(remote)).map(|_| ()))
    }
}

#[inline(always)]
fn ask<'r>(providers: &'r Providers, asked: &AddConnection<'_>) -> Result<&'r Provider, Status> {
    let can = |capabilities: &Capabilities| capabilities.connection & WITH_PASSWORD != 0;
    providers.all().route_name(asked.remote, Purpose::Resource, can, |provider| {
        provider.network().add_connection(asked).map(|()| provider)
    })
}

struct PlainAdd<'r, 'a> {
    request: &'r AddRequest<'a>,
    asked: AddConnection<'r>,
}

impl PlainRequest for PlainAdd<'_, '_> {
    const EVENT: Event = Event::Add;

    #[inline(always)]
    fn ask<'r>(&self, providers: &'r Providers) -> Result<&'r Provider, Status> {
        ask(providers, &self.asked)
    }

    #[inline(always)]
    fn notify(&self, library: &dyn Notifyee, by: Option<&Provider>, info: &mut NOTIFYINFO) -> Status {
        let mut notice = self.request.notice(&self.asked);
        notice.provider = by.map(|provider| &*provider.name).or(notice.provider);
        library.add_connect_notify(info, &notice)
    }
}
