//! Questions about resources and providers: `spec/wnet.md` §10 and §11, `spec/provider.md` §1 and §3.

use crate::answers::Answers;
use crate::scene::{Scene, Stage};
use mpr::Router;
use mpr_plugin::abi::{
    WNNC_DLG_FORMATNETWORKNAME, WNNC_DLG_GETRESOURCEINFORMATION, WNNC_DLG_GETRESOURCEPARENT,
};
use mpr_plugin::{Capabilities, NetResource, Start, Status, wide};
use std::sync::Mutex;

fn stage(networks: Vec<Answers>) -> Stage {
    let scene = Scene::of("⇒0").providers(networks.len());
    networks
        .into_iter()
        .enumerate()
        .fold(scene, |scene, (at, network)| scene.provider(at + 1, |p| p.network(network)))
        .open()
}

fn claiming(dialog: u32) -> Capabilities {
    Capabilities { dialog, ..Capabilities::default() }
}

/// An answer with every member set.
fn share(provider: Option<&str>) -> NetResource {
    NetResource {
        scope: 2,
        kind: 1,
        display: 3,
        usage: 1,
        local: Some(wide("Z:")),
        remote: Some(wide(r"\\s\x")),
        comment: Some(wide("comment")),
        provider: provider.map(wide),
    }
}

/// The members that are set in an answer of the router.
fn answered(provider: &str) -> NetResource {
    NetResource { scope: 0, local: None, comment: None, ..share(Some(provider)) }
}

fn informed(information: Result<(NetResource, Option<&'static str>), u32>) -> Answers {
    let capabilities = claiming(WNNC_DLG_GETRESOURCEINFORMATION);
    Answers { information, capabilities, ..Answers::default() }
}

#[test]
fn s10_1_information_is_routed_and_only_its_members_are_set() {
    let name = wide(r"\\s\x\dir");
    let found = |provider| informed(Ok((share(provider), Some(r"\dir"))));
    let two = stage(vec![informed(Err(67)), found(None)]);
    let expected = Ok((answered("P2"), Some(wide(r"\dir"))));
    assert_eq!(
        two.router().resource_information(Some(&name), 1, None),
        expected,
        "the router adds the provider"
    );
    assert_eq!(two.providers[1].asked(), ["resource_information(\"\\\\s\\x\\dir\", 1)"]);
    let named = stage(vec![found(Some("Its own name"))]);
    let answer = named.router().resource_information(Some(&name), 0, None).unwrap().0;
    assert_eq!(answer, answered("Its own name"));
    let whole = stage(vec![informed(Ok((share(None), None)))]);
    assert_eq!(whole.router().resource_information(Some(&name), 0, None), Ok((answered("P1"), None)));
}

#[test]
fn w28_information_needs_a_name_and_a_provider_that_is_there() {
    let (name, empty, p1, unknown) = (wide(r"\\s\x"), wide(""), wide("P1"), wide("?"));
    let two = stage(vec![informed(Err(67)), informed(Ok((share(None), None)))]);
    for nothing in [None, Some(&*empty)] {
        assert_eq!(two.router().resource_information(nothing, 0, None), Err(Status::BAD_NETNAME));
    }
    let ask = |provider| two.router().resource_information(Some(&name), 0, provider).map(drop);
    assert_eq!(ask(Some(&*unknown)), Err(Status::BAD_PROVIDER));
    assert_eq!(ask(Some(&*p1)), Err(Status::BAD_NETNAME), "the other one is not asked");
    assert_eq!(ask(Some(&*empty)), Ok(()));
    let nobody = stage(vec![]);
    assert_eq!(nobody.router().resource_information(Some(&name), 0, None).map(drop), Err(Status::NO_NETWORK));
    let unable = stage(vec![Answers { information: Ok((share(None), None)), ..Answers::default() }]);
    assert_eq!(
        unable.router().resource_information(Some(&name), 0, None).map(drop),
        Err(Status::NOT_SUPPORTED)
    );
}

#[test]
fn s10_2_the_parent_is_asked_of_the_named_provider_alone() {
    let name = wide(r"\\s\x");
    let capabilities = claiming(WNNC_DLG_GETRESOURCEPARENT);
    let network = |parent| Answers { parent, capabilities, ..Answers::default() };
    let two = stage(vec![network(Ok(share(None))), network(Err(5))]);
    let ask = |provider: &str| two.router().resource_parent(Some(&name), 1, Some(&wide(provider)));
    assert_eq!(ask("p1"), Ok(answered("P1")));
    assert_eq!(ask("P2"), Err(Status::ACCESS_DENIED));
    assert_eq!(two.providers[0].asked(), ["resource_parent(\"\\\\s\\x\", 1)"]);
    let top = stage(vec![network(Ok(NetResource { remote: None, ..share(None) }))]);
    let parent = top.router().resource_parent(Some(&name), 0, Some(&wide("P1"))).unwrap();
    assert_eq!(parent.remote, None, "there is no parent");
}

#[test]
fn w28_the_parent_needs_a_provider_and_a_name() {
    let capabilities = claiming(WNNC_DLG_GETRESOURCEPARENT);
    let stage = stage(vec![
        Answers { parent: Ok(share(None)), capabilities, ..Answers::default() },
        Answers::default(),
    ]);
    let (name, empty) = (wide(r"\\s\x"), wide(""));
    for provider in [None, Some(wide("")), Some(wide("?"))] {
        let answer = stage.router().resource_parent(Some(&name), 0, provider.as_deref());
        assert_eq!(answer, Err(Status::BAD_PROVIDER));
    }
    for nothing in [None, Some(&*empty)] {
        let answer = stage.router().resource_parent(nothing, 0, Some(&wide("P1")));
        assert_eq!(answer, Err(Status::BAD_NETNAME));
    }
    let answer = stage.router().resource_parent(Some(&name), 0, Some(&wide("P2")));
    assert_eq!(answer, Err(Status::NOT_SUPPORTED), "it does not claim to know");
}

fn of_type(net_type: u32) -> Answers {
    Answers {
        capabilities: Capabilities { net_type, version: 9, ..Capabilities::default() },
        ..Answers::default()
    }
}

/// Providers as they are, without a script around them.
fn plain<const N: usize>(networks: [Answers; N]) -> Router {
    let mut number = 0;
    networks
        .into_iter()
        .fold(Router::builder(), |builder, network| {
            number += 1;
            builder.provider(&format!("P{number}"), network)
        })
        .build()
}

#[test]
fn w_54_a_provider_is_found_by_the_high_word_of_its_type_and_the_first_wins() {
    let router = plain([of_type(0x0001_0000), of_type(0x0002_0001), of_type(0x0002_0002)]);
    assert_eq!(router.provider_name(0x0002_0005), Ok(&*wide("P2")));
    assert_eq!(router.provider_name(0x0001_FFFF), Ok(&*wide("P1")));
    assert_eq!(router.provider_name(0x0003_0000), Err(Status::NO_NETWORK));
    assert_eq!(plain([]).provider_name(0), Err(Status::NO_NETWORK));
}

#[test]
fn w29_the_type_of_a_provider_is_found_by_its_name() {
    let router = plain([of_type(0x0001_0003)]);
    assert_eq!(router.provider_type(&wide("p1")), Ok(0x0001_0003));
    assert_eq!(router.provider_type(&wide("P")), Err(Status::BAD_PROVIDER));
}

#[test]
fn w30_a_network_is_running_starting_or_not_there() {
    let start =
        Mutex::new([Start::Running, Start::Within(5), Start::Unknown, Start::Never, Start::Running].into());
    // The first answer is for the router when it takes the provider in.
    let router = plain([Answers { start, ..of_type(0x0002_0001) }]);
    let p1 = wide("P1");
    for status in [Status::FUNCTION_BUSY, Status::FUNCTION_BUSY, Status::NO_NETWORK, Status::SUCCESS] {
        let information = router.network_information(&p1).unwrap();
        assert_eq!((information.version, information.status, information.net_type), (9, status, 2));
    }
    assert!(router.network_information(&wide("?")).is_err_and(|status| status == Status::BAD_PROVIDER));
}

#[test]
fn p1_a_provider_that_will_not_start_is_left_out() {
    let never = Answers { start: Mutex::new([Start::Never].into()), ..of_type(1) };
    let starting = Answers { start: Mutex::new([Start::Unknown].into()), ..of_type(1) };
    let router = plain([never, starting]);
    let names: Vec<_> = router.network_providers().map(|provider| provider.name.to_string_lossy()).collect();
    assert_eq!(names, ["P2"]);
}

#[test]
fn w34_a_name_is_formatted_by_the_named_provider_and_shown_as_it_is_where_that_fails() {
    let capabilities = claiming(WNNC_DLG_FORMATNETWORKNAME);
    let format = |formatted, capabilities| {
        stage(vec![Answers::default(), Answers { formatted, capabilities, ..Answers::default() }])
    };
    let ask = |stage: &Stage| {
        stage
            .router()
            .format_network_name(&wide("P2"), &wide(r"\\s\x"), 1, 40)
            .map(|name| name.to_string_lossy())
    };
    let able = format(Ok("x on s"), capabilities);
    assert_eq!(ask(&able).as_deref(), Ok("x on s"));
    assert_eq!(able.providers[1].asked(), ["format_network_name(\"\\\\s\\x\", 1, 40)"]);
    assert!(able.providers[0].asked().is_empty());
    for code in [5, 50, 67] {
        assert_eq!(ask(&format(Err(code), capabilities)).as_deref(), Ok(r"\\s\x"), "{code}");
    }
    assert_eq!(ask(&format(Ok("not asked"), Capabilities::default())).as_deref(), Ok(r"\\s\x"));
    let unknown = able.router().format_network_name(&wide("?"), &wide("x"), 0, 0);
    assert_eq!(unknown, Err(Status::BAD_PROVIDER));
}
