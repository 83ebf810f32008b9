//! Adding connections: `spec/wnet.md` §4.

use crate::scene::{ADD, Add, Operation, Scene, access};
use mpr::UseError;
use mpr_plugin::{Status, wide};

#[test]
fn w_1_w_2_a_device_is_connected_with_its_type_given_or_not() {
    for kind in [1, 0] {
        let stage =
            Scene::of("P1{dwType=1, lpLocalName=\"Z:\", lpRemoteName=\"\\\\srv\\share\"}→0 ⇒0").open();
        stage.plays(Add { kind, ..ADD });
        assert_eq!(stage.router().connection(&wide("z:")).unwrap().remote(), &*wide(r"\\srv\share"));
    }
}

#[test]
fn s4_2_credentials_reach_the_provider_with_null_and_empty_told_apart() {
    for (user, password, told) in [
        (None, None, "lpUserName=NULL, lpPassword=NULL"),
        (Some(""), Some(""), "lpUserName=\"\", lpPassword=\"\""),
        (Some(r"CORP\ann"), Some("pässword"), "lpUserName=\"CORP\\ann\", lpPassword=\"pässword\""),
    ] {
        Scene::of(&format!("P1{{{told}}}→0 ⇒0")).plays(Add { user, password, ..ADD });
    }
}

#[test]
fn w_25_use_without_a_place_for_the_access_name_is_well() {
    let stage = Scene::of("P1→0 ⇒0").open();
    assert!(ADD.use_with(stage.router(), None).is_ok());
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn w_28_use_with_a_device_reports_the_device_as_it_was_given() {
    for (local, room) in [("J:", 4), ("J:", 3), ("j:", 3)] {
        let stage = Scene::of("P1→0 ⇒0").open();
        let add = Add { local: Some(local), ..ADD };
        assert_eq!(add.use_with_room(stage.router(), room).as_deref(), Ok(local));
    }
}

#[test]
fn w_29_use_without_a_device_reports_the_remote_name() {
    let stage = Scene::of("P1{lpLocalName=NULL}→0 ⇒0").open();
    let add = Add { local: None, ..ADD };
    assert_eq!(add.use_with_room(stage.router(), 64).as_deref(), Ok(r"\\srv\share"));
}

#[test]
fn w13_the_router_asks_nobody_for_another_password() {
    Scene::of("P1{dwFlags=0x18}→86 ⇒86").plays(Add { flags: 0x18, ..ADD });
}

#[test]
fn s4_3_redirection_has_no_effect_on_a_device_that_is_given() {
    Scene::of("P1{lpLocalName=\"M:\", dwFlags=0x80}→0 ⇒0").plays(Add {
        local: Some("M:"),
        flags: 0x80,
        ..ADD
    });
}

const AUTOMATIC: Add = Add { local: None, flags: 0x80, ..ADD };

/// The device chosen when `taken` are taken.
fn chosen(kind: u32, taken: &[&str], remembered: &str) -> Result<String, UseError> {
    let scene = Scene::of("⇒0").remembering(remembered);
    let stage = scene
        .provider(1, |p| {
            taken.iter().fold(p.otherwise(Status::SUCCESS), |p, local| p.connected(Some(local), r"\\other\x"))
        })
        .open();
    Add { kind, ..AUTOMATIC }.use_with(stage.router(), Some(access(Some(16))))
}

#[test]
fn w15_drives_are_chosen_from_z_down_and_printers_from_lpt1_up() {
    assert_eq!(chosen(1, &[], "").as_deref(), Ok("Z:"));
    assert_eq!(chosen(1, &["Z:", "Y:", "W:"], "").as_deref(), Ok("X:"));
    assert_eq!(chosen(2, &[], "").as_deref(), Ok("LPT1"));
    assert_eq!(chosen(2, &["LPT1", "LPT2"], "").as_deref(), Ok("LPT3"));
}

#[test]
fn w15_a_device_remembered_for_another_resource_is_passed_over() {
    let remembered = |remote| format!("[drives.\"Z:\"]\nRemotePath = '{remote}'\n");
    assert_eq!(chosen(1, &[], &remembered(r"\\other\x")).as_deref(), Ok("Y:"));
    assert_eq!(chosen(1, &[], &remembered(r"\\SRV\Share")).as_deref(), Ok("Z:"));
}

#[test]
fn w_32_without_a_free_device_there_are_no_more_items() {
    let letters: Vec<String> = ('C'..='Z').map(|letter| format!("{letter}:")).collect();
    let drives: Vec<&str> = letters.iter().map(|letter| &**letter).collect();
    assert_eq!(chosen(1, &drives, ""), Err(UseError::Failed(Status::NO_MORE_ENTRIES)));
    assert_eq!(chosen(1, &drives[..1], "").as_deref(), Ok("Z:"), "C: is the last to be chosen");
    assert_eq!(chosen(1, &drives[1..], "").as_deref(), Ok("C:"));
}

#[test]
fn w_32_having_no_free_device_is_the_outcome_of_an_attempt_and_is_told() {
    let scene = Scene::of("N1.pre(0)→0,c1 · N1.post(259,c1)→0 ⇒259");
    let stage = scene
        .provider(1, |p| {
            ('C'..='Z').fold(p, |p, letter| p.connected(Some(&format!("{letter}:")), r"\\other\x"))
        })
        .open();
    assert!(AUTOMATIC.use_with_room(stage.router(), 16).is_err());
    stage.script.was_played(Status::NO_MORE_ENTRIES);
}

#[test]
fn w15_a_device_that_turns_out_taken_or_bad_is_passed_over_for_all_providers() {
    let stage = Scene::of(
        "P1{lpLocalName=\"Z:\"}→67 · P2{lpLocalName=\"Z:\"}→85 \
         · P1{lpLocalName=\"Y:\"}→67 · P2{lpLocalName=\"Y:\"}→1200 \
         · P1{lpLocalName=\"X:\"}→67 · P2{lpLocalName=\"X:\"}→0 ⇒0",
    )
    .open();
    // 67 comes before 1200 and is of the same class, so the second round ends the attempt.
    let answer = AUTOMATIC.use_with_room(stage.router(), 16);
    assert_eq!(answer, Err(UseError::Failed(Status::BAD_NETNAME)));

    let stage =
        Scene::of("P1{lpLocalName=\"Z:\"}→85 · P1{lpLocalName=\"Y:\"}→1200 · P1{lpLocalName=\"X:\"}→0 ⇒0")
            .open();
    assert_eq!(AUTOMATIC.use_with_room(stage.router(), 16).as_deref(), Ok("X:"));
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn w15_any_other_answer_ends_the_choice() {
    let stage = Scene::of("P1{lpLocalName=\"Z:\"}→86 ⇒86").open();
    assert_eq!(AUTOMATIC.use_with_room(stage.router(), 16), Err(UseError::Failed(Status::BAD_PASSWORD)));
    stage.script.was_played(Status::BAD_PASSWORD);
}

#[test]
fn w15_a_device_that_is_chosen_can_be_remembered() {
    let stage = Scene::of("P1→0 ⇒0").remembering("").open();
    assert_eq!(Add { flags: 0x81, ..AUTOMATIC }.use_with_room(stage.router(), 16).as_deref(), Ok("Z:"));
    let entries = stage.router().store().unwrap().entries().unwrap();
    assert_eq!((entries.len(), &*entries[0].device.to_string()), (1, "Z:"));
}

// Networks that demand a device (DECISION W12).

const DEVICELESS: Add = Add { local: None, ..ADD };

#[test]
fn w12_a_network_that_demands_a_device_is_given_one_and_it_is_told() {
    let stage = Scene::of(
        "N1.pre(0){lpLocalName=NULL}→0,c1 · P1{lpLocalName=\"Z:\", dwType=1}→0 \
         · N1.post(0,c1){lpLocalName=\"Z:\"}→0 ⇒0",
    )
    .requiring_device()
    .open();
    assert_eq!(DEVICELESS.use_with_room(stage.router(), 64).as_deref(), Ok("Z:"));
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn w12_a_network_that_demands_a_device_is_given_one_of_the_right_class() {
    for (kind, line) in [
        (0, "P1{lpLocalName=\"Z:\", dwType=1}→0 ⇒0"),
        (1, "P1{lpLocalName=\"Z:\", dwType=1}→0 ⇒0"),
        (2, "P1{lpLocalName=\"LPT1\", dwType=2}→0 ⇒0"),
    ] {
        Scene::of(line).requiring_device().plays(Add { kind, ..DEVICELESS });
    }
}

#[test]
fn w12_a_device_that_is_given_is_the_one_that_is_used() {
    Scene::of("P1{lpLocalName=\"Z:\"}→0 ⇒0").requiring_device().plays(ADD);
}

#[test]
fn w12_a_taken_device_is_passed_over_and_other_networks_are_asked_without_one() {
    Scene::of("P1{lpLocalName=\"Z:\"}→85 · P1{lpLocalName=\"Y:\"}→0 ⇒0").requiring_device().plays(DEVICELESS);
    Scene::of("P1{lpLocalName=NULL}→0 ⇒0").plays(DEVICELESS);
}

#[test]
fn w12_the_place_for_the_access_name_must_hold_a_device_that_may_be_chosen() {
    let short = Add { remote: Some("x"), ..DEVICELESS };
    for (kind, needed) in [(1, 3), (0, 3), (2, 5)] {
        let stage = Scene::of("⇒234").requiring_device().open();
        let answer = Add { kind, ..short }.use_with_room(stage.router(), 2);
        assert_eq!(answer, Err(UseError::AccessNameTooLong { needed }), "type {kind}");
        stage.script.was_played(Status::MORE_DATA);
    }
    let stage = Scene::of("P1→0 ⇒0").open();
    assert_eq!(short.use_with_room(stage.router(), 2).as_deref(), Ok("x"));
}

#[test]
fn w12_a_device_that_was_demanded_is_remembered() {
    let stage = Scene::of("P1→0 ⇒0").requiring_device().remembering("").open();
    stage.plays(Add { flags: 1, ..DEVICELESS });
    let entries = stage.router().store().unwrap().entries().unwrap();
    assert_eq!((entries.len(), &*entries[0].device.to_string()), (1, "Z:"));
}

#[test]
fn s1_4_a_directory_is_connected_under_its_normal_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    let spelled: &'static str = Box::leak(format!("{path}/./x/..//").into_boxed_str());
    let stage = Scene::of("P1→0 ⇒0").remembering("").open();
    assert_eq!(Add { local: Some(spelled), flags: 1, ..ADD }.run(stage.router()), Status::SUCCESS);
    let entries = stage.router().store().unwrap().entries().unwrap();
    assert_eq!(entries[0].device.to_string(), path);
}
