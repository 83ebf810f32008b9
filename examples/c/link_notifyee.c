/* A notification library that brings a link up before a connection that needs it is tried, and takes it down
 * again when the attempt failed: what the notification interface was made for.
 *
 *   gcc -shared -fPIC -fshort-wchar -Iinclude/mpr -o link.so examples/c/link_notifyee.c
 *   mpr notifyee add link "$PWD/link.so"
 *
 * It reads the file that MPR_LINK_CONF names, else /etc/mpr/link.conf:
 *
 *   remote = \\branch-          which connections need the link: how their remote names begin
 *   script = /usr/local/sbin/branch-link
 *   tries = 3                   attempts altogether, 1 unless said otherwise
 *
 * The script is run as `branch-link up '\\branch-7\files'`, and with `down` afterwards; it exits with 0 when it did
 * what it was asked to.
 */
#define _GNU_SOURCE /* secure_getenv */
#include <npapi.h>

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

/* Name under which the application finds what this library has to say. */
static const WCHAR NAME[] = L"link";

typedef struct {
    char remote[512];
    char script[512];
    unsigned tries;
} SETTINGS;

/* Reads the settings afresh: whoever changes them need not restart anything. */
static BOOL read_settings(SETTINGS *settings)
{
    const char *name = secure_getenv("MPR_LINK_CONF");
    FILE *file = fopen(name != NULL && *name != 0 ? name : "/etc/mpr/link.conf", "re");
    char line[600];

    if (file == NULL)
        return FALSE;
    memset(settings, 0, sizeof *settings);
    settings->tries = 1;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, " remote = %511s", settings->remote) == 1)
            continue;
        if (sscanf(line, " script = %511s", settings->script) == 1)
            continue;
        sscanf(line, " tries = %u", &settings->tries);
    }
    fclose(file);
    return settings->remote[0] != 0 && settings->script[0] == '/';
}

/* A name as the script gets it. FALSE for one that does not fit. */
static BOOL to_utf8(LPCWSTR name, char *utf8, size_t room)
{
    size_t length = 0;

    for (; *name != 0; name++) {
        unsigned code = *name;
        if (code >= 0xD800 && code < 0xDC00 && name[1] >= 0xDC00 && name[1] < 0xE000)
            code = 0x10000 + ((code - 0xD800) << 10) + (*++name - 0xDC00u);
        if (length + 5 > room)
            return FALSE;
        if (code < 0x80) {
            utf8[length++] = (char)code;
        } else {
            int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
            static const unsigned first[] = {0, 0xC0, 0xE0, 0xF0};
            utf8[length++] = (char)(first[more] | code >> 6 * more);
            while (more-- > 0)
                utf8[length++] = (char)(0x80 | (code >> 6 * more & 0x3F));
        }
    }
    utf8[length] = 0;
    return TRUE;
}

/* Whether a remote name begins as the settings say. Case does not count, as in every remote name. */
static BOOL needs_link(const SETTINGS *settings, const char *remote)
{
    return strncasecmp(remote, settings->remote, strlen(settings->remote)) == 0;
}

/* Runs the script and waits for it. No shell sees the name, and nothing of the application's environment goes
 * along. */
static BOOL run(const SETTINGS *settings, const char *what, const char *remote)
{
    char *arguments[] = {(char *)settings->script, (char *)what, (char *)remote, NULL};
    char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *environment[] = {path, NULL};
    pid_t child;
    int status;

    if (posix_spawn(&child, settings->script, NULL, NULL, arguments, environment) != 0)
        return FALSE;
    while (waitpid(child, &status, 0) < 0) {
        /* An application that ignores its children has already been told of this one. */
        if (errno != EINTR)
            return TRUE;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Whether an attempt failed in a way another one might mend. */
static BOOL worth_another_try(DWORD status)
{
    switch (status) {
    case ERROR_BAD_NETPATH:
    case ERROR_NO_NET_OR_BAD_PATH:
    case ERROR_NO_NETWORK:
    case ERROR_BUSY:
        return TRUE;
    default:
        return FALSE;
    }
}

/* The context is the number of attempts that are left, plus one since NULL would mean "do not call again". A number
 * needs no memory: it may be forgotten at any point. */
static ULONG_PTR attempts_left(LPNOTIFYINFO info)
{
    return (ULONG_PTR)info->lpContext - 1;
}

static void set_attempts_left(LPNOTIFYINFO info, ULONG_PTR left)
{
    info->lpContext = (LPVOID)(left + 1);
}

/* Before the attempt. Also before one that another library asked for: what this one did about the attempt before is
 * over, and the link is down. */
static DWORD bring_up(LPNOTIFYINFO info, const SETTINGS *settings, const char *remote)
{
    if (!run(settings, "up", remote)) {
        run(settings, "down", remote);
        /* A veto: nobody is asked to connect, and there is no call afterwards. */
        WNetSetLastErrorW(ERROR_NO_NETWORK, L"the link does not come up", NAME);
        return ERROR_EXTENDED_ERROR;
    }
    set_attempts_left(info, settings->tries > 0 ? settings->tries - 1 : 0);
    return WN_SUCCESS;
}

/* After the attempt. After a success the link stays. */
static DWORD see_to_it(LPNOTIFYINFO info, const SETTINGS *settings, const char *remote)
{
    DWORD status = info->dwOperationStatus;
    ULONG_PTR left = attempts_left(info);

    if (status == WN_SUCCESS)
        return WN_SUCCESS;
    run(settings, "down", remote);
    if (left > 0 && worth_another_try(status) && run(settings, "up", remote)) {
        /* Who asks for another attempt keeps its context, and is called again after that attempt, not before. */
        set_attempts_left(info, left - 1);
        return WN_RETRY;
    }
    /* The application gets what the attempt came to. */
    return WN_SUCCESS;
}

DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add)
{
    SETTINGS settings;
    char remote[1200];

    if (add->NetResource.lpRemoteName == NULL || !to_utf8(add->NetResource.lpRemoteName, remote, sizeof remote))
        return WN_SUCCESS;
    if (!read_settings(&settings) || !needs_link(&settings, remote))
        return WN_SUCCESS;
    switch (info->dwNotifyStatus) {
    case NOTIFY_PRE:
        return bring_up(info, &settings, remote);
    case NOTIFY_POST:
        return see_to_it(info, &settings, remote);
    default: /* of later versions */
        return WN_SUCCESS;
    }
}
