//! The audit trail while listeners crash: every caller is answered, and no record is missing. And on a slow disk: who
//! has waited for a plug-in does not wait for the disk as well.

use crate::application::*;
use mpr::audit::{self, Event, Reader};
use mpr_testkit::TestEnv;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

/// Threads of the application.
const THREADS: u64 = 16;

/// A listener in the process, and one outside that crashes at random.
fn crashing() -> TestEnv {
    // One in fifty, and another one in each process.
    let crash = "static unsigned seed; if (!seed) seed = getpid(); seed = seed * 1103515245u + 12345u; \
                 if ((seed >> 16) % 50 == 0) *(volatile int *)8 = 1;";
    let env = library(world(), "crashing", &settings(AMPLE, "allow"), crash, "");
    let source = "#include <npapi.h>\nDWORD APIENTRY AddConnectNotify(LPNOTIFYINFO i, LPNOTIFYADD a) \
                  { i->lpContext = i; return WN_SUCCESS; }\n";
    let path = env.compile_c("steady", source);
    env.notifyees_d("steady", &format!("path = {path:?}\n"))
}

/// So many programs at once, each with so many operations in each of its threads.
fn nothing_is_missing(programs: u64, each: u64) {
    let env = crashing();
    thread::scope(|scope| {
        for _ in 0..programs {
            scope.spawn(|| {
                let (got, _, answered) = run_with(&env, "w", &[("MPR_TEST_EACH", &each.to_string())]);
                assert_eq!(got.len(), 0);
                assert_eq!(answered, [format!("→{} answered with success", THREADS * each)]);
            });
        }
    });
    let reader = Reader::open(&audit::directory(&env.state_dir())).unwrap();
    let report = reader.verify().unwrap();
    assert_eq!((&report.flaws, &report.gaps), (&Vec::new(), &Vec::new()));
    let mut operations = BTreeSet::new();
    let mut crashes = 0;
    for line in reader.lines(0) {
        let Event::Operation(operation) = line.unwrap().entry().unwrap().event else { continue };
        let remarks = operation.steps.iter().flat_map(|step| &step.remarks);
        crashes += remarks.filter(|remark| remark.kind == "ended").count();
        let steady = operation.steps.iter().filter(
            |step| matches!(&step.what, mpr::trace::What::Notified { listener, .. } if listener == "steady"),
        );
        assert_eq!(steady.count(), 2, "before and after");
        assert!(operations.insert(operation.operation), "an operation is on record once");
    }
    assert_eq!(operations.len() as u64, programs * THREADS * each);
    assert!(crashes > 0, "it did crash");
    println!("{} operations, {crashes} crashes, {} files", operations.len(), report.files);
}

#[test]
fn sixteen_threads_lose_no_record_while_a_listener_crashes() {
    nothing_is_missing(1, 20);
}

#[test]
fn several_programs_lose_no_record_while_a_listener_crashes() {
    nothing_is_missing(3, 6);
}

#[test]
#[ignore = "takes minutes: cargo test -p mpr --test isolated -- --ignored ten_thousand"]
fn sixteen_threads_with_ten_thousand_operations_each_lose_no_record() {
    nothing_is_missing(1, 10_000);
}

/// A disk that takes three seconds to have something written, for the application and for what it starts.
fn with_slow_disk(env: TestEnv) -> TestEnv {
    let slow = env.compile_c(
        "slow",
        "#include <sys/syscall.h>\n#include <unistd.h>\nint usleep(unsigned);\nlong syscall(long, ...);\n\
         int fdatasync(int fd) { usleep(3000000); return syscall(SYS_fdatasync, fd); }\n",
    );
    let host = mpr_testkit::mpr_host();
    let helpers = env.root().join("helpers");
    fs::create_dir(&helpers).unwrap();
    let wrapped = helpers.join("mpr-host");
    // Nobody knows of the deadline of a plug-in there: the host of the plug-in and the process that waits for the disk
    // are the same program.
    fs::write(&wrapped, format!("#!/bin/sh\nLD_PRELOAD={slow:?} exec {host:?} \"$@\"\n")).unwrap();
    fs::set_permissions(&wrapped, fs::Permissions::from_mode(0o755)).unwrap();
    env.var("LD_PRELOAD", slow).var("MPR_LIBEXEC_DIR", helpers)
}

const SLOW: u128 = 3000;

#[test]
fn who_waited_for_a_plug_in_until_its_deadline_does_not_wait_for_the_disk_and_that_is_on_record() {
    let hanging = || {
        let env = library(world(), "sinner", &settings(SHORT, "allow"), "for (;;) pause();", "");
        with_slow_disk(env)
    };
    let (env, got, _) = in_time(SHORT, hanging, "a");
    assert_eq!((got[0].status, &*got[0].remarks), (0, "late"));
    let [record] = &on_record(&env)[..] else { panic!("it is there for everybody to read") };
    assert_eq!(remarks(record), "late");
    // The next one says so.
    fs::remove_file(env.config_dirs()[0].join("notifyees.d/sinner.toml")).unwrap();
    _ = run(&env, "c");
    let report = Reader::open(&audit::directory(&env.state_dir())).unwrap().verify().unwrap();
    let [(_, audit::Gap::Late { count: 1, operations, since: Some(_) })] = &report.gaps[..] else {
        panic!("{report:?}")
    };
    assert_eq!(operations[..], [record["operation"].as_str().unwrap()]);
}

#[test]
fn who_did_not_wait_for_a_plug_in_has_its_record_on_disk() {
    let env = with_slow_disk(library(world(), "good", &settings(AMPLE, "allow"), "", ""));
    let (got, _) = run(&env, "a");
    assert!(got[0].milliseconds >= SLOW, "{got:?}");
}

#[test]
fn where_a_trail_is_required_every_record_is_on_disk_however_long_that_takes() {
    let env = library(world(), "sinner", &settings(SHORT, "allow"), "for (;;) pause();", "");
    let env = with_slow_disk(env.layer().setting("audit", "required"));
    let (got, _) = run(&env, "a");
    assert!(got[0].milliseconds >= 2 * SLOW + u128::from(SHORT), "intent and outcome: {got:?}");
}
