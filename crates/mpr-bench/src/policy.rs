//! What it takes to judge a request by many rules.

use crate::in_turns;
use mpr_core::policy::{
    Account, Choice, Conditions, Decision, Event, Facts, Glob, Identity, Moment, Name, NamePattern, Network,
    Policy, Rule,
};
use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;

/// How many rules there are.
const RULES: u32 = 10_000;

/// A connect, with everything known about it.
struct Request {
    name: Name,
    user: Identity,
    addresses: [IpAddr; 1],
}

impl Facts for Request {
    fn event(&self) -> Event {
        Event::Add
    }
    fn remote(&self) -> &Name {
        &self.name
    }
    fn local(&self) -> Choice<'_> {
        Choice::Made("z:")
    }
    fn provider(&self) -> Choice<'_> {
        Choice::Open
    }
    fn flags(&self) -> u32 {
        1
    }
    fn moment(&self) -> Option<Moment> {
        Some(Moment { weekday: 3, minute: 600 })
    }
    fn user(&self) -> &Identity {
        &self.user
    }
    fn groups(&self) -> Option<&[Identity]> {
        Some(&[])
    }
    fn addresses(&self) -> Option<&[IpAddr]> {
        Some(&self.addresses)
    }
}

/// Rules of one kind; none of them is about the request, so that all of them are looked at.
fn rules(fill: impl Fn(u32, &mut Conditions)) -> Policy {
    let rules = (0..RULES).map(|number| {
        let mut conditions = Conditions::default();
        fill(number, &mut conditions);
        let name = format!("rule {number}");
        let file = Path::new("/etc/mpr/policy.d/many.toml").into();
        Rule { name, action: Decision::Deny, reason: None, file, line: 1, conditions }
    });
    Policy::new(rules.collect(), None)
}

fn remote(conditions: &mut Conditions, pattern: &str) {
    conditions.remote.push(NamePattern::new(pattern).expect("a pattern"));
}

/// The table: kind of rules, microseconds a request. The name is taken apart anew each time.
#[must_use]
pub fn table() -> Vec<(&'static str, f64)> {
    let kinds = [
        ("about a server each, by its name", rules(|n, c| remote(c, &format!(r"\\server{n}\share")))),
        ("about servers by a pattern: `*.lab17.example`", {
            rules(|n, c| remote(c, &format!(r"\\*.lab{n}.example")))
        }),
        ("about servers by a pattern with two wildcards: `n?s17*`", {
            rules(|n, c| remote(c, &format!(r"\\n?s{n}*")))
        }),
        ("about a user each", rules(|n, c| c.user.push(Account::Name(Glob::new(&format!("user{n}")))))),
        ("about an address range each", {
            rules(|n, c| {
                let text = format!("10.{}.{}.0/24", n / 256, n % 256);
                c.address.push(Network::new(&text).expect("a network"));
            })
        }),
        ("of all kinds, in turns", {
            rules(|n, c| match n % 4 {
                0 => remote(c, &format!(r"\\server{n}\share")),
                1 => remote(c, &format!(r"\\*.lab{n}.example")),
                2 => c.user.push(Account::Id(n)),
                _ => c
                    .address
                    .push(Network::new(&format!("10.{}.{}.0/24", n / 256, n % 256)).expect("a network")),
            })
        }),
    ];
    let request = || Request {
        name: Name::new(black_box(r"\\nas.office.example\photos\2024")),
        user: Identity { id: Some(100_000), name: Some("somebody".into()) },
        addresses: [IpAddr::from([192, 0, 2, 7])],
    };
    let measured = kinds.iter().map(|(kind, policy)| {
        let [time] = in_turns([&mut || {
            let verdict = policy.judge(&request());
            assert_eq!(verdict.decision, Decision::Allow);
        }]);
        (*kind, time / 1e3)
    });
    measured.collect()
}
