//! The worked scenarios of `spec/notification.md` §16 through the whole router.
//!
//! That the rules alone play them is tested beside the rules; here the parties are called through the router,
//! which must neither add nor lose a call on the way.

use crate::scene::{ADD, Add, CANCEL, Cancel, Operation, Scene, access};
use mpr::{UseError, extended_error};
use mpr_plugin::{Event, Status, last_error, wide};

/// Number in §16, how many notification libraries there are, the retry limit if it is not 16, and the line.
type Row = (u32, usize, Option<u32>, &'static str);

const ADDS: &[Row] = &[
    (1, 0, None, "P1→0 ⇒0"),
    (2, 1, None, "N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→0 ⇒0"),
    (3, 1, None, "N1.pre(0)→0,∅ · P1→0 ⇒0"),
    (4, 1, None, "N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 ⇒5"),
    (5, 1, None, "N1.pre(0)→0,∅ · P1→5 ⇒5"),
    (6, 1, None, "N1.pre(0)→1223,c1 ⇒1223"),
    (7, 1, None, "N1.pre(0)→8,∅ ⇒8"),
    (8, 1, None, "N1.pre(0)→1237,c1 · P1→0 · N1.post(0,c1)→0 ⇒0"),
    (9, 1, None, "N1.pre(0)→1237,∅ · P1→0 ⇒0"),
    (10, 1, None, "N1.pre(0)→50,∅ ⇒50"),
    (11, 1, None, "N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→1223 ⇒0"),
    (12, 1, None, "N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→1237 ⇒0"),
    (13, 1, None, "N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→8 ⇒0"),
    (14, 1, None, "N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→1223 ⇒1223"),
    (15, 1, None, "N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→31 ⇒31"),
    (17, 1, None, "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→0 · N1.post(0,c1)→0 ⇒0"),
    (18, 1, None, "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→53 · N1.post(53,c1)→0 ⇒53"),
    (19, 1, None, "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→86 · N1.post(86,c1)→5 ⇒5"),
    (
        20,
        1,
        Some(2),
        "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→53 · N1.post(53,c1)→1237 · P1→53 \
         · N1.post(53,c1)→1237 ⇒53",
    ),
    (21, 1, Some(0), "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 ⇒53"),
    (22, 1, None, "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 leaving ∅ · P1→53 ⇒53"),
    (23, 1, None, "N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 leaving c9 · P1→0 · N1.post(0,c9)→0 ⇒0"),
    (
        24,
        3,
        None,
        "N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→0 · N2.post(0,c2)→0 \
         · N3.post(0,c3)→0 ⇒0",
    ),
    (
        25,
        3,
        None,
        "N3.pre(0)→0,c3 · N2.pre(0)→0,∅ · N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→0 · N3.post(0,c3)→0 ⇒0",
    ),
    (26, 3, None, "N3.pre(0)→0,c3 · N2.pre(0)→5,c2 · N3.post(5,c3)→1237 ⇒5"),
    (27, 2, None, "N2.pre(0)→0,c2 · N1.pre(0)→1223 · N2.post(1223,c2)→1237 ⇒1223"),
    (28, 2, None, "N2.pre(0)→1223 ⇒1223"),
    (29, 2, None, "N2.pre(0)→0,∅ · N1.pre(0)→1223 ⇒1223"),
    (30, 2, None, "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→0 · N2.post(5,c2)→31 ⇒31"),
    (31, 2, None, "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→8 · N2.post(5,c2)→31 ⇒8"),
    (32, 2, None, "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→8 · N2.post(5,c2)→1223 ⇒1223"),
    (
        33,
        2,
        None,
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→5 · N1.post(5,c1)→1237 · N2.post(5,c2)→1223 \
         · N1.post(1223,c1)→1237 ⇒1223",
    ),
    (
        34,
        2,
        None,
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
         · N2.pre(1237)→0,d2 · P1→0 · N1.post(0,c1)→0 · N2.post(0,d2)→0 ⇒0",
    ),
    (
        35,
        2,
        None,
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→8 \
         · N2.pre(1237)→0,d2 · P1→0 · N1.post(0,c1)→0 · N2.post(0,d2)→0 ⇒0",
    ),
    (
        36,
        2,
        None,
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→1237 · P1→0 \
         · N1.post(0,c1)→0 · N2.post(0,c2)→0 ⇒0",
    ),
    (
        37,
        2,
        None,
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
         · N2.pre(1237)→1223 · N1.post(1223,c1)→8 ⇒1223",
    ),
    (38, 2, None, "N2.pre(0)→0,∅ · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · P1→0 · N1.post(0,c1)→0 ⇒0"),
    (40, 1, None, "N1.pre(0)→0,c1 · P1→86 · P2→67 · N1.post(86,c1)→0 ⇒86"),
    (41, 1, None, "N1.pre(0)→0,c1 · P1→1222 · P2→1222 · N1.post(1222,c1)→0 ⇒1222"),
    (42, 1, None, "N1.pre(0)→0,c1 · P1→85 · N1.post(85,c1)→0 ⇒85"),
];

const CANCELS: &[Row] = &[
    (62, 1, None, "N1.pre(0)→0,c1 · P1→2401 · N1.post(2401,c1)→1237 · P1→0 · N1.post(0,c1)→0 ⇒0"),
    (63, 1, None, "N1.pre(0)→1223 ⇒1223"),
    (64, 1, None, "N1.pre(0)→0,c1 · P1→2250 · P2→2250 · N1.post(2250,c1)→0 ⇒2250"),
];

/// A scenario of another line, so that the number is in the message.
fn play(rows: &[Row], operation: impl Operation + Copy) {
    for &(number, notifyees, retry_limit, line) in rows {
        let scene = Scene::of(line).notifyees(notifyees);
        let scene = match retry_limit {
            Some(limit) => scene.retry_limit(limit),
            None => scene,
        };
        let stage = scene.open();
        let result = operation.run(stage.router());
        assert_eq!(stage.script.played(result), line, "scenario {number}");
    }
}

#[test]
fn s01_to_s42_adds_are_announced_as_written() {
    play(ADDS, ADD);
}

/// The rules are the same for both kinds; only what is told of the operation differs.
#[test]
fn s01_to_s42_hold_for_cancels_where_no_provider_is_asked_on() {
    let one_provider = |row: &&Row| !row.3.contains("P2");
    // 1222 and 2250 differ (§3.2 of wnet.md), and 42 is about adds.
    for row in ADDS.iter().filter(one_provider).filter(|row| row.0 < 40) {
        play(&[*row], CANCEL);
    }
}

#[test]
fn s62_to_s64_cancels_are_announced_as_written() {
    play(CANCELS, CANCEL);
}

#[test]
fn s11_to_s13_an_answer_after_a_success_leaves_the_connection_in_place() {
    for answer in [1223, 1237, 8] {
        let stage = Scene::of(&format!("N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→{answer} ⇒0")).open();
        stage.plays(ADD);
        assert_eq!(stage.providers[0].remote_of("Z:").as_deref(), Some(r"\\srv\share"), "{answer}");
    }
}

#[test]
fn s16_an_extended_error_of_a_notification_library_is_what_the_application_reads() {
    Scene::of("N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1208 ⇒1208")
        .notifyee(1, |n| n.doing(|_| last_error::set(42, "no carrier", "DialNet")))
        .plays(ADD);
    let error = extended_error::recorded();
    assert_eq!(error.code, 42);
    assert_eq!(error.text, wide("no carrier"));
    assert_eq!(error.provider, wide("DialNet"));
}

#[test]
fn s39_the_provider_that_connected_is_named_after_the_attempt_and_none_before() {
    Scene::of("N1.pre(0){lpProvider=NULL}→0,c1 · P1→67 · P2→0 · N1.post(0,c1){lpProvider=\"P2\"}→0 ⇒0")
        .plays(ADD);
}

#[test]
fn s45_an_automatic_device_is_told_after_the_attempt() {
    let stage = Scene::of(
        "N1.pre(0){lpLocalName=NULL, dwAddFlags=0x80}→0,c1 · P1{lpLocalName=\"Z:\", dwFlags=0x80}→0 \
         · N1.post(0,c1){lpLocalName=\"Z:\", lpProvider=\"P1\", dwAddFlags=0x80}→0 ⇒0",
    )
    .open();
    let add = Add { local: None, flags: 0x80, ..ADD };
    assert_eq!(add.use_with_room(stage.router(), 4).as_deref(), Ok("Z:"));
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn s46_a_repeated_attempt_chooses_the_device_anew() {
    // Z: is taken behind the router's back, and given back before the attempt is repeated.
    let stage = Scene::of(
        "N1.pre(0)→0,c1 · P1{lpLocalName=\"Y:\"}→53 · N1.post(53,c1)→1237 · P1{lpLocalName=\"Z:\"}→0 \
         · N1.post(0,c1){lpLocalName=\"Z:\"}→0 ⇒0",
    )
    .provider(1, |p| p.connected(Some("Z:"), r"\\other\x"));
    let provider = stage.provider_handle(1);
    let stage = stage.notifyee(1, move |n| {
        n.doing(move |called| {
            if called.status == Status::BAD_NETPATH {
                provider.disconnected("Z:");
            }
        })
    });
    let stage = stage.open();
    let add = Add { local: None, flags: 0x80, ..ADD };
    assert_eq!(add.use_with_room(stage.router(), 4).as_deref(), Ok("Z:"));
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn s46_a_device_that_is_busy_is_passed_over_without_another_pre() {
    let stage = Scene::of(
        "N1.pre(0)→0,c1 · P1{lpLocalName=\"Z:\"}→85 · P1{lpLocalName=\"Y:\"}→0 \
         · N1.post(0,c1){lpLocalName=\"Y:\"}→0 ⇒0",
    )
    .open();
    let add = Add { local: None, flags: 0x80, ..ADD };
    assert_eq!(add.use_with_room(stage.router(), 4).as_deref(), Ok("Y:"));
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn s57_an_access_name_without_room_is_refused_before_anybody_is_told() {
    let stage = Scene::of("⇒234").notifyees(1).open();
    let used = ADD.use_with(stage.router(), Some(access(Some(1))));
    assert_eq!(used, Err(UseError::AccessNameTooLong { needed: 3 }));
    stage.script.was_played(Status::MORE_DATA);
    assert!(stage.providers[0].asked().is_empty(), "nor is a provider asked anything");
}

#[test]
fn s60_a_cancel_names_its_provider_once_it_has_one() {
    Scene::of(
        "N1.pre(0){lpName=\"Z:\", lpProvider=\"\", dwFlags=0, fForce=0}→0,c1 · P1→0 \
         · N1.post(0,c1){lpName=\"Z:\", lpProvider=\"P1\", dwFlags=0, fForce=0}→0 ⇒0",
    )
    .plays(CANCEL);
}

#[test]
fn s61_a_cancel_that_failed_names_no_provider() {
    Scene::of("N1.pre(0)→0,c1 · P1→2401 · N1.post(2401,c1){lpProvider=\"\"}→0 ⇒2401").plays(CANCEL);
}

#[test]
fn s63_a_vetoed_cancel_leaves_connection_and_entry_alone() {
    let entry = "[drives.\"Z:\"]\nRemotePath = '\\\\srv\\share'\n";
    let stage = Scene::of("N1.pre(0)→1223 ⇒1223")
        .provider(1, |p| p.connected(Some("Z:"), r"\\srv\share"))
        .remembering(entry)
        .open();
    stage.plays(Cancel { flags: 1, ..CANCEL });
    assert!(stage.providers[0].remote_of("Z:").is_some());
    assert_eq!(stage.connections(), entry);
}

#[test]
fn s65_forgetting_what_is_only_remembered_names_the_provider_of_the_entry() {
    for (entry, provider) in [("ProviderName = \"Old Net\"\n", "Old Net"), ("", "")] {
        let stage = Scene::of(&format!(
            "N1.pre(0){{dwFlags=1, lpProvider=\"\"}}→0,c1 · P1→2250 \
             · N1.post(0,c1){{lpProvider=\"{provider}\"}}→0 ⇒0"
        ))
        .remembering(&format!("[drives.\"Z:\"]\nRemotePath = '\\\\srv\\share'\n{entry}"))
        .open();
        stage.plays(Cancel { flags: 1, ..CANCEL });
        assert_eq!(stage.router().store().unwrap().entries().unwrap(), []);
    }
}

#[test]
fn s66_force_and_forgetting_are_told() {
    Scene::of(
        "N1.pre(0){dwFlags=1, fForce=1}→0,c1 · P1{dwFlags=1, fForce=1}→0 \
         · N1.post(0,c1){dwFlags=1, fForce=1}→0 ⇒0",
    )
    .remembering("")
    .plays(Cancel { flags: 1, force: true, ..CANCEL });
}

#[test]
fn s67_a_cancel_by_remote_name_is_told_by_that_name() {
    Scene::of(
        "N1.pre(0){lpName=\"\\\\srv\\share\", lpProvider=\"\"}→0,c1 · P1→0 · P2→2250 \
         · N1.post(0,c1){lpName=\"\\\\srv\\share\", lpProvider=\"P1\"}→0 ⇒0",
    )
    .plays(Cancel { name: r"\\srv\share", ..CANCEL });
}

#[test]
fn s68_two_cancels_are_two_cycles() {
    let stage = Scene::of(
        "N1.pre(0){fForce=0}→0,c1 · P1→2401 · N1.post(2401,c1){fForce=0}→0 \
         · N1.pre(0){fForce=1}→0,c2 · P1→0 · N1.post(0,c2){fForce=1}→0 ⇒0",
    )
    .open();
    assert_eq!(CANCEL.run(stage.router()), Status::OPEN_FILES);
    stage.plays(Cancel { force: true, ..CANCEL });
}

#[test]
fn s69_a_library_without_add_connect_notify_hears_of_cancels_only() {
    let only_cancels = |line| Scene::of(line).notifyees(1).notifyee(1, |n| n.only(Event::Cancel));
    only_cancels("P1→0 ⇒0").plays(ADD);
    only_cancels("N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→0 ⇒0").plays(CANCEL);
    let only_adds = |line| Scene::of(line).notifyees(1).notifyee(1, |n| n.only(Event::Add));
    only_adds("N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→0 ⇒0").plays(ADD);
    only_adds("P1→0 ⇒0").plays(CANCEL);
}

#[test]
fn s74_a_context_that_is_no_address_comes_back_as_it_was() {
    for context in ["0x1", "0xffffffffffffffff"] {
        Scene::of(&format!("N1.pre(0)→0,{context} · P1→0 · N1.post(0,{context})→0 ⇒0")).plays(ADD);
    }
}
