//! Adding a connection: `WNetAddConnection`, `2`, `3`, `4` and `WNetUseConnection`, `4`
//! (`spec/wnet.md` §4, `spec/notification.md` §5, §9.1, §12).
//!
//! One path for all of them: judge the request, announce it, try the providers, remember, announce what came
//! of it.

use crate::notifyees::Announced;
use crate::policy::{self, Asked, Policies};
use crate::providers::{Provider, Selection};
use crate::store::Entry;
use crate::trace::{self, Kind, Request, Traced, Tracer, Untraced, What, bounded};
use crate::{Router, extended_error};
use mpr_core::device::{DeviceClass, LocalDevice};
use mpr_core::notify::When;
use mpr_core::remote;
use mpr_core::routing::Purpose;
use mpr_plugin::abi::{
    CONNECT_ADD_MASK, CONNECT_REDIRECT, CONNECT_TEMPORARY, CONNECT_UPDATE_PROFILE, CONNECT_UPDATE_RECENT,
    HWND, MAX_REMOTE_NAME, NOTIFYINFO, RESOURCETYPE_ANY, RESOURCETYPE_PRINT, WNNC_CON_ADDCONNECTION,
    WNNC_CON_ADDCONNECTION3, WNNC_CON_ADDCONNECTION4, WNNC_CON_GETCONNECTIONS,
};
use mpr_plugin::{
    AddConnection, AddNotice, AuthBuffer, Capabilities, Event, Notifyee, Status, WideStr, WideString, wide,
};
use std::borrow::Cow;
use std::cell::OnceCell;

mod explain;
mod plain;

pub use explain::{Explanation, Listener, Prospect, Rule};

/// Capabilities one of which a provider must have to be asked with user and password.
const WITH_PASSWORD: u32 = WNNC_CON_ADDCONNECTION | WNNC_CON_ADDCONNECTION3 | WNNC_CON_ADDCONNECTION4;

/// A connection to be made, as the application asks for it.
#[derive(Debug, Clone, Copy)]
pub struct AddRequest<'a> {
    /// Owner for dialogs.
    pub owner: HWND,
    /// `RESOURCE_*`; handed to notification libraries and otherwise ignored.
    pub scope: u32,
    /// `RESOURCETYPE_*`; `RESOURCETYPE_ANY` with a device means the device's own.
    pub kind: u32,
    /// `RESOURCEDISPLAYTYPE_*`; handed to notification libraries and otherwise ignored.
    pub display: u32,
    /// `RESOURCEUSAGE_*`; handed to notification libraries and otherwise ignored.
    pub usage: u32,
    /// Device; none or empty for a deviceless connection.
    pub local: Option<&'a WideStr>,
    /// The resource, in any spelling that is accepted.
    pub remote: Option<&'a WideStr>,
    /// Provider; none or empty for all.
    pub provider: Option<&'a WideStr>,
    /// What the connection is made with.
    pub credentials: Credentials<'a>,
    /// Options of a provider's own, beside user and password; empty for none. Where there is one of these, only
    /// providers that take both are asked.
    pub use_options: &'a [u8],
    /// `CONNECT_*` flags.
    pub flags: u32,
}

/// What a connection is made with.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Credentials<'a> {
    /// User and password; none of either is the default one, an empty password is no password.
    Password {
        /// User.
        user: Option<&'a WideStr>,
        /// Password.
        password: Option<&'a WideStr>,
    },
    /// The buffers of the four-series functions.
    Buffer(AuthBuffer<'a>),
    /// A buffer was announced by its size, but is not there.
    MissingBuffer,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Credentials::Password { user, password } => f
                .debug_struct("Password")
                .field("user", user)
                .field("password", &password.map(|_| "…"))
                .finish(),
            Credentials::Buffer(buffer) => buffer.fmt(f),
            Credentials::MissingBuffer => f.write_str("MissingBuffer"),
        }
    }
}

impl Default for AddRequest<'_> {
    #[inline]
    fn default() -> Self {
        AddRequest {
            owner: std::ptr::null_mut(),
            scope: 0,
            kind: RESOURCETYPE_ANY,
            display: 0,
            usage: 0,
            local: None,
            remote: None,
            provider: None,
            credentials: Credentials::Password { user: None, password: None },
            use_options: &[],
            flags: 0,
        }
    }
}

impl AddRequest<'_> {
    /// As it is recorded before anything was made of it.
    fn recorded(&self) -> Request {
        let text = |name| given(name).map(bounded);
        let user = match self.credentials {
            Credentials::Password { user, .. } => user,
            Credentials::Buffer(_) | Credentials::MissingBuffer => None,
        };
        Request {
            remote: self.remote.map(Request::name),
            local: text(self.local),
            provider: text(self.provider),
            user: text(user),
            kind: Some(self.kind),
            flags: self.flags,
            force: false,
        }
    }
}

impl<'a> AddRequest<'a> {
    /// What the providers are asked, with the remote name and everything else as the application has it.
    #[inline(always)]
    fn asked<'n>(&'n self, remote: &'n WideStr) -> AddConnection<'n> {
        let (user, password) = match self.credentials {
            Credentials::Password { user, password } => (user, password),
            Credentials::Buffer(_) | Credentials::MissingBuffer => (None, None),
        };
        AddConnection {
            owner: self.owner,
            kind: self.kind,
            local: given(self.local),
            remote,
            provider: self.provider,
            user,
            password,
            auth: None,
            flags: self.flags,
        }
    }

    /// What the notification libraries are told of it before it was carried out.
    #[inline(always)]
    fn notice<'n>(&'n self, asked: &AddConnection<'n>) -> AddNotice<'n> {
        AddNotice {
            owner: self.owner,
            scope: self.scope,
            kind: asked.kind,
            display: self.display,
            usage: self.usage,
            local: self.local,
            remote: Some(asked.remote),
            provider: self.provider,
            flags: self.flags,
        }
    }

    /// The first of the tests of DECISION W14, those that only look at the request. Returns the remote name, in the
    /// application's spelling.
    #[inline(always)]
    fn check(&self, form: Form<'_>) -> Result<&'a WideStr, Status> {
        let remote = match (self.remote, form) {
            (Some(remote), _) if !remote.is_empty() && remote.len() <= MAX_REMOTE_NAME => remote,
            (None, Form::Use(_)) => return Err(Status::BAD_VALUE),
            _ => return Err(Status::BAD_NETNAME),
        };
        if form.access().is_some_and(|access| access.capacity.unwrap_or(0) == 0)
            || self.kind > RESOURCETYPE_PRINT
            || self.flags & !CONNECT_ADD_MASK != 0
            || matches!(self.credentials, Credentials::MissingBuffer)
        {
            return Err(Status::BAD_VALUE);
        }
        Ok(remote)
    }
}

/// Where `WNetUseConnection` is to report the name by which the resource can be reached.
#[derive(Debug, Clone, Copy)]
pub struct AccessBuffer {
    /// Units it holds; `None` when the application left out the size.
    pub capacity: Option<u32>,
    /// Units a name takes, terminator included.
    pub length: fn(&WideStr) -> u32,
}

/// Which of the two families of functions asks.
#[derive(Debug, Clone, Copy)]
enum Form<'f> {
    /// The add functions, which report nothing back.
    Add,
    /// The use functions, with or without a place for the access name.
    Use(Option<&'f AccessBuffer>),
}

impl<'f> Form<'f> {
    fn access(self) -> Option<&'f AccessBuffer> {
        match self {
            Form::Add => None,
            Form::Use(access) => access,
        }
    }
}

/// A connection that was made.
#[derive(Debug)]
pub struct Added<'a> {
    /// The device that was redirected, if one was: as the application named it, or as it was chosen.
    pub local: Option<Cow<'a, WideStr>>,
    /// The resource, in canonical spelling.
    pub remote: Cow<'a, WideStr>,
}

impl Added<'_> {
    /// What the application reaches the resource by: the device, or the remote name.
    #[must_use]
    pub fn access_name(&self) -> &WideStr {
        self.local.as_deref().unwrap_or(&self.remote)
    }
}

/// Why a use function failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseError {
    /// The access name would not fit; nothing was connected.
    AccessNameTooLong {
        /// Units needed, terminator included.
        needed: u32,
    },
    /// Anything else.
    Failed(Status),
}

impl UseError {
    /// What the other functions answer in its place.
    fn status(error: Option<&UseError>) -> Status {
        match error {
            None => Status::SUCCESS,
            Some(UseError::Failed(status)) => *status,
            Some(UseError::AccessNameTooLong { .. }) => Status::MORE_DATA,
        }
    }
}

impl From<Status> for UseError {
    fn from(status: Status) -> Self {
        UseError::Failed(status)
    }
}

impl Router {
    /// Makes a connection, as `WNetAddConnection2`, `3` and `4` do, and like them reports nothing of it.
    ///
    /// `WNetAddConnection` is the same with `CONNECT_UPDATE_PROFILE`.
    ///
    /// # Errors
    ///
    /// The codes of `spec/wnet.md` §4.7, and whatever a provider or notification library answers.
    #[inline(always)]
    pub fn add_connection(&self, request: &AddRequest<'_>) -> Result<(), Status> {
        match self.add_plainly(request) {
            Some(result) => result,
            // A copy, so that the optimizer needs no memory for a request that goes the short way.
            None => self.add_at_length(&{ *request }),
        }
    }

    #[inline(never)]
    fn add_at_length(&self, request: &AddRequest<'_>) -> Result<(), Status> {
        self.connect(request, Form::Add).map_err(|error| UseError::status(Some(&error)))
    }

    /// Makes a connection, as `WNetUseConnection` and `4` do: a device may be chosen, and the name to reach
    /// the resource by is reported.
    ///
    /// # Errors
    ///
    /// As [`add_connection`](Self::add_connection).
    pub fn use_connection<'a>(
        &self,
        request: &AddRequest<'a>,
        access: Option<AccessBuffer>,
    ) -> Result<Added<'a>, UseError> {
        self.connect(request, Form::Use(access.as_ref()))
    }

    #[inline]
    fn connect<'a, R: Report<'a>>(&self, request: &AddRequest<'a>, form: Form<'_>) -> Result<R, UseError> {
        match self.is_traced() {
            false => self.connect_with(request, form, Untraced),
            true => self.connect_traced(request, form),
        }
    }

    #[cold]
    fn connect_traced<'a, R: Report<'a>>(
        &self,
        request: &AddRequest<'a>,
        form: Form<'_>,
    ) -> Result<R, UseError> {
        let tracer = Tracer::begin(self, Kind::Add, request.recorded());
        let result = self.connect_with(request, form, &tracer);
        _ = tracer.end(UseError::status(result.as_ref().err()));
        result
    }

    #[inline]
    fn connect_with<'a, R: Report<'a>>(
        &self,
        request: &AddRequest<'a>,
        form: Form<'_>,
        traced: impl Traced,
    ) -> Result<R, UseError> {
        self.judged(request, form, traced, |connect| {
            connect.accept()?;
            self.notifyees().announce(connect, || self.retry_limit()).ok()?;
            Ok(R::of(connect))
        })
    }

    /// Makes a connection that is being restored: nobody is told, and nothing is remembered anew.
    pub(crate) fn connect_unannounced(&self, request: &AddRequest<'_>) -> Result<(), Status> {
        if !self.is_traced() {
            return self.connect_unannounced_with(request, Untraced);
        }
        let tracer = Tracer::begin(self, Kind::Add, request.recorded());
        tracer.mark(|operation| operation.restore = true);
        let result = self.connect_unannounced_with(request, &tracer);
        tracer.end(result.into()).ok()
    }

    fn connect_unannounced_with(&self, request: &AddRequest<'_>, traced: impl Traced) -> Result<(), Status> {
        let connected = self.judged(request, Form::Add, traced, |connect| {
            connect.accept()?;
            connect.admit()?;
            Ok(connect.attempt().ok()?)
        });
        connected.map_err(|error| UseError::status(Some(&error)))
    }

    /// Judges a request and, if it passes every test, goes on with it.
    #[inline(always)]
    fn judged<'a, T: Traced, R>(
        &self,
        request: &AddRequest<'a>,
        form: Form<'_>,
        traced: T,
        proceed: impl FnOnce(&mut Connect<'_, 'a, T>) -> Result<R, UseError>,
    ) -> Result<R, UseError> {
        let remote = request.check(form)?;
        let (remote, url_user) = match remote::is_canonical(remote.as_slice()) {
            true => (Cow::Borrowed(remote), None),
            false => canonical(remote)?,
        };
        let device = given(request.local).and_then(canonical_device);
        let mut connect = Connect::new(self, request, &remote, device.as_deref(), traced);
        if let Some(user) = &url_user {
            connect.understand_user(user);
        }
        connect.judge(form)?;
        connect.check_device()?;
        proceed(&mut connect)
    }

    /// Whether some provider has the device.
    pub(crate) fn is_redirected(&self, device: &WideStr) -> bool {
        self.providers()
            .iter()
            .filter(|provider| provider.capabilities.connection & WNNC_CON_GETCONNECTIONS != 0)
            .any(|provider| matches!(provider.network().connection(device), Ok(_) | Err(Status::MORE_DATA)))
    }
}

/// A name that is there: an empty one is none.
#[inline(always)]
fn given(name: Option<&WideStr>) -> Option<&WideStr> {
    name.filter(|name| !name.is_empty())
}

/// A device in the spelling that every provider gets, whichever the application uses: a provider compares names, and
/// would not find under one of them what it connected under another. `None` for what is no device.
#[cold]
fn canonical_device(name: &WideStr) -> Option<WideString> {
    LocalDevice::parse(name.as_slice()).map(|device| wide(&device.to_string()))
}

/// A remote name in canonical spelling, and the user named in a URL.
pub(crate) fn canonical(name: &WideStr) -> Result<(Cow<'_, WideStr>, Option<WideString>), Status> {
    match remote::canonical(name.as_slice()) {
        Ok(None) => Ok((Cow::Borrowed(name), None)),
        Ok(Some(canonical)) => {
            let name = WideString::from_vec_truncate(canonical.name);
            Ok((Cow::Owned(name), canonical.user.as_deref().map(wide)))
        }
        Err(error) => {
            extended_error::record(Status::BAD_VALUE.0, &wide(&error.to_string()), &wide("mpr"));
            Err(Status::BAD_VALUE)
        }
    }
}

/// A request on its way.
struct Connect<'r, 'a, T> {
    router: &'r Router,
    request: &'r AddRequest<'a>,
    /// What the providers are asked: the request as it is understood.
    asked: AddConnection<'r>,
    /// The user named in the remote name, who counts if the request has none.
    url_user: Option<&'r WideStr>,
    /// Nobody, until the request is judged.
    selection: Selection<'r>,
    /// The device it names.
    device: Option<LocalDevice>,
    /// Whether a device is to be chosen.
    automatic: bool,
    /// The device that was chosen, after a success.
    redirected: OnceCell<WideString>,
    /// The provider that made the connection, after a success.
    provider: Option<&'r Provider>,
    /// Who puts down what happens, if anybody does.
    traced: T,
}

impl<'r, 'a, T: Traced> Connect<'r, 'a, T> {
    /// A request whose remote name is understood, and nothing else yet, with its device in canonical spelling if it
    /// names one. The rest of what becomes of it is written down here, too: a structure of this size costs more to
    /// hand on than to fill.
    #[inline(always)]
    fn new(
        router: &'r Router,
        request: &'r AddRequest<'a>,
        remote: &'r WideStr,
        device: Option<&'r WideStr>,
        traced: T,
    ) -> Self {
        let mut asked = request.asked(remote);
        asked.local = device.or(asked.local);
        Connect {
            router,
            request,
            asked,
            url_user: None,
            selection: Selection::default(),
            device: None,
            automatic: false,
            redirected: OnceCell::new(),
            provider: None,
            traced,
        }
    }

    /// What the router can see for itself, in the order of DECISION W14 up to test 12. It begins with
    /// [`AddRequest::check`], and the rest is [`check_device`](Self::check_device). Nobody is called back for a
    /// request that is refused by any of them.
    #[inline(always)]
    fn judge(&mut self, form: Form<'_>) -> Result<(), UseError> {
        match self.request.credentials {
            Credentials::Buffer(buffer) => self.asked.auth = Some(buffer),
            _ if self.request.use_options.is_empty() => {}
            _ => {
                let use_options = self.request.use_options;
                self.asked.auth = Some(AuthBuffer { auth: &[], use_options });
            }
        }
        match self.asked.local {
            Some(local) => self.understand_device(local)?,
            None if self.asked.flags & CONNECT_REDIRECT != 0 => self.choose_device(form)?,
            None => {}
        }
        self.selection = self.router.providers().select(self.asked.provider)?;
        match form.access() {
            Some(access) => self.check_access(access),
            None => Ok(()),
        }
    }

    /// The user named in the remote name counts where the request names none.
    #[cold]
    fn understand_user(&mut self, user: &'r WideStr) {
        self.url_user = Some(user);
        if let Credentials::Password { user: None, .. } = self.request.credentials {
            self.asked.user = Some(user);
        }
    }

    fn understand_device(&mut self, local: &WideStr) -> Result<(), Status> {
        let device = LocalDevice::parse(local.as_slice()).ok_or(Status::BAD_LOCALNAME)?;
        let class = device.class() as u32;
        if self.asked.kind != RESOURCETYPE_ANY && self.asked.kind != class {
            return Err(Status::BAD_DEV_TYPE);
        }
        self.asked.kind = class;
        self.device = Some(device);
        Ok(())
    }

    #[cold]
    fn choose_device(&mut self, form: Form<'_>) -> Result<(), Status> {
        if self.asked.kind == RESOURCETYPE_ANY {
            return Err(Status::BAD_VALUE);
        }
        if form.access().is_none() {
            return Err(Status::BAD_POINTER);
        }
        self.automatic = true;
        Ok(())
    }

    /// Whether the name by which the resource will be reached has room.
    fn check_access(&self, access: &AccessBuffer) -> Result<(), UseError> {
        let length = access.length;
        let device = || length(&wide(if self.asked.kind == RESOURCETYPE_PRINT { "LPT1" } else { "Z:" }));
        let demanded = || self.selection.iter().any(|provider| provider.requires_device);
        let needed = match given(self.request.local) {
            Some(local) => length(local),
            None if self.automatic => device(),
            // A device or the remote name: that is for whoever connects to decide.
            None if demanded() => device().max(length(self.asked.remote)),
            None => length(self.asked.remote),
        };
        if access.capacity.unwrap_or(0) < needed {
            return Err(UseError::AccessNameTooLong { needed });
        }
        Ok(())
    }

    /// The request has passed every test.
    #[inline(always)]
    fn accept(&self) -> Result<(), Status> {
        match self.traced.tracer() {
            None => Ok(()),
            Some(tracer) => tracer.accept(|request| self.understood(request)),
        }
    }

    /// Puts down how the request was understood.
    fn understood(&self, request: &mut Request) {
        request.remote = Some(Request::name(self.asked.remote));
        request.kind = Some(self.asked.kind);
        request.user = request.user.take().or(self.url_user.map(bounded));
    }

    /// In a simulation: an attempt that is not made. A success is that of the first provider that could be asked,
    /// with the device that would be chosen.
    #[cold]
    fn assume(&mut self, assumed: Status) -> Status {
        if assumed.is_success() {
            let first = self.to_be_asked().next();
            self.provider = first;
            let demanded = self.asked.local.is_none() && first.is_some_and(|first| first.requires_device);
            let chooses = self.automatic || demanded;
            if let Some(device) = chooses.then(|| self.candidates(self.class_to_choose()).next()).flatten() {
                _ = self.redirected.set(device);
            }
        }
        assumed
    }

    /// The providers that would be asked, in that order.
    fn to_be_asked(&self) -> impl Iterator<Item = &'r Provider> {
        let (selection, wanted) = (self.selection, self.wanted());
        let owning = self.router.providers().candidates(self.asked.remote).into_iter();
        let able = move |provider: &&Provider| {
            let selected = selection.iter().any(|one| std::ptr::eq(one, *provider));
            selected && provider.capabilities.connection & wanted != 0 && self.takes_options(provider)
        };
        let is_named = selection.named().is_some();
        owning.filter(move |one| is_named || one.place.is_some()).map(|one| one.provider).filter(able)
    }

    /// Capabilities one of which a provider must have to be asked.
    #[inline(always)]
    fn wanted(&self) -> u32 {
        match self.request.credentials {
            Credentials::Buffer(_) => WNNC_CON_ADDCONNECTION4,
            _ if !self.request.use_options.is_empty() => WNNC_CON_ADDCONNECTION4,
            Credentials::Password { .. } | Credentials::MissingBuffer => WITH_PASSWORD,
        }
    }

    /// Whether a provider takes the options of the request, if there are any, with what comes beside them.
    #[inline(always)]
    fn takes_options(&self, provider: &Provider) -> bool {
        if self.request.use_options.is_empty() {
            return true;
        }
        let alone = matches!(self.request.credentials, Credentials::Password { user: None, password: None });
        alone && self.url_user.is_none() || provider.network().takes_options_with_password()
    }

    /// Tests 13 to 15: is the device free, can it be remembered, is it remembered for something else?
    #[inline(always)]
    fn check_device(&self) -> Result<(), Status> {
        // Nothing to look at, which is all a connect without device comes to.
        if self.asked.local.is_none() && !self.is_to_be_remembered() {
            return Ok(());
        }
        self.check_this_device()
    }

    fn check_this_device(&self) -> Result<(), Status> {
        if let Some(device) = &self.device {
            if self.router.is_redirected(&wide(&device.to_string())) {
                return Err(Status::ALREADY_CONNECTED);
            }
            check_directory(device)?;
        }
        if self.is_to_be_remembered() && (self.device.is_some() || self.automatic) {
            self.router.store()?.check_writable()?;
            self.check_expressible()?;
        }
        match &self.device {
            Some(device) if self.is_remembered_for_another(device) => Err(Status::DEVICE_ALREADY_REMEMBERED),
            _ => Ok(()),
        }
    }

    /// What is no UTF-16 cannot stand in the store, and what could in its place is another name.
    fn check_expressible(&self) -> Result<(), Status> {
        let user = self.asked.user.unwrap_or_default();
        match self.asked.remote.to_string().and_then(|_| user.to_string()) {
            Ok(_) => Ok(()),
            Err(_) => Err(Status::BAD_VALUE),
        }
    }

    #[inline]
    fn is_to_be_remembered(&self) -> bool {
        self.asked.flags & (CONNECT_UPDATE_PROFILE | CONNECT_TEMPORARY) == CONNECT_UPDATE_PROFILE
    }

    fn is_remembered_for_another(&self, device: &LocalDevice) -> bool {
        // A store that cannot be read remembers nothing; who has to write to it was told before.
        let Ok(Some(entry)) = self.router.store().and_then(|store| Ok(store.entry(device)?)) else {
            return false;
        };
        let mut remembered: Vec<u16> = entry.remote.encode_utf16().collect();
        // Whoever edits the store by hand may use any spelling.
        if let Ok(Some(canonical)) = remote::canonical(&remembered) {
            remembered = canonical.name;
        }
        !remote::same_resource(&remembered, self.asked.remote.as_slice())
    }

    /// Devices that may be chosen automatically: neither redirected nor remembered for something else.
    fn candidates(&self, class: DeviceClass) -> impl Iterator<Item = WideString> + '_ {
        LocalDevice::candidates(class).filter_map(|device| {
            let name = wide(&device.to_string());
            let free = !self.is_remembered_for_another(&device) && !self.router.is_redirected(&name);
            free.then_some(name)
        })
    }

    /// One run through the providers with what they are asked.
    #[inline(always)]
    fn route(&self, asked: &AddConnection<'_>) -> Result<&'r Provider, Status> {
        let wanted = self.wanted();
        let can = |capabilities: &Capabilities| capabilities.connection & wanted != 0;
        self.selection.route_name(asked.remote, Purpose::Resource, can, |provider| {
            if !self.takes_options(provider) {
                return Err(Status::NOT_SUPPORTED);
            }
            if provider.requires_device && asked.local.is_none() {
                self.ask_with_device(provider)?;
            } else {
                self.ask(provider, asked)?;
            }
            Ok(provider)
        })
    }

    /// Asks a provider that takes no connection without a device, with one that is free.
    #[cold]
    fn ask_with_device(&self, provider: &Provider) -> Result<(), Status> {
        let kind = self.class_to_choose() as u32;
        let (device, ()) = self.first_free(|device| {
            self.ask(provider, &AddConnection { local: Some(device), kind, ..self.asked })
        })?;
        _ = self.redirected.set(device);
        Ok(())
    }

    #[inline(always)]
    fn ask(&self, provider: &Provider, asked: &AddConnection<'_>) -> Result<(), Status> {
        if let Some(policies) = self.router.policies() {
            self.admit_choice(policies, provider, asked.local)?;
        }
        let device = if self.asked.local.is_none() { asked.local } else { None };
        trace::asked(self.traced, &provider.name, device, || provider.network().add_connection(asked))
    }

    /// Asks the policy about what was open when it was asked first, provider and device, if it can deny by that.
    #[cold]
    fn admit_choice(
        &self,
        policies: &Policies,
        provider: &Provider,
        local: Option<&WideStr>,
    ) -> Result<(), Status> {
        if !policies.depends_on_choices() {
            return Ok(());
        }
        self.admitted(policies, &self.judged(local).through(&provider.name))
    }

    /// Asks the policy about a connection that is being restored: nobody is told of it, but a rule that could be
    /// dodged by restoring would be none.
    fn admit(&self) -> Result<(), Status> {
        let Some(policies) = self.router.policies() else { return Ok(()) };
        let judged = self.judged(self.asked.local);
        self.admitted(
            policies,
            &match self.selection.named() {
                Some(provider) => judged.through(&provider.name),
                None => judged,
            },
        )
    }

    /// Asks the policy where it is not asked as a notification library.
    fn admitted(&self, policies: &Policies, judged: &Asked) -> Result<(), Status> {
        let asked = (When::Before, Status::SUCCESS);
        trace::notified(self.traced, policy::LABEL, asked, || policies.admit(judged).into()).ok()
    }

    /// The request as the policy judges it.
    fn judged(&self, local: Option<&WideStr>) -> Asked {
        let judged = Asked::add(self.asked.remote, self.asked.flags);
        match local.filter(|local| !local.is_empty()) {
            Some(local) => judged.on(local),
            None => judged,
        }
    }

    /// One run through the providers.
    #[inline(always)]
    fn try_to_connect(&mut self) -> Status {
        let tried = if self.automatic { self.choose_and_route() } else { self.route(&self.asked) };
        match tried {
            Ok(provider) => {
                self.provider = Some(provider);
                Status::SUCCESS
            }
            Err(status) => status,
        }
    }

    /// The class of a device that is chosen.
    fn class_to_choose(&self) -> DeviceClass {
        if self.asked.kind == RESOURCETYPE_PRINT { DeviceClass::Print } else { DeviceClass::Disk }
    }

    /// One run through the providers for each free device, until one is not taken after all.
    #[cold]
    fn choose_and_route(&self) -> Result<&'r Provider, Status> {
        let (device, provider) =
            self.first_free(|device| self.route(&AddConnection { local: Some(device), ..self.asked }))?;
        _ = self.redirected.set(device);
        Ok(provider)
    }

    /// Tries one free device after another until one is not taken after all (DECISION W15).
    fn first_free<A>(
        &self,
        mut attempt: impl FnMut(&WideStr) -> Result<A, Status>,
    ) -> Result<(WideString, A), Status> {
        for device in self.candidates(self.class_to_choose()) {
            match attempt(&device) {
                Err(Status::ALREADY_CONNECTED | Status::BAD_LOCALNAME) => {}
                Err(status) => return Err(status),
                Ok(answer) => return Ok((device, answer)),
            }
        }
        Err(Status::NO_MORE_ENTRIES)
    }

    /// The device the connection redirects, after a success.
    fn redirected_device(&self) -> Option<LocalDevice> {
        match self.redirected.get() {
            Some(chosen) => LocalDevice::parse(chosen.as_slice()),
            None => self.device.clone(),
        }
    }

    /// What is to be remembered of the connection.
    fn entry(&self, device: LocalDevice, provider: &Provider) -> Entry {
        let (user, use_options) = match self.request.credentials {
            Credentials::Password { user, .. } => {
                let user = user.or(self.url_user).filter(|user| !user.is_empty());
                (user.map(WideStr::to_string_lossy), self.request.use_options)
            }
            Credentials::Buffer(buffer) => (None, buffer.use_options),
            Credentials::MissingBuffer => (None, &[][..]),
        };
        let use_options = match use_options {
            [] => None,
            given => provider.network().persistent_use_options(self.asked.remote, given).ok(),
        };
        let use_options = use_options.filter(|options| !options.is_empty());
        Entry {
            connection_type: device.class() as u32,
            device,
            remote: self.asked.remote.to_string_lossy(),
            provider: provider.name.to_string_lossy(),
            provider_type: provider.capabilities.net_type,
            defer_flags: Some(if user.is_none() { Entry::MAY_DEFER } else { Entry::DEFER_NEEDS_PASSWORD }),
            user,
            use_options,
        }
    }

    fn remember(&self) -> Result<(), Status> {
        let (Some(device), Some(provider)) = (self.redirected_device(), self.provider) else {
            return Ok(());
        };
        if self.is_to_be_remembered() {
            self.router.store()?.remember(&self.entry(device, provider))?;
        }
        if self.request.flags & CONNECT_UPDATE_RECENT != 0 {
            self.router.store()?.add_recent(&self.asked.remote.to_string_lossy())?;
        }
        Ok(())
    }
}

/// What a family of functions reports of a connection that was made.
trait Report<'a> {
    fn of<T: Traced>(connect: &mut Connect<'_, 'a, T>) -> Self;
}

impl Report<'_> for () {
    #[inline(always)]
    fn of<T: Traced>(_: &mut Connect<'_, '_, T>) {}
}

impl<'a> Report<'a> for Added<'a> {
    fn of<T: Traced>(connect: &mut Connect<'_, 'a, T>) -> Self {
        let AddRequest { local, remote, .. } = *connect.request;
        let redirected = connect.redirected.take().map(Cow::Owned);
        Added {
            local: redirected.or(given(local).map(Cow::Borrowed)),
            remote: match remote {
                Some(remote) if remote == connect.asked.remote => Cow::Borrowed(remote),
                _ => Cow::Owned(connect.asked.remote.to_ucstring()),
            },
        }
    }
}

/// A directory must be there and be empty (`spec/wnet.md` §1.4).
fn check_directory(device: &LocalDevice) -> Result<(), Status> {
    let LocalDevice::Directory(path) = device else { return Ok(()) };
    match std::fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Status::ALREADY_CONNECTED),
        },
        Err(_) => Err(Status::BAD_LOCALNAME),
    }
}

impl<T: Traced> Announced for Connect<'_, '_, T> {
    type Traced = T;
    const EVENT: Event = Event::Add;

    fn notify(&self, library: &dyn Notifyee, when: When, info: &mut NOTIFYINFO) -> Status {
        let mut notice = self.request.notice(&self.asked);
        if when == When::AfterSuccess {
            notice.local = self.redirected.get().map(|device| &**device).or(notice.local);
            notice.provider = self.provider.map(|provider| &*provider.name);
        }
        library.add_connect_notify(info, &notice)
    }

    #[inline(always)]
    fn attempt(&mut self) -> Status {
        let begun = self.traced.begin();
        let answer = match self.traced.assumed() {
            Some(assumed) => self.assume(assumed),
            None => self.try_to_connect(),
        };
        self.traced.end(begun, || What::Attempted, answer);
        answer
    }

    #[inline(always)]
    fn save(&mut self) -> Status {
        if self.traced.assumed().is_some() {
            return Status::SUCCESS;
        }
        if self.asked.flags & (CONNECT_UPDATE_PROFILE | CONNECT_UPDATE_RECENT) == 0 {
            return Status::SUCCESS;
        }
        trace::saved(self.traced, || self.remember().into())
    }

    #[inline]
    fn traced(&self) -> T {
        self.traced
    }
}
