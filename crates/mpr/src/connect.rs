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

mod explain;

pub use explain::{Explanation, Listener, Prospect, Rule};

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
            flags: 0,
        }
    }
}

impl AddRequest<'_> {
    /// As it is recorded before anything was made of it.
    fn recorded(&self) -> Request {
        let text = |name: Option<&WideStr>| name.filter(|name| !name.is_empty()).map(bounded);
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
enum Form {
    /// The add functions, which report nothing back.
    Add,
    /// The use functions, with or without a place for the access name.
    Use(Option<AccessBuffer>),
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
    /// Makes a connection, as `WNetAddConnection2`, `3` and `4` do.
    ///
    /// `WNetAddConnection` is the same with `CONNECT_UPDATE_PROFILE`.
    ///
    /// # Errors
    ///
    /// The codes of `spec/wnet.md` §4.7, and whatever a provider or notification library answers.
    #[inline]
    pub fn add_connection<'a>(&self, request: &AddRequest<'a>) -> Result<Added<'a>, Status> {
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
        self.connect(request, Form::Use(access))
    }

    #[inline]
    fn connect<'a>(&self, request: &AddRequest<'a>, form: Form) -> Result<Added<'a>, UseError> {
        match self.is_traced() {
            false => self.connect_with(request, form, Untraced),
            true => self.connect_traced(request, form),
        }
    }

    #[cold]
    fn connect_traced<'a>(&self, request: &AddRequest<'a>, form: Form) -> Result<Added<'a>, UseError> {
        let tracer = Tracer::begin(self, Kind::Add, request.recorded());
        let result = self.connect_with(request, form, &tracer);
        _ = tracer.end(UseError::status(result.as_ref().err()));
        result
    }

    #[inline]
    fn connect_with<'a>(
        &self,
        request: &AddRequest<'a>,
        form: Form,
        traced: impl Traced,
    ) -> Result<Added<'a>, UseError> {
        let mut connect = self.judge(request, form, traced)?;
        connect.check_device()?;
        connect.accept()?;
        self.notifyees().announce(&mut connect, || self.retry_limit()).ok()?;
        let Connect { local, redirected, remote, .. } = connect;
        let local = redirected.map(Cow::Owned).or(local.map(Cow::Borrowed));
        Ok(Added { local, remote })
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
        match self.judge(request, Form::Add, traced) {
            Ok(mut connect) => {
                connect.check_device()?;
                connect.accept()?;
                connect.admit()?;
                connect.attempt().ok()
            }
            Err(error) => UseError::status(Some(&error)).ok(),
        }
    }

    /// What the router can see for itself, in the order of DECISION W14 up to test 12; the rest is
    /// [`Connect::check_device`]. Nobody is called back for a request that is refused by either.
    #[inline(always)]
    fn judge<'r, 'a, T: Traced>(
        &'r self,
        request: &'r AddRequest<'a>,
        form: Form,
        traced: T,
    ) -> Result<Connect<'r, 'a, T>, UseError> {
        let access = match form {
            Form::Add => None,
            Form::Use(access) => access,
        };
        let remote = match (request.remote, form) {
            (None, Form::Use(_)) => return Err(Status::BAD_VALUE.into()),
            (None, Form::Add) => return Err(Status::BAD_NETNAME.into()),
            (Some(remote), _) if remote.is_empty() || remote.len() > MAX_REMOTE_NAME => {
                return Err(Status::BAD_NETNAME.into());
            }
            (Some(remote), _) => remote,
        };
        if access.is_some_and(|access| access.capacity.unwrap_or(0) == 0) {
            return Err(Status::BAD_VALUE.into());
        }
        if request.kind > RESOURCETYPE_PRINT
            || request.flags & !CONNECT_ADD_MASK != 0
            || matches!(request.credentials, Credentials::MissingBuffer)
        {
            return Err(Status::BAD_VALUE.into());
        }
        let (remote, url_user) = canonical(remote)?;
        let local = request.local.filter(|local| !local.is_empty());
        let device = match local {
            Some(local) => Some(LocalDevice::parse(local.as_slice()).ok_or(Status::BAD_LOCALNAME)?),
            None => None,
        };
        let kind = match &device {
            Some(device) if request.kind == RESOURCETYPE_ANY => device.class() as u32,
            Some(device) if request.kind != device.class() as u32 => return Err(Status::BAD_DEV_TYPE.into()),
            _ => request.kind,
        };
        let automatic = device.is_none() && request.flags & CONNECT_REDIRECT != 0;
        if automatic {
            if kind == RESOURCETYPE_ANY {
                return Err(Status::BAD_VALUE.into());
            }
            if access.is_none() {
                return Err(Status::BAD_POINTER.into());
            }
        }
        let selection = self.providers().select(request.provider)?;
        if let Some(AccessBuffer { capacity, length }) = access {
            let device = || length(&wide(if kind == RESOURCETYPE_PRINT { "LPT1" } else { "Z:" }));
            let demanded = || selection.iter().any(|provider| provider.requires_device);
            let needed = match local {
                Some(local) => length(local),
                None if automatic => device(),
                // A device or the remote name: that is for whoever connects to decide.
                None if demanded() => device().max(length(&remote)),
                None => length(&remote),
            };
            if capacity.unwrap_or(0) < needed {
                return Err(UseError::AccessNameTooLong { needed });
            }
        }
        Ok(Connect {
            router: self,
            request,
            selection,
            local,
            device,
            remote,
            url_user,
            kind,
            automatic,
            redirected: None,
            provider: None,
            traced,
        })
    }

    /// Whether some provider has the device.
    pub(crate) fn is_redirected(&self, device: &WideStr) -> bool {
        self.providers()
            .iter()
            .filter(|provider| provider.capabilities.connection & WNNC_CON_GETCONNECTIONS != 0)
            .any(|provider| matches!(provider.network().connection(device), Ok(_) | Err(Status::MORE_DATA)))
    }
}

/// A remote name in canonical spelling, and the user named in a URL.
#[inline]
pub(crate) fn canonical(name: &WideStr) -> Result<(Cow<'_, WideStr>, Option<WideString>), Status> {
    if remote::is_canonical(name.as_slice()) {
        return Ok((Cow::Borrowed(name), None));
    }
    rewritten(name)
}

#[cold]
fn rewritten(name: &WideStr) -> Result<(Cow<'_, WideStr>, Option<WideString>), Status> {
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

/// A request that was accepted, on its way.
struct Connect<'r, 'a, T> {
    router: &'r Router,
    request: &'r AddRequest<'a>,
    selection: Selection<'r>,
    /// The device as the application named it.
    local: Option<&'a WideStr>,
    /// The same, understood.
    device: Option<LocalDevice>,
    remote: Cow<'a, WideStr>,
    url_user: Option<WideString>,
    kind: u32,
    /// Whether a device is to be chosen.
    automatic: bool,
    /// The device that was chosen, after a success.
    redirected: Option<WideString>,
    /// The provider that made the connection, after a success.
    provider: Option<&'r Provider>,
    /// Who puts down what happens, if anybody does.
    traced: T,
}

impl<'r, T: Traced> Connect<'r, '_, T> {
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
        request.remote = Some(Request::name(&self.remote));
        request.kind = Some(self.kind);
        request.user = request.user.take().or(self.url_user.as_deref().map(bounded));
    }

    /// In a simulation: an attempt that is not made. A success is that of the first provider that could be asked,
    /// with the device that would be chosen.
    #[cold]
    fn assume(&mut self, assumed: Status) -> Status {
        if assumed.is_success() {
            let first = self.to_be_asked().next();
            self.provider = first;
            let chooses =
                self.automatic || self.local.is_none() && self.provider.is_some_and(|p| p.requires_device);
            self.redirected = if chooses { self.candidates(self.class_to_choose()).next() } else { None };
        }
        assumed
    }

    /// The providers that would be asked, in that order.
    fn to_be_asked(&self) -> impl Iterator<Item = &'r Provider> {
        let (selection, wanted) = (self.selection, self.wanted());
        let owning = self.router.providers().candidates(&self.remote).into_iter();
        let able = move |provider: &&Provider| {
            let selected = selection.iter().any(|one| std::ptr::eq(one, *provider));
            selected && provider.capabilities.connection & wanted != 0
        };
        let named = matches!(selection, Selection::Named(_));
        owning.filter(move |one| named || one.place.is_some()).map(|one| one.provider).filter(able)
    }

    /// Capabilities one of which a provider must have to be asked.
    #[inline(always)]
    fn wanted(&self) -> u32 {
        match self.request.credentials {
            Credentials::Buffer(_) => WNNC_CON_ADDCONNECTION4,
            Credentials::Password { .. } | Credentials::MissingBuffer => {
                WNNC_CON_ADDCONNECTION | WNNC_CON_ADDCONNECTION3 | WNNC_CON_ADDCONNECTION4
            }
        }
    }

    /// Tests 13 to 15: is the device free, can it be remembered, is it remembered for something else?
    #[inline(always)]
    fn check_device(&self) -> Result<(), Status> {
        // Nothing to look at, which is all a connect without device comes to.
        if self.device.is_none() && !self.is_to_be_remembered() {
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
        }
        match &self.device {
            Some(device) if self.is_remembered_for_another(device) => Err(Status::DEVICE_ALREADY_REMEMBERED),
            _ => Ok(()),
        }
    }

    #[inline]
    fn is_to_be_remembered(&self) -> bool {
        self.request.flags & (CONNECT_UPDATE_PROFILE | CONNECT_TEMPORARY) == CONNECT_UPDATE_PROFILE
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
        !remote::same_resource(&remembered, self.remote.as_slice())
    }

    /// Devices that may be chosen automatically: neither redirected nor remembered for something else.
    fn candidates(&self, class: DeviceClass) -> impl Iterator<Item = WideString> + '_ {
        LocalDevice::candidates(class).filter_map(|device| {
            let name = wide(&device.to_string());
            let free = !self.is_remembered_for_another(&device) && !self.router.is_redirected(&name);
            free.then_some(name)
        })
    }

    /// One run through the providers with this device, or none.
    #[inline(always)]
    fn route(&self, local: Option<&WideStr>) -> Result<(&'r Provider, Option<WideString>), Status> {
        let (user, password, auth) = match self.request.credentials {
            Credentials::Password { user, password } => (user.or(self.url_user.as_deref()), password, None),
            Credentials::Buffer(buffer) => (None, None, Some(buffer)),
            Credentials::MissingBuffer => (None, None, None),
        };
        let asked = AddConnection {
            owner: self.request.owner,
            kind: self.kind,
            local,
            remote: &self.remote,
            provider: self.request.provider,
            user,
            password,
            auth,
            flags: self.request.flags,
        };
        let wanted = self.wanted();
        let can = |capabilities: &Capabilities| capabilities.connection & wanted != 0;
        self.selection.route_name(&self.remote, Purpose::Resource, can, |provider| {
            if provider.requires_device && local.is_none() {
                return self.ask_with_device(provider, &asked);
            }
            self.ask(provider, &asked).map(|()| (provider, None))
        })
    }

    /// Asks a provider that takes no connection without a device, with one that is free.
    #[cold]
    fn ask_with_device(
        &self,
        provider: &'r Provider,
        asked: &AddConnection<'_>,
    ) -> Result<(&'r Provider, Option<WideString>), Status> {
        let kind = self.class_to_choose() as u32;
        let (device, ()) = self.first_free(|device| {
            self.ask(provider, &AddConnection { local: Some(device), kind, ..*asked })
        })?;
        Ok((provider, Some(device)))
    }

    #[inline(always)]
    fn ask(&self, provider: &Provider, asked: &AddConnection<'_>) -> Result<(), Status> {
        if let Some(policies) = self.judged_by_choice() {
            self.admitted(policies, &self.judged(asked.local).through(&provider.name))?;
        }
        let device = if self.local.is_none() { asked.local } else { None };
        trace::asked(self.traced, &provider.name, device, || provider.network().add_connection(asked))
    }

    /// Asks the policy about a connection that is being restored: nobody is told of it, but a rule that could be
    /// dodged by restoring would be none.
    fn admit(&self) -> Result<(), Status> {
        let Some(policies) = self.router.policies() else { return Ok(()) };
        let judged = self.judged(self.local);
        self.admitted(
            policies,
            &match self.selection {
                Selection::Named(provider) => judged.through(&provider.name),
                Selection::All(_) => judged,
            },
        )
    }

    /// Asks the policy where it is not asked as a notification library.
    fn admitted(&self, policies: &Policies, judged: &Asked) -> Result<(), Status> {
        let asked = (When::Before, Status::SUCCESS);
        trace::notified(self.traced, policy::LABEL, asked, || policies.admit(judged).into()).ok()
    }

    /// The policy, if it can deny by what was open when it was asked first: provider and device.
    #[inline]
    fn judged_by_choice(&self) -> Option<&'r Policies> {
        self.router.policies().filter(|policies| policies.depends_on_choices())
    }

    /// The request as the policy judges it.
    fn judged(&self, local: Option<&WideStr>) -> Asked {
        let judged = Asked::add(&self.remote, self.request.flags);
        match local.filter(|local| !local.is_empty()) {
            Some(local) => judged.on(local),
            None => judged,
        }
    }

    /// One run through the providers.
    #[inline(always)]
    fn try_to_connect(&mut self) -> Status {
        let tried = if self.automatic { self.choose_and_route() } else { self.route(self.local) };
        match tried {
            Ok((provider, redirected)) => {
                self.provider = Some(provider);
                self.redirected = redirected;
                Status::SUCCESS
            }
            Err(status) => status,
        }
    }

    /// The class of a device that is chosen.
    fn class_to_choose(&self) -> DeviceClass {
        if self.kind == RESOURCETYPE_PRINT { DeviceClass::Print } else { DeviceClass::Disk }
    }

    /// One run through the providers for each free device, until one is not taken after all.
    #[cold]
    fn choose_and_route(&self) -> Result<(&'r Provider, Option<WideString>), Status> {
        let (device, (provider, _)) = self.first_free(|device| self.route(Some(device)))?;
        Ok((provider, Some(device)))
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
        match &self.redirected {
            Some(chosen) => LocalDevice::parse(chosen.as_slice()),
            None => self.device.clone(),
        }
    }

    /// What is to be remembered of the connection.
    fn entry(&self, device: LocalDevice, provider: &Provider) -> Entry {
        let (user, use_options) = match self.request.credentials {
            Credentials::Password { user, .. } => {
                let user = user.or(self.url_user.as_deref()).filter(|user| !user.is_empty());
                (user.map(WideStr::to_string_lossy), None)
            }
            Credentials::Buffer(buffer) => {
                let kept = provider.network().persistent_use_options(&self.remote, buffer.use_options);
                (None, kept.ok().filter(|options| !options.is_empty()))
            }
            Credentials::MissingBuffer => (None, None),
        };
        Entry {
            connection_type: device.class() as u32,
            device,
            remote: self.remote.to_string_lossy(),
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
            self.router.store()?.add_recent(&self.remote.to_string_lossy())?;
        }
        Ok(())
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
        let request = self.request;
        let mut notice = AddNotice {
            owner: request.owner,
            scope: request.scope,
            kind: self.kind,
            display: request.display,
            usage: request.usage,
            local: request.local,
            remote: Some(&self.remote),
            provider: request.provider,
            flags: request.flags,
        };
        if when == When::AfterSuccess {
            notice.local = self.redirected.as_deref().or(notice.local);
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
        if self.request.flags & (CONNECT_UPDATE_PROFILE | CONNECT_UPDATE_RECENT) == 0 {
            return Status::SUCCESS;
        }
        trace::saved(self.traced, || self.remember().into())
    }

    #[inline]
    fn traced(&self) -> T {
        self.traced
    }
}
