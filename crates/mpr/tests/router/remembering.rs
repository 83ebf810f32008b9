//! Which connections are remembered: `spec/persistence.md` §3, `spec/wnet.md` §4.6.

use crate::answers::Answers;
use crate::scene::{ADD, Add, CANCEL, Cancel, Operation, Scene, Stage};
use mpr::store::Entry;
use mpr::{AddRequest, Connection, Credentials, Router};
use mpr_core::device::LocalDevice;
use mpr_plugin::{AuthBuffer, Status, WideString, wide};
use std::fs;
use std::sync::Barrier;
use std::thread;

const PERSISTENT: Add = Add { flags: 1, ..ADD };
const ENTRY: &str = "[drives.\"Z:\"]\nRemotePath = '\\\\s\\x'\nProviderName = \"P1\"\n";

fn entries(stage: &Stage) -> Vec<Entry> {
    stage.router().store().unwrap().entries().unwrap()
}

#[test]
fn r_1_a_persistent_connection_is_remembered_with_everything_but_its_password() {
    let stage = Scene::of("P1→67 · P2→0 ⇒0").remembering("").open();
    stage.plays(Add { user: Some(r"CORP\ann"), password: Some("secret"), ..PERSISTENT });
    let [entry] = &entries(&stage)[..] else { panic!("one entry") };
    assert_eq!(entry.device, LocalDevice::Drive('Z'));
    assert_eq!((&*entry.remote, &*entry.provider), (r"\\srv\share", "P2"));
    assert_eq!((entry.provider_type, entry.connection_type), (0x72_0000, 1));
    assert_eq!((entry.user.as_deref(), entry.defer_flags), (Some(r"CORP\ann"), Some(1)));
    let text = stage.connections();
    assert!(text.contains("[drives.\"Z:\"]") && !text.contains("secret"), "{text}");
}

#[test]
fn w2_what_the_store_cannot_express_is_refused_and_not_remembered_as_something_else() {
    let lone = WideString::from_vec_truncate([wide(r"\\srv\").as_slice(), &[0xD800]].concat());
    let (device, whole) = (wide("Z:"), wide(r"\\srv\share"));
    let stage = Scene::of("⇒87").notifyees(1).remembering("").open();
    for (remote, user) in [(&lone, None), (&whole, Some(&*lone))] {
        let request = AddRequest {
            local: Some(&device),
            remote: Some(remote),
            credentials: Credentials::Password { user, password: None },
            flags: 1,
            ..AddRequest::default()
        };
        assert_eq!(stage.router().add_connection(&request), Err(Status::BAD_VALUE));
    }
    assert_eq!(stage.connections(), "");
}

#[test]
fn r3_without_a_user_or_with_an_empty_one_the_connection_may_be_deferred() {
    for user in [None, Some("")] {
        let stage = Scene::of("P1→0 ⇒0").remembering("").open();
        stage.plays(Add { user, ..PERSISTENT });
        let entry = entries(&stage).remove(0);
        assert_eq!((entry.user, entry.defer_flags), (None, Some(4)), "{user:?}");
    }
}

#[test]
fn r_2_a_device_is_remembered_under_its_canonical_name() {
    for (local, kind, header) in
        [("z:", 1, "[drives.Z:]"), ("lpt1:", 2, "[drives.LPT1]"), ("LPT9", 2, "[drives.LPT9]")]
    {
        let stage = Scene::of("P1→0 ⇒0").remembering("").open();
        stage.plays(Add { local: Some(local), kind, ..PERSISTENT });
        // To TOML, a key is the same with quotes and without.
        let text = stage.connections().replace('"', "");
        assert!(text.contains(header), "{text}");
        assert_eq!(entries(&stage)[0].connection_type, kind);
    }
}

#[test]
fn r_3_a_failed_add_leaves_the_store_alone() {
    for before in ["", ENTRY] {
        let stage = Scene::of("P1→5 ⇒5").remembering(before).open();
        stage.plays(Add { remote: Some(r"\\s\x"), flags: 3, ..ADD });
        assert_eq!(stage.connections(), before);
    }
}

#[test]
fn r_4_w_10_a_deviceless_connection_is_never_remembered() {
    let stage = Scene::of("P1→0 ⇒0").remembering("").open();
    stage.plays(Add { local: None, flags: 3, ..ADD });
    assert_eq!(stage.connections(), "");
    // Nor does it need a store.
    Scene::of("P1→0 ⇒0").plays(Add { local: None, flags: 1, ..ADD });
    Scene::of("P1→0 ⇒0").remembering("[drives\n").plays(Add { local: None, flags: 1, ..ADD });
}

#[test]
fn w_11_a_temporary_connection_is_not_remembered() {
    let stage = Scene::of("P1→0 ⇒0").remembering("").open();
    stage.plays(Add { flags: 5, ..ADD });
    assert_eq!(stage.connections(), "");
    Scene::of("P1→0 ⇒0").plays(Add { flags: 5, ..ADD });
}

#[test]
fn s3_an_add_without_update_profile_keeps_the_entry_and_one_with_it_replaces_it() {
    let stage = Scene::of("P1→0 ⇒0").remembering(ENTRY).open();
    stage.plays(Add { remote: Some(r"\\S\X"), user: Some("ann"), ..ADD });
    assert_eq!(stage.connections(), ENTRY);
    let stage = Scene::of("P1→0 ⇒0").remembering(ENTRY).open();
    stage.plays(Add { remote: Some(r"\\S\X"), user: Some("ann"), ..PERSISTENT });
    let entry = entries(&stage).remove(0);
    assert_eq!((&*entry.remote, entry.user.as_deref()), (r"\\S\X", Some("ann")));
}

#[test]
fn s4_6_update_recent_puts_a_connection_with_a_device_on_the_recent_list() {
    let stage = Scene::of("P1→0 · P1→0 · P1→0 ⇒0").remembering("").open();
    let recent = |local, remote| Add { local, remote: Some(remote), flags: 2, ..ADD };
    assert_eq!(recent(Some("Z:"), r"\\s\one").run(stage.router()), Status::SUCCESS);
    assert_eq!(recent(Some("Y:"), r"\\s\two").run(stage.router()), Status::SUCCESS);
    assert_eq!(recent(None, r"\\s\deviceless").run(stage.router()), Status::SUCCESS);
    assert_eq!(stage.router().store().unwrap().recent().unwrap(), [r"\\s\two", r"\\s\one"]);
    assert_eq!(entries(&stage), [], "which is not to remember it");
}

#[test]
fn r_5_r_6_a_cancel_forgets_if_it_is_asked_to() {
    let connected =
        |line| Scene::of(line).provider(1, |p| p.connected(Some("Z:"), r"\\s\x")).remembering(ENTRY).open();
    let forgotten = connected("P1→0 ⇒0");
    forgotten.plays(Cancel { flags: 1, ..CANCEL });
    assert_eq!(entries(&forgotten), []);
    assert_eq!(forgotten.router().connection(&wide("Z:")), Err(Status::NOT_CONNECTED));

    let kept = connected("P1→0 ⇒0");
    kept.plays(CANCEL);
    assert_eq!(kept.connections(), ENTRY);
    assert_eq!(kept.router().connection(&wide("Z:")), Ok(Connection::Unavailable(wide(r"\\s\x"))));
}

#[test]
fn r_11_a_store_that_cannot_be_opened_refuses_before_anybody_is_told() {
    // A directory in the place of the file: unreadable whoever the tests run as.
    let blocked = |line| {
        let stage = Scene::of(line).notifyees(1).remembering("").open();
        fs::create_dir(stage.router().store().unwrap().path()).unwrap();
        stage
    };
    blocked("⇒1205").plays(PERSISTENT);
    blocked("⇒1205").plays(Cancel { flags: 1, ..CANCEL });
    let automatic = Add { local: None, flags: 0x81, ..ADD };
    let stage = blocked("⇒1205");
    assert!(automatic.use_with_room(stage.router(), 4).is_err());
    stage.script.was_played(Status::CANNOT_OPEN_PROFILE);
    // Who does not want anything remembered is not bothered.
    blocked("N1.pre(0)→0,∅ · P1→0 ⇒0").plays(ADD);
    blocked("N1.pre(0)→0,∅ · P1→0 ⇒0").plays(CANCEL);
    // A router without any place is in the same position.
    Scene::of("⇒1205").notifyees(1).plays(PERSISTENT);
}

#[test]
fn r_12_a_malformed_store_refuses_and_stays_as_it_is() {
    for malformed in ["[drives\n", "[drives.\"Y:\"]\nUserName = \"ann\"\n"] {
        let stage = Scene::of("⇒1206").notifyees(1).remembering(malformed).open();
        stage.plays(PERSISTENT);
        assert_eq!(stage.connections(), malformed);
    }
}

#[test]
fn r_13_connections_made_at_once_are_all_remembered() {
    let state = tempfile::tempdir().unwrap();
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for number in 0..4_u8 {
            let (state, start) = (state.path(), &start);
            scope.spawn(move || {
                // A router each: to the store they are strangers, as processes are.
                let network = mpr_testkit::ModelNetwork::of(r"\\s\");
                let router = Router::builder().provider("Model", network).state_dir(state).build();
                start.wait();
                for step in 0..5 {
                    let local = wide(&format!("{}:", char::from(b'C' + number * 5 + step)));
                    let remote = wide(r"\\s\x");
                    let request = AddRequest {
                        local: Some(&local),
                        remote: Some(&remote),
                        flags: 1,
                        ..AddRequest::default()
                    };
                    assert!(router.add_connection(&request).is_ok());
                }
            });
        }
    });
    assert_eq!(mpr::store::Store::in_directory(state.path()).entries().unwrap().len(), 20);
}

// Use options (provider.md P6).

fn add_with_options(router: &Router) -> Result<(), Status> {
    let (local, remote) = (wide("Z:"), wide(r"\\s\x"));
    let request = AddRequest {
        local: Some(&local),
        remote: Some(&remote),
        credentials: Credentials::Buffer(AuthBuffer { auth: &[9, 9], use_options: &[1, 2, 3] }),
        flags: 1,
        ..AddRequest::default()
    };
    router.add_connection(&request)
}

#[test]
fn p6_of_the_use_options_the_provider_says_what_is_worth_remembering() {
    for (answer, kept) in
        [(Ok(vec![7, 8]), Some(vec![7, 8])), (Ok(vec![]), None), (Err(50), None), (Err(5), None)]
    {
        let network = Answers { use_options: answer, ..Answers::default() };
        let stage = Scene::of("P1{pAuthBuffer=[09 09], lpUseOptions=[01 02 03]}→0 ⇒0")
            .provider(1, |p| p.network(network))
            .remembering("")
            .open();
        stage.plays(add_with_options);
        assert_eq!(entries(&stage)[0].use_options, kept);
        assert!(
            stage.providers[0].asked().contains(&r#"persistent_use_options("\\s\x", [01 02 03])"#.to_owned())
        );
    }
}

// WNetSetConnection (DECISION W35).

const PERSISTENCE: u32 = 1;

fn set(stage: &Stage, local: &str, property: u32, value: u32) -> Result<(), Status> {
    stage.router().set_connection(&wide(local), property, value)
}

#[test]
fn w35_a_connection_that_exists_is_remembered_and_forgotten_again() {
    let stage = Scene::of("⇒0")
        .notifyees(1)
        .providers(2)
        .provider(2, |p| p.connected(Some("Z:"), r"\\s\x"))
        .remembering("")
        .open();
    assert_eq!(set(&stage, "z:", PERSISTENCE, 1), Ok(()));
    let entry = entries(&stage).remove(0);
    assert_eq!((entry.device.to_string(), &*entry.remote), ("Z:".to_owned(), r"\\s\x"));
    assert_eq!((&*entry.provider, entry.provider_type), ("P2", 0x72_0000));
    assert_eq!(set(&stage, "Z:", PERSISTENCE, 7), Ok(()), "any value but 0");
    assert_eq!(set(&stage, "Z:", PERSISTENCE, 0), Ok(()));
    assert_eq!(entries(&stage), []);
    assert_eq!(set(&stage, "Z:", PERSISTENCE, 0), Ok(()), "it is still connected");
    stage.script.was_played(Status::SUCCESS);
}

#[test]
fn w35_what_is_not_connected_cannot_be_remembered() {
    let stage = Scene::of("⇒0").remembering(ENTRY).open();
    assert_eq!(set(&stage, "Y:", PERSISTENCE, 1), Err(Status::NOT_CONNECTED));
    assert_eq!(set(&stage, "Z:", PERSISTENCE, 1), Err(Status::NOT_CONNECTED));
    assert_eq!(set(&stage, "Y:", PERSISTENCE, 0), Err(Status::NOT_CONNECTED));
    assert_eq!(stage.connections(), ENTRY);
    assert_eq!(set(&stage, "Z:", PERSISTENCE, 0), Ok(()), "what is only remembered can be forgotten");
}

#[test]
fn w35_wrong_arguments_and_a_broken_store_have_their_codes() {
    let connected = |connections| {
        Scene::of("⇒0").provider(1, |p| p.connected(Some("Z:"), r"\\s\x")).remembering(connections).open()
    };
    let stage = connected("");
    for property in [0, 2, u32::MAX] {
        assert_eq!(set(&stage, "Z:", property, 1), Err(Status::BAD_VALUE));
    }
    assert_eq!(set(&stage, "Q", PERSISTENCE, 1), Err(Status::BAD_LOCALNAME));
    for value in [0, 1] {
        assert_eq!(set(&connected("[drives\n"), "Z:", PERSISTENCE, value), Err(Status::BAD_PROFILE));
        let none = Scene::of("⇒0").provider(1, |p| p.connected(Some("Z:"), "x")).open();
        assert_eq!(set(&none, "Z:", PERSISTENCE, value), Err(Status::CANNOT_OPEN_PROFILE));
    }
}
