/* A network of one server, srv: connections are kept in this process. Calls are written to $TEST_CALLS.
 * \\srv\refused is refused with an error of the provider's own; \\srv\far can be reached while $TEST_LINK exists. */
#include <npapi.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    WCHAR local[16];
    WCHAR remote[300];
} CONNECTION;

static CONNECTION connections[32];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int lower(int unit)
{
    return unit >= 'A' && unit <= 'Z' ? unit + 32 : unit;
}

static int same(const WCHAR *one, const WCHAR *other, size_t length)
{
    for (; length > 0; length--, one++, other++) {
        if (lower(*one) != lower(*other))
            return 0;
        if (*one == 0)
            break;
    }
    return 1;
}

static size_t length(const WCHAR *text)
{
    size_t at = 0;
    while (text[at] != 0)
        at++;
    return at;
}

static void copy(WCHAR *to, const WCHAR *from, size_t room)
{
    size_t at = 0;
    for (; from != NULL && from[at] != 0 && at + 1 < room; at++)
        to[at] = from[at];
    to[at] = 0;
}

static void say(const char *what, const WCHAR *one, const WCHAR *other)
{
    const char *name = getenv("TEST_CALLS");
    FILE *file = name != NULL ? fopen(name, "ae") : NULL;
    char line[700];
    size_t at = 0;

    if (file == NULL)
        return;
    for (int part = 0; part < 2; part++) {
        const WCHAR *text = part == 0 ? one : other;
        if (text == NULL)
            continue;
        line[at++] = ' ';
        for (; *text != 0 && at + 2 < sizeof line; text++)
            line[at++] = *text < 0x7F ? (char)*text : '?';
    }
    line[at] = 0;
    fprintf(file, "provider: %s%s\n", what, line);
    fclose(file);
}

DWORD APIENTRY NPGetCaps(DWORD index)
{
    switch (index) {
    case WNNC_SPEC_VERSION: return WNNC_SPEC_VERSION51;
    case WNNC_NET_TYPE: return 0x00FF0000;
    case WNNC_DRIVER_VERSION: return 3;
    case WNNC_USER: return WNNC_USR_GETUSER;
    case WNNC_CONNECTION:
        return WNNC_CON_ADDCONNECTION | WNNC_CON_ADDCONNECTION3 | WNNC_CON_CANCELCONNECTION | WNNC_CON_GETCONNECTIONS;
    case WNNC_ENUMERATION: return WNNC_ENUM_LOCAL | WNNC_ENUM_GLOBAL;
    case WNNC_START: return WNNC_WAIT_FOR_START;
    default: return 0;
    }
}

DWORD APIENTRY NPAddConnection3(HWND owner, LPNETRESOURCEW resource, LPWSTR password, LPWSTR user, DWORD flags)
{
    DWORD status = WN_OUT_OF_MEMORY;

    (void)owner, (void)flags;
    say("add", resource->lpLocalName, resource->lpRemoteName);
    if (!same(resource->lpRemoteName, L"\\\\srv\\", 6))
        return WN_BAD_NETNAME;
    if (same(resource->lpRemoteName, L"\\\\srv\\refused", 300)) {
        WNetSetLastErrorW(99, L"not today, J\x00FCrgen", L"C Network");
        return WN_EXTENDED_ERROR;
    }
    if (same(resource->lpRemoteName, L"\\\\srv\\far", 9) && access(getenv("TEST_LINK"), F_OK) != 0)
        return ERROR_BAD_NETPATH;
    if (same(resource->lpRemoteName, L"\\\\srv\\secret", 300)) {
        if (user == NULL || password == NULL || !same(user, L"ann", 10) || !same(password, L"p\x00E4ss", 10))
            return WN_BAD_PASSWORD;
    }
    pthread_mutex_lock(&lock);
    for (int at = 0; at < 32; at++) {
        if (connections[at].remote[0] == 0) {
            copy(connections[at].local, resource->lpLocalName, 16);
            copy(connections[at].remote, resource->lpRemoteName, 300);
            status = WN_SUCCESS;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    return status;
}

DWORD APIENTRY NPAddConnection(LPNETRESOURCEW resource, LPWSTR password, LPWSTR user)
{
    return NPAddConnection3(NULL, resource, password, user, 0);
}

DWORD APIENTRY NPCancelConnection(LPWSTR name, BOOL force)
{
    DWORD status = WN_NOT_CONNECTED;

    say(force ? "cancel by force" : "cancel", name, NULL);
    pthread_mutex_lock(&lock);
    for (int at = 0; at < 32; at++) {
        CONNECTION *known = &connections[at];
        const WCHAR *key = known->local[0] != 0 ? known->local : known->remote;
        if (known->remote[0] != 0 && same(key, name, 300)) {
            known->remote[0] = 0;
            status = WN_SUCCESS;
        }
    }
    pthread_mutex_unlock(&lock);
    return status;
}

DWORD APIENTRY NPGetConnection(LPWSTR local, LPWSTR remote, LPDWORD chars)
{
    DWORD status = WN_NOT_CONNECTED;

    pthread_mutex_lock(&lock);
    for (int at = 0; at < 32; at++) {
        CONNECTION *known = &connections[at];
        if (known->remote[0] == 0 || !same(known->local, local, 16))
            continue;
        DWORD needed = (DWORD)length(known->remote) + 1;
        if (*chars < needed) {
            *chars = needed;
            status = WN_MORE_DATA;
        } else {
            copy(remote, known->remote, needed);
            status = WN_SUCCESS;
        }
        break;
    }
    pthread_mutex_unlock(&lock);
    return status;
}

DWORD APIENTRY NPGetUser(LPWSTR name, LPWSTR user, LPDWORD chars)
{
    (void)name;
    if (*chars < 4) {
        *chars = 4;
        return WN_MORE_DATA;
    }
    copy(user, L"ann", 4);
    return WN_SUCCESS;
}

/* An enumeration is the number of the connection to come, plus one; of the shares of the server, minus one. */
DWORD APIENTRY NPOpenEnum(DWORD scope, DWORD type, DWORD usage, LPNETRESOURCEW resource, LPHANDLE handle)
{
    int *next = malloc(sizeof *next);

    (void)type, (void)usage, (void)resource;
    if (next == NULL)
        return WN_OUT_OF_MEMORY;
    *next = scope == RESOURCE_CONNECTED ? 0 : -3;
    *handle = next;
    return WN_SUCCESS;
}

DWORD APIENTRY NPEnumResource(HANDLE handle, LPDWORD count, LPVOID buffer, LPDWORD bytes)
{
    static WCHAR share[] = L"\\\\srv\\sh\x00E4re", comment[] = L"a share";
    int *next = (int *)handle;
    NETRESOURCEW *entries = buffer;
    DWORD room = *bytes / sizeof *entries, at = 0;

    while (at < room && at < *count && *next != 32) {
        if (*next < 0) {
            NETRESOURCEW entry = {RESOURCE_GLOBALNET, RESOURCETYPE_DISK, RESOURCEDISPLAYTYPE_SHARE,
                                  RESOURCEUSAGE_CONNECTABLE, NULL, share, comment, NULL};
            entries[at++] = entry;
            *next = *next == -1 ? 32 : *next + 1;
        } else {
            CONNECTION *known = &connections[(*next)++];
            if (known->remote[0] == 0)
                continue;
            NETRESOURCEW entry = {RESOURCE_CONNECTED, RESOURCETYPE_DISK, RESOURCEDISPLAYTYPE_SHARE, 0,
                                  known->local[0] != 0 ? known->local : NULL, known->remote, NULL, NULL};
            entries[at++] = entry;
        }
    }
    if (at == 0)
        return room == 0 ? WN_MORE_DATA : WN_NO_MORE_ENTRIES;
    *count = at;
    return WN_SUCCESS;
}

DWORD APIENTRY NPCloseEnum(HANDLE handle)
{
    free(handle);
    return WN_SUCCESS;
}
