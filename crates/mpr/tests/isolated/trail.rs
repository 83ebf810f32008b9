//! The audit trail while listeners crash: every caller is answered, and no record is missing.

use crate::application::*;
use mpr::audit::{self, Event, Reader};
use mpr_testkit::TestEnv;
use std::collections::BTreeSet;
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
    // A later file may ask for a stricter trail than an earlier one.
    env.notifyees_d("steady", &format!("path = {path:?}\n")).layer().setting("audit", "best-effort")
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
