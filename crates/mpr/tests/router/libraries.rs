//! Libraries in shared objects beside scripted ones: what they do to the structures they are given stays with
//! them (`spec/notification.md` §9).

use crate::scene::{ADD, CANCEL, Operation};
use mpr::Router;
use mpr::config::Events;
use mpr::library::{LoadedNotifyee, Terms};
use mpr_plugin::Status;
use mpr_testkit::{Script, TestEnv};

/// Writes over everything it can reach, before and after, and then wants to be called again.
const SCRIBBLER: &str = r#"
#include <npapi.h>
#include <string.h>

static void scribble(LPWSTR text) {
    for (; text && *text; text++)
        *text = L'!';
}

DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {
    scribble(add->NetResource.lpLocalName);
    scribble(add->NetResource.lpRemoteName);
    scribble(add->NetResource.lpProvider);
    memset(add, 0xFF, sizeof *add);
    info->dwNotifyStatus = 77;
    info->dwOperationStatus = 78;
    info->lpContext = (LPVOID)1;
    return WN_SUCCESS;
}

DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) {
    scribble(cancel->lpName);
    scribble(cancel->lpProvider);
    memset(cancel, 0xFF, sizeof *cancel);
    info->dwOperationStatus = 78;
    info->lpContext = (LPVOID)1;
    return WN_SUCCESS;
}
"#;

#[test]
fn s48_what_a_library_writes_is_seen_by_nobody_else() {
    let env = TestEnv::new();
    let scribbler = env.compile_c("scribbler", SCRIBBLER);
    let load = || {
        LoadedNotifyee::load(&scribbler, Events::ALL, &Terms::default())
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let told = "hwndOwner=NULL, dwScope=0, dwType=1, dwDisplayType=0, dwUsage=0, lpLocalName=\"Z:\", \
                lpRemoteName=\"\\\\srv\\share\"";
    let script = Script::read(&format!(
        "N1.pre(0){{{told}, lpProvider=NULL, dwAddFlags=0}}→0,c1 \
         · P1{{lpLocalName=\"Z:\", lpRemoteName=\"\\\\srv\\share\", dwFlags=0}}→0 \
         · N1.post(0,c1){{{told}, lpProvider=\"P1\", dwAddFlags=0}}→0 \
         · N1.pre(0){{lpName=\"Z:\", lpProvider=\"\", dwFlags=0, fForce=0}}→0,c2 \
         · P1{{lpName=\"Z:\", fForce=0, dwFlags=0}}→0 \
         · N1.post(0,c2){{lpName=\"Z:\", lpProvider=\"P1\", dwFlags=0, fForce=0}}→0 ⇒0"
    ));
    // One is called before the scripted one in either pass, whichever comes first there.
    let router = Router::builder()
        .provider("P1", script.provider(1))
        .notifyee("before it in POST", load())
        .notifyee("N1", script.notifyee(1))
        .notifyee("before it in PRE", load())
        .build();
    assert_eq!(ADD.run(&router), Status::SUCCESS);
    script.was_played(CANCEL.run(&router));
}

/// Counts its calls in its context, and has a failed attempt repeated until it counted to three.
const REDIALLER: &str = r#"
#include <npapi.h>

DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {
    if (info->dwNotifyStatus == NOTIFY_POST && info->dwOperationStatus != WN_SUCCESS
        && info->lpContext != (LPVOID)3) {
        info->lpContext = (char *)info->lpContext + 1;
        return WN_RETRY;
    }
    if (info->dwNotifyStatus == NOTIFY_PRE)
        info->lpContext = (LPVOID)1;
    return WN_SUCCESS;
}
"#;

#[test]
fn s11_a_library_counts_its_retries_in_its_context() {
    let env = TestEnv::new();
    let library = env.compile_c("redialler", REDIALLER);
    for (line, result) in [("P1→53 · P1→53 · P1→53 ⇒53", 53), ("P1→53 · P1→0 ⇒0", 0)] {
        let script = Script::read(line);
        let router = Router::builder()
            .provider("P1", script.provider(1))
            .notifyee("redialler", LoadedNotifyee::load(&library, Events::ALL, &Terms::default()).unwrap())
            .build();
        assert_eq!(ADD.run(&router), Status(result));
        script.was_played(Status(result));
    }
}
