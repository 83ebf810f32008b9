//! From the trait authors write to the calls the router makes, and to the symbols a library exports.

use super::{AddNotice, After, Attempt, Before, CancelNotice, ConnectNotify, Event, Notifyee, Veto};
use crate::last_error;
use mpr_abi::{NOTIFY_POST, NOTIFY_PRE, NOTIFYADD, NOTIFYCANCEL, NOTIFYINFO, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

/// A [`ConnectNotify`] behind the interface the router calls.
///
/// Its contexts travel as boxed values; nobody else ever looks into them.
#[derive(Debug)]
pub struct Exported<T>(T);

impl<T: ConnectNotify> Exported<T> {
    /// Wraps `library`.
    pub const fn new(library: T) -> Self {
        Exported(library)
    }

    fn call(
        &self,
        info: &mut NOTIFYINFO,
        before: impl FnOnce(&T, Attempt) -> Before<T::Context>,
        after: impl FnOnce(&T, Status, T::Context) -> After<T::Context>,
    ) -> Status {
        let status = Status(info.dwOperationStatus);
        match info.dwNotifyStatus {
            NOTIFY_PRE => {
                let attempt = if status == Status::RETRY { Attempt::Repeated } else { Attempt::First };
                match catch_unwind(AssertUnwindSafe(|| before(&self.0, attempt))) {
                    Ok(Before::Decline) => Status::SUCCESS,
                    Ok(Before::Watch(context)) => {
                        info.lpContext = into_pointer(context);
                        Status::SUCCESS
                    }
                    Ok(Before::Veto(veto)) => self.refuse(veto),
                    Err(_) => Status::NET_ERROR,
                }
            }
            NOTIFY_POST if !info.lpContext.is_null() => {
                // SAFETY: the router hands back what the call before left, once (§7.6), and the call before
                // was ours: it left a context of this type or none.
                let context = unsafe { from_pointer::<T::Context>(info.lpContext) };
                info.lpContext = null_mut();
                match catch_unwind(AssertUnwindSafe(|| after(&self.0, status, context))) {
                    // After a success or a veto nobody would come back for a context (§10.2).
                    Ok(After::Retry(context)) => {
                        if let Some(context) = context
                            && !status.is_success()
                        {
                            info.lpContext = into_pointer(context);
                        }
                        Status::RETRY
                    }
                    Ok(After::Cancel) => Status::CANCEL,
                    Ok(After::Replace(status)) if status != Status::RETRY => status,
                    Ok(After::Accept | After::Replace(_)) | Err(_) => Status::SUCCESS,
                }
            }
            // Values of later versions are to be answered with success (§14).
            _ => Status::SUCCESS,
        }
    }

    fn refuse(&self, veto: Veto) -> Status {
        if let Some(reason) = &veto.reason {
            last_error::set(veto.status.0, reason, self.0.name());
        }
        veto.status
    }
}

/// A context as the router carries it. Even an empty type gets an address that is not NULL.
fn into_pointer<C>(context: C) -> *mut std::ffi::c_void {
    Box::into_raw(Box::new(context)).cast()
}

/// # Safety
///
/// `pointer` came from [`into_pointer`] of the same type, and is given up by this call.
unsafe fn from_pointer<C>(pointer: *mut std::ffi::c_void) -> C {
    // SAFETY: as the caller vouches.
    *unsafe { Box::from_raw(pointer.cast::<C>()) }
}

impl<T: ConnectNotify> Notifyee for Exported<T> {
    fn wants(&self, _: Event) -> bool {
        true
    }

    fn sees_simulations(&self) -> bool {
        self.0.sees_simulations()
    }

    fn add_connect_notify(&self, info: &mut NOTIFYINFO, add: &AddNotice<'_>) -> Status {
        self.call(
            info,
            |library, attempt| library.before_add(add, attempt),
            |library, outcome, context| library.after_add(add, outcome, context),
        )
    }

    fn cancel_connect_notify(&self, info: &mut NOTIFYINFO, cancel: &CancelNotice<'_>) -> Status {
        self.call(
            info,
            |library, attempt| library.before_cancel(cancel, attempt),
            |library, outcome, context| library.after_cancel(cancel, outcome, context),
        )
    }
}

/// Body of an exported `AddConnectNotify`.
///
/// # Safety
///
/// Both pointers are NULL or valid for the call, with strings as [`borrow_wide`](crate::borrow_wide) wants
/// them, and the context is one this library left.
#[doc(hidden)]
pub unsafe fn add_connect_notify(library: &dyn Notifyee, info: *mut NOTIFYINFO, add: *mut NOTIFYADD) -> u32 {
    // SAFETY: the caller vouches for the pointers.
    let (Some(info), Some(add)) = (unsafe { info.as_mut() }, unsafe { add.as_ref() }) else {
        return Status::BAD_POINTER.0;
    };
    // SAFETY: the caller vouches for the strings.
    library.add_connect_notify(info, &unsafe { AddNotice::from_abi(add) }).0
}

/// Body of an exported `CancelConnectNotify`.
///
/// # Safety
///
/// As for [`add_connect_notify`].
#[doc(hidden)]
pub unsafe fn cancel_connect_notify(
    library: &dyn Notifyee,
    info: *mut NOTIFYINFO,
    cancel: *mut NOTIFYCANCEL,
) -> u32 {
    // SAFETY: the caller vouches for the pointers.
    let (Some(info), Some(cancel)) = (unsafe { info.as_mut() }, unsafe { cancel.as_ref() }) else {
        return Status::BAD_POINTER.0;
    };
    // SAFETY: the caller vouches for the strings.
    library.cancel_connect_notify(info, &unsafe { CancelNotice::from_abi(cancel) }).0
}

/// Exports a [`ConnectNotify`] as a notification library: `AddConnectNotify` and `CancelConnectNotify`.
///
/// `export_connect_notify!(Type)` makes the library with [`Default`]; `export_connect_notify!(Type, make)`
/// with an expression, evaluated at the first call.
#[macro_export]
macro_rules! export_connect_notify {
    ($library:ty) => {
        $crate::export_connect_notify!($library, <$library as ::std::default::Default>::default());
    };
    ($library:ty, $make:expr) => {
        const _: () = {
            static LIBRARY: ::std::sync::LazyLock<$crate::Exported<$library>> =
                ::std::sync::LazyLock::new(|| $crate::Exported::new($make));

            #[unsafe(no_mangle)]
            unsafe extern "system" fn AddConnectNotify(
                info: *mut $crate::abi::NOTIFYINFO,
                add: *mut $crate::abi::NOTIFYADD,
            ) -> $crate::abi::DWORD {
                // SAFETY: the router calls with valid structures and our own contexts.
                unsafe { $crate::notify::__add_connect_notify(&*LIBRARY, info, add) }
            }

            #[unsafe(no_mangle)]
            unsafe extern "system" fn CancelConnectNotify(
                info: *mut $crate::abi::NOTIFYINFO,
                cancel: *mut $crate::abi::NOTIFYCANCEL,
            ) -> $crate::abi::DWORD {
                // SAFETY: the router calls with valid structures and our own contexts.
                unsafe { $crate::notify::__cancel_connect_notify(&*LIBRARY, info, cancel) }
            }
        };
    };
}
