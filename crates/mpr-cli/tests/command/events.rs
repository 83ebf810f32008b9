//! The audit trail, as it is kept and shown.

use crate::environment::{Environment, detached};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// The records about operations.
fn operations(it: &Environment) -> Vec<Value> {
    let events = it.json(&["events", "--json"]);
    events.into_iter().filter(|event| event["event"] == "operation").collect()
}

fn trail(it: &Environment) -> String {
    it.read("state/audit/events.jsonl")
}

#[test]
fn what_was_connected_and_disconnected_is_shown_with_who_decided() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/photos", "Z:", "--user", "ann"]);
    it.out(&["disconnect", "Z:"]);
    let shown = it.out(&["events"]);
    assert!(shown.contains(r"connect Z: to \\test\photos: done, by the provider Test Network"), "{shown}");
    assert!(shown.contains("disconnect Z:: done, by the provider Test Network"), "{shown}");
    let [added, cancelled] = &*operations(&it) else { panic!("{}", trail(&it)) };
    assert_eq!(added["request"]["user"], "ann");
    assert_eq!(added["by"]["program"], env!("CARGO_BIN_EXE_mpr"));
    assert_eq!(added["decided"], json!({ "by": "provider", "name": "Test Network" }));
    assert_eq!((&added["kind"], &cancelled["kind"]), (&json!("add"), &json!("cancel")));
    assert_ne!(added["operation"], cancelled["operation"]);
}

#[test]
fn an_attempt_that_failed_is_on_record_too() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/photos", "Z:"]);
    it.mpr(&["connect", "//test/other", "Z:"]).code(1);
    it.mpr(&["connect", "//test/denied"]).code(1);
    let [_, in_use, denied] = &*operations(&it) else { panic!("{}", trail(&it)) };
    assert_eq!((&in_use["status"], &in_use["decided"]["by"]), (&json!(85), &json!("router")));
    assert_eq!((&denied["status"], &denied["decided"]["by"]), (&json!(5), &json!("provider")));
}

#[test]
fn the_reason_of_a_veto_reaches_the_user_the_program_and_the_record() {
    let source = "DWORD WNetSetLastErrorA(DWORD, const char *, const char *); \
                  DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) \
                  { WNetSetLastErrorA(1223, \"ask the help desk first\", \"desk\"); return 1223; }";
    let it = Environment::with_test_network();
    let library = it.compile("desk", source, &[]);
    it.write("system/notifyees.d/desk.toml", &format!("path = {library:?}\n"));
    reason_is_told(&it, "ask the help desk first", "listener", "desk", 1223);

    let it = Environment::with_test_network();
    let policy = "[[rule]]\nname = \"not here\"\naction = \"deny\"\nremote = '\\\\test\\*'\nreason = \"ask the help desk first\"\n";
    it.write("system/policy.d/10-test.toml", policy);
    reason_is_told(&it, "ask the help desk first", "listener", "policy", 5);
}

#[track_caller]
fn reason_is_told(it: &Environment, reason: &str, by: &str, name: &str, status: u32) {
    let told = it.mpr(&["connect", "//test/photos"]).code(1);
    assert!(told.err.contains(reason), "{}", told.err);
    let told = it.mpr(&["connect", "//test/photos", "--json"]).code(1);
    let error: Value = serde_json::from_str(&told.err).unwrap();
    assert!(error["error"]["extended"]["text"].as_str().unwrap().contains(reason), "{error}");
    let record = &operations(it)[1];
    assert_eq!(record["decided"], json!({ "by": by, "name": name }));
    assert!(record["reason"]["text"].as_str().unwrap().contains(reason), "{record}");
    assert_eq!(record["status"], status);
    assert!(it.out(&["events"]).contains(reason));
}

#[test]
fn a_restore_is_on_record_and_marked_so() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/photos", "Z:", "--persist"]);
    it.out(&["disconnect", "Z:"]);
    it.out(&["restore"]);
    let records = operations(&it);
    let restored: Vec<&Value> = records.iter().filter(|record| record["restore"] == true).collect();
    let [restored] = *restored else { panic!("{}", trail(&it)) };
    assert_eq!(restored["request"]["local"], "Z:");
    let asked = restored["steps"].as_array().unwrap().iter().filter(|step| step["step"] == "notified");
    assert_eq!(asked.count(), 0);
}

#[test]
fn no_password_is_on_record() {
    let it = Environment::with_test_network();
    let connect = ["connect", "//test/locked", "Z:", "--user", "ann", "--password-stdin"];
    it.mpr_with_input(&connect, "sesame\n").code(0);
    it.mpr(&["connect", "smb://ann:sesame@test/locked"]).code(2);
    assert!(!trail(&it).contains("sesame"), "{}", trail(&it));
    assert_eq!(operations(&it)[0]["request"]["user"], "ann");
}

#[test]
fn a_trail_is_verified_and_a_change_is_found() {
    let it = Environment::with_test_network();
    for share in ["one", "two", "three"] {
        it.out(&["connect", &format!("//test/{share}")]);
    }
    let told = it.out(&["events", "verify"]);
    assert!(told.contains("every record is there and as it was written"), "{told}");
    assert_eq!(it.json(&["events", "verify", "--json"])[0]["whole"], true);
    let changed = trail(&it).replace(r"\\\\test\\two", r"\\\\test\\six");
    it.write("state/audit/events.jsonl", &changed);
    let told = it.mpr(&["events", "verify"]).code(1);
    assert!(told.err.contains("one of them was changed"), "{}", told.err);
    let told = it.mpr(&["events", "verify", "--json"]);
    assert_eq!(told.code, 1);
    let report: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(report["flaws"].as_array().unwrap().len(), 1, "{report}");
}

#[test]
fn some_records_can_be_asked_for() {
    let it = Environment::with_test_network();
    for share in ["one", "two", "three"] {
        it.out(&["connect", &format!("//test/{share}")]);
    }
    let numbers = |arguments: &[&str]| -> Vec<Value> {
        let arguments = [&["events", "--json"], arguments].concat();
        it.json(&arguments).iter().map(|record| record["seq"].clone()).collect()
    };
    let all = numbers(&[]);
    assert_eq!(all, (1..=all.len()).map(Value::from).collect::<Vec<_>>());
    assert_eq!(numbers(&["--since", "2"]), all[2..]);
    assert_eq!(numbers(&["--limit", "1"]), all[all.len() - 1..]);
    assert_eq!(it.out(&["events", "--json"]), trail(&it));
}

#[test]
fn whoever_follows_sees_what_is_done_meanwhile() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/before"]);
    let mut command = it.command(&["events", "--follow", "--json", "--limit", "1"]);
    let mut follower = detached(&mut command).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["request"]["remote"], r"\\test\before");
    it.out(&["connect", "//test/after"]);
    assert_eq!(next()["request"]["remote"], r"\\test\after");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn where_a_trail_is_required_nothing_is_connected_without_it() {
    let it = Environment::with_test_network();
    let settings = it.read("system/mpr.toml");
    it.write("system/mpr.toml", &format!("audit = \"required\"\n{settings}"));
    // Whoever comes later may ask for more, and not for less.
    it.write("user/mpr.toml", "audit = \"off\"\n");
    it.write("state/audit", "in the way");
    let told = it.mpr(&["connect", "//test/photos", "Z:"]).code(1);
    assert!(told.err.contains("ERROR_AUDIT_FAILED (606)"), "{}", told.err);
    assert_eq!(it.json(&["list", "--json"]), [Value::Null; 0]);
    fs::remove_file(it.path("state/audit")).unwrap();
    it.out(&["connect", "//test/photos", "Z:"]);
    let events: Vec<Value> =
        it.json(&["events", "--json"]).iter().map(|record| record["event"].clone()).collect();
    assert!(events.contains(&json!("gap")) && events.contains(&json!("intent")), "{events:?}");
    it.out(&["events", "verify"]);
}

#[test]
fn without_a_trail_nothing_is_written() {
    let it = Environment::with_test_network();
    it.write("user/mpr.toml", "audit = \"off\"\n");
    it.out(&["connect", "//test/photos"]);
    assert!(!it.exists("state/audit"));
    assert_eq!(it.mpr(&["events"]).code(0).err, "there are no records\n");
}

#[test]
fn several_programs_write_at_once_and_lose_nothing() {
    const PROGRAMS: usize = 8;
    let it = Environment::with_test_network();
    let programs: Vec<_> = (0..PROGRAMS)
        .map(|number| {
            let share = format!("//test/share{number}");
            detached(&mut it.command(&["connect", &share])).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut program in programs {
        assert!(program.wait().unwrap().success());
    }
    assert_eq!(operations(&it).len(), PROGRAMS);
    it.out(&["events", "verify"]);
}

#[test]
fn another_plug_in_is_on_record() {
    let it = Environment::with_test_network();
    it.out(&["connect", "//test/photos"]);
    let library = it.compile("new", "DWORD AddConnectNotify(NOTIFYINFO *i, NOTIFYADD *a) { return 0; }", &[]);
    it.write("user/notifyees.d/new.toml", &format!("path = {library:?}\n"));
    it.out(&["connect", "//test/other"]);
    it.out(&["connect", "//test/another"]);
    let events = it.json(&["events", "--json"]);
    let changes: Vec<&Value> =
        events.iter().filter(|e| e["event"] == "plugins" && e["kind"] == "notifyees").collect();
    assert_eq!(changes.len(), 1, "{events:#?}");
    assert_eq!(changes[0]["added"][0]["name"], "new");
}
