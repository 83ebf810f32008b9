//! Bringing remembered connections back: `spec/persistence.md` §4, `spec/provider.md` §6.1.

use crate::answers::Answers;
use crate::scene::{Scene, Stage};
use mpr::store::Entry;
use mpr::{Answer, AskCredentials, Restored, Router, Secret};
use mpr_plugin::abi::{WNNC_CON_ADDCONNECTION4, WNNC_CON_DEFER};
use mpr_plugin::{Capabilities, Start, Status, wide};
use mpr_testkit::{ModelNetwork, ScriptedProvider};
use std::sync::Mutex;
use std::time::Duration;

/// An entry of P1 for a device, with further lines.
fn entry(device: &str, further: &str) -> String {
    let letter = device.trim_end_matches(':').to_lowercase();
    format!("[drives.\"{device}\"]\nRemotePath = '\\\\s\\{letter}'\nProviderName = \"P1\"\n{further}\n")
}

/// One notification library that is not to be called, and these entries.
fn scene(line: &str, entries: &[String]) -> Scene {
    Scene::of(line).notifyees(1).remembering(&entries.concat())
}

/// Restores all, and says what became of each.
fn restored(stage: &Stage, ask: Option<&mut dyn AskCredentials>) -> Vec<String> {
    let restorations = stage.router().restore_all(ask).unwrap();
    restorations
        .iter()
        .map(|restoration| match restoration.result {
            Ok(Restored::Now) => format!("{} now", restoration.entry.device),
            Ok(Restored::Already) => format!("{} already", restoration.entry.device),
            Err(status) => format!("{} {}", restoration.entry.device, status.0),
        })
        .collect()
}

fn deferring(provider: ScriptedProvider) -> ScriptedProvider {
    provider.claiming(|c| c.connection |= WNNC_CON_DEFER)
}

#[test]
fn s58_r2_all_are_restored_in_the_order_of_their_devices_and_nobody_is_notified() {
    let entries = [entry("LPT2", ""), entry("Z:", ""), entry("LPT1", ""), entry("C:", "")];
    let stage = scene(
        "P1{lpLocalName=\"C:\", lpRemoteName=\"\\\\s\\c\", dwType=1, hwndOwner=NULL, lpUserName=NULL, \
         lpPassword=NULL, dwFlags=0, lpProvider=\"P1\"}→0 \
         · P1{lpLocalName=\"Z:\", lpRemoteName=\"\\\\s\\z\"}→0 · P1{lpLocalName=\"LPT1\", dwType=2}→0 \
         · P1{lpLocalName=\"LPT2\"}→0 ⇒0",
        &entries,
    )
    .open();
    let before = stage.connections();
    assert_eq!(restored(&stage, None), ["C: now", "Z: now", "LPT1 now", "LPT2 now"]);
    stage.script.was_played(Status::SUCCESS);
    assert_eq!(stage.connections(), before, "a restore changes nothing in the store");
}

#[test]
fn r_8_a_network_that_can_defer_is_asked_to() {
    let stage = scene("P1{dwFlags=0x400}→0 ⇒0", &[entry("Z:", "")]).provider(1, deferring).open();
    assert_eq!(restored(&stage, None), ["Z: now"]);
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn r3_whether_a_connection_is_deferred_is_for_the_entry_and_the_provider_to_say() {
    for (flags, deferred) in [
        ("", true),
        ("DeferFlags = 4", true),
        ("DeferFlags = 5", false),
        ("DeferFlags = 1", false),
        ("DeferFlags = 0", false),
    ] {
        let with = |told: &str, provider: fn(ScriptedProvider) -> ScriptedProvider| {
            let stage = scene(&format!("P1{{dwFlags={told}}}→0 ⇒0"), &[entry("Z:", flags)])
                .provider(1, provider)
                .open();
            assert_eq!(restored(&stage, None), ["Z: now"]);
            stage.script.was_played(Status::SUCCESS);
        };
        with(if deferred { "0x400" } else { "0" }, deferring);
        with("0", |p| p);
    }
}

#[test]
fn s4_3_the_remembered_user_is_used_and_no_password() {
    for (user, told) in [("UserName = \"ann\"", "\"ann\""), ("UserName = \"\"", "NULL"), ("", "NULL")] {
        let line = format!("P1{{lpUserName={told}, lpPassword=NULL}}→0 ⇒0");
        let stage = scene(&line, &[entry("Z:", user)]).open();
        assert_eq!(restored(&stage, None), ["Z: now"]);
        stage.script.was_played(Status::SUCCESS);
    }
}

#[test]
fn p6_remembered_use_options_are_handed_to_a_provider_that_takes_them() {
    let entries = [entry("Z:", "UseOptions = \"AQI=\"")];
    let stage = scene("P1{pAuthBuffer=[], lpUseOptions=[01 02]}→0 ⇒0", &entries).open();
    assert_eq!(restored(&stage, None), ["Z: now"]);
    stage.script.was_played(Status::SUCCESS);
    let stage = scene("P1{lpUseOptions=NULL}→0 ⇒0", &entries)
        .provider(1, |p| p.claiming(|c| c.connection &= !WNNC_CON_ADDCONNECTION4))
        .open();
    assert_eq!(restored(&stage, None), ["Z: now"]);
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn r_9_r4_a_failure_keeps_its_entry_and_the_others_go_on() {
    let stage = scene("P1→0 · P1→53 · P1→0 ⇒0", &[entry("X:", ""), entry("Y:", ""), entry("Z:", "")]).open();
    let before = stage.connections();
    assert_eq!(restored(&stage, None), ["X: now", "Y: 53", "Z: now"]);
    assert_eq!(stage.connections(), before);
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn r_10_a_device_that_is_connected_is_left_alone() {
    let stage = scene("P1{lpLocalName=\"Y:\"}→0 ⇒0", &[entry("Y:", ""), entry("Z:", "")])
        .provider(1, |p| p.connected(Some("Z:"), r"\\elsewhere\x"))
        .open();
    assert_eq!(restored(&stage, None), ["Y: now", "Z: already"]);
    stage.script.was_played(Status::SUCCESS);
    assert_eq!(stage.providers[0].remote_of("Z:").as_deref(), Some(r"\\elsewhere\x"));
}

#[test]
fn r_14_an_entry_of_a_provider_that_is_gone_fails_and_is_kept() {
    let gone = entry("Y:", "").replace("\"P1\"", "\"Gone\"");
    let stage = scene("P1{lpLocalName=\"Z:\"}→0 ⇒0", &[gone, entry("Z:", "")]).open();
    let before = stage.connections();
    assert_eq!(restored(&stage, None), ["Y: 1204", "Z: now"]);
    stage.script.was_played(Status::SUCCESS);
    assert_eq!(stage.connections(), before);
}

#[test]
fn s4_3_only_the_provider_of_the_entry_is_asked_and_all_if_it_names_none() {
    let named = entry("Z:", "").replace("\"P1\"", "\"p2\"");
    let stage = scene("P2→67 ⇒0", &[named]).providers(2).open();
    assert_eq!(restored(&stage, None), ["Z: 67"]);
    stage.script.was_played(Status::SUCCESS);
    let nameless = "[drives.\"Z:\"]\nRemotePath = '\\\\s\\z'\n".to_owned();
    let stage = scene("P1{lpProvider=NULL}→67 · P2→0 ⇒0", &[nameless]).open();
    assert_eq!(restored(&stage, None), ["Z: now"]);
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn s4_3_an_entry_written_by_hand_may_use_any_spelling() {
    let stage = scene(
        "P1{lpRemoteName=\"\\\\srv\\share\", lpUserName=\"ann\"}→0 ⇒0",
        &["[drives.\"Z:\"]\nRemotePath = \"smb://ann@srv/share\"\nProviderName = \"P1\"\n".to_owned()],
    )
    .open();
    assert_eq!(restored(&stage, None), ["Z: now"]);
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn s4_nothing_remembered_is_nothing_to_do_and_a_broken_store_is_an_error() {
    let empty = scene("⇒0", &[]).open();
    assert_eq!(restored(&empty, None), [""; 0]);
    let nowhere = Scene::of("⇒0").open();
    assert!(nowhere.router().restore_all(None).is_err_and(|status| status == Status::CANNOT_OPEN_PROFILE));
    let blocked = scene("⇒0", &[]).open();
    std::fs::create_dir(blocked.router().store().unwrap().path()).unwrap();
    assert!(blocked.router().restore_all(None).is_err_and(|status| status == Status::CANNOT_OPEN_PROFILE));
}

// One of them (§4.5).

fn restore_one(stage: &Stage, local: &str) -> Result<(), Status> {
    stage.router().restore_one(&wide(local), None)
}

#[test]
fn r5_one_is_restored_by_its_device_alone() {
    let entries = [entry("Y:", ""), entry("Z:", "")];
    let stage = scene("P1{lpLocalName=\"Z:\"}→0 ⇒0", &entries).open();
    assert_eq!(restore_one(&stage, "z:"), Ok(()));
    assert_eq!(restore_one(&stage, "Z:"), Err(Status::ALREADY_CONNECTED));
    assert_eq!(restore_one(&stage, "X:"), Err(Status::NOT_CONNECTED));
    for wrong in ["", "Q", "foo", r"\\s\z"] {
        assert_eq!(restore_one(&stage, wrong), Err(Status::BAD_LOCALNAME), "{wrong}");
    }
    stage.script.was_played(Status::SUCCESS);
    let failing = scene("P1→1208 ⇒0", &entries).open();
    assert_eq!(restore_one(&failing, "Y:"), Err(Status::EXTENDED_ERROR));
}

// Asking for credentials (§4.4).

/// Gives prepared answers and notes what it was asked about.
#[derive(Default)]
struct User {
    answers: Vec<Answer>,
    asked: Vec<String>,
}

impl AskCredentials for User {
    fn ask(&mut self, entry: &Entry, status: Status) -> Answer {
        self.asked.push(format!("{} {}", entry.device, status.0));
        self.answers.remove(0)
    }
}

fn retry(user: Option<&str>, password: &str) -> Answer {
    Answer::Retry { user: user.map(wide), password: Secret::new(password) }
}

#[test]
fn s4_4_refused_credentials_are_asked_for_until_they_are_accepted_or_the_user_gives_up() {
    let stage = scene(
        "P1{lpUserName=\"ann\", lpPassword=NULL}→86 · P1{lpUserName=\"ann\", lpPassword=\"one\"}→1326 \
         · P1{lpUserName=\"bob\", lpPassword=\"two\"}→5 · P1{lpUserName=\"bob\", lpPassword=\"\"}→0 ⇒0",
        &[entry("Z:", "UserName = \"ann\"")],
    )
    .open();
    let answers = vec![retry(None, "one"), retry(Some("bob"), "two"), retry(None, "")];
    let mut user = User { answers, ..User::default() };
    assert_eq!(restored(&stage, Some(&mut user)), ["Z: now"]);
    assert_eq!(user.asked, ["Z: 86", "Z: 1326", "Z: 5"]);
    stage.script.was_played(Status::SUCCESS);
    let text = stage.connections();
    assert!(!text.contains("one") && !text.contains("two") && text.contains("ann"), "{text}");
}

#[test]
fn s4_4_who_skips_one_goes_on_with_the_next_and_who_stops_does_not() {
    let entries = [entry("X:", ""), entry("Y:", ""), entry("Z:", "")];
    let stage = scene("P1→86 · P1→0 · P1→86 ⇒0", &entries).open();
    let mut user = User { answers: vec![Answer::Skip, Answer::Skip], ..User::default() };
    assert_eq!(restored(&stage, Some(&mut user)), ["X: 1223", "Y: now", "Z: 1223"]);
    stage.script.was_played(Status::SUCCESS);

    let stage = scene("P1→0 · P1→86 ⇒0", &entries).open();
    let mut user = User { answers: vec![Answer::Stop], ..User::default() };
    assert_eq!(restored(&stage, Some(&mut user)), ["X: now", "Y: 1223", "Z: 1223"]);
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn s4_4_nobody_is_asked_about_other_failures_and_without_a_user_everything_is_as_it_is() {
    for code in [53, 85, 1219, 1223, 2202, 1208] {
        let stage = scene(&format!("P1→{code} ⇒0"), &[entry("Z:", "")]).open();
        let mut user = User::default();
        assert_eq!(restored(&stage, Some(&mut user)), [format!("Z: {code}")]);
    }
    for code in [86, 1326, 5] {
        let stage = scene(&format!("P1→{code} ⇒0"), &[entry("Z:", "")]).open();
        assert_eq!(restored(&stage, None), [format!("Z: {code}")]);
    }
}

#[test]
fn s4_4_credentials_that_were_asked_for_are_tried_now_and_not_deferred() {
    let stage = scene("P1{dwFlags=0x400}→86 · P1{dwFlags=0, lpPassword=\"x\"}→0 ⇒0", &[entry("Z:", "")])
        .provider(1, deferring)
        .open();
    let mut user = User { answers: vec![retry(None, "x")], ..User::default() };
    assert_eq!(restored(&stage, Some(&mut user)), ["Z: now"]);
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn s4_4_one_that_is_restored_by_its_device_may_ask_too() {
    let stage = scene("P1→86 · P1{lpPassword=\"x\"}→0 ⇒0", &[entry("Z:", "")]).open();
    let mut user = User { answers: vec![retry(None, "x")], ..User::default() };
    assert_eq!(stage.router().restore_one(&wide("Z:"), Some(&mut user)), Ok(()));
    stage.script.was_played(Status::SUCCESS);
}

// Waiting for providers that are starting.

/// A provider that says this when it is asked whether it has started; the last for ever. The first answer is
/// for the router when it takes the provider in.
fn starting(answers: &[Start]) -> Answers {
    Answers { start: Mutex::new(answers.iter().copied().collect()), ..Answers::default() }
}

#[test]
fn p9_a_restore_waits_for_a_provider_and_no_longer_than_it_takes() {
    // Were the time it announces waited for, this test would not end today.
    let week = Start::Within(7 * 24 * 3600 * 1000);
    for answers in
        [&[week, week, week, week, Start::Running][..], &[Start::Unknown, Start::Unknown, Start::Running]]
    {
        let stage = scene("P1→0 ⇒0", &[entry("Z:", "")]).provider(1, |p| p.network(starting(answers))).open();
        assert_eq!(restored(&stage, None), ["Z: now"]);
        stage.script.was_played(Status::SUCCESS);
        let now = stage.router().network_providers().next().unwrap().network().start();
        assert_eq!(now, Start::Running, "every answer before that was waited out");
    }
}

#[test]
fn p9_a_provider_that_does_not_start_in_its_time_is_asked_nevertheless() {
    let never = [Start::Within(2)];
    let stage = scene("P1→170 ⇒0", &[entry("Z:", "")]).provider(1, |p| p.network(starting(&never))).open();
    assert_eq!(restored(&stage, None), ["Z: 170"], "and says itself that it is busy");
}

#[test]
fn p9_nobody_is_waited_for_where_nothing_is_remembered() {
    let stage = scene("⇒0", &[]).provider(1, |p| p.network(starting(&[Start::Within(3_600_000)]))).open();
    assert_eq!(restored(&stage, None), [""; 0]);
}

#[test]
fn p9_ordinary_calls_never_wait() {
    use crate::scene::ADD;
    let starting = || starting(&[Start::Within(3_600_000)]);
    Scene::of("P1→170 ⇒170").provider(1, |p| p.network(starting())).plays(ADD);
}

#[test]
fn p9_an_unknown_time_is_the_configured_one_which_is_also_the_least() {
    // With 60 s instead of the configured 2 ms this would be noticed; and a provider that is ready is no reason
    // to wait for.
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("connections.toml"), entry("Z:", "")).unwrap();
    let model = ModelNetwork::of(r"\\s\");
    let unknown = Answers { capabilities: Capabilities::default(), ..starting(&[Start::Unknown]) };
    let router = Router::builder()
        .provider("P1", model.clone())
        .provider("P2", unknown)
        .state_dir(state.path())
        .restore_timeout(Duration::from_millis(2))
        .build();
    let began = std::time::Instant::now();
    assert_eq!(router.restore_all(None).unwrap().len(), 1);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(model.connections(), [r"Z: \\s\z"]);
}
