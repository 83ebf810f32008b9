//! Cancelling a connection: `WNetCancelConnection` and `2` (`spec/wnet.md` §5, `spec/notification.md` §9.2).

use crate::Router;
use crate::connect::canonical;
use crate::notifyees::Announced;
use crate::policy::Asked;
use crate::providers::{Provider, Selection};
use crate::trace::{self, Kind, Request, Traced, Tracer, Untraced, What, bounded};
use mpr_core::device::LocalDevice;
use mpr_core::notify::When;
use mpr_core::policy;
use mpr_core::routing::Purpose;
use mpr_plugin::abi::{
    CONNECT_ADD_MASK, CONNECT_UPDATE_PROFILE, NOTIFYINFO, WNNC_CON_CANCELCONNECTION,
    WNNC_CON_CANCELCONNECTION2,
};
use mpr_plugin::{
    CancelConnection, CancelNotice, Capabilities, Event, Notifyee, Status, WideStr, WideString, wide,
};
use std::borrow::Cow;

/// A connection to be cancelled, as the application asks for it.
#[derive(Debug, Clone, Copy)]
pub struct CancelRequest<'a> {
    /// Device, or remote name of a deviceless connection.
    pub name: &'a WideStr,
    /// `CONNECT_UPDATE_PROFILE` to forget the connection, too.
    pub flags: u32,
    /// Whether open files are to be ignored.
    pub force: bool,
}

impl CancelRequest<'_> {
    /// As it is recorded before anything was made of it.
    fn recorded(&self) -> Request {
        let mut record = Request { flags: self.flags, force: self.force, ..Request::default() };
        match LocalDevice::parse(self.name.as_slice()) {
            Some(_) => record.local = Some(bounded(self.name)),
            None => record.remote = Some(Request::name(self.name)),
        }
        record
    }
}

impl Router {
    /// Cancels a connection, as `WNetCancelConnection2` does. `WNetCancelConnection` is the same with
    /// `CONNECT_UPDATE_PROFILE` (DECISION W18).
    ///
    /// # Errors
    ///
    /// The codes of `spec/wnet.md` §5.4, and whatever a provider or notification library answers.
    #[inline]
    pub fn cancel_connection(&self, request: &CancelRequest<'_>) -> Result<(), Status> {
        match self.is_traced() {
            false => self.cancel_with(request, Untraced),
            true => self.cancel_traced(request),
        }
    }

    #[cold]
    fn cancel_traced(&self, request: &CancelRequest<'_>) -> Result<(), Status> {
        let tracer = Tracer::begin(self, Kind::Cancel, request.recorded());
        let result = self.cancel_with(request, &tracer);
        tracer.end(result.into()).ok()
    }

    #[inline]
    fn cancel_with(&self, request: &CancelRequest<'_>, traced: impl Traced) -> Result<(), Status> {
        let mut cancel = self.judge_cancel(request, traced)?;
        if let Some(tracer) = traced.tracer() {
            tracer.accept(|record| {
                if cancel.device.is_none() {
                    record.remote = Some(Request::name(&cancel.name));
                }
            })?;
        }
        self.notifyees().announce(&mut cancel, || self.retry_limit()).ok()
    }

    #[inline(always)]
    fn judge_cancel<'r, 'a, T: Traced>(
        &'r self,
        request: &CancelRequest<'a>,
        traced: T,
    ) -> Result<Cancel<'r, 'a, T>, Status> {
        if request.name.is_empty() || request.flags & !CONNECT_ADD_MASK != 0 {
            return Err(Status::BAD_VALUE);
        }
        let device = LocalDevice::parse(request.name.as_slice());
        let name = match device {
            Some(_) => Cow::Borrowed(request.name),
            None => canonical(request.name)?.0,
        };
        let flags = request.flags & CONNECT_UPDATE_PROFILE;
        let remembered_by = match &device {
            Some(device) if flags != 0 => {
                let store = self.store()?;
                store.check_forgettable(device)?;
                store.entry(device)?.map(|entry| wide(&entry.provider))
            }
            _ => None,
        };
        if self.providers().is_empty() && remembered_by.is_none() {
            return Err(Status::NO_NETWORK);
        }
        let force = request.force;
        Ok(Cancel {
            router: self,
            name,
            device,
            flags,
            force,
            remembered_by,
            by: None,
            forgotten: false,
            traced,
        })
    }
}

/// A request that was accepted, on its way.
struct Cancel<'r, 'a, T> {
    router: &'r Router,
    /// The application's name; a remote name in canonical spelling.
    name: Cow<'a, WideStr>,
    device: Option<LocalDevice>,
    flags: u32,
    force: bool,
    /// Provider of the remembered connection that is to be forgotten, if there is one.
    remembered_by: Option<WideString>,
    /// Who cancelled, after a success.
    by: Option<&'r Provider>,
    /// Whether forgetting was all there was to do, and was done.
    forgotten: bool,
    /// Who puts down what happens, if anybody does.
    traced: T,
}

impl<'r, T: Traced> Cancel<'r, '_, T> {
    /// Runs through the providers: for a device up to the first that cancels, for a remote name through all
    /// of them (DECISION W19).
    #[inline(always)]
    fn route(&self) -> Result<&'r Provider, Status> {
        let providers = self.router.providers();
        if providers.is_empty() {
            return Err(Status::NO_NETWORK);
        }
        // Providers compare devices without regard to case, but not without regard to dots and slashes.
        let directory = match &self.device {
            Some(device @ LocalDevice::Directory(_)) => Some(wide(&device.to_string())),
            _ => None,
        };
        let asked = CancelConnection {
            name: directory.as_deref().unwrap_or(&self.name),
            force: self.force,
            flags: self.flags,
        };
        let can = |capabilities: &Capabilities| {
            capabilities.connection & (WNNC_CON_CANCELCONNECTION | WNNC_CON_CANCELCONNECTION2) != 0
        };
        let judged = self
            .router
            .policies()
            .filter(|policies| policies.depends_on_choices() && policies.is_about(policy::Event::Cancel));
        let ask = |provider: &'r Provider| {
            if let Some(policies) = judged {
                policies.admit(&Asked::cancel(&self.name, self.flags).through(&provider.name))?;
            }
            trace::asked(self.traced, &provider.name, None, || provider.network().cancel_connection(&asked))
        };
        let everybody = Selection::All(providers);
        if self.device.is_some() {
            everybody.route(Purpose::Connection, can, |provider| ask(provider).map(|()| provider))
        } else {
            everybody.route_to_all(Purpose::Connection, can, ask)
        }
    }

    /// One run through the providers, and what is left to be done without any.
    #[inline(always)]
    fn try_to_cancel(&mut self) -> Status {
        match self.route() {
            Ok(provider) => {
                self.by = Some(provider);
                Status::SUCCESS
            }
            // Only the remembered connection existed: forgetting it is all there was to do.
            Err(
                Status::NOT_CONNECTED
                | Status::NO_NETWORK
                | Status::NO_NET_OR_BAD_PATH
                | Status::NOT_SUPPORTED,
            ) if self.remembered_by.is_some() => {
                let forgotten = trace::saved(self.traced, || self.forget().into());
                self.forgotten = forgotten.is_success();
                forgotten
            }
            Err(status) => status,
        }
    }

    #[inline(always)]
    fn forget(&self) -> Result<(), Status> {
        if self.flags == 0 {
            return Ok(());
        }
        match &self.device {
            Some(device) => self.forget_device(device),
            None => Ok(()),
        }
    }

    fn forget_device(&self, device: &LocalDevice) -> Result<(), Status> {
        self.router.store()?.forget(device)?;
        Ok(())
    }
}

impl<T: Traced> Announced for Cancel<'_, '_, T> {
    type Traced = T;
    const EVENT: Event = Event::Cancel;

    fn notify(&self, library: &dyn Notifyee, when: When, info: &mut NOTIFYINFO) -> Status {
        let provider = match when {
            When::AfterSuccess => match self.by {
                Some(provider) => &provider.name,
                None => self.remembered_by.as_deref().unwrap_or_default(),
            },
            When::Before | When::AfterFailure => Default::default(),
        };
        let notice = CancelNotice { name: &self.name, provider, flags: self.flags, force: self.force };
        library.cancel_connect_notify(info, &notice)
    }

    #[inline(always)]
    fn attempt(&mut self) -> Status {
        let begun = self.traced.begin();
        let answer = match self.traced.assumed() {
            Some(assumed) => assumed,
            None => self.try_to_cancel(),
        };
        self.traced.end(begun, || What::Attempted, answer);
        answer
    }

    #[inline(always)]
    fn save(&mut self) -> Status {
        if self.forgotten || self.flags == 0 || self.traced.assumed().is_some() {
            return Status::SUCCESS;
        }
        trace::saved(self.traced, || self.forget().into())
    }

    #[inline]
    fn traced(&self) -> T {
        self.traced
    }
}
