//! Notification libraries in a host.

use crate::application::*;
use mpr_testkit::TestEnv;

#[test]
fn a_process_that_leaves_the_session_of_the_library_does_not_get_away() {
    let daemon = "if (fork() == 0) { setsid(); if (fork() == 0) for (;;) pause(); _exit(0); } _exit(4);";
    library_fails(AMPLE, daemon, &["exit status 4"]);
}

#[test]
fn a_library_that_forks_and_hangs_in_both_is_given_up_and_both_are_ended() {
    library_fails(SHORT, "fork(); fork(); setsid(); for (;;) pause();", &[LATE]);
}

#[test]
fn half_an_answer_is_waited_for_until_the_deadline() {
    // A header that promises a body, and no body.
    let half = r#"for (int fd = 3; fd < 64; fd++) if (write(fd, "\x40\0\0\0\1\3", 6) < 0) continue;
                  for (;;) pause();"#;
    library_fails(SHORT, half, &[LATE]);
}

#[test]
fn a_library_that_exports_nothing_is_told_as_such() {
    let register = |env: TestEnv, settings: &str| {
        let path = env.compile_c("sinner", "int unrelated; ");
        env.notifyees_d("sinner", &format!("path = {path:?}\nisolation = \"process\"\n{settings}\n"))
    };
    fails(AMPLE, register, &["exports neither AddConnectNotify nor CancelConnectNotify"]);
}

#[test]
fn a_library_that_is_not_there_is_told_before_anybody_needs_it() {
    let register = |env: TestEnv, settings: &str| {
        env.notifyees_d("sinner", &format!("path = \"/nowhere/x.so\"\nisolation = \"process\"\n{settings}\n"))
    };
    fails(AMPLE, register, &["/nowhere/x.so: there is no such file", "could not be loaded"]);
}

#[test]
fn what_fails_after_the_attempt_changes_nothing() {
    let sins = [("for (;;) pause();", SHORT), ("*(volatile int *)8 = 1;", AMPLE), ("exit(1);", AMPLE)];
    for (sin, timeout) in sins {
        for policy in ["allow", "deny"] {
            let listener =
                || library(world(), "sinner", &settings(timeout, policy), "info->lpContext = info;", sin);
            let (env, got, told) = in_time(timeout, listener, "ac");
            // The host of the connect is gone; the disconnect has one of its own.
            assert_eq!(trace(&env), ["pre", "add", "post", "pre", "cancel", "post"]);
            assert!(got.iter().all(|got| got.status == 0), "{got:?}");
            assert!(told.contains("notifyees.d/sinner.toml"), "{told}");
        }
    }
}

#[test]
fn contexts_come_back_in_the_process_that_left_them() {
    let pre = "int *count = malloc(sizeof *count); *count = getpid(); info->lpContext = count;";
    let post =
        "trace(*(int *)info->lpContext == getpid() ? \"the same\" : \"another\"); free(info->lpContext);";
    let env = library(world(), "good", "", pre, post);
    let (got, told) = run(&env, "acac");
    assert!(got.iter().all(|got| got.status == 0), "{got:?} {told}");
    let once = |done| ["pre", done, "post", "the same"];
    assert_eq!(trace(&env), [once("add"), once("cancel"), once("add"), once("cancel")].concat());
    assert_eq!(told, "");
}

#[test]
fn one_that_declines_is_not_called_afterwards() {
    let env = library(world(), "good", "events = [\"add\"]", "", "");
    _ = run(&env, "ac");
    assert_eq!(trace(&env), ["pre", "add", "cancel"]);
}

#[test]
fn a_veto_comes_with_the_reason_the_library_left() {
    let veto = "WNetSetLastErrorW(42, (LPWSTR)L\"not today\", (LPWSTR)L\"Guard\"); return WN_CANCEL;";
    let env = library(world(), "guard", "", veto, "");
    let (got, _) = run(&env, "a");
    assert_eq!((got[0].status, got[0].code, &*got[0].name, &*got[0].text), (1223, 42, "Guard", "not today"));
    assert_eq!(trace(&env), ["pre"]);
}

#[test]
fn a_library_that_asks_for_a_retry_keeps_its_context() {
    let env = TestEnv::new().without_builtin_providers();
    _ = mpr_testkit::mpr_host();
    let failing = provider(&env, "static int tried; return tried++ == 0 ? 53 : WN_SUCCESS;");
    let env = env.provider_library("p1", "P1", failing);
    let env = library(
        env,
        "dial",
        "",
        "info->lpContext = info;",
        "return info->dwOperationStatus == 53 ? WN_RETRY : WN_SUCCESS;",
    );
    let (got, _) = run(&env, "a");
    assert_eq!(got[0].status, 0);
    assert_eq!(trace(&env), ["pre", "add", "post", "add", "post"]);
}

#[test]
fn after_three_failures_in_a_row_nobody_asks_for_a_minute() {
    for (policy, status) in [("allow", 0), ("deny", 5)] {
        let env = library(world(), "sinner", &settings(AMPLE, policy), "abort();", "");
        let (got, _) = run(&env, "aaaa");
        assert!(got.iter().all(|got| got.status == status), "{got:?}");
        let asked = |env: &TestEnv| trace(env).iter().filter(|call| *call == "pre").count();
        assert_eq!(asked(&env), 3);
        if policy == "deny" {
            assert!(got[3].text.contains("failed 3 times in a row and is not asked for another"), "{got:?}");
            assert!(got[3].text.contains("crashed (signal 6)"), "{got:?}");
        }
        // Another process sees it, too, and so does whoever asks.
        let (got, _) = run(&env, "a");
        assert_eq!((got[0].status, asked(&env)), (status, 3));
        let list = env.command(mpr_testkit::mpr()).args(["--json", "notifyee", "list"]).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        assert!(list.contains("\"state\":\"suspended\"") && list.contains("crashed (signal 6)"), "{list}");
    }
}

#[test]
fn who_fails_at_every_connect_is_not_well_because_it_answers_disconnects() {
    let env = world();
    let source = format!(
        "{}DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {{ trace(\"pre\"); abort(); }}\n\
         DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) {{ return WN_SUCCESS; }}\n",
        preamble(&env)
    );
    let path = env.compile_c("sinner", &source);
    let isolated = format!("path = {path:?}\nisolation = \"process\"\n{}\n", settings(AMPLE, "allow"));
    let env = env.notifyees_d("sinner", &isolated);
    let (got, _) = run(&env, "acacacac");
    assert!(got.iter().all(|got| got.status == 0), "{got:?}");
    assert_eq!(trace(&env).iter().filter(|call| *call == "pre").count(), 3);
    assert_eq!(got[6].remarks, "suspended");
}

#[test]
fn failures_with_answers_between_them_suspend_nobody() {
    let env = world();
    // Each operation leaves two lines, the call and the provider's: the third, the sixth, the ninth are answered.
    let pre = format!(
        "FILE *file = fopen({:?}, \"r\"); int lines = 0, c; while ((c = fgetc(file)) != EOF) lines += c == '\\n'; \
         fclose(file); if (lines % 6 != 5) abort();",
        trace_file(&env)
    );
    let env = library(env, "sinner", &settings(AMPLE, "allow"), &pre, "");
    let (got, _) = run(&env, "aaaaaaaaa");
    assert!(got.iter().all(|got| got.status == 0), "{got:?}");
    assert_eq!(trace(&env).iter().filter(|call| *call == "pre").count(), 9, "every one was asked");
}

#[test]
fn threads_wait_for_their_turn_no_longer_than_their_own_deadline() {
    let listener = || library(world(), "sinner", &settings(SHORT, "deny"), "for (;;) pause();", "");
    let (_, got, _) = in_time(SHORT, listener, "t");
    assert_eq!(got.len(), 4);
    assert!(got.iter().all(|got| got.status == 5), "{got:?}");
}

#[test]
fn every_thread_gets_its_answer_from_a_library_that_crashes_now_and_then() {
    let pre = "static int calls; if (++calls % 3 == 0) abort(); info->lpContext = info;";
    let env = library(world(), "sinner", &settings(AMPLE, "allow"), pre, "");
    let (got, _) = run(&env, "m");
    assert_eq!(got.len(), 200);
    assert!(got.iter().all(|got| got.status == 0), "{got:?}");
}

#[test]
fn a_process_that_forked_has_a_host_of_its_own() {
    let env =
        library(world(), "good", "", "char line[32]; sprintf(line, \"%d\", getpid()); trace(line);", "");
    let (got, told) = run(&env, "afa");
    assert!(got.len() == 3 && got.iter().all(|got| got.status == 0), "{got:?}");
    let hosts: Vec<String> = trace(&env).into_iter().filter(|call| call.parse::<u32>().is_ok()).collect();
    assert!(hosts.len() == 3 && hosts[0] == hosts[2] && hosts[0] != hosts[1], "{hosts:?}");
    assert_eq!(told, "");
}

#[test]
fn a_host_ends_with_a_caller_that_is_killed_even_if_a_fork_of_it_lives_on() {
    let env = library(world(), "good", "", "", "");
    let (got, _) = run(&env, "ak");
    assert_eq!(got.len(), 2, "{got:?}");
    assert_eq!(got[1].text, "the host has ended");
}

#[test]
fn a_caller_that_ignores_its_children_is_answered_like_any_other() {
    let env = library(world(), "good", &settings(AMPLE, "deny"), "info->lpContext = info;", "");
    let (got, told) = run(&env, "iac");
    assert!(got.len() == 2 && got.iter().all(|got| got.status == 0), "{got:?}");
    assert_eq!(told, "");
}

#[test]
fn a_host_sees_nothing_of_the_caller_and_can_raise_no_privileges() {
    let pre = "char line[256]; FILE *status = fopen(\"/proc/self/status\", \"r\"); \
               while (fgets(line, sizeof line, status)) if (!strncmp(line, \"NoNewPrivs\", 10)) { line[13] = 0; trace(line); } \
               fclose(status); trace(getenv(\"SECRET\") ? \"sees\" : \"sees not\");";
    let env = library(world(), "good", "", pre, "").var("SECRET", "1");
    _ = run(&env, "a");
    assert_eq!(trace(&env), ["pre", "NoNewPrivs:\t1", "sees not", "add"]);
}
