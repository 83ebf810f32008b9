//! Network providers in a host.

use crate::application::*;
use mpr_testkit::TestEnv;
use std::fs;

/// A provider that says all it is told and answers everything.
fn complete(env: &TestEnv) -> std::path::PathBuf {
    let source = format!(
        "{}{}",
        preamble(env),
        r#"
        #pragma weak WNetSetLastErrorW
        static const WCHAR remote[] = L"\\\\srv\\share";
        static DWORD text(const WCHAR *text, LPWSTR buffer, LPDWORD chars) {
            DWORD length = 0; while (text[length++]);
            if (*chars < length) { *chars = length; return WN_MORE_DATA; }
            memcpy(buffer, text, length * sizeof *text); return WN_SUCCESS;
        }
        static const char *narrow(LPCWSTR text) {
            static char out[8][64]; static int at; char *to = out[at = (at + 1) % 8]; int i = 0;
            if (!text) return "-";
            for (; text[i] && i < 63; i++) to[i] = (char)text[i];
            to[i] = 0; return to;
        }
        DWORD APIENTRY NPGetCaps(DWORD index) {
            switch (index) {
            case WNNC_START: return 1;
            case WNNC_NET_TYPE: return 0x00420000;
            case WNNC_DRIVER_VERSION: return 7;
            default: return 0xFFFF;
            }
        }
        DWORD APIENTRY NPAddConnection3(HWND owner, LPNETRESOURCEW resource, LPWSTR password, LPWSTR user, DWORD flags) {
            char line[256]; sprintf(line, "add %s %s %s %s %x", narrow(resource->lpLocalName), narrow(resource->lpRemoteName),
                narrow(password), narrow(user), (unsigned)flags); trace(line);
            if (password && password[0] == '!') {
                /* Nobody offers it in a program that is not linked with the router. */
                if (WNetSetLastErrorW) WNetSetLastErrorW(77, (LPWSTR)L"not that one", (LPWSTR)L"Net");
                return WN_BAD_PASSWORD;
            }
            return WN_SUCCESS;
        }
        DWORD APIENTRY NPCancelConnection2(LPWSTR name, BOOL force, DWORD flags) {
            char line[256]; sprintf(line, "cancel %s %d %x", narrow(name), force, (unsigned)flags); trace(line); return WN_SUCCESS;
        }
        DWORD APIENTRY NPGetConnection(LPWSTR local, LPWSTR to, LPDWORD chars) {
            return local[0] == 'Q' ? text(remote, to, chars) : WN_NOT_CONNECTED;
        }
        DWORD APIENTRY NPGetUser(LPWSTR name, LPWSTR user, LPDWORD chars) { return text(L"somebody", user, chars); }
        DWORD APIENTRY NPGetConnectionPerformance(LPCWSTR name, LPNETCONNECTINFOSTRUCT info) {
            info->dwSpeed = 1000; info->dwDelay = 3; return WN_SUCCESS;
        }
        static int open;
        DWORD APIENTRY NPOpenEnum(DWORD scope, DWORD type, DWORD usage, LPNETRESOURCEW container, LPHANDLE handle) {
            if (container && container->lpRemoteName && container->lpRemoteName[0] != '\\') return WN_NOT_CONTAINER;
            open++; *handle = calloc(1, sizeof(int)); return WN_SUCCESS;
        }
        DWORD APIENTRY NPEnumResource(HANDLE handle, LPDWORD count, LPVOID buffer, LPDWORD size) {
            int *at = handle; LPNETRESOURCEW entries = buffer; DWORD n = 0;
            /* 600 entries, 100 at a time. */
            for (; n < 100 && *at < 600; n++, (*at)++) {
                memset(&entries[n], 0, sizeof *entries);
                entries[n].dwType = 1 + *at % 2; entries[n].lpRemoteName = (LPWSTR)remote;
            }
            *count = n; return n ? WN_SUCCESS : WN_NO_MORE_ENTRIES;
        }
        DWORD APIENTRY NPCloseEnum(HANDLE handle) { open--; free(handle); char line[32]; sprintf(line, "open %d", open); trace(line); return WN_SUCCESS; }
        DWORD APIENTRY NPGetResourceInformation(LPNETRESOURCEW resource, LPVOID buffer, LPDWORD size, LPWSTR *system) {
            LPNETRESOURCEW found = buffer; if (*size < 512) { *size = 512; return WN_MORE_DATA; }
            memset(found, 0, sizeof *found); found->dwType = 1; found->lpRemoteName = (LPWSTR)remote; *system = (LPWSTR)L"\\rest";
            return WN_SUCCESS;
        }
        DWORD APIENTRY NPGetResourceParent(LPNETRESOURCEW resource, LPVOID buffer, LPDWORD size) {
            LPNETRESOURCEW found = buffer; if (*size < 512) { *size = 512; return WN_MORE_DATA; }
            memset(found, 0, sizeof *found); found->lpRemoteName = (LPWSTR)L"\\\\srv"; return WN_SUCCESS;
        }
        DWORD APIENTRY NPFormatNetworkName(LPWSTR name, LPWSTR out, LPDWORD chars, DWORD flags, DWORD width) {
            return text(flags & 2 ? L"share" : name, out, chars);
        }
        DWORD APIENTRY NPGetUniversalName(LPWSTR path, DWORD level, LPVOID buffer, LPDWORD size) {
            REMOTE_NAME_INFOW *info = buffer; if (level != REMOTE_NAME_INFO_LEVEL) return WN_BAD_LEVEL;
            if (*size < 512) { *size = 512; return WN_MORE_DATA; }
            info->lpUniversalName = (LPWSTR)L"\\\\srv\\share\\dir"; info->lpConnectionName = (LPWSTR)remote;
            info->lpRemainingPath = (LPWSTR)L"\\dir"; return WN_SUCCESS;
        }
        DWORD APIENTRY NPGetDirectoryType(LPWSTR directory, LPINT type, BOOL flush) { *type = flush ? 5 : -3; return WN_SUCCESS; }
        DWORD APIENTRY NPGetPropertyText(DWORD button, DWORD selection, LPWSTR name, LPWSTR out, DWORD chars, DWORD type) {
            DWORD room = chars; return text(L"Properties", out, &room);
        }
        "#
    );
    env.compile_c("complete", &source)
}

/// Registers a provider, in the caller's process or in a host.
fn registered(env: TestEnv, library: &std::path::Path, settings: &str) -> TestEnv {
    env.providers_d("np", &format!("name = \"Net\"\npath = {library:?}\n{settings}\n"))
}

fn alone() -> TestEnv {
    _ = mpr_testkit::mpr_host();
    TestEnv::new().without_builtin_providers()
}

const ISOLATED: &str = "isolation = \"process\"";

#[test]
fn a_provider_answers_from_its_host_as_it_does_in_the_process() {
    let said = ["", ISOLATED].map(|settings| {
        let env = alone();
        let library = complete(&env);
        let env = registered(env, &library, settings);
        let (got, told, said) = run_and_listen(&env, "pPcq");
        assert_eq!(told, "");
        if !settings.is_empty() {
            let refused = &got[1];
            assert_eq!((refused.code, &*refused.name, &*refused.text), (77, "Net", "not that one"));
        }
        (got.iter().map(|got| got.status).collect::<Vec<_>>(), said, trace(&env))
    });
    let (answers, questions, calls) = &said[1];
    assert_eq!(answers, &[0, 86, 0]);
    assert_eq!(
        calls[..3],
        ["add Z: \\\\srv\\share secret me 4", "add Z: \\\\srv\\share !wrong me 4", "cancel Z: 1 0"]
    );
    assert!(questions.len() > 10, "{questions:#?}");
    assert_eq!(said[0], said[1]);
}

#[test]
fn a_provider_that_fails_is_passed_over_and_asked_again_next_time() {
    for (sin, words) in [
        ("for (;;) pause();", "NPAddConnection of the provider \"Net\" did not answer within 500 ms"),
        ("abort();", "NPAddConnection of the provider \"Net\" crashed (signal 6)"),
        ("exit(3);", "ended its process without an answer (exit status 3)"),
        (
            "for (int fd = 3; fd < 64; fd++) write(fd, \"nonsense nonsense\", 17); for (;;) pause();",
            "garbage",
        ),
        ("if (fork() == 0) { for (;;) pause(); } _exit(0);", "ended its process without an answer"),
    ] {
        // Alone, its failure is the answer, with the reason.
        let world = || {
            let env = alone();
            let library = provider(&env, sin);
            registered(env, &library, &format!("{ISOLATED}\ntimeout-ms = {SHORT}"))
        };
        let (env, got, told) = in_time(SHORT, world, "aa");
        assert_eq!(got.iter().map(|got| got.status).collect::<Vec<_>>(), [59, 59], "{got:?}");
        assert!(got[0].text.contains(words) && got[0].name == "Net", "{got:?}");
        assert!(told.contains("providers.d/np.toml"), "{told}");
        assert_eq!(trace(&env), ["add", "add"]);

        // Before another, the other one connects.
        let env = alone();
        let sinner = provider(&env, sin);
        let env = registered(env, &sinner, &format!("{ISOLATED}\ntimeout-ms = {SHORT}\npriority = -1"));
        let good = other(&env);
        let env = env.provider_library("good", "Good", good);
        let (got, _) = run(&env, "a");
        assert_eq!((got[0].status, trace(&env)), (0, vec!["add".into(), "other".into()]), "{got:?}");
    }
}

fn other(env: &TestEnv) -> std::path::PathBuf {
    let source = format!(
        "{}DWORD APIENTRY NPGetCaps(DWORD index) {{ return index == WNNC_START ? 1 : index == WNNC_CONNECTION; }}\n\
         DWORD APIENTRY NPAddConnection(LPNETRESOURCEW resource, LPWSTR password, LPWSTR user) {{\n\
         trace(\"other\"); return WN_SUCCESS; }}\n",
        preamble(env)
    );
    env.compile_c("other", &source)
}

#[test]
fn a_provider_that_hangs_when_it_is_loaded_holds_nobody_up_for_longer_than_its_deadline() {
    let world = || {
        let env = alone();
        let source = format!(
            "{}__attribute__((constructor)) static void hang(void) {{ for (;;) pause(); }}\n\
             DWORD APIENTRY NPGetCaps(DWORD index) {{ return 1; }}\n",
            preamble(&env)
        );
        let library = env.compile_c("hangs", &source);
        let good = other(&env);
        registered(env, &library, &format!("{ISOLATED}\ntimeout-ms = {SHORT}\npriority = -1"))
            .provider_library("good", "Good", good)
    };
    // What it can do, whether it has started, and the add: three calls, and then nobody asks any more.
    let (env, got, told) = in_time(3 * SHORT, world, "aa");
    assert!(got.iter().all(|got| got.status == 0), "{got:?}");
    assert!(got[1].milliseconds < u128::from(SHORT), "suspended: {got:?}");
    assert!(told.contains(LATE), "{told}");
    assert_eq!(trace(&env), ["other", "other"]);
}

#[test]
fn after_three_failures_in_a_row_others_are_asked_instead() {
    let env = alone();
    let library = provider(&env, "abort();");
    let env = registered(env, &library, ISOLATED);
    // What it answers in between is not what it fails in.
    let (got, _) = run(&env, "aaaa");
    assert_eq!(got.iter().map(|got| got.status).collect::<Vec<_>>(), [59, 59, 59, 1222], "{got:?}");
    assert!(got[3].text.contains("failed 3 times in a row and is not asked for another"), "{got:?}");
    assert_eq!(trace(&env).len(), 3);
    let (got, _) = run(&env, "a");
    assert_eq!((got[0].status, trace(&env).len()), (1222, 3), "another process sees it, too");
    let list = env.command(mpr_testkit::mpr()).args(["--json", "provider", "list"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("\"state\":\"suspended\"") && list.contains("crashed (signal 6)"), "{list}");
}

#[test]
fn a_library_that_is_no_provider_is_left_out() {
    let env = alone();
    let library = env.compile_c("empty", "int nothing;");
    let env = registered(env, &library, ISOLATED);
    let (got, told) = run(&env, "a");
    assert_eq!(got[0].status, 1222, "{got:?}");
    assert!(told.contains("it does not export NPGetCaps"), "{told}");
}

#[test]
fn a_provider_cannot_have_itself_loaded_again_and_again() {
    let env = alone();
    let asks = "WCHAR name[64]; DWORD size = 64; char line[32]; \
                sprintf(line, \"nested %u\", (unsigned)WNetGetConnectionW((LPWSTR)L\"Z:\", name, &size)); trace(line); return 0;";
    let library = provider(&env, asks);
    let env = registered(env, &library, ISOLATED);
    let (got, _) = run(&env, "a");
    assert_eq!(got[0].status, 0);
    assert_eq!(trace(&env), ["add", "nested 1222"]);
}

#[test]
fn what_a_provider_leaves_in_a_session_of_its_own_outlives_its_host_and_nothing_else_does() {
    let env = alone();
    let serve = format!(
        "if (fork() == 0) {{ setsid(); FILE *file = fopen(\"{}\", \"w\"); fprintf(file, \"%d\", getpid()); fclose(file); \
         for (;;) pause(); }} \
         if (fork() == 0) for (;;) pause(); \
         while (access(\"{}\", F_OK)) usleep(1000); return 0;",
        env.root().join("server").display(),
        env.root().join("server").display()
    );
    let library = provider(&env, &serve);
    let env = registered(env, &library, ISOLATED);
    let (got, ..) = run_and_leave(&env, "a");
    assert_eq!(got[0].status, 0);
    let server = fs::read_to_string(env.root().join("server")).unwrap();
    one_is_left(&env, server.parse().unwrap());
}

#[test]
fn threads_that_wait_for_a_provider_wait_no_longer_than_their_own_deadline() {
    let world = || {
        let env = alone();
        let library = provider(&env, "for (;;) pause();");
        registered(env, &library, &format!("{ISOLATED}\ntimeout-ms = {SHORT}"))
    };
    let (_, got, _) = in_time(SHORT, world, "t");
    assert_eq!(got.len(), 4);
    // Whose turn it was sees it fail; the others were never asked anything, or not in time.
    assert!(got.iter().all(|got| matches!(got.status, 59 | 170 | 1222)), "{got:?}");
    assert!(got.iter().any(|got| got.status == 59), "{got:?}");
}

#[test]
fn a_password_is_in_no_argument_environment_file_or_message() {
    let env = alone();
    // The host looks for it where others could.
    let look = "char line[4096]; size_t n; int found = 0; \
        const char *files[] = { \"/proc/self/cmdline\", \"/proc/self/environ\" }; \
        for (int i = 0; i < 2; i++) { FILE *file = fopen(files[i], \"r\"); n = fread(line, 1, sizeof line, file); fclose(file); \
        found |= memmem(line, n, \"secret\", 6) != NULL; } \
        trace(found ? \"found\" : \"not found\"); abort();";
    let library = provider(&env, look);
    let env = registered(env, &library, ISOLATED);
    let (got, told) = run(&env, "p");
    assert_eq!((got[0].status, trace(&env)), (59, vec!["add".into(), "not found".into()]));
    assert!(!told.contains("secret") && !got[0].text.contains("secret"));
    let failures = fs::read_to_string(env.runtime_dir().join("providers/np.json")).unwrap();
    assert!(failures.contains("NPAddConnection") && !failures.contains("secret"), "{failures}");
}

#[test]
fn credential_managers_are_called_only_if_they_are_switched_on_and_never_in_a_host() {
    for (switch, settings, called) in [(false, "", false), (true, "", true), (true, ISOLATED, false)] {
        let env = alone();
        let source = format!(
            "{}DWORD APIENTRY NPGetCaps(DWORD index) {{ return index == WNNC_START; }}\n\
             DWORD APIENTRY NPLogonNotify(PLUID a, LPCWSTR b, LPVOID c, LPCWSTR d, LPVOID e, LPWSTR f, LPVOID g, LPWSTR *h) {{\n\
             trace(\"logon\"); return WN_SUCCESS; }}\n",
            preamble(&env)
        );
        let library = env.compile_c("collector", &source);
        let env = registered(env, &library, &format!("class = 3\n{settings}"));
        let env = if switch { env.setting("credential-managers", true) } else { env };
        let (_, told) = run(&env, "l");
        assert_eq!(trace(&env).len(), usize::from(called), "{told}");
        assert_eq!(told.contains("as a credential manager it is not called"), switch && !called, "{told}");
    }
}
