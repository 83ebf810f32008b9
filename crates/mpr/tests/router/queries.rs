//! Questions about connections: `spec/wnet.md` §6 to §8 and §12.

use crate::answers::Answers;
use crate::scene::{Scene, Stage};
use mpr::Connection;
use mpr_plugin::abi::{WNNC_CON_GETCONNECTIONS, WNNC_CON_GETPERFORMANCE, WNNC_USR_GETUSER};
use mpr_plugin::{Capabilities, Performance, Status, UniversalName, wide};

const ENTRY: &str = "[drives.\"Z:\"]\nRemotePath = '\\\\s\\x'\n";

fn stage(networks: Vec<Answers>, connections: &str) -> Stage {
    let scene = Scene::of("⇒0").notifyees(1).providers(networks.len()).remembering(connections);
    networks
        .into_iter()
        .enumerate()
        .fold(scene, |scene, (at, network)| scene.provider(at + 1, |p| p.network(network)))
        .open()
}

// WNetGetConnection.

/// What `Z:` leads to when the providers give these answers.
fn connection(answers: &[Result<&'static str, u32>], connections: &str) -> Result<Connection, u32> {
    let networks = answers.iter().map(|&connection| Answers { connection, ..Answers::default() }).collect();
    let answer = stage(networks, connections).router().connection(&wide("Z:"));
    answer.map_err(|status| status.0)
}

fn connected(remote: &str) -> Result<Connection, u32> {
    Ok(Connection::Connected(wide(remote)))
}

fn unavailable(remote: &str) -> Result<Connection, u32> {
    Ok(Connection::Unavailable(wide(remote)))
}

#[test]
fn s6_a_device_leads_where_the_first_provider_that_has_it_says() {
    assert_eq!(connection(&[Ok(r"\\s\x")], ""), connected(r"\\s\x"));
    assert_eq!(connection(&[Err(2250), Ok(r"\\s\y")], ""), connected(r"\\s\y"));
    assert_eq!(connection(&[Ok(r"\\s\y")], ENTRY), connected(r"\\s\y"), "whatever is remembered");
}

#[test]
fn w_40_w20_a_device_that_is_only_remembered_is_unavailable_and_its_name_is_known() {
    assert_eq!(connection(&[Err(2250)], ENTRY), unavailable(r"\\s\x"));
    assert_eq!(connection(&[Err(1222)], ENTRY), unavailable(r"\\s\x"), "1222 yields");
    assert_eq!(connection(&[Err(2250), Err(1222)], ENTRY), unavailable(r"\\s\x"), "1203 yields");
    assert_eq!(connection(&[], ENTRY), unavailable(r"\\s\x"), "nobody is there to ask");
}

#[test]
fn w20_every_way_of_saying_not_mine_yields_to_what_is_remembered() {
    for code in [53, 67, 87, 124, 1200, 1203, 1207] {
        assert_eq!(connection(&[Err(code)], ENTRY), unavailable(r"\\s\x"), "{code}");
        assert_eq!(connection(&[Err(code)], ""), Err(code));
    }
}

#[test]
fn w20_an_error_of_whoever_has_the_device_is_told_whatever_is_remembered() {
    for code in [5, 59, 170, 1208] {
        assert_eq!(connection(&[Err(2250), Err(code)], ENTRY), Err(code));
    }
}

#[test]
fn w_41_a_device_nobody_knows_is_not_connected_unless_a_network_is_down() {
    assert_eq!(connection(&[Err(2250)], ""), Err(2250));
    assert_eq!(connection(&[Err(2250), Err(1222)], ""), Err(1203));
    assert_eq!(connection(&[Err(1222), Err(1222)], ""), Err(1222));
    assert_eq!(connection(&[], ""), Err(1222));
}

#[test]
fn w_42_what_is_no_device_is_refused_without_asking_anybody() {
    let stage = stage(vec![Answers::default()], "");
    for name in ["foo", "", r"\\s\x", "Z", "Z:\\", "COM1"] {
        assert_eq!(stage.router().connection(&wide(name)), Err(Status::BAD_LOCALNAME), "{name}");
    }
    assert!(stage.providers[0].asked().is_empty());
}

#[test]
fn w20_a_deferred_connection_is_unavailable_under_the_name_its_provider_knows() {
    let networks = || {
        let other = Answers { connection: Err(2250), ..Answers::default() };
        let deferring =
            Answers { connection: Err(2250), deferred: Ok(r"\\s\deferred"), ..Answers::default() };
        vec![other, deferring]
    };
    for connections in ["", ENTRY] {
        let found = stage(networks(), connections).router().connection(&wide("Z:"));
        assert_eq!(found, Ok(Connection::Unavailable(wide(r"\\s\deferred"))));
    }
}

#[test]
fn s6_providers_are_asked_by_the_canonical_name_if_they_claim_to_know() {
    let stage = Scene::of("⇒0")
        .providers(2)
        .provider(1, |p| {
            p.claiming(|c| c.connection &= !WNNC_CON_GETCONNECTIONS).connected(Some("LPT1"), "x")
        })
        .open();
    assert_eq!(stage.router().connection(&wide("lpt1:")), Err(Status::NOT_CONNECTED));
    assert_eq!(stage.providers[0].asked(), ["deferred_connection(\"LPT1\")"]);
    assert_eq!(stage.providers[1].asked()[0], "connection(\"LPT1\")");
}

// WNetGetUser.

fn users(answers: &[Result<&'static str, u32>]) -> Stage {
    let network = |&user: &Result<&'static str, u32>| Answers {
        user,
        capabilities: Capabilities { user: WNNC_USR_GETUSER, ..Capabilities::default() },
        ..Answers::default()
    };
    stage(answers.iter().map(network).collect(), "")
}

#[test]
fn w21_the_user_of_nobody_is_the_user_of_the_process_and_no_provider_is_asked() {
    let stage = users(&[Ok("somebody else")]);
    let own = std::process::Command::new("id").arg("-un").output().unwrap();
    let own = String::from_utf8(own.stdout).unwrap();
    for name in [None, Some(wide(""))] {
        let user = stage.router().user(name.as_deref()).unwrap();
        assert_eq!(user.to_string_lossy(), own.trim_end());
    }
    assert!(stage.providers[0].asked().is_empty());
}

#[test]
fn s7_the_user_of_a_connection_is_what_the_first_provider_that_knows_says() {
    let user = |answers: &[Result<&'static str, u32>]| {
        users(answers).router().user(Some(&wide("Z:"))).map(|user| user.to_string_lossy()).map_err(|s| s.0)
    };
    assert_eq!(user(&[Err(2250), Ok("ann")]), Ok("ann".to_owned()));
    assert_eq!(user(&[Err(67), Err(2250)]), Err(2250));
    assert_eq!(user(&[Err(2250), Err(1222)]), Err(1203));
    assert_eq!(user(&[]), Err(1222));
    let stage = users(&[Ok("ann")]);
    _ = stage.router().user(Some(&wide("z:")));
    assert_eq!(stage.providers[0].asked(), ["user(\"Z:\")"]);
}

#[test]
fn s7_who_does_not_claim_to_know_users_is_not_asked() {
    let stage = stage(vec![Answers { user: Ok("ann"), ..Answers::default() }], "");
    assert_eq!(stage.router().user(Some(&wide("Z:"))), Err(Status::NOT_SUPPORTED));
}

// WNetGetUniversalName.

fn name(universal: Option<&str>, connection: &str, remaining: &str) -> UniversalName {
    UniversalName { universal: universal.map(wide), connection: wide(connection), remaining: wide(remaining) }
}

/// The universal name of `path` where `Z:` leads to `remote`.
fn universal(remote: &'static str, path: &str) -> Result<UniversalName, Status> {
    let scene = Scene::of("⇒0").provider(1, |p| p.connected(Some("Z:"), remote));
    scene.open().router().universal_name(&wide(path))
}

#[test]
fn w_45_w23_the_router_makes_the_name_when_the_provider_does_not() {
    let is = |path: &str, universal_form: &str, remaining: &str| {
        assert_eq!(universal(r"\\s\x", path), Ok(name(Some(universal_form), r"\\s\x", remaining)), "{path}");
    };
    is(r"Z:\a", r"\\s\x\a", r"\a");
    is(r"z:\a\B c\", r"\\s\x\a\B c\", r"\a\B c\");
    is(r"Z:\", r"\\s\x\", r"\");
    is("Z:", r"\\s\x", "");
    is("Z:/a/b", r"\\s\x\a\b", r"\a\b");
}

#[test]
fn w23_trailing_backslashes_of_the_connection_are_dropped() {
    assert_eq!(universal(r"\\s\x\\", r"Z:\a"), Ok(name(Some(r"\\s\x\a"), r"\\s\x", r"\a")));
}

#[test]
fn w23_a_connection_without_unc_name_has_no_universal_form() {
    assert_eq!(universal("https://s/x", r"Z:\a"), Ok(name(None, "https://s/x", r"\a")));
}

#[test]
fn w22_what_does_not_begin_with_a_drive_is_no_path_on_a_device() {
    for path in ["", "Z", "foo", "ZZ:", "Z:a", "1:\\a", r"\\s\x\a", "LPT1"] {
        assert_eq!(universal(r"\\s\x", path), Err(Status::BAD_LOCALNAME), "{path}");
    }
}

#[test]
fn w_46_a_drive_that_is_not_connected_has_no_universal_name() {
    assert_eq!(universal(r"\\s\x", r"C:\a"), Err(Status::NOT_CONNECTED));
    let down = stage(
        vec![
            Answers { connection: Err(2250), ..Answers::default() },
            Answers { connection: Err(1222), ..Answers::default() },
        ],
        "",
    );
    assert_eq!(down.router().universal_name(&wide(r"C:\a")), Err(Status::NO_NET_OR_BAD_PATH));
}

#[test]
fn s8_a_drive_that_is_remembered_or_deferred_only_is_unavailable() {
    let remembered = stage(vec![Answers { connection: Err(2250), ..Answers::default() }], ENTRY);
    assert_eq!(remembered.router().universal_name(&wide(r"Z:\a")), Err(Status::CONNECTION_CLOSED));
    let deferring = Answers { connection: Err(2250), deferred: Ok("x"), ..Answers::default() };
    let deferred = stage(vec![deferring], "");
    assert_eq!(deferred.router().universal_name(&wide(r"Z:\a")), Err(Status::CONNECTION_CLOSED));
}

#[test]
fn s8_the_owner_of_the_drive_makes_the_name_if_it_can() {
    let own = name(Some("own"), "connection", "rest");
    let owner = |universal| Answers { connection: Ok(r"\\s\x"), universal, ..Answers::default() };
    let other =
        Answers { connection: Err(2250), universal: Ok(name(None, "not asked", "")), ..Answers::default() };
    let stage = stage(vec![other, owner(Ok(own.clone()))], "");
    assert_eq!(stage.router().universal_name(&wide(r"Z:\a")), Ok(own));
    assert_eq!(stage.providers[0].asked(), ["connection(\"Z:\")"]);
    assert_eq!(stage.providers[1].asked(), ["connection(\"Z:\")", "universal_name(\"Z:\\a\")"]);
}

#[test]
fn s8_an_error_of_the_owner_is_told_unless_it_has_no_such_function() {
    for code in [5, 1222, 2250, 1208] {
        let owner = Answers { connection: Ok(r"\\s\x"), universal: Err(code), ..Answers::default() };
        assert_eq!(stage(vec![owner], "").router().universal_name(&wide(r"Z:\a")), Err(Status(code)));
    }
}

#[test]
fn s8_a_path_below_a_connected_directory_has_a_universal_name() {
    let stage = Scene::of("⇒0")
        .provider(1, |p| p.connected(Some("/mnt/a"), r"\\s\x").connected(Some("/mnt/a/b"), r"\\s\y"))
        .open();
    let universal = |path: &str| stage.router().universal_name(&wide(path));
    assert_eq!(universal("/mnt/a/c/d"), Ok(name(Some(r"\\s\x\c\d"), r"\\s\x", r"\c\d")));
    assert_eq!(universal("/mnt/a/b/c"), Ok(name(Some(r"\\s\y\c"), r"\\s\y", r"\c")), "the innermost");
    assert_eq!(universal("/mnt/a"), Ok(name(Some(r"\\s\x"), r"\\s\x", "")));
    assert_eq!(universal("/mnt/ab"), Err(Status::NOT_CONNECTED), "not a path below it");
    assert_eq!(universal("/other"), Err(Status::NOT_CONNECTED));
}

// MultinetGetConnectionPerformance.

fn performing(performance: Result<Performance, u32>) -> Answers {
    let connection = WNNC_CON_GETPERFORMANCE;
    let capabilities = Capabilities { connection, ..Capabilities::default() };
    Answers { performance, capabilities, ..Answers::default() }
}

const FAST: Performance = Performance { flags: 4, speed: 1, delay: 2, optimal_size: 4096 };

#[test]
fn w_56_performance_needs_a_name() {
    let stage = stage(vec![performing(Ok(FAST))], "");
    let empty = wide("");
    for name in [None, Some(&*empty)] {
        assert_eq!(stage.router().performance(name, name, None), Err(Status::BAD_NETNAME));
    }
    assert!(stage.providers[0].asked().is_empty());
}

#[test]
fn s12_the_device_takes_precedence_over_the_remote_name() {
    let stage = stage(vec![performing(Ok(FAST))], "");
    let (device, remote) = (wide("z:"), wide(r"\\s\x"));
    assert_eq!(stage.router().performance(Some(&device), Some(&remote), None), Ok(FAST));
    assert_eq!(stage.router().performance(None, Some(&remote), None), Ok(FAST));
    assert_eq!(stage.providers[0].asked(), ["performance(\"Z:\")", "performance(\"\\\\s\\x\")"]);
}

#[test]
fn s12_performance_is_routed_with_the_codes_of_the_page() {
    let (z, foo, p1, unknown) = (wide("Z:"), wide("foo"), wide("P1"), wide("?"));
    let two = stage(vec![performing(Err(2250)), performing(Ok(FAST))], "");
    assert_eq!(two.router().performance(Some(&z), None, None), Ok(FAST));
    assert_eq!(two.router().performance(Some(&z), None, Some(&p1)), Err(Status::NOT_CONNECTED));
    assert_eq!(two.router().performance(Some(&z), None, Some(&unknown)), Err(Status::BAD_PROVIDER));
    assert_eq!(two.router().performance(Some(&foo), None, None), Err(Status::BAD_LOCALNAME));
    let down = stage(vec![performing(Err(2250)), performing(Err(1222))], "");
    assert_eq!(down.router().performance(Some(&z), None, None), Err(Status::NO_NET_OR_BAD_PATH));
    let none = stage(vec![Answers::default()], "");
    assert_eq!(none.router().performance(Some(&z), None, None), Err(Status::NOT_SUPPORTED));
    assert_eq!(stage(vec![], "").router().performance(Some(&z), None, None), Err(Status::NO_NETWORK));
}
