//! The short way of a plain request, which comes to telling the notification libraries and asking the providers: it is
//! in order, there is no device, so nothing to be remembered or forgotten, and nobody records or judges it. Most are like
//! that, and most systems have no notification library either.

use crate::Router;
use crate::notifyees::{Announced, Notifyees};
use crate::providers::{Provider, Providers};
use crate::trace::Untraced;
use mpr_core::notify::When;
use mpr_plugin::abi::NOTIFYINFO;
use mpr_plugin::{Event, Notifyee, Status};

/// A plain request.
pub(crate) trait PlainRequest {
    /// Which callback it is announced with.
    const EVENT: Event;
    /// One run through the providers; says which one did it.
    fn ask<'r>(&self, providers: &'r Providers) -> Result<&'r Provider, Status>;
    /// Calls one library; after a success with who did it.
    fn notify(&self, library: &dyn Notifyee, by: Option<&Provider>, info: &mut NOTIFYINFO) -> Status;
}

impl Router {
    /// Takes a plain request that somebody wants to be told of through the protocol. Not inlined: most have nobody.
    #[inline(never)]
    pub(crate) fn announce_plainly(
        &self,
        notifyees: &Notifyees,
        providers: &Providers,
        request: &impl PlainRequest,
    ) -> Result<(), Status> {
        notifyees.announce(&mut Plain { providers, request, by: None }, || self.retry_limit()).ok()
    }
}

/// A plain request on its way.
struct Plain<'r, R> {
    providers: &'r Providers,
    request: &'r R,
    /// Who did what was asked, after a success.
    by: Option<&'r Provider>,
}

impl<R: PlainRequest> Announced for Plain<'_, R> {
    type Traced = Untraced;
    const EVENT: Event = R::EVENT;

    #[inline(always)]
    fn notify(&self, library: &dyn Notifyee, when: When, info: &mut NOTIFYINFO) -> Status {
        self.request.notify(library, self.by.filter(|_| when == When::AfterSuccess), info)
    }

    #[inline(always)]
    fn attempt(&mut self) -> Status {
        match self.request.ask(self.providers) {
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
