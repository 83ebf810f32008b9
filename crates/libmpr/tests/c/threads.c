/* Connects and disconnects in eight threads at once, fifty times each, without a device. */
#include <windows.h>
#include <winnetwk.h>

#include <pthread.h>
#include <stdio.h>

static void *work(void *number)
{
    static int failed;
    char name[32];
    NETRESOURCEA resource;

    snprintf(name, sizeof name, "\\\\srv\\t%d", *(int *)number);
    ZeroMemory(&resource, sizeof resource);
    resource.lpRemoteName = name;
    for (int at = 0; at < 50; at++) {
        if (WNetAddConnection2A(&resource, NULL, NULL, 0) != NO_ERROR)
            return &failed;
        if (WNetCancelConnection2A(name, 0, FALSE) != NO_ERROR)
            return &failed;
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[8];
    int numbers[8], status = 0;

    for (int at = 0; at < 8; at++) {
        numbers[at] = at;
        pthread_create(&threads[at], NULL, work, &numbers[at]);
    }
    for (int at = 0; at < 8; at++) {
        void *result;
        pthread_join(threads[at], &result);
        status |= result != NULL;
    }
    return status;
}
