//! What passes between the router and a notification library (`npapi.h`).

use crate::{BOOL, DWORD, HWND, LPVOID, LPWSTR, NETRESOURCEW};

/// Value of [`NOTIFYINFO::dwNotifyStatus`] before the providers are tried.
pub const NOTIFY_PRE: DWORD = 1;
/// Value of [`NOTIFYINFO::dwNotifyStatus`] after the providers were tried.
pub const NOTIFY_POST: DWORD = 2;

/// State of one notification. 16 bytes on 64-bit platforms, 12 on 32-bit ones.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NOTIFYINFO {
    /// [`NOTIFY_PRE`] or [`NOTIFY_POST`]; other values are reserved.
    pub dwNotifyStatus: DWORD,
    /// Before: `WN_SUCCESS`, or `WN_RETRY` when the attempt is a repeated one. After: what the attempt came to.
    pub dwOperationStatus: DWORD,
    /// Opaque to the router. Set before the attempt, handed back after it; NULL asks for no second call.
    pub lpContext: LPVOID,
}

/// A connection being added. 64 bytes on 64-bit platforms, 40 on 32-bit ones. Input only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NOTIFYADD {
    /// Owner for dialogs; to be used only when `dwAddFlags` has `CONNECT_INTERACTIVE`.
    pub hwndOwner: HWND,
    /// Type, local name, remote name and provider of the connection, always in UTF-16.
    pub NetResource: NETRESOURCEW,
    /// `CONNECT_*` flags of the request, unfiltered.
    pub dwAddFlags: DWORD,
}

/// A connection being cancelled. 24 bytes on 64-bit platforms, 16 on 32-bit ones. Input only.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NOTIFYCANCEL {
    /// Local device or remote name, as the caller gave it.
    pub lpName: LPWSTR,
    /// After a success: the provider that cancelled. Otherwise an empty string, never NULL.
    pub lpProvider: LPWSTR,
    /// `CONNECT_UPDATE_PROFILE` or 0.
    pub dwFlags: DWORD,
    /// 1 when open files do not matter, else 0.
    pub fForce: BOOL,
}

/// `AddConnectNotify`.
pub type PF_AddConnectNotify = unsafe extern "system" fn(*mut NOTIFYINFO, *mut NOTIFYADD) -> DWORD;
/// `CancelConnectNotify`.
pub type PF_CancelConnectNotify = unsafe extern "system" fn(*mut NOTIFYINFO, *mut NOTIFYCANCEL) -> DWORD;
/// `MprSimulation`, which a notification library may export: an extension of this router. It is called on the thread
/// of a notification, with TRUE before one that is about a simulation, and with FALSE after it; what it returns does not matter.
pub type PF_MprSimulation = unsafe extern "system" fn(i32) -> DWORD;
