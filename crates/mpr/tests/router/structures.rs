//! What notification libraries are told of an operation: `spec/notification.md` §9.

use crate::scene::{ADD, Add, CANCEL, Cancel, Scene};
use mpr::{AddRequest, Router};
use mpr_plugin::{Status, wide};

/// What `WNetAddConnection` asks the router for: the type is that of the device, and the connection is to be
/// remembered.
fn add_connection(local: Option<&'static str>) -> Add {
    Add { kind: 0, local, flags: 1, ..ADD }
}

#[test]
fn s43_add_connection_has_no_owner_takes_the_type_of_its_device_and_is_persistent() {
    for (local, kind) in [(Some("Z:"), 1), (Some("LPT1"), 2), (None, 0)] {
        let told = format!("hwndOwner=NULL, dwType={kind}, dwAddFlags=1");
        Scene::of(&format!(
            "N1.pre(0){{{told}}}→0,c1 · P1{{dwType={kind}, dwFlags=1}}→0 · N1.post(0,c1){{{told}}}→0 ⇒0"
        ))
        .remembering("")
        .plays(add_connection(local));
    }
}

#[test]
fn s44_owner_and_flags_are_told_as_the_caller_gave_them() {
    let told = "hwndOwner=0x7700, dwType=1, dwAddFlags=0x18";
    Scene::of(&format!(
        "N1.pre(0){{{told}}}→0,c1 · P1{{hwndOwner=0x7700, dwType=1, dwFlags=0x18}}→0 · N1.post(0,c1){{{told}}}→0 ⇒0"
    ))
    .plays(Add { owner: 0x7700, flags: 0x18, ..ADD });
}

#[test]
fn d15_the_owner_is_told_whether_or_not_anybody_may_be_asked() {
    Scene::of("N1.pre(0){hwndOwner=0x7700, dwAddFlags=0}→0,∅ · P1→0 ⇒0").plays(Add { owner: 0x7700, ..ADD });
}

#[test]
fn d18_every_flag_is_told_and_passed_on() {
    // All named bits but the two that need a store.
    Scene::of("N1.pre(0){dwAddFlags=0x5fffc}→0,∅ · P1{dwFlags=0x5fffc}→0 ⇒0")
        .plays(Add { flags: 0x5_FFFC, ..ADD });
}

#[test]
fn d17_the_numbers_of_the_resource_are_copied_and_its_comment_is_not() {
    let stage = Scene::of(
        "N1.pre(0){dwScope=2, dwType=1, dwDisplayType=3, dwUsage=0x13}→0,c1 · P1→0 \
         · N1.post(0,c1){dwScope=2, dwType=1, dwDisplayType=3, dwUsage=0x13}→0 ⇒0",
    )
    .open();
    stage.plays(|router: &Router| {
        let remote = wide(r"\\srv\share");
        let request = AddRequest {
            scope: 2,
            kind: 1,
            display: 3,
            usage: 0x13,
            remote: Some(&remote),
            ..AddRequest::default()
        };
        router.add_connection(&request)
    });
}

#[test]
fn w10_type_0_with_a_device_is_replaced_by_the_type_of_the_device() {
    for (local, kind) in [("Z:", 1), ("lpt3", 2)] {
        Scene::of(&format!(
            "N1.pre(0){{dwType={kind}}}→0,c1 · P1{{dwType={kind}}}→0 · N1.post(0,c1){{dwType={kind}}}→0 ⇒0"
        ))
        .plays(Add { kind: 0, local: Some(local), ..ADD });
    }
    Scene::of("N1.pre(0){dwType=0}→0,∅ · P1{dwType=0}→0 ⇒0").plays(Add { kind: 0, local: None, ..ADD });
}

#[test]
fn d14_null_stays_null_and_an_empty_string_stays_an_empty_string() {
    Scene::of("N1.pre(0){lpLocalName=NULL, lpProvider=NULL}→0,∅ · P1→0 ⇒0").plays(Add { local: None, ..ADD });
    Scene::of("N1.pre(0){lpLocalName=\"\", lpProvider=\"\"}→0,∅ · P1→0 ⇒0").plays(Add {
        local: Some(""),
        provider: Some(""),
        ..ADD
    });
}

#[test]
fn d14_a_device_is_told_as_the_caller_spelled_it() {
    for (local, kind) in [("z:", 1), ("lpt1:", 2), ("LPT9", 2)] {
        Scene::of(&format!(
            "N1.pre(0){{lpLocalName=\"{local}\"}}→0,c1 · P1→0 · N1.post(0,c1){{lpLocalName=\"{local}\"}}→0 ⇒0"
        ))
        .plays(Add { local: Some(local), kind, ..ADD });
        Scene::of(&format!(
            "N1.pre(0){{lpName=\"{local}\"}}→0,c1 · P1→0 · N1.post(0,c1){{lpName=\"{local}\"}}→0 ⇒0"
        ))
        .plays(Cancel { name: local, ..CANCEL });
    }
}

#[test]
fn w6_a_provider_is_told_a_device_in_one_spelling_whichever_the_caller_uses() {
    for (local, kind, told) in [("z:", 1, "Z:"), ("lpt1:", 2, "LPT1"), ("Lpt9", 2, "LPT9")] {
        Scene::of(&format!("P1{{lpLocalName=\"{told}\"}}→0 ⇒0")).plays(Add {
            local: Some(local),
            kind,
            ..ADD
        });
        Scene::of(&format!("P1{{lpName=\"{told}\"}}→0 ⇒0")).plays(Cancel { name: local, ..CANCEL });
    }
}

#[test]
fn d16_after_a_failure_the_structure_is_that_of_the_call_before() {
    let told = "lpLocalName=NULL, lpRemoteName=\"\\\\srv\\share\", lpProvider=NULL";
    let stage = Scene::of(&format!(
        "N1.pre(0){{{told}}}→0,c1 · P1{{lpLocalName=\"Z:\"}}→5 · N1.post(5,c1){{{told}}}→0 ⇒5"
    ))
    .open();
    assert!(Add { local: None, flags: 0x80, ..ADD }.use_with_room(stage.router(), 4).is_err());
    stage.script.was_played(Status::ACCESS_DENIED);
}

#[test]
fn d16_after_a_veto_the_structure_is_that_of_the_call_before() {
    let told = "lpLocalName=\"Z:\", lpProvider=\"p1\"";
    Scene::of(&format!("N2.pre(0){{{told}}}→0,c2 · N1.pre(0){{{told}}}→8 · N2.post(8,c2){{{told}}}→0 ⇒8"))
        .plays(Add { provider: Some("p1"), ..ADD });
}

#[test]
fn d16_after_a_success_the_provider_is_told_by_its_registered_name() {
    Scene::of(
        "N1.pre(0){lpProvider=\"p1\"}→0,c1 · P1{lpProvider=\"p1\"}→0 · N1.post(0,c1){lpProvider=\"P1\"}→0 ⇒0",
    )
    .plays(Add { provider: Some("p1"), ..ADD });
}

#[test]
fn d16_before_a_repeated_attempt_nothing_of_the_failed_one_is_told() {
    let stage = Scene::of(
        "N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→53 · N1.post(53,c1)→1237 · N2.post(53,c2)→0 \
         · N2.pre(1237){lpLocalName=NULL, lpProvider=NULL}→0,d2 · P1→0 \
         · N1.post(0,c1){lpLocalName=\"Z:\", lpProvider=\"P1\"}→0 \
         · N2.post(0,d2){lpLocalName=\"Z:\", lpProvider=\"P1\"}→0 ⇒0",
    )
    .open();
    assert!(Add { local: None, flags: 0x80, ..ADD }.use_with_room(stage.router(), 4).is_ok());
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn d1_names_beyond_ascii_are_told_unchanged() {
    Scene::of(
        "N1.pre(0){lpRemoteName=\"\\\\srv\\Фото é 😀\"}→0,∅ · P1{lpRemoteName=\"\\\\srv\\Фото é 😀\"}→0 ⇒0",
    )
    .plays(Add { remote: Some(r"\\srv\Фото é 😀"), ..ADD });
}

#[test]
fn d20_the_flags_of_a_cancel_are_reduced_to_the_one_that_is_defined() {
    for (flags, told) in [(0x0, 0), (0x1, 1), (0x40, 0), (0x5_FFFF, 1), (0x5_FFFE, 0)] {
        Scene::of(&format!("N1.pre(0){{dwFlags={told}}}→0,c1 · P1→0 · N1.post(0,c1){{dwFlags={told}}}→0 ⇒0"))
            .remembering("")
            .plays(Cancel { flags, ..CANCEL });
    }
}

#[test]
fn d20_the_provider_of_a_cancel_is_empty_before_after_a_failure_and_after_a_veto() {
    Scene::of("N1.pre(0){lpProvider=\"\"}→0,c1 · P1→5 · N1.post(5,c1){lpProvider=\"\"}→0 ⇒5").plays(CANCEL);
    Scene::of("N2.pre(0){lpProvider=\"\"}→0,c2 · N1.pre(0)→8 · N2.post(8,c2){lpProvider=\"\"}→0 ⇒8")
        .plays(CANCEL);
}

#[test]
fn d22_of_several_providers_with_deviceless_connections_the_first_that_cancelled_is_told() {
    Scene::of("N1.pre(0)→0,c1 · P1→2250 · P2→0 · P3→0 · N1.post(0,c1){lpProvider=\"P2\"}→0 ⇒0")
        .plays(Cancel { name: r"\\srv\share", ..CANCEL });
}

#[test]
fn s1_3_no_part_of_the_credentials_is_told() {
    let stage =
        Scene::of("N1.pre(0)→0,c1 · P1{lpUserName=\"ann\", lpPassword=\"secret\"}→0 · N1.post(0,c1)→0 ⇒0")
            .open();
    stage.plays(Add { user: Some("ann"), password: Some("secret"), ..ADD });
    for told in stage.script.transcript().contents("N1") {
        let told = told.to_string();
        assert!(!told.contains("ann") && !told.contains("secret"), "{told}");
    }
}

/// Nothing above would notice a structure that is only right for the first library of several.
#[test]
fn s9_all_libraries_are_told_the_same() {
    let stage = Scene::of(
        "N3.pre(0)→0,c3 · N2.pre(0)→0,c2 · N1.pre(0)→0,c1 · P1→0 · N1.post(0,c1)→0 · N2.post(0,c2)→0 \
         · N3.post(0,c3)→0 ⇒0",
    )
    .open();
    assert_eq!(Add { local: None, flags: 0x80, ..ADD }.use_with_room(stage.router(), 4).as_deref(), Ok("Z:"));
    for pass in ["pre", "post"] {
        let contents: Vec<_> =
            (1..=3).flat_map(|n| stage.script.transcript().contents(&format!("N{n}.{pass}"))).collect();
        assert_eq!(contents.len(), 3);
        assert!(contents.iter().all(|told| *told == contents[0]), "{contents:?}");
    }
}
