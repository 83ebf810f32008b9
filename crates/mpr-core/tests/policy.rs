//! Policies of any rules, compared with what the rules say when they are read one after the other, letter by letter.

use mpr_core::policy::{
    Account, Choice, Conditions, Decision, Event, Events, Facts, Flags, Glob, Identity, Moment, Name,
    NamePattern, Network, Policy, Rule,
};
use proptest::prelude::*;
use std::net::IpAddr;
use std::path::Path;

/// A rule as somebody writes it.
#[derive(Debug, Clone)]
struct Written {
    allow: bool,
    events: (bool, bool),
    remote: Vec<String>,
    provider: Vec<String>,
    user: Vec<u32>,
    set: u32,
    address: Vec<u8>,
    unreadable: bool,
}

/// A request.
#[derive(Debug, Clone)]
struct Asked {
    add: bool,
    host: String,
    path: Vec<String>,
    provider: Option<String>,
    user: u32,
    flags: u32,
    addresses: Option<Vec<u8>>,
}

/// Letters that fit together often.
fn word() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!['a', 'b']), 1..4).prop_map(String::from_iter)
}

fn pattern_word() -> impl Strategy<Value = String> {
    let letters = prop::sample::select(vec!['a', 'b', '*', '?']);
    prop_oneof![2 => word(), 1 => prop::collection::vec(letters, 1..5).prop_map(String::from_iter)]
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![4 => pattern_word(), 1 => Just("**".to_owned())];
    prop_oneof![
        1 => Just("*".to_owned()),
        8 => (pattern_word(), prop::collection::vec(part, 0..4)).prop_map(|(host, path)| {
            path.iter().fold(format!(r"\\{host}"), |name, part| format!(r"{name}\{part}"))
        }),
    ]
}

fn written() -> impl Strategy<Value = Written> {
    let some = |what| prop::collection::vec(what, 0..2);
    (
        any::<bool>(),
        prop::sample::select(vec![(true, false), (false, true), (true, true)]),
        prop::collection::vec(pattern(), 0..3),
        prop::collection::vec(pattern_word(), 0..2),
        some(0_u32..3),
        prop::sample::select(vec![0, 0, 1, 2, 3]),
        prop::collection::vec(0_u8..4, 0..2),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(allow, events, remote, provider, user, set, address, unreadable)| Written {
            allow,
            events,
            remote,
            provider,
            user,
            set,
            address,
            unreadable,
        })
}

fn asked() -> impl Strategy<Value = Asked> {
    (
        prop::bool::weighted(0.8),
        word(),
        prop::collection::vec(word(), 0..4),
        prop::option::of(word()),
        0_u32..3,
        0_u32..4,
        prop::option::weighted(0.8, prop::collection::vec(0_u8..4, 1..3)),
    )
        .prop_map(|(add, host, path, provider, user, flags, addresses)| Asked {
            add,
            host,
            path,
            provider,
            user,
            flags,
            addresses,
        })
}

impl Written {
    fn compiled(&self) -> Rule {
        let conditions = Conditions {
            events: Events { add: self.events.0, cancel: self.events.1 },
            remote: self.remote.iter().map(|text| NamePattern::new(text).unwrap()).collect(),
            provider: self.provider.iter().map(|text| Glob::new(text)).collect(),
            user: self.user.iter().copied().map(Account::Id).collect(),
            flags: Flags { set: self.set, clear: 0 },
            address: self
                .address
                .iter()
                .map(|last| Network::new(&format!("10.0.0.{last}")).unwrap())
                .collect(),
            unreadable: self.unreadable,
            ..Conditions::default()
        };
        Rule {
            name: String::new(),
            action: if self.allow { Decision::Allow } else { Decision::Deny },
            reason: None,
            file: Path::new("p.toml").into(),
            line: 1,
            conditions,
        }
    }

    /// Whether the rule decides about the request, by what `docs/policy.md` says.
    fn decides(&self, asked: &Asked) -> bool {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let (mut unknown, mut open) = (self.unreadable, false);
        let event = if asked.add { self.events.0 } else { self.events.1 };
        let remote = self.remote.is_empty() || self.remote.iter().any(|pattern| names(pattern, asked));
        let user = self.user.is_empty() || self.user.contains(&asked.user);
        if !(event && remote && user && asked.flags & self.set == self.set) {
            return false;
        }
        match &asked.provider {
            _ if self.provider.is_empty() => {}
            Some(name) if !self.provider.iter().any(|glob| fits(&chars(glob), &chars(name))) => return false,
            Some(_) => {}
            None => open = !self.provider.iter().any(|glob| glob.bytes().all(|byte| byte == b'*')),
        }
        match &asked.addresses {
            _ if self.address.is_empty() || open => {}
            None => unknown = true,
            Some(addresses) => {
                let inside = |last: &u8| self.address.contains(last);
                let held = match self.allow {
                    true => addresses.iter().all(inside),
                    false => addresses.iter().any(inside),
                };
                if !held {
                    return false;
                }
            }
        }
        match self.allow {
            true => !unknown || open,
            false => !open,
        }
    }
}

/// Whether a word fits a pattern: by trying everything a star can stand for.
fn fits(pattern: &[char], word: &[char]) -> bool {
    match (pattern, word) {
        ([], []) => true,
        (['*', rest @ ..], _) => (0..=word.len()).any(|taken| fits(rest, &word[taken..])),
        (['?', rest @ ..], [_, word @ ..]) => fits(rest, word),
        ([letter, rest @ ..], [first, word @ ..]) => letter == first && fits(rest, word),
        _ => false,
    }
}

/// Whether a pattern stands for the name or for something above it.
fn names(pattern: &str, asked: &Asked) -> bool {
    fn begins(pattern: &[&str], path: &[String]) -> bool {
        match (pattern, path) {
            ([], _) => true,
            (["**", rest @ ..], _) => (0..=path.len()).any(|taken| begins(rest, &path[taken..])),
            ([part, rest @ ..], [first, path @ ..]) => {
                fits(&part.chars().collect::<Vec<_>>(), &first.chars().collect::<Vec<_>>())
                    && begins(rest, path)
            }
            _ => false,
        }
    }
    let Some(rest) = pattern.strip_prefix(r"\\") else { return true };
    let parts: Vec<&str> = rest.split('\\').collect();
    let host = fits(&parts[0].chars().collect::<Vec<_>>(), &asked.host.chars().collect::<Vec<_>>());
    host && begins(&parts[1..], &asked.path)
}

/// The request, as it is judged.
struct Request {
    asked: Asked,
    name: Name,
    user: Identity,
    addresses: Option<Vec<IpAddr>>,
}

impl Request {
    fn new(asked: &Asked) -> Self {
        let name =
            asked.path.iter().fold(format!(r"\\{}", asked.host), |name, part| format!(r"{name}\{part}"));
        let address = |last: &u8| IpAddr::from([10, 0, 0, *last]);
        Request {
            name: Name::new(&name),
            user: Identity { id: Some(asked.user), name: None },
            addresses: asked.addresses.as_ref().map(|all| all.iter().map(address).collect()),
            asked: asked.clone(),
        }
    }
}

impl Facts for Request {
    fn event(&self) -> Event {
        if self.asked.add { Event::Add } else { Event::Cancel }
    }
    fn remote(&self) -> &Name {
        &self.name
    }
    fn local(&self) -> Choice<'_> {
        Choice::Made("")
    }
    fn provider(&self) -> Choice<'_> {
        self.asked.provider.as_deref().map_or(Choice::Open, Choice::Made)
    }
    fn flags(&self) -> u32 {
        self.asked.flags
    }
    fn moment(&self) -> Option<Moment> {
        None
    }
    fn user(&self) -> &Identity {
        &self.user
    }
    fn groups(&self) -> Option<&[Identity]> {
        None
    }
    fn addresses(&self) -> Option<&[IpAddr]> {
        self.addresses.as_deref()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_policy_decides_as_its_rules_do_one_after_the_other(
        rules in prop::collection::vec(written(), 0..24),
        requests in prop::collection::vec(asked(), 1..8),
    ) {
        let policy = Policy::new(rules.iter().map(Written::compiled).collect(), None);
        for asked in &requests {
            let expected = rules.iter().position(|rule| rule.decides(asked));
            let verdict = policy.judge(&Request::new(asked));
            let found = verdict.rule.map(|found| {
                policy.rules().iter().position(|rule| std::ptr::eq(rule, found)).unwrap()
            });
            prop_assert_eq!(found, expected, "{:?}", asked);
        }
    }

    #[test]
    fn a_word_fits_a_pattern_as_it_does_when_everything_is_tried(
        pattern in "[ab*?]{0,8}",
        word in "[ab]{0,10}",
    ) {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(Glob::new(&pattern).matches(&word), fits(&chars(&pattern), &chars(&word)));
    }

    #[test]
    fn no_text_makes_a_name_or_a_pattern_panic(pattern in any::<String>(), name in any::<String>()) {
        if let Ok(pattern) = NamePattern::new(&pattern) {
            _ = pattern.matches(&Name::new(&name));
        }
    }
}
