//! Policy: which connects and disconnects are allowed, by rules (`docs/policy.md`).
//!
//! A [`Policy`] is a list of rules; the first that is about a request decides, and a default where none is.
//! What is known of the request comes in as [`Facts`], asked for only when a rule needs it: a name is resolved
//! for the first rule about addresses that is not ruled out by something cheaper, and else never.
//!
//! Not everything can be known. A server's name may have no address, a rule may hold a mistake. What cannot be
//! judged is not allowed: a rule that denies counts as being about the request, a rule that allows does not.
//! Something else is what has not been decided yet, such as the provider: see [`Choice`].
//!
//! ```
//! use mpr_core::policy::{Decision, NamePattern, Policy, Rule, Conditions};
//! # use mpr_core::policy::{Choice, Event, Facts, Identity, Moment, Name};
//! # struct Request(Name);
//! # impl Facts for Request {
//! #     fn event(&self) -> Event { Event::Add }
//! #     fn remote(&self) -> &Name { &self.0 }
//! #     fn local(&self) -> Choice<'_> { Choice::Made("") }
//! #     fn provider(&self) -> Choice<'_> { Choice::Open }
//! #     fn flags(&self) -> u32 { 0 }
//! #     fn moment(&self) -> Option<Moment> { None }
//! #     fn user(&self) -> &Identity { unreachable!() }
//! #     fn groups(&self) -> Option<&[Identity]> { None }
//! #     fn addresses(&self) -> Option<&[std::net::IpAddr]> { None }
//! # }
//! let old_nas = Rule {
//!     name: "old-nas".into(),
//!     action: Decision::Deny,
//!     reason: Some("it is being retired".into()),
//!     file: std::path::Path::new("10-office.toml").into(),
//!     line: 1,
//!     conditions: Conditions {
//!         remote: vec![NamePattern::new(r"\\old-nas").unwrap()],
//!         ..Conditions::default()
//!     },
//! };
//! let policy = Policy::new(vec![old_nas], None);
//! let verdict = policy.judge(&Request(Name::new(r"\\OLD-NAS\photos")));
//! assert_eq!(verdict.decision, Decision::Deny);
//! assert_eq!(verdict.rule.unwrap().name, "old-nas");
//! ```

mod conditions;
mod glob;
mod index;
mod name;

pub use conditions::{
    Account, Conditions, Days, Doubt, Events, Flags, Hours, Identity, Network, WEEKDAYS, clock, weekday,
};
pub use glob::Glob;
pub use name::{Name, NamePattern, canonical_scheme};

use conditions::Held;
use index::Index;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

/// Whether something is to take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It is.
    Allow,
    /// It is not.
    Deny,
}

/// What is to take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A connect.
    Add,
    /// A disconnect.
    Cancel,
}

/// Something that may be chosen after the rules were asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'a> {
    /// It is this; folded.
    Made(&'a str),
    /// It will be chosen later. Rules that depend on it are passed over when they deny and taken when they
    /// allow, and the request must be judged again when the choice has been made.
    Open,
}

/// A moment on the clock of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Day of the week; Monday is 0.
    pub weekday: u8,
    /// Minute of the day.
    pub minute: u16,
}

/// What is known of a request. Each is asked for when a rule needs it, perhaps many times.
pub trait Facts {
    /// What is to take place.
    fn event(&self) -> Event;
    /// The resource.
    fn remote(&self) -> &Name;
    /// The device, folded; empty for none.
    fn local(&self) -> Choice<'_>;
    /// The provider that will be asked, folded.
    fn provider(&self) -> Choice<'_>;
    /// `CONNECT_*` flags.
    fn flags(&self) -> u32;
    /// The time; `None` where it cannot be told.
    fn moment(&self) -> Option<Moment>;
    /// The user of this machine who asks.
    fn user(&self) -> &Identity;
    /// Their groups; `None` where they cannot be told.
    fn groups(&self) -> Option<&[Identity]>;
    /// The addresses of the server; `None`, or none, where they cannot be told.
    fn addresses(&self) -> Option<&[IpAddr]>;
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it decides.
    pub action: Decision,
    /// Why, in the words of whoever wrote it.
    pub reason: Option<String>,
    /// The file it stands in.
    pub file: Arc<Path>,
    /// And the line, counted from 1.
    pub line: usize,
    /// What it is about.
    pub conditions: Conditions,
}

/// What decides where no rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Default {
    /// What it decides.
    pub action: Decision,
    /// The file it stands in.
    pub file: Arc<Path>,
    /// And the line, counted from 1.
    pub line: usize,
}

/// A list of rules.
#[derive(Debug, Clone, PartialEq, Eq, std::default::Default)]
pub struct Policy {
    rules: Vec<Rule>,
    default: Option<Default>,
    index: Index,
    /// Whether any rule depends on the name.
    about_names: bool,
}

/// What a policy says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Verdict<'p> {
    /// Whether it is to take place.
    pub decision: Decision,
    /// The rule that decides; `None` if none does.
    pub rule: Option<&'p Rule>,
    /// The default that decides, if no rule does and there is one.
    pub default: Option<&'p Default>,
    /// What could not be found out, when the rule decides for that reason.
    pub doubt: Option<Doubt>,
    /// Whether it depends on what is yet to be chosen.
    pub provisional: bool,
}

impl Policy {
    /// A policy of these rules, the first first, and of what holds behind them: to allow, unless said otherwise.
    #[must_use]
    pub fn new(rules: Vec<Rule>, default: Option<Default>) -> Self {
        let index = Index::of(&rules);
        let about_names = rules.iter().any(|rule| !rule.conditions.remote.is_empty());
        Policy { rules, default, index, about_names }
    }

    /// The rules, the first first.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What holds where no rule decides, if that was said.
    #[must_use]
    pub fn default_rule(&self) -> Option<&Default> {
        self.default.as_ref()
    }

    /// Whether it says nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.default.is_none()
    }

    /// Whether it has anything to say about operations of this kind.
    #[must_use]
    pub fn is_about(&self, event: Event) -> bool {
        let rule = |rule: &Rule| match event {
            Event::Add => rule.conditions.events.add,
            Event::Cancel => rule.conditions.events.cancel,
        };
        event == Event::Add && self.default.is_some() || self.rules.iter().any(rule)
    }

    /// Whether a rule depends on what may be chosen later.
    #[must_use]
    pub fn depends_on_choices(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| !rule.conditions.provider.is_empty() || !rule.conditions.local.is_empty())
    }

    /// What the first rule that is about the request says.
    #[inline]
    pub fn judge(&self, facts: &impl Facts) -> Verdict<'_> {
        let mut provisional = false;
        let judge = |at: u32| -> Option<Verdict<'_>> {
            let rule = &self.rules[at as usize];
            let (held, doubt) = rule.conditions.hold(facts, rule.action == Decision::Deny);
            let decides = match (held, rule.action) {
                (Held::Yes, _) | (Held::Unknown, Decision::Deny) => true,
                (Held::No, _) | (Held::Unknown, Decision::Allow) => false,
                (Held::Open, action) => {
                    provisional = true;
                    action == Decision::Allow
                }
            };
            let verdict =
                Verdict { decision: rule.action, rule: Some(rule), default: None, doubt, provisional };
            decides.then_some(verdict)
        };
        // A name that is not clear could be of any server.
        let decided = match self.about_names && facts.remote().is_unclear() {
            true => (0..self.rules.len() as u32).find_map(judge),
            false => self.index.find(facts, judge),
        };
        decided.unwrap_or_else(|| {
            // Whoever is not to connect is still to disconnect.
            let default = self.default.as_ref().filter(|_| facts.event() == Event::Add);
            let decision = default.map_or(Decision::Allow, |default| default.action);
            Verdict { decision, rule: None, default, doubt: None, provisional }
        })
    }
}

#[cfg(test)]
mod tests;
