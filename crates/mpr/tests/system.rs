//! The router of a process, made from the configuration it finds: `spec/notification.md` §3.
//!
//! There is one such router in a process, so each test starts this program again, in a world of its own, with
//! the one test that plays the application.

use mpr::{AddRequest, CancelRequest, Router};
use mpr_plugin::{Status, wide};
use mpr_testkit::TestEnv;
use std::fs;

/// The file every party writes its calls to.
const TRACE: &str = "MPR_TEST_TRACE";

#[test]
#[ignore = "it is the application the other tests start"]
fn application() {
    if std::env::var_os(TRACE).is_none() {
        return;
    }
    let (local, remote) = (wide("Z:"), wide(r"\\srv\share"));
    let request = AddRequest { local: Some(&local), remote: Some(&remote), ..AddRequest::default() };
    let added = Router::system().add_connection(&request);
    let cancel = CancelRequest { name: &local, flags: 0, force: false };
    let cancelled = Router::system().cancel_connection(&cancel);
    println!("⇒{} ⇒{}", Status::from(added).0, Status::from(cancelled).0);
}

/// Runs the application; returns what it got and what it was told of on the side.
fn run(env: &TestEnv) -> (String, String) {
    let program = std::env::current_exe().expect("a test knows where it is");
    let output = env
        .command(program)
        .args(["--ignored", "--exact", "application", "--nocapture", "--test-threads=1"])
        .env(TRACE, env.root().join("trace"))
        .output()
        .expect("this program can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let result = stdout.lines().find_map(|line| line.find('⇒').map(|at| line[at..].to_owned()));
    let calls = fs::read_to_string(env.root().join("trace")).unwrap_or_default();
    let calls: Vec<&str> = calls.lines().collect();
    (format!("{} {}", calls.join(" · "), result.expect("the application says what it got")), stderr)
}

/// What every C source here begins with: a line in the trace for every call.
const TRACING: &str = r#"
#include <npapi.h>
#include <stdio.h>
#include <stdlib.h>

static void trace(const char *call) {
    FILE *file = fopen(getenv("MPR_TEST_TRACE"), "a");
    fprintf(file, "%s\n", call);
    fclose(file);
}
"#;

fn provider(env: &TestEnv) -> std::path::PathBuf {
    let source = r#"
DWORD APIENTRY NPGetCaps(DWORD index) {
    if (index == WNNC_START)
        return 1;
    return index == WNNC_CONNECTION ? WNNC_CON_ADDCONNECTION | WNNC_CON_CANCELCONNECTION : 0;
}

DWORD APIENTRY NPAddConnection(LPNETRESOURCEW resource, LPWSTR password, LPWSTR user) {
    trace("P1→0");
    return WN_SUCCESS;
}

DWORD APIENTRY NPCancelConnection(LPWSTR name, BOOL force) {
    trace("P1→0");
    return WN_SUCCESS;
}
"#;
    env.compile_c("provider", &format!("{TRACING}{source}"))
}

/// A notification library that traces its calls under this name and exports the functions asked for.
fn library(env: &TestEnv, name: &str, add: bool, cancel: bool) -> std::path::PathBuf {
    let function = |exported: bool, function: &str, structure: &str| match exported {
        false => String::new(),
        true => format!(
            "DWORD APIENTRY {function}(LPNOTIFYINFO info, {structure} operation) {{\n\
             trace(info->dwNotifyStatus == NOTIFY_PRE ? \"{name}.pre\" : \"{name}.post\");\n\
             info->lpContext = info;\n\
             return WN_SUCCESS;\n}}\n"
        ),
    };
    let add = function(add, "AddConnectNotify", "LPNOTIFYADD");
    let cancel = function(cancel, "CancelConnectNotify", "LPNOTIFYCANCEL");
    let unused = "DWORD APIENTRY Unrelated(void) { trace(\"never\"); return 0; }\n";
    env.compile_c(name, &format!("{TRACING}DWORD APIENTRY Unrelated(void);\n{unused}{add}{cancel}"))
}

#[test]
fn s69_s70_s71_libraries_are_called_for_what_they_export_and_others_are_skipped_and_named() {
    let env = TestEnv::new().without_builtin_providers();
    let np = provider(&env);
    let [both, adds, cancels, neither] =
        [("both", true, true), ("adds", true, false), ("cancels", false, true), ("neither", false, false)]
            .map(|(name, add, cancel)| library(&env, name, add, cancel));
    let env = env
        .provider_library("p1", "P1", np)
        .notifyee_library("1-both", both)
        .notifyee_library("2-missing", "/nowhere/missing.so")
        .notifyee_library("3-adds", adds)
        .notifyee_library("4-neither", neither)
        .notifyee_library("5-cancels", cancels);
    let (played, told) = run(&env);
    assert_eq!(
        played,
        "adds.pre · both.pre · P1→0 · both.post · adds.post \
         · cancels.pre · both.pre · P1→0 · both.post · cancels.post ⇒0 ⇒0"
    );
    // Skipped, named with the reason, and that once (§3.3.4).
    for (entry, reason) in [("2-missing.toml", "/nowhere/missing.so"), ("4-neither.toml", "AddConnectNotify")]
    {
        let lines: Vec<&str> = told.lines().filter(|line| line.contains(entry)).collect();
        assert!(lines.len() == 1 && lines[0].contains(reason), "{entry}: {told}");
    }
}

#[test]
fn d3_a_library_that_is_registered_twice_is_called_once_at_its_first_place() {
    let env = TestEnv::new().without_builtin_providers();
    let (np, one, two) =
        (provider(&env), library(&env, "one", true, false), library(&env, "two", true, false));
    let env = env
        .provider_library("p1", "P1", np)
        .notifyee_library("1", &one)
        .notifyee_library("2", two)
        .notifyee_library("3", &one);
    assert_eq!(run(&env).0, "two.pre · one.pre · P1→0 · one.post · two.post · P1→0 ⇒0 ⇒0");
}

#[test]
fn d3_a_later_directory_masks_and_replaces_and_priority_orders() {
    let env = TestEnv::new().without_builtin_providers();
    let np = provider(&env);
    let [one, two, three] = ["one", "two", "three"].map(|name| library(&env, name, true, false));
    let path = |library: &std::path::Path| format!("path = \"{}\"\n", library.display());
    let env = env
        .provider_library("p1", "P1", np)
        .notifyee_library("a", &one)
        .notifyee_library("b", &two)
        .notifyee_library("c", "/nowhere/replaced.so")
        .layer()
        .notifyees_d("b", "enabled = false\n")
        .notifyees_d("c", &format!("{}priority = -1\n", path(&three)));
    // Registered as three (priority -1), one (0).
    assert_eq!(run(&env).0, "one.pre · three.pre · P1→0 · three.post · one.post · P1→0 ⇒0 ⇒0");
}

#[test]
fn s56_without_any_provider_nobody_is_told() {
    let env = TestEnv::new().without_builtin_providers();
    let both = library(&env, "both", true, true);
    let env = env.notifyee_library("both", both);
    assert_eq!(run(&env).0, " ⇒1222 ⇒1222");
}

#[test]
fn d26_the_retry_limit_is_configured() {
    let env = TestEnv::new().without_builtin_providers().setting("retry-limit", 2);
    let failing = r#"
DWORD APIENTRY NPGetCaps(DWORD index) {
    return index == WNNC_START || index == WNNC_CONNECTION ? 1 : 0;
}

DWORD APIENTRY NPAddConnection(LPNETRESOURCEW resource, LPWSTR password, LPWSTR user) {
    trace("P1→53");
    return 53;
}
"#;
    let np = env.compile_c("failing", &format!("{TRACING}{failing}"));
    let retrying = r#"
DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {
    trace(info->dwNotifyStatus == NOTIFY_PRE ? "pre" : "post");
    info->lpContext = info;
    return WN_RETRY;
}
"#;
    let retrying = env.compile_c("retrying", &format!("{TRACING}{retrying}"));
    let env = env.provider_library("p1", "P1", np).notifyee_library("retrying", retrying);
    assert_eq!(run(&env).0, "pre · P1→53 · post · P1→53 · post · P1→53 · post ⇒53 ⇒50");
}
