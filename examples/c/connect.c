/* Connects a network resource, asks about it, lists what is connected, and disconnects it again.
 *
 * Written for Windows: it uses nothing but the WNet functions and the C library. Here:
 *
 *   gcc -fshort-wchar -Iinclude/mpr -o connect examples/c/connect.c -Ltarget/release -lmpr
 *   LD_LIBRARY_PATH=$PWD/target/release ./connect '\\nas\photos' Z: [USER]
 *
 * A user's password is read from standard input. With wide strings inside:
 *
 *   gcc -DUNICODE -fshort-wchar -Iinclude/mpr -o connect examples/c/connect.c -Ltarget/release -lmpr
 */
#include <windows.h>
#include <winnetwk.h>
#include <stdio.h>
#include <stdlib.h>

/* Strings come from the command line and go to the terminal as UTF-8. The narrow functions take just that; for
 * the wide ones there are these two. */
#ifdef UNICODE
static LPTSTR from_utf8(const char *utf8)
{
    LPTSTR text = calloc(strlen(utf8) + 1, sizeof *text);
    LPTSTR end = text;
    const unsigned char *at = (const unsigned char *)utf8;

    while (text != NULL && *at != 0) {
        int more = *at < 0x80 ? 0 : *at < 0xE0 ? 1 : *at < 0xF0 ? 2 : 3;
        unsigned code = *at++ & (more == 0 ? 0x7F : 0x3F >> more);
        while (more-- > 0 && (*at & 0xC0) == 0x80)
            code = code << 6 | (*at++ & 0x3F);
        if (code >= 0x10000) {
            *end++ = (TCHAR)(0xD800 + ((code - 0x10000) >> 10));
            code = 0xDC00 + ((code - 0x10000) & 0x3FF);
        }
        *end++ = (TCHAR)code;
    }
    return text;
}

static void show(LPCTSTR text)
{
    while (text != NULL && *text != 0) {
        unsigned code = *text++;
        if (code >= 0xD800 && code < 0xDC00 && *text >= 0xDC00 && *text < 0xE000)
            code = 0x10000 + ((code - 0xD800) << 10) + (*text++ - 0xDC00u);
        if (code < 0x80) {
            putchar((int)code);
        } else if (code < 0x800) {
            printf("%c%c", 0xC0 | code >> 6, 0x80 | (code & 0x3F));
        } else if (code < 0x10000) {
            printf("%c%c%c", 0xE0 | code >> 12, 0x80 | (code >> 6 & 0x3F), 0x80 | (code & 0x3F));
        } else {
            printf("%c%c%c%c", 0xF0 | code >> 18, 0x80 | (code >> 12 & 0x3F), 0x80 | (code >> 6 & 0x3F),
                   0x80 | (code & 0x3F));
        }
    }
}
#else
static LPTSTR from_utf8(const char *utf8)
{
    return strdup(utf8);
}

static void show(LPCTSTR text)
{
    fputs(text != NULL ? text : "", stdout);
}
#endif

/* Says what went wrong. Behind ERROR_EXTENDED_ERROR there is what the provider or a notification library had to
 * say. */
static DWORD failed(const char *what, DWORD status)
{
    printf("%s failed: %u\n", what, (unsigned)status);
    if (status == ERROR_EXTENDED_ERROR) {
        DWORD code;
        TCHAR text[256], provider[256];

        if (WNetGetLastError(&code, text, 256, provider, 256) == NO_ERROR) {
            show(provider);
            printf(" (%u): ", (unsigned)code);
            show(text);
            printf("\n");
        }
    }
    return status;
}

/* Asks what a device leads to, with a buffer as long as need be. */
static DWORD show_connection(LPCTSTR local)
{
    DWORD length = 16, status;
    LPTSTR remote = calloc(length, sizeof *remote);

    while ((status = WNetGetConnection(local, remote, &length)) == ERROR_MORE_DATA) {
        free(remote);
        remote = calloc(length, sizeof *remote);
    }
    if (status == NO_ERROR) {
        show(local);
        printf(" is ");
        show(remote);
        printf("\n");
    }
    free(remote);
    return status == NO_ERROR ? NO_ERROR : failed("WNetGetConnection", status);
}

/* Lists the connections of this session. */
static DWORD show_connections(void)
{
    HANDLE connections;
    DWORD bytes = 16384, status;
    LPNETRESOURCE entries = malloc(bytes);

    status = WNetOpenEnum(RESOURCE_CONNECTED, RESOURCETYPE_ANY, 0, NULL, &connections);
    if (status != NO_ERROR || entries == NULL) {
        free(entries);
        return failed("WNetOpenEnum", status);
    }
    for (;;) {
        DWORD count = 0xFFFFFFFF, size = bytes, at;

        status = WNetEnumResource(connections, &count, entries, &size);
        if (status == ERROR_MORE_DATA) {
            LPNETRESOURCE larger = realloc(entries, bytes = size);
            if (larger == NULL)
                break;
            entries = larger;
            continue;
        }
        if (status != NO_ERROR)
            break;
        for (at = 0; at < count; at++) {
            printf("  ");
            show(entries[at].lpLocalName);
            printf(" ");
            show(entries[at].lpRemoteName);
            printf(" (");
            show(entries[at].lpProvider);
            printf(")\n");
        }
    }
    WNetCloseEnum(connections);
    free(entries);
    return status == ERROR_NO_MORE_ITEMS ? NO_ERROR : failed("WNetEnumResource", status);
}

int main(int count, char **arguments)
{
    NETRESOURCE resource;
    LPTSTR remote, local, user = NULL, password = NULL;
    char line[512];
    DWORD status;

    if (count != 3 && count != 4) {
        fprintf(stderr, "usage: connect \\\\server\\share Z: [USER]\n");
        return 2;
    }
    if (count == 4) {
        if (fgets(line, sizeof line, stdin) == NULL)
            return 2;
        line[strcspn(line, "\r\n")] = '\0';
        user = from_utf8(arguments[3]);
        password = from_utf8(line);
    }
    remote = from_utf8(arguments[1]);
    local = from_utf8(arguments[2]);

    ZeroMemory(&resource, sizeof resource);
    resource.dwType = RESOURCETYPE_DISK;
    resource.lpRemoteName = remote;
    resource.lpLocalName = local;
    status = WNetAddConnection2(&resource, password, user, CONNECT_TEMPORARY);
    if (status != NO_ERROR) {
        failed("WNetAddConnection2", status);
    } else {
        status = show_connection(local);
        if (status == NO_ERROR)
            status = show_connections();
        if (WNetCancelConnection2(local, 0, FALSE) != NO_ERROR)
            status = failed("WNetCancelConnection2", GetLastError());
    }
    free(password);
    free(user);
    free(local);
    free(remote);
    return status == NO_ERROR ? 0 : 1;
}
