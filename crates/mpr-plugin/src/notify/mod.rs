//! Notification libraries: told before and after every connect and disconnect.

mod export;

pub use export::Exported;
#[doc(hidden)]
pub use export::{
    add_connect_notify as __add_connect_notify, cancel_connect_notify as __cancel_connect_notify,
};

use crate::WideStr;
use mpr_abi::{HWND, NETRESOURCEW, NOTIFYADD, NOTIFYCANCEL, NOTIFYINFO, Status};

/// A connection being added, as a notification library sees it (`spec/notification.md` §9.1).
///
/// Neither user name nor password is part of it.
#[derive(Debug, Clone, Copy)]
pub struct AddNotice<'a> {
    /// Owner for dialogs; to be used only when `flags` has `CONNECT_INTERACTIVE`.
    pub owner: HWND,
    /// `RESOURCE_*` as the caller left it; not to be relied on.
    pub scope: u32,
    /// Requested `RESOURCETYPE_*`.
    pub kind: u32,
    /// `RESOURCEDISPLAYTYPE_*` as the caller left it; not to be relied on.
    pub display: u32,
    /// `RESOURCEUSAGE_*` as the caller left it; not to be relied on.
    pub usage: u32,
    /// Before: the requested device. After a success: the device redirected.
    pub local: Option<&'a WideStr>,
    /// The resource.
    pub remote: Option<&'a WideStr>,
    /// Before: the requested provider, none if all will be tried. After a success: the one that connected.
    pub provider: Option<&'a WideStr>,
    /// `CONNECT_*` flags, unfiltered.
    pub flags: u32,
}

/// A connection being cancelled, as a notification library sees it (`spec/notification.md` §9.2).
#[derive(Debug, Clone, Copy)]
pub struct CancelNotice<'a> {
    /// Device or remote name, as the caller gave it.
    pub name: &'a WideStr,
    /// After a success: the provider that cancelled. Otherwise empty.
    pub provider: &'a WideStr,
    /// `CONNECT_UPDATE_PROFILE` or 0.
    pub flags: u32,
    /// Whether open files are to be ignored.
    pub force: bool,
}

/// The two kinds of operation that are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A connect: `AddConnectNotify`.
    Add,
    /// A disconnect: `CancelConnectNotify`.
    Cancel,
}

/// Whether an attempt is the operation's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The first one.
    First,
    /// A repetition that some notification library asked for.
    Repeated,
}

/// Answer before the providers are tried.
#[derive(Debug)]
#[must_use]
pub enum Before<C> {
    /// Go ahead, and do not call again for this operation.
    Decline,
    /// Go ahead, and call again afterwards with this context.
    Watch(C),
    /// The operation must not take place.
    Veto(Veto),
}

/// Answer after a failed attempt. After a success every answer means [`Accept`](After::Accept).
#[derive(Debug)]
#[must_use]
pub enum After<C> {
    /// The result stands.
    Accept,
    /// Try again. Given a context, this library is called again after the repeated attempt, and not before it.
    Retry(Option<C>),
    /// The application is told that the operation was cancelled; nobody else's retry takes place.
    Cancel,
    /// The application gets this code instead. Success cannot be claimed and counts as [`Accept`](After::Accept).
    Replace(Status),
}

/// A refusal and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Veto {
    status: Status,
    reason: Option<String>,
}

impl Veto {
    /// Refuses with `status`. The two codes that would not be a refusal, `WN_SUCCESS` and `WN_RETRY`, become
    /// `WN_CANCEL`.
    #[must_use]
    pub fn with_status(status: Status) -> Self {
        let status = if matches!(status, Status::SUCCESS | Status::RETRY) { Status::CANCEL } else { status };
        Veto { status, reason: None }
    }

    /// Refuses with `WN_CANCEL` and a reason that `WNetGetLastError` returns to the application.
    #[must_use]
    pub fn because(reason: impl Into<String>) -> Self {
        Veto { status: Status::CANCEL, reason: Some(reason.into()) }
    }

    /// Gives the refusal another code.
    #[must_use]
    pub fn status(self, status: Status) -> Self {
        Veto { status: Veto::with_status(status).status, ..self }
    }
}

/// A notification library, written in Rust.
///
/// Contexts are owned values: what [`Before::Watch`] hands over comes back exactly once, in the call after
/// the attempt, unless [`After::Retry`] hands it over again. Calls for different operations may come from
/// several threads at once. They may take long, and may call any WNet function. Panics are caught: before an
/// attempt they refuse it with `WN_NET_ERROR`, after it they change nothing.
pub trait ConnectNotify: Send + Sync + 'static {
    /// What is kept between the call before and the call after.
    type Context: 'static;

    /// Name under which a veto's reason is recorded.
    fn name(&self) -> &str {
        ""
    }

    /// Whether it does nothing but answer where the router says that an operation is a simulation
    /// (`mpr::trace::is_simulation`), or does nothing but answer ever. Others are left out of simulations.
    fn sees_simulations(&self) -> bool {
        false
    }

    /// A connection is about to be made.
    fn before_add(&self, add: &AddNotice<'_>, attempt: Attempt) -> Before<Self::Context> {
        _ = (add, attempt);
        Before::Decline
    }

    /// The attempt to connect came to `outcome`.
    fn after_add(
        &self,
        add: &AddNotice<'_>,
        outcome: Status,
        context: Self::Context,
    ) -> After<Self::Context> {
        _ = (add, outcome, context);
        After::Accept
    }

    /// A connection is about to be cancelled.
    fn before_cancel(&self, cancel: &CancelNotice<'_>, attempt: Attempt) -> Before<Self::Context> {
        _ = (cancel, attempt);
        Before::Decline
    }

    /// The attempt to disconnect came to `outcome`.
    fn after_cancel(
        &self,
        cancel: &CancelNotice<'_>,
        outcome: Status,
        context: Self::Context,
    ) -> After<Self::Context> {
        _ = (cancel, outcome, context);
        After::Accept
    }
}

/// A notification library as the router calls it: codes and opaque contexts, no interpretation.
///
/// [`Exported`] makes one of a [`ConnectNotify`]; a loaded library is another.
pub trait Notifyee: Send + Sync {
    /// Whether the library takes part in operations of this kind.
    fn wants(&self, event: Event) -> bool;

    /// Whether the library can see that an operation is a simulation, and does nothing then but answer. Others are
    /// left out of simulations.
    fn sees_simulations(&self) -> bool {
        false
    }

    /// `AddConnectNotify`.
    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status;

    /// `CancelConnectNotify`.
    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, cancel: &CancelNotice<'_>) -> Status;
}

impl<'a> AddNotice<'a> {
    /// Reads the structure a notification library is called with.
    ///
    /// # Safety
    ///
    /// Each string pointer is NULL or as [`borrow_wide`](crate::borrow_wide) wants it.
    #[must_use]
    pub unsafe fn from_abi(raw: &'a NOTIFYADD) -> Self {
        let NETRESOURCEW { dwScope, dwType, dwDisplayType, dwUsage, .. } = raw.NetResource;
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            AddNotice {
                owner: raw.hwndOwner,
                scope: dwScope,
                kind: dwType,
                display: dwDisplayType,
                usage: dwUsage,
                local: crate::borrow_wide(raw.NetResource.lpLocalName),
                remote: crate::borrow_wide(raw.NetResource.lpRemoteName),
                provider: crate::borrow_wide(raw.NetResource.lpProvider),
                flags: raw.dwAddFlags,
            }
        }
    }
}

impl<'a> CancelNotice<'a> {
    /// Reads the structure a notification library is called with.
    ///
    /// # Safety
    ///
    /// Each string pointer is NULL or as [`borrow_wide`](crate::borrow_wide) wants it.
    #[must_use]
    pub unsafe fn from_abi(raw: &'a NOTIFYCANCEL) -> Self {
        const EMPTY: &WideStr = widestring::u16cstr!("");
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            CancelNotice {
                name: crate::borrow_wide(raw.lpName).unwrap_or(EMPTY),
                provider: crate::borrow_wide(raw.lpProvider).unwrap_or(EMPTY),
                flags: raw.dwFlags,
                force: raw.fForce != 0,
            }
        }
    }
}
