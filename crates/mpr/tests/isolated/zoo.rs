//! The zoo: for each plug-in with a sin, what the caller got, in how long, and what was recorded: as it happened, and
//! in the trail on disk, as the command shows it. As an isolated notification library with either policy, as an
//! isolated provider, and in the caller's process where a process survives it.

use crate::application::*;
use mpr_testkit::TestEnv;
use mpr_testkit::zoo::{Specimen, ZOO};
use serde_json::Value;

/// What becomes of it.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is given up at its deadline.
    Late,
    /// There is no answer, at once; one of these words says why.
    Silent(&'static [&'static str]),
    /// It is not loaded, and this is why.
    Refused(&'static str),
    /// Its answer counts.
    Says(u32),
    /// It is late three times before it comes to an attempt, and then nobody asks it.
    Suspended,
    /// What it does after the attempt, or to a disconnect: the attempt stands, whatever becomes of it.
    Later(&'static Fate),
}

use Fate::{Late, Later, Refused, Says, Silent, Suspended};

/// A fate as a notification library, as a provider, and of both in the caller's process; `None` where the process
/// would not survive it, or somebody else tests it.
type Row = (&'static str, Fate, Fate, Option<Fate>);

const CRASHED: Fate = Silent(&["crashed (signal 11)"]);
const SIGNALLED: Fate = Silent(&["crashed (signal"]);
/// Everything it has started dies with it, which takes a busy machine longer than its last words are waited for.
const KILLED: Fate = Silent(&["crashed (signal 9)", "hung up"]);
const ENDED: Fate = Silent(&["crashed (signal", "ended its process", "hung up"]);

const TABLE: &[Row] = &[
    ("hangs before", Late, Late, None),
    ("hangs after", Later(&Late), Later(&Late), None),
    ("hangs when loaded", Late, Suspended, None),
    ("hangs with signals blocked", Late, Late, None),
    ("spins", Late, Late, None),
    ("stops itself", Late, Late, None),
    ("crashes", CRASHED, CRASHED, None),
    ("crashes after", Later(&CRASHED), Later(&CRASHED), None),
    ("aborts", Silent(&["crashed (signal 6)"]), Silent(&["crashed (signal 6)"]), None),
    ("exits", Silent(&["(exit status 0)"]), Silent(&["(exit status 0)"]), None),
    ("unwinds", ENDED, ENDED, None),
    ("kills its group", KILLED, KILLED, None),
    ("forks and holds the socket", Silent(&["(exit status 3)"]), Silent(&["(exit status 3)"]), None),
    ("allocates without end", SIGNALLED, SIGNALLED, None),
    ("writes to the socket", Silent(&["answered with garbage"]), Silent(&["answered with garbage"]), None),
    ("closes descriptors", ENDED, ENDED, None),
    ("answers a code nobody knows", Says(0xDEAD_BEEF), Says(0xDEAD_BEEF), Some(Says(0xDEAD_BEEF))),
    ("changes its answer", Says(0), Says(0), Some(Says(0))),
    ("scribbles on its input", Says(0), Says(0), Some(Says(0))),
    ("reenters", Says(0), Says(0), Some(Says(0))),
    ("handles every signal", Says(0), Says(0), None),
    ("has one export", Says(0), Says(50), Some(Says(0))),
    (
        "is for another machine",
        Refused("built for another machine"),
        Refused("built for another machine"),
        Some(Refused("built for another machine")),
    ),
    ("is a pipe", Refused("a named pipe"), Refused("a named pipe"), Some(Refused("a named pipe"))),
    ("is a directory", Refused("a directory"), Refused("a directory"), Some(Refused("a directory"))),
    (
        "is writable by others",
        Refused("written to by anyone"),
        Refused("written to by anyone"),
        Some(Refused("written to by anyone")),
    ),
];

/// One test each, so that they run side by side.
macro_rules! exhibits {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            exhibit($name);
        })*

        #[test]
        fn everything_in_the_zoo_is_exhibited() {
            let mut names: Vec<&str> = ZOO.iter().map(|specimen| specimen.name).collect();
            assert_eq!(names, TABLE.iter().map(|row| row.0).collect::<Vec<_>>());
            let mut shown = vec![$($name),*];
            names.sort_unstable();
            shown.sort_unstable();
            assert_eq!(names, shown);
        }
    };
}

exhibits! {
    one_that_hangs_before_the_attempt: "hangs before",
    one_that_hangs_after_the_attempt: "hangs after",
    one_that_hangs_when_it_is_loaded: "hangs when loaded",
    one_that_hangs_with_signals_blocked: "hangs with signals blocked",
    one_that_spins: "spins",
    one_that_stops_itself: "stops itself",
    one_that_crashes: "crashes",
    one_that_crashes_after_the_attempt: "crashes after",
    one_that_aborts: "aborts",
    one_that_exits: "exits",
    one_that_unwinds: "unwinds",
    one_that_kills_its_group: "kills its group",
    one_that_forks_and_holds_the_socket: "forks and holds the socket",
    one_that_allocates_without_end: "allocates without end",
    one_that_writes_to_the_socket: "writes to the socket",
    one_that_closes_descriptors: "closes descriptors",
    one_that_answers_a_code_nobody_knows: "answers a code nobody knows",
    one_that_changes_its_answer: "changes its answer",
    one_that_scribbles_on_its_input: "scribbles on its input",
    one_that_reenters: "reenters",
    one_that_handles_every_signal: "handles every signal",
    one_that_has_one_export: "has one export",
    one_that_is_for_another_machine: "is for another machine",
    one_that_is_a_pipe: "is a pipe",
    one_that_is_a_directory: "is a directory",
    one_that_is_writable_by_others: "is writable by others",
}

#[track_caller]
fn exhibit(name: &str) {
    let specimen = Specimen::named(name);
    let (_, listener, provider, in_process) =
        *TABLE.iter().find(|row| row.0 == name).unwrap_or_else(|| panic!("{name} has no row"));
    for policy in ["allow", "deny"] {
        as_listener(specimen, policy, listener);
    }
    as_provider(specimen, provider);
    if let Some(fate) = in_process {
        as_listener_in_process(specimen, fate);
    }
}

fn deadline(fate: Fate) -> u32 {
    match fate {
        Late | Suspended | Later(Late) => SHORT,
        _ => AMPLE,
    }
}

/// What is to be said in one of these words, and the word in the record.
fn words(fate: Fate) -> (&'static [&'static str], &'static [&'static str]) {
    match fate {
        Late => (&[LATE], &["late"]),
        Silent(words) => (words, &["ended", "garbage"]),
        Refused(_) => (&[], &["unloaded"]),
        _ => (&[], &[""]),
    }
}

#[track_caller]
fn says(told: &str, words: &[&str]) {
    assert!(words.is_empty() || words.iter().any(|word| told.contains(word)), "{words:?}: {told}");
}

/// The trail says of each operation what its caller got, from whom and why, and how long that took.
#[track_caller]
fn is_on_record(env: &TestEnv, got: &[Got], timeout: u32) {
    let (records, nested): (Vec<Value>, Vec<Value>) =
        on_record(env).into_iter().partition(|record| record["request"]["remote"] != r"\\srv\other");
    // What a plug-in asks for is an operation like any other.
    let traced = trace(env).into_iter().filter(|call| call.starts_with("nested"));
    assert_eq!(
        nested.iter().map(|record| format!("nested {}", record["status"])).collect::<Vec<_>>(),
        traced.collect::<Vec<_>>()
    );
    assert_eq!(records.len(), got.len(), "{records:?}");
    for (record, got) in records.iter().zip(got) {
        assert_eq!(record["status"], got.status, "{record}");
        assert_eq!(remarks(record), got.remarks, "{record}");
        if got.status != 0 && got.code == got.status {
            // Who decided is who gave the reason.
            let named = record["decided"]["name"].as_str().unwrap_or(&got.name);
            assert_eq!(
                (named, &record["reason"]["text"]),
                (&*got.name, &Value::from(&*got.text)),
                "{record}"
            );
        }
        let micros = u128::from(record["micros"].as_u64().expect("a number"));
        assert!(micros / 1000 <= got.milliseconds, "{record}: {got:?}");
        let given_up = remarks(record) == "late" && timeout == SHORT;
        assert!(!given_up || micros >= u128::from(SHORT) * 1000, "{record}");
    }
}

/// What the record of the plug-ins says of the one there is.
#[track_caller]
fn found(env: &TestEnv) -> Value {
    let text = std::fs::read_to_string(env.state_dir().join("audit/events.jsonl")).expect("a trail");
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut added = records
        .filter(|record| record["event"] == "plugins")
        .flat_map(|record| record["added"].as_array().cloned().unwrap_or_default());
    added.rfind(|plugin| plugin["name"] == "sinner").expect("it is on record")
}

fn as_listener(specimen: &Specimen, policy: &str, fate: Fate) {
    let timeout = deadline(fate);
    let register = || {
        let env = world();
        let path = specimen.notifyee(&env);
        env.notifyees_d(
            "sinner",
            &format!("path = {path:?}\nisolation = \"process\"\n{}\n", settings(timeout, policy)),
        )
    };
    let (env, got, told) = in_time(timeout, register, "a");
    let [got] = &got[..] else { panic!("{got:?}") };
    let connected = trace(&env).iter().any(|call| call == "add");
    is_on_record(&env, std::slice::from_ref(got), timeout);
    match fate {
        Late | Silent(_) | Refused(_) => {
            let (words, recorded) = words(fate);
            says(&told, words);
            assert!(recorded.contains(&&*got.remarks), "{got:?}");
            assert!(told.contains("notifyees.d/sinner.toml"), "{told}");
            if let Refused(why) = fate {
                assert!(told.contains(why), "{told}");
                assert!(found(&env)["refused"].as_str().expect("why").contains(why));
            }
            if policy == "allow" {
                assert_eq!((got.status, connected), (0, true), "{got:?}");
            } else {
                assert_eq!((got.status, got.code, &*got.name, connected), (5, 5, "sinner", false), "{got:?}");
                says(&got.text, words);
            }
        }
        Says(status) => {
            assert_eq!((got.status, connected, &*told), (status, status == 0, ""), "{got:?}");
            let calls = trace(&env);
            let nested = calls.iter().find(|call| call.starts_with("nested"));
            assert!(nested.is_none_or(|nested| nested == "nested 50"), "refused in a host: {calls:?}");
        }
        Later(fate) => {
            let (words, recorded) = words(*fate);
            assert_eq!((got.status, connected), (0, true), "the attempt stands: {got:?}");
            says(&told, words);
            assert!(recorded.contains(&&*got.remarks), "{got:?}");
        }
        Suspended => panic!("a notification library is asked but once"),
    }
}

fn as_provider(specimen: &Specimen, fate: Fate) {
    let timeout = deadline(fate);
    let register = || {
        _ = mpr_testkit::mpr_host();
        let env = TestEnv::new().without_builtin_providers();
        let path = specimen.provider(&env);
        let isolated = format!("isolation = \"process\"\ntimeout-ms = {timeout}");
        env.providers_d("sinner", &format!("name = \"Sin\"\npath = {path:?}\n{isolated}\n"))
    };
    // Waited for when it is asked what it can do, whether it has started, and what a device leads to.
    let calls = if matches!(fate, Suspended) { 3 } else { 1 };
    let (env, got, told) =
        in_time(calls * timeout, register, if matches!(fate, Later(_)) { "ac" } else { "a" });
    is_on_record(&env, &got, calls * timeout);
    let last = got.last().expect("an answer");
    match fate {
        Later(Late | Silent(_)) | Late | Silent(_) => {
            let (words, recorded) = words(if let Later(fate) = fate { *fate } else { fate });
            assert_eq!((last.status, last.code, &*last.name), (59, 59, "Sin"), "{got:?}");
            assert!(got[..got.len() - 1].iter().all(|got| got.status == 0), "{got:?}");
            says(&told, words);
            says(&last.text, words);
            assert!(recorded.contains(&&*last.remarks), "{got:?}");
            assert!(told.contains("providers.d/sinner.toml"), "{told}");
        }
        Refused(why) => {
            assert_eq!(last.status, 1222, "there is no provider: {got:?}");
            assert!(found(&env)["refused"].as_str().expect("why").contains(why));
            assert!(told.contains(why) && told.contains("providers.d/sinner.toml"), "{told}");
        }
        Suspended => {
            assert_eq!((last.status, &*last.remarks), (1222, "suspended"), "{got:?}");
            assert!(told.contains(LATE) && last.text.contains("failed 3 times in a row"), "{got:?}");
        }
        Says(status) => assert_eq!((last.status, &*told), (status, ""), "{got:?}"),
        Later(fate) => panic!("nobody sins like {fate:?} later"),
    }
}

fn as_listener_in_process(specimen: &Specimen, fate: Fate) {
    for policy in ["allow", "deny"] {
        let env = world();
        let path = specimen.notifyee(&env);
        let env = env.notifyees_d("sinner", &format!("path = {path:?}\non-failure = {policy:?}\n"));
        let (got, told) = run(&env, "a");
        is_on_record(&env, &got, AMPLE);
        match fate {
            Says(status) => assert_eq!((got[0].status, &*told), (status, ""), "{got:?}"),
            Refused(why) => {
                assert_eq!(got[0].status, if policy == "allow" { 0 } else { 5 }, "{got:?}");
                assert!(told.contains(why), "{told}");
            }
            other => panic!("no process survives {other:?}"),
        }
    }
}
