//! Named numbers of `winnetwk.h`, `npapi.h` and `wnnc.h`.

use crate::DWORD;
/// Scope of an enumeration or entry.
pub const RESOURCE_CONNECTED: DWORD = 1;
/// Scope of an enumeration or entry.
pub const RESOURCE_GLOBALNET: DWORD = 2;
/// Scope of an enumeration or entry.
pub const RESOURCE_REMEMBERED: DWORD = 3;
/// Scope of an enumeration or entry.
pub const RESOURCE_RECENT: DWORD = 4;
/// Scope of an enumeration or entry.
pub const RESOURCE_CONTEXT: DWORD = 5;

/// Type of a resource.
pub const RESOURCETYPE_ANY: DWORD = 0;
/// Type of a resource.
pub const RESOURCETYPE_DISK: DWORD = 1;
/// Type of a resource.
pub const RESOURCETYPE_PRINT: DWORD = 2;
/// Type of a resource.
pub const RESOURCETYPE_RESERVED: DWORD = 8;
/// Type of a resource.
pub const RESOURCETYPE_UNKNOWN: DWORD = 0xFFFFFFFF;

/// How a resource is to be used.
pub const RESOURCEUSAGE_CONNECTABLE: DWORD = 1;
/// How a resource is to be used.
pub const RESOURCEUSAGE_CONTAINER: DWORD = 2;
/// How a resource is to be used.
pub const RESOURCEUSAGE_NOLOCALDEVICE: DWORD = 4;
/// How a resource is to be used.
pub const RESOURCEUSAGE_SIBLING: DWORD = 8;
/// How a resource is to be used.
pub const RESOURCEUSAGE_ATTACHED: DWORD = 0x10;
/// How a resource is to be used.
pub const RESOURCEUSAGE_ALL: DWORD = 0x13;
/// How a resource is to be used.
pub const RESOURCEUSAGE_RESERVED: DWORD = 0x80000000;

/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_GENERIC: DWORD = 0;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_DOMAIN: DWORD = 1;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_SERVER: DWORD = 2;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_SHARE: DWORD = 3;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_FILE: DWORD = 4;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_GROUP: DWORD = 5;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_NETWORK: DWORD = 6;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_ROOT: DWORD = 7;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_SHAREADMIN: DWORD = 8;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_DIRECTORY: DWORD = 9;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_TREE: DWORD = 10;
/// How a resource is to be shown.
pub const RESOURCEDISPLAYTYPE_NDSCONTAINER: DWORD = 11;

/// Property of `WNetSetConnection`.
pub const NETPROPERTY_PERSISTENT: DWORD = 1;

/// Level of `WNetGetUniversalName`.
pub const UNIVERSAL_NAME_INFO_LEVEL: DWORD = 1;
/// Level of `WNetGetUniversalName`.
pub const REMOTE_NAME_INFO_LEVEL: DWORD = 2;

/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_UPDATE_PROFILE: DWORD = 1;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_UPDATE_RECENT: DWORD = 2;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_TEMPORARY: DWORD = 4;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_INTERACTIVE: DWORD = 8;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_PROMPT: DWORD = 0x10;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_NEED_DRIVE: DWORD = 0x20;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_REFCOUNT: DWORD = 0x40;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_REDIRECT: DWORD = 0x80;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_LOCALDRIVE: DWORD = 0x100;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_CURRENT_MEDIA: DWORD = 0x200;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_DEFERRED: DWORD = 0x400;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_COMMANDLINE: DWORD = 0x800;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_CMD_SAVECRED: DWORD = 0x1000;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_CRED_RESET: DWORD = 0x2000;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_REQUIRE_INTEGRITY: DWORD = 0x4000;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_REQUIRE_PRIVACY: DWORD = 0x8000;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_WRITE_THROUGH_SEMANTICS: DWORD = 0x10000;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_GLOBAL_MAPPING: DWORD = 0x40000;
/// Flag of an add or cancel function (`spec/wnet.md` §2.2).
pub const CONNECT_RESERVED: DWORD = 0xFF000000;

/// Flag of `WNetConnectionDialog1`.
pub const CONNDLG_RO_PATH: DWORD = 1;
/// Flag of `WNetConnectionDialog1`.
pub const CONNDLG_CONN_POINT: DWORD = 2;
/// Flag of `WNetConnectionDialog1`.
pub const CONNDLG_USE_MRU: DWORD = 4;
/// Flag of `WNetConnectionDialog1`.
pub const CONNDLG_HIDE_BOX: DWORD = 8;
/// Flag of `WNetConnectionDialog1`.
pub const CONNDLG_PERSIST: DWORD = 0x10;
/// Flag of `WNetConnectionDialog1`.
pub const CONNDLG_NOT_PERSIST: DWORD = 0x20;

/// Flag of `WNetDisconnectDialog1`.
pub const DISC_UPDATE_PROFILE: DWORD = 1;
/// Flag of `WNetDisconnectDialog1`.
pub const DISC_NO_FORCE: DWORD = 0x40;

/// Flag of `WNetFormatNetworkName`.
pub const WNFMT_MULTILINE: DWORD = 1;
/// Flag of `WNetFormatNetworkName`.
pub const WNFMT_ABBREVIATED: DWORD = 2;
/// Flag of `WNetFormatNetworkName`.
pub const WNFMT_INENUM: DWORD = 0x10;
/// Flag of `WNetFormatNetworkName`.
pub const WNFMT_CONNECTION: DWORD = 0x20;

/// Characteristic in `NETINFOSTRUCT`.
pub const NETINFO_DLL16: DWORD = 1;
/// Characteristic in `NETINFOSTRUCT`.
pub const NETINFO_DISKRED: DWORD = 4;
/// Characteristic in `NETINFOSTRUCT`.
pub const NETINFO_PRINTERRED: DWORD = 8;

/// Flag in `NETCONNECTINFOSTRUCT`.
pub const WNCON_FORNETCARD: DWORD = 1;
/// Flag in `NETCONNECTINFOSTRUCT`.
pub const WNCON_NOTROUTED: DWORD = 2;
/// Flag in `NETCONNECTINFOSTRUCT`.
pub const WNCON_SLOWLINK: DWORD = 4;
/// Flag in `NETCONNECTINFOSTRUCT`.
pub const WNCON_DYNAMIC: DWORD = 8;

/// Index of `NPGetCaps`.
pub const WNNC_SPEC_VERSION: DWORD = 1;
/// Index of `NPGetCaps`.
pub const WNNC_NET_TYPE: DWORD = 2;
/// Index of `NPGetCaps`.
pub const WNNC_DRIVER_VERSION: DWORD = 3;
/// Index of `NPGetCaps`.
pub const WNNC_USER: DWORD = 4;
/// Index of `NPGetCaps`.
pub const WNNC_CONNECTION: DWORD = 6;
/// Index of `NPGetCaps`.
pub const WNNC_DIALOG: DWORD = 8;
/// Index of `NPGetCaps`.
pub const WNNC_ADMIN: DWORD = 9;
/// Index of `NPGetCaps`.
pub const WNNC_ENUMERATION: DWORD = 11;
/// Index of `NPGetCaps`.
pub const WNNC_START: DWORD = 0xC;
/// Index of `NPGetCaps`.
pub const WNNC_CONNECTION_FLAGS: DWORD = 0xD;

/// Answer of `NPGetCaps(WNNC_SPEC_VERSION)`.
pub const WNNC_SPEC_VERSION51: DWORD = 0x50001;

/// Bit of `NPGetCaps(WNNC_USER)`.
pub const WNNC_USR_GETUSER: DWORD = 1;

/// Bit of `NPGetCaps(WNNC_CONNECTION)`.
pub const WNNC_CON_ADDCONNECTION: DWORD = 1;
/// Bit of `NPGetCaps(WNNC_CONNECTION)`.
pub const WNNC_CON_CANCELCONNECTION: DWORD = 2;
/// Bit of `NPGetCaps(WNNC_CONNECTION)`.
pub const WNNC_CON_GETCONNECTIONS: DWORD = 4;
/// Bit of `NPGetCaps(WNNC_CONNECTION)`.
pub const WNNC_CON_ADDCONNECTION3: DWORD = 8;
/// Bit of `NPGetCaps(WNNC_CONNECTION)`.
pub const WNNC_CON_ADDCONNECTION4: DWORD = 0x10;
/// Bit of `NPGetCaps(WNNC_CONNECTION)`.
pub const WNNC_CON_CANCELCONNECTION2: DWORD = 0x20;
/// Bit of `NPGetCaps(WNNC_CONNECTION)`.
pub const WNNC_CON_GETPERFORMANCE: DWORD = 0x40;
/// Bit of `NPGetCaps(WNNC_CONNECTION)`.
pub const WNNC_CON_DEFER: DWORD = 0x80;

/// Bit of `NPGetCaps(WNNC_DIALOG)`.
pub const WNNC_DLG_DEVICEMODE: DWORD = 1;
/// Bit of `NPGetCaps(WNNC_DIALOG)`.
pub const WNNC_DLG_PROPERTYDIALOG: DWORD = 0x20;
/// Bit of `NPGetCaps(WNNC_DIALOG)`.
pub const WNNC_DLG_SEARCHDIALOG: DWORD = 0x40;
/// Bit of `NPGetCaps(WNNC_DIALOG)`.
pub const WNNC_DLG_FORMATNETWORKNAME: DWORD = 0x80;
/// Bit of `NPGetCaps(WNNC_DIALOG)`.
pub const WNNC_DLG_PERMISSIONEDITOR: DWORD = 0x100;
/// Bit of `NPGetCaps(WNNC_DIALOG)`.
pub const WNNC_DLG_GETRESOURCEPARENT: DWORD = 0x200;
/// Bit of `NPGetCaps(WNNC_DIALOG)`.
pub const WNNC_DLG_GETRESOURCEINFORMATION: DWORD = 0x800;

/// Bit of `NPGetCaps(WNNC_ADMIN)`.
pub const WNNC_ADM_GETDIRECTORYTYPE: DWORD = 1;
/// Bit of `NPGetCaps(WNNC_ADMIN)`.
pub const WNNC_ADM_DIRECTORYNOTIFY: DWORD = 2;

/// Bit of `NPGetCaps(WNNC_ENUMERATION)`.
pub const WNNC_ENUM_GLOBAL: DWORD = 1;
/// Bit of `NPGetCaps(WNNC_ENUMERATION)`.
pub const WNNC_ENUM_LOCAL: DWORD = 2;
/// Bit of `NPGetCaps(WNNC_ENUMERATION)`.
pub const WNNC_ENUM_CONTEXT: DWORD = 4;
/// Bit of `NPGetCaps(WNNC_ENUMERATION)`.
pub const WNNC_ENUM_SHAREABLE: DWORD = 8;

/// Answer of `NPGetCaps(WNNC_START)`.
pub const WNNC_WONT_START: DWORD = 0;
/// Answer of `NPGetCaps(WNNC_START)`.
pub const WNNC_WAIT_FOR_START: DWORD = 1;
/// Answer of `NPGetCaps(WNNC_START)`.
pub const WNNC_START_UNKNOWN: DWORD = 0xFFFFFFFF;

/// Network type, as `NPGetCaps(WNNC_NET_TYPE)` gives it (`wnnc.h`).
pub const WNNC_NET_NONE: DWORD = 0;
/// Network type, as `NPGetCaps(WNNC_NET_TYPE)` gives it (`wnnc.h`).
pub const WNNC_NET_MSNET: DWORD = 0x10000;
/// Network type, as `NPGetCaps(WNNC_NET_TYPE)` gives it (`wnnc.h`).
pub const WNNC_NET_SMB: DWORD = 0x20000;
/// Network type, as `NPGetCaps(WNNC_NET_TYPE)` gives it (`wnnc.h`).
pub const WNNC_NET_LANMAN: DWORD = 0x20000;
/// Network type, as `NPGetCaps(WNNC_NET_TYPE)` gives it (`wnnc.h`).
pub const WNNC_NET_DAV: DWORD = 0x2E0000;
/// Network type, as `NPGetCaps(WNNC_NET_TYPE)` gives it (`wnnc.h`).
pub const WNNC_NET_MS_NFS: DWORD = 0x420000;
/// Network type, as `NPGetCaps(WNNC_NET_TYPE)` gives it (`wnnc.h`).
pub const WNNC_CRED_MANAGER: DWORD = 0xFFFF0000;

/// Level of `NPGetConnection3`.
pub const WNGETCON_CONNECTED: DWORD = 0;
/// Level of `NPGetConnection3`.
pub const WNGETCON_DISCONNECTED: DWORD = 1;

/// Class of a registered module.
pub const WN_NETWORK_CLASS: DWORD = 1;
/// Class of a registered module.
pub const WN_CREDENTIAL_CLASS: DWORD = 2;
/// Class of a registered module.
pub const WN_PRIMARY_AUTHENT_CLASS: DWORD = 4;
/// Class of a registered module.
pub const WN_SERVICE_CLASS: DWORD = 8;

/// Account change told by `NPPasswordChangeNotify`.
pub const WN_VALID_LOGON_ACCOUNT: DWORD = 1;
/// Account change told by `NPPasswordChangeNotify`.
pub const WN_NT_PASSWORD_CHANGED: DWORD = 2;

/// Operation told by `NPDirectoryNotify`.
pub const WNDN_MKDIR: DWORD = 1;
/// Operation told by `NPDirectoryNotify`.
pub const WNDN_RMDIR: DWORD = 2;
/// Operation told by `NPDirectoryNotify`.
pub const WNDN_MVDIR: DWORD = 3;

/// Answer of `NPGetDirectoryType`.
pub const WNDT_NORMAL: DWORD = 0;
/// Answer of `NPGetDirectoryType`.
pub const WNDT_NETWORK: DWORD = 1;

/// Kind of item a property belongs to.
pub const WNTYPE_DRIVE: DWORD = 1;
/// Kind of item a property belongs to.
pub const WNTYPE_FILE: DWORD = 2;
/// Kind of item a property belongs to.
pub const WNTYPE_PRINTER: DWORD = 3;
/// Kind of item a property belongs to.
pub const WNTYPE_COMM: DWORD = 4;

/// Selection of `NPPropertyDialog`.
pub const WNPS_FILE: DWORD = 0;
/// Selection of `NPPropertyDialog`.
pub const WNPS_DIR: DWORD = 1;
/// Selection of `NPPropertyDialog`.
pub const WNPS_MULT: DWORD = 2;

/// Result flag of `NPSearchDialog`.
pub const WNSRCH_REFRESH_FIRST_LEVEL: DWORD = 1;

/// Bit of `NPFMXGetPermCaps`.
pub const WNPERMC_PERM: DWORD = 1;
/// Bit of `NPFMXGetPermCaps`.
pub const WNPERMC_AUDIT: DWORD = 2;
/// Bit of `NPFMXGetPermCaps`.
pub const WNPERMC_OWNER: DWORD = 4;

/// Dialog of `NPFMXEditPerm`.
pub const WNPERM_DLG_PERM: DWORD = 0;
/// Dialog of `NPFMXEditPerm`.
pub const WNPERM_DLG_AUDIT: DWORD = 1;
/// Dialog of `NPFMXEditPerm`.
pub const WNPERM_DLG_OWNER: DWORD = 2;

/// Every named flag of the add functions; any other bit is refused (`spec/wnet.md` DECISION W7).
pub const CONNECT_ADD_MASK: DWORD = 0x0005_FFFF;
/// Longest remote name in UTF-16 units, without the terminator (`MAX_PATH`).
pub const MAX_REMOTE_NAME: usize = 260;
