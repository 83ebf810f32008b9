//! Requests the router refuses by itself: `spec/notification.md` §5, `spec/wnet.md` §4.4 and §5.3. No
//! notification library is called back, and no provider is asked to do anything.

use crate::answers::Answers;
use crate::scene::{ADD, Add, CANCEL, Cancel, Operation, Scene, Stage, access};
use mpr::{AddRequest, Credentials, Router, UseError};
use mpr_plugin::abi::RESOURCE_CONNECTED;
use mpr_plugin::{Status, wide};

const REMEMBERED: &str = "[drives.\"Z:\"]\nRemotePath = '\\\\other\\x'\n";

/// One notification library and one provider, neither of whom is to be called.
fn nobody_called(code: u32) -> Scene {
    Scene::of(&format!("⇒{code}")).notifyees(1)
}

#[track_caller]
fn refused(code: u32, operation: impl Operation) {
    nobody_called(code).plays(operation);
}

/// The longest name that is accepted, or one unit more.
fn long_name(units: usize) -> &'static str {
    Box::leak(format!(r"\\s\{}", "x".repeat(units - 4)).into_boxed_str())
}

#[test]
fn s51_w_3_an_unknown_type_is_refused() {
    for kind in [3, 7, 8, u32::MAX] {
        refused(87, Add { kind, ..ADD });
    }
}

#[test]
fn s52_w_7_what_is_no_device_is_refused() {
    for local in ["ZZ", "Q", "Z", "COM1", "LPT0", "LPT10", "Z:\\", "1:", "//srv/share", "relative/path"] {
        refused(1200, Add { local: Some(local), ..ADD });
    }
}

#[test]
fn s53_w_8_a_missing_remote_name_is_refused() {
    for remote in [None, Some("")] {
        refused(67, Add { remote, ..ADD });
    }
}

#[test]
fn w_9_a_remote_name_of_261_units_is_refused_and_one_of_260_is_not() {
    refused(67, Add { remote: Some(long_name(261)), ..ADD });
    Scene::of("P1→0 ⇒0").plays(Add { remote: Some(long_name(260)), ..ADD });
}

#[test]
fn s54_an_unknown_provider_is_refused() {
    refused(1204, Add { provider: Some("No Such Network"), ..ADD });
}

#[test]
fn s55_w_13_a_device_remembered_for_another_resource_is_refused_with_or_without_update_profile() {
    for flags in [0, 1, 4] {
        nobody_called(1202).remembering(REMEMBERED).plays(Add { flags, ..ADD });
        nobody_called(1202).remembering(REMEMBERED).plays(Add { flags, local: Some("z:"), ..ADD });
    }
}

#[test]
fn w_12_a_device_remembered_for_the_same_resource_is_connected_whatever_its_case() {
    for remote in [r"\\OTHER\X", r"\\other\x\", "//other/x"] {
        let stage = Scene::of("P1→0 ⇒0").remembering(REMEMBERED).open();
        stage.plays(Add { remote: Some(remote), ..ADD });
        assert_eq!(stage.connections(), REMEMBERED, "{remote}: the entry stays as it is");
    }
}

#[test]
fn s56_w_24_without_a_provider_every_add_is_refused() {
    for add in [ADD, Add { local: None, ..ADD }, Add { provider: Some("P1"), ..ADD }] {
        nobody_called(1222).providers(0).plays(add);
    }
}

#[test]
fn w_4_bits_without_a_name_are_refused() {
    for bit in (0..32).map(|bit| 1 << bit).filter(|bit| bit & 0x0005_FFFF == 0) {
        refused(87, Add { flags: bit, ..ADD });
        refused(87, Cancel { flags: bit, ..CANCEL });
    }
}

#[test]
fn w_5_redirection_that_cannot_be_reported_is_refused() {
    let add = Add { flags: 0x80, local: None, ..ADD };
    refused(487, add);
    refused(487, move |router: &Router| used(add, router));
}

/// `WNetUseConnection` without a place for the access name.
fn used(add: Add, router: &Router) -> Result<(), Status> {
    match add.use_with(router, None) {
        Ok(_) => Ok(()),
        Err(UseError::Failed(status)) => Err(status),
        Err(UseError::AccessNameTooLong { .. }) => Err(Status::MORE_DATA),
    }
}

#[test]
fn w_6_a_device_of_another_class_is_refused() {
    refused(66, Add { local: Some("LPT1"), kind: 1, ..ADD });
    refused(66, Add { local: Some("Z:"), kind: 2, ..ADD });
    refused(66, Add { local: Some("/mnt"), kind: 2, ..ADD });
}

#[test]
fn w_30_w_31_an_automatic_device_needs_a_type_and_a_place_to_be_told() {
    for (kind, room, code) in [(0, Some(64), 87), (0, None, 87), (1, None, 487), (2, None, 487)] {
        let add = Add { kind, flags: 0x80, local: None, ..ADD };
        let stage = nobody_called(code).open();
        let answer = add.use_with(stage.router(), room.map(|room| access(Some(room))));
        assert_eq!(answer, Err(UseError::Failed(Status(code))), "type {kind}, room {room:?}");
        stage.script.was_played(Status(code));
    }
}

#[test]
fn w_33_use_without_a_remote_name_is_another_error_than_add() {
    for (remote, code) in [(None, 87), (Some(""), 67)] {
        refused(code, move |router: &Router| used(Add { remote, ..ADD }, router));
    }
}

#[test]
fn w_26_w_27_a_place_too_small_for_the_access_name_is_refused_with_the_size_it_needs() {
    let needs = |add: Add, room| {
        let stage = nobody_called(234).open();
        let answer = add.use_with(stage.router(), Some(access(room)));
        assert_eq!(stage.script.transcript().to_string(), "", "nobody is called");
        answer
    };
    let short = |needed| Err(UseError::AccessNameTooLong { needed });
    let empty = Err(UseError::Failed(Status::BAD_VALUE));
    let device = Add { local: Some("J:"), ..ADD };
    assert_eq!(needs(device, None), empty, "no size");
    assert_eq!(needs(device, Some(0)), empty, "size 0");
    assert_eq!(needs(device, Some(1)), short(3));
    assert_eq!(needs(device, Some(2)), short(3));
    let automatic = Add { local: None, flags: 0x80, ..ADD };
    assert_eq!(needs(automatic, Some(2)), short(3));
    assert_eq!(needs(Add { kind: 2, ..automatic }, Some(4)), short(5));
    assert_eq!(needs(Add { local: None, ..ADD }, Some(11)), short(12), "the remote name");
    assert_eq!(needs(Add { local: None, remote: Some("smb://srv/share"), ..ADD }, Some(11)), short(12));
}

#[test]
fn s5_a_device_that_some_provider_has_is_refused() {
    let taken = |line| Scene::of(line).notifyees(1).providers(2);
    taken("⇒85").provider(2, |p| p.connected(Some("Z:"), r"\\other\x")).plays(ADD);
    taken("⇒85")
        .provider(2, |p| p.connected(Some("Z:"), r"\\other\x"))
        .plays(Add { local: Some("z:"), ..ADD });
    // A name too long for whoever asks is a name all the same.
    let long = Answers { connection: Err(Status::MORE_DATA.0), ..Answers::default() };
    taken("⇒85").provider(2, |p| p.network(long)).plays(ADD);
    // Also by the provider that is not the one named, and also for the very same resource.
    taken("⇒85")
        .provider(2, |p| p.connected(Some("Z:"), r"\\srv\share"))
        .plays(Add { provider: Some("P1"), ..ADD });
}

#[test]
fn s5_a_directory_must_be_there_and_be_empty() {
    let directory = tempfile::tempdir().unwrap();
    let path: &'static str = Box::leak(directory.path().to_str().unwrap().to_owned().into_boxed_str());
    Scene::of(&format!("P1{{lpLocalName=\"{path}\"}}→0 ⇒0")).plays(Add { local: Some(path), ..ADD });
    std::fs::write(directory.path().join("file"), "").unwrap();
    refused(85, Add { local: Some(path), ..ADD });
    drop(directory);
    refused(1200, Add { local: Some(path), ..ADD });
}

#[test]
fn s5_a_buffer_that_is_announced_and_not_there_is_refused() {
    refused(87, |router: &Router| {
        let (local, remote) = (wide("Z:"), wide(r"\\srv\share"));
        let request = AddRequest {
            local: Some(&local),
            remote: Some(&remote),
            credentials: Credentials::MissingBuffer,
            ..AddRequest::default()
        };
        router.add_connection(&request)
    });
}

/// Each request fails this test and every later one that can be failed at the same time; the codes tell which
/// came first.
#[test]
fn w14_of_several_mistakes_the_first_test_decides() {
    let broken = "[drives\n";
    let scene =
        |code: u32| nobody_called(code).remembering(broken).provider(1, |p| p.connected(Some("Z:"), "x"));
    let everything =
        Add { kind: 3, flags: 0x0100_0081, local: Some("Q"), remote: Some(""), provider: Some("?"), ..ADD };
    let run = |stage: &Stage, add: Add, room| {
        let answer = add.use_with(stage.router(), Some(access(Some(room)))).err();
        assert_eq!(stage.script.transcript().to_string(), "");
        answer.map(|error| match error {
            UseError::Failed(status) => status.0,
            UseError::AccessNameTooLong { .. } => 234,
        })
    };
    let steps: &[(u32, Add, u32)] = &[
        (67, everything, 0),                                                  // 2 before 3
        (87, Add { remote: Some(r"\\srv\share"), ..everything }, 0),          // 3
        (87, Add { remote: Some(r"\\srv\share"), ..everything }, 1),          // 4
        (87, Add { remote: Some(r"\\srv\share"), kind: 2, ..everything }, 1), // 5 before 7
        (1200, Add { remote: Some(r"\\srv\share"), kind: 2, flags: 1, ..everything }, 1), // 7 before 11
        (66, Add { kind: 2, flags: 1, provider: Some("?"), ..ADD }, 1),       // 8 before 11
        (1204, Add { flags: 1, provider: Some("?"), ..ADD }, 1),              // 11 before 12
        (234, Add { flags: 1, ..ADD }, 1),                                    // 12 before 13
        (85, Add { flags: 1, ..ADD }, 64),                                    // 13 before 14
        (1206, Add { flags: 1, local: Some("Y:"), ..ADD }, 64),               // 14
    ];
    for &(code, add, room) in steps {
        assert_eq!(run(&scene(code).open(), add, room), Some(code), "{add:?}, room for {room}");
    }
    // 9 and 10 and 11 need a router without providers.
    let empty = |code: u32| nobody_called(code).providers(0);
    let automatic = Add { local: None, kind: 0, flags: 0x80, provider: Some("?"), ..ADD };
    assert_eq!(run(&empty(87).open(), automatic, 1), Some(87));
    assert_eq!(run(&empty(1222).open(), Add { kind: 1, ..automatic }, 1), Some(1222));
    // 14 before 15: an entry for another resource in a store that is malformed elsewhere.
    let malformed = format!("{REMEMBERED}[drives.\"Y:\"]\nUserName = \"ann\"\n");
    nobody_called(1206).remembering(&malformed).plays(Add { flags: 1, ..ADD });
    nobody_called(1202).remembering(&malformed).plays(ADD);
}

#[test]
fn s5_a_cancel_without_a_name_is_refused() {
    refused(87, Cancel { name: "", ..CANCEL });
}

#[test]
fn w19_a_cancel_with_no_provider_and_nothing_to_forget_is_refused() {
    let nobody = |code| nobody_called(code).providers(0).remembering(REMEMBERED);
    nobody(1222).plays(Cancel { name: "Y:", flags: 1, ..CANCEL });
    nobody(1222).plays(Cancel { name: r"\\srv\share", flags: 1, ..CANCEL });
    nobody(1222).plays(CANCEL);
    // With something to forget it is an operation like any other.
    Scene::of("N1.pre(0)→0,c1 · N1.post(0,c1)→0 ⇒0")
        .providers(0)
        .remembering(REMEMBERED)
        .plays(Cancel { flags: 1, ..CANCEL });
}

#[test]
fn w19_a_cancel_that_would_have_to_change_a_broken_store_is_refused() {
    nobody_called(1206).remembering("[drives\n").plays(Cancel { flags: 1, ..CANCEL });
    Scene::of("P1→0 ⇒0").remembering("[drives\n").plays(CANCEL);
    Scene::of("P1→0 ⇒0").remembering("[drives\n").plays(Cancel { name: r"\\srv\share", flags: 1, ..CANCEL });
}

#[test]
fn s59_questions_and_enumerations_are_not_announced() {
    let stage = Scene::of("⇒0")
        .notifyees(1)
        .provider(1, |p| p.connected(Some("Z:"), r"\\srv\share"))
        .remembering(REMEMBERED)
        .open();
    let router = stage.router();
    let (z, remote, p1) = (wide("Z:"), wide(r"\\srv\share"), wide("P1"));
    assert!(router.is_connected(&z));
    _ = router.universal_name(&wide(r"Z:\a"));
    _ = router.user(Some(&z));
    _ = router.performance(Some(&z), None, None);
    for scope in 1..=5 {
        _ = router.open_enum(scope, 0, 0, None).map(|mut entries| entries.next_entry());
    }
    _ = router.resource_information(Some(&remote), 0, None);
    _ = router.resource_parent(Some(&remote), 0, Some(&p1));
    _ = router.network_information(&p1);
    _ = router.provider_name(0);
    _ = router.format_network_name(&p1, &remote, 0, 80);
    _ = router.set_connection(&z, 1, 1);
    stage.script.was_played(Status::SUCCESS);
    assert!(
        stage.providers[0].asked().iter().any(|q| q.starts_with("universal_name")),
        "they were asked, though"
    );
    assert!(router.open_enum(RESOURCE_CONNECTED, 0, 0, None).is_ok());
}
