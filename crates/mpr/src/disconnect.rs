//! Cancelling a connection: `WNetCancelConnection` and `2` (`spec/wnet.md` §5, `spec/notification.md` §9.2).

use crate::Router;
use crate::connect::canonical;
use crate::notifyees::Announced;
use crate::policy::{Asked, Policies};
use crate::providers::{Provider, Selection};
use crate::trace::{self, Kind, Request, Traced, Tracer, Untraced, What, bounded};
use mpr_core::device::LocalDevice;
use mpr_core::notify::When;
use mpr_core::routing::Purpose;
use mpr_core::{policy, remote};
use mpr_plugin::abi::{
    CONNECT_ADD_MASK, CONNECT_UPDATE_PROFILE, NOTIFYINFO, WNNC_CON_CANCELCONNECTION,
    WNNC_CON_CANCELCONNECTION2,
};
use mpr_plugin::{
    CancelConnection, CancelNotice, Capabilities, Event, Notifyee, Status, WideStr, WideString, wide,
};
use std::borrow::Cow;

mod plain;

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

impl<'a> CancelRequest<'a> {
    /// What can be seen of the request alone.
    #[inline(always)]
    fn check(&self) -> Result<(), Status> {
        if self.name.is_empty() || self.flags & !CONNECT_ADD_MASK != 0 {
            return Err(Status::BAD_VALUE);
        }
        Ok(())
    }

    /// The name as everybody is told it: that of a device as it is, a remote one in canonical spelling.
    #[cold]
    fn spelling(&self) -> Result<Cow<'a, WideStr>, Status> {
        match LocalDevice::parse(self.name.as_slice()) {
            Some(_) => Ok(Cow::Borrowed(self.name)),
            None => Ok(canonical(self.name)?.0),
        }
    }

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
    #[inline(always)]
    pub fn cancel_connection(&self, request: &CancelRequest<'_>) -> Result<(), Status> {
        match self.cancel_plainly(request) {
            Some(result) => result,
            // A copy, as of a request to connect.
            None => self.cancel_at_length(&{ *request }),
        }
    }

    #[inline(never)]
    fn cancel_at_length(&self, request: &CancelRequest<'_>) -> Result<(), Status> {
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
        request.check()?;
        let is_unc = remote::is_canonical(request.name.as_slice());
        let name = if is_unc { Cow::Borrowed(request.name) } else { request.spelling()? };
        let mut cancel = Cancel::new(self, request, &name, traced);
        if !is_unc {
            cancel.understand_device()?;
        }
        cancel.judge()?;
        if let Some(tracer) = traced.tracer() {
            tracer.accept(|record| {
                if cancel.device.is_none() {
                    record.remote = Some(Request::name(&name));
                }
            })?;
        }
        self.notifyees().announce(&mut cancel, || self.retry_limit()).ok()
    }
}

/// A request on its way.
struct Cancel<'r, T> {
    router: &'r Router,
    /// The request, with the application's name of a device, or a remote name in canonical spelling.
    asked: CancelConnection<'r>,
    device: Option<LocalDevice>,
    /// Provider of the remembered connection that is to be forgotten, if there is one.
    remembered_by: Option<WideString>,
    /// Who cancelled, after a success.
    by: Option<&'r Provider>,
    /// Whether forgetting was all there was to do, and was done.
    forgotten: bool,
    /// Who puts down what happens, if anybody does.
    traced: T,
}

impl<'r, T: Traced> Cancel<'r, T> {
    /// A request whose name is understood. What becomes of it is written down here.
    #[inline(always)]
    fn new(router: &'r Router, request: &CancelRequest<'_>, name: &'r WideStr, traced: T) -> Self {
        let flags = request.flags & CONNECT_UPDATE_PROFILE;
        Cancel {
            router,
            asked: CancelConnection { name, force: request.force, flags },
            device: None,
            remembered_by: None,
            by: None,
            forgotten: false,
            traced,
        }
    }

    /// The rest of what the router can see for itself. Nobody is called back for a request that is refused here.
    #[inline(always)]
    fn judge(&mut self) -> Result<(), Status> {
        if self.router.providers().is_empty() && self.remembered_by.is_none() {
            return Err(Status::NO_NETWORK);
        }
        Ok(())
    }

    /// A name that is no UNC name may be that of a device.
    fn understand_device(&mut self) -> Result<(), Status> {
        self.device = LocalDevice::parse(self.asked.name.as_slice());
        if let Some(device) = self.device.as_ref().filter(|_| self.asked.flags != 0) {
            let store = self.router.store()?;
            store.check_forgettable(device)?;
            self.remembered_by = store.entry(device)?.map(|entry| wide(&entry.provider));
        }
        Ok(())
    }

    /// Runs through the providers: for a device up to the first that cancels, for a remote name through all
    /// of them (DECISION W19).
    #[inline(always)]
    fn route(&self) -> Result<&'r Provider, Status> {
        let everybody = self.router.providers().all();
        match &self.device {
            _ if everybody.is_empty() => Err(Status::NO_NETWORK),
            None => {
                everybody.route_to_all(Purpose::Connection, can, |provider| self.ask(provider, &self.asked))
            }
            Some(device) => self.route_device(&everybody, device),
        }
    }

    fn route_device(&self, everybody: &Selection<'r>, device: &LocalDevice) -> Result<&'r Provider, Status> {
        // As it was connected, and as it is asked for: in canonical spelling (`spec/wnet.md` §1.4).
        let name = wide(&device.to_string());
        let asked = CancelConnection { name: &name, ..self.asked };
        let ask = |provider| self.ask(provider, &asked).map(|()| provider);
        everybody.route(Purpose::Connection, can, ask)
    }

    #[inline(always)]
    fn ask(&self, provider: &Provider, asked: &CancelConnection<'_>) -> Result<(), Status> {
        if let Some(policies) = self.router.policies() {
            self.admit_choice(policies, provider)?;
        }
        trace::asked(self.traced, &provider.name, None, || provider.network().cancel_connection(asked))
    }

    /// Asks the policy about the provider, which was open when it was asked first, if it can deny by that.
    #[cold]
    fn admit_choice(&self, policies: &Policies, provider: &Provider) -> Result<(), Status> {
        if policies.depends_on_choices() && policies.is_about(policy::Event::Cancel) {
            policies.admit(&Asked::cancel(self.asked.name, self.asked.flags).through(&provider.name))?;
        }
        Ok(())
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

    #[cold]
    fn forget(&self) -> Result<(), Status> {
        if let Some(device) = self.device.as_ref().filter(|_| self.asked.flags != 0) {
            self.router.store()?.forget(device)?;
        }
        Ok(())
    }
}

/// Whether a provider cancels anything.
fn can(capabilities: &Capabilities) -> bool {
    capabilities.connection & (WNNC_CON_CANCELCONNECTION | WNNC_CON_CANCELCONNECTION2) != 0
}

impl<T: Traced> Announced for Cancel<'_, T> {
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
        let CancelConnection { name, force, flags } = self.asked;
        let notice = CancelNotice { name, provider, flags, force };
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
        if self.forgotten || self.asked.flags == 0 || self.traced.assumed().is_some() {
            return Status::SUCCESS;
        }
        trace::saved(self.traced, || self.forget().into())
    }

    #[inline]
    fn traced(&self) -> T {
        self.traced
    }
}
