/* A program that loads the router at run time, for itself alone, as interpreters and virtual machines do. */
#include <windows.h>
#include <winnetwk.h>

#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    void *mpr = dlopen("libmpr.so", RTLD_NOW | RTLD_LOCAL);
    DWORD (*add)(LPNETRESOURCEA, LPCSTR, LPCSTR, DWORD);
    DWORD (*get)(LPDWORD, LPSTR, DWORD, LPSTR, DWORD);
    char remote[] = "\\\\srv\\refused", text[64] = "", provider[64] = "";
    NETRESOURCEA resource;
    DWORD code = 0;

    if (mpr == NULL) {
        puts(dlerror());
        return 1;
    }
    *(void **)&add = dlsym(mpr, "WNetAddConnection2");
    *(void **)&get = dlsym(mpr, "WNetGetLastError");
    ZeroMemory(&resource, sizeof resource);
    resource.lpRemoteName = remote;
    printf("%u\n", (unsigned)add(&resource, NULL, NULL, 0));
    get(&code, text, sizeof text, provider, sizeof provider);
    printf("%u %s: %s\n", (unsigned)code, provider, text);
    return 0;
}
