/* A network provider that does next to nothing, to be measured through. Compiled several times:
 *   -DNOT_MINE        answers every add and cancel with WN_BAD_NETNAME, as one provider among many does
 *   -DENTRIES=n       enumerates n connections
 */
#include <npapi.h>

#ifndef ENTRIES
#define ENTRIES 0
#endif

/* One device, which is all a benchmark connects at a time. */
static WCHAR connected;

DWORD APIENTRY NPGetCaps(DWORD index)
{
    switch (index) {
    case WNNC_SPEC_VERSION: return WNNC_SPEC_VERSION51;
    case WNNC_NET_TYPE: return 0xFF100000;
    case WNNC_START: return 1;
    case WNNC_CONNECTION:
        return WNNC_CON_ADDCONNECTION | WNNC_CON_ADDCONNECTION3 | WNNC_CON_CANCELCONNECTION | WNNC_CON_GETCONNECTIONS;
    case WNNC_ENUMERATION: return WNNC_ENUM_LOCAL;
    default: return 0;
    }
}

DWORD APIENTRY NPAddConnection3(HWND owner, LPNETRESOURCEW resource, LPWSTR password, LPWSTR user, DWORD flags)
{
    (void)owner, (void)password, (void)user, (void)flags;
#ifdef NOT_MINE
    return WN_BAD_NETNAME;
#else
    if (resource->lpLocalName != NULL)
        connected = resource->lpLocalName[0] & ~0x20;
    return WN_SUCCESS;
#endif
}

DWORD APIENTRY NPAddConnection(LPNETRESOURCEW resource, LPWSTR password, LPWSTR user)
{
    return NPAddConnection3(NULL, resource, password, user, 0);
}

DWORD APIENTRY NPCancelConnection(LPWSTR name, BOOL force)
{
    (void)name, (void)force;
#ifdef NOT_MINE
    return WN_NOT_CONNECTED;
#else
    connected = 0;
    return WN_SUCCESS;
#endif
}

DWORD APIENTRY NPGetConnection(LPWSTR local, LPWSTR remote, LPDWORD chars)
{
    static const WCHAR name[] = L"\\\\srv\\share";

    if (connected == 0 || (local[0] & ~0x20) != connected)
        return WN_NOT_CONNECTED;
    if (*chars < sizeof name / sizeof *name) {
        *chars = sizeof name / sizeof *name;
        return WN_MORE_DATA;
    }
    for (unsigned at = 0; at < sizeof name / sizeof *name; at++)
        remote[at] = name[at];
    return WN_SUCCESS;
}

/* The handle counts the entries given so far. */
DWORD APIENTRY NPOpenEnum(DWORD scope, DWORD type, DWORD usage, LPNETRESOURCEW resource, LPHANDLE handle)
{
    (void)scope, (void)type, (void)usage, (void)resource;
    *handle = (HANDLE)1;
    return WN_SUCCESS;
}

static DWORD given;

DWORD APIENTRY NPEnumResource(HANDLE handle, LPDWORD count, LPVOID buffer, LPDWORD bytes)
{
    static WCHAR name[] = L"\\\\srv\\share";
    NETRESOURCEW *entries = buffer;
    DWORD room = *bytes / sizeof *entries, at = 0;

    (void)handle;
    while (at < room && at < *count && given < ENTRIES) {
        NETRESOURCEW entry = {RESOURCE_CONNECTED, RESOURCETYPE_DISK, RESOURCEDISPLAYTYPE_SHARE,
                              RESOURCEUSAGE_CONNECTABLE, NULL, name, NULL, NULL};
        entries[at++] = entry;
        given++;
    }
    *count = at;
    if (at == 0) {
        given = 0;
        return WN_NO_MORE_ENTRIES;
    }
    return WN_SUCCESS;
}

DWORD APIENTRY NPCloseEnum(HANDLE handle)
{
    (void)handle;
    given = 0;
    return WN_SUCCESS;
}
