/* A whole network provider: a network whose one server, \\memory, has any share one asks for and keeps nothing in
 * it. The connections are those of this process. It does what examples/rust/provider does.
 *
 *   gcc -shared -fPIC -fshort-wchar -Iinclude/mpr -o memory.so examples/c/memory_provider.c
 *   mpr provider add memory "$PWD/memory.so" --name "Memory Network"
 */
#include <pthread.h>
#include <stdlib.h>
#include <npapi.h>

/* The name it is registered under. Our router adds it to entries that lack it, others rely on it. */
static WCHAR network[] = L"Memory Network";
/* Everything on this network begins so. */
static const WCHAR server[] = L"\\\\memory\\";

#define CHARS 264
#define MOST 64

/* A connection; without a device, `local` is empty. */
typedef struct {
    WCHAR local[CHARS], remote[CHARS];
} CONNECTION;

static CONNECTION connections[MOST];
static DWORD connected;
/* The router calls from several threads at once. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static DWORD length(const WCHAR *text)
{
    DWORD chars = 0;
    while (text[chars] != 0)
        chars++;
    return chars;
}

static WCHAR lower(WCHAR c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Whether `text` begins with `start`, without regard to case. */
static BOOL begins(const WCHAR *text, const WCHAR *start)
{
    while (*start != 0)
        if (lower(*text++) != lower(*start++))
            return FALSE;
    return TRUE;
}

static BOOL same(const WCHAR *one, const WCHAR *other)
{
    return length(one) == length(other) && begins(one, other);
}

static void copy(WCHAR *to, const WCHAR *from)
{
    while ((*to++ = *from++) != 0)
        ;
}

DWORD APIENTRY NPGetCaps(DWORD index)
{
    switch (index) {
    case WNNC_SPEC_VERSION:
        return WNNC_SPEC_VERSION51;
    case WNNC_NET_TYPE:
        return 0xFF020000;
    case WNNC_DRIVER_VERSION:
        return 1;
    case WNNC_START:
        return WNNC_WAIT_FOR_START; /* it has started */
    case WNNC_CONNECTION:
        return WNNC_CON_ADDCONNECTION | WNNC_CON_CANCELCONNECTION | WNNC_CON_GETCONNECTIONS;
    case WNNC_ENUMERATION:
        return WNNC_ENUM_LOCAL;
    default:
        return 0;
    }
}

DWORD APIENTRY NPAddConnection(LPNETRESOURCEW resource, LPWSTR password, LPWSTR user)
{
    const WCHAR *local = resource->lpLocalName != NULL ? resource->lpLocalName : L"";
    DWORD status = WN_SUCCESS;

    (void)password, (void)user;
    /* First of all, and at once: is it ours? The router may be asking many providers. */
    if (!begins(resource->lpRemoteName, server))
        return WN_BAD_NETNAME;
    if (length(local) >= CHARS || length(resource->lpRemoteName) >= CHARS)
        return WN_BAD_VALUE;
    pthread_mutex_lock(&lock);
    for (DWORD at = 0; at < connected && local[0] != 0; at++)
        if (same(connections[at].local, local))
            status = WN_ALREADY_CONNECTED;
    if (status == WN_SUCCESS && connected == MOST)
        status = WN_OUT_OF_MEMORY;
    if (status == WN_SUCCESS) {
        copy(connections[connected].local, local);
        copy(connections[connected].remote, resource->lpRemoteName);
        connected++;
    }
    pthread_mutex_unlock(&lock);
    return status;
}

DWORD APIENTRY NPCancelConnection(LPWSTR name, BOOL force)
{
    DWORD kept = 0, before;

    (void)force; /* nothing is ever open here */
    pthread_mutex_lock(&lock);
    before = connected;
    for (DWORD at = 0; at < connected; at++) {
        const CONNECTION *one = &connections[at];
        /* A remote name stands for the connections without a device only. */
        if (!same(one->local[0] != 0 ? one->local : one->remote, name))
            connections[kept++] = *one;
    }
    connected = kept;
    pthread_mutex_unlock(&lock);
    return kept < before ? WN_SUCCESS : WN_NOT_CONNECTED;
}

DWORD APIENTRY NPGetConnection(LPWSTR local, LPWSTR remote, LPDWORD chars)
{
    DWORD status = WN_NOT_CONNECTED;

    pthread_mutex_lock(&lock);
    for (DWORD at = 0; at < connected && local[0] != 0; at++) {
        DWORD needed = length(connections[at].remote) + 1;
        if (!same(connections[at].local, local))
            continue;
        if (*chars < needed) {
            *chars = needed;
            status = WN_MORE_DATA;
        } else {
            copy(remote, connections[at].remote);
            status = WN_SUCCESS;
        }
        break;
    }
    pthread_mutex_unlock(&lock);
    return status;
}

/* An enumeration: the connections there were when it was opened. */
typedef struct {
    DWORD count, next;
    CONNECTION entries[];
} LISTING;

DWORD APIENTRY NPOpenEnum(DWORD scope, DWORD type, DWORD usage, LPNETRESOURCEW container, LPHANDLE handle)
{
    LISTING *listing;

    (void)type, (void)usage, (void)container;
    if (scope != RESOURCE_CONNECTED)
        return WN_NOT_SUPPORTED;
    pthread_mutex_lock(&lock);
    listing = malloc(sizeof *listing + connected * sizeof *connections);
    if (listing != NULL) {
        listing->count = connected;
        listing->next = 0;
        for (DWORD at = 0; at < connected; at++)
            listing->entries[at] = connections[at];
    }
    pthread_mutex_unlock(&lock);
    *handle = listing;
    return listing != NULL ? WN_SUCCESS : WN_OUT_OF_MEMORY;
}

/* Structures at the head of the buffer, strings at its end. */
DWORD APIENTRY NPEnumResource(HANDLE handle, LPDWORD count, LPVOID buffer, LPDWORD bytes)
{
    LISTING *listing = handle;
    NETRESOURCEW *entry = buffer;
    WCHAR *strings = (WCHAR *)((char *)buffer + *bytes / sizeof(WCHAR) * sizeof(WCHAR));
    DWORD wanted = *count, given = 0;

    if (listing->next == listing->count)
        return WN_NO_MORE_ENTRIES;
    while (given < wanted && listing->next < listing->count) {
        CONNECTION *one = &listing->entries[listing->next];
        DWORD local = length(one->local) + 1, remote = length(one->remote) + 1;
        DWORD name = sizeof network / sizeof *network;
        size_t needed = sizeof *entry + (local + remote + name) * sizeof(WCHAR);
        if ((size_t)((char *)strings - (char *)entry) < needed) {
            if (given > 0)
                break;
            *bytes = (DWORD)needed + sizeof(WCHAR);
            return WN_MORE_DATA;
        }
        strings -= local + remote + name;
        copy(strings, one->local);
        copy(strings + local, one->remote);
        copy(strings + local + remote, network);
        *entry++ = (NETRESOURCEW){
            .dwScope = RESOURCE_CONNECTED,
            .dwType = RESOURCETYPE_DISK,
            .dwDisplayType = RESOURCEDISPLAYTYPE_SHARE,
            .dwUsage = RESOURCEUSAGE_CONNECTABLE,
            .lpLocalName = one->local[0] != 0 ? strings : NULL,
            .lpRemoteName = strings + local,
            .lpProvider = strings + local + remote,
        };
        listing->next++;
        given++;
    }
    *count = given;
    return WN_SUCCESS;
}

DWORD APIENTRY NPCloseEnum(HANDLE handle)
{
    free(handle);
    return WN_SUCCESS;
}
