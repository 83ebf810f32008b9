//! Notification libraries in a host process, and commands: what the caller gets, and in how long, whatever they
//! do. A zoo of one sin each.
//!
//! As in `system.rs`, each test starts this program again, in a world of its own, to play the application.

#![cfg(target_os = "linux")]

use mpr::{AddRequest, CancelRequest, Router, extended_error};
use mpr_plugin::{Status, wide};
use mpr_testkit::TestEnv;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// What the application is to do, one character each.
const DO: &str = "MPR_TEST_DO";
/// A deadline nobody reaches who answers at all, on the busiest machine.
const AMPLE: u32 = 30_000;
/// A deadline that is meant to be missed.
const SHORT: u32 = 500;
/// What a caller may wait beyond the deadline.
const GRACE: u128 = 100;

#[test]
#[ignore = "it is the application the other tests start"]
fn application() {
    let Some(tasks) = std::env::var_os(DO) else { return };
    for task in tasks.to_str().expect("text").chars() {
        let began = Instant::now();
        match task {
            'a' => tell(began, || add("Z:")),
            'c' => tell(began, cancel),
            // Four at once.
            't' => thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| tell(began, || add("")));
                }
            }),
            // Many, from several threads.
            'm' => thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| (0..25).for_each(|_| tell(Instant::now(), || add(""))));
                }
            }),
            // SAFETY: no handler is set, and nobody here waits for a child but by its number.
            'i' => unsafe { _ = libc::signal(libc::SIGCHLD, libc::SIG_IGN) },
            // Ends without a chance to do anything about it, and leaves a copy of everything that is open behind
            // until the end of the host shows there.
            'k' => {
                // SAFETY: as below; the child only polls and ends.
                if unsafe { libc::fork() } == 0 {
                    outlive_the_host();
                }
                // SAFETY: ends this process.
                unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
            }
            // The same in a process that forked and never executed anything.
            'f' => {
                // SAFETY: the test runs on one thread beside the runner, which waits; the child ends at once.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    tell(began, || add("Z:"));
                    // SAFETY: ends the process.
                    unsafe { libc::_exit(0) };
                }
                let mut status = 0;
                // SAFETY: the status is valid for writes.
                unsafe { libc::waitpid(child, &mut status, 0) };
            }
            other => panic!("no task {other}"),
        }
    }
    // A sanitizer waits for a child of its own when the program ends.
    // SAFETY: no handler is set.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    // SAFETY: an invalid pointer is not read for -1; there must be no child, whatever was started.
    let waited = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
    assert_eq!(waited, -1, "a child is left to be waited for");
}

/// In a fork: waits until the other ends of all inherited sockets are closed, and ends.
fn outlive_the_host() -> ! {
    let sockets = fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|entry| {
        let is_socket =
            fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        is_socket.then(|| entry.file_name().to_string_lossy().parse::<i32>().unwrap())
    });
    let sockets: Vec<i32> = sockets.collect();
    assert_eq!(sockets.len(), 2, "conversation and lifeline");
    for fd in sockets {
        let mut polled = libc::pollfd { fd, events: 0, revents: 0 };
        // SAFETY: one structure, as said. Hanging up is told of unasked.
        unsafe { libc::poll(&mut polled, 1, 20_000) };
        assert_ne!(polled.revents & libc::POLLHUP, 0, "the host goes on");
    }
    println!("⇒0|0|0||the host has ended");
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}

fn tell(began: Instant, operation: impl FnOnce() -> Result<(), Status>) {
    extended_error::clear();
    let status = Status::from(operation()).0;
    let error = extended_error::recorded();
    println!(
        "⇒{status}|{}|{}|{}|{}",
        began.elapsed().as_millis(),
        error.code,
        error.provider.display(),
        error.text.display()
    );
}

fn add(local: &str) -> Result<(), Status> {
    let (local, remote) = (wide(local), wide(r"\\srv\share"));
    let request =
        AddRequest { local: Some(&local), remote: Some(&remote), kind: 1, flags: 4, ..AddRequest::default() };
    Router::system().add_connection(&request).map(drop)
}

fn cancel() -> Result<(), Status> {
    Router::system().cancel_connection(&CancelRequest { name: &wide("Z:"), flags: 0, force: true })
}

/// What the application got from one operation.
#[derive(Debug)]
struct Got {
    status: u32,
    milliseconds: u128,
    code: u32,
    name: String,
    text: String,
}

/// Runs the application, and sees to it that nothing of it is left.
#[track_caller]
fn run(env: &TestEnv, tasks: &str) -> (Vec<Got>, String) {
    let program = std::env::current_exe().expect("a test knows where it is");
    let output = env
        .command(program)
        .args(["--ignored", "--exact", "application", "--nocapture", "--test-threads=1"])
        .env(DO, tasks)
        .output()
        .expect("this program can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success() || tasks.ends_with('k'), "{stdout}\n{stderr}");
    let got = stdout.lines().filter_map(|line| {
        let fields: Vec<&str> = line[line.find('⇒')? + '⇒'.len_utf8()..].splitn(5, '|').collect();
        let [status, milliseconds, code, name, text] = fields[..] else { panic!("{line}") };
        Some(Got {
            status: status.parse().unwrap(),
            milliseconds: milliseconds.parse().unwrap(),
            code: code.parse().unwrap(),
            name: name.into(),
            text: text.into(),
        })
    });
    let got = got.collect();
    nothing_is_left(env.root());
    (got, stderr)
}

/// Waits until no process is left that has this directory in its environment or arguments. They end as soon as
/// the application has; nobody waits for them.
#[track_caller]
fn nothing_is_left(root: &Path) {
    let root = root.to_str().unwrap().as_bytes();
    let began = Instant::now();
    loop {
        let left: Vec<String> = fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .map(|process| process.path())
            .filter(|process| {
                ["environ", "cmdline"].iter().any(|file| {
                    fs::read(process.join(file))
                        .is_ok_and(|text| text.windows(root.len()).any(|window| window == root))
                })
            })
            .map(|process| fs::read_to_string(process.join("status")).unwrap_or_default())
            .filter(|status| !status.is_empty())
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "left behind: {left:#?}");
        thread::yield_now();
    }
}

/// A world with one provider that connects everything, and the helper at hand.
fn world() -> TestEnv {
    _ = mpr_testkit::mpr_host();
    let env = TestEnv::new().without_builtin_providers();
    let provider = provider(&env, "return WN_SUCCESS;");
    env.provider_library("p1", "P1", provider)
}

fn provider(env: &TestEnv, answer: &str) -> PathBuf {
    let source = format!(
        "{}DWORD APIENTRY NPGetCaps(DWORD index) {{\n\
         if (index == WNNC_START) return 1;\n\
         return index == WNNC_CONNECTION ? WNNC_CON_ADDCONNECTION | WNNC_CON_CANCELCONNECTION : 0;\n}}\n\
         DWORD APIENTRY NPAddConnection(LPNETRESOURCEW resource, LPWSTR password, LPWSTR user) {{\n\
         trace(\"add\"); {answer}\n}}\n\
         DWORD APIENTRY NPCancelConnection(LPWSTR name, BOOL force) {{ trace(\"cancel\"); return WN_SUCCESS; }}\n",
        preamble(env)
    );
    env.compile_c("provider", &source)
}

/// What every C source here begins with. The environment of a host does not lead to the trace.
fn preamble(env: &TestEnv) -> String {
    format!(
        "#define _GNU_SOURCE\n#include <npapi.h>\n#include <pthread.h>\n#include <signal.h>\n#include <stdio.h>\n\
         #include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n\
         __attribute__((unused)) static void trace(const char *call) {{\n\
         FILE *file = fopen(\"{}\", \"a\");\nfprintf(file, \"%s\\n\", call);\nfclose(file);\n}}\n",
        trace_file(env).display()
    )
}

fn trace_file(env: &TestEnv) -> PathBuf {
    env.root().join("trace")
}

fn trace(env: &TestEnv) -> Vec<String> {
    let text = fs::read_to_string(trace_file(env)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Registers a library that does `pre` before and `post` after, and allows what it gets to answer to.
fn library(env: TestEnv, name: &str, settings: &str, pre: &str, post: &str) -> TestEnv {
    let source = format!(
        "{}static DWORD answer(LPNOTIFYINFO info) {{\n\
         if (info->dwNotifyStatus == NOTIFY_PRE) {{ trace(\"pre\"); {pre} }}\n\
         else {{ trace(\"post\"); {post} }}\n\
         return WN_SUCCESS;\n}}\n\
         DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {{ return answer(info); }}\n\
         DWORD APIENTRY CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) {{ return answer(info); }}\n",
        preamble(&env)
    );
    let path = env.compile_c(name, &source);
    env.notifyees_d(name, &format!("path = {path:?}\nisolation = \"process\"\n{settings}\n"))
}

/// Registers a shell script.
fn script(env: TestEnv, name: &str, settings: &str, body: &str) -> TestEnv {
    let path = env.root().join(format!("{name}.sh"));
    fs::write(&path, format!("#!/bin/sh\ntrace={:?}\n{body}\n", trace_file(&env))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    env.notifyees_d(name, &format!("command = [{path:?}]\n{settings}\n"))
}

fn settings(timeout: u32, policy: &str) -> String {
    format!("timeout-ms = {timeout}\non-failure = \"{policy}\"")
}

/// Runs the application, each time in a new world, until every answer came within deadline and grace: at most
/// three times, since a machine with more to do than this may be late by itself.
#[track_caller]
fn in_time(timeout: u32, world: impl Fn() -> TestEnv, tasks: &str) -> (TestEnv, Vec<Got>, String) {
    let most = u128::from(timeout) + GRACE;
    for _ in 0..3 {
        let env = world();
        let (got, told) = run(&env, tasks);
        if got.iter().all(|got| got.milliseconds <= most) {
            return (env, got, told);
        }
        eprintln!("not within {most} ms: {got:?}");
    }
    panic!("three times an answer took longer than {most} ms");
}

/// One listener that fails: with either policy, what the caller gets and in how long, and that the provider is
/// asked or not.
#[track_caller]
fn fails(timeout: u32, register: impl Fn(TestEnv, &str) -> TestEnv, words: &[&str]) {
    for policy in ["allow", "deny"] {
        let (env, got, told) = in_time(timeout, || register(world(), &settings(timeout, policy)), "a");
        let [got] = &got[..] else { panic!("{got:?}") };
        assert!(words.iter().any(|word| told.contains(word)), "{words:?} is not told of: {told}");
        assert!(told.contains("notifyees.d/sinner.toml"), "{told}");
        let connected = trace(&env).iter().any(|call| call == "add");
        if policy == "allow" {
            assert_eq!((got.status, connected), (0, true), "{got:?}");
        } else {
            assert_eq!((got.status, got.code, connected), (5, 5, false), "{got:?}");
            assert_eq!(got.name, "sinner");
            assert!(words.iter().any(|word| got.text.contains(word)), "{words:?}: {got:?}");
        }
    }
}

#[track_caller]
fn library_fails(timeout: u32, pre: &str, words: &[&str]) {
    fails(timeout, |env, settings| library(env, "sinner", settings, pre, ""), words);
}

#[track_caller]
fn script_fails(timeout: u32, body: &str, words: &[&str]) {
    fails(timeout, |env, settings| script(env, "sinner", settings, body), words);
}

const LATE: &str = "did not answer within 500 ms";

#[test]
fn a_library_that_hangs_is_given_up_at_its_deadline() {
    library_fails(SHORT, "for (;;) pause();", &[LATE]);
}

#[test]
fn a_library_that_spins_is_given_up_at_its_deadline() {
    library_fails(SHORT, "for (volatile int i = 0;; i++);", &[LATE]);
}

#[test]
fn a_library_that_stops_its_process_is_given_up_at_its_deadline() {
    library_fails(SHORT, "raise(SIGSTOP);", &[LATE]);
}

#[test]
fn a_library_that_blocks_every_signal_and_hangs_is_ended_all_the_same() {
    let block = "sigset_t all; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, NULL); for (;;) pause();";
    library_fails(SHORT, block, &[LATE]);
}

#[test]
fn a_library_that_hangs_when_it_is_loaded_is_given_up_at_its_deadline() {
    let register = |env: TestEnv, settings: &str| {
        let source = format!(
            "{}__attribute__((constructor)) static void hang(void) {{ for (;;) pause(); }}\n\
             DWORD APIENTRY AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {{ return WN_SUCCESS; }}\n",
            preamble(&env)
        );
        let path = env.compile_c("sinner", &source);
        env.notifyees_d("sinner", &format!("path = {path:?}\nisolation = \"process\"\n{settings}\n"))
    };
    fails(SHORT, register, &[LATE]);
}

#[test]
fn a_library_that_crashes_ends_nobody_but_itself() {
    library_fails(AMPLE, "*(volatile int *)8 = 1;", &["crashed (signal 11)"]);
}

#[test]
fn a_library_that_aborts_ends_nobody_but_itself() {
    library_fails(AMPLE, "abort();", &["crashed (signal 6)"]);
}

#[test]
fn a_library_that_exits_ends_nobody_but_itself() {
    library_fails(AMPLE, "exit(0);", &["ended its process without an answer (exit status 0)"]);
}

#[test]
fn a_library_that_unwinds_ends_nobody_but_itself() {
    library_fails(AMPLE, "pthread_exit(NULL);", &["crashed (signal", "ended its process", "hung up"]);
}

#[test]
fn a_library_that_kills_its_group_ends_nobody_but_itself() {
    library_fails(AMPLE, "kill(0, SIGKILL);", &["crashed (signal 9)"]);
}

#[test]
fn a_library_that_exits_and_leaves_a_process_with_the_socket_is_heard_of_at_once() {
    library_fails(AMPLE, "if (fork() == 0) for (;;) pause(); _exit(3);", &["exit status 3"]);
}

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
fn garbage_on_the_wire_is_told_as_such() {
    let garbage = "for (int fd = 3; fd < 64; fd++) if (write(fd, \"garbage garbage\", 15) < 0) continue;";
    library_fails(AMPLE, garbage, &["answered with garbage"]);
}

#[test]
fn half_an_answer_is_waited_for_until_the_deadline() {
    // A header that promises a body, and no body.
    let half = r#"for (int fd = 3; fd < 64; fd++) if (write(fd, "\x40\0\0\0\1\3", 6) < 0) continue;
                  for (;;) pause();"#;
    library_fails(SHORT, half, &[LATE]);
}

#[test]
fn a_library_that_closes_its_descriptors_cannot_answer() {
    let closes = "for (int fd = 0; fd < 1024; fd++) close(fd);";
    library_fails(AMPLE, closes, &["hung up without an answer", "ended its process", "crashed"]);
}

#[test]
fn a_library_that_allocates_without_end_ends_itself() {
    let allocate = "for (;;) { char *more = malloc(64 << 20); if (!more) abort(); more[0] = 1; }";
    library_fails(AMPLE, allocate, &["crashed (signal"]);
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
fn a_code_nobody_knows_is_a_veto_with_that_code() {
    let env = library(world(), "odd", "", "return 0xFFFFFFFF;", "");
    let (got, told) = run(&env, "a");
    assert_eq!((got[0].status, &*told), (u32::MAX, ""));
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
fn a_library_cannot_connect_from_within_its_host() {
    let nested = "NETRESOURCEW other = {0}; other.lpRemoteName = (LPWSTR)L\"\\\\\\\\srv\\\\other\"; \
                  char line[32]; sprintf(line, \"nested %u\", (unsigned)WNetAddConnection2W(&other, NULL, NULL, 0)); trace(line);";
    let env = library(world(), "nested", "", nested, "");
    let (got, _) = run(&env, "a");
    assert_eq!(got[0].status, 0);
    assert_eq!(trace(&env), ["pre", "nested 50", "add"]);
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

#[test]
fn a_script_is_told_on_standard_input_and_in_its_environment() {
    let body = r#"cat >> "$trace"; env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= | sort >> "$trace"
                  [ "$MPR_WHEN" = post ] || printf '{"context":"it"}'"#;
    let env = script(world(), "hook", "events = [\"add\"]", body).var("LANG", "C.UTF-8");
    let (got, told) = run(&env, "a");
    assert_eq!((got[0].status, &*told), (0, ""));
    let trace = trace(&env);
    let operation = trace[0].split("\"operation\":\"").nth(1).unwrap().trim_end_matches("\"}").to_owned();
    let line = |when: &str, provider: &str, context: &str| {
        format!(
            r#"{{"version":1,"event":"add","when":"{when}","status":0,"local":"Z:","remote":"\\\\srv\\share","provider":{provider},"type":"disk","flags":4,"force":false,"context":{context},"operation":"{operation}"}}"#
        )
    };
    assert_eq!(trace[0], line("pre", "null", "null"));
    let home = env.root().join("home");
    let environment = |more: &[&str], when: &str| -> Vec<String> {
        let mut all: Vec<String> = vec![
            format!("HOME={}", home.display()),
            "LANG=C.UTF-8".into(),
            "MPR_EVENT=add".into(),
            "MPR_FLAGS=4".into(),
            "MPR_FORCE=0".into(),
            "MPR_LOCAL=Z:".into(),
            format!("MPR_OPERATION={operation}"),
            r"MPR_REMOTE=\\srv\share".into(),
            "MPR_STATUS=0".into(),
            "MPR_TYPE=disk".into(),
            "MPR_VERSION=1".into(),
            format!("MPR_WHEN={when}"),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
        ];
        all.extend(more.iter().map(|&one| one.to_owned()));
        all.sort();
        all
    };
    assert_eq!(trace[1..14], environment(&[], "pre"));
    assert_eq!(trace[14], "add");
    assert_eq!(trace[15], line("post", "\"P1\"", "\"it\""));
    assert_eq!(trace[16..], environment(&["MPR_CONTEXT=it", "MPR_PROVIDER=P1"], "post"));
}

#[test]
fn a_script_is_told_of_a_disconnect_by_device_or_by_name() {
    let env = script(
        world(),
        "hook",
        "events = [\"cancel\"]",
        r#"echo "$MPR_EVENT $MPR_LOCAL $MPR_REMOTE $MPR_FORCE" >> "$trace""#,
    );
    _ = run(&env, "c");
    assert_eq!(trace(&env), ["cancel Z:  1", "cancel"]);
}

#[test]
fn a_script_answers_with_its_exit_status() {
    for (exit, status) in [(0, 0), (1, 1223), (75, 0)] {
        let env = script(world(), "hook", "", &format!("exit {exit}"));
        let (got, told) = run(&env, "a");
        assert_eq!((got[0].status, &*told), (status, ""), "{exit}");
    }
}

#[test]
fn a_script_answers_with_what_it_prints() {
    let env =
        script(world(), "block-list", "", r#"echo '{"status":1223,"reason":"srv is on the block list"}'"#);
    let (got, _) = run(&env, "a");
    let Got { status, code, name, text, .. } = &got[0];
    assert_eq!((*status, *code, &**name, &**text), (1223, 1223, "block-list", "srv is on the block list"));
    // The command says so as well, and who it was.
    let connect = env.command(mpr_testkit::mpr()).args(["connect", "//srv/share", "Z:"]).output().unwrap();
    let told = String::from_utf8(connect.stderr).unwrap();
    assert!(told.contains("block-list says: srv is on the block list"), "{told}");
    assert_eq!(connect.status.code(), Some(1));
}

#[test]
fn a_script_that_asks_for_a_retry_gets_one() {
    let env = TestEnv::new().without_builtin_providers();
    _ = mpr_testkit::mpr_host();
    let failing = provider(&env, "static int tried; return tried++ == 0 ? 53 : WN_SUCCESS;");
    let env = env.provider_library("p1", "P1", failing);
    let body = r#"echo "$MPR_WHEN $MPR_STATUS $MPR_CONTEXT" >> "$trace"
                  [ "$MPR_WHEN" = pre ] && { echo '{"context":"dialled"}'; exit 0; }
                  [ "$MPR_STATUS" = 53 ] && exit 75
                  exit 0"#;
    let env = script(env, "dial", "", body);
    let (got, _) = run(&env, "a");
    assert_eq!(got[0].status, 0);
    assert_eq!(trace(&env), ["pre 0 ", "add", "post 53 dialled", "add", "post 0 dialled"]);
}

#[test]
fn a_script_that_hangs_is_ended_at_its_deadline() {
    script_fails(SHORT, "sleep 1000", &[LATE]);
}

#[test]
fn a_script_that_ignores_signals_is_ended_at_its_deadline() {
    script_fails(SHORT, "trap '' TERM INT HUP QUIT PIPE; while :; do :; done", &[LATE]);
}

#[test]
fn a_script_that_prints_what_is_no_answer_has_given_none() {
    script_fails(AMPLE, "echo '{\"status\":'", &["what it printed is no answer"]);
    script_fails(AMPLE, "echo '{\"staus\":1223}'", &["what it printed is no answer"]);
}

#[test]
fn a_script_that_prints_without_end_is_ended() {
    script_fails(
        AMPLE,
        "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
        &["printed more than 65536 bytes"],
    );
}

#[test]
fn any_other_exit_status_of_a_script_is_a_failure() {
    script_fails(AMPLE, "exit 7", &["its exit status was 7"]);
    script_fails(AMPLE, "kill -9 $$", &["it was ended by signal 9"]);
}

#[test]
fn a_script_whose_interpreter_is_missing_is_a_failure() {
    let register = |env: TestEnv, settings: &str| {
        let env = script(env, "sinner", settings, "");
        fs::write(env.root().join("sinner.sh"), "#!/nowhere/sh\n").unwrap();
        env
    };
    fails(AMPLE, register, &["it cannot be run"]);
}

#[test]
fn what_a_script_leaves_behind_is_ended_with_its_answer() {
    for left in ["sleep 1000 &", "setsid sleep 1000 &", "(setsid sh -c 'trap \"\" TERM; sleep 1000' &)"] {
        let marked = left.replace("sleep 1000", "sh -c \"sleep 1000 # $0\"");
        let env = script(world(), "hook", &settings(AMPLE, "deny"), &format!("{marked}\nexit 0"));
        let (got, told) = run(&env, "a");
        assert_eq!((got[0].status, &*told), (0, ""), "{left}");
    }
}

#[test]
fn a_script_anyone_can_write_to_is_not_run() {
    let env = script(world(), "hook", "", "echo run >> \"$trace\"");
    fs::set_permissions(env.root().join("hook.sh"), fs::Permissions::from_mode(0o757)).unwrap();
    let (got, told) = run(&env, "a");
    assert_eq!(got[0].status, 0);
    assert!(told.contains("can be written to by anyone"), "{told}");
    assert_eq!(trace(&env), ["add"]);
}

/// Registers a script of `examples/scripts`.
fn example(env: TestEnv, name: &str, arguments: &[&Path]) -> TestEnv {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two levels below the root");
    let script = root.join("examples/scripts").join(name);
    let command: Vec<&Path> = [&*script].into_iter().chain(arguments.iter().copied()).collect();
    env.notifyees_d(name, &format!("command = {command:?}\nevents = [\"add\"]\non-failure = \"deny\"\n"))
}

#[test]
fn the_block_list_refuses_what_is_on_the_list_and_everything_without_it() {
    let env = world();
    let list = env.root().join("list");
    let env = example(env, "block-list", &[&list]);
    let (got, told) = run(&env, "a");
    assert!(got[0].status == 5 && told.contains("its exit status was 2"), "{got:?} {told}");
    fs::write(&list, "other\n").unwrap();
    assert_eq!(run(&env, "a").0[0].status, 0);
    fs::write(&list, "other\nSRV\n").unwrap();
    let (got, _) = run(&env, "a");
    assert_eq!(got[0].status, 1223);
    assert_eq!(
        (&*got[0].name, &*got[0].text),
        ("block-list", &*format!("srv is on the block list {}", list.display()))
    );
}

#[test]
fn the_link_is_brought_up_before_and_taken_down_if_nothing_comes_of_it() {
    let rows = [
        // Servers, the state of the link, the provider, what is done, the result.
        ("s*", "down", "0", "is-active vpn · start vpn · add", 0),
        ("s*", "down", "53", "is-active vpn · start vpn · add · stop vpn", 53),
        ("s*", "up", "53", "is-active vpn · add", 53),
        ("s*", "broken", "0", "is-active vpn · start vpn", 1231),
        ("office-*", "down", "53", "add", 53),
    ];
    for (servers, state, answer, done, status) in rows {
        _ = mpr_testkit::mpr_host();
        let env = TestEnv::new().without_builtin_providers();
        let provider = provider(&env, &format!("return {answer};"));
        let control = env.root().join("control");
        let body = format!(
            "#!/bin/sh\necho \"$@\" >> {:?}\ncase {state}-$1 in up-is-active | down-start | *-stop) ;; *) exit 3 ;; esac\n",
            trace_file(&env)
        );
        fs::write(&control, body).unwrap();
        fs::set_permissions(&control, fs::Permissions::from_mode(0o755)).unwrap();
        let env = env.provider_library("p1", "P1", provider);
        let env = example(env, "link", &[Path::new(servers), Path::new("vpn"), &control]);
        let (got, told) = run(&env, "a");
        assert_eq!((trace(&env).join(" · "), got[0].status), (done.to_owned(), status), "{state}: {told}");
        if state == "broken" {
            assert_eq!(got[0].text, "vpn, the link to srv, does not come up");
        }
    }
}
