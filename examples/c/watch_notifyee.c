/* A notification library that watches: it says on standard error what it is told.
 *
 *   gcc -shared -fPIC -fshort-wchar -Iinclude/mpr -o watch.so examples/c/watch_notifyee.c
 *   mpr notifyee add watch "$PWD/watch.so"
 */
#include <stdio.h>
#include <npapi.h>

/* The strings are UTF-16; what is not ASCII is shown as a question mark here. */
static const char *text(const WCHAR *wide, char *buffer, size_t size)
{
    size_t at = 0;
    if (wide == NULL || *wide == 0)
        return "-";
    for (; *wide != 0 && at + 1 < size; wide++)
        buffer[at++] = *wide >= ' ' && *wide < 0x7F ? (char)*wide : '?';
    buffer[at] = '\0';
    return buffer;
}

/* A context that is not NULL asks for the call after the attempt. It may be any value. */
static void ask_for_the_second_call(LPNOTIFYINFO info)
{
    info->lpContext = info;
}

DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add)
{
    char local[64], remote[300], provider[300];
    const NETRESOURCEW *resource = (const NETRESOURCEW *)&add->NetResource;

    if (info->dwNotifyStatus == NOTIFY_PRE) {
        fprintf(stderr, "  [watch] about to connect %s to %s\n", text(resource->lpLocalName, local, sizeof local),
                text(resource->lpRemoteName, remote, sizeof remote));
        ask_for_the_second_call(info);
    } else if (info->dwNotifyStatus == NOTIFY_POST) {
        fprintf(stderr, "  [watch] connected %s to %s: status %u, by %s\n",
                text(resource->lpLocalName, local, sizeof local), text(resource->lpRemoteName, remote, sizeof remote),
                (unsigned)info->dwOperationStatus, text(resource->lpProvider, provider, sizeof provider));
    }
    return WN_SUCCESS;
}

DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel)
{
    char name[300], provider[300];

    if (info->dwNotifyStatus == NOTIFY_PRE) {
        fprintf(stderr, "  [watch] about to disconnect %s\n", text((const WCHAR *)cancel->lpName, name, sizeof name));
        ask_for_the_second_call(info);
    } else if (info->dwNotifyStatus == NOTIFY_POST) {
        fprintf(stderr, "  [watch] disconnected %s: status %u, by %s\n",
                text((const WCHAR *)cancel->lpName, name, sizeof name), (unsigned)info->dwOperationStatus,
                text((const WCHAR *)cancel->lpProvider, provider, sizeof provider));
    }
    return WN_SUCCESS;
}
