/* Types, constants and macros of Windows that the WNet functions need, for sources written for Windows.
 *
 *   gcc -fshort-wchar -Iinclude/mpr program.c -lmpr
 *
 * A wide character has 16 bits. With -fshort-wchar it is wchar_t, and L"text" is a wide string, as on Windows.
 * Without, it is char16_t, and u"text" is one; TEXT("text") is right either way. The narrow functions take
 * UTF-8. The last error of a thread is its errno.
 */
#ifndef MPR_WINDOWS_H
#define MPR_WINDOWS_H

#ifdef _WIN32
#error "these headers are for systems other than Windows, which has its own"
#endif

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Calling conventions: there is one. */
#define WINAPI
#define APIENTRY
#define CALLBACK
#define WINAPIV
#define FAR
#define NEAR
#ifndef CONST
#define CONST const
#endif
#ifndef VOID
#define VOID void
#endif
#ifndef __stdcall
#define __stdcall
#endif
#ifndef __cdecl
#define __cdecl
#endif

/* __declspec(dllexport) and __declspec(dllimport). */
#ifndef __declspec
#define __declspec(what) MPR_DECLSPEC_##what
#define MPR_DECLSPEC_dllexport __attribute__((visibility("default")))
#define MPR_DECLSPEC_dllimport
#endif

/* Numbers have the sizes they have on Windows, whatever "long" is here. */
typedef uint8_t BYTE, *PBYTE, *LPBYTE;
typedef uint16_t WORD, *PWORD, *LPWORD;
typedef uint32_t DWORD, *PDWORD, *LPDWORD;
typedef uint32_t ULONG, *PULONG;
typedef int32_t LONG, *PLONG;
typedef int INT, *PINT, *LPINT;
typedef unsigned int UINT, *PUINT;
typedef int BOOL, *PBOOL, *LPBOOL;
typedef uintptr_t ULONG_PTR, DWORD_PTR;
typedef intptr_t LONG_PTR;
typedef size_t SIZE_T;

typedef char CHAR, *PCHAR, *PSTR, *LPSTR;
typedef const char *PCSTR, *LPCSTR;

#if defined(__WCHAR_MAX__) && __WCHAR_MAX__ <= 0xFFFF
typedef wchar_t WCHAR;
#define MPR_WIDE(text) L##text
#elif defined(__cplusplus)
typedef char16_t WCHAR;
#define MPR_WIDE(text) u##text
#else
typedef __CHAR16_TYPE__ WCHAR;
#define MPR_WIDE(text) u##text
#endif
typedef WCHAR *PWCHAR, *PWSTR, *LPWSTR;
typedef const WCHAR *PCWSTR, *LPCWSTR;

#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR;
typedef LPWSTR PTSTR, LPTSTR;
typedef LPCWSTR PCTSTR, LPCTSTR;
#define MPR_TEXT(text) MPR_WIDE(text)
#else
typedef char TCHAR, *PTCHAR;
typedef LPSTR PTSTR, LPTSTR;
typedef LPCSTR PCTSTR, LPCTSTR;
#define MPR_TEXT(text) text
#endif
#define TEXT(text) MPR_TEXT(text)
#ifndef _T
#define _T(text) MPR_TEXT(text)
#endif

typedef void *PVOID, *LPVOID, *HANDLE;
typedef const void *LPCVOID;
typedef HANDLE *PHANDLE, *LPHANDLE;
typedef struct HWND__ *HWND;

/* Identifier of a logon session. */
typedef struct _LUID {
    DWORD LowPart;
    LONG HighPart;
} LUID, *PLUID;

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif
#define MAX_PATH 260
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

#define ZeroMemory(place, size) memset((place), 0, (size))
#define FillMemory(place, size, byte) memset((place), (byte), (size))
#define CopyMemory(place, from, size) memcpy((place), (from), (size))
#define MoveMemory(place, from, size) memmove((place), (from), (size))

/* Every WNet function sets it, to 0 where it succeeds. */
static inline DWORD GetLastError(void)
{
    return (DWORD)errno;
}

static inline void SetLastError(DWORD code)
{
    errno = (int)code;
}

/* Error codes of the WNet functions. */
#define ERROR_SUCCESS 0
#define NO_ERROR 0
#define ERROR_ACCESS_DENIED 5
#define ERROR_INVALID_HANDLE 6
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_GEN_FAILURE 31
#define ERROR_NOT_SUPPORTED 50
#define ERROR_BAD_NETPATH 53
#define ERROR_DEV_NOT_EXIST 55
#define ERROR_UNEXP_NET_ERR 59
#define ERROR_BAD_DEV_TYPE 66
#define ERROR_BAD_NET_NAME 67
#define ERROR_ALREADY_ASSIGNED 85
#define ERROR_INVALID_PASSWORD 86
#define ERROR_INVALID_PARAMETER 87
#define ERROR_CALL_NOT_IMPLEMENTED 120
#define ERROR_INVALID_LEVEL 124
#define ERROR_BUSY 170
#define ERROR_MORE_DATA 234
#define ERROR_NO_MORE_ITEMS 259
#define ERROR_INVALID_ADDRESS 487
#define ERROR_AUDIT_FAILED 606
#define ERROR_BAD_DEVICE 1200
#define ERROR_CONNECTION_UNAVAIL 1201
#define ERROR_DEVICE_ALREADY_REMEMBERED 1202
#define ERROR_NO_NET_OR_BAD_PATH 1203
#define ERROR_BAD_PROVIDER 1204
#define ERROR_CANNOT_OPEN_PROFILE 1205
#define ERROR_BAD_PROFILE 1206
#define ERROR_NOT_CONTAINER 1207
#define ERROR_EXTENDED_ERROR 1208
#define ERROR_SESSION_CREDENTIAL_CONFLICT 1219
#define ERROR_NO_NETWORK 1222
#define ERROR_CANCELLED 1223
#define ERROR_RETRY 1237
#define ERROR_NOT_AUTHENTICATED 1244
#define ERROR_NOT_LOGGED_ON 1245
#define ERROR_CONTINUE 1246
#define ERROR_ALREADY_INITIALIZED 1247
#define ERROR_NO_MORE_DEVICES 1248
#define ERROR_NO_LOGON_SERVERS 1311
#define ERROR_NO_SUCH_LOGON_SESSION 1312
#define ERROR_LOGON_FAILURE 1326
#define ERROR_CONNECTED_OTHER_PASSWORD 2108
#define ERROR_CONNECTED_OTHER_PASSWORD_DEFAULT 2109
#define ERROR_BAD_USERNAME 2202
#define ERROR_NOT_CONNECTED 2250
#define ERROR_OPEN_FILES 2401
#define ERROR_ACTIVE_CONNECTIONS 2402
#define ERROR_DEVICE_IN_USE 2404

#ifndef WIN32_LEAN_AND_MEAN
#include "winnetwk.h"
#endif

#endif
