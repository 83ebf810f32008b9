/* A notification library that declines every operation; with -DCONTEXT, one that asks to be called again. */
#include <npapi.h>

static DWORD answer(LPNOTIFYINFO info)
{
#ifdef CONTEXT
    if (info->dwNotifyStatus == NOTIFY_PRE)
        info->lpContext = (LPVOID)1;
#else
    (void)info;
#endif
    return WN_SUCCESS;
}

DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add)
{
    (void)add;
    return answer(info);
}

DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel)
{
    (void)cancel;
    return answer(info);
}
