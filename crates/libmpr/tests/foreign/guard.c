/* Writes down what it is told, refuses shares called "denied", and repairs what a failed attempt lacked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <npapi.h>

/* A UTF-16 string as text; NULL is shown as a dash. */
static const char *text(LPCWSTR wide, char *buffer)
{
    char *at = buffer;
    if (wide == NULL)
        return "-";
    while (*wide != 0)
        *at++ = (char)*wide++;
    *at = '\0';
    return buffer;
}

static FILE *log_file(void)
{
    return fopen(getenv("GUARD_LOG"), "a");
}

DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add)
{
    char local[300], remote[300], provider[300];
    const NETRESOURCEW *resource = (const NETRESOURCEW *)&add->NetResource;
    int before = info->dwNotifyStatus == NOTIFY_PRE;
    int again = !before && info->dwOperationStatus == WN_BAD_NETNAME && info->lpContext == (LPVOID)1;
    FILE *file = log_file();

    text(resource->lpRemoteName, remote);
    fprintf(file, "add %s status=%u type=%u local=%s remote=%s provider=%s flags=%u%s\n", before ? "pre" : "post",
            (unsigned)info->dwOperationStatus, (unsigned)resource->dwType, text(resource->lpLocalName, local), remote,
            text(resource->lpProvider, provider), (unsigned)add->dwAddFlags, again ? " -> retry" : "");
    fclose(file);
    if (before) {
        size_t length = strlen(remote);
        if (length >= 6 && strcmp(remote + length - 6, "denied") == 0) {
            WNetSetLastErrorW(1, (LPWSTR)L"nobody connects this share", (LPWSTR)L"guard");
            return WN_CANCEL;
        }
        info->lpContext = (LPVOID)1;
        return WN_SUCCESS;
    }
    if (again) {
        mkdir(getenv("GUARD_MAKES"), 0755);
        info->lpContext = (LPVOID)2;
        return WN_RETRY;
    }
    return WN_SUCCESS;
}

DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel)
{
    char name[300], provider[300];
    int before = info->dwNotifyStatus == NOTIFY_PRE;
    FILE *file = log_file();

    fprintf(file, "cancel %s status=%u name=%s provider=%s flags=%u force=%d\n", before ? "pre" : "post",
            (unsigned)info->dwOperationStatus, text((LPCWSTR)cancel->lpName, name),
            text((LPCWSTR)cancel->lpProvider, provider), (unsigned)cancel->dwFlags, cancel->fForce);
    fclose(file);
    if (before)
        info->lpContext = (LPVOID)1;
    return WN_SUCCESS;
}
