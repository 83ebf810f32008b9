//! Structures of `winnetwk.h`.

use crate::{DWORD, HWND, LPSTR, LPWSTR};

/// A network resource or connection, wide. 48 bytes on 64-bit platforms, 32 on 32-bit ones.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NETRESOURCEW {
    /// `RESOURCE_*`.
    pub dwScope: DWORD,
    /// `RESOURCETYPE_*`.
    pub dwType: DWORD,
    /// `RESOURCEDISPLAYTYPE_*`.
    pub dwDisplayType: DWORD,
    /// `RESOURCEUSAGE_*`.
    pub dwUsage: DWORD,
    /// Local device; NULL or empty for a deviceless connection.
    pub lpLocalName: LPWSTR,
    /// Name of the resource on the network.
    pub lpRemoteName: LPWSTR,
    /// Text of the provider.
    pub lpComment: LPWSTR,
    /// Name of the provider that owns the resource.
    pub lpProvider: LPWSTR,
}

/// A network resource or connection, narrow. Same layout as [`NETRESOURCEW`].
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NETRESOURCEA {
    /// `RESOURCE_*`.
    pub dwScope: DWORD,
    /// `RESOURCETYPE_*`.
    pub dwType: DWORD,
    /// `RESOURCEDISPLAYTYPE_*`.
    pub dwDisplayType: DWORD,
    /// `RESOURCEUSAGE_*`.
    pub dwUsage: DWORD,
    /// Local device; NULL or empty for a deviceless connection.
    pub lpLocalName: LPSTR,
    /// Name of the resource on the network.
    pub lpRemoteName: LPSTR,
    /// Text of the provider.
    pub lpComment: LPSTR,
    /// Name of the provider that owns the resource.
    pub lpProvider: LPSTR,
}

/// What `WNetGetNetworkInformation` tells about a provider. 40 bytes on 64-bit platforms, 32 on 32-bit ones.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct NETINFOSTRUCT {
    /// Size of the structure in bytes.
    pub cbStructure: DWORD,
    /// Version of the provider.
    pub dwProviderVersion: DWORD,
    /// `NO_ERROR`, `ERROR_NO_NETWORK` or `ERROR_BUSY`.
    pub dwStatus: DWORD,
    /// `NETINFO_*`; zero on every current system.
    pub dwCharacteristics: DWORD,
    /// Instance handle of the provider.
    pub dwHandle: usize,
    /// High word of the network type.
    pub wNetType: u16,
    /// Bit mask of printer ports, bit 0 is LPT1.
    pub dwPrinters: DWORD,
    /// Bit mask of drives, bit 0 is A:.
    pub dwDrives: DWORD,
}

/// What is known of a connection's speed. 20 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NETCONNECTINFOSTRUCT {
    /// Size of the structure in bytes.
    pub cbStructure: DWORD,
    /// `WNCON_*`.
    pub dwFlags: DWORD,
    /// Speed in units of 100 bit/s; 0 unknown, 1 faster than can be expressed.
    pub dwSpeed: DWORD,
    /// One-way delay in milliseconds.
    pub dwDelay: DWORD,
    /// Recommended size of a single transfer in bytes.
    pub dwOptDataSize: DWORD,
}

/// Level 1 answer of `WNetGetUniversalNameW`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct UNIVERSAL_NAME_INFOW {
    /// UNC form of the path.
    pub lpUniversalName: LPWSTR,
}

/// Level 1 answer of `WNetGetUniversalNameA`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct UNIVERSAL_NAME_INFOA {
    /// UNC form of the path.
    pub lpUniversalName: LPSTR,
}

/// Level 2 answer of `WNetGetUniversalNameW`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct REMOTE_NAME_INFOW {
    /// UNC form of the path; NULL when the network has none.
    pub lpUniversalName: LPWSTR,
    /// Name that can be passed to an add function.
    pub lpConnectionName: LPWSTR,
    /// Rest of the path: begins with a backslash, or is empty.
    pub lpRemainingPath: LPWSTR,
}

/// Level 2 answer of `WNetGetUniversalNameA`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct REMOTE_NAME_INFOA {
    /// UNC form of the path; NULL when the network has none.
    pub lpUniversalName: LPSTR,
    /// Name that can be passed to an add function.
    pub lpConnectionName: LPSTR,
    /// Rest of the path: begins with a backslash, or is empty.
    pub lpRemainingPath: LPSTR,
}

/// Request of `WNetConnectionDialog1W`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CONNECTDLGSTRUCTW {
    /// Size of the structure in bytes.
    pub cbStructure: DWORD,
    /// Owner of the dialog.
    pub hwndOwner: HWND,
    /// Resource to offer.
    pub lpConnRes: *mut NETRESOURCEW,
    /// `CONNDLG_*`.
    pub dwFlags: DWORD,
    /// Out: 1 for A:, 2 for B:, …; 0xFFFFFFFF for a deviceless connection.
    pub dwDevNum: DWORD,
}

/// Request of `WNetConnectionDialog1A`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CONNECTDLGSTRUCTA {
    /// Size of the structure in bytes.
    pub cbStructure: DWORD,
    /// Owner of the dialog.
    pub hwndOwner: HWND,
    /// Resource to offer.
    pub lpConnRes: *mut NETRESOURCEA,
    /// `CONNDLG_*`.
    pub dwFlags: DWORD,
    /// Out: 1 for A:, 2 for B:, …; 0xFFFFFFFF for a deviceless connection.
    pub dwDevNum: DWORD,
}

/// Request of `WNetDisconnectDialog1W`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DISCDLGSTRUCTW {
    /// Size of the structure in bytes.
    pub cbStructure: DWORD,
    /// Owner of the dialog.
    pub hwndOwner: HWND,
    /// Device to disconnect.
    pub lpLocalName: LPWSTR,
    /// Resource to disconnect when no device is named.
    pub lpRemoteName: LPWSTR,
    /// `DISC_*`.
    pub dwFlags: DWORD,
}

/// Request of `WNetDisconnectDialog1A`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct DISCDLGSTRUCTA {
    /// Size of the structure in bytes.
    pub cbStructure: DWORD,
    /// Owner of the dialog.
    pub hwndOwner: HWND,
    /// Device to disconnect.
    pub lpLocalName: LPSTR,
    /// Resource to disconnect when no device is named.
    pub lpRemoteName: LPSTR,
    /// `DISC_*`.
    pub dwFlags: DWORD,
}
