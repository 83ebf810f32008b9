//! The application that the tests start, and what they make of it.

use mpr::Authentication;
use mpr::trace::Sight;
use mpr::{AddRequest, CancelRequest, Credentials, Router, extended_error};
use mpr_plugin::{EnumQuery, NetResource, ResourceQuery, Status, wide};
use mpr_testkit::TestEnv;
pub(super) use mpr_testkit::zoo::{preamble, trace, trace_file};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What the application is to do, one character each.
const DO: &str = "MPR_TEST_DO";
/// A deadline nobody reaches who answers at all, on the busiest machine.
pub(super) const AMPLE: u32 = 30_000;
/// A deadline that is meant to be missed.
pub(super) const SHORT: u32 = 500;
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
            'p' => tell(began, || add_as("secret")),
            'P' => tell(began, || add_as("!wrong")),
            'q' => questions(),
            'l' => log_on(),
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
            // A great many, told of in one line.
            'w' => {
                let each: u32 = std::env::var("MPR_TEST_EACH").expect("said").parse().expect("a number");
                let work = || (0..each).filter(|_| add("").is_ok()).count();
                let answered: usize = thread::scope(|scope| {
                    let threads: Vec<_> = (0..16).map(|_| scope.spawn(work)).collect();
                    threads.into_iter().map(|thread| thread.join().expect("it is answered")).sum()
                });
                println!("→{answered} answered with success");
            }
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
    println!("⇒0|0|0|||the host has ended");
    // SAFETY: ends the process.
    unsafe { libc::_exit(0) }
}

fn tell(began: Instant, operation: impl FnOnce() -> Result<(), Status>) {
    extended_error::clear();
    let (tx, remarks) = mpsc::channel();
    let note = move |sight: Sight<'_>| {
        if let Sight::Step(_, step) = sight {
            step.remarks.iter().for_each(|remark| tx.send(remark.kind.clone()).expect("it is heard"));
        }
    };
    let status = Status::from(mpr::trace::watch(note, operation)).0;
    let elapsed = began.elapsed().as_millis();
    let error = extended_error::recorded();
    println!(
        "⇒{status}|{elapsed}|{}|{}|{}|{}",
        error.code,
        error.provider.display(),
        remarks.iter().collect::<Vec<_>>().join(","),
        error.text.display()
    );
}

fn add(local: &str) -> Result<(), Status> {
    let (local, remote) = (wide(local), wide(r"\\srv\share"));
    let request =
        AddRequest { local: Some(&local), remote: Some(&remote), kind: 1, flags: 4, ..AddRequest::default() };
    Router::system().add_connection(&request)
}

fn add_as(password: &str) -> Result<(), Status> {
    let [local, remote, user, password] = ["Z:", r"\\srv\share", "me", password].map(wide);
    let request = AddRequest {
        local: Some(&local),
        remote: Some(&remote),
        credentials: Credentials::Password { user: Some(&user), password: Some(&password) },
        kind: 1,
        flags: 4,
        ..AddRequest::default()
    };
    Router::system().add_connection(&request)
}

/// What a logon component does.
fn log_on() {
    let told = Authentication {
        kind: null(),
        info: null_mut(),
        previous_kind: null(),
        previous_info: null_mut(),
        station: null_mut(),
        station_handle: null_mut(),
    };
    // SAFETY: nobody in these tests follows any of it.
    unsafe { Router::system().logon_notify(null_mut(), &told) };
}

/// Everything a provider can be asked, and what it says.
fn questions() {
    let [name, device, none] = [r"\\srv\share", "Q:", "R:"].map(wide);
    let container = NetResource::server(wide(r"\\srv"));
    for provider in Router::system().network_providers() {
        let network = provider.network();
        let query = ResourceQuery { remote: &name, kind: 1, provider: None };
        println!("→{:?} {:?}", network.capabilities(), network.start());
        println!("→{:?} {:?}", network.connection(&device), network.connection(&none));
        println!("→{:?}", network.deferred_connection(&device));
        println!("→{:?}", network.user(&name));
        println!("→{:?}", network.performance(&name));
        println!("→{:?}", network.universal_name(&wide(r"Q:\dir")));
        println!("→{:?}", network.persistent_use_options(&name, b"options"));
        println!("→{:?}", network.resource_information(&query));
        println!("→{:?}", network.resource_parent(&query));
        println!("→{:?}", network.format_network_name(&name, 2, 80));
        println!("→{:?} {:?}", network.directory_type(&name, true), network.directory_type(&name, false));
        println!("→{:?}", network.property_text(1, 0, &name, 1));
        println!("→{:?}", network.permission_help(&name, 0, false));
        for container in [None, Some(&container), Some(&NetResource::server(wide("x")))] {
            match network.enumerate(&EnumQuery { scope: 2, kind: 0, usage: 0, container }) {
                Ok(mut entries) => {
                    let mut count = 0;
                    let mut last = None;
                    while let Some(entry) = entries.next_entry() {
                        (count, last) = (count + 1, Some(entry));
                    }
                    println!("→{count} {last:?} {:?}", entries.close());
                }
                Err(status) => println!("→{status:?}"),
            }
        }
    }
}

fn cancel() -> Result<(), Status> {
    Router::system().cancel_connection(&CancelRequest { name: &wide("Z:"), flags: 0, force: true })
}

/// What the application got from one operation.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u32,
    pub(super) milliseconds: u128,
    pub(super) code: u32,
    pub(super) name: String,
    /// What is recorded of the answers, a word each.
    pub(super) remarks: String,
    pub(super) text: String,
}

/// Runs the application, and sees to it that nothing of it is left.
#[track_caller]
pub(super) fn run(env: &TestEnv, tasks: &str) -> (Vec<Got>, String) {
    let (got, told, _) = run_and_listen(env, tasks);
    (got, told)
}

/// The same, with the answers to its questions.
#[track_caller]
pub(super) fn run_and_listen(env: &TestEnv, tasks: &str) -> (Vec<Got>, String, Vec<String>) {
    let answered = run_and_leave(env, tasks);
    nothing_is_left(env.root());
    answered
}

/// The same, whatever is left of it.
#[track_caller]
pub(super) fn run_and_leave(env: &TestEnv, tasks: &str) -> (Vec<Got>, String, Vec<String>) {
    run_with(env, tasks, &[])
}

/// The same, with more in its environment.
#[track_caller]
pub(super) fn run_with(
    env: &TestEnv,
    tasks: &str,
    variables: &[(&str, &str)],
) -> (Vec<Got>, String, Vec<String>) {
    let program = std::env::current_exe().expect("a test knows where it is");
    let output = env
        .command(program)
        .args(["--ignored", "--exact", "application::application", "--nocapture", "--test-threads=1"])
        .env(DO, tasks)
        .envs(variables.iter().copied())
        .output()
        .expect("this program can be started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success() || tasks.ends_with('k'), "{stdout}\n{stderr}");
    let got = stdout.lines().filter_map(|line| {
        let fields: Vec<&str> = line[line.find('⇒')? + '⇒'.len_utf8()..].splitn(6, '|').collect();
        let [status, milliseconds, code, name, remarks, text] = fields[..] else { panic!("{line}") };
        Some(Got {
            status: status.parse().unwrap(),
            milliseconds: milliseconds.parse().unwrap(),
            code: code.parse().unwrap(),
            name: name.into(),
            remarks: remarks.into(),
            text: text.into(),
        })
    });
    let said = stdout.lines().filter_map(|line| Some(line[line.find('→')?..].to_owned())).collect();
    (got.collect(), stderr, said)
}

/// Waits until no process is left that has this directory in its environment or arguments. They end as soon as
/// the application has; nobody waits for them.
#[track_caller]
fn nothing_is_left(root: &Path) {
    wait_for(root, |left| left.is_empty());
}

/// Waits until this is the only process that is left of the world, and ends it.
#[track_caller]
pub(super) fn one_is_left(env: &TestEnv, process: u32) {
    wait_for(env.root(), |left| *left == [process]);
    let process = libc::pid_t::try_from(process).unwrap();
    // SAFETY: takes integers; the process is one the test has started, and waits.
    unsafe { libc::kill(process, libc::SIGKILL) };
    nothing_is_left(env.root());
}

#[track_caller]
fn wait_for(root: &Path, enough: impl Fn(&Vec<u32>) -> bool) {
    let root = root.to_str().unwrap().as_bytes();
    let began = Instant::now();
    loop {
        let left: Vec<u32> = fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|process| {
                ["environ", "cmdline"].iter().any(|file| {
                    fs::read(process.path().join(file))
                        .is_ok_and(|text| text.windows(root.len()).any(|window| window == root))
                })
            })
            .filter_map(|process| process.file_name().to_str()?.parse().ok())
            .collect();
        if enough(&left) {
            return;
        }
        let status =
            |process: &u32| fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let told = || left.iter().map(status).collect::<Vec<_>>();
        // On a machine that stood still they may have ended since they were looked at.
        let in_time = began.elapsed() < Duration::from_secs(10) || told().iter().all(String::is_empty);
        assert!(in_time, "left behind: {:#?}", told());
        thread::yield_now();
    }
}

/// A world with one provider that connects everything, and the helper at hand.
pub(super) fn world() -> TestEnv {
    _ = mpr_testkit::mpr_host();
    let env = TestEnv::new().without_builtin_providers();
    let provider = provider(&env, "return WN_SUCCESS;");
    env.provider_library("p1", "P1", provider)
}

pub(super) fn provider(env: &TestEnv, answer: &str) -> PathBuf {
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

/// Registers a library that does `pre` before and `post` after, and allows what it gets to answer to.
pub(super) fn library(env: TestEnv, name: &str, settings: &str, pre: &str, post: &str) -> TestEnv {
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
pub(super) fn script(env: TestEnv, name: &str, settings: &str, body: &str) -> TestEnv {
    let path = env.root().join(format!("{name}.sh"));
    fs::write(&path, format!("#!/bin/sh\ntrace={:?}\n{body}\n", trace_file(&env))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    env.notifyees_d(name, &format!("command = [{path:?}]\n{settings}\n"))
}

pub(super) fn settings(timeout: u32, policy: &str) -> String {
    format!("timeout-ms = {timeout}\non-failure = \"{policy}\"")
}

/// Runs the application in a new world: every answer comes within deadline and grace. On a machine that has so much
/// else to do that even a plug-in without sin takes its time, so much later, and in one of three times.
#[track_caller]
pub(super) fn in_time(timeout: u32, world: impl Fn() -> TestEnv, tasks: &str) -> (TestEnv, Vec<Got>, String) {
    let most = u128::from(timeout) + GRACE;
    for _ in 0..3 {
        let env = world();
        let (got, told) = run(&env, tasks);
        let longest = got.iter().map(|got| got.milliseconds).max().unwrap_or_default();
        if longest <= most || longest <= most + without_sin() {
            return (env, got, told);
        }
        eprintln!("not within {most} ms: {got:?}");
    }
    panic!("three times an answer took longer than {most} ms");
}

/// How long an operation takes now that is held up by nothing but the machine, in milliseconds.
fn without_sin() -> u128 {
    let (got, _) = run(&library(world(), "good", "", "", ""), "a");
    got[0].milliseconds
}

/// What is on record of the operations, as anybody reads it who has the command; and the trail is whole.
#[track_caller]
pub(super) fn on_record(env: &TestEnv) -> Vec<Value> {
    let mpr = |arguments: &[&str]| {
        let output = env.command(mpr_testkit::mpr()).args(arguments).output().expect("it can be started");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{arguments:?}: {stdout}\n{stderr}");
        stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
    };
    let [verified] = &mpr(&["events", "verify", "--json"])[..] else { panic!("one object") };
    assert_eq!(verified["whole"], true, "{verified}");
    let missing = |gap: &Value| gap["gap"]["cause"] != "late";
    assert!(!verified["gaps"].as_array().expect("a list").iter().any(missing), "{verified}");
    let mut records = mpr(&["events", "--json"]);
    records.retain(|record| record["event"] == "operation");
    records
}

/// The words in the record of an operation for what the router has to say of the answers.
pub(super) fn remarks(record: &Value) -> String {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let steps = list(record, "steps");
    let remarks = steps.iter().flat_map(|step| list(step, "remarks"));
    let words = remarks.map(|remark| remark["kind"].as_str().expect("a word").to_owned());
    words.collect::<Vec<_>>().join(",")
}

/// One listener that fails: with either policy, what the caller gets and in how long, and that the provider is
/// asked or not.
#[track_caller]
pub(super) fn fails(timeout: u32, register: impl Fn(TestEnv, &str) -> TestEnv, words: &[&str]) {
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
pub(super) fn library_fails(timeout: u32, pre: &str, words: &[&str]) {
    fails(timeout, |env, settings| library(env, "sinner", settings, pre, ""), words);
}

#[track_caller]
pub(super) fn script_fails(timeout: u32, body: &str, words: &[&str]) {
    fails(timeout, |env, settings| script(env, "sinner", settings, body), words);
}

pub(super) const LATE: &str = "did not answer within 500 ms";
