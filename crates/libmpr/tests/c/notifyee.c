/* Writes each call to $TEST_CALLS, and refuses what has to do with \\srv\vetoed. */
#include <npapi.h>

#include <stdio.h>
#include <stdlib.h>

static int begins(const WCHAR *text, const WCHAR *with)
{
    while (*with != 0) {
        if (*text++ != *with++)
            return 0;
    }
    return 1;
}

static void say(const char *what, LPNOTIFYINFO info, const WCHAR *local, const WCHAR *remote, const WCHAR *provider)
{
    const char *name = getenv("TEST_CALLS");
    FILE *file = name != NULL ? fopen(name, "ae") : NULL;
    const WCHAR *texts[] = {local, remote, provider};

    if (file == NULL)
        return;
    fprintf(file, "notifyee: %s %s %u", info->dwNotifyStatus == NOTIFY_PRE ? "before" : "after", what,
            (unsigned)info->dwOperationStatus);
    for (int at = 0; at < 3; at++) {
        const WCHAR *text = texts[at];
        fputs(text == NULL || *text == 0 ? " -" : " ", file);
        for (; text != NULL && *text != 0; text++)
            fputc(*text < 0x7F ? (char)*text : '?', file);
    }
    fputc('\n', file);
    fclose(file);
}

DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add)
{
    LPNETRESOURCEW resource = &add->NetResource;

    say("add", info, resource->lpLocalName, resource->lpRemoteName, resource->lpProvider);
    if (info->dwNotifyStatus != NOTIFY_PRE)
        return WN_SUCCESS;
    if (begins(resource->lpRemoteName, L"\\\\srv\\vetoed")) {
        /* Of no consequence for what the application gets. */
        SetLastError(12345);
        return WN_ACCESS_DENIED;
    }
    info->lpContext = info;
    return WN_SUCCESS;
}

DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel)
{
    say("cancel", info, cancel->lpName, NULL, cancel->lpProvider);
    if (info->dwNotifyStatus == NOTIFY_PRE)
        info->lpContext = info;
    return WN_SUCCESS;
}
