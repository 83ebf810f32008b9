/* What a program written for Windows does with the WNet functions. Compiled as C and C++, narrow and wide. */
#include <windows.h>
#include <winnetwk.h>

#include <stdio.h>
#include <stdlib.h>

#define CHARS(text) ((DWORD)(sizeof(text) / sizeof *(text)))

/* The text of a literal as a parameter that nobody will write to. */
#define T(text) ((LPTSTR)TEXT(text))

static int failures;

static void is(DWORD found, DWORD expected, const char *what, int line)
{
    if (found != expected) {
        printf("line %d: %s is %u, not %u\n", line, what, (unsigned)found, (unsigned)expected);
        failures++;
    }
}

static void same(LPCTSTR found, LPCTSTR expected, const char *what, int line)
{
    size_t at = 0;

    while (found != NULL && found[at] == expected[at] && expected[at] != 0)
        at++;
    if (found == NULL || found[at] != expected[at]) {
        printf("line %d: %s differs at character %u\n", line, what, (unsigned)at);
        failures++;
    }
}

/* The result of a call is the last error, too. */
#define STATUS(call, expected) (is(call, expected, #call, __LINE__), is(GetLastError(), expected, "the last error of " #call, __LINE__))
#define VALUE(found, expected) is(found, expected, #found, __LINE__)
#define TEXT_IS(found, expected) same(found, expected, #found, __LINE__)

static NETRESOURCE disk(LPTSTR local, LPTSTR remote)
{
    NETRESOURCE resource;

    ZeroMemory(&resource, sizeof resource);
    resource.dwType = RESOURCETYPE_DISK;
    resource.lpLocalName = local;
    resource.lpRemoteName = remote;
    return resource;
}

static void connecting(void)
{
    NETRESOURCE resource = disk(T("Z:"), T("\\\\srv\\files"));
    TCHAR name[64];
    DWORD size = CHARS(name);

    SetLastError(777);
    STATUS(WNetAddConnection2(&resource, NULL, NULL, 0), NO_ERROR);
    STATUS(WNetAddConnection2(&resource, NULL, NULL, 0), ERROR_ALREADY_ASSIGNED);
    STATUS(WNetGetConnection(TEXT("z:"), name, &size), NO_ERROR);
    TEXT_IS(name, TEXT("\\\\srv\\files"));
    VALUE(size, CHARS(name));
    size = 4;
    STATUS(WNetGetConnection(TEXT("Z:"), name, &size), ERROR_MORE_DATA);
    VALUE(size, 12);
    STATUS(WNetGetUser(TEXT("Z:"), name, &size), NO_ERROR);
    TEXT_IS(name, TEXT("ann"));
    STATUS(WNetCancelConnection2(TEXT("Z:"), 0, FALSE), NO_ERROR);
    STATUS(WNetCancelConnection2(TEXT("Z:"), 0, FALSE), ERROR_NOT_CONNECTED);
    size = CHARS(name);
    STATUS(WNetGetConnection(TEXT("Z:"), name, &size), ERROR_NOT_CONNECTED);
}

static void being_refused(void)
{
    NETRESOURCE vetoed = disk(T("Y:"), T("\\\\srv\\vetoed")), refused = disk(NULL, T("\\\\srv\\refused"));
    NETRESOURCE secret = disk(NULL, T("\\\\srv\\secret")), nobodys = disk(NULL, T("\\\\elsewhere\\x"));
    TCHAR text[64], provider[64];
    DWORD code = 1;

    STATUS(WNetGetLastError(&code, text, CHARS(text), provider, CHARS(provider)), NO_ERROR);
    VALUE(code, 0);
    STATUS(WNetAddConnection2(&vetoed, NULL, NULL, 0), ERROR_ACCESS_DENIED);
    STATUS(WNetAddConnection2(&nobodys, NULL, NULL, 0), ERROR_BAD_NET_NAME);
    STATUS(WNetAddConnection2(&refused, NULL, NULL, 0), ERROR_EXTENDED_ERROR);
    STATUS(WNetGetLastError(&code, text, CHARS(text), provider, CHARS(provider)), NO_ERROR);
    VALUE(code, 99);
    TEXT_IS(text, TEXT("not today, J\u00FCrgen"));
    TEXT_IS(provider, TEXT("C Network"));
    STATUS(WNetAddConnection2(&secret, NULL, TEXT("ann"), 0), ERROR_INVALID_PASSWORD);
    STATUS(WNetAddConnection2(&secret, TEXT("p\u00E4ss"), TEXT("ann"), 0), NO_ERROR);
    STATUS(WNetCancelConnection(TEXT("\\\\srv\\secret"), TRUE), NO_ERROR);
    secret.lpProvider = T("No Network");
    STATUS(WNetAddConnection2(&secret, NULL, NULL, 0), ERROR_BAD_PROVIDER);
}

static void choosing_a_device(void)
{
    NETRESOURCE resource = disk(NULL, T("\\\\srv\\chosen"));
    TCHAR name[16];
    DWORD size = CHARS(name), result = 0;

    STATUS(WNetUseConnection(NULL, &resource, NULL, NULL, CONNECT_REDIRECT, name, &size, &result), NO_ERROR);
    TEXT_IS(name, TEXT("Z:"));
    VALUE(result, CONNECT_LOCALDRIVE);
    STATUS(WNetCancelConnection2(name, 0, TRUE), NO_ERROR);
}

static void universal_names(void)
{
    NETRESOURCE resource = disk(T("U:"), T("\\\\srv\\files"));
    union {
        UNIVERSAL_NAME_INFO universal;
        REMOTE_NAME_INFO remote;
        char bytes[512];
    } info;
    DWORD size = sizeof info;

    STATUS(WNetAddConnection2(&resource, NULL, NULL, 0), NO_ERROR);
    STATUS(WNetGetUniversalName(TEXT("U:\\dir\\f"), UNIVERSAL_NAME_INFO_LEVEL, &info, &size), NO_ERROR);
    TEXT_IS(info.universal.lpUniversalName, TEXT("\\\\srv\\files\\dir\\f"));
    STATUS(WNetGetUniversalName(TEXT("U:\\dir\\f"), REMOTE_NAME_INFO_LEVEL, &info, &size), NO_ERROR);
    TEXT_IS(info.remote.lpConnectionName, TEXT("\\\\srv\\files"));
    TEXT_IS(info.remote.lpRemainingPath, TEXT("\\dir\\f"));
    STATUS(WNetCancelConnection2(TEXT("U:"), 0, TRUE), NO_ERROR);
}

static void enumerating(void)
{
    NETRESOURCE resource = disk(T("X:"), T("\\\\srv\\files")), entries[8], network = disk(NULL, T("\\\\srv"));
    HANDLE handle = NULL;
    DWORD count = 0xFFFFFFFF, size = sizeof entries;

    STATUS(WNetAddConnection2(&resource, NULL, NULL, 0), NO_ERROR);
    STATUS(WNetOpenEnum(RESOURCE_CONNECTED, RESOURCETYPE_DISK, 0, NULL, &handle), NO_ERROR);
    STATUS(WNetEnumResource(handle, &count, entries, &size), NO_ERROR);
    VALUE(count, 1);
    TEXT_IS(entries[0].lpLocalName, TEXT("X:"));
    TEXT_IS(entries[0].lpRemoteName, TEXT("\\\\srv\\files"));
    TEXT_IS(entries[0].lpProvider, TEXT("C Network"));
    STATUS(WNetEnumResource(handle, &count, entries, &size), ERROR_NO_MORE_ITEMS);
    STATUS(WNetCloseEnum(handle), NO_ERROR);
    STATUS(WNetCloseEnum(handle), ERROR_INVALID_HANDLE);
    STATUS(WNetEnumResource((HANDLE)&handle, &count, entries, &size), ERROR_INVALID_HANDLE);
    STATUS(WNetCancelConnection2(TEXT("X:"), 0, TRUE), NO_ERROR);

    network.dwUsage = RESOURCEUSAGE_CONTAINER;
    STATUS(WNetOpenEnum(RESOURCE_GLOBALNET, RESOURCETYPE_ANY, 0, &network, &handle), NO_ERROR);
    count = 2;
    STATUS(WNetEnumResource(handle, &count, entries, &size), NO_ERROR);
    VALUE(count, 2);
    TEXT_IS(entries[1].lpRemoteName, TEXT("\\\\srv\\sh\u00E4re"));
    TEXT_IS(entries[1].lpComment, TEXT("a share"));
    count = 0xFFFFFFFF;
    STATUS(WNetEnumResource(handle, &count, entries, &size), NO_ERROR);
    VALUE(count, 1);
    STATUS(WNetCloseEnum(handle), NO_ERROR);
}

static void remembering(void)
{
    NETRESOURCE resource = disk(T("R:"), T("\\\\srv\\kept"));
    TCHAR name[64];
    DWORD size = CHARS(name);

    STATUS(WNetAddConnection2(&resource, NULL, NULL, CONNECT_UPDATE_PROFILE), NO_ERROR);
    STATUS(WNetCancelConnection2(TEXT("R:"), 0, TRUE), NO_ERROR);
    STATUS(WNetGetConnection(TEXT("R:"), name, &size), ERROR_CONNECTION_UNAVAIL);
    TEXT_IS(name, TEXT("\\\\srv\\kept"));
    STATUS(WNetRestoreSingleConnectionW(NULL, MPR_WIDE("R:"), FALSE), NO_ERROR);
    STATUS(WNetCancelConnection2(TEXT("R:"), CONNECT_UPDATE_PROFILE, TRUE), NO_ERROR);
    STATUS(WNetGetConnection(TEXT("R:"), name, &size), ERROR_NOT_CONNECTED);
}

static void asking_about_providers(void)
{
    NETINFOSTRUCT info;
    TCHAR name[64];
    DWORD size = CHARS(name);

    STATUS(WNetGetProviderName(0x00FF0000, name, &size), NO_ERROR);
    TEXT_IS(name, TEXT("C Network"));
    STATUS(WNetGetProviderName(WNNC_NET_LANMAN, name, &size), ERROR_NO_NETWORK);
    ZeroMemory(&info, sizeof info);
    info.cbStructure = sizeof info;
    STATUS(WNetGetNetworkInformation(TEXT("c network"), &info), NO_ERROR);
    VALUE(info.wNetType, 0xFF);
    VALUE(info.dwProviderVersion, 3);
    info.cbStructure = 4;
    STATUS(WNetGetNetworkInformation(TEXT("c network"), &info), ERROR_INVALID_PARAMETER);
}

int main(void)
{
    connecting();
    being_refused();
    choosing_a_device();
    universal_names();
    enumerating();
    remembering();
    asking_about_providers();
    if (failures == 0)
        printf("all is as on Windows\n");
    return failures != 0;
}
