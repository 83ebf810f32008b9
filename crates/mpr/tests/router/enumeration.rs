//! Enumerating connections and networks: `spec/wnet.md` §9.

use crate::answers::Answers;
use crate::scene::{Scene, Stage};
use mpr::Enumeration;
use mpr_plugin::abi::{
    RESOURCE_CONNECTED, RESOURCE_CONTEXT, RESOURCE_GLOBALNET, RESOURCE_RECENT, RESOURCE_REMEMBERED,
    WNNC_ENUM_CONTEXT, WNNC_ENUM_GLOBAL, WNNC_ENUM_LOCAL,
};
use mpr_plugin::{Capabilities, NetResource, Status, wide};

const REMEMBERED: &str = "\
[drives.\"Z:\"]
RemotePath = '\\\\s\\z'
ProviderName = \"Net Z\"
[drives.\"LPT1\"]
RemotePath = '\\\\s\\printer'
[drives.\"C:\"]
RemotePath = '\\\\s\\c'
[recent]
Order = \"ba\"
a = '\\\\s\\older'
b = '\\\\s\\newer'
";

fn stage(networks: Vec<Answers>) -> Stage {
    let scene = Scene::of("⇒0").providers(networks.len()).remembering(REMEMBERED);
    networks
        .into_iter()
        .enumerate()
        .fold(scene, |scene, (at, network)| scene.provider(at + 1, |p| p.network(network)))
        .open()
}

fn network(enumeration: u32, entries: Result<&[Result<&str, u32>], u32>) -> Answers {
    let entry = |entry: &Result<&str, u32>| entry.map(|remote| NetResource::connection(None, wide(remote)));
    Answers {
        capabilities: Capabilities { enumeration, ..Capabilities::default() },
        entries: entries.map(|entries| entries.iter().map(entry).collect()),
        ..Answers::default()
    }
}

/// The rest of an enumeration as text, with the code it ends with if it does not just end.
fn listed(enumeration: &mut Enumeration) -> Vec<String> {
    let mut list = Vec::new();
    loop {
        match enumeration.next_entry() {
            Ok(None) => return list,
            Ok(Some(entry)) => {
                let text = |name: Option<_>| {
                    name.map_or("-".to_owned(), |name: mpr_plugin::WideString| name.to_string_lossy())
                };
                let names = [entry.local, entry.remote, entry.comment, entry.provider].map(text).join(" ");
                list.push(format!(
                    "{}/{}/{}/{} {names}",
                    entry.scope, entry.kind, entry.display, entry.usage
                ));
            }
            Err(status) => {
                list.push(status.0.to_string());
                return list;
            }
        }
    }
}

fn opened(stage: &Stage, scope: u32, kind: u32) -> Result<Vec<String>, Status> {
    stage.router().open_enum(scope, kind, 0, None).map(|mut enumeration| listed(&mut enumeration))
}

fn container(remote: Option<&str>, provider: Option<&str>, usage: u32) -> NetResource {
    NetResource { usage, remote: remote.map(wide), provider: provider.map(wide), ..NetResource::default() }
}

#[test]
fn w_49_w_50_w24_arguments_are_checked() {
    let stage = stage(vec![network(0xF, Ok(&[]))]);
    let open = |scope, kind, usage, container: Option<&NetResource>| {
        stage.router().open_enum(scope, kind, usage, container).map(drop)
    };
    let bad = Err(Status::BAD_VALUE);
    let top = container(None, None, 0);
    for scope in [RESOURCE_CONNECTED, RESOURCE_REMEMBERED, RESOURCE_RECENT, RESOURCE_CONTEXT] {
        assert_eq!(open(scope, 0, 0, Some(&top)), bad, "a container in scope {scope}");
        assert_eq!(open(scope, 0, u32::MAX, None), Ok(()), "usage is ignored in scope {scope}");
    }
    for scope in [0, 6, 9, u32::MAX] {
        assert_eq!(open(scope, 0, 0, None), bad, "scope {scope}");
    }
    for kind in [4, 8, u32::MAX] {
        assert_eq!(open(RESOURCE_CONNECTED, kind, 0, None), bad, "type {kind}");
    }
    for kind in 0..=3 {
        assert_eq!(open(RESOURCE_CONNECTED, kind, 0, None), Ok(()));
    }
    for bit in (0..32).map(|bit| 1 << bit) {
        let expected = if bit & 0x1F == 0 { bad } else { Ok(()) };
        assert_eq!(open(RESOURCE_GLOBALNET, 0, bit, None), expected, "usage {bit:#x}");
    }
    assert!(stage.providers[0].asked().iter().all(|question| question.starts_with("enumerate")));
}

#[test]
fn w24_what_is_no_container_cannot_be_looked_into() {
    let stage = stage(vec![network(WNNC_ENUM_GLOBAL, Ok(&[]))]);
    for (usage, expected) in [(0, Ok(())), (2, Ok(())), (3, Ok(())), (1, Err(Status::NOT_CONTAINER))] {
        let place = container(Some(r"\\s"), None, usage);
        let answer = stage.router().open_enum(RESOURCE_GLOBALNET, 0, 0, Some(&place)).map(drop);
        assert_eq!(answer, expected, "usage {usage}");
    }
}

#[test]
fn w24_without_providers_there_is_only_what_is_remembered() {
    let stage = stage(vec![]);
    for scope in [RESOURCE_CONNECTED, RESOURCE_GLOBALNET, RESOURCE_CONTEXT] {
        assert_eq!(opened(&stage, scope, 0), Err(Status::NO_NETWORK));
    }
    assert_eq!(opened(&stage, RESOURCE_REMEMBERED, 0).unwrap().len(), 3);
    assert_eq!(opened(&stage, RESOURCE_RECENT, 0).unwrap().len(), 2);
}

#[test]
fn s9_1_connections_are_those_of_all_providers_that_list_them_in_their_order() {
    let own =
        NetResource { provider: Some(wide("Own")), ..NetResource::connection(Some(wide("Y:")), wide("3")) };
    let naming = Answers { entries: Ok(vec![Ok(own)]), ..network(WNNC_ENUM_LOCAL, Ok(&[])) };
    let stage = stage(vec![
        network(WNNC_ENUM_LOCAL, Ok(&[Ok("1"), Ok("2")])),
        network(WNNC_ENUM_GLOBAL | WNNC_ENUM_CONTEXT, Ok(&[Ok("not listed")])),
        naming,
    ]);
    assert_eq!(
        opened(&stage, RESOURCE_CONNECTED, 1).unwrap(),
        ["1/1/3/1 - 1 - P1", "1/1/3/1 - 2 - P1", "1/1/3/1 Y: 3 - Own"]
    );
    assert_eq!(stage.providers[0].asked(), ["enumerate(1, 1, 0, top)"]);
    assert!(stage.providers[1].asked().is_empty());
}

#[test]
fn w26_a_provider_that_fails_is_passed_over_unless_all_do() {
    let failing = |code| network(WNNC_ENUM_LOCAL | WNNC_ENUM_CONTEXT, Err(code));
    let one = || network(WNNC_ENUM_LOCAL | WNNC_ENUM_CONTEXT, Ok(&[Ok("1")]));
    let entries = opened(&stage(vec![failing(5), one(), failing(1222)]), RESOURCE_CONNECTED, 0);
    assert_eq!(entries.unwrap(), ["1/1/3/1 - 1 - P2"]);
    for scope in [RESOURCE_CONNECTED, RESOURCE_CONTEXT] {
        let result = |codes: [u32; 2]| opened(&stage(codes.map(failing).into()), scope, 0);
        assert_eq!(result([67, 5]), Err(Status::ACCESS_DENIED));
        assert_eq!(result([1222, 1222]), Err(Status::NO_NETWORK));
        assert_eq!(result([1222, 67]), Err(Status::NO_NET_OR_BAD_PATH));
    }
}

#[test]
fn w26_a_provider_that_fails_on_the_way_ends_its_own_entries_only() {
    let stage = stage(vec![
        network(WNNC_ENUM_LOCAL, Ok(&[Ok("1"), Err(5), Ok("never reached")])),
        network(WNNC_ENUM_LOCAL, Ok(&[Ok("2")])),
    ]);
    assert_eq!(opened(&stage, RESOURCE_CONNECTED, 0).unwrap(), ["1/1/3/1 - 1 - P1", "1/1/3/1 - 2 - P2"]);
}

#[test]
fn s9_1_the_context_begins_with_the_whole_network() {
    let stage =
        stage(vec![network(WNNC_ENUM_CONTEXT, Ok(&[Ok("1")])), network(WNNC_ENUM_LOCAL, Ok(&[Ok("2")]))]);
    assert_eq!(
        opened(&stage, RESOURCE_CONTEXT, 0).unwrap(),
        ["2/0/7/2 - - Entire Network -", "1/1/3/1 - 1 - P1"]
    );
    assert_eq!(stage.providers[0].asked(), ["enumerate(5, 0, 0, top)"]);
}

#[test]
fn w25_the_top_of_the_tree_are_the_networks_that_can_be_browsed() {
    let stage = stage(vec![
        network(WNNC_ENUM_GLOBAL, Err(5)),
        network(WNNC_ENUM_LOCAL, Err(5)),
        network(0xF, Err(5)),
    ]);
    assert_eq!(opened(&stage, RESOURCE_GLOBALNET, 0).unwrap(), ["2/0/6/2 - P1 - P1", "2/0/6/2 - P3 - P3"]);
    assert!(stage.providers[0].asked().is_empty(), "nobody is asked for that");
}

/// What a container holds, and what each provider was asked.
fn looked_into(stage: &Stage, place: &NetResource) -> (Result<Vec<String>, Status>, Vec<Vec<String>>) {
    let entries = stage.router().open_enum(RESOURCE_GLOBALNET, 1, 2, Some(place));
    let entries = entries.map(|mut entries| listed(&mut entries));
    (entries, stage.providers.iter().map(mpr_testkit::ScriptedProvider::asked).collect())
}

#[test]
fn s9_1_a_container_is_looked_for_at_every_provider_or_at_the_one_that_is_named() {
    let two =
        || stage(vec![network(WNNC_ENUM_GLOBAL, Err(67)), network(WNNC_ENUM_GLOBAL, Ok(&[Ok("found")]))]);
    let found = Ok(vec!["1/1/3/1 - found - P2".to_owned()]);
    let asked = vec![r#"enumerate(2, 1, 2, "\\s")"#.to_owned()];
    let routed = looked_into(&two(), &container(Some(r"\\s"), None, 2));
    assert_eq!(routed, (found.clone(), vec![asked.clone(), asked.clone()]));
    let named = looked_into(&two(), &container(Some(r"\\s"), Some("p2"), 2));
    assert_eq!(named, (found, vec![vec![], asked.clone()]));
    let other = looked_into(&two(), &container(Some(r"\\s"), Some("P1"), 2));
    assert_eq!(other, (Err(Status::BAD_NETNAME), vec![asked, vec![]]));
    let unknown = looked_into(&two(), &container(Some(r"\\s"), Some("?"), 2));
    assert_eq!(unknown, (Err(Status::BAD_PROVIDER), vec![vec![], vec![]]));
}

#[test]
fn s9_1_the_name_of_a_provider_or_none_is_the_top_of_its_network() {
    for remote in [None, Some(""), Some("P2"), Some("p2")] {
        let stage =
            stage(vec![network(WNNC_ENUM_GLOBAL, Err(67)), network(WNNC_ENUM_GLOBAL, Ok(&[Ok("top")]))]);
        let (entries, asked) = looked_into(&stage, &container(remote, Some("P2"), 2));
        assert_eq!(entries, Ok(vec!["1/1/3/1 - top - P2".to_owned()]));
        assert_eq!(asked, [vec![], vec!["enumerate(2, 1, 2, top)".to_owned()]]);
    }
}

#[test]
fn s9_2_an_error_within_a_container_is_told() {
    let stage = stage(vec![network(WNNC_ENUM_GLOBAL, Ok(&[Ok("1"), Err(5)]))]);
    let entries = looked_into(&stage, &container(Some(r"\\s"), None, 2)).0;
    assert_eq!(entries.unwrap(), ["1/1/3/1 - 1 - P1", "5"]);
}

#[test]
fn r_7_what_is_remembered_is_listed_connected_or_not_and_no_provider_is_asked() {
    let scene = Scene::of("⇒0").remembering(REMEMBERED);
    let stage =
        scene.provider(1, |p| p.claiming(|c| c.enumeration = 0xF).connected(Some("Z:"), r"\\s\z")).open();
    let [c, z, printer] =
        ["3/1/3/1 C: \\\\s\\c - -", "3/1/3/1 Z: \\\\s\\z - Net Z", "3/2/3/1 LPT1 \\\\s\\printer - -"];
    assert_eq!(opened(&stage, RESOURCE_REMEMBERED, 0).unwrap(), [c, z, printer]);
    assert_eq!(opened(&stage, RESOURCE_REMEMBERED, 1).unwrap(), [c, z]);
    assert_eq!(opened(&stage, RESOURCE_REMEMBERED, 2).unwrap(), [printer]);
    assert_eq!(opened(&stage, RESOURCE_REMEMBERED, 3).unwrap(), [c, z, printer]);
    assert!(stage.providers[0].asked().is_empty());
}

#[test]
fn w25_the_recent_list_comes_most_recent_first() {
    let stage = stage(vec![]);
    let recent = ["4/1/3/1 - \\\\s\\newer - -", "4/1/3/1 - \\\\s\\older - -"];
    assert_eq!(opened(&stage, RESOURCE_RECENT, 0).unwrap(), recent);
    assert_eq!(opened(&stage, RESOURCE_RECENT, 1).unwrap(), recent);
    assert_eq!(opened(&stage, RESOURCE_RECENT, 2).unwrap(), [""; 0]);
}

#[test]
fn w_52_w27_after_the_last_entry_there_is_no_other_however_often_one_asks() {
    let stage = stage(vec![network(WNNC_ENUM_LOCAL, Ok(&[Ok("1")]))]);
    for scope in [RESOURCE_CONNECTED, RESOURCE_REMEMBERED] {
        let mut entries = stage.router().open_enum(scope, 0, 0, None).unwrap();
        assert!(!listed(&mut entries).is_empty());
        for _ in 0..3 {
            assert_eq!(entries.next_entry(), Ok(None));
        }
    }
}

#[test]
fn w27_an_entry_that_did_not_fit_comes_next() {
    let stage = stage(vec![network(WNNC_ENUM_LOCAL, Ok(&[Ok("1"), Ok("2")]))]);
    let mut entries = stage.router().open_enum(RESOURCE_CONNECTED, 0, 0, None).unwrap();
    let first = entries.next_entry().unwrap().unwrap();
    entries.put_back(first);
    assert_eq!(listed(&mut entries), ["1/1/3/1 - 1 - P1", "1/1/3/1 - 2 - P1"]);
}

fn closing(close: u32) -> Answers {
    Answers { close, ..network(WNNC_ENUM_LOCAL | WNNC_ENUM_GLOBAL, Ok(&[Ok("1")])) }
}

#[test]
fn w27_closing_tells_the_first_failure_whether_or_not_the_entries_were_read() {
    for read in 0..=4 {
        let stage = stage(vec![closing(0), closing(59), closing(5)]);
        let mut entries = stage.router().open_enum(RESOURCE_CONNECTED, 0, 0, None).unwrap();
        for _ in 0..read {
            _ = entries.next_entry();
        }
        assert_eq!(entries.close(), Err(Status::NET_ERROR), "after {read} calls");
    }
    let stage = stage(vec![closing(1208)]);
    let mut entries =
        stage.router().open_enum(RESOURCE_GLOBALNET, 0, 0, Some(&container(Some("x"), None, 0))).unwrap();
    assert_eq!(listed(&mut entries).len(), 1);
    assert_eq!(entries.close(), Err(Status::EXTENDED_ERROR));
}
