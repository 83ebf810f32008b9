/* A program written for Windows, in the manner of its time: it compiles with and without UNICODE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <winnetwk.h>

#define SIZE 512

/* Makes the program's own kind of string of an argument. */
static TCHAR *make(const char *argument, TCHAR *string)
{
    size_t at = 0;
    do
        string[at] = (TCHAR)argument[at];
    while (argument[at++] != '\0');
    return string;
}

static char *show(const TCHAR *string, char *buffer)
{
    size_t at = 0;
    do
        buffer[at] = (char)string[at];
    while (string[at++] != 0);
    return buffer;
}

static int fail(const char *what, DWORD status)
{
    TCHAR text[SIZE], name[SIZE];
    char shown[SIZE];
    DWORD code;

    fprintf(stderr, "%s: error %u, last error %u", what, (unsigned)status, (unsigned)GetLastError());
    WNetGetLastError(&code, text, SIZE, name, SIZE);
    fprintf(stderr, ": %s\n", show(text, shown));
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    TCHAR remote[SIZE], local[SIZE], user[SIZE], password[SIZE], name[SIZE];
    char line[SIZE] = "", shown[SIZE];
    NETRESOURCE resource;
    DWORD status, size = SIZE;

    if (argc != 4 || fgets(line, sizeof line, stdin) == NULL)
        return EXIT_FAILURE;
    line[strcspn(line, "\n")] = '\0';

    memset(&resource, 0, sizeof resource);
    resource.dwType = RESOURCETYPE_DISK;
    resource.lpRemoteName = make(argv[1], remote);
    resource.lpLocalName = make(argv[2], local);
    status = WNetAddConnection2(&resource, make(line, password), make(argv[3], user), 0);
    if (status != NO_ERROR)
        return fail("connecting", status);

    status = WNetGetConnection(local, name, &size);
    if (status != NO_ERROR)
        return fail("asking", status);
    printf("%s is %s\n", argv[2], show(name, shown));

    status = WNetCancelConnection2(local, 0, FALSE);
    if (status != NO_ERROR)
        return fail("disconnecting", status);
    printf("%s is free again\n", argv[2]);
    return EXIT_SUCCESS;
}
