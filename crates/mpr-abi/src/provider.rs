//! Function types of a network provider and credential manager (`npapi.h`).
//!
//! Order traps, kept as published: an add takes the password before the user; `NPCancelConnection2` takes
//! force before flags while `WNetCancelConnection2` takes flags before force.

use crate::{BOOL, DWORD, HANDLE, HWND, LPCWSTR, LPVOID, LPWSTR, NETCONNECTINFOSTRUCT, NETRESOURCEW};

/// Identifier of a logon session.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LUID {
    /// Low 32 bits.
    pub LowPart: DWORD,
    /// High 32 bits.
    pub HighPart: i32,
}

/// `NPGetCaps`.
pub type PF_NPGetCaps = unsafe extern "system" fn(index: DWORD) -> DWORD;

/// `NPAddConnection`.
pub type PF_NPAddConnection =
    unsafe extern "system" fn(resource: *mut NETRESOURCEW, password: LPWSTR, user: LPWSTR) -> DWORD;

/// `NPAddConnection3`.
pub type PF_NPAddConnection3 = unsafe extern "system" fn(
    owner: HWND,
    resource: *mut NETRESOURCEW,
    password: LPWSTR,
    user: LPWSTR,
    flags: DWORD,
) -> DWORD;

/// `NPAddConnection4`.
pub type PF_NPAddConnection4 = unsafe extern "system" fn(
    owner: HWND,
    resource: *mut NETRESOURCEW,
    auth: LPVOID,
    auth_size: DWORD,
    flags: DWORD,
    use_options: *mut u8,
    use_options_size: DWORD,
) -> DWORD;

/// `NPCancelConnection`.
pub type PF_NPCancelConnection = unsafe extern "system" fn(name: LPWSTR, force: BOOL) -> DWORD;

/// `NPCancelConnection2`.
pub type PF_NPCancelConnection2 = unsafe extern "system" fn(name: LPWSTR, force: BOOL, flags: DWORD) -> DWORD;

/// `NPGetConnection`.
pub type PF_NPGetConnection =
    unsafe extern "system" fn(local: LPWSTR, remote: LPWSTR, chars: *mut DWORD) -> DWORD;

/// `NPGetConnection3`.
pub type PF_NPGetConnection3 =
    unsafe extern "system" fn(local: LPCWSTR, level: DWORD, buffer: LPVOID, chars: *mut DWORD) -> DWORD;

/// `NPGetConnectionPerformance`.
pub type PF_NPGetConnectionPerformance =
    unsafe extern "system" fn(name: LPCWSTR, info: *mut NETCONNECTINFOSTRUCT) -> DWORD;

/// `NPGetUniversalName`.
pub type PF_NPGetUniversalName =
    unsafe extern "system" fn(local_path: LPWSTR, level: DWORD, buffer: LPVOID, bytes: *mut DWORD) -> DWORD;

/// `NPGetUser`.
pub type PF_NPGetUser = unsafe extern "system" fn(name: LPWSTR, user: LPWSTR, chars: *mut DWORD) -> DWORD;

/// `NPGetPersistentUseOptionsForConnection`.
pub type PF_NPGetPersistentUseOptionsForConnection = unsafe extern "system" fn(
    remote: LPCWSTR,
    read: *mut u8,
    read_size: DWORD,
    written: *mut u8,
    written_size: *mut DWORD,
) -> DWORD;

/// `NPOpenEnum`.
pub type PF_NPOpenEnum = unsafe extern "system" fn(
    scope: DWORD,
    kind: DWORD,
    usage: DWORD,
    resource: *mut NETRESOURCEW,
    handle: *mut HANDLE,
) -> DWORD;

/// `NPEnumResource`.
pub type PF_NPEnumResource =
    unsafe extern "system" fn(handle: HANDLE, count: *mut DWORD, buffer: LPVOID, bytes: *mut DWORD) -> DWORD;

/// `NPCloseEnum`.
pub type PF_NPCloseEnum = unsafe extern "system" fn(handle: HANDLE) -> DWORD;

/// `NPGetResourceInformation`.
pub type PF_NPGetResourceInformation = unsafe extern "system" fn(
    resource: *mut NETRESOURCEW,
    buffer: LPVOID,
    bytes: *mut DWORD,
    system: *mut LPWSTR,
) -> DWORD;

/// `NPGetResourceParent`.
pub type PF_NPGetResourceParent =
    unsafe extern "system" fn(resource: *mut NETRESOURCEW, buffer: LPVOID, bytes: *mut DWORD) -> DWORD;

/// `NPFormatNetworkName`.
pub type PF_NPFormatNetworkName = unsafe extern "system" fn(
    remote: LPWSTR,
    formatted: LPWSTR,
    chars: *mut DWORD,
    flags: DWORD,
    chars_per_line: DWORD,
) -> DWORD;

/// `NPDeviceMode`.
pub type PF_NPDeviceMode = unsafe extern "system" fn(owner: HWND) -> DWORD;

/// `NPSearchDialog`.
pub type PF_NPSearchDialog = unsafe extern "system" fn(
    owner: HWND,
    resource: *mut NETRESOURCEW,
    buffer: LPVOID,
    bytes: DWORD,
    flags: *mut DWORD,
) -> DWORD;

/// `NPGetPropertyText`.
pub type PF_NPGetPropertyText = unsafe extern "system" fn(
    button: DWORD,
    selection: DWORD,
    name: LPWSTR,
    text: LPWSTR,
    chars: DWORD,
    kind: DWORD,
) -> DWORD;

/// `NPPropertyDialog`.
pub type PF_NPPropertyDialog = unsafe extern "system" fn(
    owner: HWND,
    button: DWORD,
    selection: DWORD,
    files: LPWSTR,
    kind: DWORD,
) -> DWORD;

/// `NPGetDirectoryType`.
pub type PF_NPGetDirectoryType =
    unsafe extern "system" fn(directory: LPWSTR, kind: *mut i32, flush: BOOL) -> DWORD;

/// `NPDirectoryNotify`.
pub type PF_NPDirectoryNotify =
    unsafe extern "system" fn(owner: HWND, directory: LPWSTR, operation: DWORD) -> DWORD;

/// `NPFMXGetPermCaps`.
pub type PF_NPFMXGetPermCaps = unsafe extern "system" fn(drive: LPWSTR) -> DWORD;

/// `NPFMXEditPerm`.
pub type PF_NPFMXEditPerm = unsafe extern "system" fn(drive: LPWSTR, owner: HWND, dialog: DWORD) -> DWORD;

/// `NPFMXGetPermHelp`.
pub type PF_NPFMXGetPermHelp = unsafe extern "system" fn(
    drive: LPWSTR,
    dialog: DWORD,
    directory: BOOL,
    file: LPVOID,
    size: *mut DWORD,
    context: *mut DWORD,
) -> DWORD;

/// `NPLogonNotify`.
pub type PF_NPLogonNotify = unsafe extern "system" fn(
    logon: *mut LUID,
    kind: LPCWSTR,
    info: LPVOID,
    previous_kind: LPCWSTR,
    previous_info: LPVOID,
    station: LPWSTR,
    station_handle: LPVOID,
    script: *mut LPWSTR,
) -> DWORD;

/// `NPPasswordChangeNotify`.
pub type PF_NPPasswordChangeNotify = unsafe extern "system" fn(
    kind: LPCWSTR,
    info: LPVOID,
    previous_kind: LPCWSTR,
    previous_info: LPVOID,
    station: LPWSTR,
    station_handle: LPVOID,
    change: DWORD,
) -> DWORD;

/// `WNetSetLastErrorW`, which a provider or notification library finds in the router.
pub type PF_WNetSetLastErrorW = unsafe extern "system" fn(code: DWORD, text: LPCWSTR, provider: LPCWSTR);
