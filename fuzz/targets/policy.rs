#![no_main]
//! Policy files: any text is read without a panic, a mistake never allows, and rules together decide as they do one
//! after the other. The first line is a name that is judged, the rest the file.

use libfuzzer_sys::fuzz_target;
use mpr::config::policy::policy;
use mpr_core::policy::{Choice, Decision, Event, Facts, Identity, Moment, Name, Policy};
use std::net::IpAddr;
use std::path::Path;

struct Request<'a> {
    name: Name,
    provider: Option<&'a str>,
    user: Identity,
    addresses: Option<Vec<IpAddr>>,
    event: Event,
}

impl Facts for Request<'_> {
    fn event(&self) -> Event {
        self.event
    }
    fn remote(&self) -> &Name {
        &self.name
    }
    fn local(&self) -> Choice<'_> {
        Choice::Made("z:")
    }
    fn provider(&self) -> Choice<'_> {
        self.provider.map_or(Choice::Open, Choice::Made)
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
        Some(std::slice::from_ref(&self.user))
    }
    fn addresses(&self) -> Option<&[IpAddr]> {
        self.addresses.as_deref()
    }
}

fuzz_target!(|text: &str| {
    let (remote, text) = text.split_once('\n').unwrap_or(("", text));
    let (file, problems) = policy(Path::new("fuzz.toml"), text);
    if !file.enabled {
        return;
    }
    for problem in &problems {
        assert!(!problem.what.contains('\n'), "{problem}");
    }
    let together = Policy::new(file.rules.clone(), file.default.clone());
    for event in [Event::Add, Event::Cancel] {
        for provider in [None, Some("example network")] {
            for addresses in [None, Some(vec![IpAddr::from([10, 0, 0, 1])])] {
                let user = Identity { id: Some(1000), name: Some("ann".into()) };
                let request = Request { name: Name::new(remote), provider, user, addresses, event };
                let verdict = together.judge(&request);
                let one_by_one = file.rules.iter().position(|rule| {
                    Policy::new(vec![rule.clone()], None).judge(&request).rule.is_some()
                });
                let decided = verdict
                    .rule
                    .and_then(|found| together.rules().iter().position(|rule| std::ptr::eq(rule, found)));
                assert_eq!(decided, one_by_one);
                // What cannot be read allows nothing.
                assert!(verdict.rule.is_none_or(|rule| {
                    !rule.conditions.unreadable || rule.action == Decision::Deny || verdict.provisional
                }));
            }
        }
    }
});
