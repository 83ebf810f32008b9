//! What a plug-in in a host may not do, although its user may.

use crate::application::*;
use mpr_helper::sandbox;
use mpr_testkit::TestEnv;
use std::fs;
use std::path::{Path, PathBuf};

/// Tries everything a sandbox is about, and answers with a bit for each thing that it could do. Nothing is written:
/// that is one of the things.
fn escape_artist(env: &TestEnv, victim: u32, elsewhere: &Path) -> String {
    format!(
        r#"#include <errno.h>
        #include <fcntl.h>
        #include <netinet/in.h>
        #include <sys/mount.h>
        #include <sys/ptrace.h>
        #include <sys/socket.h>
        #include <sys/syscall.h>
        #include <sys/wait.h>
        {}
        static int can_write(const char *path) {{
            int fd = open(path, O_WRONLY | O_CREAT, 0600); if (fd < 0) return 0; close(fd); unlink(path); return 1; }}
        static int can_run(void) {{
            pid_t child = fork(); if (child == 0) {{ execl("/bin/true", "true", NULL); _exit(9); }}
            int status = 0; waitpid(child, &status, 0); return status == 0; }}
        static DWORD tried(void) {{
            DWORD could = 0x100;
            could |= can_write("/usr/mpr-test-{victim}") ? 1 : 0;
            could |= can_write("{}") ? 2 : 0;
            could |= can_run() ? 4 : 0;
            could |= socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 8 : 0;
            could |= socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 16 : 0;
            could |= kill({victim}, 0) == 0 ? 32 : 0;
            /* Both would be answered otherwise by a kernel that looks at them. */
            could |= ptrace(PTRACE_ATTACH, -1, 0, 0) < 0 && errno == EPERM ? 0 : 64;
            could |= mount(NULL, "/nowhere", NULL, 0, NULL) < 0 && errno == EPERM ? 0 : 128;
            could |= open("/dev/null", O_WRONLY) >= 0 ? 0x200 : 0;
            return could;
        }}
        DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {{ return tried(); }}
        DWORD APIENTRY NPGetCaps(DWORD index) {{
            return index == WNNC_START || index == WNNC_CONNECTION ? 1 : 0; }}
        DWORD APIENTRY NPAddConnection(LPNETRESOURCEW resource, LPWSTR password, LPWSTR user) {{ return tried(); }}
        "#,
        preamble(env),
        elsewhere.display()
    )
}

/// What it could do, with these settings.
fn could(settings: &str, as_provider: bool) -> u32 {
    _ = mpr_testkit::mpr_host();
    // Nobody is told of anything where there is nobody to do it.
    let env = if as_provider { TestEnv::new().without_builtin_providers() } else { world() };
    let elsewhere = env.root().join("elsewhere");
    let library = env.compile_c("artist", &escape_artist(&env, std::process::id(), &elsewhere));
    let isolated = format!("path = {library:?}\nisolation = \"process\"\n{settings}\n");
    let env = if as_provider {
        env.providers_d("artist", &format!("name = \"Artist\"\n{isolated}"))
    } else {
        env.notifyees_d("artist", &isolated)
    };
    let (got, told) = run(&env, "a");
    assert_eq!(told, "");
    got[0].status
}

/// Bits of what root and everybody else can do without a sandbox.
fn everything() -> u32 {
    // SAFETY: takes nothing.
    let root = unsafe { libc::geteuid() } == 0;
    if root { 0x3FF } else { 0x3FE }
}

fn is_there() -> bool {
    let there = sandbox::landlock().is_some_and(|version| version >= 6) && sandbox::seccomp();
    if !there {
        eprintln!("skipped: this kernel has no Landlock of version 6 or no filters");
    }
    there
}

#[test]
fn by_default_a_listener_writes_nothing_of_the_systems_and_reaches_into_nobody() {
    if is_there() {
        assert_eq!(could("", false), 0x300 | 2 | 4 | 8 | 16);
    }
}

#[test]
fn in_a_strict_sandbox_a_plug_in_writes_nothing_runs_nothing_and_leaves_no_machine() {
    if is_there() {
        for as_provider in [false, true] {
            assert_eq!(could("sandbox = \"strict\"", as_provider), 0x300 | 16);
        }
    }
}

#[test]
fn without_a_sandbox_a_plug_in_may_what_its_user_may() {
    // A debugger's call with no process, and a mount of nothing, fail for other reasons than that they are forbidden.
    assert_eq!(could("sandbox = \"none\"", false) | 128, everything() | 128);
    assert_eq!(could("", true) | 128, everything() | 128, "a provider has none unless it is asked for");
}

#[test]
fn a_script_in_a_strict_sandbox_runs_and_writes_nothing() {
    if !is_there() {
        return;
    }
    _ = mpr_testkit::mpr_host();
    for (settings, written) in [("", true), ("sandbox = \"strict\"", false)] {
        let env = world();
        let file: PathBuf = env.root().join("written");
        let body = format!("echo something 2>/dev/null > {file:?}\nexit 0");
        let env = script(env, "writer", settings, &body);
        let (got, told) = run(&env, "a");
        assert_eq!((got[0].status, &*told), (0, ""), "{got:?}");
        assert_eq!(fs::exists(&file).unwrap(), written, "{settings}");
    }
}

/// A listener that asks what `Q:` leads to, and tries to connect something, and answers with a bit for each that did
/// not go as it is to.
const ASKING: &str = r#"
    static DWORD asked(void) {
        WCHAR name[64]; DWORD size = 64, entries = 1, bytes = 4096; HANDLE open; char buffer[4096];
        NETRESOURCEW other = {0}; other.lpRemoteName = (LPWSTR)L"\\\\srv\\other";
        DWORD wrong = 0;
        wrong |= WNetGetConnectionW(L"Q:", name, &size) == WN_SUCCESS && name[2] == L's' ? 0 : 1;
        wrong |= WNetGetConnectionW(L"R:", name, &size) == WN_NOT_CONNECTED ? 0 : 2;
        wrong |= WNetOpenEnumW(RESOURCE_REMEMBERED, 0, 0, NULL, &open) == WN_SUCCESS ? 0 : 4;
        wrong |= WNetEnumResourceW(open, &entries, buffer, &bytes) == WN_SUCCESS ? 0 : 8;
        WNetCloseEnum(open);
        wrong |= WNetAddConnection2W(&other, NULL, NULL, 0) == WN_NOT_SUPPORTED ? 0 : 16;
        return wrong;
    }
    DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) { return asked(); }
"#;

#[test]
fn in_every_sandbox_a_listener_can_ask_and_not_connect_and_that_it_tried_is_on_record() {
    for sandbox in ["none", "default", "strict"] {
        let env = world();
        let preamble = preamble(&env);
        let source = format!(
            "{preamble}#include <winnetwk.h>\n\
             DWORD APIENTRY NPGetCaps(DWORD index) {{ if (index == WNNC_START) return 1;\n\
             return index == WNNC_CONNECTION ? WNNC_CON_GETCONNECTIONS : 0; }}\n\
             DWORD APIENTRY NPGetConnection(LPWSTR local, LPWSTR remote, LPDWORD size) {{\n\
             if (local[0] != L'Q') return WN_NOT_CONNECTED;\n\
             memcpy(remote, L\"\\\\\\\\srv\\\\share\", 24); return WN_SUCCESS; }}\n"
        );
        let known = env.compile_c("known", &source);
        let asking = env.compile_c("asking", &format!("{preamble}#include <winnetwk.h>\n{ASKING}"));
        let remembered = "[drives.\"Y:\"]\nRemotePath = '\\\\s\\x'\nProviderName = \"P1\"\n";
        let env = env.provider_library("known", "Known", known).remembered(remembered).notifyees_d(
            "asking",
            &format!("path = {asking:?}\nisolation = \"process\"\nsandbox = {sandbox:?}\n"),
        );
        let (got, told) = run(&env, "a");
        assert_eq!((got[0].status, &*told), (0, ""), "{sandbox}: {got:?}");
        let records = on_record(&env);
        let outer =
            records.iter().find(|record| record["request"]["local"] == "Z:").expect("it is on record");
        let said = outer["steps"][0]["said"]["text"].as_str().unwrap_or_default();
        assert!(said.contains("can neither connect nor disconnect"), "{sandbox}: {outer}");
        // Where nothing is to be written, that is all there is of it.
        assert_eq!(records.len(), if sandbox == "strict" { 1 } else { 2 }, "{sandbox}: {records:?}");
    }
}

#[test]
fn a_sandbox_in_the_caller_is_noted_as_a_mistake() {
    let env = world().notifyees_d("odd", "path = \"/nowhere.so\"\nsandbox = \"strict\"\n");
    let (_, told) = run(&env, "a");
    assert!(told.contains("odd.toml:2: sandbox has no effect in the process that connects"), "{told}");
}
