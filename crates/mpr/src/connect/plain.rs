//! The short way of a plain request, which comes to telling the notification libraries and asking the providers: it is
//! in order, there is no device, so nothing to be remembered, and nobody records or judges it. Most are like that, and
//! most systems have no notification library either.

use super::{AddRequest, Credentials, Form, WITH_PASSWORD, given};
use crate::Router;
use crate::notifyees::{Announced, Notifyees};
use crate::providers::{Provider, Providers};
use crate::trace::Untraced;
use mpr_core::notify::When;
use mpr_core::remote;
use mpr_core::routing::Purpose;
use mpr_plugin::abi::{CONNECT_REDIRECT, NOTIFYINFO};
use mpr_plugin::{AddConnection, Capabilities, Event, Notifyee, Status, WideStr};

impl Router {
    /// Makes a connection the short way; `None`, and nothing is done, where there is more to a request, or something
    /// wrong with it.
    #[inline(always)]
    pub(super) fn add_plainly(&self, request: &AddRequest<'_>) -> Option<Result<(), Status>> {
        let (notifyees, providers) = self.unrecorded()?;
        let remote = request.check(Form::Add).ok()?;
        let Credentials::Password { user, password } = request.credentials else { return None };
        let is_plain = remote::is_canonical(remote.as_slice())
            && given(request.local).is_none()
            && given(request.provider).is_none()
            && request.use_options.is_empty()
            && request.flags & CONNECT_REDIRECT == 0
            && !providers.is_empty()
            && !providers.demand_device();
        if !is_plain {
            return None;
        }
        if notifyees.are_wanting(Event::Add) {
            // A copy, so that the optimizer needs no memory for a request of which nobody is told.
            return Some(self.announce_plainly(notifyees, providers, &{ *request }, remote));
        }
        Some(ask(providers, &asked(request, remote, user, password)).map(|_| ()))
    }

    #[inline(never)]
    fn announce_plainly(
        &self,
        notifyees: &Notifyees,
        providers: &Providers,
        request: &AddRequest<'_>,
        remote: &WideStr,
    ) -> Result<(), Status> {
        let Credentials::Password { user, password } = request.credentials else {
            return Err(Status::BAD_VALUE);
        };
        let asked = asked(request, remote, user, password);
        let mut plain = Plain { providers, request, asked, by: None };
        notifyees.announce(&mut plain, || self.retry_limit()).ok()
    }
}

/// What the providers are asked.
#[inline(always)]
fn asked<'a>(
    request: &AddRequest<'a>,
    remote: &'a WideStr,
    user: Option<&'a WideStr>,
    password: Option<&'a WideStr>,
) -> AddConnection<'a> {
    AddConnection {
        owner: request.owner,
        kind: request.kind,
        local: None,
        remote,
        provider: request.provider,
        user,
        password,
        auth: None,
        flags: request.flags,
    }
}

/// One run through the providers.
#[inline(always)]
fn ask<'r>(providers: &'r Providers, asked: &AddConnection<'_>) -> Result<&'r Provider, Status> {
    let can = |capabilities: &Capabilities| capabilities.connection & WITH_PASSWORD != 0;
    providers.all().route_name(asked.remote, Purpose::Resource, can, |provider| {
        provider.network().add_connection(asked).map(|()| provider)
    })
}

/// A plain request on its way.
struct Plain<'r, 'a> {
    providers: &'r Providers,
    request: &'r AddRequest<'a>,
    asked: AddConnection<'r>,
    /// The provider that made the connection, after a success.
    by: Option<&'r Provider>,
}

impl Announced for Plain<'_, '_> {
    type Traced = Untraced;
    const EVENT: Event = Event::Add;

    #[inline(always)]
    fn notify(&self, library: &dyn Notifyee, when: When, info: &mut NOTIFYINFO) -> Status {
        let mut notice = self.request.notice(&self.asked);
        if when == When::AfterSuccess {
            notice.provider = self.by.map(|provider| &*provider.name);
        }
        library.add_connect_notify(info, &notice)
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
