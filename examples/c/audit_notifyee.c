/* A notification library that keeps a log of every connect and disconnect: who, what, when, and what came of it.
 *
 *   gcc -shared -fPIC -fshort-wchar -Iinclude/mpr -o audit.so examples/c/audit_notifyee.c
 *   mpr notifyee add audit "$PWD/audit.so"
 *
 * One line for each call, added to the file that MPR_AUDIT_LOG names, else to /var/log/mpr-audit.log:
 *
 *   2025-03-01T09:30:00Z pid 4711 uid 1000 connect "Z:" "\\nas\photos" begins
 *   2025-03-01T09:30:01Z pid 4711 uid 1000 connect "Z:" "\\nas\photos" ends: 0, by "Microsoft Windows Network", 412 ms
 */
#define _GNU_SOURCE /* secure_getenv */
#include <npapi.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* A line of the log as it grows. Each call has one of its own: two threads may be in here at once. */
typedef struct {
    char text[4096];
    size_t length;
} LINE;

static void append(LINE *line, const char *format, ...)
{
    size_t room = sizeof line->text - line->length;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line->text + line->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        line->length += (size_t)length < room ? (size_t)length : room - 1;
}

/* Adds a name in quotes, as UTF-8. Nothing a name contains can begin another line, or look like one. */
static void append_name(LINE *line, LPCWSTR name)
{
    append(line, " \"");
    for (; name != NULL && *name != 0; name++) {
        unsigned code = *name;
        if (code >= 0xD800 && code < 0xDC00 && name[1] >= 0xDC00 && name[1] < 0xE000)
            code = 0x10000 + ((code - 0xD800) << 10) + (*++name - 0xDC00u);
        if (code < 0x20 || code == '"' || (code >= 0x7F && code < 0xA0) || (code >= 0xD800 && code < 0xE000)
            || code == 0x2028 || code == 0x2029)
            append(line, "\\u{%x}", code);
        else if (code < 0x80)
            append(line, "%c", code);
        else if (code < 0x800)
            append(line, "%c%c", 0xC0 | code >> 6, 0x80 | (code & 0x3F));
        else if (code < 0x10000)
            append(line, "%c%c%c", 0xE0 | code >> 12, 0x80 | (code >> 6 & 0x3F), 0x80 | (code & 0x3F));
        else
            append(line, "%c%c%c%c", 0xF0 | code >> 18, 0x80 | (code >> 12 & 0x3F), 0x80 | (code >> 6 & 0x3F),
                   0x80 | (code & 0x3F));
    }
    append(line, "\"");
}

static void begin(LINE *line, const char *operation)
{
    time_t now = time(NULL);
    struct tm utc;

    line->length = 0;
    gmtime_r(&now, &utc);
    append(line, "%04d-%02d-%02dT%02d:%02d:%02dZ pid %ld uid %ld %s", utc.tm_year + 1900, utc.tm_mon + 1,
           utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (long)getpid(), (long)getuid(), operation);
}

/* Adds the line to the log in one write, so that no other process or thread gets in between. What cannot be logged
 * is let pass: to refuse it, return ERROR_ACCESS_DENIED from the call before the attempt instead. */
static void log_line(LINE *line)
{
    const char *file = secure_getenv("MPR_AUDIT_LOG");
    int log = open(file != NULL && *file != 0 ? file : "/var/log/mpr-audit.log",
                   O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);

    if (log < 0)
        return;
    /* A line that is too long ends where the room does. */
    if (line->length > sizeof line->text - 2)
        line->length = sizeof line->text - 2;
    line->text[line->length++] = '\n';
    if (write(log, line->text, line->length) < 0) {
        /* The disk is full, or the log was taken away: nothing to be done from here. */
    }
    close(log);
}

/* Milliseconds of a clock that nobody sets. Never 0, which as a context would mean "do not call again". */
static ULONG_PTR milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (ULONG_PTR)now.tv_sec * 1000 + (ULONG_PTR)now.tv_nsec / 1000000 + 1;
}

/* The context is a number, the time the operation began: there is nothing to free, whatever becomes of it. */
static void before(LPNOTIFYINFO info, LINE *line)
{
    info->lpContext = (LPVOID)milliseconds();
    append(line, info->dwOperationStatus == WN_RETRY ? " begins again" : " begins");
    log_line(line);
}

static void after(LPNOTIFYINFO info, LINE *line, LPCWSTR provider)
{
    append(line, " ends: %u", (unsigned)info->dwOperationStatus);
    if (info->dwOperationStatus == WN_SUCCESS) {
        append(line, ", by");
        append_name(line, provider);
    }
    append(line, ", %lu ms", (unsigned long)(milliseconds() - (ULONG_PTR)info->lpContext));
    log_line(line);
}

DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add)
{
    LINE line;

    begin(&line, "connect");
    append_name(&line, add->NetResource.lpLocalName);
    append_name(&line, add->NetResource.lpRemoteName);
    if (info->dwNotifyStatus == NOTIFY_PRE)
        before(info, &line);
    else if (info->dwNotifyStatus == NOTIFY_POST)
        after(info, &line, add->NetResource.lpProvider);
    return WN_SUCCESS;
}

DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel)
{
    LINE line;

    begin(&line, cancel->fForce ? "disconnect by force" : "disconnect");
    append_name(&line, cancel->lpName);
    if (info->dwNotifyStatus == NOTIFY_PRE)
        before(info, &line);
    else if (info->dwNotifyStatus == NOTIFY_POST)
        after(info, &line, cancel->lpProvider);
    return WN_SUCCESS;
}
