//! Cancelling connections: `spec/wnet.md` §5, and what goes through it (§14, §16).

use crate::scene::{ADD, CANCEL, Cancel, Operation, Scene};
use mpr::Router;
use mpr_plugin::{Status, wide};
use mpr_testkit::ModelNetwork;

const ENTRY: &str = "[drives.\"Z:\"]\nRemotePath = '\\\\s\\x'\nProviderName = \"P1\"\n";
const FORGET: Cancel = Cancel { flags: 1, ..CANCEL };

/// Plays the line with an entry for Z:, and says whether the entry is still there.
fn kept(line: &str, cancel: Cancel) -> bool {
    let stage = Scene::of(line).remembering(ENTRY).open();
    stage.plays(cancel);
    let connections = stage.connections();
    assert!(connections == ENTRY || !connections.contains("RemotePath"), "{connections}");
    connections == ENTRY
}

#[test]
fn w_34_open_files_are_what_the_application_gets() {
    assert!(kept("P1→2401 ⇒2401", CANCEL));
}

#[test]
fn w_35_an_entry_that_is_only_remembered_is_forgotten() {
    for code in [2250, 1222, 50] {
        assert!(!kept(&format!("P1→{code} ⇒0"), FORGET), "{code}");
    }
    assert!(!kept("P1→1222 · P2→2250 ⇒0", FORGET), "1203");
}

#[test]
fn w_36_without_update_profile_an_entry_stays_and_nothing_was_connected() {
    assert!(kept("P1→2250 ⇒2250", CANCEL));
    assert!(kept("P1→2250 ⇒2250", Cancel { force: true, ..CANCEL }));
}

#[test]
fn w_37_an_entry_stays_when_the_provider_refuses() {
    for code in [2401, 2404, 5, 1208, 1223, 59, 170] {
        assert!(kept(&format!("P1→{code} ⇒{code}"), FORGET), "{code}");
    }
}

#[test]
fn w_38_without_update_profile_a_connection_is_cancelled_and_its_entry_stays() {
    assert!(kept("P1→0 ⇒0", Cancel { force: true, ..CANCEL }));
}

#[test]
fn w19_with_update_profile_connection_and_entry_go() {
    assert!(!kept("P1→0 ⇒0", FORGET));
    assert!(!kept("P1→0 ⇒0", Cancel { name: "z:", ..FORGET }));
    assert!(kept("P1→0 ⇒0", Cancel { name: "Y:", ..FORGET }), "the entry of another device");
}

#[test]
fn w19_with_update_profile_and_nothing_remembered_nothing_was_there() {
    let stage = Scene::of("P1→2250 ⇒2250").remembering("").open();
    stage.plays(FORGET);
    assert_eq!(stage.connections(), "");
}

#[test]
fn s5_2_a_remote_name_has_no_effect_on_entries() {
    for code in [0, 2250] {
        assert!(kept(&format!("P1→{code} ⇒{code}"), Cancel { name: r"\\s\x", ..FORGET }));
    }
}

#[test]
fn w19_a_provider_is_told_name_force_and_flags() {
    Scene::of("P1{lpName=\"Z:\", fForce=0, dwFlags=0}→0 ⇒0").plays(CANCEL);
    Scene::of("P1{lpName=\"\\\\s\\x\", fForce=1, dwFlags=1}→0 ⇒0").plays(Cancel {
        name: r"\\s\x",
        force: true,
        flags: 1,
    });
    Scene::of("P1{lpName=\"LPT1\"}→0 ⇒0").plays(Cancel { name: "LPT1", ..CANCEL });
}

#[test]
fn s5_3_a_connection_that_was_cancelled_can_be_made_again() {
    let stage = Scene::of("P1→0 · P1→0 · P1→0 ⇒0").open();
    assert_eq!(ADD.run(stage.router()), Status::SUCCESS);
    assert_eq!(CANCEL.run(stage.router()), Status::SUCCESS);
    stage.plays(ADD);
}

// WNetClearConnections (DECISION W34).

#[test]
fn w34_clearing_cancels_every_connection_with_force_and_announces_each() {
    let network = ModelNetwork::of(r"\\model\");
    let stage = Scene::of(
        "N1.pre(0){lpName=\"Z:\", fForce=1, dwFlags=0}→0,c1 · N1.post(0,c1)→0 \
         · N1.pre(0){lpName=\"\\\\model\\b\", fForce=1, dwFlags=0}→0,c2 · N1.post(0,c2)→0 ⇒0",
    );
    let router = Router::builder()
        .provider("Model", network.clone())
        .notifyee("N1", stage.script().notifyee(1))
        .build();
    network.put(Some("Z:"), r"\\model\a");
    network.put(None, r"\\model\b");
    stage.script().was_played(router.clear_connections().into());
    assert_eq!(network.connections(), [""; 0]);
}

#[test]
fn w34_clearing_goes_on_after_a_failure_and_returns_the_first() {
    let network = ModelNetwork::of(r"\\model\");
    for local in ["X:", "Y:", "Z:"] {
        network.put(Some(local), r"\\model\a");
    }
    let stage = Scene::of(
        "N1.pre(0){lpName=\"X:\"}→5 · N1.pre(0){lpName=\"Y:\"}→0,∅ · N1.pre(0){lpName=\"Z:\"}→8 ⇒5",
    );
    let router = Router::builder()
        .provider("Model", network.clone())
        .notifyee("N1", stage.script().notifyee(1))
        .build();
    stage.script().was_played(router.clear_connections().into());
    assert_eq!(network.connections(), [r"X: \\model\a", r"Z: \\model\a"]);
}

#[test]
fn w34_clearing_without_connections_is_well() {
    let router = Router::builder().provider("Model", ModelNetwork::of("x")).build();
    assert_eq!(router.clear_connections(), Ok(()));
}

// WNetDisconnectDialog1 without a user interface (DECISION W33).

#[test]
fn w33_a_disconnect_dialog_forces_unless_told_not_to() {
    for (flags, force) in [(0, 1), (0x40, 0)] {
        Scene::of(&format!("N1.pre(0){{lpName=\"Z:\", fForce={force}, dwFlags=0}}→0,∅ · P1→2401 ⇒2401"))
            .plays(move |router: &Router| router.disconnect_dialog(Some(&wide("Z:")), None, flags));
    }
}

#[test]
fn w33_a_disconnect_dialog_prefers_the_device_and_forgets_devices_only() {
    let remote = wide(r"\\s\x");
    let (z, empty) = (wide("Z:"), wide(""));
    let stage = Scene::of("P1{lpName=\"Z:\", dwFlags=1}→0 ⇒0").remembering(ENTRY).open();
    stage.plays(|router: &Router| router.disconnect_dialog(Some(&z), Some(&remote), 1));
    assert!(!stage.connections().contains("RemotePath"));
    for local in [None, Some(&*empty)] {
        Scene::of("P1{lpName=\"\\\\s\\x\", dwFlags=0}→0 ⇒0")
            .remembering(ENTRY)
            .plays(|router: &Router| router.disconnect_dialog(local, Some(&remote), 1));
        Scene::of("⇒87").plays(|router: &Router| router.disconnect_dialog(local, Some(&empty), 0));
    }
}
