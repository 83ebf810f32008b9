/* What a network provider or a notification library exports, and what it finds in the router.
 *
 *   gcc -shared -fPIC -fshort-wchar -Iinclude/mpr -o mine.so mine.c
 *
 * The functions are declared here, so that one with other parameters does not compile; a library exports those
 * it has. All strings are wide, whatever UNICODE says. They and the structures belong to the router and are good
 * until the function returns.
 */
#ifndef MPR_NPAPI_H
#define MPR_NPAPI_H

#include "winnetwk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Exported from a library, also with -fvisibility=hidden. */
#define MPR_EXPORT __attribute__((visibility("default")))

/* Notification libraries. */

#define NOTIFY_PRE 0x00000001  /* before the providers are tried */
#define NOTIFY_POST 0x00000002 /* afterwards; only for a library that set lpContext before */

typedef struct _NOTIFYINFO {
    DWORD dwNotifyStatus;    /* NOTIFY_PRE or NOTIFY_POST */
    DWORD dwOperationStatus; /* before: WN_SUCCESS, or WN_RETRY when repeated; afterwards: the result */
    LPVOID lpContext;        /* of the library's own; NULL asks for no second call */
} NOTIFYINFO, *LPNOTIFYINFO;

typedef struct _NOTIFYADD {
    HWND hwndOwner;
    NETRESOURCEW NetResource;
    DWORD dwAddFlags; /* CONNECT_… */
} NOTIFYADD, *LPNOTIFYADD;

typedef struct _NOTIFYCANCEL {
    LPWSTR lpName;     /* device or remote name */
    LPWSTR lpProvider; /* who cancelled, after a success; empty otherwise */
    DWORD dwFlags;     /* CONNECT_UPDATE_PROFILE or 0 */
    BOOL fForce;
} NOTIFYCANCEL, *LPNOTIFYCANCEL;

MPR_EXPORT DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYADD lpAddInfo);
MPR_EXPORT DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYCANCEL lpCancelInfo);

typedef DWORD(APIENTRY *PF_AddConnectNotify)(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYADD lpAddInfo);
typedef DWORD(APIENTRY *PF_CancelConnectNotify)(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYCANCEL lpCancelInfo);

/* An extension of this router. A library that exports it is asked in simulations, too (mpr simulate): it is called
   on the thread of the notification, with TRUE before and with FALSE after. In between the library must do nothing
   but answer. What it returns itself does not matter. Libraries that do not export it are left out of simulations. */
MPR_EXPORT DWORD APIENTRY MprSimulation(BOOL fSimulation);
typedef DWORD(APIENTRY *PF_MprSimulation)(BOOL fSimulation);

/* Network providers. */

/* What NPGetCaps is asked. */
#define WNNC_SPEC_VERSION 0x00000001
#define WNNC_NET_TYPE 0x00000002
#define WNNC_DRIVER_VERSION 0x00000003
#define WNNC_USER 0x00000004
#define WNNC_CONNECTION 0x00000006
#define WNNC_DIALOG 0x00000008
#define WNNC_ADMIN 0x00000009
#define WNNC_ENUMERATION 0x0000000B
#define WNNC_START 0x0000000C
#define WNNC_CONNECTION_FLAGS 0x0000000D

/* WNNC_SPEC_VERSION: version of this interface. */
#define WNNC_SPEC_VERSION51 0x00050001

/* WNNC_NET_TYPE: see wnnc.h. */
#define WNNC_NET_NONE 0x00000000

/* WNNC_USER: what of it there is. */
#define WNNC_USR_GETUSER 0x00000001

/* WNNC_CONNECTION: what of it there is. */
#define WNNC_CON_ADDCONNECTION 0x00000001
#define WNNC_CON_CANCELCONNECTION 0x00000002
#define WNNC_CON_GETCONNECTIONS 0x00000004
#define WNNC_CON_ADDCONNECTION3 0x00000008
#define WNNC_CON_ADDCONNECTION4 0x00000010
#define WNNC_CON_CANCELCONNECTION2 0x00000020
#define WNNC_CON_GETPERFORMANCE 0x00000040
#define WNNC_CON_DEFER 0x00000080

/* WNNC_DIALOG: what of it there is. */
#define WNNC_DLG_DEVICEMODE 0x00000001
#define WNNC_DLG_PROPERTYDIALOG 0x00000020
#define WNNC_DLG_SEARCHDIALOG 0x00000040
#define WNNC_DLG_FORMATNETWORKNAME 0x00000080
#define WNNC_DLG_PERMISSIONEDITOR 0x00000100
#define WNNC_DLG_GETRESOURCEPARENT 0x00000200
#define WNNC_DLG_GETRESOURCEINFORMATION 0x00000800

/* WNNC_ADMIN: what of it there is. */
#define WNNC_ADM_GETDIRECTORYTYPE 0x00000001
#define WNNC_ADM_DIRECTORYNOTIFY 0x00000002

/* WNNC_ENUMERATION: what of it there is. */
#define WNNC_ENUM_GLOBAL 0x00000001
#define WNNC_ENUM_LOCAL 0x00000002
#define WNNC_ENUM_CONTEXT 0x00000004
#define WNNC_ENUM_SHAREABLE 0x00000008

/* WNNC_START: whether the network is there yet; any other answer is in how many milliseconds it will be. */
#define WNNC_WONT_START 0x00000000
#define WNNC_WAIT_FOR_START 0x00000001
#define WNNC_START_UNKNOWN 0xFFFFFFFF

/* Levels of NPGetConnection3. */
#define WNGETCON_CONNECTED 0
#define WNGETCON_DISCONNECTED 1

/* What NPDirectoryNotify is told. */
#define WNDN_MKDIR 1
#define WNDN_RMDIR 2
#define WNDN_MVDIR 3

/* What NPGetDirectoryType answers. */
#define WNDT_NORMAL 0
#define WNDT_NETWORK 1

/* What a property belongs to. */
#define WNTYPE_DRIVE 1
#define WNTYPE_FILE 2
#define WNTYPE_PRINTER 3
#define WNTYPE_COMM 4

/* What is selected. */
#define WNPS_FILE 0
#define WNPS_DIR 1
#define WNPS_MULT 2

/* What NPSearchDialog found out. */
#define WNSRCH_REFRESH_FIRST_LEVEL 1

/* What NPFMXGetPermCaps answers. */
#define WNPERMC_PERM 1
#define WNPERMC_AUDIT 2
#define WNPERMC_OWNER 4

/* Which dialog NPFMXEditPerm is to show. */
#define WNPERM_DLG_PERM 0
#define WNPERM_DLG_AUDIT 1
#define WNPERM_DLG_OWNER 2

MPR_EXPORT DWORD APIENTRY NPGetCaps(DWORD ndex);
MPR_EXPORT DWORD APIENTRY NPAddConnection(LPNETRESOURCEW lpNetResource, LPWSTR lpPassword, LPWSTR lpUserName);
MPR_EXPORT DWORD APIENTRY NPAddConnection3(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPWSTR lpPassword,
    LPWSTR lpUserName, DWORD dwFlags);
MPR_EXPORT DWORD APIENTRY NPAddConnection4(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPVOID lpAuthBuffer,
    DWORD cbAuthBuffer, DWORD dwFlags, PBYTE lpUseOptions, DWORD cbUseOptions);
MPR_EXPORT DWORD APIENTRY NPCancelConnection(LPWSTR lpName, BOOL fForce);
MPR_EXPORT DWORD APIENTRY NPCancelConnection2(LPWSTR lpName, BOOL fForce, DWORD dwFlags);
MPR_EXPORT DWORD APIENTRY NPGetConnection(LPWSTR lpLocalName, LPWSTR lpRemoteName, LPDWORD lpnBufferLen);
MPR_EXPORT DWORD APIENTRY NPGetConnection3(LPCWSTR lpLocalName, DWORD dwLevel, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
MPR_EXPORT DWORD APIENTRY NPGetConnectionPerformance(LPCWSTR lpRemoteName,
    LPNETCONNECTINFOSTRUCT lpNetConnectInfo);
MPR_EXPORT DWORD APIENTRY NPGetUniversalName(LPWSTR lpLocalPath, DWORD dwInfoLevel, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
MPR_EXPORT DWORD APIENTRY NPGetUser(LPWSTR lpName, LPWSTR lpUserName, LPDWORD lpnBufferLen);
MPR_EXPORT DWORD APIENTRY NPGetPersistentUseOptionsForConnection(LPCWSTR lpRemotePath,
    LPBYTE lpReadUseOptions, DWORD cbReadUseOptions, LPBYTE lpWriteUseOptions, LPDWORD lpSizeWriteUseOptions);
MPR_EXPORT DWORD APIENTRY NPOpenEnum(DWORD dwScope, DWORD dwType, DWORD dwUsage, LPNETRESOURCEW lpNetResource,
    LPHANDLE lphEnum);
MPR_EXPORT DWORD APIENTRY NPEnumResource(HANDLE hEnum, LPDWORD lpcCount, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
MPR_EXPORT DWORD APIENTRY NPCloseEnum(HANDLE hEnum);
MPR_EXPORT DWORD APIENTRY NPGetResourceInformation(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer,
    LPDWORD lpBufferSize, LPWSTR *lplpSystem);
MPR_EXPORT DWORD APIENTRY NPGetResourceParent(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
MPR_EXPORT DWORD APIENTRY NPFormatNetworkName(LPWSTR lpRemoteName, LPWSTR lpFormattedName, LPDWORD lpnLength,
    DWORD dwFlags, DWORD dwAveCharPerLine);
MPR_EXPORT DWORD APIENTRY NPDeviceMode(HWND hParent);
MPR_EXPORT DWORD APIENTRY NPSearchDialog(HWND hwndParent, LPNETRESOURCEW lpNetResource, LPVOID lpBuffer,
    DWORD cbBuffer, LPDWORD lpnFlags);
MPR_EXPORT DWORD APIENTRY NPGetPropertyText(DWORD iButton, DWORD nPropSel, LPWSTR lpName, LPWSTR lpButtonName,
    DWORD nButtonNameLen, DWORD nType);
MPR_EXPORT DWORD APIENTRY NPPropertyDialog(HWND hwndParent, DWORD iButtonDlg, DWORD nPropSel,
    LPWSTR lpFileName, DWORD nType);
MPR_EXPORT DWORD APIENTRY NPGetDirectoryType(LPWSTR lpName, LPINT lpType, BOOL bFlushCache);
MPR_EXPORT DWORD APIENTRY NPDirectoryNotify(HWND hwnd, LPWSTR lpDir, DWORD dwOper);
MPR_EXPORT DWORD APIENTRY NPFMXGetPermCaps(LPWSTR lpDriveName);
MPR_EXPORT DWORD APIENTRY NPFMXEditPerm(LPWSTR lpDriveName, HWND hwndFMX, DWORD nDialogType);
MPR_EXPORT DWORD APIENTRY NPFMXGetPermHelp(LPWSTR lpDriveName, DWORD nDialogType, BOOL fDirectory,
    LPVOID lpFileNameBuffer, LPDWORD lpBufferSize, LPDWORD lpnHelpContext);

typedef DWORD(APIENTRY *PF_NPGetCaps)(DWORD ndex);
typedef DWORD(APIENTRY *PF_NPAddConnection)(LPNETRESOURCEW lpNetResource, LPWSTR lpPassword,
    LPWSTR lpUserName);
typedef DWORD(APIENTRY *PF_NPAddConnection3)(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPWSTR lpPassword,
    LPWSTR lpUserName, DWORD dwFlags);
typedef DWORD(APIENTRY *PF_NPAddConnection4)(HWND hwndOwner, LPNETRESOURCEW lpNetResource,
    LPVOID lpAuthBuffer, DWORD cbAuthBuffer, DWORD dwFlags, PBYTE lpUseOptions, DWORD cbUseOptions);
typedef DWORD(APIENTRY *PF_NPCancelConnection)(LPWSTR lpName, BOOL fForce);
typedef DWORD(APIENTRY *PF_NPCancelConnection2)(LPWSTR lpName, BOOL fForce, DWORD dwFlags);
typedef DWORD(APIENTRY *PF_NPGetConnection)(LPWSTR lpLocalName, LPWSTR lpRemoteName, LPDWORD lpnBufferLen);
typedef DWORD(APIENTRY *PF_NPGetConnection3)(LPCWSTR lpLocalName, DWORD dwLevel, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
typedef DWORD(APIENTRY *PF_NPGetConnectionPerformance)(LPCWSTR lpRemoteName,
    LPNETCONNECTINFOSTRUCT lpNetConnectInfo);
typedef DWORD(APIENTRY *PF_NPGetUniversalName)(LPWSTR lpLocalPath, DWORD dwInfoLevel, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
typedef DWORD(APIENTRY *PF_NPGetUser)(LPWSTR lpName, LPWSTR lpUserName, LPDWORD lpnBufferLen);
typedef DWORD(APIENTRY *PF_NPGetPersistentUseOptionsForConnection)(LPCWSTR lpRemotePath,
    LPBYTE lpReadUseOptions, DWORD cbReadUseOptions, LPBYTE lpWriteUseOptions, LPDWORD lpSizeWriteUseOptions);
typedef DWORD(APIENTRY *PF_NPOpenEnum)(DWORD dwScope, DWORD dwType, DWORD dwUsage,
    LPNETRESOURCEW lpNetResource, LPHANDLE lphEnum);
typedef DWORD(APIENTRY *PF_NPEnumResource)(HANDLE hEnum, LPDWORD lpcCount, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
typedef DWORD(APIENTRY *PF_NPCloseEnum)(HANDLE hEnum);
typedef DWORD(APIENTRY *PF_NPGetResourceInformation)(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer,
    LPDWORD lpBufferSize, LPWSTR *lplpSystem);
typedef DWORD(APIENTRY *PF_NPGetResourceParent)(LPNETRESOURCEW lpNetResource, LPVOID lpBuffer,
    LPDWORD lpBufferSize);
typedef DWORD(APIENTRY *PF_NPFormatNetworkName)(LPWSTR lpRemoteName, LPWSTR lpFormattedName,
    LPDWORD lpnLength, DWORD dwFlags, DWORD dwAveCharPerLine);
typedef DWORD(APIENTRY *PF_NPDeviceMode)(HWND hParent);
typedef DWORD(APIENTRY *PF_NPSearchDialog)(HWND hwndParent, LPNETRESOURCEW lpNetResource, LPVOID lpBuffer,
    DWORD cbBuffer, LPDWORD lpnFlags);
typedef DWORD(APIENTRY *PF_NPGetPropertyText)(DWORD iButton, DWORD nPropSel, LPWSTR lpName,
    LPWSTR lpButtonName, DWORD nButtonNameLen, DWORD nType);
typedef DWORD(APIENTRY *PF_NPPropertyDialog)(HWND hwndParent, DWORD iButtonDlg, DWORD nPropSel,
    LPWSTR lpFileName, DWORD nType);
typedef DWORD(APIENTRY *PF_NPGetDirectoryType)(LPWSTR lpName, LPINT lpType, BOOL bFlushCache);
typedef DWORD(APIENTRY *PF_NPDirectoryNotify)(HWND hwnd, LPWSTR lpDir, DWORD dwOper);
typedef DWORD(APIENTRY *PF_NPFMXGetPermCaps)(LPWSTR lpDriveName);
typedef DWORD(APIENTRY *PF_NPFMXEditPerm)(LPWSTR lpDriveName, HWND hwndFMX, DWORD nDialogType);
typedef DWORD(APIENTRY *PF_NPFMXGetPermHelp)(LPWSTR lpDriveName, DWORD nDialogType, BOOL fDirectory,
    LPVOID lpFileNameBuffer, LPDWORD lpBufferSize, LPDWORD lpnHelpContext);

/* Credential managers. */

/* Classes of modules. */
#define WN_NETWORK_CLASS 1
#define WN_CREDENTIAL_CLASS 2
#define WN_PRIMARY_AUTHENT_CLASS 4
#define WN_SERVICE_CLASS 8

/* What NPPasswordChangeNotify is told of. */
#define WN_VALID_LOGON_ACCOUNT 1
#define WN_NT_PASSWORD_CHANGED 2

MPR_EXPORT DWORD APIENTRY NPLogonNotify(PLUID lpLogonId, LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
    LPCWSTR lpPreviousAuthentInfoType, LPVOID lpPreviousAuthentInfo, LPWSTR lpStationName,
    LPVOID StationHandle, LPWSTR *lpLogonScript);
MPR_EXPORT DWORD APIENTRY NPPasswordChangeNotify(LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
    LPCWSTR lpPreviousAuthentInfoType, LPVOID lpPreviousAuthentInfo, LPWSTR lpStationName,
    LPVOID StationHandle, DWORD dwChangeInfo);

typedef DWORD(APIENTRY *PF_NPLogonNotify)(PLUID lpLogonId, LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
    LPCWSTR lpPreviousAuthentInfoType, LPVOID lpPreviousAuthentInfo, LPWSTR lpStationName,
    LPVOID StationHandle, LPWSTR *lpLogonScript);
typedef DWORD(APIENTRY *PF_NPPasswordChangeNotify)(LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
    LPCWSTR lpPreviousAuthentInfoType, LPVOID lpPreviousAuthentInfo, LPWSTR lpStationName,
    LPVOID StationHandle, DWORD dwChangeInfo);

/* The router: leaves an error of the provider's own for the application, which asks for it with WNetGetLastError
 * when it gets WN_EXTENDED_ERROR. Copies the strings. Looked up when the library is loaded: no need to link it. */
void APIENTRY WNetSetLastErrorA(DWORD err, LPCSTR lpError, LPCSTR lpProviders);
void APIENTRY WNetSetLastErrorW(DWORD err, LPCWSTR lpError, LPCWSTR lpProviders);
#ifdef UNICODE
#define WNetSetLastError WNetSetLastErrorW
#else
#define WNetSetLastError WNetSetLastErrorA
#endif

#ifdef __cplusplus
}
#endif

#endif
