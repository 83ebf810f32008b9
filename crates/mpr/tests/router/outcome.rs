//! What the application gets, and what the store holds when notification libraries look: `spec/notification.md`
//! §12.

use crate::scene::{ADD, Add, CANCEL, Cancel, Operation, Scene};
use mpr::extended_error;
use mpr_core::device::LocalDevice;
use mpr_plugin::{Status, last_error, wide};
use std::fs;
use std::sync::{Arc, Mutex};

const ENTRY: &str = "[drives.\"Z:\"]\nRemotePath = '\\\\srv\\share'\n";

#[test]
fn s12_2_a_veto_writes_nothing_to_the_store() {
    let stage = Scene::of("N1.pre(0)→5,∅ ⇒5").remembering("").open();
    stage.plays(Add { flags: 3, ..ADD });
    assert_eq!(stage.connections(), "");
}

#[test]
fn s12_4_a_failed_attempt_writes_nothing_to_the_store() {
    let stage = Scene::of("N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 ⇒5").remembering("").open();
    stage.plays(Add { flags: 3, ..ADD });
    assert_eq!(stage.connections(), "");
}

/// What each call to N1 finds remembered for Z:.
fn seen_by_n1(line: &str, connections: &str, operation: impl Operation) -> Vec<Option<String>> {
    let scene = Scene::of(line).remembering(connections);
    let (later, seen) = (scene.later(), Arc::new(Mutex::new(Vec::new())));
    let writes = Arc::clone(&seen);
    let scene = scene.notifyee(1, |n| {
        n.doing(move |_| {
            let entry = later.router().store().unwrap().entry(&LocalDevice::Drive('Z')).unwrap();
            writes.lock().unwrap().push(entry.map(|entry| entry.remote));
        })
    });
    scene.plays(operation);
    std::mem::take(&mut *seen.lock().unwrap())
}

#[test]
fn d27_the_entry_is_written_before_the_post_calls_of_an_add() {
    let seen = seen_by_n1("N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→0 ⇒0", "", Add { flags: 1, ..ADD });
    assert_eq!(seen, [None, Some(r"\\srv\share".to_owned())]);
}

#[test]
fn d27_the_entry_is_removed_before_the_post_calls_of_a_cancel() {
    let line = "N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→0 ⇒0";
    let seen = seen_by_n1(line, ENTRY, Cancel { flags: 1, ..CANCEL });
    assert_eq!(seen, [Some(r"\\srv\share".to_owned()), None]);
}

#[test]
fn s49_a_store_that_breaks_during_the_attempt_is_not_told_but_is_what_the_application_gets() {
    // A directory in the place of the file cannot be opened, whoever the tests run as.
    type Break = fn(&std::path::Path);
    let broken: [(u32, Break); 2] =
        [(1205, |file| fs::create_dir(file).unwrap()), (1206, |file| fs::write(file, "[drives\n").unwrap())];
    for (code, break_it) in broken {
        let scene =
            Scene::of(&format!("N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1){{lpProvider=\"P1\"}}→0 ⇒{code}"))
                .remembering("");
        let later = scene.later();
        let stage =
            scene.provider(1, |p| p.doing(move |_| break_it(later.router().store().unwrap().path()))).open();
        stage.plays(Add { flags: 1, ..ADD });
        assert!(stage.providers[0].remote_of("Z:").is_some(), "the connection stays");
    }
}

#[test]
fn s49_a_cancel_that_cannot_forget_says_so_although_it_cancelled() {
    let scene =
        Scene::of("N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1){lpProvider=\"P1\"}→0 ⇒1206").remembering(ENTRY);
    let later = scene.later();
    scene
        .provider(1, |p| {
            p.doing(move |_| fs::write(later.router().store().unwrap().path(), "[drives\n").unwrap())
        })
        .plays(Cancel { flags: 1, ..CANCEL });
}

#[test]
fn d27_an_answer_after_the_attempt_does_not_hide_what_the_store_said() {
    let scene = Scene::of("N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→1223 ⇒1206").remembering("");
    let later = scene.later();
    scene
        .provider(1, |p| {
            p.doing(move |_| fs::write(later.router().store().unwrap().path(), "[drives\n").unwrap())
        })
        .plays(Add { flags: 1, ..ADD });
}

#[test]
fn s12_5_the_extended_error_is_what_was_last_written_on_this_thread() {
    extended_error::clear();
    Scene::of("N1.pre(0)→0,c1 · P1→1208 · N1.post(1208,c1)→0 ⇒1208")
        .provider(1, |p| p.doing(|_| last_error::set(7, "wrong phase of the moon", "P1")))
        .plays(ADD);
    assert_eq!(extended_error::recorded().text, wide("wrong phase of the moon"));

    // A later operation does not clear it, whatever it comes to (DECISION W32).
    Scene::of("P1→0 ⇒0").plays(ADD);
    Scene::of("P1→5 ⇒5").plays(ADD);
    Scene::of("⇒1200").plays(Add { local: Some("Q"), ..ADD });
    assert_eq!(extended_error::recorded().code, 7);
}

#[test]
fn w_58_an_extended_error_is_not_seen_on_another_thread() {
    Scene::of("P1→1208 ⇒1208").provider(1, |p| p.doing(|_| last_error::set(7, "text", "P1"))).plays(ADD);
    assert_eq!(extended_error::recorded().code, 7);
    let elsewhere = std::thread::spawn(extended_error::recorded).join().unwrap();
    assert_eq!(elsewhere, extended_error::ExtendedError::default());
}

#[test]
fn s12_4_a_store_is_not_touched_by_an_operation_that_has_no_use_for_it() {
    let stage = Scene::of("P1→5 · P1→0 · P1→2401 · P1→0 ⇒0").remembering(ENTRY).open();
    assert_eq!(ADD.run(stage.router()), Status::ACCESS_DENIED);
    assert_eq!(ADD.run(stage.router()), Status::SUCCESS);
    assert_eq!(CANCEL.run(stage.router()), Status::OPEN_FILES);
    stage.plays(CANCEL);
    assert_eq!(stage.connections(), ENTRY);
}
