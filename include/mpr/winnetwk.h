/* The WNet functions: connecting to network resources, and asking about them.
 *
 * A function with strings exists with wide (…W) and narrow (…A) strings; the name without suffix is one of the
 * two, as UNICODE says. All return a status, which is also the last error of the thread.
 */
#ifndef MPR_WINNETWK_H
#define MPR_WINNETWK_H

#include "windows.h"
#include "wnnc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Scope of a resource or an enumeration. */
#define RESOURCE_CONNECTED 1
#define RESOURCE_GLOBALNET 2
#define RESOURCE_REMEMBERED 3
#define RESOURCE_RECENT 4
#define RESOURCE_CONTEXT 5

/* Type of a resource. */
#define RESOURCETYPE_ANY 0
#define RESOURCETYPE_DISK 1
#define RESOURCETYPE_PRINT 2
#define RESOURCETYPE_RESERVED 8
#define RESOURCETYPE_UNKNOWN 0xFFFFFFFF

/* How a resource can be used. */
#define RESOURCEUSAGE_CONNECTABLE 1
#define RESOURCEUSAGE_CONTAINER 2
#define RESOURCEUSAGE_NOLOCALDEVICE 4
#define RESOURCEUSAGE_SIBLING 8
#define RESOURCEUSAGE_ATTACHED 0x10
#define RESOURCEUSAGE_ALL 0x13
#define RESOURCEUSAGE_RESERVED 0x80000000

/* How a resource is to be shown. */
#define RESOURCEDISPLAYTYPE_GENERIC 0
#define RESOURCEDISPLAYTYPE_DOMAIN 1
#define RESOURCEDISPLAYTYPE_SERVER 2
#define RESOURCEDISPLAYTYPE_SHARE 3
#define RESOURCEDISPLAYTYPE_FILE 4
#define RESOURCEDISPLAYTYPE_GROUP 5
#define RESOURCEDISPLAYTYPE_NETWORK 6
#define RESOURCEDISPLAYTYPE_ROOT 7
#define RESOURCEDISPLAYTYPE_SHAREADMIN 8
#define RESOURCEDISPLAYTYPE_DIRECTORY 9
#define RESOURCEDISPLAYTYPE_TREE 10
#define RESOURCEDISPLAYTYPE_NDSCONTAINER 11

/* Flags of connecting and disconnecting. */
#define CONNECT_UPDATE_PROFILE 0x00000001
#define CONNECT_UPDATE_RECENT 0x00000002
#define CONNECT_TEMPORARY 0x00000004
#define CONNECT_INTERACTIVE 0x00000008
#define CONNECT_PROMPT 0x00000010
#define CONNECT_NEED_DRIVE 0x00000020
#define CONNECT_REFCOUNT 0x00000040
#define CONNECT_REDIRECT 0x00000080
#define CONNECT_LOCALDRIVE 0x00000100
#define CONNECT_CURRENT_MEDIA 0x00000200
#define CONNECT_DEFERRED 0x00000400
#define CONNECT_COMMANDLINE 0x00000800
#define CONNECT_CMD_SAVECRED 0x00001000
#define CONNECT_CRED_RESET 0x00002000
#define CONNECT_REQUIRE_INTEGRITY 0x00004000
#define CONNECT_REQUIRE_PRIVACY 0x00008000
#define CONNECT_WRITE_THROUGH_SEMANTICS 0x00010000
#define CONNECT_GLOBAL_MAPPING 0x00040000
#define CONNECT_RESERVED 0xFF000000

/* Flags of WNetConnectionDialog1. */
#define CONNDLG_RO_PATH 0x00000001
#define CONNDLG_CONN_POINT 0x00000002
#define CONNDLG_USE_MRU 0x00000004
#define CONNDLG_HIDE_BOX 0x00000008
#define CONNDLG_PERSIST 0x00000010
#define CONNDLG_NOT_PERSIST 0x00000020

/* Flags of WNetDisconnectDialog1. */
#define DISC_UPDATE_PROFILE 0x00000001
#define DISC_NO_FORCE 0x00000040

/* Levels of WNetGetUniversalName. */
#define UNIVERSAL_NAME_INFO_LEVEL 0x00000001
#define REMOTE_NAME_INFO_LEVEL 0x00000002

/* Property of WNetSetConnection. */
#define NETPROPERTY_PERSISTENT 1

/* Flags of WNetFormatNetworkName. */
#define WNFMT_MULTILINE 0x01
#define WNFMT_ABBREVIATED 0x02
#define WNFMT_INENUM 0x10
#define WNFMT_CONNECTION 0x20

/* Characteristics in NETINFOSTRUCT. */
#define NETINFO_DLL16 0x00000001
#define NETINFO_DISKRED 0x00000004
#define NETINFO_PRINTERRED 0x00000008

/* Flags in NETCONNECTINFOSTRUCT. */
#define WNCON_FORNETCARD 0x00000001
#define WNCON_NOTROUTED 0x00000002
#define WNCON_SLOWLINK 0x00000004
#define WNCON_DYNAMIC 0x00000008

/* Status codes, by the names they have in network providers. */
#define WN_SUCCESS NO_ERROR
#define WN_NO_ERROR NO_ERROR
#define WN_ACCESS_DENIED ERROR_ACCESS_DENIED
#define WN_BAD_HANDLE ERROR_INVALID_HANDLE
#define WN_OUT_OF_MEMORY ERROR_NOT_ENOUGH_MEMORY
#define WN_DEVICE_ERROR ERROR_GEN_FAILURE
#define WN_NOT_SUPPORTED ERROR_NOT_SUPPORTED
#define WN_NET_ERROR ERROR_UNEXP_NET_ERR
#define WN_WINDOWS_ERROR ERROR_UNEXP_NET_ERR
#define WN_BAD_DEV_TYPE ERROR_BAD_DEV_TYPE
#define WN_BAD_NETNAME ERROR_BAD_NET_NAME
#define WN_ALREADY_CONNECTED ERROR_ALREADY_ASSIGNED
#define WN_BAD_PASSWORD ERROR_INVALID_PASSWORD
#define WN_BAD_VALUE ERROR_INVALID_PARAMETER
#define WN_BAD_LEVEL ERROR_INVALID_LEVEL
#define WN_FUNCTION_BUSY ERROR_BUSY
#define WN_MORE_DATA ERROR_MORE_DATA
#define WN_NO_MORE_ENTRIES ERROR_NO_MORE_ITEMS
#define WN_BAD_POINTER ERROR_INVALID_ADDRESS
#define WN_BAD_LOCALNAME ERROR_BAD_DEVICE
#define WN_CONNECTION_CLOSED ERROR_CONNECTION_UNAVAIL
#define WN_DEVICE_ALREADY_REMEMBERED ERROR_DEVICE_ALREADY_REMEMBERED
#define WN_NO_NET_OR_BAD_PATH ERROR_NO_NET_OR_BAD_PATH
#define WN_BAD_PROVIDER ERROR_BAD_PROVIDER
#define WN_CANNOT_OPEN_PROFILE ERROR_CANNOT_OPEN_PROFILE
#define WN_BAD_PROFILE ERROR_BAD_PROFILE
#define WN_NOT_CONTAINER ERROR_NOT_CONTAINER
#define WN_EXTENDED_ERROR ERROR_EXTENDED_ERROR
#define WN_NO_NETWORK ERROR_NO_NETWORK
#define WN_CANCEL ERROR_CANCELLED
#define WN_RETRY ERROR_RETRY
#define WN_NOT_AUTHENTICATED ERROR_NOT_AUTHENTICATED
#define WN_NOT_LOGGED_ON ERROR_NOT_LOGGED_ON
#define WN_NOT_INITIALIZING ERROR_ALREADY_INITIALIZED
#define WN_NO_MORE_DEVICES ERROR_NO_MORE_DEVICES
#define WN_NOT_VALIDATED ERROR_NO_LOGON_SERVERS
#define WN_CONNECTED_OTHER_PASSWORD ERROR_CONNECTED_OTHER_PASSWORD
#define WN_CONNECTED_OTHER_PASSWORD_DEFAULT ERROR_CONNECTED_OTHER_PASSWORD_DEFAULT
#define WN_BAD_USER ERROR_BAD_USERNAME
#define WN_NOT_CONNECTED ERROR_NOT_CONNECTED
#define WN_OPEN_FILES ERROR_OPEN_FILES
#define WN_DEVICE_IN_USE ERROR_DEVICE_IN_USE

/* A resource or connection. */
typedef struct _NETRESOURCEA {
    DWORD dwScope;       /* RESOURCE_… */
    DWORD dwType;        /* RESOURCETYPE_… */
    DWORD dwDisplayType; /* RESOURCEDISPLAYTYPE_… */
    DWORD dwUsage;       /* RESOURCEUSAGE_… */
    LPSTR lpLocalName;   /* device; NULL or empty for none */
    LPSTR lpRemoteName;
    LPSTR lpComment;
    LPSTR lpProvider;
} NETRESOURCEA, *LPNETRESOURCEA;
typedef struct _NETRESOURCEW {
    DWORD dwScope;       /* RESOURCE_… */
    DWORD dwType;        /* RESOURCETYPE_… */
    DWORD dwDisplayType; /* RESOURCEDISPLAYTYPE_… */
    DWORD dwUsage;       /* RESOURCEUSAGE_… */
    LPWSTR lpLocalName;   /* device; NULL or empty for none */
    LPWSTR lpRemoteName;
    LPWSTR lpComment;
    LPWSTR lpProvider;
} NETRESOURCEW, *LPNETRESOURCEW;
#ifdef UNICODE
typedef NETRESOURCEW NETRESOURCE;
typedef LPNETRESOURCEW LPNETRESOURCE;
#else
typedef NETRESOURCEA NETRESOURCE;
typedef LPNETRESOURCEA LPNETRESOURCE;
#endif

/* What WNetGetNetworkInformation tells about a provider. */
typedef struct _NETINFOSTRUCT {
    DWORD cbStructure;       /* in: size of the structure */
    DWORD dwProviderVersion;
    DWORD dwStatus;          /* NO_ERROR, ERROR_NO_NETWORK, ERROR_BUSY */
    DWORD dwCharacteristics; /* NETINFO_… */
    ULONG_PTR dwHandle;
    WORD wNetType;           /* high word of WNNC_NET_… */
    DWORD dwPrinters;        /* bit 0 is LPT1 */
    DWORD dwDrives;          /* bit 0 is A: */
} NETINFOSTRUCT, *LPNETINFOSTRUCT;

/* What MultinetGetConnectionPerformance tells about a connection; 0 is unknown. */
typedef struct _NETCONNECTINFOSTRUCT {
    DWORD cbStructure;   /* in: size of the structure */
    DWORD dwFlags;       /* WNCON_… */
    DWORD dwSpeed;       /* in units of 100 bit/s */
    DWORD dwDelay;       /* in milliseconds */
    DWORD dwOptDataSize; /* in bytes */
} NETCONNECTINFOSTRUCT, *LPNETCONNECTINFOSTRUCT;

/* What WNetGetUniversalName tells: UNIVERSAL_NAME_INFO_LEVEL, REMOTE_NAME_INFO_LEVEL. */
typedef struct _UNIVERSAL_NAME_INFOA {
    LPSTR lpUniversalName;
} UNIVERSAL_NAME_INFOA, *LPUNIVERSAL_NAME_INFOA;
typedef struct _UNIVERSAL_NAME_INFOW {
    LPWSTR lpUniversalName;
} UNIVERSAL_NAME_INFOW, *LPUNIVERSAL_NAME_INFOW;
#ifdef UNICODE
typedef UNIVERSAL_NAME_INFOW UNIVERSAL_NAME_INFO;
typedef LPUNIVERSAL_NAME_INFOW LPUNIVERSAL_NAME_INFO;
#else
typedef UNIVERSAL_NAME_INFOA UNIVERSAL_NAME_INFO;
typedef LPUNIVERSAL_NAME_INFOA LPUNIVERSAL_NAME_INFO;
#endif

typedef struct _REMOTE_NAME_INFOA {
    LPSTR lpUniversalName;
    LPSTR lpConnectionName;
    LPSTR lpRemainingPath;
} REMOTE_NAME_INFOA, *LPREMOTE_NAME_INFOA;
typedef struct _REMOTE_NAME_INFOW {
    LPWSTR lpUniversalName;
    LPWSTR lpConnectionName;
    LPWSTR lpRemainingPath;
} REMOTE_NAME_INFOW, *LPREMOTE_NAME_INFOW;
#ifdef UNICODE
typedef REMOTE_NAME_INFOW REMOTE_NAME_INFO;
typedef LPREMOTE_NAME_INFOW LPREMOTE_NAME_INFO;
#else
typedef REMOTE_NAME_INFOA REMOTE_NAME_INFO;
typedef LPREMOTE_NAME_INFOA LPREMOTE_NAME_INFO;
#endif

/* Requests of WNetConnectionDialog1 and WNetDisconnectDialog1. */
typedef struct _CONNECTDLGSTRUCTA {
    DWORD cbStructure; /* size of the structure */
    HWND hwndOwner;
    LPNETRESOURCEA lpConnRes;
    DWORD dwFlags;     /* CONNDLG_… */
    DWORD dwDevNum;    /* out: 1 is A:; -1 is no device */
} CONNECTDLGSTRUCTA, *LPCONNECTDLGSTRUCTA;
typedef struct _CONNECTDLGSTRUCTW {
    DWORD cbStructure; /* size of the structure */
    HWND hwndOwner;
    LPNETRESOURCEW lpConnRes;
    DWORD dwFlags;     /* CONNDLG_… */
    DWORD dwDevNum;    /* out: 1 is A:; -1 is no device */
} CONNECTDLGSTRUCTW, *LPCONNECTDLGSTRUCTW;
#ifdef UNICODE
typedef CONNECTDLGSTRUCTW CONNECTDLGSTRUCT;
typedef LPCONNECTDLGSTRUCTW LPCONNECTDLGSTRUCT;
#else
typedef CONNECTDLGSTRUCTA CONNECTDLGSTRUCT;
typedef LPCONNECTDLGSTRUCTA LPCONNECTDLGSTRUCT;
#endif

typedef struct _DISCDLGSTRUCTA {
    DWORD cbStructure; /* size of the structure */
    HWND hwndOwner;
    LPSTR lpLocalName;
    LPSTR lpRemoteName;
    DWORD dwFlags;     /* DISC_… */
} DISCDLGSTRUCTA, *LPDISCDLGSTRUCTA;
typedef struct _DISCDLGSTRUCTW {
    DWORD cbStructure; /* size of the structure */
    HWND hwndOwner;
    LPWSTR lpLocalName;
    LPWSTR lpRemoteName;
    DWORD dwFlags;     /* DISC_… */
} DISCDLGSTRUCTW, *LPDISCDLGSTRUCTW;
#ifdef UNICODE
typedef DISCDLGSTRUCTW DISCDLGSTRUCT;
typedef LPDISCDLGSTRUCTW LPDISCDLGSTRUCT;
#else
typedef DISCDLGSTRUCTA DISCDLGSTRUCT;
typedef LPDISCDLGSTRUCTA LPDISCDLGSTRUCT;
#endif

/* Connecting. */
DWORD WINAPI WNetAddConnectionA(LPCSTR lpRemoteName, LPCSTR lpPassword, LPCSTR lpLocalName);
DWORD WINAPI WNetAddConnectionW(LPCWSTR lpRemoteName, LPCWSTR lpPassword, LPCWSTR lpLocalName);
DWORD WINAPI WNetAddConnection2A(LPNETRESOURCEA lpNetResource, LPCSTR lpPassword, LPCSTR lpUserName,
    DWORD dwFlags);
DWORD WINAPI WNetAddConnection2W(LPNETRESOURCEW lpNetResource, LPCWSTR lpPassword, LPCWSTR lpUserName,
    DWORD dwFlags);
DWORD WINAPI WNetAddConnection3A(HWND hwndOwner, LPNETRESOURCEA lpNetResource, LPCSTR lpPassword,
    LPCSTR lpUserName, DWORD dwFlags);
DWORD WINAPI WNetAddConnection3W(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPCWSTR lpPassword,
    LPCWSTR lpUserName, DWORD dwFlags);
DWORD WINAPI WNetAddConnection4A(HWND hwndOwner, LPNETRESOURCEA lpNetResource, LPVOID pAuthBuffer,
    DWORD cbAuthBuffer, DWORD dwFlags, PBYTE lpUseOptions, DWORD cbUseOptions);
DWORD WINAPI WNetAddConnection4W(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPVOID pAuthBuffer,
    DWORD cbAuthBuffer, DWORD dwFlags, PBYTE lpUseOptions, DWORD cbUseOptions);
DWORD WINAPI WNetUseConnectionA(HWND hwndOwner, LPNETRESOURCEA lpNetResource, LPCSTR lpPassword,
    LPCSTR lpUserId, DWORD dwFlags, LPSTR lpAccessName, LPDWORD lpBufferSize, LPDWORD lpResult);
DWORD WINAPI WNetUseConnectionW(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPCWSTR lpPassword,
    LPCWSTR lpUserId, DWORD dwFlags, LPWSTR lpAccessName, LPDWORD lpBufferSize, LPDWORD lpResult);
DWORD WINAPI WNetUseConnection4A(HWND hwndOwner, LPNETRESOURCEA lpNetResource, LPVOID pAuthBuffer,
    DWORD cbAuthBuffer, DWORD dwFlags, PBYTE lpUseOptions, DWORD cbUseOptions, LPSTR lpAccessName,
    LPDWORD lpBufferSize, LPDWORD lpResult);
DWORD WINAPI WNetUseConnection4W(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPVOID pAuthBuffer,
    DWORD cbAuthBuffer, DWORD dwFlags, PBYTE lpUseOptions, DWORD cbUseOptions, LPWSTR lpAccessName,
    LPDWORD lpBufferSize, LPDWORD lpResult);

/* Disconnecting. */
DWORD WINAPI WNetCancelConnectionA(LPCSTR lpName, BOOL fForce);
DWORD WINAPI WNetCancelConnectionW(LPCWSTR lpName, BOOL fForce);
DWORD WINAPI WNetCancelConnection2A(LPCSTR lpName, DWORD dwFlags, BOOL fForce);
DWORD WINAPI WNetCancelConnection2W(LPCWSTR lpName, DWORD dwFlags, BOOL fForce);

/* Remembered connections. Restoring has no narrow form. */
DWORD WINAPI WNetSetConnectionA(LPCSTR lpName, DWORD dwProperties, LPVOID pvValues);
DWORD WINAPI WNetSetConnectionW(LPCWSTR lpName, DWORD dwProperties, LPVOID pvValues);
DWORD WINAPI WNetRestoreConnectionW(HWND hwndOwner, LPCWSTR lpDevice);
DWORD WINAPI WNetRestoreSingleConnectionW(HWND hwndOwner, LPCWSTR lpDevice, BOOL fUseUI);
DWORD WINAPI WNetClearConnections(HWND hwndOwner);

/* Asking about connections. */
DWORD WINAPI WNetGetConnectionA(LPCSTR lpLocalName, LPSTR lpRemoteName, LPDWORD lpnLength);
DWORD WINAPI WNetGetConnectionW(LPCWSTR lpLocalName, LPWSTR lpRemoteName, LPDWORD lpnLength);
DWORD WINAPI WNetGetUserA(LPCSTR lpName, LPSTR lpUserName, LPDWORD lpnLength);
DWORD WINAPI WNetGetUserW(LPCWSTR lpName, LPWSTR lpUserName, LPDWORD lpnLength);
DWORD WINAPI WNetGetUniversalNameA(LPCSTR lpLocalPath, DWORD dwInfoLevel, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
DWORD WINAPI WNetGetUniversalNameW(LPCWSTR lpLocalPath, DWORD dwInfoLevel, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
DWORD WINAPI MultinetGetConnectionPerformanceA(LPNETRESOURCEA lpNetResource,
    LPNETCONNECTINFOSTRUCT lpNetConnectInfoStruct);
DWORD WINAPI MultinetGetConnectionPerformanceW(LPNETRESOURCEW lpNetResource,
    LPNETCONNECTINFOSTRUCT lpNetConnectInfoStruct);

/* Enumerating. */
DWORD WINAPI WNetOpenEnumA(DWORD dwScope, DWORD dwType, DWORD dwUsage, LPNETRESOURCEA lpNetResource,
    LPHANDLE lphEnum);
DWORD WINAPI WNetOpenEnumW(DWORD dwScope, DWORD dwType, DWORD dwUsage, LPNETRESOURCEW lpNetResource,
    LPHANDLE lphEnum);
DWORD WINAPI WNetEnumResourceA(HANDLE hEnum, LPDWORD lpcCount, LPVOID lpBuffer, LPDWORD lpBufferSize);
DWORD WINAPI WNetEnumResourceW(HANDLE hEnum, LPDWORD lpcCount, LPVOID lpBuffer, LPDWORD lpBufferSize);
DWORD WINAPI WNetCloseEnum(HANDLE hEnum);

/* Asking about resources and providers. */
DWORD WINAPI WNetGetResourceInformationA(LPNETRESOURCEA lpNetResource, LPVOID lpBuffer, LPDWORD lpcbBuffer,
    LPSTR *lplpSystem);
DWORD WINAPI WNetGetResourceInformationW(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer, LPDWORD lpcbBuffer,
    LPWSTR *lplpSystem);
DWORD WINAPI WNetGetResourceParentA(LPNETRESOURCEA lpNetResource, LPVOID lpBuffer, LPDWORD lpcbBuffer);
DWORD WINAPI WNetGetResourceParentW(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer, LPDWORD lpcbBuffer);
DWORD WINAPI WNetGetProviderNameA(DWORD dwNetType, LPSTR lpProviderName, LPDWORD lpBufferSize);
DWORD WINAPI WNetGetProviderNameW(DWORD dwNetType, LPWSTR lpProviderName, LPDWORD lpBufferSize);
DWORD WINAPI WNetGetNetworkInformationA(LPCSTR lpProvider, LPNETINFOSTRUCT lpNetInfoStruct);
DWORD WINAPI WNetGetNetworkInformationW(LPCWSTR lpProvider, LPNETINFOSTRUCT lpNetInfoStruct);

/* The error a provider left behind, with ERROR_EXTENDED_ERROR. */
DWORD WINAPI WNetGetLastErrorA(LPDWORD lpError, LPSTR lpErrorBuf, DWORD nErrorBufSize, LPSTR lpNameBuf,
    DWORD nNameBufSize);
DWORD WINAPI WNetGetLastErrorW(LPDWORD lpError, LPWSTR lpErrorBuf, DWORD nErrorBufSize, LPWSTR lpNameBuf,
    DWORD nNameBufSize);

/* Dialogs. Without somebody to show them, ERROR_NOT_SUPPORTED; WNetDisconnectDialog1 works nevertheless. */
DWORD WINAPI WNetConnectionDialog(HWND hwnd, DWORD dwType);
DWORD WINAPI WNetDisconnectDialog(HWND hwnd, DWORD dwType);
DWORD WINAPI WNetConnectionDialog1A(LPCONNECTDLGSTRUCTA lpConnDlgStruct);
DWORD WINAPI WNetConnectionDialog1W(LPCONNECTDLGSTRUCTW lpConnDlgStruct);
DWORD WINAPI WNetDisconnectDialog1A(LPDISCDLGSTRUCTA lpConnDlgStruct);
DWORD WINAPI WNetDisconnectDialog1W(LPDISCDLGSTRUCTW lpConnDlgStruct);

/* Exported by Windows, too, but not in its headers. */
DWORD WINAPI WNetGetProviderTypeA(LPCSTR lpProvider, LPDWORD lpdwNetType);
DWORD WINAPI WNetGetProviderTypeW(LPCWSTR lpProvider, LPDWORD lpdwNetType);
DWORD WINAPI WNetFormatNetworkNameA(LPCSTR lpProvider, LPCSTR lpRemoteName, LPSTR lpFormattedName,
    LPDWORD lpnLength, DWORD dwFlags, DWORD dwAveCharPerLine);
DWORD WINAPI WNetFormatNetworkNameW(LPCWSTR lpProvider, LPCWSTR lpRemoteName, LPWSTR lpFormattedName,
    LPDWORD lpnLength, DWORD dwFlags, DWORD dwAveCharPerLine);
DWORD WINAPI WNetGetDirectoryTypeA(LPCSTR lpName, LPINT lpType, BOOL bFlushCache);
DWORD WINAPI WNetGetDirectoryTypeW(LPCWSTR lpName, LPINT lpType, BOOL bFlushCache);
DWORD WINAPI WNetDirectoryNotifyA(HWND hwnd, LPCSTR lpDir, DWORD dwOper);
DWORD WINAPI WNetDirectoryNotifyW(HWND hwnd, LPCWSTR lpDir, DWORD dwOper);
DWORD WINAPI WNetGetPropertyTextA(DWORD iButton, DWORD nPropSel, LPCSTR lpName, LPSTR lpButtonName,
    DWORD nButtonNameLen, DWORD nType);
DWORD WINAPI WNetGetPropertyTextW(DWORD iButton, DWORD nPropSel, LPCWSTR lpName, LPWSTR lpButtonName,
    DWORD nButtonNameLen, DWORD nType);
DWORD WINAPI WNetPropertyDialogA(HWND hwndParent, DWORD iButtonDlg, DWORD nPropSel, LPCSTR lpFileName,
    DWORD nType);
DWORD WINAPI WNetPropertyDialogW(HWND hwndParent, DWORD iButtonDlg, DWORD nPropSel, LPCWSTR lpFileName,
    DWORD nType);
DWORD WINAPI WNetFMXGetPermCaps(LPWSTR lpDriveName);
DWORD WINAPI WNetFMXEditPerm(LPWSTR lpDriveName, HWND hwndFMX, DWORD nDialogType);
DWORD WINAPI WNetFMXGetPermHelp(LPWSTR lpDriveName, DWORD nDialogType, BOOL fDirectory,
    LPVOID lpFileNameBuffer, LPDWORD lpBufferSize, LPDWORD lpnHelpContext);
DWORD WINAPI WNetLogonNotify(PLUID lpLogonId, LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
    LPCWSTR lpPreviousAuthentInfoType, LPVOID lpPreviousAuthentInfo, LPWSTR lpStationName,
    LPVOID StationHandle, LPWSTR *lpLogonScripts);
DWORD WINAPI WNetPasswordChangeNotify(LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
    LPCWSTR lpPreviousAuthentInfoType, LPVOID lpPreviousAuthentInfo, LPWSTR lpStationName,
    LPVOID StationHandle, DWORD dwChangeInfo);

#ifdef UNICODE
#define WNetAddConnection WNetAddConnectionW
#define WNetAddConnection2 WNetAddConnection2W
#define WNetAddConnection3 WNetAddConnection3W
#define WNetAddConnection4 WNetAddConnection4W
#define WNetUseConnection WNetUseConnectionW
#define WNetUseConnection4 WNetUseConnection4W
#define WNetCancelConnection WNetCancelConnectionW
#define WNetCancelConnection2 WNetCancelConnection2W
#define WNetSetConnection WNetSetConnectionW
#define WNetGetConnection WNetGetConnectionW
#define WNetGetUser WNetGetUserW
#define WNetGetUniversalName WNetGetUniversalNameW
#define MultinetGetConnectionPerformance MultinetGetConnectionPerformanceW
#define WNetOpenEnum WNetOpenEnumW
#define WNetEnumResource WNetEnumResourceW
#define WNetGetResourceInformation WNetGetResourceInformationW
#define WNetGetResourceParent WNetGetResourceParentW
#define WNetGetProviderName WNetGetProviderNameW
#define WNetGetNetworkInformation WNetGetNetworkInformationW
#define WNetGetLastError WNetGetLastErrorW
#define WNetConnectionDialog1 WNetConnectionDialog1W
#define WNetDisconnectDialog1 WNetDisconnectDialog1W
#define WNetGetProviderType WNetGetProviderTypeW
#define WNetFormatNetworkName WNetFormatNetworkNameW
#define WNetGetDirectoryType WNetGetDirectoryTypeW
#define WNetDirectoryNotify WNetDirectoryNotifyW
#define WNetGetPropertyText WNetGetPropertyTextW
#define WNetPropertyDialog WNetPropertyDialogW
#else
#define WNetAddConnection WNetAddConnectionA
#define WNetAddConnection2 WNetAddConnection2A
#define WNetAddConnection3 WNetAddConnection3A
#define WNetAddConnection4 WNetAddConnection4A
#define WNetUseConnection WNetUseConnectionA
#define WNetUseConnection4 WNetUseConnection4A
#define WNetCancelConnection WNetCancelConnectionA
#define WNetCancelConnection2 WNetCancelConnection2A
#define WNetSetConnection WNetSetConnectionA
#define WNetGetConnection WNetGetConnectionA
#define WNetGetUser WNetGetUserA
#define WNetGetUniversalName WNetGetUniversalNameA
#define MultinetGetConnectionPerformance MultinetGetConnectionPerformanceA
#define WNetOpenEnum WNetOpenEnumA
#define WNetEnumResource WNetEnumResourceA
#define WNetGetResourceInformation WNetGetResourceInformationA
#define WNetGetResourceParent WNetGetResourceParentA
#define WNetGetProviderName WNetGetProviderNameA
#define WNetGetNetworkInformation WNetGetNetworkInformationA
#define WNetGetLastError WNetGetLastErrorA
#define WNetConnectionDialog1 WNetConnectionDialog1A
#define WNetDisconnectDialog1 WNetDisconnectDialog1A
#define WNetGetProviderType WNetGetProviderTypeA
#define WNetFormatNetworkName WNetFormatNetworkNameA
#define WNetGetDirectoryType WNetGetDirectoryTypeA
#define WNetDirectoryNotify WNetDirectoryNotifyA
#define WNetGetPropertyText WNetGetPropertyTextA
#define WNetPropertyDialog WNetPropertyDialogA
#endif

#ifdef __cplusplus
}
#endif

#endif
