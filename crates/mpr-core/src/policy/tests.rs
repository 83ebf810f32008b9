//! What a policy decides, rule by rule.

use super::*;
use std::cell::Cell;

struct Request {
    event: Event,
    remote: Name,
    local: Choice<'static>,
    provider: Choice<'static>,
    flags: u32,
    moment: Option<Moment>,
    user: Identity,
    groups: Option<Vec<Identity>>,
    addresses: Option<Vec<IpAddr>>,
    resolved: Cell<u32>,
}

fn request(remote: &str) -> Request {
    Request {
        event: Event::Add,
        remote: Name::new(remote),
        local: Choice::Made(""),
        provider: Choice::Open,
        flags: 0,
        moment: Some(Moment { weekday: 0, minute: 600 }),
        user: Identity { id: Some(1000), name: Some("ann".into()) },
        groups: Some(vec![Identity { id: Some(50), name: Some("staff".into()) }]),
        addresses: None,
        resolved: Cell::new(0),
    }
}

impl Facts for Request {
    fn event(&self) -> Event {
        self.event
    }
    fn remote(&self) -> &Name {
        &self.remote
    }
    fn local(&self) -> Choice<'_> {
        self.local
    }
    fn provider(&self) -> Choice<'_> {
        self.provider
    }
    fn flags(&self) -> u32 {
        self.flags
    }
    fn moment(&self) -> Option<Moment> {
        self.moment
    }
    fn user(&self) -> &Identity {
        &self.user
    }
    fn groups(&self) -> Option<&[Identity]> {
        self.groups.as_deref()
    }
    fn addresses(&self) -> Option<&[IpAddr]> {
        self.resolved.set(self.resolved.get() + 1);
        self.addresses.as_deref()
    }
}

fn rule(name: &str, action: Decision, fill: impl FnOnce(&mut Conditions)) -> Rule {
    let mut conditions = Conditions::default();
    fill(&mut conditions);
    Rule { name: name.into(), action, reason: None, file: Path::new("p.toml").into(), line: 1, conditions }
}

fn allow(name: &str, fill: impl FnOnce(&mut Conditions)) -> Rule {
    rule(name, Decision::Allow, fill)
}

fn deny(name: &str, fill: impl FnOnce(&mut Conditions)) -> Rule {
    rule(name, Decision::Deny, fill)
}

fn remote(pattern: &str) -> impl FnOnce(&mut Conditions) {
    let pattern = NamePattern::new(pattern).unwrap();
    move |conditions| conditions.remote.push(pattern)
}

fn policy(rules: Vec<Rule>) -> Policy {
    Policy::new(rules, None)
}

fn decider(policy: &Policy, request: &Request) -> String {
    policy.judge(request).rule.map_or_else(String::new, |rule| rule.name.clone())
}

#[test]
fn the_first_rule_that_is_about_the_request_decides() {
    let policy = policy(vec![
        allow("photos", remote(r"\\nas\photos")),
        deny("nas", remote(r"\\nas")),
        deny("labs", remote(r"\\*.lab")),
        allow("all", |_| {}),
    ]);
    for (name, by) in
        [(r"\\nas\photos\x", "photos"), (r"\\nas\music", "nas"), (r"\\a.lab\x", "labs"), (r"\\b\x", "all")]
    {
        assert_eq!(decider(&policy, &request(name)), by, "{name}");
    }
}

#[test]
fn without_a_rule_the_default_decides_and_disconnecting_stays_allowed() {
    let default = Default { action: Decision::Deny, file: Path::new("p.toml").into(), line: 2 };
    let policy = Policy::new(vec![allow("nas", remote(r"\\nas"))], Some(default));
    assert_eq!(policy.judge(&request(r"\\nas\x")).decision, Decision::Allow);
    let verdict = policy.judge(&request(r"\\other\x"));
    assert_eq!((verdict.decision, verdict.default.unwrap().line), (Decision::Deny, 2));
    let cancel = Request { event: Event::Cancel, ..request(r"\\other\x") };
    assert_eq!(policy.judge(&cancel).decision, Decision::Allow);
    assert_eq!(Policy::default().judge(&request(r"\\x\y")).decision, Decision::Allow);
}

#[test]
fn a_rule_is_about_connects_unless_it_says_more() {
    let both = Events { add: true, cancel: true };
    let policy =
        policy(vec![deny("connects", remote(r"\\a")), deny("both", |conditions| conditions.events = both)]);
    let cancel = |name| Request { event: Event::Cancel, ..request(name) };
    assert_eq!(decider(&policy, &cancel(r"\\a\x")), "both");
    assert_eq!(decider(&policy, &request(r"\\a\x")), "connects");
    assert!(policy.is_about(Event::Cancel));
}

#[test]
fn no_name_is_resolved_unless_an_address_decides() {
    let net = |text: &'static str| move |c: &mut Conditions| c.address.push(Network::new(text).unwrap());
    let policy = policy(vec![
        deny("elsewhere", |c| {
            remote(r"\\b")(c);
            net("10.0.0.0/8")(c);
        }),
        allow("a", remote(r"\\a")),
        deny("ten", net("10.0.0.0/8")),
    ]);
    let a = request(r"\\a\x");
    assert_eq!((decider(&policy, &a), a.resolved.get()), ("a".into(), 0));
    let with = |addresses: &[&str]| Request {
        addresses: Some(addresses.iter().map(|address| address.parse().unwrap()).collect()),
        ..request(r"\\c\x")
    };
    assert_eq!(decider(&policy, &with(&["10.1.2.3"])), "ten");
    assert_eq!(decider(&policy, &with(&["::ffff:10.1.2.3"])), "ten");
    assert_eq!(decider(&policy, &with(&["192.0.2.1", "10.1.2.3"])), "ten");
    assert_eq!(decider(&policy, &with(&["192.0.2.1"])), "");
}

#[test]
fn a_name_without_an_address_is_denied_by_what_denies_and_not_allowed_by_what_allows() {
    let ten = |c: &mut Conditions| c.address.push(Network::new("10.0.0.0/8").unwrap());
    let policy = policy(vec![allow("inside", ten), deny("not-inside", ten)]);
    let verdict = policy.judge(&request(r"\\c\x"));
    assert_eq!(verdict.rule.unwrap().name, "not-inside");
    assert_eq!(verdict.doubt, Some(Doubt::Address));
    let both = Request {
        addresses: Some(vec!["10.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap()]),
        ..request(r"\\c\x")
    };
    assert_eq!(decider(&policy, &both), "not-inside");
}

#[test]
fn a_name_that_is_not_clear_is_denied_by_every_rule_about_names() {
    let policy = policy(vec![allow("a", remote(r"\\a")), deny("b", remote(r"\\b"))]);
    let verdict = policy.judge(&request(r"\\a\..\..\b"));
    assert_eq!((verdict.rule.unwrap().name.as_str(), verdict.doubt), ("b", Some(Doubt::Name)));
}

#[test]
fn a_rule_that_cannot_be_read_denies_what_it_might_be_about() {
    let broken = |c: &mut Conditions| c.unreadable = true;
    let policy = policy(vec![
        allow("broken-allow", broken),
        deny("broken-deny", |c| {
            remote(r"\\a")(c);
            broken(c);
        }),
    ]);
    assert_eq!(decider(&policy, &request(r"\\a\x")), "broken-deny");
    assert_eq!(decider(&policy, &request(r"\\b\x")), "");
}

#[test]
fn what_is_not_chosen_yet_is_judged_again_when_it_is() {
    let provider = |c: &mut Conditions| c.provider.push(Glob::new("example*"));
    let policy = policy(vec![deny("example", provider), allow("rest", |_| {})]);
    let open = request(r"\\a\x");
    let verdict = policy.judge(&open);
    assert_eq!((verdict.decision, verdict.provisional), (Decision::Allow, true));
    let with = |provider| Request { provider: Choice::Made(provider), ..request(r"\\a\x") };
    assert_eq!(decider(&policy, &with("example network")), "example");
    let verdict = policy.judge(&with("microsoft windows network")).provisional;
    assert!(!verdict);
    assert!(policy.depends_on_choices());
}

#[test]
fn devices_flags_users_and_groups_are_conditions() {
    let policy = policy(vec![
        deny("printers", |c| c.local.push(Glob::new("lpt?"))),
        deny("persistent", |c| c.flags = Flags { set: 1, clear: 4 }),
        deny("bob", |c| c.user = vec![Account::Name(Glob::new("bob")), Account::Id(1001)]),
        allow("staff", |c| c.group.push(Account::Name(Glob::new("st*")))),
        deny("rest", |_| {}),
    ]);
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = request(r"\\a\x");
        change(&mut request);
        decider(&policy, &request)
    };
    assert_eq!(with(&|_| {}), "staff");
    assert_eq!(with(&|r| r.local = Choice::Made("lpt1")), "printers");
    assert_eq!(with(&|r| r.flags = 3), "persistent");
    assert_eq!(with(&|r| r.flags = 5), "staff");
    assert_eq!(with(&|r| r.user = Identity { id: Some(1001), name: Some("bob2".into()) }), "bob");
    assert_eq!(with(&|r| r.user = Identity { id: Some(7), name: None }), "bob");
    assert_eq!(with(&|r| r.groups = Some(Vec::new())), "rest");
    assert_eq!(with(&|r| r.groups = None), "rest");
}

#[test]
fn hours_and_days_are_those_of_the_clock() {
    let policy = policy(vec![
        deny("night", |c| c.hours = vec![Hours::new("22:00-06:00").unwrap()]),
        deny("weekend", |c| c.days = Days::new("sat-sun").unwrap()),
        allow("office", |c| c.hours = vec![Hours::new("08:00 - 18:00").unwrap()]),
        deny("after", |_| {}),
    ]);
    let at = |weekday, clock_text: &str| {
        let moment = Moment { weekday, minute: clock(clock_text).unwrap() };
        decider(&policy, &Request { moment: Some(moment), ..request(r"\\a\x") })
    };
    assert_eq!(at(0, "22:00"), "night");
    assert_eq!(at(0, "05:59"), "night");
    assert_eq!(at(0, "06:00"), "after");
    assert_eq!(at(0, "08:00"), "office");
    assert_eq!(at(4, "17:59"), "office");
    assert_eq!(at(4, "18:00"), "after");
    assert_eq!(at(5, "12:00"), "weekend");
    let timeless = Request { moment: None, ..request(r"\\a\x") };
    assert_eq!(decider(&policy, &timeless), "night");
}

#[test]
fn times_days_and_networks_are_read_strictly() {
    for text in
        ["8-18", "08:00", "08:00-08:00", "25:00-26:00", "08:60-09:00", "24:00-08:00", "a:b-c:d", "+8:00-9:00"]
    {
        assert_eq!(Hours::new(text), None, "{text}");
    }
    assert_eq!(Hours::new("18:00-24:00"), Some(Hours { from: 1080, until: 1440 }));
    assert_eq!(Days::new("fri-mon"), Some(Days(0b111_0001)));
    assert_eq!(Days::new("Wednesday"), Some(Days(0b100)));
    for text in ["", "monn", "mo", "mon-", "someday"] {
        assert_eq!(Days::new(text), None, "{text}");
    }
    for text in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0/8", "fe80::1/10", "::1/0", "nas", "10.0.0.0/-1"] {
        assert!(Network::new(text).is_err(), "{text}");
    }
    for text in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "::1", "10.0.0.1", "fe80::/10"] {
        assert!(Network::new(text).is_ok(), "{text}");
    }
}
