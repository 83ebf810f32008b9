//! Which providers are asked, and whose answer counts: `spec/wnet.md` §3.

use crate::scene::{ADD, Add, CANCEL, Cancel, Operation, Scene};
use mpr::{AddRequest, Credentials, Router, extended_error};
use mpr_plugin::abi::{
    WNNC_CON_ADDCONNECTION, WNNC_CON_ADDCONNECTION3, WNNC_CON_ADDCONNECTION4, WNNC_CON_CANCELCONNECTION,
    WNNC_CON_CANCELCONNECTION2,
};
use mpr_plugin::{AuthBuffer, Status, last_error, wide};

#[track_caller]
fn all_play(lines: &[&str], operation: impl Operation + Copy) {
    for line in lines {
        Scene::of(line).plays(operation);
    }
}

#[test]
fn w_14_to_w_21_the_first_significant_answer_counts_and_a_success_ends_it() {
    all_play(
        &[
            "P1→67 · P2→0 ⇒0",
            "P1→86 · P2→67 ⇒86",
            "P1→67 · P2→86 ⇒86",
            "P1→86 · P2→0 ⇒0",
            "P1→67 · P2→53 ⇒67",
            "P1→53 · P2→67 ⇒53",
            "P1→1222 · P2→67 ⇒1203",
            "P1→67 · P2→1222 ⇒1203",
            "P1→1222 · P2→1222 ⇒1222",
            "P1→170 · P2→67 ⇒170",
            "P1→67 · P2→170 ⇒170",
            "P1→170 · P2→5 ⇒5",
            "P1→170 · P2→1245 ⇒170",
            "P1→1223 · P2→0 ⇒0",
            "P1→1223 · P2→5 ⇒1223",
        ],
        ADD,
    );
}

#[test]
fn w8_success_and_a_buffer_too_small_end_the_asking() {
    all_play(&["P1→0 ⇒0", "P1→234 ⇒234"], ADD);
    for line in ["P1→0 ⇒0", "P1→234 ⇒234"] {
        Scene::of(line).providers(2).plays(ADD);
    }
}

#[test]
fn w8_not_supported_yields_to_every_other_answer() {
    all_play(&["P1→50 · P2→67 ⇒67", "P1→67 · P2→50 ⇒67", "P1→50 · P2→50 ⇒50", "P1→50 · P2→1222 ⇒1203"], ADD);
}

#[test]
fn w8_not_connected_is_preferred_for_a_cancel_and_not_for_an_add() {
    all_play(&["P1→67 · P2→2250 ⇒2250", "P1→2250 · P2→67 ⇒2250", "P1→1222 · P2→2250 ⇒1203"], CANCEL);
    all_play(&["P1→67 · P2→2250 ⇒67", "P1→2250 · P2→67 ⇒2250"], ADD);
}

/// The classes of `wnet.md` §3.2, at the router: beside 67, a code of class N loses or wins by its place, one of
/// class B or S wins wherever it stands.
#[test]
fn w8_every_code_of_the_table_has_its_class() {
    for code in [53, 87, 124, 1200, 1203, 1207] {
        all_play(&[&format!("P1→67 · P2→{code} ⇒67"), &format!("P1→{code} · P2→67 ⇒{code}")], ADD);
    }
    for code in [170, 1245] {
        all_play(&[&format!("P1→67 · P2→{code} ⇒{code}"), &format!("P1→{code} · P2→5 ⇒5")], ADD);
    }
    for code in [5, 66, 85, 86, 1202, 1208, 1219, 1223, 1237, 1244, 1311, 1326, 2202, 2401, 2404, 99, 40_000]
    {
        all_play(&[&format!("P1→67 · P2→{code} ⇒{code}"), &format!("P1→{code} · P2→86 ⇒{code}")], ADD);
    }
}

#[test]
fn w_22_a_named_provider_is_the_only_one_asked_and_its_answer_is_the_result() {
    for code in [67, 0, 1222, 170, 50] {
        Scene::of(&format!("P2→{code} ⇒{code}")).plays(Add { provider: Some("P2"), ..ADD });
    }
}

#[test]
fn w_23_w3_a_provider_is_named_in_any_case() {
    Scene::of("P2→86 ⇒86").plays(Add { provider: Some("p2"), ..ADD });
}

#[test]
fn w_24_an_empty_provider_name_is_no_name() {
    Scene::of("P1→67 · P2→0 ⇒0").plays(Add { provider: Some(""), ..ADD });
}

#[test]
fn w8_who_does_not_claim_the_operation_is_not_asked() {
    let adds = WNNC_CON_ADDCONNECTION | WNNC_CON_ADDCONNECTION3 | WNNC_CON_ADDCONNECTION4;
    let cancels = WNNC_CON_CANCELCONNECTION | WNNC_CON_CANCELCONNECTION2;
    let without = |line, bits: u32| {
        Scene::of(line).providers(2).provider(1, move |p| p.claiming(|c| c.connection &= !bits))
    };
    without("P2→0 ⇒0", adds).plays(ADD);
    without("P2→0 ⇒0", cancels).plays(CANCEL);
    without("P2→0 ⇒0", cancels).plays(Cancel { name: r"\\srv\share", ..CANCEL });
    // One of the forms is enough.
    for bit in [WNNC_CON_ADDCONNECTION, WNNC_CON_ADDCONNECTION3, WNNC_CON_ADDCONNECTION4] {
        without("P1→0 ⇒0", adds & !bit).plays(ADD);
    }
    for bit in [WNNC_CON_CANCELCONNECTION, WNNC_CON_CANCELCONNECTION2] {
        without("P1→0 ⇒0", cancels & !bit).plays(CANCEL);
    }
    // A named one that cannot, and nobody who can.
    without("⇒50", adds).plays(Add { provider: Some("P1"), ..ADD });
    without("N1.pre(0)→0,c1 · N1.post(50,c1)→0 ⇒50", adds).providers(1).plays(ADD);
}

/// `WNetAddConnection4` with these buffers.
fn add_with_buffers(router: &Router) -> Result<(), Status> {
    let (local, remote) = (wide("Z:"), wide(r"\\srv\share"));
    let request = AddRequest {
        kind: 1,
        local: Some(&local),
        remote: Some(&remote),
        credentials: Credentials::Buffer(AuthBuffer { auth: &[1, 2], use_options: &[0xAB] }),
        ..AddRequest::default()
    };
    router.add_connection(&request)
}

#[test]
fn s4_5_buffers_go_to_those_who_take_buffers() {
    Scene::of("P2{lpUserName=NULL, lpPassword=NULL, pAuthBuffer=[01 02], lpUseOptions=[ab]}→0 ⇒0")
        .provider(1, |p| p.claiming(|c| c.connection &= !WNNC_CON_ADDCONNECTION4))
        .plays(add_with_buffers);
    Scene::of("⇒50")
        .provider(1, |p| p.claiming(|c| c.connection &= !WNNC_CON_ADDCONNECTION4))
        .plays(add_with_buffers);
}

#[test]
fn w19_a_remote_name_is_cancelled_at_every_provider_and_succeeds_if_one_did() {
    all_play(
        &[
            "P1→0 · P2→0 ⇒0",
            "P1→0 · P2→2401 ⇒0",
            "P1→2401 · P2→0 ⇒0",
            "P1→2250 · P2→0 ⇒0",
            "P1→2250 · P2→2401 ⇒2401",
            "P1→2250 · P2→2250 ⇒2250",
            "P1→1222 · P2→2250 ⇒1203",
        ],
        Cancel { name: r"\\srv\share", ..CANCEL },
    );
}

#[test]
fn w19_a_device_is_cancelled_at_the_first_provider_that_does() {
    Scene::of("P1→2250 · P2→0 ⇒0").providers(3).plays(CANCEL);
    Scene::of("P1→2401 · P2→0 ⇒0").providers(3).plays(CANCEL);
}

/// A provider that leaves a record behind, whatever it answers.
fn recording(scene: Scene, number: usize, code: u32, text: &'static str) -> Scene {
    scene.provider(number, move |p| p.doing(move |_| last_error::set(code, text, "")))
}

#[test]
fn w9_the_extended_error_is_that_of_the_provider_whose_answer_counts() {
    let scene = Scene::of("P1→67 · P2→1208 · P3→1208 · P4→5 ⇒1208");
    let texts = ["not mine", "mine", "mine, too", "mine as well"];
    let scene = (1..=4).fold(scene, |scene, n| recording(scene, n, n as u32, texts[n - 1]));
    scene.plays(ADD);
    assert_eq!((extended_error::recorded().code, extended_error::recorded().text), (2, wide("mine")));
}

#[test]
fn w9_every_answer_brings_its_own_record() {
    // Also where the code does not send anybody to look for it: it says why.
    let scene = Scene::of("P1→5 · P2→1208 ⇒5");
    recording(recording(scene, 1, 1, "first"), 2, 2, "second").plays(ADD);
    assert_eq!(extended_error::recorded().code, 1);
}

#[test]
fn w9_what_others_recorded_is_not_taken_for_the_record_of_the_answer() {
    extended_error::record(7, &wide("before"), &wide(""));
    recording(Scene::of("P1→53 · P2→5 ⇒5"), 1, 1, "not mine").plays(ADD);
    assert_eq!(extended_error::recorded().code, 7);
}

#[test]
fn w9_a_notification_library_that_writes_later_wins() {
    Scene::of("N1.pre(0)→0,c1 · P1→1208 · P2→67 · N1.post(1208,c1)→0 ⇒1208")
        .provider(1, |p| p.doing(|_| last_error::set(1, "provider", "")))
        .provider(2, |p| p.doing(|_| last_error::set(2, "other", "")))
        .notifyee(1, |n| {
            n.doing(|called| {
                if called.status == Status::EXTENDED_ERROR {
                    assert_eq!(extended_error::recorded().code, 1, "this is what it finds");
                    last_error::set(3, "library", "");
                }
            })
        })
        .plays(ADD);
    assert_eq!(extended_error::recorded().code, 3);
}

#[test]
fn a_provider_whose_name_it_is_declared_to_be_is_asked_first_and_the_others_after_it() {
    Scene::of("P2→0 ⇒0").providers(3).declaring(2, &[], &["srv"], &[]).plays(ADD);
    Scene::of("P3→0 ⇒0").providers(3).declaring(3, &[], &[], &["//srv/"]).plays(ADD);
    Scene::of("P2→67 · P1→67 · P3→0 ⇒0").declaring(2, &["smb"], &["s*"], &[]).plays(ADD);
}

#[test]
fn a_provider_that_is_declared_to_have_other_names_is_not_asked() {
    Scene::of("P2→67 ⇒67").providers(2).declaring(1, &["https"], &[], &[]).plays(ADD);
    Scene::of("P2→5 ⇒5").providers(2).declaring(1, &[], &["other"], &[]).plays(ADD);
}

#[test]
fn where_nobody_would_be_asked_everybody_is_and_a_scheme_changes_no_order() {
    Scene::of("P1→67 · P2→53 ⇒67")
        .declaring(1, &["https"], &[], &[])
        .declaring(2, &["nfs"], &[], &[])
        .plays(ADD);
    Scene::of("P1→67 · P2→0 ⇒0").declaring(2, &["unc"], &[], &[]).plays(ADD);
}

#[test]
fn a_provider_that_is_named_is_asked_whatever_is_declared_of_its_names() {
    let named = Add { provider: Some("P1"), ..ADD };
    Scene::of("P1→0 ⇒0").providers(2).declaring(1, &["https"], &[], &[]).plays(named);
}

#[test]
fn who_would_be_asked_is_told_with_the_reason() {
    let stage = Scene::of("P1→0 ⇒0")
        .providers(4)
        .declaring(1, &["https"], &[], &[])
        .declaring(3, &[], &["srv"], &[])
        .declaring(4, &["unc"], &[], &[])
        .open();
    let told: Vec<_> = stage
        .router()
        .candidates(&wide("smb://srv/share"))
        .iter()
        .map(|one| (one.provider.name.to_string_lossy(), one.place, one.why))
        .collect();
    assert_eq!(
        told,
        [
            ("P3".to_owned(), Some(0), "names like this are declared to be its own"),
            ("P2".to_owned(), Some(1), "nothing is declared of its names"),
            ("P4".to_owned(), Some(2), "it is declared to have names of this scheme"),
            ("P1".to_owned(), None, "it is declared to have other names"),
        ]
    );
}
